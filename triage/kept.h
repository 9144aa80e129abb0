/*
 * Copies of programs, so that a bug can be replayed on the build that showed it long
 * after the folder where that lay was built anew:
 *
 *   STATE/builds/ab/abcd.../NAME     by build id: the program, what holds its debug
 *   STATE/builds/ab/abcd.../LIB/...  information beside it (NAME.debug, NAME.dwp), and
 *                                    libraries that it loads from below its own folder
 *
 * Made once for each build id, as far as the file system can by sharing the bytes
 * (reflink). Not by hard links: a program that is copied over in place would change its
 * copy. What is there is whole: it is made beside it, flushed and renamed. A copy that is
 * used is asked for its build id before.
 */
#ifndef TRIAGE_KEPT_H
#define TRIAGE_KEPT_H

#include "triage/revision.h"

enum {
    KEPT_PROGRAM_MAX = 2000 << 20, /* bytes of a file that is copied */
    KEPT_LIBRARIES_MAX = 64,       /* of a program */
    KEPT_NEWEST = 3,               /* revisions of a branch, by default */
};

/* Copy a program (absolute path) unless there is a copy of this build id. *bytes is what
 * it took, 0: it was there. -ESTALE: the file is another build by now. */
int kept_add(struct store *store, const char *path, const char *build_id, int64_t *bytes,
             struct err *err);

/* Copy each program on which an open bug showed and of which there is no copy, as long as
 * it still lies where it lay. *copied grows by how many. */
int kept_add_wanted(struct store *store, int64_t *copied, struct err *err);

struct kept_policy {
    int64_t newest;    /* revisions of each branch whose programs stay */
    int64_t max_bytes; /* of all copies; 0: no limit. The oldest go first */
    bool dry_run;      /* kept_gc() */
};

struct kept_copied {
    int64_t programs, bytes; /* that had no copy yet; grow */
    struct strv notes;       /* why there is none of the others, a line each */
};
void kept_copied_clear(struct kept_copied *copied);
AUTO_DEFINE_CLEAR(struct kept_copied, kept_copied_clear)

/* Copy the programs of a revision, if it is among the newest that the policy keeps. A
 * copy that cannot be made is a note. */
int kept_add_revision(struct store *store, int64_t revision,
                      const struct kept_policy *policy, struct kept_copied *out,
                      struct err *err);

/* Where the copy lies, new; NULL: there is none, or it is not what its name says. */
int kept_path(struct store *store, const char *build_id, char **out, struct err *err);

/* The program of a target in a revision, as revision_program(), with the path of its
 * copy; else where it lies, if that still is this build. -ENODATA: neither is there. */
int kept_program(struct store *store, const struct revision *revision, const char *target,
                 const char *kind, struct program_found *out, struct err *err);

struct kept_tally {
    int64_t copies, bytes;        /* that go, or went */
    int64_t left, left_bytes;     /* that stay */
    int64_t needed, needed_bytes; /* of them, that an open bug was seen on */
};

/* Remove what the policy does not keep. Copies on which an open bug was seen stay,
 * whatever the limit says; those of no known revision go unless they do. */
int kept_gc(struct store *store, const struct kept_policy *policy, struct kept_tally *out,
            struct err *err);

#endif
