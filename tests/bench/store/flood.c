/*
 * A flood of crashes through the store as a supervisor's scribe does it: files are taken
 * in batches (store_intake), handed out one by one (store_next_job) and answered with
 * made-up records (store_finish_job), or with the number of the job that was answered
 * with the same one, as workers do. Nothing is replayed; what is flushed is flushed.
 *
 * usage: flood STATE CRASHES BUGS INBOX SEED; INBOX is a folder for the input files, gone
 * again when they are filed; another SEED, 1 or more, makes other inputs. Prints the
 * seconds of each tenth, those on the clock and those on a processor, and at the end
 * crashes per second and the processor's seconds for 1,000, user's and kernel's.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/store.h"

enum {
    BATCH = 256,
    WORKERS = 4,
    VARIANTS = 4,
    FRAMES = 12,
    REPORT_BYTES = 3000,
    INPUT_BYTES = 200,
    REMEMBERED = 512 /* answers that a worker can refer to */
};

struct answered {
    int64_t bug, job;
    int variant;
};

struct flood {
    struct store *store;
    const char *inbox;
    char *work;
    int64_t target;
    int64_t crashes, bugs;
    struct answered answered[REMEMBERED];
    size_t n_answered;
    json_t **records; /* bugs * VARIANTS, made when they are first needed */
    char report[REPORT_BYTES + 1];
    uint64_t random;
};

static void
die(const struct err *err)
{
    (void)fprintf(stderr, "flood: %s\n", err->msg);
    exit(1);
}

static uint64_t
next_random(struct flood *flood) /* xorshift64 */
{
    flood->random ^= flood->random << 13;
    flood->random ^= flood->random >> 7;
    flood->random ^= flood->random << 17;
    return flood->random;
}

/* A few bugs have most of the crashes, as in a campaign; all are found early or late. */
static int64_t
choose_bug(struct flood *flood)
{
    double u = (double)(next_random(flood) >> 11) / 9007199254740992.0;

    return (int64_t)(u * u * u * (double)flood->bugs);
}

static json_t *
make_record(int64_t bug, int variant)
{
    const struct record_options options = {.fuzz_target = "flood",
                                           .ooms_and_hangs = true};
    AUTO(record_free) struct record *record = mem_alloc(sizeof(*record));
    struct err err = ERR_INIT;

    record->sanitizer = mem_strdup("address");
    record->crash_type = mem_strdup(bug % 3 == 0 ? "Heap-buffer-overflow\nWRITE 4"
                                                 : "Heap-buffer-overflow\nREAD 4");
    record->crash_address = mem_strdup("0x602000000011");
    record->access = bug % 3 == 0 ? ACCESS_WRITE : ACCESS_READ;
    record->access_bytes = 4;
    for (int i = 0; i < FRAMES; i++) {
        struct frame *frame = record_add_frame(record);
        frame->n = i;
        frame->function = mem_printf("%s_%lld", i % 2 == 0 ? "decode" : "read_chunk",
                                     (long long)(i < 3 ? bug / (i + 1) : bug % 50 + i));
        frame->file = mem_printf("/src/flood/part%lld.c", (long long)(bug % 90));
        frame->line = 10 + i + (i > 4 ? variant : 0);
        frame->module = mem_strdup("/out/flood");
        frame->has_offset = true;
        frame->offset = (uint64_t)(4096 + bug * 64 + i);
    }
    if (record_finish(record, &options, &err) < 0) {
        die(&err);
    }
    return record_to_json(record);
}

static json_t *
record_of(struct flood *flood, int64_t bug, int variant)
{
    json_t **slot = &flood->records[bug * VARIANTS + variant];

    if (*slot == NULL) {
        *slot = make_record(bug, variant);
    }
    return json_incref(*slot);
}

static void
take(struct flood *flood, int64_t first, size_t n)
{
    struct intake_item items[BATCH] = {{0}};
    struct intake_result results[BATCH];
    AUTO(strv_clear) struct strv paths = {0};
    struct err err = ERR_INIT;

    for (size_t i = 0; i < n; i++) {
        char bytes[INPUT_BYTES];
        strv_addf(&paths, "%s/id:%06lld", flood->inbox, (long long)(first + (int64_t)i));
        for (size_t at = 0; at < sizeof(bytes); at += sizeof(uint64_t)) {
            uint64_t word = next_random(flood);
            memcpy(bytes + at, &word, sizeof(word));
        }
        if (fs_write(paths.v[i], bytes, sizeof(bytes), 0644, &err) < 0) {
            die(&err);
        }
        items[i] = (struct intake_item){
            .path = paths.v[i], .target = flood->target, .source = "triage"};
    }
    if (store_intake(flood->store, items, n, results, &err) < 0) {
        die(&err);
    }
    for (size_t i = 0; i < n; i++) {
        (void)unlink(paths.v[i]);
    }
}

/* The job that was answered so; 0: none, and this one is remembered. */
static int64_t
same_as(struct flood *flood, const struct answered *answer)
{
    for (size_t i = 0; i < flood->n_answered && i < REMEMBERED; i++) {
        const struct answered *known = &flood->answered[i];
        if (known->bug == answer->bug && known->variant == answer->variant) {
            return known->job;
        }
    }
    flood->answered[flood->n_answered++ % REMEMBERED] = *answer;
    return 0;
}

