/*
 * A target: a program under test in the builds that there are of it. From nightjar.yaml,
 * from a NAME.yaml beside a binary, from an OSS-Fuzz style $OUT folder, or from the
 * command line.
 *
 * Threat: binaries, archives, T.options and file names come from a build of somebody
 * else's code. They are read with bounds and never run here; a name becomes a folder's
 * name only when target_name_valid() says so.
 */
#ifndef ORCHESTRATOR_TARGET_H
#define ORCHESTRATOR_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "triage/build.h"
#include "triage/command.h"

enum build_kind { /* what a binary was compiled for; found by probing the file */
                  BUILD_AFL,    /* AFL++ instrumentation, with or without a sanitizer */
                  BUILD_CMPLOG, /* the same with CMPLOG, for afl-fuzz -c */
                  BUILD_SANITIZER, /* a sanitizer and no engine: what replays run on by
                                      preference */
                  BUILD_LIBFUZZER, /* libFuzzer linked in */
                  BUILD_COVERAGE,  /* source-based coverage */
                  BUILD_RELEASE,   /* what is shipped: neither engine nor sanitizer. Only
                                      by the user's word, or from a folder `release` */
                  BUILD_KINDS,
};

const char *build_kind_name(
    enum build_kind kind); /* afl cmplog sanitizer libfuzzer coverage release */

enum {
    TARGET_NAME_MAX = 128, /* bytes of a target's name */
    TARGET_SEED_BYTES_MAX =
        5 << 20, /* of one seed: ClusterFuzz's limit of a corpus unit */
    TARGET_SEEDS_CEILING =
        10000000, /* the highest limit of their number; 32 bytes each */
};

/* What is taken of the seeds of one target, or of one import; `import:` of nightjar.yaml.
 * Zero: the default. */
struct seed_limits {
    int64_t inputs;  /* different ones; 100,000 */
    int64_t bytes;   /* of all, and of all that is unpacked to find them; 1 GiB */
    int64_t entries; /* of one archive, whatever they are; 1,000,000 */
    int64_t ratio;   /* bytes that one of an archive may become, beyond the first 64 MiB;
                        200 */
};
struct seed_limits seed_limits_of(const struct seed_limits *given); /* defaults filled */

/* Letters, digits, "_-.@", not beginning with a dot or a dash: ClusterFuzz's rule, made
 * safe as a folder's name and as an argument. */
bool target_name_valid(const char *name);

struct target {
    char *name;
    char *builds[BUILD_KINDS]; /* absolute paths; NULL: there is none */
    bool in_process;           /* LLVMFuzzerTestOneInput: no arguments */
    struct strv
        args; /* of a command-line target; "@@" is the input, none means standard input */
    struct strv seeds; /* files, folders, archives; absolute */
    struct strv first; /* SHA-256 of those that a campaign begins with; may be empty */
    struct strv read; /* further files and folders that it reads when it runs; absolute */
    char *dictionary; /* absolute, or NULL */
    struct strv env;  /* NAME=value; sanitizer options of T.options merged in */
    struct strv libfuzzer;     /* flags of T.options [libfuzzer], "-max_len=64" */
    struct strv ignore_frames; /* PCRE2 patterns */
    int64_t timeout_ms;        /* of one run; default COMMAND_TIMEOUT_MS */
    int64_t memory_bytes;      /* default COMMAND_MEMORY_MB */
    struct seed_limits limits; /* of its seeds */
};

/* Add NAME=value to env. Sanitizer options (*SAN_OPTIONS) that are there already are
 * kept, with the new ones behind them, which win; any other variable is replaced. */
void target_set_env(struct target *target, const char *name, const char *value);

void target_free(struct target *target);
AUTO_DEFINE(struct target *, target_free)

/* Put what follows from the rest right: a CMPLOG build alone is an AFL build too (some 15
 * % slower), and a program with arguments is no in-process target. After builds or args
 * were changed. */
void target_complete(struct target *target);

/* Whether a libFuzzer flag ("jobs") decides what nightjar decides: where finds go, how
 * long and how often it runs, its limits. */
bool target_flag_is_ours(const char *name);

struct target_list {
    struct target **v;
    size_t n;
    int64_t timeout_ms, memory_bytes; /* of targets that are added; 0: built-in limits */
    struct seed_limits limits;        /* the same */
};

/* A new target with defaults, borrowed. The name must be valid and not yet in the list.
 */
struct target *target_list_add(struct target_list *list, const char *name);
struct target *target_list_find(const struct target_list *list,
                                const char *name); /* or NULL */
void target_list_clear(struct target_list *list);
AUTO_DEFINE_CLEAR(struct target_list, target_list_clear)

