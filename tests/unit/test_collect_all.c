/* Each row of the catalog has a writer: a store that everything happened to once, by the
 * functions that campaigns, triage, gate and sinks call, shows a number in each. A new
 * row that nobody writes, or that is read by another name than it is written, fails here.
 */
#include "tests/unit/store_fixture.h"

#include "base/clock.h"
#include "orchestrator/publish/collect.h"
#include "triage/build.h"
#include "triage/control.h"
#include "triage/coverage.h"
#include "triage/outbox.h"
#include "triage/vitals.h"

static void
say(struct fixture *fix, const char *kind, const char *subject, const char *to,
    json_t *detail)
{
    const struct event event = {
        .kind = kind, .subject = subject, .subject_id = 1, .to = to, .detail = detail};

    must(fix, store_event(fix->store, &event, &fix->err));
    json_decref(detail);
}

/* A good one, and an outage. */
static void
run_minutes(struct fixture *fix)
{
    int64_t begin = clock_wall_ms() / CONTROL_SLICE_MS - 70;

    for (int64_t i = 0; i < 65; i++) {
        const struct control_slice good = {.minute = begin + i,
                                           .counts = true,
                                           .cause = "",
                                           .scheduled_ms = 2000,
                                           .productive_ms = 2000};
        const struct control_slice bad = {.minute = begin + i,
                                          .counts = true,
                                          .cause = "stalled",
                                          .scheduled_ms = 2000,
                                          .faults = {{"stalled", 2000}},
                                          .n_faults = 1};
        must(fix, store_put_control(fix->store, fix->target, i == 0 ? &good : &bad,
                                    &fix->err));
    }
}

static void
build(struct fixture *fix)
{
    AUTO(build_list_clear) struct build_list list = {0};
    AUTO(command_clear) struct command command = {.timeout_ms = 1000};

    strv_add(&command.argv, "/bin/true");
    build_list_add(&list, "sanitizer", &command);
    must(fix, store_put_builds(fix->store, fix->target, &list, &fix->err));
}

static void
fuzz(struct fixture *fix)
{
    AUTO(json_decref) json_t *arguments = json_object();
    struct worker_row row = {.name = "t-aflpp-1",
                             .target = fix->target,
                             .engine = "aflpp",
                             .state = "running",
                             .pid = 1,
                             .restarts = 1,
                             .execs = 1000,
                             .execs_per_sec = 250.5,
                             .edges = 40,
                             .edges_known = 99,
                             .stability = 0.98,
                             .corpus = 7};
    int64_t campaign = 0;

    must(fix, store_campaign_begin(fix->store, arguments, &campaign, &fix->err));
    must(fix, store_put_worker(fix->store, campaign, &row, &fix->err));
    run_minutes(fix);
    must(fix, store_count_exchange(fix->store, "t", "aflpp_to_libfuzzer", "offered", 3,
                                   &fix->err));
    must(fix, store_vital_put(fix->store, VITAL_CORPUS, "t", 4096, &fix->err));
    must(fix, store_vital_put(fix->store, VITAL_CANARY, "t", 1000, &fix->err));
    must(fix, store_was_busy(fix->store, 1, &fix->err));
}

static void
cover(struct fixture *fix)
{
    static const int64_t reached[] = {500, 100};
    bool alarm = false;

    for (size_t i = 0; i < COUNT(reached); i++) {
        const struct coverage one = {
            .total = {1000, reached[i], 9, 8, 99, reached[i] / 10},
            .inputs = 5,
            .build_id = (char[]){"aa"},
            .at = clock_wall_ms()};
        must(fix, coverage_put(fix->store, fix->target, &one, &alarm, &fix->err));
    }
    assert_true(alarm);
}

static void
minimize(struct fixture *fix)
{
    AUTO(job_clear) struct job job = {0};
    AUTO(mem_free) char *output = fs_join(fix->work, "output");

    assert_int_equal(next_job(fix, 1000, &job), 1);
    assert_int_equal(job.kind, JOB_MINIMIZE);
    assert_int_equal(fs_write(output, "s", 1, 0644, &fix->err), 0);
    AUTO(json_decref) json_t *answer = answer_of(&job, &(struct said){.write = true});
    struct job_outcome outcome = {0};
    json_put(answer, "bytes", json_integer(1));
    json_put(answer, "finished", json_true());
    must(fix, store_finish_job(fix->store, &job, answer, &outcome, &fix->err));
}

