#include "orchestrator/supervise/supervisor_crew.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/corpus/dictionary.h"
#include "orchestrator/corpus/gather.h"
#include "orchestrator/executor/executor.h"
#include "triage/store.h"

enum {
    REST_MS = 5000,      /* who rests no longer than this keeps its job */
    LAST_TURN_MS = 2000, /* no turn is begun with less time left */
};

/* --- who the workers are --- */

static size_t
count_of(const struct crew *crew, size_t target, size_t engine)
{
    size_t n = 0;

    for (size_t i = 0; i < crew->n; i++) {
        n += crew->members[i].target == target && crew->members[i].engine == engine;
    }
    return n;
}

static void
add_member(struct crew *crew, size_t target, size_t engine)
{
    int number = (int)count_of(crew, target, engine) + 1;

    crew->members[crew->n++] = (struct crew_member){
        .target = target, .engine = engine, .number = number, .job = -1};
}

static bool
is_wanted(const struct crew_config *config, size_t engine)
{
    return config->engine == NULL || config->engine == engine_table[engine];
}

/* An engine that no target has a build for need not be installed. */
static void
probe_engines(struct crew *crew, struct strv *notes)
{
    for (size_t e = 0; engine_table[e] != NULL; e++) {
        const struct engine_ops *ops = engine_table[e];
        struct err why = ERR_INIT;
        bool needed = false;
        for (size_t t = 0; t < crew->config.targets->n; t++) {
            needed = needed || crew->config.targets->v[t]->builds[ops->build] != NULL;
        }
        if (needed && is_wanted(&crew->config, e) &&
            ops->probe(&crew->caps[e], &why) < 0) {
            strv_addf(notes, "without %s: %s", ops->title, why.msg);
        }
    }
}

/* The first worker of each engine on each target; AFL++ and libFuzzer of one target side
 * by side. */
static void
plan_pairs(struct crew *crew, struct strv *notes)
{
    for (size_t t = 0; t < crew->config.targets->n; t++) {
        const struct target *target = crew->config.targets->v[t];
        size_t before = crew->n;
        for (size_t e = 0; engine_table[e] != NULL && crew->n < CREW_MAX; e++) {
            if (target->builds[engine_table[e]->build] != NULL && crew->caps[e].usable) {
                add_member(crew, t, e);
            }
        }
        if (crew->n == before) {
            strv_addf(notes, "without %s: it has no build for an engine that is here",
                      target->name);
        }
    }
}

static bool
target_alive(void *user, size_t target)
{
    const struct crew *crew = user;
    bool alive = false;

    for (size_t i = 0; i < crew->n; i++) {
        const struct crew_member *member = &crew->members[i];
        alive = alive || (member->target == target && member->worker != NULL &&
                          worker_alive(member->worker));
    }
    return alive;
}

/* By the first of its workers. */
static void
say_for_target(void *user, size_t target, const char *text)
{
    const struct crew *crew = user;
    const struct worker_events *events = &crew->config.events;

    for (size_t i = 0; i < crew->n; i++) {
        if (crew->members[i].target == target) {
            events->say(events->user, crew->members[i].worker, text);
            return;
        }
    }
}

int
crew_plan(struct crew *crew, const struct crew_config *config, struct strv *notes,
          struct err *err)
{
    crew->config = *config;
    crew->members = mem_array(CREW_MAX, sizeof(*crew->members));
    probe_engines(crew, notes);
    plan_pairs(crew, notes);
    size_t pairs = crew->n;
    if (pairs == 0) {
        return err_set(
            err, -ENOENT,
            "nothing to fuzz: no target has a build for %s; build with afl-clang-fast, "
            "or with clang -fsanitize=fuzzer,address",
            config->engine == NULL ? "AFL++ or libFuzzer" : config->engine->title);
    }
    for (size_t i = 0; crew->n < (size_t)config->jobs && crew->n < CREW_MAX; i++) {
        add_member(crew, crew->members[i % pairs].target,
                   crew->members[i % pairs].engine);
    }
    crew->rows = mem_array(crew->n, sizeof(*crew->rows));
    const struct hold_config hold = {.state = config->state,
                                     .targets = config->targets,
                                     .disk = &crew->config.disk,
                                     .alive = target_alive,
                                     .say = say_for_target,
                                     .user = crew};
    crew->hold = hold_new(&hold);
    crew->busy_jobs = mem_array((size_t)config->jobs, sizeof(*crew->busy_jobs));
    return 0;
}

/* --- the schedule's view --- */

