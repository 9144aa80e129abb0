/*
 * The system calls that no sandboxed program may make: a list of what is denied, for what
 * targets need is not known before. ptrace stays allowed: LeakSanitizer and gdb live by
 * it, and it reaches no further than the pid namespace or the Landlock domain. A denied
 * call fails with EPERM, or with ENOSYS where programs know how to go on without.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "triage/sandbox/sandbox_private.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

typedef void *filter;

static void
release(filter rules)
{
    if (rules != NULL) {
        seccomp_release(rules);
    }
}
AUTO_DEFINE(filter, release)

struct group {
    const int *calls;
    size_t n;
    uint32_t code;
};

/* The kernel's and the machine's own state; doors with a history; other processes. */
static const int always[] = {
    SCMP_SYS(acct),
    SCMP_SYS(add_key),
    SCMP_SYS(adjtimex),
    SCMP_SYS(bpf),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(clock_settime),
    SCMP_SYS(delete_module),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(finit_module),
    SCMP_SYS(init_module),
    SCMP_SYS(ioperm),
    SCMP_SYS(iopl),
    SCMP_SYS(kcmp),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl),
    SCMP_SYS(lookup_dcookie),
    SCMP_SYS(migrate_pages),
    SCMP_SYS(modify_ldt),
    SCMP_SYS(move_pages),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(nfsservctl),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(process_madvise),
    SCMP_SYS(process_mrelease),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(quotactl),
    SCMP_SYS(quotactl_fd),
    SCMP_SYS(reboot),
    SCMP_SYS(request_key),
    SCMP_SYS(settimeofday),
    SCMP_SYS(swapoff),
    SCMP_SYS(swapon),
    SCMP_SYS(syslog),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(vhangup),
    SCMP_SYS(vm86),
    SCMP_SYS(vm86old),
};

static const int with_fallback[] = {
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
};

/* What a sandbox within needs, and nobody else. */
static const int unless_nested[] = {
    SCMP_SYS(chroot),        SCMP_SYS(fsconfig),      SCMP_SYS(fsmount),
    SCMP_SYS(fsopen),        SCMP_SYS(fspick),        SCMP_SYS(mount),
    SCMP_SYS(mount_setattr), SCMP_SYS(move_mount),    SCMP_SYS(open_tree),
    SCMP_SYS(pivot_root),    SCMP_SYS(setdomainname), SCMP_SYS(sethostname),
    SCMP_SYS(setns),         SCMP_SYS(umount),        SCMP_SYS(umount2),
    SCMP_SYS(unshare),
};

/* What namespaces contain, and Landlock does not: names of files are not asked for when
 * their mode, owner, times or attributes change; sockets but for TCP; message queues and
 * semaphores, which are shared by uid. */
static const int without_namespaces[] = {
    SCMP_SYS(chown),   SCMP_SYS(chown32),   SCMP_SYS(fchownat),     SCMP_SYS(futimesat),
    SCMP_SYS(lchown),  SCMP_SYS(lchown32),  SCMP_SYS(lremovexattr), SCMP_SYS(lsetxattr),
    SCMP_SYS(mq_open), SCMP_SYS(mq_unlink), SCMP_SYS(msgget),       SCMP_SYS(removexattr),
    SCMP_SYS(semget),  SCMP_SYS(setxattr),  SCMP_SYS(socket),       SCMP_SYS(utime),
    SCMP_SYS(utimes),
};

/* A triage worker makes folders passable for its targets, and removable what they leave.
 */
static const int modes_unless_nested[] = {SCMP_SYS(chmod), SCMP_SYS(fchmodat)};

/* Where one program runs after another: message queues outlive who made them, and no call
 * lists them. */
static const int if_lasting[] = {SCMP_SYS(mq_open), SCMP_SYS(mq_unlink)};

/* Calls like these that libseccomp 2.5 has no name for. Numbers from 424 on are the same
 * on every machine. */
enum {
    NR_FCHMODAT2 = 452,
    NR_SETXATTRAT = 463,
    NR_REMOVEXATTRAT = 466,
    NR_FILE_SETATTR = 469,
};

static int
deny(filter rules, const struct group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        /* negative numbers are libseccomp's for calls that this machine lacks: nothing to
         * deny */
        int rc = seccomp_rule_add(rules, SCMP_ACT_ERRNO(group->code), group->calls[i], 0);
        if (rc < 0 && rc != -EDOM && rc != -EINVAL) {
            return rc;
        }
    }
    return 0;
}

static int
deny_arg(filter rules, int call, struct scmp_arg_cmp arg, int code)
{
    return seccomp_rule_add_array(rules, SCMP_ACT_ERRNO((uint32_t)code), call, 1, &arg);
}

/* No new namespaces. clone3() keeps its flags in memory, where a filter cannot look; the
 * C library falls back to clone(). */
