/* Which rung works here, by running a program in it that looks round, and if none does,
 * why. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox/sandbox_private.h"

enum { PROBE_MS = 20000, PROBE_OUTPUT_MAX = 4096, PROBE_ESCAPED = 65 };

/* Shell builtins only. $1: the uid that it must be; $2: a file outside that everybody may
 * read. */
static const char probe_script[] =
    "while read -r key value rest; do\n"
    "  case $key in NoNewPrivs:) new=$value ;; Seccomp:) filter=$value ;; Uid:) "
    "uid=$value ;; esac\n"
    "done </proc/self/status || { echo 'no /proc inside'; exit 61; }\n"
    "[ \"$new$filter\" = 12 ] || { echo 'privileges can be gained inside'; exit 62; }\n"
    "[ \"$uid\" = \"$1\" ] || { echo \"uid $uid inside, not $1\"; exit 63; }\n"
    "true >probe || { echo 'the work folder cannot be written'; exit 64; }\n"
    "{ read -r key <\"$2\"; } 2>/dev/null && { echo 'files outside can be read'; exit "
    "65; }\n"
    "exit 0\n";

/* What bubblewrap says, what that means, and what to do. */
static const struct cause {
    const char *said;
    const char *means;
    const char *cure;
} causes[] = {
    {"not installed", "bubblewrap is not installed", "apt install bubblewrap"},
    {"mount proc", "/proc is masked here",
     "in Docker: --security-opt systempaths=unconfined, in Podman: --security-opt "
     "unmask=ALL"},
    {"uid map: Permission denied", "AppArmor restricts user namespaces",
     "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
    {"look up lo", "sockets are forbidden here",
     "none is needed: a Landlock sandbox is around it already"},
    {"RTM_NEWADDR", "AppArmor restricts user namespaces",
     "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
    {"No space left", "user namespaces are used up or forbidden",
     "sysctl user.max_user_namespaces=10000"},
    {"ENOSPC", "user namespaces are used up or forbidden",
     "sysctl user.max_user_namespaces=10000"},
    {"ermission", "namespaces cannot be made here", NULL},
    {"not permitted", "namespaces cannot be made here", NULL},
};

/* The setting that denies an ordinary user his namespaces, if one does. */
static const char *
namespace_cure(void)
{
    static const struct {
        const char *path;
        char bad;
        const char *cure;
    } settings[] = {
        {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1',
         "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
        {"/proc/sys/kernel/unprivileged_userns_clone", '0',
         "sysctl kernel.unprivileged_userns_clone=1"},
        {"/proc/sys/user/max_user_namespaces", '0',
         "sysctl user.max_user_namespaces=10000"},
    };

    for (size_t i = 0; i < COUNT(settings); i++) {
        AUTO(buf_clear) struct buf text = BUF_INIT;
        if (fs_read(settings[i].path, 64, &text, NULL) == 0 &&
            buf_str(&text)[0] == settings[i].bad) {
            return settings[i].cure;
        }
    }
    return "in Docker: --security-opt seccomp=unconfined --security-opt "
           "apparmor=unconfined";
}

/* The last line of what a probe printed, as text for a person. */
static void
last_line(const struct buf *output, struct buf *out)
{
    const char *text = buf_str(output);
    size_t end = output->len;

    while (end > 0 && text[end - 1] == '\n') {
        end--;
    }
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n') {
        start--;
    }
    if (end > start) {
        str_clean(out, text + start, end - start);
    }
}

static void
explain_bwrap(const char *said, struct buf *why)
{
    for (size_t i = 0; i < COUNT(causes); i++) {
        if (strstr(said, causes[i].said) != NULL) {
            buf_addf(why, "bwrap: %s (%s)", causes[i].means,
                     causes[i].cure == NULL ? namespace_cure() : causes[i].cure);
            return;
        }
    }
    buf_addf(why, "bwrap: %s", said);
}

static void
explain_landlock(const char *said, struct buf *why)
{
    int abi = landlock_abi();
    int code = errno;

    if (abi > 0) {
        buf_addf(why, "landlock: %s", said);
    } else if (code == EOPNOTSUPP) {
        buf_adds(
            why,
            "landlock: switched off (add landlock to lsm= on the kernel's command line)");
    } else {
        buf_adds(why, "landlock: this kernel or container has none (Linux 5.13 or newer "
                      "is needed; in an old Docker "
                      "--security-opt seccomp=unconfined)");
    }
}

static int
probe_command(const char *canary, struct strv *command, bool inside_as_other,
              struct err *err)
{
    struct sandbox_identity who;
    int rc = sandbox_identity(&who, err);

    if (rc < 0) {
        return rc;
    }
    strv_add(command, "/bin/sh");
    strv_add(command, "-c");
    strv_add(command, probe_script);
    strv_add(command, "probe");
    strv_addf(command, "%u",
              who.alone && inside_as_other ? (unsigned)sandbox_uid() : (unsigned)who.uid);
    strv_add(command, canary);
    return 0;
}

static int
run_wrapped(const struct strv *argv, struct proc_run *run, struct err *err)
{
    static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char *const envp[] = {path, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;

    spec.argv = argv->v;
    spec.envp = envp;
    run->output.max = PROBE_OUTPUT_MAX;
    return proc_run(&spec, PROBE_MS, run, err);
}

/* 0: the rung works; else why not is in err. */
static int
probe(enum sandbox_rung rung, const char *canary, struct err *err)
{
    AUTO(strv_clear) struct strv command = {NULL, 0};
    AUTO(strv_clear) struct strv argv = {NULL, 0};
    AUTO(proc_run_clear) struct proc_run run = {.output = BUF_INIT};
    AUTO(buf_clear) struct buf said = BUF_INIT;
    const struct sandbox_policy policy = {.nested = false};
    int rc = probe_command(canary, &command, rung == SANDBOX_BWRAP, err);

    rc = rc < 0 ? rc : sandbox_wrap(rung, &policy, &command, &argv, err);
    rc = rc < 0 ? rc : run_wrapped(&argv, &run, err);
    if (rc < 0) {
        return rc;
    }
    if (run.timed_out) {
        return err_set(err, -ETIMEDOUT, "the probe hangs");
    }
    if (run.status == 0) {
        return 0;
    }
    /* what bubblewrap said stands before what the front says of it */
    static const char mark[] = "nightjar sandbox: bubblewrap could not";
    char *front = run.output.data == NULL ? NULL : strstr(run.output.data, mark);
    if (front != NULL && front != run.output.data) {
        buf_cut(&run.output, (size_t)(front - run.output.data));
    }
    last_line(&run.output, &said);
    return err_set(err, -ENOTSUP, "%s",
                   said.len == 0 ? "the probe failed without a word" : buf_str(&said));
}

/* A file that everybody may read, and that must not be readable inside. */
static int
make_canary(char **path, struct err *err)
{
    AUTO(mem_free) char *name = mem_printf("%s/nightjar-probe.XXXXXX", sandbox_tmp());
    AUTO(fd_close) int fd = mkostemp(name, O_CLOEXEC);

    if (fd < 0) {
        return err_sys(err, "make a file for the sandbox's probe, '%s'", name);
    }
    if (fchmod(fd, 0644) < 0 || write(fd, "x\n", 2) != 2) {
        (void)unlink(name);
        return err_sys(err, "write '%s'", name);
    }
    *path = STEAL(name);
    return 0;
}

static void
add_reason(enum sandbox_rung rung, const char *said, struct buf *why)
{
    buf_adds(why, why->len == 0 ? "" : "; ");
    if (rung == SANDBOX_BWRAP) {
        explain_bwrap(said, why);
    } else {
        explain_landlock(said, why);
    }
}

/* The first of the rungs that works; *why tells of those before it. -ENOTSUP when none
 * does. */
static int
try_rungs(enum sandbox_rung wanted, const char *canary, enum sandbox_rung *out,
          struct buf *why)
{
    static const enum sandbox_rung rungs[] = {SANDBOX_BWRAP, SANDBOX_LANDLOCK};

    for (size_t i = 0; i < COUNT(rungs); i++) {
        struct err failure = ERR_INIT;
        if (wanted != SANDBOX_AUTO && wanted != rungs[i]) {
            continue;
        }
        if (probe(rungs[i], canary, &failure) == 0) {
            *out = rungs[i];
            return 0;
        }
        add_reason(rungs[i], failure.msg, why);
    }
    return -ENOTSUP;
}

int
sandbox_choose(enum sandbox_rung wanted, enum sandbox_rung *out, struct buf *why,
               struct err *err)
{
    AUTO(mem_free) char *canary = NULL;
    AUTO(buf_clear) struct buf reasons = BUF_INIT;
    struct sandbox_identity who;

    work_sweep(sandbox_tmp());
    if (wanted == SANDBOX_NONE) {
        *out = wanted;
        return 0;
    }
    if (sandbox_identity(&who, err) < 0) {
        return err_wrap(err, -ENOTSUP, "no sandbox can be made");
    }
    int rc = make_canary(&canary, err);
    if (canary == NULL) {
        return rc;
    }
    rc = try_rungs(wanted, canary, out, &reasons);
    (void)unlink(canary);
    if (rc == 0 && why != NULL) {
        buf_add(why, buf_str(&reasons), reasons.len);
    }
    return rc == 0 ? 0
                   : err_set(err, -ENOTSUP,
                             "no sandbox works here: %s; cure one of these, or say "
                             "--sandbox none if you trust the "
                             "targets and their inputs",
                             buf_str(&reasons));
}
