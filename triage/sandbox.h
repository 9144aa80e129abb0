/*
 * The sandbox in which hostile programs run: an allow-list of files, no network, private
 * /tmp, /dev, pid and ipc namespaces, a uid that is really dropped when started by root,
 * limits. Two rungs: bubblewrap, and where user namespaces or /proc are masked (Docker,
 * Ubuntu 24.04) Landlock + seccomp + rlimits. SANDBOX_NONE only by the user's word. A
 * rung is tried by running it, not guessed.
 *
 * How it is used:
 *  1. sandbox_choose() once per process; the triage worker calls it again inside its own
 * sandbox.
 *  2. a policy: sandbox_add_program(), more read/write/hide entries, sandbox_mkdir() for
 * what is written.
 *  3. sandbox_wrap(), then proc_spawn() or proc_run() with the argument vector that it
 * yields.
 *
 * What was started behaves like the command itself: signals sent to it reach the command,
 * its exit status is the command's, and a fatal signal of the command is its own (in
 * bubblewrap an exit status of 128 + n counts as signal n where n is a fault, KILL, XCPU,
 * XFSZ or SYS). When it ends, or is killed by whatever signal, or its parent dies,
 * nothing that the command has started lives on.
 *
 * Threats: everything that the command does is hostile. A policy is trusted, the files
 * that it names are not. What a rung does not stop:
 *  - all: use of memory and processor beyond proc_limits; reading what the policy shows;
 * bugs of the kernel.
 *  - none: anything but outliving its end.
 *  - landlock: it sees that files exist (stat), the names and command lines of other
 *    processes, and SysV segments of its uid, which it may attach. What it writes to its
 *    private folder is looked at five times a second, so more than tmp_bytes can be there
 *    for a moment. An entry of `read` inside one of `write` is writable. Changing modes,
 *    times and owners by name is denied even on its own files (modes not if nested). A
 * nested one may list names in hidden folders. Before ABI 6 (Linux 6.12) it may signal
 * other processes of its uid, if not its keepers: with root's dropped uid only other
 * sandboxes have it. kill -9 of front and reaper at once leaves orphans, which
 *    sandbox_reap_orphans() of a supervisor that lives ends.
 *  - bwrap: from root, sandboxes share one uid but see nothing of each other; before
 *    Linux 5.14 they share its number of processes too.
 */
#ifndef TRIAGE_SANDBOX_H
#define TRIAGE_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/proc.h"

enum sandbox_rung { SANDBOX_AUTO, SANDBOX_BWRAP, SANDBOX_LANDLOCK, SANDBOX_NONE };

int sandbox_rung_parse(const char *name, enum sandbox_rung *out,
                       struct err *err); /* auto bwrap landlock none */
const char *sandbox_rung_name(enum sandbox_rung rung);

/*
 * The rung to use. SANDBOX_AUTO takes the first that works here; a rung that was asked
 * for by name must work. -ENOTSUP with the reason and the cure when none does (exit
 * status 3). `why` (may be NULL) receives why the rungs above were not taken, one line,
 * "" when none was skipped. Costs some milliseconds (it runs a probe); call once a
 * process. Within a sandbox (policy.nested) it answers for that place: a triage worker
 * asks for itself what its targets can have.
 */
int sandbox_choose(enum sandbox_rung wanted, enum sandbox_rung *out, struct buf *why,
                   struct err *err);

struct sandbox_policy {
    struct strv read;  /* files and folders visible read-only at their own absolute paths;
                          missing ones are skipped */
    struct strv write; /* folders visible and writable at their own paths */
    struct strv hide;  /* folders that must not be seen even if a folder above is visible
                          (state folder, $HOME) */
    const char *cwd;   /* one of the writable folders; NULL: a new empty private folder
                          (/tmp/work inside) */
    int64_t tmp_bytes; /* size limit of each private tmpfs (Landlock: of the private
                          folder); 0: SANDBOX_TMP_BYTES */
    bool nested;  /* what runs inside starts sandboxes of its own (the triage worker) */
    bool lasting; /* bwrap only: the command is process 1 inside and runs hostile programs
                     one after another (runner.h): they may touch neither each other's
                     priorities and limits nor its own, and leave no message queues */
    int processes; /* most processes and threads at a time, all are killed beyond; 0:
                      SANDBOX_PROCESSES */
};

