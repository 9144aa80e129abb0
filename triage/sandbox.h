/*
 * The sandbox in which hostile programs run: an allow-list of files, no network, private /tmp, /dev,
 * pid and ipc namespaces, a uid that is really dropped when started by root, limits. Two rungs:
 * bubblewrap, and where user namespaces or /proc are masked (Docker, Ubuntu 24.04) Landlock + seccomp +
 * rlimits. SANDBOX_NONE only by the user's word. A rung is tried by running it, not guessed.
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

int sandbox_rung_parse(const char *name, enum sandbox_rung *out, struct err *err); /* auto bwrap landlock none */
const char *sandbox_rung_name(enum sandbox_rung rung);

/*
 * The rung to use. SANDBOX_AUTO takes the first that works here; a rung that was asked for by name
 * must work. -ENOTSUP with the reason and the cure when none does (exit status 3). `why` (may be
 * NULL) receives why the rungs above were not taken, one line, "" when none was skipped. Costs some
 * milliseconds (it runs a probe); call once a process.
 */
int sandbox_choose(enum sandbox_rung wanted, enum sandbox_rung *out, struct buf *why, struct err *err);

struct sandbox_policy {
    struct strv read;  /* files and folders visible read-only at their own absolute paths; missing ones are skipped */
    struct strv write; /* folders visible and writable at their own paths */
    struct strv hide;  /* folders that must not be seen even if a folder above is visible (state folder, $HOME) */
    const char *cwd;   /* one of the writable folders; NULL: a new empty private folder (/tmp/work inside) */
    int64_t tmp_bytes; /* size limit of each private tmpfs; 0: SANDBOX_TMP_BYTES */
    bool nested;       /* what runs inside starts sandboxes of its own (the triage worker) */
};

enum { SANDBOX_TMP_BYTES = 256 << 20 };

void sandbox_policy_clear(struct sandbox_policy *policy);
AUTO_DEFINE_CLEAR(struct sandbox_policy, sandbox_policy_clear)

/* The uid and gid that files which a sandboxed program must write have to belong to: the caller's own, or
 * when the caller is root the dropped ones. */
void sandbox_owner(uid_t *uid, gid_t *gid);

/* Make a folder that a sandboxed program can write: mkdirs, and chown to sandbox_owner() when root. */
int sandbox_mkdir(const char *path, struct err *err);

/*
 * Wrap a command: appends to `argv` the argument vector that runs command[0..] (absolute path first)
 * within the sandbox: bwrap ..., or this program's hidden verb `sandbox-init` with the Landlock
 * policy. The environment is not touched: give the child the environment that the target shall see, and
 * nothing else. Use with proc_spawn()/proc_run(). SANDBOX_NONE appends the command alone behind the
 * reaper that ends its descendants. -EACCES when the dropped uid cannot reach a file, naming it and the cure.
 */
int sandbox_wrap(enum sandbox_rung rung, const struct sandbox_policy *policy,
                 const struct strv *command, struct strv *argv, struct err *err);

/* The hidden verb's main: nightjar sandbox-init OPTIONS -- COMMAND. Exits 126/127 like a shell when
 * the command cannot be run, and 125 with a line on standard error when the sandbox cannot be made. */
int sandbox_init_main(int argc, char **argv);

/* -EINVAL for a path that must never be an output (/dev/null and other devices), with the reason. */
int sandbox_refuse_output(const char *path, struct err *err);

#endif
