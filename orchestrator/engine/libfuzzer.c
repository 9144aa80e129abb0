/*
 * libFuzzer, LLVM 14 and later, without its fork mode: one find ends the process, and the
 * supervisor's restarts are the fuzzing loop (stop file, interrupt and artifacts of -fork
 * are all unreliable).
 *
 * - Only the first corpus folder is read again while it runs (-reload).
 * - A corpus file or seed that crashes would end every run before it begins: when the
 *   crash comes before "INITED", repair() takes that file out.
 * - It prints a line at each new input and at each power of two of its count, so that one
 *   that finds nothing may be silent for hours: how long is reckoned from its speed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/engine/folder.h"

enum {
    EXIT_INTERRUPTED = 72, /* SIGINT or SIGTERM */
    EXIT_TIMEOUT = 70,
    EXIT_MEMORY = 71,
    EXIT_ERROR = 77,
    FROZEN_MS = 75000,
    PATIENCE_MAX_MS = 6 * 3600000,
    LEN_MAX = 1 << 20, /* -max_len where none is given and the corpus has larger files */
    SHA1_DIGITS = 40,
    ARTIFACT_MAX = 16 << 20, /* bytes of an artifact that are compared with seeds */
};

static const struct engine_symptom symptoms[] = {
    {"error while loading shared libraries", "a shared library of the target is missing",
     true},
    {"ParseDictionaryFile: error", "the dictionary is malformed", true},
    {"Shadow memory range interleaves", "the sanitizer cannot map its shadow memory here",
     true},
    {"failed to allocate", "no memory left for the sanitizer", false},
    {"No space left on device", "the disk is full", false},
};

/* It is part of the target. */
static int
probe(struct engine_caps *out, struct err *err)
{
    (void)err;
    out->usable = true;
    return 0;
}

static int
prepare(const struct engine_job *job, struct engine_view *view, struct err *err)
{
    AUTO(mem_free) char *corpus = fs_join(job->folder, "corpus");
    AUTO(mem_free)
    char *artifacts = mem_printf("%s/artifacts-%d", job->folder, job->number);
    int rc = sandbox_mkdir(job->folder, err);

    (void)view;
    rc = rc < 0 ? rc : sandbox_mkdir(corpus, err);
    return rc < 0 ? rc : sandbox_mkdir(artifacts, err);
}

/* --- command line --- */

/* Flags of T.options that would take the run out of the supervisor's hands. */
static bool
is_ours(const char *flag)
{
    static const char *const ours[] = {"-fork=",
                                       "-jobs=",
                                       "-workers=",
                                       "-merge=",
                                       "-set_cover_merge=",
                                       "-minimize_crash=",
                                       "-cleanse_crash=",
                                       "-runs=",
                                       "-max_total_time=",
                                       "-artifact_prefix=",
                                       "-exact_artifact_path=",
                                       "-stop_file=",
                                       "-reload=",
                                       "-print_final_stats=",
                                       "-verbosity=",
                                       "-handle_term=",
                                       "-handle_int=",
                                       "-error_exitcode=",
                                       "-timeout_exitcode=",
                                       "-interrupted_exitcode=",
                                       "-dict="};

    for (size_t i = 0; i < COUNT(ours); i++) {
        if (str_starts(flag, ours[i])) {
            return true;
        }
    }
    return flag[0] != '-'; /* another corpus folder */
}

static void
add_options(const struct engine_job *job, struct strv *argv)
{
    const struct target *target = job->target;
    AUTO(mem_free) char *first = fs_join(job->seeds, ENGINE_SEEDS_FIRST);

    strv_add(argv, target->builds[BUILD_LIBFUZZER]);
    strv_addf(argv, "-artifact_prefix=%s/artifacts-%d/", job->folder, job->number);
    strv_add(argv, "-reload=1");
    strv_add(argv, "-print_final_stats=1");
    /* what the target prints is nobody's reading here, and it could pass for libFuzzer's
     * lines */
    strv_add(argv, "-close_fd_mask=3");
    strv_addf(argv, "-timeout=%lld", (long long)((target->timeout_ms + 999) / 1000));
    strv_addf(argv, "-rss_limit_mb=%lld", (long long)(target->memory_bytes >> 20));
    if (job->number % 2 == 0) {
        strv_add(argv, "-use_value_profile=1");
    }
    if (target->dictionary != NULL) {
        strv_addf(argv, "-dict=%s", target->dictionary);
    }
    /* of two equal flags the later one counts */
    for (size_t i = 0; i < target->libfuzzer.n; i++) {
        if (!is_ours(target->libfuzzer.v[i])) {
            strv_add(argv, target->libfuzzer.v[i]);
        }
    }
    if (fs_is_folder(first)) { /* in the order of the folders, not by size */
        strv_add(argv, "-shuffle=0");
        strv_add(argv, "-prefer_small=0");
    }
    strv_addf(argv, "%s/corpus", job->folder);
    if (fs_is_folder(first)) {
        strv_add(argv, first);
    }
    strv_add(argv, job->seeds);
}