/* How to replay one input: on the sanitizer build, else libFuzzer's, AFL's, what is
 * shipped. -ENOEXEC
 * when the target has no build that can be run. Absolute paths among the arguments and
 * target->read may be read. */
int target_command(const struct target *target, struct command *out, struct err *err);

/* All builds that it can be replayed on, in this order: the first is target_command()'s,
 * of the others those that cannot be run are left out. Appends to out, which is empty. */
int target_builds(const struct target *target, struct build_list *out, struct err *err);

/*
 * What a file is, by its ELF symbols, the calls in its code and, where it was stripped,
 * its strings; by bounded reads, never by running it. AFL++ links its CMPLOG hooks and
 * clang's ASan runtime its UBSan handlers into every program, so these two count only
 * where the program's own code calls them.
 */
struct probe {
    bool executable; /* could be started here: an ELF program or a script, with the x bit
                      */
    bool script;     /* begins with "#!" */
    bool fuzz_entry; /* holds LLVMFuzzerTestOneInput or LLVMFuzzerRunDriver, or libFuzzer
                        itself */
    bool libfuzzer, afl, cmplog, asan, ubsan, msan, tsan, coverage;
    const char *flaw; /* why it is not executable, a constant text for a person; NULL when
                         it is */
};

/* Fails only when the file cannot be read; whatever is in it makes no failure but a flaw.
 */
int target_probe(const char *path, struct probe *out, struct err *err);

/* A program that can be run and has neither engine, sanitizer nor coverage in it. */
bool target_is_plain(const struct probe *probe);

/* The kind of build that a probed program is. -ENOEXEC, with the reason, when it is none
 * of them; a plain program is none either, see BUILD_RELEASE. */
int target_build_kind(const struct probe *probe, enum build_kind *out, struct err *err);

/*
 * Discover the targets below a folder by OSS-Fuzz's and ClusterFuzz's rules (names,
 * extension, entry point; T.options, T.dict, T_seed_corpus.zip, afl_cmplog.txt,
 * afl++.dict), and ours: a strict T.yaml beside T (command-line targets). The same name
 * in several sub-folders is one target in several builds; of two builds of one kind the
 * one with ASan stays, else the first; a plain program is what is shipped when its folder
 * is called `release`. Appends to list, or adds builds to targets in it.
 * -ENOENT when there is none, saying what was looked at and why each candidate was
 * refused; -EINVAL for a bad T.yaml, with its place. Links to files are followed, links
 * to folders and hidden folders are not.
 */
int target_discover(const char *folder, struct target_list *list, struct err *err);

/* The same; adds a line to notes for each program that was refused or passed over, saying
 * why. */
int target_discover_notes(const char *folder, struct target_list *list,
                          struct strv *notes, struct err *err);

/* Apply a T.options file as ClusterFuzz does: [libfuzzer] flags (timeout, rss_limit_mb
 * and dict become the target's own settings; flags that nightjar sets itself are passed
 * over), sanitizer sections, [env] as far as it is allowed; `random(a,b)` is drawn now.
 * -EINVAL with file and line; the target is unchanged then. */
int target_read_options(const char *path, struct target *target, struct err *err);

/* One binary as a target by itself: `nightjar fuzz ./target seeds/`. -ENOEXEC, with the
 * cure, when no engine can fuzz it. args and seeds may be empty: then those of T.yaml and
 * T_seed_corpus.* beside it count. A name that is in the list gets a further build;
 * -EINVAL when it has that kind already. */
int target_from_binary(const char *path, const struct strv *args,
                       const struct strv *seeds, struct target_list *list,
                       struct err *err);

/* Unpack or copy all seeds of a target into a folder, which is made: names are the
 * SHA-256 of the bytes, so equal seeds become one file, and what is there already stays.
 * Within target->limits; empty and too large files, hidden ones, links and what else is
 * no regular file are passed over; inputs of Go's fuzzing stand for their bytes
 * (go_corpus.h); damaged archives give what could be read; each with
 * one warning line per source. Writes one minimal seed when there are none. *count
 * receives the number of different seeds. -ENOENT when a source is missing. */
int target_unpack_seeds(const struct target *target, const char *folder, int64_t *count,
                        struct err *err);

/* The same, and told of each different seed: its name (borrowed), and the file or the
 * archive's entry that it comes from, any bytes. */
typedef void target_told(void *user, const char *sha256, const char *path);
int target_unpack_seeds_told(const struct target *target, const char *folder,
                             target_told *told, void *user, int64_t *count,
                             struct err *err);

/* The same for what need not be begun with: of no seeds it makes none. */
int target_unpack_inputs(const struct target *target, const char *folder,
                         target_told *told, void *user, int64_t *count, struct err *err);

/* How many different seeds that would be, without writing; 0 when there are none. */
int target_count_seeds(const struct target *target, int64_t *count, struct err *err);

#endif
