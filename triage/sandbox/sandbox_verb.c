/* The hidden verb, by hand and in scripts: nightjar sandbox-init OPTIONS -- COMMAND. */
#include <errno.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox/sandbox_private.h"

/* --- --enter: root inside bubblewrap
 * -------------------------------------------------------------- */

/* bubblewrap covers these for root by read-only mounts; a /proc that is covered anywhere
 * may not be mounted again by a user namespace within (mount_too_revealing() in
 * fs/namespace.c). Its new owner may write nothing there anyway. */
static void
uncover_proc(void)
{
    static const char *const covered[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq",
                                          "/proc/bus"};

    for (size_t i = 0; i < COUNT(covered); i++) {
        (void)umount2(covered[i], MNT_DETACH | UMOUNT_NOFOLLOW);
    }
}

static int
enter(int argc, char **argv)
{
    struct sandbox_identity who = {.drop = true};
    struct err err = ERR_INIT;
    int64_t uid = 0;

    if (argc < 4 || strcmp(argv[2], "--") != 0 ||
        str_number("uid", argv[1], 1, INT32_MAX, &uid, &err) < 0) {
        return sandbox_say("%s is for nightjar itself", SANDBOX_ENTER);
    }
    who.uid = (uid_t)uid;
    who.gid = (gid_t)uid;
    uncover_proc();
    if (drop_root(&who) < 0) {
        return sandbox_say("become uid %u: %s", (unsigned)who.uid,
                           strerrordesc_np(errno));
    }
    (void)execve(argv[3], argv + 3, environ);
    int code = errno == ENOENT ? 127 : 126;
    AUTO(mem_free) char *name = str_name_dup(argv[3]);
    (void)sandbox_say("start '%s': %s", name, strerrordesc_np(errno));
    return code;
}

/* --- --choose
 * -------------------------------------------------------------------------------------
 */

/* --- a command by hand
 * ---------------------------------------------------------------------------- */

static const struct option options[] = {
    {"rung", required_argument, NULL, 'r'},
    {"read", required_argument, NULL, 'R'},
    {"write", required_argument, NULL, 'W'},
    {"hide", required_argument, NULL, 'H'},
    {"cwd", required_argument, NULL, 'c'},
    {"tmp-bytes", required_argument, NULL, 't'},
    {"processes", required_argument, NULL, 'p'},
    {"nested", no_argument, NULL, 'n'},
    {"env", required_argument, NULL, 'e'},
    {NULL, 0, NULL, 0},
};

static const char usage[] =
    "usage: sandbox-init [--rung auto|bwrap|landlock|none] [--read PATH] [--write DIR] "
    "[--hide DIR] [--cwd DIR] "
    "[--tmp-bytes SIZE] [--processes N] [--env NAME=VALUE] [--nested] -- COMMAND...";

static int
take_option(int option, struct sandbox_policy *policy, enum sandbox_rung *rung,
            struct err *err)
{
    int64_t number = 0;
    int rc = 0;

    switch (option) {
    case 'r':
        return sandbox_rung_parse(optarg, rung, err);
    case 'R':
        strv_add(&policy->read, optarg);
        return 0;
    case 'W':
        strv_add(&policy->write, optarg);
        return 0;
    case 'H':
        strv_add(&policy->hide, optarg);
        return 0;
    case 'c':
        policy->cwd = optarg;
        return 0;
    case 't':
        return str_size(optarg, &policy->tmp_bytes, err);
    case 'p':
        rc = str_number("--processes", optarg, 1, SANDBOX_PIDS_MAX, &number, err);
        policy->processes = (int)number;
        return rc;
    case 'n':
        policy->nested = true;
        return 0;
    case 'e':
        return putenv(optarg) == 0 ? 0 : err_sys(err, "set a variable");
    default:
        return err_set(err, -EINVAL, "%s", usage);
    }
}

static int
take_options(int argc, char **argv, struct sandbox_policy *policy,
             enum sandbox_rung *rung, struct err *err)
{
    int option;

    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        int rc = take_option(option, policy, rung, err);
        if (rc < 0) {
            return rc;
        }
    }
    return optind == argc ? err_set(err, -EINVAL, "%s", usage) : 0;
}

/* What proc_spawn() does before it calls a verb's function, where somebody has used exec
 * instead. */
static int
run_plan(char *const *words)
{
    struct proc_spec spec = PROC_SPEC_INIT;
    sigset_t all;

    spec.envp = environ;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)prctl(PR_SET_PDEATHSIG, PROC_END_SIGNAL, 0, 0, 0);
    return sandbox_run_words(words, &spec);
}

static int
by_hand(int argc, char **argv)
{
    AUTO(sandbox_policy_clear) struct sandbox_policy policy = {.nested = false};
    AUTO(strv_clear) struct strv command = {NULL, 0};
    AUTO(strv_clear) struct strv wrapped = {NULL, 0};
    enum sandbox_rung rung = SANDBOX_AUTO;
    struct err err = ERR_INIT;

    if (take_options(argc, argv, &policy, &rung, &err) < 0) {
        return sandbox_say("%s", err.msg);
    }
    for (int i = optind; i < argc; i++) {
        strv_add(&command, argv[i]);
    }
    if ((rung == SANDBOX_AUTO && sandbox_choose(rung, &rung, NULL, &err) < 0) ||
        sandbox_add_program(&policy, &command, &err) < 0 ||
        sandbox_wrap(rung, &policy, &command, &wrapped, &err) < 0) {
        return sandbox_say("%s", err.msg);
    }
    return run_plan(wrapped.v + 2);
}

static int
choose(const char *name)
{
    AUTO(buf_clear) struct buf why = BUF_INIT;
    enum sandbox_rung rung = SANDBOX_AUTO;
    struct err err = ERR_INIT;

    if (sandbox_rung_parse(name, &rung, &err) < 0 ||
        sandbox_choose(rung, &rung, &why, &err) < 0) {
        return sandbox_say("%s", err.msg);
    }
    (void)printf("%s\n%s\n", sandbox_rung_name(rung), buf_str(&why));
    return 0;
}

int
sandbox_init_main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], SANDBOX_CHOOSE) == 0) {
        return choose(argv[2]);
    }
    if (argc > 1 && strcmp(argv[1], SANDBOX_ENTER) == 0) {
        return enter(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], SANDBOX_PLAN) == 0) {
        return run_plan(argv + 1);
    }
    return by_hand(argc, argv);
}
