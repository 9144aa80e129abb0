/*
 * How builds become known: a folder of fuzz targets that somebody names (`nightjar build
 * add`), or each sub-folder of a folder that is watched (`builds: watch:`), which may
 * hold a file nightjar-build.yaml of strict keys:
 *
 *   commit: 0123abc       else the hexadecimal digits that the folder's name ends with
 *                         (7 at least), else its name
 *   time: 2026-11-27T20:00:00Z   when it was committed, as clock_read(); else the
 *                         folder's own time
 *   branch: main
 *   release: "1.2"
 *
 * A sub-folder is read again when its time is later than when it was read. It must come
 * there whole: be made elsewhere and renamed.
 *
 * Threat: what lies in these folders is a build of somebody else's code; it is discovered
 * as in orchestrator/target.h, never run.
 */
#ifndef ORCHESTRATOR_BUILDS_H
#define ORCHESTRATOR_BUILDS_H

#include "orchestrator/config.h"
#include "triage/kept.h"
#include "triage/revision.h"

struct build_words { /* NULL: not told; owned */
    char *commit, *time, *branch, *release;
};
void build_words_clear(struct build_words *words);
AUTO_DEFINE_CLEAR(struct build_words, build_words_clear)

/* What git says of the work tree that a folder lies in, for what is not told: commit
 * (with "-dirty" where files differ from it), time, branch. *from is the tree, new; NULL,
 * and nothing is set: it lies in none, or there is no git. */
int builds_ask_git(const char *folder, struct build_words *words, char **from,
                   struct err *err);

struct builds_added {
    int64_t id; /* of the revision */
    bool is_new;
    int64_t programs, targets;
    struct kept_copied copied; /* by builds_add() */
    struct strv notes;         /* what was passed over, a line each, for a person */
};
void builds_added_clear(struct builds_added *added);
AUTO_DEFINE_CLEAR(struct builds_added, builds_added_clear)

/* Register all programs below an absolute folder. Names of nightjar.yaml and of the store
 * tell which programs without an entry point are targets. -EINVAL: no commit or time is
 * told; -ENOENT: no target is there. */
int builds_register(const struct config *config, struct store *store, const char *folder,
                    const struct build_words *words, struct builds_added *out,
                    struct err *err);

/* The same, then copy them and drop copies, both by the policy of `builds:`. */
int builds_add(const struct config *config, struct store *store, const char *folder,
               const struct build_words *words, struct builds_added *out,
               struct err *err);

struct builds_tended {
    int64_t added;     /* revisions that were new or have changed */
    int64_t copied;    /* programs, too */
    int64_t dropped;   /* copies */
    struct strv notes; /* what is wrong with a folder, a line each */
};
void builds_tended_clear(struct builds_tended *tended);
AUTO_DEFINE_CLEAR(struct builds_tended, builds_tended_clear)

/* Look at the folders that are watched (builds_watch.c), copy programs on which open bugs
 * showed while they are still there, and drop copies by the policy where any came. */
int builds_tend(const struct config *config, struct store *store,
                struct builds_tended *out, struct err *err);

/* The policy of `builds:`. */
struct kept_policy builds_policy(const struct config *config);

#endif
