#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/worker.h"

enum {
    /* cleaning makes three bytes of an invalid one */
    REPORT_MAX = 4 * WORKER_REPORT_MAX,
    UNPARSED_FRAMES = 3, /* the state says all: no frame follows */
};

static const char *const outcome_names[] = {
    [OUTCOME_CRASH] = "crash",       [OUTCOME_CLEAN] = "clean",
    [OUTCOME_TIMEOUT] = "timeout",   [OUTCOME_BROKEN] = "broken",
    [OUTCOME_UNPARSED] = "unparsed",
};

const char *
store_outcome_name(enum outcome outcome)
{
    return outcome_names[outcome];
}

int
store_outcome_find(const char *name)
{
    for (size_t i = 0; i < COUNT(outcome_names); i++) {
        if (strcmp(outcome_names[i], name) == 0) {
            return (int)i;
        }
    }
    return -EINVAL;
}

const char *
store_reproducibility(int k, int n)
{
    if (n <= 0) {
        return "unknown";
    }
    return k <= 0 ? "unreproducible" : k == n ? "reliable" : "flaky";
}

void
store_answer_clear(struct answer *answer)
{
    record_free(answer->record);
    buf_clear(&answer->report);
    mem_free(answer->reason);
    mem_free(answer->error);
    *answer = (struct answer){0};
}

/* Clean, and cut to `max` bytes. */
static char *
clean_text(const char *text, size_t max)
{
    struct buf clean = {.max = max};

    str_clean(&clean, text, strlen(text));
    return buf_steal(&clean);
}

static int
read_number(const json_t *object, const char *key, int64_t max, int64_t *out,
            struct err *err)
{
    int64_t value = json_get_int(object, key, -1);

    if (value < 0 || value > max) {
        return err_set(err, -EBADMSG, "'%s' is not a number from 0 to %lld", key,
                       (long long)max);
    }
    *out = value;
    return 0;
}

static int
read_outcome(const json_t *object, struct answer *out, struct err *err)
{
    int outcome = store_outcome_find(json_get_str(object, "outcome", ""));

    if (outcome < 0) {
        return err_set(err, -EBADMSG,
                       "'outcome' is none of crash clean timeout broken unparsed");
    }
    out->outcome = (enum outcome)outcome;
    return 0;
}

static int
read_counts(const json_t *object, struct answer *out, struct err *err)
{
    int64_t k = 0;
    int64_t n = 0;
    int64_t other = 0;
    int rc = read_number(object, "n", WORKER_RUNS_MAX, &n, err);

    rc = rc < 0 ? rc : read_number(object, "k", n, &k, err);
    rc = rc < 0 ? rc : read_number(object, "other", n - k, &other, err);
    out->k = (int)k;
    out->n = (int)n;
    out->other = (int)other;
    return rc;
}

static int
read_report(const json_t *object, struct answer *out, struct err *err)
{
    const json_t *report = json_object_get(object, "report");

    if (report != NULL && !json_is_null(report) && !json_is_string(report)) {
        return err_set(err, -EBADMSG, "'report' is not text");
    }
    if (json_string_length(report) > REPORT_MAX) {
        return err_set(err, -EBADMSG, "'report' has more than %d bytes", REPORT_MAX);
    }
    out->report.max = REPORT_MAX;
    if (json_string_length(report) > 0) {
        str_clean(&out->report, json_string_value(report), json_string_length(report));
    }
    return 0;
}

/* A crash without a record, or a record without a crash, is no answer. */
static int
read_record(const json_t *object, struct answer *out, struct err *err)
{
    const json_t *record = json_object_get(object, "record");
    bool wanted = out->outcome == OUTCOME_CRASH || out->outcome == OUTCOME_TIMEOUT;

    if (wanted != json_is_object(record)) {
        return err_set(err, -EBADMSG, "outcome '%s' with%s a record",
                       outcome_names[out->outcome], wanted ? "out" : "");
    }
    if (wanted && out->k == 0) {
        return err_set(err, -EBADMSG, "outcome '%s', but no run showed it",
                       outcome_names[out->outcome]);
    }
    if (!wanted) {
        return 0;
    }
    int rc = record_from_json(record, &out->record, err);
    return rc < 0 ? err_wrap(err, rc, "'record'") : 0;
}

