/*
 * Between the files of the sandbox. The way of a command:
 * - sandbox.c: the policy, checked
 * - sandbox_view.c: what is visible where: one sorted list of mounts, links resolved
 * - sandbox_identity.c: the uid to become, and whether it reaches the files
 * - sandbox_bwrap.c: the list as bubblewrap's arguments
 * - sandbox_grant.c: the list as Landlock's grants, which cannot subtract
 * - sandbox_plan.c: all of it as words: what sandbox_wrap() yields, sandbox_run() reads
 * - sandbox_run.c: in the forked child: the front, the reaper behind it, the command
 * - sandbox_users.c: the user namespace in which root starts bubblewrap
 * - sandbox_watch.c: wait, forward signals, police, end
 * - sandbox_tree.c: descendants, SysV segments, work folders
 * - sandbox_landlock.c, sandbox_seccomp.c, sandbox_drop.c: what the command's process
 *   does to itself
 * - sandbox_choose.c: the probes; sandbox_verb.c: the hidden verb
 */
#ifndef TRIAGE_SANDBOX_PRIVATE_H
#define TRIAGE_SANDBOX_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/proc.h"
#include "triage/sandbox.h"

#define SANDBOX_VERB   "sandbox-init"
#define SANDBOX_PLAN   "--plan"   /* what sandbox_wrap() yields */
#define SANDBOX_ENTER  "--enter"  /* UID -- COMMAND: within bubblewrap, as root */
#define SANDBOX_CHOOSE "--choose" /* RUNG: say what sandbox_choose() finds here */

/* --- who
 * -----------------------------------------------------------------------------------------
 */

struct sandbox_identity {
    bool drop;  /* root that becomes uid:gid */
    bool alone; /* "root" of a user namespace that holds no other uid: an ordinary user
                   outside */
    uid_t uid;  /* of the command, as seen from here */
    gid_t gid;
};

/* -EPERM, with the cure, for root that cannot become another uid. */
int sandbox_identity(struct sandbox_identity *out, struct err *err);

/* The number that root drops to, whoever calls. */
uid_t sandbox_uid(void);

/* Whether the identity may do `want` (R_OK | W_OK | X_OK) with path. With `all_the_way`
 * it must also be able to enter every folder above (a bind mount made by root needs that
 * not). -EACCES with the cure. */
int sandbox_reach(const struct sandbox_identity *who, const char *path, int want,
                  bool all_the_way, struct err *err);

/* The caller's home folder with links resolved, new string; NULL when there is none. */
char *sandbox_home(void);

/* $TMPDIR if it is a folder, else /tmp; borrowed. */
const char *sandbox_tmp(void);

/* --- what is visible
 * ------------------------------------------------------------------------------ */

enum view_kind {
    VIEW_READ,
    VIEW_WRITE,
    VIEW_LINK,      /* a symbolic link that leads to something visible */
    VIEW_HIDE,      /* an empty folder in place of a real one */
    VIEW_HIDE_FILE, /* the same for a file */
    VIEW_TMP,       /* a private file system */
    VIEW_PROC,
    VIEW_DEV,
};

struct view_entry {
    char *path;   /* absolute, real (but for its last part if VIEW_LINK) */
    char *target; /* VIEW_LINK: what the link says */
    enum view_kind kind;
    bool implied; /* shown by the entry that it lies in: nothing to be done for it */
};

/* Sorted, parents first, each path once. */
struct view {
    struct view_entry *v;
    size_t n;
};

void view_clear(struct view *view);
AUTO_DEFINE_CLEAR(struct view, view_clear)

/* The system's own entries and the policy's. */
int view_make(const struct sandbox_policy *policy, struct view *out, struct err *err);

/* The nearest entry that holds path (or is it); NULL when none does. */
const struct view_entry *view_find(const struct view *view, const char *path);

/* Whether path lies in folder, or is it. */
bool path_within(const char *path, const char *folder);

/* --- the plan
 * --------------------------------------------------------------------------------------
 */

/* All that sandbox_run() needs to know: trusted, and complete, so that it decides
 * nothing. */
struct plan {
    enum sandbox_rung rung;
    struct sandbox_identity who;
    bool nested;
    bool lasting;
    int64_t tmp_bytes;
    int processes;
    int abi;   /* Landlock's, 0: none */
    char *tmp; /* where a private work folder may be made */
    char *cwd; /* NULL: the private work folder */
    struct strv
        bwrap; /* path of bwrap, and its arguments up to those that need descriptors */
    struct strv grants; /* Landlock: a letter of GRANT_* and the path */
    struct strv
        inner; /* bwrap: the program, with arguments, that drops what root has, inside */
    struct strv command;
};

enum {
    GRANT_READ = 'r',
    GRANT_WRITE = 'w',
    GRANT_LIST = 'l', /* names only */
    GRANT_PROC = 'p',
    GRANT_DEV = 'd',
};

