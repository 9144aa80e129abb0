/*
 * Builds as people speak of them: a state of the source, its commit, branch, release and
 * time, and the programs that were made of it. `nightjar build add`, and folders that are
 * watched, tell of them; whatever else knows a build by its build id alone (crashes,
 * replays, verifications) asks here what that is.
 *
 * Order is by the time of the commit, whenever a build came here. A program of one build
 * id in several revisions is the same code: it shows what it shows from the oldest of
 * them to the newest. Commits, branches, releases and paths are hostile names.
 */
#ifndef TRIAGE_REVISION_H
#define TRIAGE_REVISION_H

#include "triage/store.h"

enum { REVISION_NAME_MAX = 200 }; /* bytes of a commit, branch, release */

struct revision_program {
    const char *target, *kind, *build_id; /* kind: build_kind_name()'s words */
    const char *path;                     /* absolute, any bytes */
};

struct revision_given {
    const char *commit, *branch, *release; /* "" : not known; commit never is */
    int64_t at;                            /* when it was committed, wall ms */
    const char *folder;                    /* absolute, any bytes */
    const struct revision_program *programs;
    size_t n;
};

/* Remember it: *id is its row, *is_new whether the commit was not known on this branch. A
 * known one has the time and release that were given last, and further programs. An event
 * "build.add" (subject "build") tells of a new one. -EINVAL: a name is empty or too long,
 * or no program has a build id. */
int revision_put(struct store *store, const struct revision_given *given, int64_t *id,
                 bool *is_new, struct err *err);

struct revision {
    int64_t id, at, added;                    /* wall ms */
    char *commit, *branch, *release, *folder; /* "" : not known; folder escaped */
    /* Counted by store_revisions() and revision_find() alone: programs, of them those
     * with a copy, open bugs that showed on it. */
    int64_t programs, kept, bugs;
};
void revision_clear(struct revision *revision);
AUTO_DEFINE_CLEAR(struct revision, revision_clear)

/* "commit 0123456789ab (main), release 1.2", for a person; new. */
char *revision_words(const struct revision *revision);

/* {"commit", "branch", "release", "time"}; null where it is not known. New. */
json_t *revision_to_json(const struct revision *revision);

/* Visit all, the newest first. visit may use the store, and remove what it visits. */
typedef int revision_visit(void *user, const struct revision *revision, struct err *err);
int store_revisions(struct store *store, revision_visit *visit, void *user,
                    struct err *err);

/* The oldest revision with a program of this build id. -ENODATA: none is known; *out is
 * untouched then. */
int revision_of_build(struct store *store, const char *build_id, struct revision *out,
                      struct err *err);

/* The one that a person means: a commit or the beginning of one (7 characters), of
 * several the newest; else that of a build id or its beginning (8 digits). -EINVAL. */
int revision_find(struct store *store, const char *text, struct revision *out,
                  struct err *err);

/* Whether a sub-folder of one that is watched was read as it is now; `stamp` changes with
 * it. *note, new, is what was wrong with it; NULL: nothing, or it was not read. */
int watched_seen(struct store *store, const char *folder, int64_t stamp, bool *seen,
                 char **note, struct err *err);
int watched_put(struct store *store, const char *folder, int64_t stamp, const char *note,
                struct err *err);

/* Its row and those of its programs; their copies stay until kept_gc(). Event
 * "build.remove". */
int revision_remove(struct store *store, int64_t id, const char *actor, struct err *err);

struct program_found {
    char *build_id, *path; /* path: where it lay when it was added */
    const char *kind;      /* record_build_kind()'s constant */
};
void program_found_clear(struct program_found *found);
AUTO_DEFINE_CLEAR(struct program_found, program_found_clear)

/* The program of a target (as it is stored) in a revision, of this kind, else any that
 * inputs are replayed on; of several the one that came last. -ENODATA: there is none. */
int revision_program(struct store *store, const struct revision *revision,
                     const char *target, const char *kind, struct program_found *out,
                     struct err *err);

/* --- what that says of a bug --- */

struct bug_builds {             /* times are those of commits, wall ms, 0: not known */
    struct revision introduced; /* the oldest revision on which its signature showed, by a
                                   crash or by nightjar verify; id 0: none is known */
    int64_t clean_before; /* the newest older one that verify found clean: between the two
                             it came in. 0: it may be older than all that is known */
    struct revision newest;  /* on which it showed; id 0 */
    struct revision release; /* the oldest release on which it showed; id 0: it was seen
                                on none */
};
void bug_builds_clear(struct bug_builds *builds);
AUTO_DEFINE_CLEAR(struct bug_builds, bug_builds_clear)
int store_bug_builds(struct store *store, int64_t bug, struct bug_builds *out,
                     struct err *err);

#endif
