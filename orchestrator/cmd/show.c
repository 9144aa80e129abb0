#include "orchestrator/cmd/show.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/publish/bug.h"
#include "triage/explain.h"
#include "triage/rate.h"

enum { HEX_BYTES = 256, WIDTH_MIN = 60, WIDTH_MAX = 160 };

static bool raw_report, markdown;
static int64_t hex_bytes = HEX_BYTES;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "markdown", 0, &markdown, NULL,
         "to be pasted into a ticket: Markdown, whole names, no colours"},
        {CMD_NUMBER, "hex", 0, &hex_bytes, "N",
         "bytes of the reproducer that are shown (default 256)"},
        {CMD_FLAG, "report", 0, &raw_report, NULL,
         "the raw report as the target printed it (control bytes dropped)"},
        {.kind = CMD_END}};

    return table;
}

static void
show_clear(struct show *show)
{
    bug_clear(&show->bug);
    command_clear(&show->command);
}
AUTO_DEFINE_CLEAR(struct show, show_clear)

/* --- the head --- */

static char *
title_of(const struct bug *bug)
{
    AUTO(mem_free) char *type = record_type_line(bug->crash_type);
    AUTO(mem_free) char *top = record_top_frame(bug->crash_type, bug->crash_state);

    return mem_printf("%s  %s in %s", bug->name, type, top);
}

static enum page_style
style_of(enum severity severity)
{
    return severity >= SEVERITY_HIGH  ? STYLE_BAD
           : severity >= SEVERITY_LOW ? STYLE_STRONG
                                      : STYLE_DIM;
}

/* The line of the frame to look at first. */
static void
put_where(struct page *page, const struct record *record)
{
    const struct frame *top = record == NULL ? NULL : explain_frame(record);
    AUTO(buf_clear) struct buf where = BUF_INIT;

    if (top == NULL) {
        return;
    }
    buf_adds(&where, top->function == NULL ? "" : top->function);
    if (top->file != NULL && top->line > 0) {
        buf_addf(&where, "%s%s:%d", where.len == 0 ? "" : ", ", top->file, top->line);
    } else if (top->file != NULL) {
        buf_addf(&where, "%s%s (line unknown)", where.len == 0 ? "" : ", ", top->file);
    } else if (top->module != NULL) {
        buf_addf(&where, "%s%s+0x%" PRIx64, where.len == 0 ? "" : ", ",
                 fs_base(top->module), top->offset);
    }
    page_fact(page, "where", buf_str(&where), STYLE_STRONG);
}

static void
put_runs(struct page *page, const struct show *show)
{
    const struct bug *bug = &show->bug;
    AUTO(buf_clear) struct buf text = BUF_INIT;
    const struct record *record = bug->record;
    char rate[96];

    if (!bug->is_report) {
        rate_show(rate, sizeof(rate), bug->k, bug->n);
        buf_addf(&text, "%s (%s)", rate, bug->reproducibility);
    } else {
        buf_addf(&text, "never run: it stems from %s",
                 strcmp(bug->source, "core") == 0     ? "a core file"
                 : strcmp(bug->source, "verify") == 0 ? "nightjar verify: another bug's "
                                                        "input shows it by now"
                                                      : "a report's text");
    }
    /* "given" is the command that a person wrote */
    if (record != NULL && record->build != NULL && strcmp(record->build, "given") != 0) {
        buf_addf(&text, ", on the %s build", record->build);
    }
    if (record != NULL && record->replay_options != NULL) {
        buf_addf(&text, ", only with %s", record->replay_options);
    }
    page_fact(page, "reproduces", buf_str(&text), STYLE_PLAIN);
    if (record != NULL && record->shipped_n > 0) {
        AUTO(mem_free)
        char *shipped =
            mem_printf("crashes what we ship: %d of %d runs of the release build",
                       record->shipped_k, record->shipped_n);
        page_fact(page, "release", shipped,
                  record->shipped_k > 0 ? STYLE_BAD : STYLE_PLAIN);
    }
}

/* Who set the severity, and what it would be else; "" when nobody did. New. */
static char *
decision(const struct bug *bug)
{
    if (bug->decided_by == NULL) {
        return mem_strdup("");
    }
    return mem_printf("%s: %s (computed: %s, %.1f)", bug->decided_by,
                      bug->decided_reason == NULL ? "" : bug->decided_reason,
                      severity_name(bug->computed_severity), bug->computed_score);
}