void plan_clear(struct plan *plan);
AUTO_DEFINE_CLEAR(struct plan, plan_clear)

void plan_words(const struct plan *plan, struct strv *argv);
int plan_parse(char *const *words, /* behind the verb */
               struct plan *out, struct err *err);

/* Fill in plan->bwrap and ->inner, or ->grants. */
int plan_bwrap(const struct sandbox_policy *policy, const struct view *view,
               struct plan *plan, struct err *err);
int plan_grants(const struct view *view, struct plan *plan, struct err *err);

/* --- running
 * ---------------------------------------------------------------------------------------
 */

/* proc_verb of proc_set_verb(): all of a sandbox, in the child that proc_spawn() forked.
 */
int sandbox_run(const struct proc_spec *spec);

/* The same with the words that stand behind the verb, and all else as proc_spawn() leaves
 * it. */
int sandbox_run_words(char *const *words, const struct proc_spec *spec);

/* A line on standard error, "nightjar sandbox: ..."; returns SANDBOX_EXIT. */
int sandbox_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* fork() of root into a user namespace of its own, where all ids are root's own; where
 * that cannot be, a plain fork(). */
pid_t users_fork(void);

enum { SANDBOX_PIDS_MAX = 65536 };

struct pids {
    pid_t *v;
    size_t n;
};

void pids_add(struct pids *pids,
              pid_t pid); /* once; beyond SANDBOX_PIDS_MAX it is dropped */
bool pids_has(const struct pids *pids, pid_t pid);
void pids_clear(struct pids *pids);
AUTO_DEFINE_CLEAR(struct pids, pids_clear)

/* All processes that descend from root, which is not one of them. Returns the number of
 * their threads. */
size_t tree_collect(pid_t root, struct pids *out);

/* Kill and reap all descendants of this process, which must be a subreaper; those reaped
 * are added to `dead` (may be NULL). False when some would not die in time. */
bool tree_kill(struct pids *dead);

/* The parent of a process; 0 when there is none to be seen. */
pid_t tree_parent(pid_t pid);

/* The children of pid by looking at all processes: for kernels without
 * CONFIG_PROC_CHILDREN. */
void tree_scan(pid_t pid, struct pids *out);

/* The first child of pid, 0 if it has none. */
pid_t tree_first_child(pid_t pid);

/* Remove SysV segments that nobody uses, whose creator has gone and was one of `dead`, or
 * (uid not -1) any process of that uid. Only those made since `since` (clock_wall_ms). */
void shm_sweep(const struct pids *dead, uid_t uid, int64_t since);

/* A private work folder below tmp, owned by the identity, locked as long as *lock_fd is
 * open. */
int work_make(const char *tmp, const struct sandbox_identity *who, char **path,
              int *lock_fd, struct err *err);

/* Remove those whose makers have gone. */
void work_sweep(const char *tmp);

/* Bytes on disk below path; stops counting beyond `most`. */
int64_t work_bytes(const char *path, int64_t most);

/* What a front or a reaper looks after. */
struct watch {
    const struct plan *plan;
    pid_t child;
    int status_fd;     /* bwrap: where it tells what became of the command; else -1 */
    struct buf status; /* what it told */
    char *work;        /* borrowed; NULL: none */
    struct pids seen;  /* descendants, as far as they were seen */
    int64_t since;
    bool is_front;      /* a reaper stands behind it and polices */
    const char *broken; /* the limit that was broken, in words */
};

/* Until the child has ended, or the parent, or a limit was broken; returns the child's
 * wait status. */
int watch_run(struct watch *watch);

/* The command's wait status from that of bwrap, which says 128 + n for signal n, as a
 * shell does: only what nobody means by an exit status of his own is taken for the
 * signal. -1: the command was never started. */
int watch_bwrap_status(struct watch *watch, int status);

/* Wait for bwrap to say which process will be the first of its namespace; 0: it has
 * failed. */
pid_t watch_bwrap_first(struct watch *watch);

/* End what is left, clean up. */
void watch_finish(struct watch *watch);

/* --- in the command's process
 * ---------------------------------------------------------------------- */

/* Each returns 0, or -1 and errno; after drop_root() nothing of root is left. */
int drop_root(const struct sandbox_identity *who);
int drop_capabilities(void);

int landlock_abi(void); /* 0: this kernel has none */
int landlock_confine(const struct plan *plan, const char *work, struct err *err);

/* The system calls that no sandboxed program may make. `guarded`: processes that must not
 * be signalled (Landlock before ABI 6 leaves that to the uid). */
int seccomp_confine(const struct plan *plan, const struct pids *guarded, struct err *err);
int seccomp_write(const struct plan *plan, int fd,
                  struct err *err); /* as BPF, for bwrap --seccomp */

#endif