static int
command(const struct engine_job *job, struct engine_command *out, struct err *err)
{
    const char *program = job->target->builds[BUILD_LIBFUZZER];

    engine_environment(job->target, program, false, &out->env);
    add_options(job, &out->argv);
    out->stop_signal = SIGTERM;
    return engine_policy_add(job, program, &out->policy, err);
}

/* --- what it prints --- */

static uint64_t
key_of(const char *text)
{
    uint64_t key = 0xcbf29ce484222325; /* FNV-1a */

    for (; *text != '\0'; text++) {
        key = (key ^ (unsigned char)*text) * 0x100000001b3;
    }
    return key;
}

/* Silence is normal until the count has reached the next power of two. */
static int64_t
patience(const struct engine_view *view)
{
    double rate = view->execs_per_sec < 1 ? 1 : view->execs_per_sec;
    int64_t next = 1;

    while (next <= view->execs) {
        next *= 2;
    }
    double ms = (double)(next - view->execs) * 4000.0 / rate;
    return ms > PATIENCE_MAX_MS - FROZEN_MS ? PATIENCE_MAX_MS : FROZEN_MS + (int64_t)ms;
}

/* "#8192\tNEW    cov: 40 ft: 77 corp: 9/40b lim: 6 exec/s: 4096 rss: 34Mb L: 5/6 MS: 1
 * ..." */
static void
status_line(struct engine_view *view, const char *text)
{
    int64_t execs = engine_number(text, "#", -1);
    int64_t ms = clock_wall_ms() - view->begun_ms;

    if (execs < 0 || execs < view->execs || strstr(text, " exec/s: ") == NULL) {
        return;
    }
    view->beats++;
    view->execs = execs;
    view->execs_per_sec = (double)engine_number(text, " exec/s: ", 0);
    if (view->execs_per_sec < 1 && ms > 0) {
        view->execs_per_sec = (double)execs * 1000.0 / (double)ms;
    }
    view->edges = engine_number(text, " cov: ", view->edges);
    int64_t units = engine_number(text, " corp: ", view->corpus);
    if (strstr(text, "\tRELOAD ") != NULL && units > view->corpus) {
        view->reloaded += units - view->corpus;
    }
    view->corpus = units;
    view->ready = view->ready || strstr(text, "INITED") != NULL ||
                  strstr(text, "NEW ") != NULL || strstr(text, "REDUCE") != NULL;
    view->patience_ms = patience(view);
}

static void
line(const struct engine_job *job, struct engine_view *view, const char *text, size_t len)
{
    (void)job;
    if (text[0] == '#' && text[1] >= '0' && text[1] <= '9') {
        status_line(view, text);
        return;
    }
    if (str_starts(text, "stat::number_of_executed_units")) {
        int64_t execs = engine_number(text, "units", -1);
        view->execs = execs > view->execs ? execs : view->execs;
        return;
    }
    if (str_starts(text, "INFO: Loaded ")) {
        view->edges_known =
            engine_number(text, "(", 0); /* "1 modules   (12 inline ..." */
    }
    if (str_starts(text, "SUMMARY: ")) {
        view->find_key = key_of(text);
    }
    view->found = view->found || strstr(text, "Test unit written to ") != NULL;
    engine_view_keep(view, text, len);
}

static void
poll(const struct engine_job *job, struct engine_view *view)
{
    (void)job; /* its lines say it all */
    (void)view;
}

/* --- its end --- */

static enum engine_end
classify(const struct engine_view *view, int status, char *reason)
{
    static const char *const marks[] = {"nightjar sandbox: ", "ERROR: ", NULL};
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    if (code == 0 || code == EXIT_INTERRUPTED) {
        return ENGINE_END_DONE;
    }
    if (view->found || code == EXIT_TIMEOUT || code == EXIT_MEMORY ||
        code == EXIT_ERROR) {
        (void)snprintf(
            reason, ENGINE_REASON_MAX,
            "crashes before it begins to fuzz: on the empty input, or in its start-up");
        return ENGINE_END_FOUND;
    }
    const struct engine_symptom *symptom =
        engine_diagnose(view, symptoms, COUNT(symptoms));
    if (symptom != NULL) {
        (void)snprintf(reason, ENGINE_REASON_MAX, "%s", symptom->reason);
        return symptom->hopeless ? ENGINE_END_HOPELESS : ENGINE_END_BROKEN;
    }
    if (!engine_last_words(view, marks, reason)) {
        engine_describe_status(status, reason);
    }
    return ENGINE_END_BROKEN;
}

static bool
is_find(const char *name)
{
    static const char *const kinds[] = {"crash-", "leak-", "timeout-", "oom-"};

    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (str_starts(name, kinds[i])) {
            return true;
        }
    }
    return false;
}