static void
put_state(struct page *page, const struct bug *bug)
{
    AUTO(buf_clear) struct buf state = BUF_INIT;
    AUTO(buf_clear) struct buf due = BUF_INIT;
    AUTO(mem_free)
    char *owner = bug->owner[0] == '\0'
                      ? mem_strdup("")
                      : mem_printf("%s (%s)", bug->owner, bug->owner_origin);

    buf_adds(&state, bug->state);
    bug_add_until(bug, &state);
    if (bug->backlog) {
        buf_adds(&state, ", backlog: known before, no alert and no deadline");
    }
    bug_add_due(bug, &due);
    page_fact(page, "state", buf_str(&state), STYLE_PLAIN);
    page_fact(page, "owner", owner, STYLE_PLAIN);
    page_fact(page, "due", buf_str(&due),
              bug->due != 0 && bug->due < clock_wall_ms() ? STYLE_BAD : STYLE_PLAIN);
}

static int
show_head(struct page *page, const struct show *show, struct err *err)
{
    const struct bug *bug = &show->bug;
    char first[CLOCK_TEXT_MAX];
    char last[CLOCK_TEXT_MAX];
    char filed[CLOCK_TEXT_MAX];

    clock_iso(first, bug->first_seen);
    clock_iso(last, bug->last_seen);
    clock_iso(filed, bug->filed);
    AUTO(mem_free) char *title = title_of(bug);
    AUTO(mem_free)
    char *severity =
        mem_printf("%s (%.1f)%s", severity_name(bug->severity), bug->severity_score,
                   bug->security ? ", a security bug" : "");
    AUTO(mem_free)
    char *class = mem_printf("%s, %s%s%s", bug->class_name, bug->exploitability,
                             bug->cwe[0] == '\0' ? "" : ", ", bug->cwe);
    AUTO(mem_free)
    char *seen =
        mem_printf("%" PRId64 " crash%s, first %s, last %s; filed %s", bug->crashes,
                   bug->crashes == 1 ? "" : "es", first, last, filed);
    AUTO(mem_free)
    char *input = mem_printf("%" PRId64 " byte%s%s, sha256 %.16s", bug->reproducer_bytes,
                             bug->reproducer_bytes == 1 ? "" : "s",
                             bug->minimized ? " (minimized)" : "", bug->reproducer);
    AUTO(mem_free) char *decided = decision(bug);
    page_title(page, title);
    put_where(page, bug->record);
    page_fact(page, "severity", severity, style_of(bug->severity));
    page_fact(page, "decided by", decided, STYLE_PLAIN);
    page_fact(page, "class", class, STYLE_PLAIN);
    put_state(page, bug);
    page_fact(page, "target", bug->target, STYLE_PLAIN);
    page_fact(page, "seen", seen, STYLE_PLAIN);
    put_runs(page, show);
    page_fact(page, bug->is_report ? "report" : "reproducer", input, STYLE_PLAIN);
    return show_builds(page, show, err);
}

static void
show_story(struct page *page, const struct record *record)
{
    AUTO(buf_clear) struct buf what = BUF_INIT;

    explain_what(record, &what);
    page_heading(page, "What happened");
    page_text(page, buf_str(&what));
    page_heading(page, "Kind of fix");
    page_text(page, explain_fix(record));
}

static void
show_sentences(struct page *page, const char *title, const struct strv *list)
{
    if (list->n == 0) {
        return;
    }
    page_heading(page, title);
    for (size_t i = 0; i < list->n; i++) {
        page_item(page, list->v[i]);
    }
}

/* --- one bug --- */

static int
show_page(struct page *page, const struct show *show, struct err *err)
{
    const struct record *record = show->bug.record;

    int rc = show_head(page, show, err);
    if (record != NULL) {
        show_story(page, record);
        show_stacks(page, show);
        show_source(page, show);
        show_registers(page, show);
    }
    show_hex(page, show);
    show_commands(page, show);
    if (record != NULL) {
        show_sentences(page, "Why this severity", &record->reasons);
        show_sentences(page, "Why this group", &record->grouping);
    }
    rc = rc < 0 ? rc : show_variants(page, show, err);
    rc = rc < 0 ? rc : show_similar(page, show, err);
    return rc < 0 ? rc : show_timeline(page, show, err);
}

static int
show_lists(const struct show *show, json_t *object, struct err *err)
{
    static const struct {
        const char *key;
        int (*list)(const struct show *show, json_t **out, struct err *err);
    } lists[] = {{"variants", show_variants_json},
                 {"similar", show_similar_json},
                 {"timeline", show_timeline_json}};
    int rc = 0;

    for (size_t i = 0; i < COUNT(lists) && rc == 0; i++) {
        json_t *list = NULL;
        rc = lists[i].list(show, &list, err);
        if (rc == 0) {
            json_put(object, lists[i].key, list);
        }
    }
    return rc;
}