static int
deny_namespaces(filter rules)
{
    static const unsigned long kinds[] = {
        CLONE_NEWNS,  CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET,
        CLONE_NEWIPC, CLONE_NEWUTS,  CLONE_NEWCGROUP, CLONE_NEWTIME,
    };
    const struct group mounts = {unless_nested, COUNT(unless_nested), EPERM};
    int rc = deny(rules, &mounts);

    for (size_t i = 0; i < COUNT(kinds) && rc == 0; i++) {
        rc = deny_arg(rules, SCMP_SYS(clone),
                      SCMP_A0_64(SCMP_CMP_MASKED_EQ, kinds[i], kinds[i]), EPERM);
    }
    return rc < 0 ? rc
                  : seccomp_rule_add(rules, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* In a network namespace the usual families are harmless; others leave it (vsock) or open
 * big pieces of the kernel. */
static int
deny_families(filter rules)
{
    static const unsigned usual[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    int rc = 0;

    for (unsigned family = 0; family < AF_MAX && rc == 0; family++) {
        bool harmless = false;
        for (size_t i = 0; i < COUNT(usual); i++) {
            harmless = harmless || family == usual[i];
        }
        rc = harmless ? 0
                      : deny_arg(rules, SCMP_SYS(socket),
                                 SCMP_A0_64(SCMP_CMP_MASKED_EQ, 0xffffffff, family),
                                 EAFNOSUPPORT);
    }
    return rc;
}

/* Typing into the terminal that one was started from. */
static int
deny_terminal(filter rules)
{
    static const unsigned long requests[] = {TIOCSTI, TIOCLINUX, TIOCSETD};
    int rc = 0;

    for (size_t i = 0; i < COUNT(requests) && rc == 0; i++) {
        rc = deny_arg(rules, SCMP_SYS(ioctl),
                      SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xffffffff, requests[i]), EPERM);
    }
    return rc;
}

/* One's own limits and processors may be changed, not those of another process of the
 * same uid. */
static int
deny_others(filter rules)
{
    static const int by_pid[] = {
        SCMP_SYS(prlimit64),      SCMP_SYS(sched_setaffinity),  SCMP_SYS(sched_setattr),
        SCMP_SYS(sched_setparam), SCMP_SYS(sched_setscheduler),
    };
    static const int by_kind[] = {SCMP_SYS(setpriority), SCMP_SYS(ioprio_set)};
    const struct scmp_arg_cmp not_self = SCMP_A0_64(SCMP_CMP_NE, 0, 0);
    const struct scmp_arg_cmp not_me = SCMP_A1_64(SCMP_CMP_NE, 0, 0);
    int rc = 0;

    for (size_t i = 0; i < COUNT(by_pid) && rc == 0; i++) {
        rc = deny_arg(rules, by_pid[i], not_self, EPERM);
    }
    for (size_t i = 0; i < COUNT(by_kind) && rc == 0; i++) {
        rc = deny_arg(rules, by_kind[i], not_me, EPERM);
    }
    return rc;
}

/* Landlock knows no truncate(2) before ABI 3; and with O_TRUNC the right to read was
 * enough. */
static int
deny_truncation(filter rules)
{
    const uint64_t mask = O_TRUNC | O_ACCMODE;
    int rc = seccomp_rule_add(rules, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(truncate), 0);

    rc = rc < 0 ? rc
                : deny_arg(rules, SCMP_SYS(open),
                           SCMP_A1_64(SCMP_CMP_MASKED_EQ, mask, O_TRUNC), EPERM);
    rc = rc < 0 ? rc
                : deny_arg(rules, SCMP_SYS(openat),
                           SCMP_A2_64(SCMP_CMP_MASKED_EQ, mask, O_TRUNC), EPERM);
    return rc < 0 ? rc
                  : seccomp_rule_add(rules, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0);
}

/* Signals to one's keepers, and those that a descriptor sends in one's place. */
static int
deny_signals(filter rules, const struct pids *guarded)
{
    static const int calls[] = {
        SCMP_SYS(kill),
        SCMP_SYS(tkill),
        SCMP_SYS(tgkill),
        SCMP_SYS(rt_sigqueueinfo),
        SCMP_SYS(rt_tgsigqueueinfo),
        SCMP_SYS(pidfd_open),
    };
    static const unsigned owners[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG};
    int rc = deny_arg(rules, SCMP_SYS(kill),
                      SCMP_A0_64(SCMP_CMP_MASKED_EQ, 0xffffffff, 0xffffffff), EPERM);

    for (size_t i = 0; i < guarded->n; i++) {
        uint64_t pid = (uint32_t)guarded->v[i];
        uint64_t group = (uint32_t)-guarded->v[i];
        for (size_t k = 0; k < COUNT(calls) && rc == 0; k++) {
            rc = deny_arg(rules, calls[k],
                          SCMP_A0_64(SCMP_CMP_MASKED_EQ, 0xffffffff, pid), EPERM);
        }
        rc = rc < 0 ? rc
                    : deny_arg(rules, SCMP_SYS(kill),
                               SCMP_A0_64(SCMP_CMP_MASKED_EQ, 0xffffffff, group), EPERM);
    }
    for (size_t i = 0; i < COUNT(owners) && rc == 0; i++) {
        rc = deny_arg(rules, SCMP_SYS(fcntl),
                      SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xffffffff, owners[i]), EPERM);
        rc = rc < 0
                 ? rc
                 : deny_arg(rules, SCMP_SYS(fcntl64),
                            SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xffffffff, owners[i]), EPERM);
    }
    return rc;
}

