/* What the tests of the store share: a state folder, files that crash, workers that
 * answer. */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "triage/store/store_private.h"

struct fixture {
    char *folder; /* everything lies below it */
    char *state;
    char *work; /* of the one triage worker */
    struct store *store;
    int64_t target; /* "t" */
    struct err err;
};

/* What a worker says; NULL frames end the stack. */
struct said {
    const char *outcome; /* NULL: "crash" */
    const char *type;    /* NULL: a heap overflow */
    const char *frames[4];
    const char *file; /* of the top frame */
    const char *report, *reason;
    int k, n, other;   /* n 0: 3 of 3 */
    bool write;        /* a write: more severe */
    int into;          /* lines that the top frame is into its function; 0: unknown */
    const char *build; /* the top frame has no line, but it is this build's instruction */
    uint64_t offset;   /* at this offset */
    bool freed;        /* of freed memory: it was made and freed in parse */
    int samples;       /* of a hang's stack */
    const char *words; /* the last ones of an abort, */
    const char *input; /* as the worker had it when it read them */
    bool plain;        /* no sanitizer told of it */
};

/* The call succeeded; else its message is shown. */
static inline void
must(struct fixture *fix, int rc)
{
    if (rc < 0) {
        fail_msg("%d: %s", rc, fix->err.msg);
    }
}

static inline int64_t
put_target(struct fixture *fix, const char *name, const char *program)
{
    AUTO(command_clear) struct command command = {.timeout_ms = 1000};
    const struct record_settings settings = {.ooms_and_hangs = true,
                                             .asserts_are_security = true};
    int64_t id = 0;

    strv_add(&command.argv, program);
    strv_add(&command.argv, "@@");
    must(fix, store_put_target(fix->store, name, &command, &settings, &id, &fix->err));
    return id;
}

static inline int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->folder = mem_strdup("/tmp/nightjar-store-XXXXXX");
    assert_non_null(mkdtemp(fix->folder));
    assert_int_equal(chmod(fix->folder, 0755), 0);
    fix->state = fs_join(fix->folder, "state");
    fix->work = fs_join(fix->folder, "state/work/triage-0");
    must(fix, store_open(fix->state, DB_CREATE, &fix->store, &fix->err));
    assert_int_equal(fs_mkdirs(fix->work, 0755, &fix->err), 0);
    fix->target = put_target(fix, "t", "/bin/true");
    *state = fix;
    return 0;
}

static inline int
teardown(void **state)
{
    struct fixture *fix = *state;

    store_close(fix->store);
    assert_int_equal(fs_remove(fix->folder, NULL), 0);
    mem_free(fix->folder);
    mem_free(fix->state);
    mem_free(fix->work);
    mem_free(fix);
    return 0;
}

/* From now on each blob is a file, as larger ones are, and all of older releases. */
static inline void
files_only(struct fixture *fix)
{
    fix->store->row_bytes_max = -1;
}

static inline int64_t
number(struct fixture *fix, const char *sql)
{
    int64_t value = -1;

    assert_int_equal(db_int(store_db(fix->store), &value, &fix->err, sql, ""), 0);
    return value;
}

static inline void
execute(struct fixture *fix, const char *sql)
{
    must(fix, db_exec(store_db(fix->store), sql, &fix->err));
}

static inline void
print_finding(void *user, const char *name, const char *text)
{
    (void)user;
    print_error("%s: %s\n", name, text);
}

static inline void
assert_clean(struct fixture *fix)
{
    int rc = store_check(fix->store, true, print_finding, NULL, &fix->err);

    must(fix, rc);
    assert_int_equal(rc, 0);
}

/* A file of these bytes below the folder; new path. */
static inline char *
put_bytes(struct fixture *fix, const char *name, const void *bytes, size_t len)
{
    char *path = fs_join(fix->folder, name);

    assert_int_equal(fs_write(path, bytes, len, 0644, &fix->err), 0);
    return path;
}

static inline struct intake_result
give_path(struct fixture *fix, const char *path, const char *source)
{
    const struct intake_item item = {
        .path = path, .target = fix->target, .source = source};
    struct intake_result result;

    must(fix, store_intake(fix->store, &item, 1, &result, &fix->err));
    return result;
}

/* File an input of this text; its crash. */
static inline int64_t
give(struct fixture *fix, const char *name, const char *text)
{
    AUTO(mem_free) char *path = put_bytes(fix, name, text, strlen(text));
    struct intake_result result = give_path(fix, path, "triage");

    assert_int_equal(result.code, 0);
    return result.crash;
}

/* The same as something that was found before nightjar looked. */
static inline int64_t
give_backlog(struct fixture *fix, const char *name, const char *text)
{
    AUTO(mem_free) char *path = put_bytes(fix, name, text, strlen(text));
    const struct intake_item item = {
        .path = path, .target = fix->target, .source = "triage", .backlog = true};
    struct intake_result result;

    must(fix, store_intake(fix->store, &item, 1, &result, &fix->err));
    assert_int_equal(result.code, 0);
    return result.crash;
}