static struct schedule
schedule_of(const struct crew *crew)
{
    for (size_t i = 0; i < crew->n; i++) {
        const struct crew_member *member = &crew->members[i];
        enum worker_state state =
            member->worker == NULL ? WORKER_PAUSED : worker_state(member->worker);
        crew->rows[i] = (struct schedule_row){
            .engine = (int)member->engine,
            .target = (int)member->target,
            .holds = member->job >= 0,
            .ready = state == WORKER_PAUSED && !hold_is(crew->hold, member->target) &&
                     (member->worker == NULL || !worker_alive(member->worker)),
            .over = worker_state_final(state),
            .turns = member->turns,
            .used_ms = member->used_ms,
            .turn_end_ms = member->turn_end_ms,
        };
    }
    return (struct schedule){crew->config.jobs, crew->deadline_ms, crew->rows, crew->n};
}

/* --- making them --- */

static const char *
keep_path(struct crew *crew, const char *target, const char *rest)
{
    strv_addf(&crew->paths, "%s/fuzz/%s/%s", crew->config.state, target, rest);
    return crew->paths.v[crew->paths.n - 1];
}

/* An engine does not start for one bad line: what can be read of such a dictionary is
 * given to the workers in its place. */
static int
repair_dictionary(struct crew *crew, struct target *target, struct err *err)
{
    AUTO(buf_clear) struct buf text = {.max = (size_t)4 * DICTIONARY_BYTES_MAX};
    AUTO(strv_clear) struct strv notes = {0};
    size_t entries = 0;

    if (target->dictionary == NULL) {
        return 0;
    }
    int rc = dictionary_read(target->dictionary, &text, &entries, &notes, err);
    if (rc < 0 || notes.n == 0) {
        return rc < 0 ? err_wrap(err, rc, "dictionary of %s", target->name) : 0;
    }
    for (size_t i = 0; i < notes.n; i++) {
        log_line(LOG_WARN, "dictionary", "%s", notes.v[i]);
    }
    const char *path = keep_path(crew, target->name, "dictionary");
    rc = fs_write(path, buf_str(&text), text.len, 0644, err);
    (void)chmod(path, 0644); /* whatever the umask is: a worker has another uid */
    if (rc == 0) {
        mem_free(target->dictionary);
        target->dictionary = entries > 0 ? mem_strdup(path) : NULL;
    }
    return rc;
}

static int
unpack_seeds(struct crew *crew, struct err *err)
{
    for (size_t t = 0; t < crew->config.targets->n; t++) {
        struct target *target = crew->config.targets->v[t];
        const char *folder = keep_path(crew, target->name, "seeds");
        int rc = gather_seeds(crew->config.state, target, folder, err);
        if (rc < 0) {
            return err_wrap(err, rc, "seeds of %s", target->name);
        }
        rc = repair_dictionary(crew, target, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static void
make_worker(struct crew *crew, struct crew_member *member, sd_event *event,
            struct inbox *inbox)
{
    const struct engine_ops *ops = engine_table[member->engine];
    const struct target *target = crew->config.targets->v[member->target];
    const struct schedule schedule = schedule_of(crew);
    const struct worker_config config = {
        .event = event,
        .ops = ops,
        .executor = &executor_local,
        .caps = &crew->caps[member->engine],
        .target = target,
        .inbox = inbox,
        .state = crew->config.state,
        .folder = keep_path(crew, target->name, ops->name),
        .seeds = keep_path(crew, target->name, "seeds"),
        .rung = crew->config.rung,
        .number = member->number,
        .count = (int)count_of(crew, member->target, member->engine),
        .for_ms = crew->config.for_ms,
        .sliced = schedule_sliced(&schedule),
        .events = crew->config.events,
    };

    member->worker = worker_new(&config);
}

static int
carry_on(void *user, const struct worker_row *row, const char *target, int64_t updated,
         struct err *err)
{
    struct crew *crew = user;

    (void)target;
    (void)updated;
    (void)err;
    for (size_t i = 0; i < crew->n; i++) {
        struct crew_member *member = &crew->members[i];
        if (strcmp(worker_name(member->worker), row->name) == 0) {
            worker_carry_on(member->worker, row->execs, row->restarts,
                            row->productive_ms);
            member->execs_before = row->execs;
            member->productive_before_ms = row->productive_ms;
        }
    }
    return 0;
}

int
crew_form(struct crew *crew, sd_event *event, struct inbox *inbox, struct err *err)
{
    AUTO(store_close) struct store *store = NULL;
    int rc = unpack_seeds(crew, err);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < crew->n; i++) {
        make_worker(crew, &crew->members[i], event, inbox);
    }
    rc = store_open(crew->config.state, DB_READ, &store, err);
    return rc < 0 ? rc : store_workers(store, carry_on, crew, err);
}

void
crew_clear(struct crew *crew)
{
    for (size_t i = 0; i < crew->n; i++) {
        worker_free(crew->members[i].worker);
    }
    for (size_t e = 0; e < COUNT(crew->caps); e++) {
        engine_caps_clear(&crew->caps[e]);
    }
    strv_clear(&crew->paths);
    mem_free(crew->members);
    mem_free(crew->rows);
    hold_free(crew->hold);
    mem_free(crew->busy_jobs);
    *crew = (struct crew){0};
}

/* --- turns --- */

/* Of the processors that this process may use, one for each job; with more jobs than
 * those: any. */
static int
cpu_of(const struct crew *crew, int job)
{
    cpu_set_t set;
    int seen = 0;

    if (sched_getaffinity(0, sizeof(set), &set) < 0 ||
        CPU_COUNT(&set) < crew->config.jobs) {
        return -1;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, &set) && seen++ == job) {
            return cpu;
        }
    }
    return -1;
}