/* Times of a file by its name; by descriptor (no name) they are those of a file that was
 * granted. */
static int
deny_beyond_landlock(filter rules, const struct plan *plan, const struct pids *guarded)
{
    const struct group group = {without_namespaces, COUNT(without_namespaces), EPERM};
    const struct group modes = {modes_unless_nested, COUNT(modes_unless_nested), EPERM};
    int rc = deny(rules, &group);

    rc = rc < 0
             ? rc
             : deny_arg(rules, SCMP_SYS(utimensat), SCMP_A1_64(SCMP_CMP_NE, 0, 0), EPERM);
    rc = rc < 0 ? rc
                : deny_arg(rules, SCMP_SYS(socketpair),
                           SCMP_A0_64(SCMP_CMP_NE, AF_UNIX, 0), EPERM);
    rc = rc < 0 || plan->nested ? rc : deny(rules, &modes);
    rc = rc < 0 ? rc : deny_signals(rules, guarded);
    return rc < 0 || plan->abi >= 3 ? rc : deny_truncation(rules);
}

static int
add_rules(filter rules, const struct plan *plan, const struct pids *guarded)
{
    const struct group first = {always, COUNT(always), EPERM};
    const struct group second = {with_fallback, COUNT(with_fallback), ENOSYS};
    int rc = deny(rules, &first);

    rc = rc < 0 ? rc : deny(rules, &second);
    rc = rc < 0 ? rc : deny_terminal(rules);
    rc = rc < 0 || plan->nested ? rc : deny_namespaces(rules);
    if (plan->lasting) {
        const struct group queues = {if_lasting, COUNT(if_lasting), EPERM};
        rc = rc < 0 ? rc : deny(rules, &queues);
        rc = rc < 0 ? rc : deny_others(rules);
    }
    if (plan->rung == SANDBOX_BWRAP) {
        return rc < 0 ? rc : deny_families(rules);
    }
    rc = rc < 0 ? rc : deny_others(rules);
    return rc < 0 ? rc : deny_beyond_landlock(rules, plan, guarded);
}

/* Programs of the machine's other word size have system calls too. */
static int
add_architectures(filter rules)
{
    int rc = 0;

    switch (seccomp_arch_native()) {
    case SCMP_ARCH_X86_64:
        rc = seccomp_arch_add(rules, SCMP_ARCH_X86);
        break;
    case SCMP_ARCH_AARCH64:
        rc = seccomp_arch_add(rules, SCMP_ARCH_ARM);
        break;
    default:
        break;
    }
    return rc < 0
               ? rc
               : seccomp_attr_set(rules, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
}

static int
make_filter(const struct plan *plan, const struct pids *guarded, filter *out,
            struct err *err)
{
    AUTO(release) filter rules = seccomp_init(SCMP_ACT_ALLOW);
    int rc = rules == NULL ? -ENOMEM : add_architectures(rules);

    rc = rc < 0 ? rc : seccomp_attr_set(rules, SCMP_FLTATR_CTL_NNP, 0); /* set already */
    rc = rc < 0 ? rc : add_rules(rules, plan, guarded);
    if (rc < 0) {
        errno = -rc;
        return err_sys(err, "make the filter of system calls");
    }
    *out = STEAL(rules);
    return 0;
}

/* A filter by hand, for the calls without a name. Whatever the architecture, the numbers
 * are these. */
static int
confine_newer(struct err *err)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_FCHMODAT2, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_SETXATTRAT, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_REMOVEXATTRAT, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_FILE_SETATTR, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    const struct sock_fprog program = {COUNT(code), code};

    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        return err_sys(err, "apply the filter of new system calls");
    }
    return 0;
}

int
seccomp_confine(const struct plan *plan, const struct pids *guarded, struct err *err)
{
    AUTO(release) filter rules = NULL;
    int rc = make_filter(plan, guarded, &rules, err);

    if (rc < 0) {
        return rc;
    }
    rc = seccomp_load(rules);
    if (rc < 0) {
        errno = -rc;
        return err_sys(err, "apply the filter of system calls");
    }
    return confine_newer(err);
}

int
seccomp_write(const struct plan *plan, int fd, struct err *err)
{
    const struct pids nobody = {NULL, 0};
    AUTO(release) filter rules = NULL;
    int rc = make_filter(plan, &nobody, &rules, err);

    if (rc < 0) {
        return rc;
    }
    rc = seccomp_export_bpf(rules, fd);
    if (rc < 0) {
        errno = -rc;
        return err_sys(err, "write the filter of system calls");
    }
    return 0;
}
