#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/cmd.h"
#include "triage/rate.h"

enum { SOURCE_MAX = 4 << 20, SOURCE_AROUND = 3, FRAMES_SHOWN = 64 };

static bool raw_report;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "report", 0, &raw_report, NULL,
         "the raw report as the target printed it (control bytes dropped)"},
        {.kind = CMD_END}};

    return table;
}

static void
print_clean(const char *text)
{
    AUTO(buf_clear) struct buf clean = BUF_INIT;

    str_clean(&clean, text, strlen(text));
    (void)fputs(buf_str(&clean), stdout);
}

static void
heading(const struct cmd_context *context, const char *text)
{
    (void)printf("\n%s%s%s\n", cmd_color(context, "1"), text, cmd_color(context, "0"));
}

/* A report names its files itself, so a path is hostile: only regular files that are
 * called like source code are read, never a key or a password file that a target would
 * like to see printed. */
static bool
is_source(const char *path)
{
    static const char *const endings[] = {
        ".c", ".cc", ".cpp", ".cxx",  ".h",  ".hh", ".hpp", ".hxx", ".inc", ".rs", ".go",
        ".m", ".mm", ".py",  ".java", ".js", ".y",  ".l",   ".S",   ".ipp", ".def"};

    for (size_t i = 0; i < COUNT(endings); i++) {
        if (str_ends(path, endings[i])) {
            return true;
        }
    }
    return false;
}

static void
print_source(const struct cmd_context *context, const struct frame *frame)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(mem_free) char *real = NULL;

    /* a target may have planted "x.c" as a link to a secret: what counts is where it
     * leads */
    if (frame->file == NULL || frame->line <= 0 ||
        fs_real(frame->file, &real, NULL) < 0 || !is_source(real) ||
        fs_read(real, SOURCE_MAX, &text, NULL) < 0) {
        return;
    }
    AUTO(mem_free)
    char *title = mem_printf("Source (%s:%d)", fs_base(frame->file), frame->line);
    heading(context, title);
    int line = 1;
    for (char *at = text.data; at != NULL && *at != '\0'; line++) {
        char *end = strchr(at, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        if (line >= frame->line - SOURCE_AROUND && line <= frame->line + SOURCE_AROUND) {
            (void)printf("%s%s%5d  ",
                         line == frame->line ? cmd_color(context, "31;1") : "",
                         line == frame->line ? ">" : " ", line);
            print_clean(at);
            (void)printf("%s\n", line == frame->line ? cmd_color(context, "0") : "");
        }
        at = end == NULL ? NULL : end + 1;
    }
}

static void
print_frame(const struct cmd_context *context, const struct frame *frame)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;

    buf_addf(&line, "%s#%-3d", frame->kept ? "* " : "  ", frame->n);
    if (frame->function != NULL) {
        buf_adds(&line, frame->function);
    } else if (frame->module != NULL) {
        buf_addf(&line, "%s+0x%llx", frame->module, (unsigned long long)frame->offset);
    } else {
        buf_addf(&line, "0x%llx", (unsigned long long)frame->address);
    }
    if (frame->file != NULL && frame->line > 0) {
        buf_addf(&line, "  %s:%d", frame->file, frame->line);
        if (frame->column > 0) {
            buf_addf(&line, ":%d", frame->column);
        }
    } else if (frame->file != NULL) {
        buf_addf(&line, "  %s (line unknown)", frame->file);
    }
    (void)fputs(frame->kept ? "" : cmd_color(context, "2"), stdout);
    print_clean(buf_str(&line));
    (void)fputs(frame->inlined ? "  [inlined]" : "", stdout);
    if (frame->stack == STACK_CRASH && !frame->kept && frame->rule != NULL) {
        (void)printf("  (%s)", frame->rule);
    }
    (void)printf("%s\n", frame->kept ? "" : cmd_color(context, "0"));
}

static const struct frame *
first_kept(const struct record *record)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        if (record->frames[i].kept) {
            return &record->frames[i];
        }
    }
    return NULL;
}

/* The stacks behind the crash's own, by what they tell. */
static const char *const stack_titles[] = {
    [STACK_CRASH] = "Stack (* counts for the signature)",
    [STACK_FREED] = "Freed at",
    [STACK_ALLOCATED] = "Allocated at",
    [STACK_THREAD] = "Thread made at",
    [STACK_ORIGIN] = "Uninitialised since",
    [STACK_STORED] = "Copied at",
    [STACK_OBJECT] = "The object lies in the frame of",
    [STACK_LEAK] = "A further leak",
    [STACK_OTHER] = "A further stack"};

static void
print_stack(const struct cmd_context *context, const struct record *record)
{
    const struct frame *top = first_kept(record);

    heading(context, stack_titles[STACK_CRASH]);
    if (record->message != NULL) {
        (void)fputs("  ", stdout);
        print_clean(record->message);
        (void)putchar('\n');
    }
    if (record->n_frames == 0) {
        (void)puts("  the report has no stack");
    }
    for (size_t i = 0; i < record->n_frames; i++) {
        if (i == FRAMES_SHOWN) {
            (void)printf("  ... %zu further frames; nightjar show --json has them all\n",
                         record->n_frames - i);
            break;
        }
        const struct frame *frame = &record->frames[i];
        if (i > 0 && frame->stack != STACK_CRASH &&
            (frame->stack != record->frames[i - 1].stack || frame->n == 0)) {
            heading(context, stack_titles[frame->stack]);
        }
        print_frame(context, frame);
    }
    if (top != NULL) {
        print_source(context, top);
    }
}