static int
show_json(const struct show *show, struct err *err)
{
    AUTO(json_decref) json_t *o = bug_to_json(&show->bug);
    const struct record *record = show->bug.record;

    if (record != NULL) {
        AUTO(buf_clear) struct buf what = BUF_INIT;
        explain_what(record, &what);
        json_put(o, "what", json_text(buf_str(&what)));
        json_put(o, "fix", json_text(explain_fix(record)));
        json_put(o, "record", record_to_json(record));
        json_put(o, "reasons", json_strv(&record->reasons));
        json_put(o, "grouping", json_strv(&record->grouping));
    }
    if (show->command.argv.n > 0) {
        AUTO(mem_free) char *line = command_shell(&show->command, "input");
        json_put(o, "command", json_text(line));
    }
    int rc = show_builds_json(show, o, err);
    rc = rc < 0 ? rc : show_lists(show, o, err);
    if (rc == 0) {
        json_print(stdout, o);
    }
    return rc;
}

static int
show_report(const struct show *show, struct err *err)
{
    AUTO(buf_clear) struct buf report = BUF_INIT;
    AUTO(buf_clear) struct buf clean = BUF_INIT;
    int rc = store_report(show->store, show->bug.crash, &report, err);

    if (rc < 0) {
        return rc;
    }
    if (report.len == 0) {
        return err_set(err, -ENODATA, "%s has no report: the target printed nothing",
                       show->bug.name);
    }
    str_clean(&clean, buf_str(&report), report.len);
    (void)fputs(buf_str(&clean), stdout);
    return 0;
}

static int
load(struct show *show, const char *id, struct err *err)
{
    struct record_settings settings = {0};
    int64_t number = 0;
    int rc = bug_parse_id(id, &number, err);

    rc = rc < 0 ? rc : store_bug(show->store, number, &show->bug, err);
    if (rc < 0) {
        return rc;
    }
    (void)store_bug_command(show->store, number, &show->command, &settings, NULL);
    strv_clear(&settings.ignore_frames);
    if (show->bug.record != NULL) {
        command_add_options(&show->command, show->bug.record->replay_options);
    }
    return 0;
}

/* Columns of the terminal; 0: standard output is none. */
static size_t
terminal_columns(void)
{
    struct winsize size;

    if (isatty(STDOUT_FILENO) == 0) {
        return 0;
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) {
        return 80;
    }
    return size.ws_col < WIDTH_MIN   ? WIDTH_MIN
           : size.ws_col > WIDTH_MAX ? WIDTH_MAX
                                     : size.ws_col;
}

static int
show_one(const struct cmd_context *context, struct store *store, const char *id,
         struct err *err)
{
    AUTO(show_clear) struct show show = {.store = store, .hex_bytes = hex_bytes};
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(page_clear) struct page page = {0};
    int rc = load(&show, id, err);

    if (rc < 0) {
        return rc;
    }
    if (raw_report) {
        return show_report(&show, err);
    }
    if (context->json) {
        return show_json(&show, err);
    }
    if (markdown) {
        page_markdown(&page, &text);
    } else {
        page_terminal(&page, &text, terminal_columns(), context->color);
    }
    rc = show_page(&page, &show, err);
    (void)fwrite(buf_str(&text), 1, text.len, stdout);
    return rc;
}

int
show_each(const struct cmd_context *context, const char *verb, const struct strv *args,
          show_bug *show)
{
    struct err err = ERR_INIT;
    AUTO(store_close) struct store *store = NULL;

    if (args->n == 0) {
        return cmd_fail(EXIT_USAGE,
                        "%s needs a bug: nightjar %s NJ-1 (nightjar bugs lists them)",
                        verb, verb);
    }
    int rc = store_open(context->state, DB_READ, &store, &err);
    for (size_t i = 0; rc == 0 && i < args->n; i++) {
        if (i > 0 && !context->json) {
            (void)putchar('\n');
        }
        rc = show(context, store, args->v[i], &err);
    }
    return rc < 0 ? cmd_fail_err(&err) : EXIT_DONE;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    (void)command;
    return show_each(context, "show", args, show_one);
}

const struct cmd cmd_show = {
    .name = "show",
    .summary =
        "explain one bug: what happened, where, how bad, how to fix and reproduce it",
    .usage = "BUG... [--markdown]",
    .about =
        "Explain a bug to somebody who has never seen the program: what happened and "
        "what\n"
        "kind of change cures it, the symbolised stacks with the source round the line,\n"
        "the reproducer's bytes and how to run it, why it has this severity, why these\n"
        "crashes are one bug, its variants and its history. Names are escaped, whatever\n"
        "they hold; --json has all of them whole.\n\n"
        "  nightjar show NJ-1\n"
        "  nightjar show NJ-1 --markdown     ready to paste into a ticket\n"
        "  nightjar show NJ-1 --report       what the sanitizer printed",
    .options = options,
    .run = run,
};