/* One bug that is open and told, and a crash and a bug that wait. */
static void
find(struct fixture *fix)
{
    const struct said said = {.write = true};
    const struct said other = {.write = true, .frames = {"other", "main"}};

    (void)triage(fix, "a long input", &said);
    (void)triage(fix, "another one", &said);
    minimize(fix);
    (void)triage(fix, "one more", &other);
    (void)give(fix, "waits", "waits");
}

static void
send_all(struct fixture *fix)
{
    execute(fix, "UPDATE outbox SET state = 'sent', sent = (SELECT at + 5 FROM event"
                 " WHERE id = event) WHERE id = (SELECT min(id) FROM outbox)");
}

static void
tell(struct fixture *fix)
{
    const struct slo_policy policy = slo_policy_default();
    int64_t now = clock_wall_ms();

    say(fix, "bug.state", "bug", "fixed", NULL);
    say(fix, "bug.state", "bug", "regressed", NULL);
    say(fix, "bug.incident", "bug", "incident", json_pack("{s:s}", "severity", "high"));
    say(fix, "gate.verdict", "gate", "fail", json_pack("{s:i}", "duration_ms", 1500));
    execute(fix, "UPDATE bug SET filed = filed - 20 * 86400000 WHERE id = 2");
    must(fix, slo_note(fix->store, &policy, now, &fix->err));
    must(fix, store_pushed(fix->store, "otlp", true, &fix->err));
    send_all(fix);
}

/* Whether any of its samples holds a number. */
static bool
is_written(const struct metric *metric)
{
    bool written = false;

    for (size_t i = 0; i < metric->n; i++) {
        const struct sample *sample = &metric->samples[i];
        written = written || sample->value > 0 || sample->value < 0;
        for (size_t b = 0; sample->buckets != NULL && b <= metric->kind->shape->n; b++) {
            written = written || sample->buckets[b] > 0;
        }
    }
    return written;
}

static void
test_each_metric_has_a_writer(void **state)
{
    struct fixture *fix = *state;
    struct gate_waiver waiver = {.expires = clock_wall_ms() + GATE_DAY_MS};
    const struct gate_waivers waivers = {&waiver, 1};
    const struct slo_policy slo = slo_policy_default();
    const struct collect_policy policy = {&slo, &waivers};
    const struct sink_row sink = {"ops", "webhook"};
    AUTO(metrics_clear) struct metrics metrics = {0};
    int missing = 0;

    must(fix, store_put_sinks(fix->store, &sink, 1, &fix->err));
    build(fix);
    fuzz(fix);
    cover(fix);
    find(fix);
    tell(fix);
    must(fix, collect_metrics(fix->store, &policy, &metrics, &fix->err));
    for (size_t i = 0; i < METRICS; i++) {
        if (metrics.v[i].kind == NULL || !is_written(&metrics.v[i])) {
            print_error("nothing writes %s\n", catalog_row((enum metric_id)i)->name);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

/* --- what nightjar.yaml says --- */

static double
value_of(struct fixture *fix, const struct gate_waivers *waivers, enum metric_id id,
         size_t sample)
{
    const struct slo_policy slo = slo_policy_default();
    const struct collect_policy policy = {&slo, waivers};
    AUTO(metrics_clear) struct metrics metrics = {0};

    must(fix, collect_metrics(fix->store, &policy, &metrics, &fix->err));
    return metrics.v[id].samples[sample].value;
}

static void
test_waivers_are_counted_by_whether_they_hold(void **state)
{
    struct fixture *fix = *state;
    int64_t day = clock_wall_ms() / 1000 * 1000 + GATE_DAY_MS;
    struct gate_waiver v[] = {
        {.expires = 1000}, {.expires = day + GATE_DAY_MS}, {.expires = day}};
    const struct gate_waivers some = {v, COUNT(v)};
    const struct gate_waivers none = {0};

    assert_true(value_of(fix, &some, METRIC_WAIVERS, 0) == 2);
    assert_true(value_of(fix, &some, METRIC_WAIVERS, 1) == 1);
    assert_true(value_of(fix, &some, METRIC_WAIVER_EXPIRY, 0) == (double)(day / 1000));
    assert_true(value_of(fix, &none, METRIC_WAIVERS, 0) == 0);
    assert_true(value_of(fix, &none, METRIC_WAIVER_EXPIRY, 0) == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_metric_has_a_writer),
        TEST(test_waivers_are_counted_by_whether_they_hold),
    };

    return cmocka_run_group_tests_name("collect_all", tests, NULL, NULL);
}