static void
print_reasons(const struct cmd_context *context, const char *title,
              const struct strv *reasons)
{
    heading(context, title);
    for (size_t i = 0; i < reasons->n; i++) {
        (void)fputs("  - ", stdout);
        print_clean(reasons->v[i]);
        (void)putchar('\n');
    }
}

static void
print_head(const struct cmd_context *context, const struct bug *bug)
{
    AUTO(mem_free) char *type = record_type_line(bug->crash_type);
    AUTO(mem_free) char *frame = record_top_frame(bug->crash_type, bug->crash_state);
    char first[CLOCK_TEXT_MAX];
    char last[CLOCK_TEXT_MAX];
    char rate[96];

    clock_iso(first, bug->first_seen);
    clock_iso(last, bug->last_seen);
    (void)printf("%s%s%s  ", cmd_color(context, "1"), bug->name, cmd_color(context, "0"));
    print_clean(type);
    (void)fputs(" in ", stdout);
    print_clean(frame);
    (void)printf("\n  severity         %s%s%s (%.1f)%s\n",
                 cmd_color(context, bug_severity_color(bug->severity)),
                 severity_name(bug->severity), cmd_color(context, "0"),
                 bug->severity_score, bug->security ? ", a security bug" : "");
    (void)printf("  class            %s, %s%s%s\n", bug->class_name, bug->exploitability,
                 bug->cwe[0] == '\0' ? "" : ", ", bug->cwe);
    (void)printf("  state            %s\n  target           ", bug->state);
    print_clean(bug->target);
    (void)printf("\n  crashes          %lld, first %s, last %s\n",
                 (long long)bug->crashes, first, last);
    rate_show(rate, sizeof(rate), bug->k, bug->n);
    (void)printf("  reproduces       %s (%s)\n", rate, bug->reproducibility);
    (void)printf("  reproducer       %lld bytes%s, sha256 %.16s\n",
                 (long long)bug->reproducer_bytes, bug->minimized ? " (minimized)" : "",
                 bug->reproducer);
}

static void
print_command(const struct cmd_context *context, struct store *store,
              const struct bug *bug)
{
    AUTO(command_clear) struct command command = {0};
    struct record_settings settings = {0};

    heading(context, "Reproduce");
    (void)printf("  nightjar repro %s\n", bug->name);
    if (store_bug_command(store, bug->id, &command, &settings, NULL) == 0 &&
        command.argv.n > 0) {
        AUTO(mem_free) char *input = mem_printf("%s.input", bug->name);
        AUTO(mem_free) char *line = command_shell(&command, input);
        (void)printf("  by hand: nightjar repro %s --export . && \\\n    ", bug->name);
        print_clean(line);
        (void)putchar('\n');
    }
    strv_clear(&settings.ignore_frames);
}

static void
print_json(const struct bug *bug)
{
    AUTO(json_decref) json_t *o = bug_to_json(bug);

    if (bug->record != NULL) {
        json_put(o, "record", record_to_json(bug->record));
        json_put(o, "reasons", json_strv(&bug->record->reasons));
        json_put(o, "grouping", json_strv(&bug->record->grouping));
    }
    json_print(stdout, o);
}

static int
show_report(struct store *store, const struct bug *bug, struct err *err)
{
    AUTO(buf_clear) struct buf report = BUF_INIT;
    int rc = store_report(store, bug->crash, &report, err);

    if (rc < 0) {
        return rc;
    }
    if (report.len == 0) {
        return err_set(err, -ENODATA, "%s has no report: the target printed nothing",
                       bug->name);
    }
    print_clean(buf_str(&report));
    return 0;
}

static int
show(const struct cmd_context *context, struct store *store, const char *id,
     struct err *err)
{
    AUTO(bug_clear) struct bug bug = {0};
    int64_t number = 0;
    int rc = bug_parse_id(id, &number, err);

    if (rc == 0) {
        rc = store_bug(store, number, &bug, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (raw_report) {
        return show_report(store, &bug, err);
    }
    if (context->json) {
        print_json(&bug);
        return 0;
    }
    print_head(context, &bug);
    if (bug.record != NULL) {
        print_stack(context, bug.record);
        print_reasons(context, "Why this severity", &bug.record->reasons);
        print_reasons(context, "Why this group", &bug.record->grouping);
    }
    print_command(context, store, &bug);
    return 0;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    struct err err = ERR_INIT;
    AUTO(store_close) struct store *store = NULL;

    (void)command;
    if (args->n == 0) {
        return cmd_fail(
            EXIT_USAGE,
            "show needs a bug: nightjar show NJ-1 (nightjar bugs lists them)");
    }
    int rc = store_open(context->state, DB_READ, &store, &err);
    for (size_t i = 0; rc == 0 && i < args->n; i++) {
        rc = show(context, store, args->v[i], &err);
    }
    return rc < 0 ? cmd_fail_err(&err) : EXIT_DONE;
}

const struct cmd cmd_show = {
    .name = "show",
    .summary = "explain one bug: stack, source, severity, grouping, reproduction",
    .usage = "BUG...",
    .about =
        "Explain a bug: the symbolised stack with the source round the crash line, why "
        "it has this\n"
        "severity, why these crashes are one bug, and the command that reproduces it.\n\n"
        "  nightjar show NJ-1\n"
        "  nightjar show NJ-1 --report       what the sanitizer printed",
    .options = options,
    .run = run,
};