static void
give_up_job(struct crew *crew, struct crew_member *member, int64_t now)
{
    crew->busy_jobs[member->job] = false;
    member->job = -1;
    member->used_ms += now - member->turn_ms;
}

/* Whether a member that has a job and no process shall keep it. */
static bool
keeps_job(const struct crew_member *member, bool turn_over)
{
    enum worker_state state = worker_state(member->worker);

    return !turn_over &&
           (state == WORKER_PAUSED ||
            (state == WORKER_BACKOFF && worker_rest_ms(member->worker) <= REST_MS));
}

static void
look_after(struct crew *crew, struct crew_member *member, int64_t now)
{
    bool turn_over = hold_is(crew->hold, member->target) ||
                     (member->turn_end_ms != 0 && now >= member->turn_end_ms);

    if (worker_alive(member->worker)) {
        if (turn_over && worker_state_busy(worker_state(member->worker))) {
            worker_feed(member->worker, WORKER_YIELD);
        }
        return;
    }
    if (!keeps_job(member, turn_over)) {
        give_up_job(crew, member, now);
    } else if (worker_state(member->worker) == WORKER_PAUSED) {
        worker_go(member->worker, cpu_of(crew, member->job));
    }
}

static int
free_job(const struct crew *crew)
{
    for (int job = 0; job < crew->config.jobs; job++) {
        if (!crew->busy_jobs[job]) {
            return job;
        }
    }
    return -1;
}

static bool
start_next(struct crew *crew, int64_t now)
{
    const struct schedule schedule = schedule_of(crew);
    int picked = schedule_pick(&schedule);
    int job = free_job(crew);

    if (picked < 0 || job < 0) {
        return false;
    }
    struct crew_member *member = &crew->members[picked];
    int64_t turn = schedule_turn(&schedule, (size_t)picked, now);
    crew->busy_jobs[job] = true;
    member->job = job;
    member->turns++;
    member->turn_ms = now;
    member->turn_end_ms = turn == 0 ? 0 : now + turn;
    worker_go(member->worker, cpu_of(crew, job));
    return true;
}

void
crew_turns(struct crew *crew)
{
    int64_t now = clock_mono_ms();

    hold_look(crew->hold, now);
    for (size_t i = 0; i < crew->n; i++) {
        if (crew->members[i].job >= 0) {
            look_after(crew, &crew->members[i], now);
        }
    }
    if (crew->deadline_ms != 0 && crew->deadline_ms - now < LAST_TURN_MS) {
        return;
    }
    while (start_next(crew, now)) {
    }
}

void
crew_stop(struct crew *crew)
{
    for (size_t i = 0; i < crew->n; i++) {
        struct crew_member *member = &crew->members[i];
        member->lost_ms = worker_numbers(member->worker)->lost_ms;
        worker_feed(member->worker, WORKER_STOP);
    }
}

void
crew_begin(struct crew *crew, int64_t deadline_ms, struct buf *warning)
{
    const struct schedule schedule = schedule_of(crew);
    int64_t least = schedule_least_ms(&schedule);
    char given[32];

    crew->deadline_ms = deadline_ms;
    if (crew->config.for_ms > 0 && least > crew->config.for_ms) {
        str_duration_show(given, sizeof(given), crew->config.for_ms);
        buf_addf(
            warning,
            "%zu workers take turns on %d jobs: in %s not every one gets its turn; give "
            "--for %llds or more, or more --jobs",
            crew->n, crew->config.jobs, given, (long long)((least + 999) / 1000));
    }
}

