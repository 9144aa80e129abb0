#include "orchestrator/supervise/solo.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <systemd/sd-event.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/supervise/pool.h"
#include "triage/worker.h"

enum { TICK_US = 500000 };

struct seat {        /* what one slot of the pool works at */
    json_t *request; /* whole; NULL: nothing */
    const struct buf *input;
    json_t *answer;
    int deaths;
    bool ready;
    /* of a stream: */
    struct buf bytes; /* its input */
    int64_t id;
    bool lost; /* it will have no answer */
    char why[ERR_MSG_MAX];
};

struct solo {
    struct solo_config config;
    sd_event *event;
    struct pool *pool;
    char *state;
    sigset_t before; /* the caller's signal mask */
    struct seat *seats;
    size_t waiting; /* seats without an answer */
    int64_t serial; /* of the last job */
    int interruptions;
    bool streams;       /* what a job comes to is not what all come to */
    struct err failure; /* code 0: none */
};

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

/* --- what the pool tells --- */

static void
give(struct solo *solo, int slot)
{
    struct seat *seat = &solo->seats[slot];
    AUTO(mem_free) char *path = fs_join(pool_folder(solo->pool, slot), "input");
    AUTO(mem_free) char *output = fs_join(pool_folder(solo->pool, slot), "output");
    AUTO(mem_free) char *journal = fs_join(pool_folder(solo->pool, slot), "journal");
    struct err err = ERR_INIT;
    json_t *job = json_object();

    json_put(seat->request, "job", json_integer(++solo->serial));
    json_put(seat->request, "input", json_name(path));
    json_put(seat->request, "output", json_name(output));
    json_put(seat->request, "journal", json_name(journal));
    json_put(job, "request", json_incref(seat->request));
    if (fs_write(path, buf_str(seat->input), seat->input->len, 0644, &err) < 0) {
        solo->failure = err;
        json_decref(job);
        return;
    }
    seat->ready = false;
    pool_give(solo->pool, slot, job);
}

static bool
is_open(const struct seat *seat)
{
    return seat->request != NULL && seat->answer == NULL && !seat->lost;
}

/* The job comes to nothing, and so does all of a run that is no stream. */
static void
lose(struct solo *solo, struct seat *seat, const char *why)
{
    if (solo->streams) {
        seat->lost = true;
        (void)snprintf(seat->why, sizeof(seat->why), "%s", why);
    } else {
        (void)err_set(&solo->failure, -EIO, "%s", why);
    }
}

static void
on_ready(void *user, int slot)
{
    struct solo *solo = user;
    struct seat *seat = &solo->seats[slot];

    seat->ready = true;
    if (is_open(seat)) {
        give(solo, slot);
    }
}

static void
on_answer(void *user, int slot, json_t *job, const char *line, size_t len)
{
    struct solo *solo = user;
    struct seat *seat = &solo->seats[slot];
    AUTO(json_decref) json_t *answer = NULL;
    struct err err = ERR_INIT;

    (void)job;
    if (!is_open(seat)) {
        return; /* of a call that was given up */
    }
    if (json_parse(line, len, &answer, &err) < 0 || !json_is_object(answer) ||
        json_get_int(answer, "job", -1) != json_get_int(seat->request, "job", 0)) {
        lose(solo, seat, "a triage worker said what is no answer");
        return;
    }
    seat->answer = STEAL(answer);
    solo->waiting--;
}

static void
on_died(void *user, int slot, json_t *job, const char *reason)
{
    struct solo *solo = user;
    struct seat *seat = &solo->seats[slot];

    (void)job;
    if (is_open(seat) && ++seat->deaths >= SOLO_ATTEMPTS) {
        AUTO(mem_free)
        char *why = mem_printf("triage workers die of this input: %s", reason);
        lose(solo, seat, why);
    }
}

static void
on_failed(void *user, const struct err *why)
{
    struct solo *solo = user;

    solo->failure = *why;
    if (solo->failure.code == 0) {
        solo->failure.code = -EIO;
    }
}

