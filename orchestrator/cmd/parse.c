/* nightjar parse: report text in, JSON Lines out; see "Command line" in the design. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "triage/parse/parse.h"
#include "triage/stack.h"

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

/* The last PARSE_REPORT_MAX bytes at most: the end of a log is where it crashed. */
static int
read_file(const char *path, struct buf *text, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    struct stat st;

    int rc = fs_open(path, &fd, &st, err);
    if (rc < 0) {
        return rc;
    }
    if (st.st_size > PARSE_REPORT_MAX && lseek(fd, st.st_size - PARSE_REPORT_MAX, SEEK_SET) < 0) {
        return err_sys(err, "read '%s'", path);
    }
    rc = fd_read_all(fd, text, err);
    return rc < 0 ? err_wrap(err, rc, "'%s'", path) : 0;
}

static int
read_stdin(struct buf *text, struct err *err)
{
    for (;;) {
        if (text->len == PARSE_REPORT_MAX) {
            buf_drop(text, text->len / 2);
        }
        size_t room = PARSE_REPORT_MAX - text->len;
        int rc = fd_read_some(STDIN_FILENO, text, room < (1 << 20) ? room : 1 << 20, err);
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
        *at = *at == '\n' ? ' ' : *at;
    }
    (void)printf("%s: %s, %s %.1f%s\n", name, buf_str(&type), severity_name(record->severity),
                 record->severity_score, record->security ? ", security" : "");
    for (const char *at = record->crash_state; *at != '\0';) {
        size_t len = strcspn(at, "\n");
        (void)printf("    %.*s\n", (int)len, at);
        at += len + (at[len] == '\n');
    }
    if (record->crash_line != NULL) {
        (void)printf("    at %s\n", record->crash_line);
    }
}

/* 0 also when the text holds no crash. text is used up. */
static int
parse_one(const struct cmd_context *context, const char *file, struct buf *text,
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
    return 0;
}

static int
parse_file(const struct cmd_context *context, const char *file, struct buf *text,
           const struct record_options *how)
{
    struct err err = ERR_INIT;

    buf_cut(text, 0);
    int rc = strcmp(file, "-") == 0 ? read_stdin(text, &err) : read_file(file, text, &err);
    rc = rc < 0 ? rc : parse_one(context, file, text, how, &err);
    return rc < 0 ? cmd_fail(EXIT_UNDECIDED, "%s", err.msg) : EXIT_DONE;
}

static int
run(const struct cmd_context *context, const struct strv *args, const struct strv *command)
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
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return cmd_fail(EXIT_UNDECIDED, "standard output: %s", strerror(errno));
    }
    return status;
}

/* cmd_parse() reads options; a verb's table entry needs another name here. */
extern const struct cmd cmd_parse_verb;
const struct cmd cmd_parse_verb = {
    .name = "parse",
    .summary = "read crash reports: type, state, stack, severity, signature",
    .usage = "[--json] [OPTION...] FILE...",
    .about = "Read texts that hold sanitizers' and engines' crash reports, and print what was\n"
             "understood: with --json one object for each file that holds a crash, nothing for "
             "one\nthat holds none. '-' is standard input. Nothing is run and nothing is stored.\n\n"
             "  nightjar parse --json crash.log\n"
             "  ./target input 2>&1 | nightjar parse -",
    .options = options,
    .run = run,
};
