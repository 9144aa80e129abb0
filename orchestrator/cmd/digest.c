#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/page.h"
#include "triage/digest.h"
#include "triage/record.h"

enum {
    DAY_MS = 24 * 3600 * 1000,
    LINES_MAX = 40,
    LINES_AROUND = 5, /* title, sum, blanks, what was left out */
    OTHERS_MAX = 10,
};

static int64_t since_ms = DAY_MS;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {{CMD_DURATION, "since", 0, &since_ms,
                                               "DURATION",
                                               "how far back it looks (default 24h)"},
                                              {.kind = CMD_END}};

    return table;
}

static const char *const words[DIGEST_CHANGES] = {
    [DIGEST_REGRESSED] = "regressed",    [DIGEST_NEW] = "new",
    [DIGEST_RAISED] = "severity raised", [DIGEST_BLOCKS] = "known",
    [DIGEST_OVERDUE] = "overdue",        [DIGEST_FIXED] = "verified fixed",
    [DIGEST_DECIDED] = "decided",
};

/* --- for machines --- */

static void
print_json(const struct digest *digest)
{
    AUTO(json_decref) json_t *o = json_object();
    json_t *counts = json_object();
    json_t *bugs = json_array();
    char at[CLOCK_TEXT_MAX];

    clock_iso(at, digest->from);
    json_put(o, "from", json_string(at));
    clock_iso(at, digest->to);
    json_put(o, "to", json_string(at));
    json_put(o, "crashes", json_integer(digest->crashes));
    for (int i = 0; i < DIGEST_CHANGES; i++) {
        json_put(counts, words[i], json_integer(digest->counts[i]));
    }
    json_put(o, "changes", counts);
    json_put(o, "blocking", json_integer(digest->blocking));
    json_put(o, "overdue", json_integer(digest->overdue));
    for (size_t i = 0; i < digest->n; i++) {
        const struct digest_bug *bug = &digest->bugs[i];
        json_t *row = json_object();
        json_put(row, "id", json_string(bug->name));
        json_put(row, "change", json_string(words[bug->change]));
        json_put(row, "severity", json_string(severity_name(bug->severity)));
        json_put(row, "state", json_text(bug->state));
        json_put(row, "target", json_text(bug->target));
        json_put(row, "crash_type", json_text(bug->crash_type));
        json_put(row, "crash_state", json_text(bug->crash_state));
        json_put(row, "crashes", json_integer(bug->crashes));
        json_put(row, "blocks", json_boolean(bug->blocks));
        json_put(row, "overdue", json_boolean(bug->overdue));
        (void)json_array_append_new(bugs, row);
    }
    json_put(o, "bugs", bugs);
    json_put(o, "others", json_strv(&digest->others));
    json_print(stdout, o);
}

/* --- for people --- */

/* "50 crashes -> 3 new, 1 regressed, 2 verified fixed, 1 blocks fuzzing" */
static void
put_sum(const struct digest *digest, struct page *page)
{
    static const enum digest_change order[] = {
        DIGEST_NEW, DIGEST_REGRESSED, DIGEST_RAISED, DIGEST_FIXED, DIGEST_DECIDED};
    AUTO(buf_clear) struct buf text = BUF_INIT;
    const char *between = " -> ";

    buf_addf(&text, "%" PRId64 " crash%s", digest->crashes,
             digest->crashes == 1 ? "" : "es");
    for (size_t i = 0; i < COUNT(order); i++) {
        if (digest->counts[order[i]] > 0) {
            buf_addf(&text, "%s%" PRId64 " %s", between, digest->counts[order[i]],
                     words[order[i]]);
            between = ", ";
        }
    }
    if (digest->blocking > 0) {
        buf_addf(&text, "%s%" PRId64 " block%s fuzzing", between, digest->blocking,
                 digest->blocking == 1 ? "s" : "");
        between = ", ";
    }
    if (digest->overdue > 0) {
        buf_addf(&text, "%s%" PRId64 " overdue", between, digest->overdue);
    }
    page_text(page, buf_str(&text));
}

static void
put_bug(const struct digest_bug *bug, struct page *page)
{
    AUTO(mem_free) char *type = record_type_line(bug->crash_type);
    AUTO(mem_free) char *top = record_top_frame(bug->crash_type, bug->crash_state);
    AUTO(buf_clear) struct buf text = BUF_INIT;

    buf_addf(&text, "%s %s, ", bug->name, words[bug->change]);
    if (bug->change == DIGEST_DECIDED) {
        buf_addf(&text, "%s, ", bug->state);
    }
    buf_addf(&text, "%s: %s in %s (%s)", severity_name(bug->severity), type, top,
             bug->target);
    if (bug->crashes > 1) {
        buf_addf(&text, ", %" PRId64 " crashes", bug->crashes);
    }
    if (bug->blocks) {
        buf_adds(&text, ", blocks fuzzing");
    }
    if (bug->overdue && bug->change != DIGEST_OVERDUE) {
        buf_adds(&text, ", overdue");
    }
    page_item(page, buf_str(&text));
}

static void
print_page(const struct digest *digest)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    AUTO(page_clear) struct page page = {0};
    size_t others = digest->others.n < OTHERS_MAX ? digest->others.n : OTHERS_MAX;
    size_t room = LINES_MAX - LINES_AROUND - others;
    size_t n = digest->n < room ? digest->n : room;
    char from[CLOCK_TEXT_MAX];
    char to[CLOCK_TEXT_MAX];

    clock_iso(from, digest->from);
    clock_iso(to, digest->to);
    AUTO(mem_free) char *title = mem_printf("nightjar, %s to %s", from, to);
    page_markdown(&page, &out);
    page_title(&page, title);
    put_sum(digest, &page);
    for (size_t i = 0; i < n; i++) {
        put_bug(&digest->bugs[i], &page);
    }
    for (size_t i = 0; i < others; i++) {
        page_item(&page, digest->others.v[i]);
    }
    size_t left = digest->n - n + digest->others.n - others;
    if (left > 0) {
        AUTO(mem_free)
        char *text = mem_printf("and %zu more: nightjar digest --json", left);
        page_item(&page, text);
    }
    (void)fputs(buf_str(&out), stdout);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(store_close) struct store *store = NULL;
    AUTO(digest_clear) struct digest digest = {.to = clock_wall_ms() + 1};
    struct err err = ERR_INIT;

    (void)command;
    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "digest takes no arguments");
    }
    digest.from = digest.to - since_ms;
    int rc = store_open(context->state, DB_READ, &store, &err);
    rc = rc < 0 ? rc : store_digest(store, &digest, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    if (context->json) {
        print_json(&digest);
    } else if (digest.n > 0 || digest.others.n > 0) {
        print_page(&digest);
    }
    return EXIT_DONE;
}

const struct cmd cmd_digest = {
    .name = "digest",
    .summary = "what changed since yesterday, worst first, for mail and chat",
    .usage = "",
    .about = "Bugs that are new, came back, are fixed or were decided about, and targets "
             "and workers\n"
             "that are out of order, as Markdown of 40 lines at most. Nothing is printed "
             "when nothing\n"
             "changed. An open bug blocks fuzzing when it is 80 % of what its target's "
             "fuzzing finds,\n"
             "and 50 crashes at least. Bugs taken over as backlog are not told.\n\n"
             "  nightjar digest --since 24h | mail -E -s nightjar team@example.org",
    .options = options,
    .run = run,
};