static inline int64_t
give_report(struct fixture *fix, const char *name, const char *text)
{
    AUTO(mem_free) char *path = put_bytes(fix, name, text, strlen(text));
    const struct intake_item item = {
        .path = path, .target = fix->target, .source = "reports", .is_report = true};
    struct intake_result result;

    assert_int_equal(store_intake(fix->store, &item, 1, &result, &fix->err), 0);
    assert_int_equal(result.code, 0);
    return result.crash;
}

/* Whatever comes of it. */
static inline int
try_next_job(struct fixture *fix, int64_t minimize_ms, struct job *job)
{
    const struct job_options options = {
        .folder = fix->work, .runs = 3, .minimize_ms = minimize_ms};

    return store_next_job(fix->store, &options, job, &fix->err);
}

static inline int
next_job(struct fixture *fix, int64_t minimize_ms, struct job *job)
{
    int rc = try_next_job(fix, minimize_ms, job);

    must(fix, rc);
    return rc;
}

static inline json_t *
record_of(const struct said *said)
{
    const struct record_options options = {
        .fuzz_target = "t",
        .ooms_and_hangs = true,
        .input = said->input,
        .input_len = said->input == NULL ? 0 : strlen(said->input)};
    AUTO(record_free) struct record *record = mem_alloc(sizeof(*record));
    bool stock = said->frames[0] == NULL;

    record->sanitizer = mem_strdup(said->plain ? "none" : "address");
    record->crash_type = mem_strdup(said->type != NULL ? said->type
                                    : said->write      ? "Heap-buffer-overflow\nWRITE 4"
                                                       : "Heap-buffer-overflow\nREAD 4");
    record->crash_address = mem_strdup("0x602000000011");
    record->access = said->write ? ACCESS_WRITE : ACCESS_READ;
    record->access_bytes = 4;
    for (size_t i = 0; i < 3 && (stock || said->frames[i] != NULL); i++) {
        static const char *const usual[] = {"parse", "load", "main"};
        struct frame *frame = record_add_frame(record);
        frame->n = (int)i;
        frame->function = mem_strdup(stock ? usual[i] : said->frames[i]);
        frame->file =
            mem_strdup(i == 0 && said->file != NULL ? said->file : "/src/t/parse.c");
        frame->line = 10 + (int)i + said->into;
        frame->start_line = said->into > 0 ? 10 : 0;
        if (i == 0 && said->build != NULL) {
            frame->line = 0;
            frame->start_line = 10;
            frame->build_id = mem_strdup(said->build);
            frame->has_offset = true;
            frame->offset = said->offset;
        }
    }
    for (int i = 0; i < 2 && said->freed; i++) {
        struct frame *frame = record_add_frame(record);
        frame->stack = i == 0 ? STACK_FREED : STACK_ALLOCATED;
        frame->function = mem_strdup("parse");
        frame->file = mem_strdup("/src/t/parse.c");
        frame->line = 15 + i;
        frame->start_line = 10;
    }
    record->samples = said->samples;
    record->last_words = said->words == NULL ? NULL : mem_strdup(said->words);
    assert_int_equal(record_finish(record, &options, NULL), 0);
    return record_to_json(record);
}

/* The line that a worker would answer with; new. */
static inline json_t *
answer_of(const struct job *job, const struct said *said)
{
    json_t *answer = json_object();
    const char *outcome = said->outcome == NULL ? "crash" : said->outcome;
    bool crashed = strcmp(outcome, "crash") == 0 || strcmp(outcome, "timeout") == 0;
    bool stock = said->n == 0;

    json_put(answer, "job", json_integer(job->id));
    json_put(answer, "outcome", json_string(outcome));
    json_put(answer, "k", json_integer(stock && crashed ? 3 : said->k));
    json_put(answer, "n", json_integer(stock ? 3 : said->n));
    json_put(answer, "other", json_integer(said->other));
    json_put(answer, "record", crashed ? record_of(said) : json_null());
    json_put(answer, "report", json_text(said->report == NULL ? "" : said->report));
    json_put(answer, "reason", json_text(said->reason));
    json_put(answer, "wall_ms", json_integer(5));
    return answer;
}

static inline struct job_outcome
finish(struct fixture *fix, const struct job *job, const struct said *said)
{
    AUTO(json_decref) json_t *answer = answer_of(job, said);
    struct job_outcome outcome = {0};

    must(fix, store_finish_job(fix->store, job, answer, &outcome, &fix->err));
    return outcome;
}

/* Answer for the only crash that waits. */
static inline struct job_outcome
triage_next(struct fixture *fix, const struct said *said)
{
    AUTO(job_clear) struct job job = {0};

    assert_int_equal(next_job(fix, 0, &job), 1);
    return finish(fix, &job, said);
}

/* File an input and triage it, as the only one that waits. */
static inline struct job_outcome
triage(struct fixture *fix, const char *text, const struct said *said)
{
    (void)give(fix, text, text);
    return triage_next(fix, said);
}

#endif