enum {
    SANDBOX_TMP_BYTES = 256 << 20,
    SANDBOX_PROCESSES = 512,
    SANDBOX_UID = 65530, /* see sandbox_set_uid() */
};

void sandbox_policy_clear(struct sandbox_policy *policy);
AUTO_DEFINE_CLEAR(struct sandbox_policy, sandbox_policy_clear)

/*
 * Let the policy show what a command line needs, and no more. argv[0] is absolute. Its
 * folder becomes readable (libraries and data often lie beside a program), unless that
 * folder is, or holds, $HOME, or is one of /, /tmp, /root, /home, /etc, /var and the
 * like: then only the program file. Existing files that the other arguments name, alone
 * or behind a '=', become readable too; devices do not, folders only where they are
 * harmless in the same sense. -ENOENT when argv[0] is no file.
 */
int sandbox_add_program(struct sandbox_policy *policy, const struct strv *argv,
                        struct err *err);

/*
 * The uid and gid that root drops to: SANDBOX_UID, or the environment's
 * NIGHTJAR_SANDBOX_UID, or what was set here (which wins). A number of its own, for no
 * daemon and no person runs under it: Debian and systemd both leave 65520-65533 unused,
 * while 65534 ("nobody") is shared with NFS, other daemons and here and there with a file
 * system's reserved blocks. -EINVAL for 0.
 */
int sandbox_set_uid(uid_t uid, struct err *err);

/* The uid and gid that files which a sandboxed program must write have to belong to: the
 * caller's own, or when the caller is root the dropped ones. */
void sandbox_owner(uid_t *uid, gid_t *gid);

/* Make a folder that a sandboxed program can write: mkdirs, and chown to sandbox_owner()
 * when root. */
int sandbox_mkdir(const char *path, struct err *err);

/*
 * Wrap a command: appends to `argv` the argument vector that runs command[0..] (absolute
 * path first) within the sandbox. Use with proc_spawn()/proc_run(), which run the
 * sandbox's own part in the forked child without the cost of an exec. The environment is
 * not touched: give the child the environment that the target shall see, and nothing else
 * (only TMPDIR is set, to what is private and goes away at the end). Of
 * the limits in proc_spec all hold for the command alone. SANDBOX_NONE runs the command
 * with all rights of the caller, behind the reaper that ends its descendants.
 *
 * Fails with -EINVAL for an entry that is or holds / or $HOME, /tmp, /proc, /sys or /dev,
 * for a relative path, a cwd outside `write`; -ENOENT or -ENOTDIR for a `write` entry
 * that is no folder; -ENOEXEC when the program's interpreter is not visible inside;
 * -EACCES when the dropped uid cannot reach a file, naming it and the cure.
 */
int sandbox_wrap(enum sandbox_rung rung, const struct sandbox_policy *policy,
                 const struct strv *command, struct strv *argv, struct err *err);

/*
 * The hidden verb's main: nightjar sandbox-init OPTIONS -- COMMAND. Exits 126/127 like a
 * shell when the command cannot be run, and SANDBOX_EXIT with a line on standard error
 * that begins with "nightjar sandbox: " when the sandbox cannot be made or a limit of it
 * was broken.
 */
enum { SANDBOX_EXIT = 125 };
int sandbox_init_main(int argc, char **argv);

/*
 * For a supervisor that is a subreaper (prctl(PR_SET_CHILD_SUBREAPER)): kill and reap the
 * children of this process that `mine` does not know, with all their descendants, remove
 * the SysV segments that they leave and work folders that a killed sandbox left. Call at
 * SIGCHLD, after reaping one's own, and at the end. Returns how many processes were
 * reaped.
 */
typedef bool sandbox_mine(void *user, pid_t pid);
int sandbox_reap_orphans(sandbox_mine *mine, void *user);

/* -EINVAL for a path that must never be an output (/dev/null and other devices, FIFOs,
 * sockets, whatever lies below /proc, /sys or /dev other than /dev/shm), with the reason.
 * A missing file and a folder are fine. */
int sandbox_refuse_output(const char *path, struct err *err);

#endif
