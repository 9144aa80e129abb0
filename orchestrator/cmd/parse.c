/* nightjar parse: report text in, JSON Lines out; see "Command line" in the design. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "triage/parse/parse.h"
#include "triage/stack.h"

enum { READ_STEP = 1 << 20 };

static const char *fuzz_target;
static bool ooms_and_hangs;
static bool asserts_are_security = true;
static bool checks_are_security;
static struct strv ignore_frames;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "fuzz-target", 0, &fuzz_target, "NAME",
         "stands for the stack of timeouts, and where no frame counts"},
        {CMD_YESNO, "ooms-and-hangs", 0, &ooms_and_hangs, NULL,
         "timeouts and memory running out are crashes (no)"},
        {CMD_YESNO, "asserts-are-security", 0, &asserts_are_security, NULL,
         "a failed assertion is a security problem (yes)"},
        {CMD_YESNO, "checks-are-security", 0, &checks_are_security, NULL,
         "a failed CHECK is a security problem (no)"},
        {CMD_LIST, "ignore-frame", 0, &ignore_frames, "REGEX",
         "frames that never count; Perl syntax, from the frame's start"},
        {.kind = CMD_END}};

    return table;
}

/* PARSE_REPORT_MAX bytes from `from` on. */
static int
read_part(const char *path, int fd, off_t from, struct buf *text, struct err *err)
{
    buf_cut(text, 0);
    if (lseek(fd, from, SEEK_SET) < 0) {
        return err_sys(err, "read '%s'", path);
    }
    while (text->len < PARSE_REPORT_MAX) {
        size_t room = PARSE_REPORT_MAX - text->len;
        int rc = fd_read_some(fd, text, room < READ_STEP ? room : READ_STEP, err);
        if (rc < 0) {
            return err_wrap(err, rc, "'%s'", path);
        }
        if (rc == 0) {
            break;
        }
    }
    return 0;
}

static int
read_stdin(struct buf *text, struct err *err)
{
    for (;;) {
        if (text->len == PARSE_REPORT_MAX) {
            buf_drop(text, text->len / 2);
        }
        size_t room = PARSE_REPORT_MAX - text->len;
        int rc =
            fd_read_some(STDIN_FILENO, text, room < READ_STEP ? room : READ_STEP, err);
        if (rc <= 0 && rc != -EAGAIN) {
            return rc < 0 ? err_wrap(err, rc, "standard input") : 0;
        }
    }
}

static void
print_json(const char *file, const struct record *record, struct buf *line)
{
    buf_cut(line, 0);
    record_write_json(record, file, line);
    buf_addc(line, '\n');
    (void)fwrite(buf_str(line), 1, line->len, stdout);
}

/* One line a fact, the state's frames indented. */
static void
print_text(const char *file, const struct record *record)
{
    AUTO(mem_free) char *name = str_name_dup(file);
    AUTO(buf_clear) struct buf type = BUF_INIT;

    buf_adds(&type, record->crash_type);
    for (char *at = type.data; at != NULL && *at != '\0'; at++) {
        if (*at == '\n') {
            *at = ' ';
        }
    }
    (void)printf("%s: %s, %s %.1f%s\n", name, buf_str(&type),
                 severity_name(record->severity), record->severity_score,
                 record->security ? ", security" : "");
    for (const char *at = record->crash_state; *at != '\0';) {
        size_t len = strcspn(at, "\n");
        (void)printf("    %.*s\n", (int)len, at);
        at += len + (at[len] == '\n');
    }
    if (record->crash_line != NULL) {
        (void)printf("    at %s\n", record->crash_line);
    }
}