static void
answer(struct flood *flood, const struct job *job)
{
    AUTO(json_decref) json_t *line = json_object();
    struct job_outcome outcome;
    struct err err = ERR_INIT;
    const struct answered answered = {.bug = choose_bug(flood),
                                      .job = job->id,
                                      .variant = (int)(next_random(flood) % VARIANTS)};
    int64_t same =
        json_get_bool(job->request, "whole", false) ? 0 : same_as(flood, &answered);

    json_put(line, "job", json_integer(job->id));
    json_put(line, "outcome", json_string("crash"));
    json_put(line, "k", json_integer(1));
    json_put(line, "n", json_integer(1));
    json_put(line, "other", json_integer(0));
    json_put(line, "reason", json_string(""));
    if (same > 0) {
        json_put(line, "same", json_integer(same));
    } else {
        json_put(line, "record", record_of(flood, answered.bug, answered.variant));
        json_put(line, "report", json_string(flood->report));
    }
    if (store_finish_job(flood->store, job, line, &outcome, &err) < 0) {
        die(&err);
    }
}

/* One round: what the scribe finds in its pipe when all workers have answered, which is
 * an answer and a request for the next job of each. False: nothing is queued any more. */
static bool
work(struct flood *flood, struct job *jobs)
{
    const struct job_options options = {.folder = flood->work, .runs = 3};
    struct err err = ERR_INIT;
    bool working = false;

    store_group_begin(flood->store);
    for (int i = 0; i < WORKERS; i++) {
        if (jobs[i].request != NULL) {
            answer(flood, &jobs[i]);
            job_clear(&jobs[i]);
        }
        int rc = store_next_job(flood->store, &options, &jobs[i], &err);
        if (rc < 0) {
            die(&err);
        }
        working |= rc == 1;
    }
    if (store_group_end(flood->store, &err) < 0) {
        die(&err);
    }
    return working;
}

static void
triage(struct flood *flood)
{
    struct job jobs[WORKERS] = {{0}};

    while (work(flood, jobs)) {
    }
}

static double
seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static double
processor_seconds(void)
{
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    return seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
}

static void
print_end(const struct flood *flood, int64_t took_ms)
{
    struct rusage usage = {0};
    const double thousands = (double)flood->crashes / 1000.0;

    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("rate %.0f\n", (double)flood->crashes * 1000.0 / (double)(took_ms + 1));
    (void)printf("cpu %.3f user %.3f system\n", seconds(&usage.ru_utime) / thousands,
                 seconds(&usage.ru_stime) / thousands);
}

static void
run(struct flood *flood)
{
    int64_t began = clock_mono_ms();
    int64_t part_began = began;
    double processor_began = processor_seconds();
    int64_t part = 0;

    for (int64_t at = 0; at < flood->crashes; at += BATCH) {
        int64_t left = flood->crashes - at;
        take(flood, at, left < BATCH ? (size_t)left : BATCH);
        triage(flood);
        if ((at + BATCH) * 10 / flood->crashes > part) {
            int64_t now = clock_mono_ms();
            part = (at + BATCH) * 10 / flood->crashes;
            double processor = processor_seconds();
            (void)printf("%lld/10 %.2f %.2f\n", (long long)part,
                         (double)(now - part_began) / 1000.0,
                         processor - processor_began);
            (void)fflush(stdout);
            part_began = now;
            processor_began = processor;
        }
    }
    print_end(flood, clock_mono_ms() - began);
}

static void
open_all(struct flood *flood, const char *state)
{
    AUTO(command_clear) struct command command = {.timeout_ms = 1000};
    const struct record_settings settings = {.ooms_and_hangs = true,
                                             .asserts_are_security = true};
    struct err err = ERR_INIT;

    flood->work = fs_join(state, "work/triage-0");
    strv_add(&command.argv, "/bin/true");
    int rc = store_open(state, DB_CREATE, &flood->store, &err);
    rc = rc < 0 ? rc : fs_mkdirs(flood->work, 0755, &err);
    rc = rc < 0 ? rc
                : store_put_target(flood->store, "flood", &command, &settings,
                                   &flood->target, &err);
    if (rc < 0) {
        die(&err);
    }
}

int
main(int argc, char **argv)
{
    struct flood flood = {0};
    struct err err = ERR_INIT;
    int64_t seed = 0;

    if (argc != 6 || str_number("seed", argv[5], 1, INT32_MAX, &seed, &err) < 0 ||
        str_number("crashes", argv[2], 1, INT32_MAX, &flood.crashes, &err) < 0 ||
        str_number("bugs", argv[3], 1, INT32_MAX / VARIANTS, &flood.bugs, &err) < 0) {
        (void)fputs("usage: flood STATE CRASHES BUGS INBOX SEED\n", stderr);
        return 2;
    }
    flood.random = (uint64_t)seed * UINT64_C(0x9e3779b97f4a7c15);
    flood.inbox = argv[4];
    memset(flood.report, 'r', REPORT_BYTES);
    flood.records = mem_array((size_t)flood.bugs * VARIANTS, sizeof(json_t *));
    open_all(&flood, argv[1]);
    run(&flood);
    store_close(flood.store);
    mem_free(flood.work);
    for (int64_t i = 0; i < flood.bugs * VARIANTS; i++) {
        json_decref(flood.records[i]);
    }
    mem_free(flood.records);
    return 0;
}
