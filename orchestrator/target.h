/*
 * A target: a program under test in the builds that there are of it. From nightjar.yaml, from a
 * NAME.yaml beside a binary, from an OSS-Fuzz style $OUT folder, or from the command line.
 */
#ifndef ORCHESTRATOR_TARGET_H
#define ORCHESTRATOR_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "triage/command.h"

enum build_kind { /* what a binary was compiled for; found by probing the file */
    BUILD_AFL,       /* AFL++ instrumentation, with or without a sanitizer */
    BUILD_CMPLOG,    /* the same with CMPLOG, for afl-fuzz -c */
    BUILD_SANITIZER, /* a sanitizer and no engine: what replays run on by preference */
    BUILD_LIBFUZZER, /* libFuzzer linked in */
    BUILD_COVERAGE,  /* source-based coverage */
    BUILD_KINDS,
};

const char *build_kind_name(enum build_kind kind); /* afl cmplog sanitizer libfuzzer coverage */

struct target {
    char *name;
    char *builds[BUILD_KINDS]; /* absolute paths; NULL: there is none */
    bool in_process;           /* LLVMFuzzerTestOneInput: no arguments */
    struct strv args;          /* of a command-line target; "@@" is the input, none means standard input */
    struct strv seeds;         /* files, folders, archives; absolute */
    char *dictionary;          /* absolute, or NULL */
    struct strv env;           /* NAME=value; sanitizer options of T.options merged in */
    struct strv libfuzzer;     /* flags of T.options [libfuzzer], "-max_len=64" */
    struct strv ignore_frames; /* PCRE2 patterns */
    int64_t timeout_ms;        /* of one run */
    int64_t memory_bytes;
};

void target_free(struct target *target);
AUTO_DEFINE(struct target *, target_free)

struct target_list {
    struct target **v;
    size_t n;
};

struct target *target_list_add(struct target_list *list, const char *name); /* borrowed; with defaults */
struct target *target_list_find(const struct target_list *list, const char *name); /* or NULL */
void target_list_clear(struct target_list *list);
AUTO_DEFINE_CLEAR(struct target_list, target_list_clear)

/* How to replay one input: on the sanitizer build, else libFuzzer's, else AFL's. -ENOEXEC when the target
 * has no build that can be run. */
int target_command(const struct target *target, struct command *out, struct err *err);

/* What a file is, by its ELF and strings (bounded read), never by running it. */
struct probe {
    bool executable, script;
    bool fuzz_entry; /* holds LLVMFuzzerTestOneInput or LLVMFuzzerRunDriver */
    bool libfuzzer, afl, cmplog, asan, ubsan, msan, tsan, coverage;
};
int target_probe(const char *path, struct probe *out, struct err *err);

/*
 * Discover the targets below a folder by OSS-Fuzz's and ClusterFuzz's rules (names, extension, entry point;
 * T.options, T.dict, T_seed_corpus.zip, afl_cmplog.txt), and ours: a strict T.yaml beside T (command-line
 * targets). The same name in several sub-folders is one target in several builds. Appends to list.
 * -ENOENT when there is none, saying what was looked at and why each candidate was refused.
 */
int target_discover(const char *folder, struct target_list *list, struct err *err);

/* One binary as a target by itself: `nightjar fuzz ./target seeds/`. -ENOEXEC, with the cure, when it is
 * not instrumented. args and seeds may be empty. */
int target_from_binary(const char *path, const struct strv *args, const struct strv *seeds,
                       struct target_list *list, struct err *err);

/* Unpack or copy all seeds of a target into a folder (content-addressed names, at most max_files and
 * max_bytes; hostile archives: traversal, links, bombs refused with a warning line). Writes one minimal
 * seed when there are none. Returns the number of seeds in *count. */
int target_unpack_seeds(const struct target *target, const char *folder, int64_t *count,
                        struct err *err);

#endif