/* What is no signature is no find. */
static void
read_found(const json_t *object, struct answer *out)
{
    const json_t *list = json_object_get(object, "found");

    for (size_t i = 0; i < json_array_size(list) && i < TRIAL_FOUND_MAX; i++) {
        const json_t *record = json_object_get(json_array_get(list, i), "record");
        const char *major = json_get_str(json_object_get(record, "hash"), "major", "");
        if (strlen(major) >= RECORD_HASH_MAX) {
            break;
        }
        (void)snprintf(out->found[out->n_found++], RECORD_HASH_MAX, "%s", major);
    }
}

int
store_answer_read(const struct job *job, const json_t *object, struct answer *out,
                  struct err *err)
{
    AUTO(store_answer_clear) struct answer answer = {0};
    const char *error = json_get_str(object, "error", NULL);

    if (json_get_int(object, "job", -1) != job->id) {
        return err_set(err, -EBADMSG, "'job' is not %lld", (long long)job->id);
    }
    if (error != NULL) {
        out->error = clean_text(error, STORE_REASON_MAX);
        return 0;
    }
    int rc = read_outcome(object, &answer, err);
    rc = rc < 0 ? rc : read_counts(object, &answer, err);
    rc = rc < 0 ? rc : read_report(object, &answer, err);
    if (rc == 0 && job->kind != JOB_RELEASE) {
        rc = read_record(object, &answer, err);
    }
    rc = rc < 0 ? rc : store_read_replays(object, &answer, err);
    if (rc == 0 && job->kind == JOB_RELEASE && answer.n_replays != 1) {
        rc = err_set(err, -EBADMSG, "'replays' is not of one build");
    }
    if (rc == 0 && job->kind == JOB_MINIMIZE) {
        rc = read_number(object, "bytes", STORE_INPUT_MAX, &answer.bytes, err);
        answer.finished = json_get_bool(object, "finished", false);
        read_found(object, &answer);
    }
    if (rc < 0) {
        return rc;
    }
    answer.reason = clean_text(json_get_str(object, "reason", ""), STORE_REASON_MAX);
    *out = answer;
    answer = (struct answer){0};
    return 0;
}

/* --- what no parser knows --- */

/* How it ended, as far as the reason says so in the words of proc_status_show(): nothing
 * else of it may decide a bug, since a target can print what it likes. */
static void
add_ending(struct buf *out, const char *reason)
{
    static const char *const words[] = {"exit status ", "signal "};

    for (size_t i = 0; i < COUNT(words); i++) {
        const char *at = strstr(reason, words[i]);
        const char *digits = at == NULL ? NULL : at + strlen(words[i]);
        size_t n = digits == NULL ? 0 : strspn(digits, "0123456789");
        if (n > 0 && n <= 3) {
            /* in parentheses: a bare number would be masked as one that differs in each
             * run */
            buf_addf(out, "%s(%.*s)", words[i], (int)n, digits);
            return;
        }
    }
    buf_adds(out, "unknown report");
}

static char *
first_line(const struct buf *text)
{
    struct buf line = {.max = RECORD_LINE_MAX - 1};
    const char *at = buf_str(text);

    at += strspn(at, "\n\t ");
    str_clean(&line, at, strcspn(at, "\n"));
    return buf_steal(&line);
}

int
store_unparsed_record(const struct answer *answer, const struct record_options *options,
                      struct record **out, struct err *err)
{
    AUTO(record_free) struct record *record = mem_alloc(sizeof(*record));
    AUTO(buf_clear) struct buf state = BUF_INIT;

    buf_addf(&state, "%s\n", options->fuzz_target);
    add_ending(&state, answer->reason);
    buf_addc(&state, '\n');
    record->sanitizer = mem_strdup("none");
    record->crash_type = mem_strdup("Unparsed");
    record->message = first_line(&answer->report);
    record->state_override = buf_steal(&state);
    record->state_only_override = true;
    record->override_frames = UNPARSED_FRAMES;
    int rc = record_finish(record, options, err);
    if (rc < 0) {
        return rc;
    }
    *out = STEAL(record);
    return 0;
}