struct culprit {
    int artifact; /* a file */
    struct stat st;
    int64_t begun_ms;
    int64_t
        cut; /* what is longer was cut: then the artifact is only the file's beginning */
    int removed;
    const struct engine_job *job;
};

static int64_t
max_len(const struct target *target)
{
    int64_t len = LEN_MAX;

    for (size_t i = 0; i < target->libfuzzer.n; i++) {
        len = engine_number(target->libfuzzer.v[i], "-max_len=", len);
    }
    return len;
}

static int
remove_equal(void *user, int dir, const char *name, unsigned char type)
{
    struct culprit *culprit = user;
    struct stat st;

    (void)type;
    AUTO(fd_close)
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return 0;
    }
    bool cut = culprit->st.st_size == culprit->cut && st.st_size > culprit->cut;
    if (st.st_size != culprit->st.st_size && !cut) {
        return 0;
    }
    if (folder_same(culprit->artifact, fd, cut, ARTIFACT_MAX) &&
        unlinkat(dir, name, 0) == 0) {
        culprit->removed++;
    }
    return 0;
}

static int
judge_artifact(void *user, int dir, const char *name, unsigned char type)
{
    struct culprit *culprit = user;

    (void)type;
    if (!is_find(name)) {
        return 0;
    }
    AUTO(fd_close)
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &culprit->st) < 0 || !S_ISREG(culprit->st.st_mode) ||
        culprit->st.st_size == 0 || culprit->st.st_size > ARTIFACT_MAX ||
        clock_file_ms(&culprit->st.st_mtim) + 999 < culprit->begun_ms) {
        return 0;
    }
    culprit->artifact = fd;
    (void)folder_list(culprit->job->folder, "corpus", remove_equal, culprit, NULL);
    (void)folder_list(culprit->job->seeds, "", remove_equal, culprit, NULL);
    (void)folder_list(culprit->job->seeds, ENGINE_SEEDS_FIRST, remove_equal, culprit,
                      NULL);
    return 0;
}

static int
repair(const struct engine_job *job, const struct engine_view *view, struct err *err)
{
    struct culprit culprit = {
        .begun_ms = view->begun_ms, .cut = max_len(job->target), .job = job};
    AUTO(mem_free) char *artifacts = mem_printf("artifacts-%d", job->number);

    if (view->ready || !view->found) {
        return 0;
    }
    int rc = folder_list(job->folder, artifacts, judge_artifact, &culprit, err);
    return rc < 0 ? rc : culprit.removed > 0 ? 1 : 0;
}

/* --- its finds --- */

struct finder {
    const struct engine_job *job;
    engine_folder_visit *visit;
    void *user;
};

static int
find_folder(void *user, int dir, const char *name, unsigned char type)
{
    const struct finder *finder = user;

    (void)dir;
    (void)type;
    if (engine_owns(finder->job, name, "artifacts-")) {
        finder->visit(finder->user, name, true);
    }
    return 0;
}

static void
find_folders(const struct engine_job *job, engine_folder_visit *visit, void *user)
{
    struct finder finder = {job, visit, user};

    (void)folder_list(job->folder, "", find_folder, &finder, NULL);
}

/* --- exchange: what appears in the first corpus folder is read within a second --- */

static void
inputs(const char *folder, engine_folder_visit *visit, void *user)
{
    (void)folder;
    visit(user, "corpus", false);
}

/* libFuzzer names what it keeps by SHA-1; everything else was put there. */
static enum engine_input
input(const char *name, const char **peer)
{
    (void)peer;
    return strlen(name) == SHA1_DIGITS && strspn(name, "0123456789abcdef") == SHA1_DIGITS
               ? ENGINE_INPUT_OWN
               : ENGINE_INPUT_OTHER;
}

static char *
inlet(const char *peer, int64_t n, const char *sha256)
{
    (void)n;
    return mem_printf("corpus/%.*s-%s", (int)strcspn(peer, "-"), peer, sha256);
}

const struct engine_ops engine_libfuzzer = {
    .name = "libfuzzer",
    .title = "libFuzzer",
    .build = BUILD_LIBFUZZER,
    .counts_on = false,
    .counts_steadily = false,
    .policy = {.start_ms = 120000,
               .frozen_ms = FROZEN_MS,
               .grace_ms = 5000,
               .quick_ms = 5000,
               .loop_limit = 5,
               .backoff_ms = 1000,
               .backoff_max_ms = 300000,
               .cool_ms = 1000,
               .cool_max_ms = 60000,
               .shallow_ms = 30000,
               .slow_after_ms = 60000,
               .slow_per_s = 5,
               .plateau_ms = 1800000},
    .probe = probe,
    .prepare = prepare,
    .command = command,
    .line = line,
    .poll = poll,
    .classify = classify,
    .repair = repair,
    .find_folders = find_folders,
    .is_find = is_find,
    .inputs = inputs,
    .input = input,
    .inlet = inlet,
};