/* 1: printed; 0: the text holds no crash. text is used up. */
static int
parse_text(const struct cmd_context *context, const char *file, struct buf *text,
           const struct record_options *how, struct err *err)
{
    AUTO(record_free) struct record *record = NULL;

    int rc = parse_report(buf_str(text), text->len, how, &record, err);
    if (rc == -ENODATA) {
        return 0;
    }
    rc = rc < 0 ? rc : record_finish(record, how, err);
    if (rc < 0) {
        return rc;
    }
    if (context->json) {
        print_json(file, record, text);
    } else {
        print_text(file, record);
    }
    return 1;
}

/* The end of a log is where it crashed; of one that is too large the beginning is the
 * other place to look. */
static int
parse_path(const struct cmd_context *context, const char *file, struct buf *text,
           const struct record_options *how, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    struct stat st;

    int rc = fs_open(file, &fd, &st, err);
    if (rc < 0) {
        return rc;
    }
    off_t beyond = st.st_size > PARSE_REPORT_MAX ? st.st_size - PARSE_REPORT_MAX : 0;
    rc = read_part(file, fd, beyond, text, err);
    rc = rc < 0 ? rc : parse_text(context, file, text, how, err);
    if (rc == 0 && beyond > 0) {
        rc = read_part(file, fd, 0, text, err);
        rc = rc < 0 ? rc : parse_text(context, file, text, how, err);
    }
    if (rc >= 0 && beyond > PARSE_REPORT_MAX) {
        (void)cmd_fail(0, "'%s' is large: only its first and last %d MiB were looked at",
                       file, PARSE_REPORT_MAX >> 20);
    }
    return rc;
}

static int
parse_stdin(const struct cmd_context *context, struct buf *text,
            const struct record_options *how, struct err *err)
{
    buf_cut(text, 0);
    int rc = read_stdin(text, err);

    return rc < 0 ? rc : parse_text(context, "-", text, how, err);
}

static int
parse_file(const struct cmd_context *context, const char *file, struct buf *text,
           const struct record_options *how)
{
    struct err err = ERR_INIT;
    int rc = strcmp(file, "-") == 0 ? parse_stdin(context, text, how, &err)
                                    : parse_path(context, file, text, how, &err);

    return rc < 0 ? cmd_fail(EXIT_UNDECIDED, "%s", err.msg) : EXIT_DONE;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(buf_clear) struct buf text = {.max = PARSE_REPORT_MAX};
    struct err err = ERR_INIT;
    int status = EXIT_DONE;
    const struct record_options how = {
        .fuzz_target = fuzz_target,
        .ooms_and_hangs = ooms_and_hangs,
        .asserts_are_security = asserts_are_security,
        .checks_are_security = checks_are_security,
        .ignore_frames = &ignore_frames,
    };

    if (args->n + command->n == 0) {
        return cmd_fail(EXIT_USAGE, "parse needs report files, or - for standard input: "
                                    "nightjar parse --json crash.log");
    }
    if (stack_check_patterns(&ignore_frames, &err) < 0) {
        return cmd_fail(EXIT_USAGE, "--ignore-frame: %s", err.msg);
    }
    for (size_t i = 0; i < args->n + command->n; i++) {
        const char *file = i < args->n ? args->v[i] : command->v[i - args->n];
        int one = parse_file(context, file, &text, &how);
        status = one == EXIT_DONE ? status : one;
    }
    return status;
}

/* cmd_parse() reads options; a verb's table entry needs another name here. */
extern const struct cmd cmd_parse_verb;
const struct cmd cmd_parse_verb = {
    .name = "parse",
    .summary = "read crash reports: type, state, stack, severity, signature",
    .usage = "[--json] [OPTION...] FILE...",
    .about = "Read texts that hold sanitizers' and engines' crash reports, and print "
             "what was\n"
             "understood: with --json one object for each file that holds a crash, "
             "nothing for "
             "one\nthat holds none. '-' is standard input. Nothing is run and nothing is "
             "stored.\n\n"
             "  nightjar parse --json crash.log\n"
             "  ./target input 2>&1 | nightjar parse -",
    .options = options,
    .run = run,
};
