/* The table of bugs as `triage`, `fuzz` and `bugs` print it, and its JSON form. */
#ifndef ORCHESTRATOR_CMD_BUG_TABLE_H
#define ORCHESTRATOR_CMD_BUG_TABLE_H

#include <stdint.h>
#include <stdio.h>

#include "orchestrator/cmd/cmd.h"
#include "triage/store.h"

/* Print the bugs that filter lets through, worst first: JSON Lines with --json, else a
 * table as wide as the terminal (80 columns elsewhere). *rows (may be NULL) receives
 * their number, *worst (may be NULL) the id of the first, 0 when there is none. Nothing
 * is printed for an empty list. */
int bug_table_print(const struct cmd_context *context, struct store *store,
                    const struct bug_filter *filter, int64_t *rows, int64_t *worst,
                    struct err *err);

/* The object of `nightjar bugs --json`; new reference. */
json_t *bug_to_json(const struct bug *bug);

/* "Heap-buffer-overflow READ 4": a crash type on one line; new string. */
char *bug_type_line(const char *crash_type);

/* The first line of a crash state, "-" when it has none; new string. */
char *bug_top_frame(const char *crash_state);

/* `text` cut to `columns` characters with "~" as the last one, padded to them; appends to
 * out. */
void bug_table_cell(struct buf *out, const char *text, size_t columns);

/* The colour of a severity: an SGR code such as "31;1". */
const char *bug_severity_color(enum severity severity);

#endif
