/*
 * The sections of `nightjar show`, each one function that writes to a page. show.c loads
 * what they need and says in which order they stand.
 */
#ifndef ORCHESTRATOR_CMD_SHOW_H
#define ORCHESTRATOR_CMD_SHOW_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/page.h"
#include "triage/command.h"
#include "triage/store.h"

struct show {
    struct store *store; /* borrowed */
    struct bug bug;
    struct command command; /* argv.n 0: there is none */
    int64_t hex_bytes;      /* of the reproducer that are shown */
};

/* What a verb says of each bug that is named; an exit status (show.c). */
typedef int show_bug(const struct cmd_context *context, struct store *store,
                     const char *name, struct err *err);
int show_each(const struct cmd_context *context, const char *verb,
              const struct strv *args, show_bug *show);

/* Stacks of the report with the source round its lines (show_stack.c); nothing without a
 * record. */
void show_stacks(struct page *page, const struct show *show);
void show_source(struct page *page, const struct show *show);
void show_registers(struct page *page, const struct show *show);

/* Which builds show it (show_build.c): facts for the head, fields for --json. */
int show_builds(struct page *page, const struct show *show, struct err *err);
int show_builds_json(const struct show *show, json_t *object, struct err *err);

/* "build aabbccddeeff, commit 0123456789ab (main)"; the first alone where no commit is
 * known, nothing without an id. Appends. */
void show_build_words(struct store *store, const char *build_id, struct buf *out);

/* The reproducer's bytes, and how to run it (show_input.c). */
void show_hex(struct page *page, const struct show *show);
void show_commands(struct page *page, const struct show *show);

/* "00000010  6d 61 67 69 63 ...  |magic...|", sixteen bytes a line, the first max of
 * them; lines are appended. */
void show_hex_lines(const unsigned char *data, size_t len, size_t max, struct strv *out);

/* What else is known of the bug (show_history.c). */
int show_variants(struct page *page, const struct show *show, struct err *err);
int show_similar(struct page *page, const struct show *show, struct err *err);
int show_timeline(struct page *page, const struct show *show, struct err *err);

/* The same for --json; new references. */
int show_variants_json(const struct show *show, json_t **out, struct err *err);
int show_similar_json(const struct show *show, json_t **out, struct err *err);
int show_timeline_json(const struct show *show, json_t **out, struct err *err);
json_t *show_event_json(const struct event_row *event); /* new reference */

#endif
