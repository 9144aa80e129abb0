/*
 * AFL++, as Debian 12 has it (4.04c), and later ones as far as probing tells. What the
 * code below relies on was measured with 4.04c:
 *
 * - plot_data has its first row 60 s after the start, or at a stop on request;
 *   fuzzer_stats is written at the start, each minute and at such a stop. Until then the
 *   names of new queue files are the only counts that there are:
 *   "id:000006,src:000001,time:4649,execs:1125,op:havoc".
 * - A start with `-i seeds` in the folder of a session that ran less than 25 minutes
 *   deletes it. `-i -` resumes, also after SIGKILL at any time: queue/ or, half-way
 *   through a resume, _resume/ holds the corpus. The count of executions goes on from
 *   fuzzer_stats; crashes/ is renamed to crashes.DATE.
 * - Seeds that crash are skipped and not saved as crashes; if all do, it ends.
 * - Every failure exits with 1, every stop on request with 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "orchestrator/engine/aflpp_peer.h"
#include "orchestrator/engine/aflpp_stats.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/engine/folder.h"
#include "triage/program.h"

enum {
    PROBE_MS = 20000,
    HELP_MAX = 64 << 10,
    EXEC_LIMIT_MS = 1000,   /* -t: scaled down by AFL++ to what the seeds need */
    FORK_SERVER_MS = 30000, /* a loaded machine is slow to start ASan */
    LONG_MS = 3600000,      /* from here on a campaign has a main instance */
    SHORT_MS = 1800000,     /* up to here calibration is cut short */
};

/* What `afl-fuzz -hh` names. */
enum {
    HAS_BIND = 1 << 0,
    HAS_CMPLOG = 1 << 1,
    HAS_MOPT = 1 << 2,
    HAS_SYNC_TIME = 1 << 3,
    HAS_MAIN = 1 << 4,
    HAS_IGNORE_SEEDS = 1 << 5,
};

static const struct {
    const char *text;
    unsigned bit;
} features[] = {
    {"\n  -b cpu_id", HAS_BIND},  {"\n  -c program", HAS_CMPLOG},
    {"\n  -L minutes", HAS_MOPT}, {"AFL_SYNC_TIME", HAS_SYNC_TIME},
    {"-M/-S id", HAS_MAIN},       {"AFL_IGNORE_SEED_PROBLEMS", HAS_IGNORE_SEEDS},
};

/* Instances differ, as the engine's documentation advises (fuzzing_in_depth.md, 3c). */
static const struct variant {
    const char *schedule;
    bool cmplog, mopt, no_trim, sequential;
} variants[] = {
    {"fast", true, false, false, false},  {"explore", false, false, true, false},
    {"coe", false, true, false, false},   {"exploit", false, false, true, true},
    {"rare", false, false, false, false}, {"lin", false, false, true, false},
};

static const struct engine_symptom symptoms[] = {
    {"No instrumentation detected",
     "no instrumentation: build the target with afl-clang-fast", true},
    {"not found or not executable", "the target cannot be executed", true},
    {"We need at least one valid input seed",
     "all seeds crash or time out, even a minimal one", true},
    {"All test cases time out or crash",
     "all seeds crash or time out, even a minimal one", true},
    {"No usable test cases", "there is no usable seed", true},
    {"Pipe at the beginning of 'core_pattern'",
     "core_pattern pipes to a program: echo core >/proc/sys/kernel/core_pattern", true},
    {"Timeout while initializing fork server",
     "fork server: the target did not start in time", false},
    {"Fork server crashed", "fork server: the target crashes before it reads its input",
     false},
    {"Fork server handshake failed",
     "fork server: the target ended before it answered; does it run by itself?", false},
    {"Unable to request new process from fork server",
     "fork server: the target's process died, perhaps for want of memory", false},
    {"Fork server is misbehaving",
     "fork server: the target's process died, perhaps for want of memory", false},
    {"Unable to communicate with fork server",
     "fork server: the target's process died, perhaps for want of memory", false},
    {"shmget() failed", "no shared memory left: see /proc/sys/kernel/shmmni", false},
    {"No space left on device", "the disk is full", false},
    {"is being actively used by another instance",
     "another afl-fuzz works in this folder", false},
};

