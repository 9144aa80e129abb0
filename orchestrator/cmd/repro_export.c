#include "orchestrator/cmd/repro.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/version.h"
#include "triage/program.h"
#include "triage/sandbox.h"

/* Stands for the input's path in an argument vector: no argument of a command holds it.
 */
#define INPUT_MARK "\001"

struct export_file {
    const char *name;
    const struct buf *bytes;
    mode_t mode;
};

/* --- repro.sh --- */

/* A comment's text: one line, whatever it holds. */
static void
add_title(const struct subject *subject, struct buf *out)
{
    AUTO(mem_free) char *type = record_type_line(subject->bug.crash_type);
    AUTO(mem_free)
    char *top = record_top_frame(subject->bug.crash_type, subject->bug.crash_state);
    AUTO(mem_free) char *title = mem_printf("%s: %s in %s", subject->bug.name, type, top);

    str_name(out, title, strlen(title));
}

/* An argument with the marks in it replaced by the variable. */
static void
add_argument(const char *arg, struct buf *out)
{
    const char *mark;

    buf_addc(out, ' ');
    while ((mark = strstr(arg, INPUT_MARK)) != NULL) {
        AUTO(mem_free) char *before = mem_dup(arg, (size_t)(mark - arg));
        if (before[0] != '\0') {
            str_shell(out, before);
        }
        buf_adds(out, "\"$input\"");
        arg = mark + strlen(INPUT_MARK);
    }
    if (arg[0] != '\0') {
        str_shell(out, arg);
    }
}

static void
add_input(const struct subject *subject, struct buf *out)
{
    size_t size =
        sodium_base64_encoded_len(subject->input.len, sodium_base64_VARIANT_ORIGINAL);

    buf_adds(out, "input=$here/input\n");
    if (subject->input.len > REPRO_INLINE_MAX) {
        buf_adds(out,
                 "[ -f \"$input\" ] || { echo \"repro.sh: '$input' is missing\" >&2; "
                 "exit 127; }\n");
        return;
    }
    AUTO(mem_free) char *base64 = mem_alloc(size);
    (void)sodium_bin2base64(base64, size, (const unsigned char *)buf_str(&subject->input),
                            subject->input.len, sodium_base64_VARIANT_ORIGINAL);
    buf_addf(out,
             "if [ ! -f \"$input\" ]; then # this script alone is enough\n"
             "  input=$(mktemp)\n"
             "  trap 'rm -f \"$input\"' EXIT\n"
             "  printf %%s '%s' | base64 -d >\"$input\"\n"
             "fi\n",
             base64);
}

static void
add_environment(const struct subject *subject, struct buf *out)
{
    AUTO(strv_clear) struct strv env = {0};

    command_shell_environment(&subject->command, &env);
    for (size_t i = 0; i < env.n; i++) {
        const char *value = strchr(env.v[i], '=') + 1;
        buf_adds(out, "export ");
        buf_add(out, env.v[i], (size_t)(value - env.v[i]));
        str_shell(out, value);
        buf_addc(out, '\n');
    }
}

void
repro_script(const struct subject *subject, struct buf *out)
{
    AUTO(strv_clear) struct strv argv = {0};

    command_arguments(&subject->command, INPUT_MARK, &argv);
    buf_adds(out, "#!/bin/sh\n# ");
    add_title(subject, out);
    buf_adds(
        out,
        "\n# usage: sh repro.sh [TARGET]    (or TARGET=PATH sh repro.sh)\n"
        "# Runs the target once on the input, without a sandbox. The exit status is the\n"
        "# target's own: 0 says that it did not crash; sanitizers end with 1, libFuzzer\n"
        "# with 77, an abort with 134, a segmentation fault with 139.\n"
        "set -eu\n"
        "here=$(CDPATH='' cd -- \"$(dirname -- \"$0\")\" && pwd)\n"
        "target=${1:-${TARGET:-}}\n"
        "[ -n \"$target\" ] || target=");
    str_shell(out, argv.v[0]);
    buf_adds(out, "\ncommand -v \"$target\" >/dev/null || { echo \"repro.sh: no program "
                  "'$target': sh repro.sh TARGET\" >&2; exit 127; }\n");
    add_input(subject, out);
    add_environment(subject, out);
    buf_adds(out, "status=0\n\"$target\"");
    for (size_t i = 1; i < argv.n; i++) {
        add_argument(argv.v[i], out);
    }
    buf_adds(out, subject->command.mode == INPUT_STDIN ? " <\"$input\"" : "");
    buf_adds(out, " || status=$?\nexit \"$status\"\n");
}

