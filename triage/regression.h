/*
 * Regressions: what must not crash again. Each bug that stems from an input has one, its
 * reproducer (the smallest input known), for good: whatever becomes of the bug, of its
 * other crashes and of their blobs, its bytes stay in the store and, as a plain file, in
 *
 *   STATE/regressions/TARGET/NJ-12-0123456789abcdef   bug, first digits of the SHA-256
 *
 * from where they can be copied into a repository or given to any program. A better
 * reproducer takes the place of the former one, which goes only when the new file is safe
 * on the disk. The bug's first input stays in the store too and is the second witness: a
 * reproducer that was minimized on one build may miss the bug on the next.
 *
 * `nightjar verify` replays them and judges what it sees. Names of targets are hostile:
 * what has no place in a file's name reads '_' in the folder's.
 */
#ifndef TRIAGE_REGRESSION_H
#define TRIAGE_REGRESSION_H

#include "base/hash.h"
#include "triage/store.h"

struct regression {
    int64_t bug, target_id;
    char name[24]; /* "NJ-12" */
    char *target;  /* on which it is replayed */
    char *state;   /* of the bug */
    char *crash_type, *crash_state, *major;
    char sha256[HASH_HEX_MAX];   /* reproducer */
    char original[HASH_HEX_MAX]; /* first input in this target; "" when it is the same */
    int k, n;                    /* how often it showed when it was triaged */
};

struct regression_list {
    struct regression *v; /* by ascending bug */
    size_t n;
};
void regression_list_clear(struct regression_list *list);
AUTO_DEFINE_CLEAR(struct regression_list, regression_list_clear)

/* Those of a target, as it is stored (NULL: of all). Appends to out, which is empty. */
int regressions_load(struct store *store, const char *target, struct regression_list *out,
                     struct err *err);

/* The file of a regression; new path. */
char *regression_path(const struct store *store, const struct regression *regression);

/* The bytes of the input called sha256, from the store or else, when they are the
 * reproducer's, from its file, if they are what the name says. -EUCLEAN: neither is
 * whole. Appends to out. */
int regression_bytes(struct store *store, const struct regression *regression,
                     const char *sha256, struct buf *out, struct err *err);

/* Which kind of build of its target (record_build_kind()) the program at `path` is, as
 * registered; "given" when it is none of them. Constant. */
int regression_build(struct store *store, const struct regression *regression,
                     const char *path, const char **kind, struct err *err);

enum { REGRESSIONS_AT_A_TIME = 64 };

/* Write files that are missing, `most` at most (0: all of them), durably, and then remove
 * those that a better reproducer replaced. *left (may be NULL) is how many are still
 * missing. What was called by another name in there stays. */
int regressions_keep(struct store *store, int most, int64_t *left, struct err *err);

/* An input that shows a bug: its reproducer, its first input, and what else is kept of
 * its crashes (store_example.c has the rule: one of each stack, source, build; bounded).
 */
struct witness {
    int64_t crash; /* 0: the bug's reproducer or first input */
    char sha256[HASH_HEX_MAX];
    int k, n; /* how often it showed when it was triaged */
};
struct witness_list { /* the reproducer first, then the first input where it differs */
    struct witness *v;
    size_t n;
};
void witness_list_clear(struct witness_list *list);
AUTO_DEFINE_CLEAR(struct witness_list, witness_list_clear)

/* All of them whose bytes are there; those of other targets are among them, too. Appends
 * to out, which is empty. */
int regression_witnesses(struct store *store, const struct regression *of,
                         struct witness_list *out, struct err *err);

enum verified_as { /* from the best to the worst news */
                   VERIFIED_CLEAN,
                   VERIFIED_BROKEN,  /* the replay never truly ran: nothing is known */
                   VERIFIED_CHANGED, /* it crashes, but not as this bug does */
                   VERIFIED_SAME,
                   VERIFIED_WAYS
};
const char *verified_name(enum verified_as as); /* clean broken changed same */

/* What a regression did on a build. */
struct verified {
    enum verified_as as;
    int k, n;       /* runs that crashed as `crash_type` says, of all runs */
    bool timed_out; /* it came to its limit of time once: slow, or a hang */
    int64_t known;  /* CHANGED: the bug that it is now, 0: none that is known */
    char *crash_type, *crash_state, *signature; /* what it showed; NULL: nothing */
    enum severity severity;                     /* of that, as the rules compute it */
    char *reason;              /* why it is broken, or what is odd about it; NULL */
    bool original;             /* the second witness said so */
    bool sibling;              /* one of the further ones did */
    char sha256[HASH_HEX_MAX]; /* which it was; "" : the reproducer */
    int clean;             /* CLEAN: witnesses that were asked and are, on such builds */
    const char *kind;      /* of the build; "given": a command of a person's; constant */
    char *path, *build_id; /* build_id "": the file has none; NULL as long as unknown */
    const char *to; /* the state that it moves the bug to: regression_moves(); constant */
};
void verified_clear(struct verified *verified);
const char *verified_input(const struct verified *seen); /* reproducer original sibling */
AUTO_DEFINE_CLEAR(struct verified, verified_clear)

struct verification { /* both borrowed */
    const struct regression *of;
    const struct verified *seen;
};

/* How many runs a bug that showed in k of n needs, so that no crash in all of them means
 * with 99 % confidence that it is gone: 1 where it always showed, 3 where nobody knows.
 */
int regression_runs(int k, int n);

/* Judge a triage worker's answer to job number `job` (triage/worker.h). What makes no
 * sense is VERIFIED_BROKEN. Fails only when the store does. */
int regression_judge(struct store *store, const struct regression *regression,
                     int64_t job, const json_t *answer, struct verified *out,
                     struct err *err);

/*
 * Whether it moves the bug: sets seen->to to
 *
 *   "fixed"      an open bug is clean on a build later than all that showed it: all its
 *                witnesses are (seen->clean)
 *   "regressed"  a fixed one is the same on such a build
 *   NULL         else. What crashes otherwise is no fix; a build without a build id, an
 *                old one, one of another branch, or one that is none of the target's is
 * no evidence, nor are fewer clean runs than regression_runs(); ignored and wontfix are a
 * person's word
 */
int regression_moves(struct store *store, const struct regression *of,
                     struct verified *seen, struct err *err);

/* Whether a build of a target, the program at seen->path, is later than all that showed
 * the bug: what is clean on it is gone. */
int regression_is_later(struct store *store, const struct regression *of, int64_t target,
                        const struct verified *seen, bool *later, struct err *err);

/*
 * What crashes otherwise, as no bug that is known (seen->known 0), is a find of its own:
 * file the report that `answer` holds as a crash, and seen->known is its bug. It stems
 * from a report, since the input is the other bug's; when that input is a crash's on this
 * build in a campaign, or any other is, that takes its place. Nothing without a report.
 */
int regression_file_changed(struct store *store, const struct regression *of, int64_t job,
                            const json_t *answer, struct verified *seen, struct err *err);

/*
 * Leave a "bug.verify" event of what was seen, on which build, in the history of each of
 * n bugs: result, k, n, build, build_id, input, and what it showed instead. An
 * observation like the bug's last one (same result, build and crash) is not told again;
 * *told (may be NULL) is how many were. A bug that is still in the state that the list
 * was loaded with goes to seen->to.
 */
int regressions_verified(struct store *store, const struct verification *list, size_t n,
                         int64_t *told, struct err *err);

#endif