static int
probe(struct engine_caps *out, struct err *err)
{
    AUTO(proc_run_clear) struct proc_run run = {.output = {.max = HELP_MAX}};
    AUTO(mem_free) char *program = program_find("afl-fuzz");

    if (program == NULL) {
        return err_set(
            err, -ENOENT,
            "AFL++ is not installed (no afl-fuzz in PATH): apt-get install afl++");
    }
    char *argv[] = {program, mem_strdup("-hh"), NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.argv = argv;
    int rc = proc_run(&spec, PROBE_MS, &run, err);
    mem_free(argv[1]);
    if (rc < 0) {
        return rc;
    }
    const char *help = buf_str(&run.output);
    const char *version = strstr(help, "afl-fuzz++");
    if (version == NULL) {
        return err_set(err, -ENOEXEC, "'%s' is not AFL++: `%s -hh` names no version",
                       program, program);
    }
    version += strlen("afl-fuzz++");
    (void)snprintf(out->version, sizeof(out->version), "%.*s",
                   (int)strspn(version, "0123456789.abcdefghijklmnopqrstuvwxyz-"),
                   version);
    for (size_t i = 0; i < COUNT(features); i++) {
        out->has |= strstr(help, features[i].text) != NULL ? features[i].bit : 0;
    }
    out->usable = true;
    out->program = STEAL(program);
    return 0;
}

/* --- folders: FOLDER is `-o`, FOLDER/wN the instance --- */

static int
seen_entry(void *user, int dir, const char *name, unsigned char type)
{
    (void)user;
    (void)dir;
    (void)type;
    return str_starts(name, "id:") ? 1 : 0;
}

/* Whether an earlier session left a corpus. */
static bool
has_session(const struct engine_job *job)
{
    static const char *const folders[] = {"queue", "_resume"};

    for (size_t i = 0; i < COUNT(folders); i++) {
        AUTO(mem_free) char *path = aflpp_path(job, folders[i]);
        if (folder_list(job->folder, path, seen_entry, NULL, NULL) == 1) {
            return true;
        }
    }
    return false;
}

static int
drop_stale_mark(void *user, int dir, const char *name, unsigned char type)
{
    const struct engine_job *job = user;

    (void)dir;
    (void)type;
    if (engine_owns(job, name, "w")) {
        (void)folder_unlink(job->folder, name, "is_main_node", NULL);
    }
    return 0;
}

/* A main that was killed leaves its mark, and secondaries would go on looking up to it.
 */
static void
drop_stale_marks(const struct engine_job *job)
{
    struct engine_job copy = *job;

    (void)folder_list(job->folder, "", drop_stale_mark, &copy, NULL);
}

/* --- seeds that came after the first session: a resumed one does not look at `-i` ---
 * FOLDER/hub is a peer that never runs; instances import what is new in its queue. */

static int
note_seed(void *user, int dir, const char *name, unsigned char type)
{
    const char *seed = strstr(name, ",orig:");

    (void)dir;
    (void)type;
    if (seed != NULL) {
        strv_add(user, seed + strlen(",orig:"));
    }
    return 0;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct hub {
    int fd;            /* of its queue */
    struct strv known; /* seeds in it, sorted */
    size_t next;       /* number of the next one */
};

static int
publish_seed(void *user, int dir, const char *name, unsigned char type)
{
    struct hub *hub = user;
    AUTO(mem_free) char *entry = mem_printf("id:%06zu,orig:%s", hub->next, name);

    (void)type;
    if (hub->known.n > 0 &&
        bsearch(&name, hub->known.v, hub->known.n, sizeof(char *), by_name) != NULL) {
        return 0;
    }
    if (linkat(dir, name, hub->fd, entry, 0) == 0) {
        hub->next++;
    }
    return 0;
}

/* What fails here costs some seeds, not the campaign. */
static void
publish_seeds(const struct engine_job *job)
{
    AUTO(fd_close) int folder = -1;
    AUTO(fd_close) int peer = -1;
    struct hub hub = {.fd = -1};

    if (folder_open(job->folder, "", &folder, NULL) < 0) {
        return;
    }
    (void)mkdirat(folder, "hub", 0755);
    if (folder_open(job->folder, "hub", &peer, NULL) < 0) {
        return;
    }
    (void)mkdirat(peer, "queue", 0755);
    if (folder_open(job->folder, "hub/queue", &hub.fd, NULL) < 0) {
        return;
    }
    (void)folder_list(job->folder, "hub/queue", note_seed, &hub.known, NULL);
    hub.next = hub.known.n;
    if (hub.known.n > 0) {
        qsort(hub.known.v, hub.known.n, sizeof(char *), by_name);
    }
    (void)folder_list(job->seeds, "", publish_seed, &hub, NULL);
    strv_clear(&hub.known);
    fd_close(hub.fd);
}

/* The mark of how far this instance has read a peer outlives the peer. */
static int
drop_old_peer(void *user, int dir, const char *name, unsigned char type)
{
    const struct engine_job *job = user;
    AUTO(fd_close) int peer = -1;

    (void)type;
    if (str_starts(name, ENGINE_INLET_PREFIX) &&
        folder_open(job->folder, name, &peer, NULL) == -ENOENT) {
        (void)unlinkat(dir, name, 0);
    }
    return 0;
}

static void
drop_old_peers(const struct engine_job *job)
{
    AUTO(mem_free) char *marks = aflpp_path(job, ".synced");
    struct engine_job copy = *job;

    (void)folder_list(job->folder, marks, drop_old_peer, &copy, NULL);
}

static int
prepare(const struct engine_job *job, struct engine_view *view, struct err *err)
{
    int rc = sandbox_mkdir(job->folder, err);

    if (rc < 0) {
        return rc;
    }
    drop_stale_marks(job);
    if (has_session(job)) {
        aflpp_base(job, view);
        publish_seeds(job);
        drop_old_peers(job);
    }
    return 0;
}

/* --- command line --- */

static bool
is_main(const struct engine_job *job)
{
    /* an instance that sleeps between its turns would starve those that look up to it */
    return (job->caps->has & HAS_MAIN) != 0 && job->number == 1 && job->count > 1 &&
           !job->sliced && (job->for_ms == 0 || job->for_ms >= LONG_MS);
}

static void
add_variant(const struct engine_job *job, struct engine_command *out)
{
    const struct variant *variant =
        &variants[(size_t)(job->number - 1) % COUNT(variants)];
    const char *cmplog = job->target->builds[BUILD_CMPLOG];

    strv_add(&out->argv, "-p");
    strv_add(&out->argv, variant->schedule);
    if (variant->cmplog && cmplog != NULL && (job->caps->has & HAS_CMPLOG) != 0) {
        strv_add(&out->argv, "-c");
        strv_add(&out->argv, cmplog);
        strv_add(&out->env, "AFL_CMPLOG_ONLY_NEW=1");
    }
    if (variant->mopt && (job->caps->has & HAS_MOPT) != 0) {
        strv_add(&out->argv, "-L");
        strv_add(&out->argv, "0");
    }
    if (variant->sequential && !is_main(job)) {
        strv_add(&out->argv, "-Z");
    }
    if (variant->no_trim) {
        strv_add(&out->env, "AFL_DISABLE_TRIM=1");
    }
}

static void
add_options(const struct engine_job *job, struct engine_command *out)
{
    AUTO(mem_free) char *minimal = engine_minimal_seeds(job);
    int64_t limit = job->target->timeout_ms;

    strv_add(&out->argv, job->caps->program);
    strv_add(&out->argv, "-i");
    strv_add(&out->argv, has_session(job) ? "-" : job->repaired ? minimal : job->seeds);
    strv_add(&out->argv, "-o");
    strv_add(&out->argv, job->folder);
    strv_add(&out->argv, is_main(job) ? "-M" : "-S");
    strv_addf(&out->argv, "w%d", job->number);
    strv_add(&out->argv, "-m");
    strv_add(&out->argv, "none");
    strv_add(&out->argv, "-t");
    strv_addf(&out->argv, "%lld+",
              (long long)(limit < EXEC_LIMIT_MS ? limit : EXEC_LIMIT_MS));
    if (job->target->dictionary != NULL) {
        strv_add(&out->argv, "-x");
        strv_add(&out->argv, job->target->dictionary);
    }
    /* in a pid namespace every afl-fuzz takes itself to be alone and binds to core 0 */
    if (job->cpu >= 0 && (job->caps->has & HAS_BIND) != 0) {
        strv_add(&out->argv, "-b");
        strv_addf(&out->argv, "%d", job->cpu);
        strv_add(&out->env, "AFL_TRY_AFFINITY=1");
    } else {
        strv_add(&out->env, "AFL_NO_AFFINITY=1");
    }
    strv_add(&out->policy.read, minimal);
}

static void
add_environment(const struct engine_job *job, struct strv *env)
{
    static const char *const always[] = {
        "AFL_NO_UI=1", "AFL_AUTORESUME=1", "AFL_SKIP_CPUFREQ=1",
        "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1", "AFL_NO_CRASH_README=1"};

    for (size_t i = 0; i < COUNT(always); i++) {
        strv_add(env, always[i]);
    }
    strv_addf(env, "AFL_FORKSRV_INIT_TMOUT=%d", FORK_SERVER_MS);
    /* a hang is what triage will call one */
    strv_addf(env, "AFL_HANG_TMOUT=%lld", (long long)job->target->timeout_ms);
    if (!is_main(job) && (job->caps->has & HAS_SYNC_TIME) != 0) {
        strv_add(env, "AFL_SYNC_TIME=1");
    }
    if (job->for_ms > 0 && job->for_ms <= SHORT_MS) {
        strv_add(env, "AFL_FAST_CAL=1");
    }
    if (has_session(job)) {
        strv_add(env, "AFL_IMPORT_FIRST=1");
    }
    if ((job->caps->has & HAS_IGNORE_SEEDS) != 0) {
        strv_add(env, "AFL_IGNORE_SEED_PROBLEMS=1");
    }
}

static int
command(const struct engine_job *job, struct engine_command *out, struct err *err)
{
    const char *program = job->target->builds[BUILD_AFL];
    const char *cmplog = job->target->builds[BUILD_CMPLOG];

    engine_environment(job->target, program, true, &out->env);
    add_environment(job, &out->env);
    add_options(job, out);
    add_variant(job, out);
    strv_add(&out->argv, "--");
    strv_add(&out->argv, program);
    strv_add_all(&out->argv, &job->target->args);
    int rc = engine_policy_add(job, program, &out->policy, err);
    if (rc == 0 && cmplog != NULL) {
        rc = engine_policy_add(job, cmplog, &out->policy, err);
    }
    if (rc == 0) {
        AUTO(strv_clear) struct strv self = {0};
        strv_add(&self, job->caps->program);
        rc = sandbox_add_program(&out->policy, &self, err);
    }
    out->stop_signal = SIGTERM;
    return rc;
}

/* --- what it prints --- */

/* "Attempting dry run with 'id:000000,time:0,execs:0,orig:name'..." */
static void
note_attempt(struct engine_view *view, const char *name)
{
    const char *end = strrchr(name, '\'');
    size_t len = end == NULL ? 0 : (size_t)(end - name);

    if (len == 0 || len >= sizeof(view->attempt) || memchr(name, '/', len) != NULL) {
        view->attempt[0] = '\0';
        return;
    }
    memcpy(view->attempt, name, len);
    view->attempt[len] = '\0';
}

static void
note_bad_seed(const struct engine_job *job, struct engine_view *view)
{
    if (view->attempt[0] != '\0' && view->bad_seeds.n < ENGINE_BAD_SEEDS_MAX) {
        strv_addf(&view->bad_seeds, "w%d/queue/%s", job->number, view->attempt);
    }
    view->attempt[0] = '\0';
}

static void
line(const struct engine_job *job, struct engine_view *view, const char *text, size_t len)
{
    static const char attempt[] = "Attempting dry run with '";
    const char *at = strstr(text, attempt);

    view->beats++;
    if (at != NULL) {
        note_attempt(view, at + sizeof(attempt) - 1);
        return;
    }
    if (strstr(text, "results in a crash") != NULL) {
        note_bad_seed(job, view);
        return;
    }
    if (strstr(text, "Entering queue cycle") != NULL ||
        strstr(text, "Fuzzing test case #") != NULL) {
        view->ready = true;
        view->corpus = engine_number(text, " (", view->corpus);
        return;
    }
    engine_view_keep(view, text, len);
}

/* --- its end --- */

static enum engine_end
classify(const struct engine_view *view, int status, char *reason)
{
    static const char *const marks[] = {
        "PROGRAM ABORT : ", "SYSTEM ERROR : ", "nightjar sandbox: ", NULL};

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return ENGINE_END_DONE;
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

/* All seeds crash: they are in the inbox by now, and a start from minimal ones may get
 * further. */
static int
repair(const struct engine_job *job, const struct engine_view *view, struct err *err)
{
    static const struct engine_symptom all_crash[] = {
        {"We need at least one valid input seed", "", false},
        {"All test cases time out or crash", "", false},
        {"No usable test cases", "", false}};

    drop_stale_marks(job);
    if (job->repaired || engine_diagnose(view, all_crash, COUNT(all_crash)) == NULL) {
        return 0;
    }
    AUTO(mem_free) char *instance = mem_printf("%s/w%d", job->folder, job->number);
    int rc = fs_remove(instance, err);
    rc = rc < 0 ? rc : engine_make_minimal_seeds(job, err);
    return rc < 0 ? rc : 1;
}

/* --- its finds --- */

struct finder {
    const struct engine_job *job;
    engine_folder_visit *visit;
    void *user;
    const char *instance;
};

static int
find_in_instance(void *user, int dir, const char *name, unsigned char type)
{
    const struct finder *finder = user;
    bool old = str_starts(name, "crashes.") || str_starts(name, "hangs.");

    (void)dir;
    (void)type;
    if (old || strcmp(name, "crashes") == 0 || strcmp(name, "hangs") == 0) {
        AUTO(mem_free) char *path = mem_printf("%s/%s", finder->instance, name);
        finder->visit(finder->user, path, old);
    }
    return 0;
}

static int
find_instance(void *user, int dir, const char *name, unsigned char type)
{
    struct finder finder = *(const struct finder *)user;

    (void)dir;
    (void)type;
    if (engine_owns(finder.job, name, "w")) {
        finder.instance = name;
        (void)folder_list(finder.job->folder, name, find_in_instance, &finder, NULL);
    }
    return 0;
}

static void
find_folders(const struct engine_job *job, engine_folder_visit *visit, void *user)
{
    struct finder finder = {job, visit, user, NULL};

    (void)folder_list(job->folder, "", find_instance, &finder, NULL);
}

static bool
is_find(const char *name)
{
    return str_starts(name, "id:");
}

const struct engine_ops engine_aflpp = {
    .name = "aflpp",
    .title = "AFL++",
    .build = BUILD_AFL,
    .counts_on = true,
    .counts_steadily = true,
    .policy = {.start_ms = 120000,
               .frozen_ms = 75000, /* plot_data is silent for the first minute */
               .grace_ms = 5000,
               .quick_ms = 20000,
               .loop_limit = 5,
               .backoff_ms = 1000,
               .backoff_max_ms = 300000,
               .cool_ms = 1000,
               .cool_max_ms = 60000,
               .shallow_ms = 30000,
               .slow_after_ms = 90000, /* its speed is a guess in the first minute */
               .slow_per_s = 5,
               .plateau_ms = 1800000},
    .probe = probe,
    .prepare = prepare,
    .command = command,
    .line = line,
    .poll = aflpp_poll,
    .classify = classify,
    .repair = repair,
    .find_folders = find_folders,
    .is_find = is_find,
    .inputs = aflpp_inputs,
    .input = aflpp_input,
    .inlet = aflpp_inlet,
    .inlet_room = AFLPP_PEER_ROOM,
    .pruned = aflpp_pruned,
};