/* --- the other files --- */

static void
add_line(struct buf *out, const char *key, const char *value)
{
    AUTO(mem_free) char *shown = str_name_dup(value == NULL ? "unknown" : value);

    buf_addf(out, "%-10s %s\n", key, shown);
}

static void
add_build(const struct subject *subject, struct buf *out)
{
    const char *program = subject->command.argv.v[0];
    AUTO(mem_free) char *build_id = program_build_id(program);
    AUTO(mem_free) char *compiler = program_compiler(program);

    add_line(out, "target", subject->bug.target);
    add_line(out, "program", program);
    add_line(out, "build-id", build_id);
    add_line(out, "compiler", compiler);
    add_line(out, "sanitizer", subject->bug.sanitizer);
    add_line(out, "input", subject->bug.reproducer);
    add_line(out, "signature", subject->bug.signature);
    add_line(out, "nightjar", NIGHTJAR_VERSION);
}

static void
add_readme(const struct subject *subject, struct buf *out)
{
    add_title(subject, out);
    buf_adds(out,
             "\n\n"
             "  sh repro.sh [TARGET]   runs the target on the input; its exit status\n"
             "  input                  the smallest known input\n");
    buf_adds(out, subject->original.len == 0
                      ? ""
                      : "  original               the input that was found first\n");
    buf_adds(out, subject->report.len == 0
                      ? ""
                      : "  report.txt             what the target printed\n");
    buf_adds(out, "  BUILD                  the program that it was seen in\n");
}

/* 1: it is to be written; 0: it is there with these bytes. */
static int
check_file(const char *path, const struct buf *bytes, struct err *err)
{
    AUTO(buf_clear) struct buf there = BUF_INIT;
    AUTO(mem_free) char *shown = str_name_dup(path);
    struct stat st;
    int rc = sandbox_refuse_output(path, err);

    if (rc < 0) {
        return rc;
    }
    if (lstat(path, &st) < 0) {
        return errno == ENOENT ? 1 : err_sys(err, "look at '%s'", shown);
    }
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes->len &&
        fs_read(path, bytes->len, &there, NULL) == 0 &&
        memcmp(buf_str(&there), buf_str(bytes), bytes->len) == 0) {
        return 0;
    }
    return err_set(err, -EEXIST,
                   "'%s' is there already and is something else: name an empty folder",
                   shown);
}

/* All are looked at before one is written. */
static int
write_files(const char *folder, const struct export_file *files, size_t n,
            struct strv *written, struct err *err)
{
    bool write[8] = {false};
    int rc = 0;

    for (size_t i = 0; i < n && rc >= 0; i++) {
        AUTO(mem_free) char *path = fs_join(folder, files[i].name);
        rc = check_file(path, files[i].bytes, err);
        write[i] = rc == 1;
    }
    for (size_t i = 0; i < n && rc >= 0; i++) {
        AUTO(mem_free) char *path = fs_join(folder, files[i].name);
        if (write[i]) {
            rc = fs_write(path, buf_str(files[i].bytes), files[i].bytes->len,
                          files[i].mode, err);
        }
        if (rc >= 0) {
            strv_add(written, path);
        }
    }
    return rc < 0 ? rc : 0;
}

int
repro_export(const struct subject *subject, const char *folder, struct strv *written,
             struct err *err)
{
    AUTO(buf_clear) struct buf script = BUF_INIT;
    AUTO(buf_clear) struct buf build = BUF_INIT;
    AUTO(buf_clear) struct buf readme = BUF_INIT;
    AUTO(mem_free) char *absolute = fs_absolute(folder);
    struct export_file files[8];
    size_t n = 0;

    repro_script(subject, &script);
    add_build(subject, &build);
    add_readme(subject, &readme);
    files[n++] = (struct export_file){"input", &subject->input, 0644};
    files[n++] = (struct export_file){"repro.sh", &script, 0755};
    files[n++] = (struct export_file){"BUILD", &build, 0644};
    files[n++] = (struct export_file){"README", &readme, 0644};
    if (subject->report.len > 0) {
        files[n++] = (struct export_file){"report.txt", &subject->report, 0644};
    }
    if (subject->original.len > 0) {
        files[n++] = (struct export_file){"original", &subject->original, 0644};
    }
    int rc = fs_mkdirs(absolute, 0755, err);
    return rc < 0 ? rc : write_files(folder, files, n, written, err);
}