static int
on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
    struct solo *solo = user;

    (void)source;
    (void)info;
    solo->interruptions++;
    for (int i = 0; i < solo->config.jobs && solo->config.patient; i++) {
        pool_hurry(solo->pool, i);
    }
    return 0;
}

/* --- construction --- */

static int
make_loop(struct solo *solo, struct err *err)
{
    sigset_t set;
    int rc = sd_event_new(&solo->event);

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD); /* sd-event wants it blocked to watch children */
    for (size_t i = 0; i < COUNT(signals); i++) {
        (void)sigaddset(&set, signals[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &set, &solo->before);
    for (size_t i = 0; i < COUNT(signals) && rc >= 0; i++) {
        rc = sd_event_add_signal(solo->event, NULL, signals[i], on_signal, solo);
    }
    return rc < 0 ? err_set(err, rc, "event loop: %s", strerror(-rc)) : 0;
}

static int
make_state(struct solo *solo, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    AUTO(mem_free)
    char *path = mem_printf("%s/nightjar-solo-XXXXXX",
                            tmp == NULL || tmp[0] != '/' ? "/tmp" : tmp);

    /* the work folders in it belong to the sandbox's uid, which must reach them */
    if (mkdtemp(path) == NULL || chmod(path, 0711) < 0) {
        return err_sys(err, "make a private folder '%s' (TMPDIR says where)", path);
    }
    solo->state = STEAL(path);
    return 0;
}

int
solo_new(const struct solo_config *config, struct solo **out, struct err *err)
{
    AUTO(solo_free) struct solo *solo = mem_alloc(sizeof(*solo));
    const struct pool_config pool = {.rung = config->rung,
                                     .jobs = config->jobs,
                                     .hide = config->hide,
                                     .user = solo,
                                     .ready = on_ready,
                                     .answer = on_answer,
                                     .died = on_died,
                                     .failed = on_failed};

    if (config->jobs < 1 || config->jobs > SOLO_JOBS_MAX) {
        return err_set(err, -EINVAL, "%d is no number of jobs from 1 to %d", config->jobs,
                       SOLO_JOBS_MAX);
    }
    solo->config = *config;
    solo->seats = mem_array((size_t)config->jobs, sizeof(*solo->seats));
    for (int i = 0; i < config->jobs; i++) {
        solo->seats[i].ready = true;
    }
    (void)sigprocmask(SIG_BLOCK, NULL, &solo->before);
    int rc = make_state(solo, err);
    rc = rc < 0 ? rc : make_loop(solo, err);
    if (rc == 0) {
        struct pool_config whole = pool;
        whole.event = solo->event;
        whole.state = solo->state;
        rc = pool_new(&whole, &solo->pool, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out = STEAL(solo);
    return 0;
}

static void
clear_seat(struct seat *seat)
{
    json_decref(STEAL(seat->request));
    json_decref(STEAL(seat->answer));
    buf_clear(&seat->bytes);
    seat->deaths = 0;
    seat->lost = false;
}

static void
clear_seats(struct solo *solo)
{
    for (int i = 0; i < solo->config.jobs; i++) {
        clear_seat(&solo->seats[i]);
    }
    solo->waiting = 0;
}

void
solo_free(struct solo *solo)
{
    if (solo == NULL) {
        return;
    }
    clear_seats(solo);
    pool_free(solo->pool);
    (void)sd_event_unref(solo->event);
    if (solo->state != NULL) {
        (void)fs_remove(solo->state, NULL);
    }
    (void)sigprocmask(SIG_SETMASK, &solo->before, NULL);
    mem_free(solo->state);
    mem_free(solo->seats);
    mem_free(solo);
}

/* --- runs --- */

/* Whether the call is to end at once. */
static bool
is_given_up(const struct solo *solo)
{
    return solo->interruptions > (solo->config.patient ? 1 : 0);
}

static int
turn(struct solo *solo, struct err *err)
{
    int rc = sd_event_run(solo->event, TICK_US);

    if (rc < 0 && rc != -EINTR) {
        return err_set(err, rc, "event loop: %s", strerror(-rc));
    }
    if (solo->config.tick != NULL) {
        solo->config.tick(solo->config.user);
    }
    return 0;
}

static int
wait_for_all(struct solo *solo, struct err *err)
{
    while (solo->waiting > 0 && !is_given_up(solo) && solo->failure.code == 0) {
        int rc = turn(solo, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (solo->failure.code != 0) {
        return err_set(err, solo->failure.code, "%s", solo->failure.msg);
    }
    return solo->waiting > 0 ? err_set(err, -ECANCELED, "interrupted") : 0;
}

int
solo_run(struct solo *solo, json_t *const *requests, const struct buf *inputs, size_t n,
         json_t **answers, struct err *err)
{
    if (n > (size_t)solo->config.jobs) {
        return err_set(err, -EINVAL, "more jobs than workers");
    }
    for (size_t i = 0; i < n; i++) {
        solo->seats[i].request = json_deep_copy(requests[i]);
        solo->seats[i].input = &inputs[i];
        solo->waiting++;
    }
    for (size_t i = 0; i < n && solo->failure.code == 0 && !is_given_up(solo); i++) {
        if (solo->seats[i].ready) {
            give(solo, (int)i);
        }
    }
    int rc = wait_for_all(solo, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        answers[i] = STEAL(solo->seats[i].answer);
    }
    clear_seats(solo);
    return rc;
}

/* What has come to an end is told, and its seat is free. */
static int
collect(struct solo *solo, const struct solo_stream *stream, struct err *err)
{
    int rc = 0;

    for (int i = 0; i < solo->config.jobs && rc == 0; i++) {
        struct seat *seat = &solo->seats[i];
        if (seat->request != NULL && !is_open(seat)) {
            rc = stream->done(stream->user, seat->id,
                              json_get_int(seat->request, "job", 0), seat->answer,
                              seat->lost ? seat->why : NULL, err);
            clear_seat(seat);
        }
    }
    return rc;
}

/* Give each free seat a job; *running is how many have one then. */
static int
hand_out(struct solo *solo, const struct solo_stream *stream, int *running,
         struct err *err)
{
    int rc = 1;

    *running = 0;
    for (int i = 0; i < solo->config.jobs; i++) {
        struct seat *seat = &solo->seats[i];
        if (rc == 1 && seat->request == NULL) {
            seat->bytes.max = WORKER_INPUT_MAX;
            seat->input = &seat->bytes;
            rc = stream->next(stream->user, &seat->request, &seat->bytes, &seat->id, err);
            if (rc == 1 && seat->ready) {
                give(solo, i);
            }
        }
        *running += seat->request != NULL ? 1 : 0;
    }
    return rc < 0 ? rc : 0;
}

int
solo_stream(struct solo *solo, const struct solo_stream *stream, struct err *err)
{
    int running = 0;

    solo->streams = true;
    int rc = hand_out(solo, stream, &running, err);
    while (rc == 0 && running > 0 && !is_given_up(solo) && solo->failure.code == 0) {
        rc = turn(solo, err);
        rc = rc < 0 ? rc : collect(solo, stream, err);
        rc = rc < 0 ? rc : hand_out(solo, stream, &running, err);
    }
    solo->streams = false;
    clear_seats(solo);
    if (rc == 0 && solo->failure.code != 0) {
        return err_set(err, solo->failure.code, "%s", solo->failure.msg);
    }
    return rc == 0 && running > 0 ? err_set(err, -ECANCELED, "interrupted") : rc;
}

bool
solo_interrupted(const struct solo *solo)
{
    return solo->interruptions > 0;
}

const char *
solo_folder(const struct solo *solo, size_t i)
{
    return pool_folder(solo->pool, (int)i);
}
