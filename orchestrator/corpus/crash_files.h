/*
 * What a person names to `nightjar triage`: a file, a folder of files, an AFL++ output
 * tree, a folder of libFuzzer artifacts, or a folder that holds any of these. Recognised
 * by what lies in them, never by their names alone:
 *
 *   AFL++ instance   holds fuzzer_setup, fuzzer_stats, or both crashes/ and queue/
 *   AFL++ tree       a folder with an instance directly below it: only its instances
 * count crashes/, hangs/ of an instance, or one file in there: just that, as part of the
 *                    instance
 *   libFuzzer        a folder that holds NAME-<40 hex digits> with a NAME that libFuzzer
 *                    uses: just those files, without slow units
 *   anything else    every regular file in it, and what lies below it
 *
 * Of an instance its crashes come first, those of earlier sessions (crashes.DATE) next
 * and its hangs last of all; README.txt is not a crash. A state folder of nightjar is
 * left out. Links and what is no file are left out and counted, so that nothing vanishes
 * silently. Names may be any bytes.
 */
#ifndef ORCHESTRATOR_CORPUS_CRASH_FILES_H
#define ORCHESTRATOR_CORPUS_CRASH_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"

enum crash_kind { CRASH_PLAIN, CRASH_AFL, CRASH_LIBFUZZER };

/* Files that stem from one target. */
struct crash_group {
    enum crash_kind kind;
    char *folder;          /* absolute: the tree, the folder, or the one file */
    struct strv instances; /* CRASH_AFL: absolute folders, main instances first */
    struct strv files;     /* absolute */
    struct strv hangs;     /* to be triaged behind all files */
};

struct crash_files {
    struct crash_group *v;
    size_t n;
    struct strv problems; /* what could not be read, a line each for a person */
    struct strv notes;    /* what was left out on purpose, a line each */
};

void crash_files_clear(struct crash_files *files);
AUTO_DEFINE_CLEAR(struct crash_files, crash_files_clear)

/* Collect what lies at path; appends. Everything that goes wrong is one of the problems.
 */
void crash_files_collect(struct crash_files *files, const char *path);

/* How many files and hangs there are in all. */
size_t crash_files_count(const struct crash_files *files);

/* Whether a folder is that of one afl-fuzz process. */
bool crash_files_is_instance(const char *folder);

/* Whether a file's name is one that libFuzzer gives to an artifact; *slow (may be NULL)
 * tells whether it is merely a slow unit. */
bool crash_files_is_artifact(const char *name, bool *slow);

#endif