/* --- exchange --- */

void
crew_join(const struct crew *crew, struct exchange *exchange)
{
    for (size_t i = 0; i < crew->n; i++) {
        exchange_join(exchange, crew->members[i].target,
                      engine_table[crew->members[i].engine]);
    }
}

void
crew_credit(struct crew *crew, struct exchange *exchange)
{
    for (size_t i = 0; i < crew->n; i++) {
        struct crew_member *member = &crew->members[i];
        const struct engine_ops *ops = engine_table[member->engine];
        int64_t reloaded = worker_numbers(member->worker)->reloaded;
        if (worker_was_ready(member->worker)) {
            exchange_ready(exchange, member->target, ops);
        }
        if (reloaded > member->reloaded) {
            exchange_credit(exchange, member->target, ops, reloaded - member->reloaded);
            member->reloaded = reloaded;
        }
    }
}

/* --- what is asked of them --- */

bool
crew_all_over(const struct crew *crew)
{
    for (size_t i = 0; i < crew->n; i++) {
        if (!worker_state_final(worker_state(crew->members[i].worker))) {
            return false;
        }
    }
    return true;
}

bool
crew_any_alive(const struct crew *crew)
{
    for (size_t i = 0; i < crew->n; i++) {
        if (worker_alive(crew->members[i].worker)) {
            return true;
        }
    }
    return false;
}

bool
crew_owns(const struct crew *crew, pid_t pid)
{
    for (size_t i = 0; i < crew->n; i++) {
        if (crew->members[i].worker != NULL &&
            worker_pid(crew->members[i].worker) == pid) {
            return true;
        }
    }
    return false;
}

/* Engines count edges in their own ways and share what they find: of a target the best
 * counts. */
static void
add_best(const struct crew *crew, size_t target, struct progress *progress)
{
    int64_t edges = 0;
    int64_t corpus = 0;

    for (size_t i = 0; i < crew->n; i++) {
        const struct worker_numbers *numbers = worker_numbers(crew->members[i].worker);
        if (crew->members[i].target == target) {
            edges = numbers->edges > edges ? numbers->edges : edges;
            corpus = numbers->corpus > corpus ? numbers->corpus : corpus;
        }
    }
    progress->edges += edges;
    progress->corpus += corpus;
}

void
crew_progress(const struct crew *crew, struct progress *progress,
              struct progress_row **rows)
{
    *rows = mem_array(crew->n, sizeof(**rows));
    for (size_t i = 0; i < crew->n; i++) {
        const struct worker *worker = crew->members[i].worker;
        const struct worker_numbers *numbers = worker_numbers(worker);
        progress->workers[worker_state(worker)]++;
        progress->execs += numbers->execs - crew->members[i].execs_before;
        progress->execs_per_sec += numbers->execs_per_sec;
        (*rows)[i] = (struct progress_row){.name = worker_name(worker),
                                           .state = worker_state(worker),
                                           .execs_per_sec = numbers->execs_per_sec,
                                           .edges = numbers->edges,
                                           .corpus = numbers->corpus,
                                           .finds = numbers->finds,
                                           .reason = worker_reason(worker)};
    }
    for (size_t t = 0; t < crew->config.targets->n; t++) {
        add_best(crew, t, progress);
    }
    progress->rows = *rows;
    progress->n_rows = crew->n;
}

void
crew_collect(const struct crew *crew, struct supervisor_result *result)
{
    result->targets = mem_array(crew->config.targets->n, sizeof(*result->targets));
    for (size_t i = 0; i < crew->n; i++) {
        const struct crew_member *member = &crew->members[i];
        const struct worker *worker = member->worker;
        const struct worker_numbers *numbers = worker_numbers(worker);
        struct supervisor_target *target = &result->targets[member->target];
        enum worker_state state = worker_state(worker);
        result->fuzzed = result->fuzzed || worker_was_ready(worker);
        result->execs += numbers->execs - member->execs_before;
        target->execs += numbers->execs - member->execs_before;
        target->productive_ms += numbers->productive_ms - member->productive_before_ms;
        target->lost_ms += member->lost_ms;
        if (state == WORKER_QUARANTINED || state == WORKER_DEAD) {
            strv_addf(&result->casualties, "%s: %s: %s", worker_name(worker),
                      worker_state_name(state), worker_reason(worker));
        }
    }
}
