#include "orchestrator/cmd/repro.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "triage/explain.h"
#include "triage/options.h"
#include "triage/program.h"

enum { BATCH_MORE_MS = 10000, END_MS = 10000 };

/* The folder that holds the input while gdb runs. */
struct place {
    char *folder, *input;
};

static void
place_clear(struct place *place)
{
    if (place->folder != NULL) {
        (void)fs_remove(place->folder, NULL);
    }
    mem_free(place->folder);
    mem_free(place->input);
}
AUTO_DEFINE_CLEAR(struct place, place_clear)

static int
make_place(const struct subject *subject, struct place *out, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    AUTO(mem_free) char *base = fs_absolute(tmp == NULL || tmp[0] == '\0' ? "/tmp" : tmp);
    AUTO(mem_free) char *folder = fs_join(base, "nightjar-gdb-XXXXXX");

    if (mkdtemp(folder) == NULL) {
        return err_sys(err, "make a folder in '%s'", base);
    }
    out->folder = STEAL(folder);
    out->input = fs_join(out->folder, "input");
    return fs_write(out->input, buf_str(&subject->input), subject->input.len, 0600, err);
}

/* --- what gdb is told --- */

static void
tell(struct strv *argv, const char *command)
{
    strv_add(argv, "-ex");
    strv_add(argv, command);
}

/* A sanitizer aborts behind its report, so that gdb stops there; where the program may go
 * on after a report it does not. A value with a newline would be another command. */
static void
tell_environment(const struct command *command, struct strv *argv)
{
    AUTO(strv_clear) struct strv env = {0};

    command_environment(command, false, &env);
    for (size_t i = 0; i < env.n; i++) {
        AUTO(mem_free)
        char *line = mem_printf("set environment %s%s", env.v[i],
                                options_is_sanitizer(env.v[i])
                                    ? ":abort_on_error=1:halt_on_error=1:symbolize=1"
                                    : "");
        char *equals = strchr(line, '=');
        if (equals != NULL && strchr(line, '\n') == NULL) {
            tell(argv, line);
        }
    }
}

/* gdb hands the arguments to a shell. */
static void
tell_arguments(const struct command *command, const char *input, struct strv *argv)
{
    AUTO(strv_clear) struct strv args = {0};
    AUTO(buf_clear) struct buf line = BUF_INIT;

    command_arguments(command, input, &args);
    buf_adds(&line, "set args");
    for (size_t i = 1; i < args.n; i++) {
        buf_addc(&line, ' ');
        str_shell(&line, args.v[i]);
    }
    if (command->mode == INPUT_STDIN) {
        buf_adds(&line, " < ");
        str_shell(&line, input);
    }
    tell(argv, buf_str(&line));
}

/* To the frame to look at. gdb's own `frame function` does not find a function that ends
 * with a call that never returns, as of abort(): the return address lies behind it. A
 * name stems from a report, so only a plain one is given to gdb. */
static void
tell_frame(const struct record *record, struct strv *argv)
{
    const struct frame *top = record == NULL ? NULL : explain_frame(record);

    if (top == NULL || top->function == NULL) {
        return;
    }
    size_t len =
        strspn(top->function, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789_:");
    if (len > 0 && top->function[len] == '\0') {
        AUTO(mem_free)
        char *line = mem_printf("python exec(\"f = gdb.newest_frame()\\n"
                                "while f is not None and f.name() != '%s':\\n"
                                "  f = f.older()\\n"
                                "if f is not None:\\n"
                                "  f.select()\\n"
                                "  gdb.execute('frame')\")",
                                top->function);
        tell(argv, line);
    }
}

static void
make_arguments(const struct subject *subject, const char *input, const struct strv *more,
               bool batch, struct strv *argv)
{
    strv_add(argv, "gdb");
    strv_add(argv, "-q");
    if (batch) {
        strv_add(argv, "-batch");
    }
    /* no question and no download before it runs */
    strv_add(argv, "-iex");
    strv_add(argv, "set debuginfod enabled off");
    tell_environment(&subject->command, argv);
    tell_arguments(&subject->command, input, argv);
    tell(argv, "run");
    tell(argv, "backtrace 40");
    tell_frame(subject->bug.record, argv);
    for (size_t i = 0; i < more->n; i++) {
        tell(argv, more->v[i]);
    }
    strv_add(argv, subject->command.argv.v[0]);
}

/* --- running it --- */

/* A person's Ctrl-C is for gdb. A batch whose target hangs is told so when the target's
 * own limit is over: gdb then shows where it hangs. */
static int
wait_for(struct proc *proc, int64_t limit_ms, int *status, struct err *err)
{
    int rc = proc_wait(proc, limit_ms, status, limit_ms < 0 ? err : NULL);

    if (rc == -ETIMEDOUT) {
        (void)kill(proc->pid, SIGINT);
        rc = proc_wait(proc, END_MS, status, err);
    }
    return rc;
}

int
repro_gdb(const struct subject *subject, const struct strv *more, int *status,
          struct err *err)
{
    bool batch = isatty(STDIN_FILENO) == 0;
    AUTO(mem_free) char *gdb = program_find("gdb");
    AUTO(place_clear) struct place place = {0};
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(proc_clear) struct proc proc = PROC_INIT;

    if (gdb == NULL) {
        return err_set(err, -ENOENT, "there is no gdb in PATH: apt-get install gdb");
    }
    int rc = make_place(subject, &place, err);
    if (rc < 0) {
        return rc;
    }
    make_arguments(subject, place.input, more, batch, &argv);
    const struct proc_spec spec = {.argv = argv.v,
                                   .in_fd = STDIN_FILENO,
                                   .out_fd = STDOUT_FILENO,
                                   .err_fd = STDERR_FILENO,
                                   .same_group = true};
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGQUIT, SIG_IGN);
    rc = proc_spawn(&spec, &proc, err);
    return rc < 0
               ? rc
               : wait_for(&proc, batch ? subject->command.timeout_ms + BATCH_MORE_MS : -1,
                          status, err);
}
