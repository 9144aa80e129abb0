#include "tests/unit/store_fixture.h"

#include "base/hash.h"

static struct job_outcome
die(struct fixture *fix, const struct job *job, const char *reason)
{
    struct job_outcome outcome = {0};

    must(fix, store_fail_job(fix->store, job, reason, &outcome, &fix->err));
    return outcome;
}

static void
reopen(struct fixture *fix)
{
    store_close(STEAL(fix->store));
    must(fix, store_open(fix->state, DB_WRITE, &fix->store, &fix->err));
}

static void
test_next_gives_the_oldest_with_its_input(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job first = {0};
    AUTO(job_clear) struct job second = {0};
    AUTO(job_clear) struct job none = {0};
    AUTO(buf_clear) struct buf input = BUF_INIT;
    AUTO(mem_free) char *path = fs_join(fix->work, "input");

    (void)give(fix, "a", "aaaa");
    (void)give(fix, "b", "bbbb");
    assert_int_equal(next_job(fix, 0, &first), 1);
    assert_int_equal(first.crash, 1);
    assert_int_equal(first.kind, JOB_TRIAGE);
    assert_int_equal(first.attempt, 1);
    assert_int_equal(fs_read(path, 100, &input, NULL), 0);
    assert_string_equal(buf_str(&input), "aaaa");
    assert_string_equal(json_get_str(first.request, "op", ""), "triage");
    assert_string_equal(json_get_str(first.request, "input", ""), path);
    assert_int_equal(json_get_int(first.request, "job", 0), first.id);
    assert_int_equal(json_get_int(first.request, "runs", 0), 3);
    const json_t *options = json_object_get(first.request, "options");
    assert_string_equal(json_get_str(options, "fuzz_target", ""), "t");
    assert_true(json_get_bool(options, "ooms_and_hangs", false));
    const json_t *command = json_object_get(first.request, "command");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(command, "argv"), 0)),
        "/bin/true");
    assert_int_equal(next_job(fix, 0, &second), 1);
    assert_int_equal(second.crash, 2);
    assert_int_not_equal(second.id, first.id);
    assert_int_equal(next_job(fix, 0, &none), 0);
}

static int
next_crash(struct fixture *fix, const char *input, struct job *job)
{
    const struct job_options options = {.folder = fix->work,
                                        .input = input,
                                        .runs = 3,
                                        .minimize_ms = 1000,
                                        .crashes_only = true};

    int rc = store_next_job(fix->store, &options, job, &fix->err);
    must(fix, rc);
    return rc;
}

static void
test_next_has_the_input_where_it_is_wanted(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job job = {0};
    AUTO(buf_clear) struct buf input = BUF_INIT;
    AUTO(mem_free) char *path = fs_join(fix->work, "other");

    (void)give(fix, "a", "aaaa");
    assert_int_equal(next_crash(fix, "other", &job), 1);
    assert_int_equal(fs_read(path, 100, &input, NULL), 0);
    assert_string_equal(buf_str(&input), "aaaa");
    assert_string_equal(json_get_str(job.request, "input", ""), path);
}

static void
test_next_of_crashes_alone_minimizes_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job none = {0};
    AUTO(job_clear) struct job job = {0};

    (void)triage(fix, "input", &(struct said){0});
    assert_int_equal(next_crash(fix, NULL, &none), 0);
    assert_int_equal(next_job(fix, 1000, &job), 1);
    assert_int_equal(job.kind, JOB_MINIMIZE);
}

/* As if it had never been handed out, however often that is said. */
static void
test_returned_job_is_the_next_again_and_does_not_count(void **state)
{
    struct fixture *fix = *state;

    (void)give(fix, "a", "aaaa");
    (void)give(fix, "b", "bbbb");
    for (int i = 0; i < 2 * STORE_HANDOUTS_MAX; i++) {
        AUTO(job_clear) struct job job = {0};
        assert_int_equal(next_job(fix, 0, &job), 1);
        assert_int_equal(job.crash, 1);
        assert_int_equal(number(fix, "SELECT attempts FROM crash WHERE id = 1"), 1);
        must(fix, store_return_job(fix->store, &job, &fix->err));
        must(fix, store_return_job(fix->store, &job, &fix->err));
        assert_int_equal(number(fix, "SELECT attempts FROM crash WHERE id = 1"), 0);
    }
    assert_int_equal(triage_next(fix, &(struct said){0}).bug, 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE state = 'triaged'"),
                     1);
    assert_clean(fix);
}

/* What a worker that was taken over may leave there is replaced, not written through. */
static void
test_next_writes_through_no_link_of_a_worker(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *victim = put_bytes(fix, "victim", "precious", 8);
    AUTO(mem_free) char *input = fs_join(fix->work, "input");
    static const char *const texts[] = {"a longer one", "b", "cc", "ddd"};

    for (int i = 0; i < 4; i++) {
        AUTO(job_clear) struct job job = {0};
        AUTO(buf_clear) struct buf bytes = BUF_INIT;
        AUTO(buf_clear) struct buf kept = BUF_INIT;
        (void)give(fix, texts[i], texts[i]);
        if (i > 1) {
            assert_int_equal(unlink(input), 0);
            assert_int_equal(i == 2 ? symlink(victim, input) : link(victim, input), 0);
        }
        assert_int_equal(next_job(fix, 0, &job), 1);
        assert_int_equal(fs_read(input, 100, &bytes, &fix->err), 0);
        assert_string_equal(buf_str(&bytes), texts[i]);
        assert_int_equal(fs_read(victim, 100, &kept, &fix->err), 0);
        assert_string_equal(buf_str(&kept), "precious");
    }
}

static void
test_next_gives_what_was_handed_out_again_after_a_restart(void **state)
{
    struct fixture *fix = *state;

    (void)give(fix, "a", "aaaa");
    for (int i = 0; i < STORE_HANDOUTS_MAX; i++) {
        AUTO(job_clear) struct job job = {0};
        assert_int_equal(next_job(fix, 0, &job), 1);
        assert_int_equal(job.crash, 1);
        assert_int_equal(job.attempt, 1); /* nobody died of it */
        reopen(fix);
    }
    /* an input that ends nightjar itself each time must not do so for ever */
    AUTO(job_clear) struct job job = {0};
    assert_int_equal(next_job(fix, 0, &job), 0);
    assert_int_equal(
        number(fix, "SELECT count(*) FROM crash WHERE state = 'untriageable'"), 1);
    assert_clean(fix);
}

static void
test_two_deaths_make_untriageable_for_good(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job first = {0};
    AUTO(job_clear) struct job second = {0};
    AUTO(job_clear) struct job none = {0};
    AUTO(mem_free) char *path = fs_join(fix->folder, "a");

    (void)give(fix, "a", "aaaa");
    assert_int_equal(next_job(fix, 0, &first), 1);
    assert_string_equal(die(fix, &first, "signal 9 (KILL)").state, "queued");
    assert_string_equal(die(fix, &first, "told twice").state, "queued");
    reopen(fix);
    assert_int_equal(next_job(fix, 0, &second), 1);
    assert_int_equal(second.attempt, 2);
    assert_string_equal(die(fix, &second, "signal 9 \033[2J(KILL)").state,
                        "untriageable");
    assert_string_equal(die(fix, &second, "told twice").state, "untriageable");
    reopen(fix);
    assert_int_equal(next_job(fix, 0, &none), 0);
    assert_string_equal(die(fix, &second, "late").state, "untriageable");
    assert_int_equal(number(fix, "SELECT reason = 'signal 9 [2J(KILL)' FROM crash"), 1);
    assert_false(give_path(fix, path, "triage").is_new);
    assert_int_equal(next_job(fix, 0, &none), 0); /* giving it again does not help */
    assert_int_equal(
        number(fix,
               "SELECT count(*) FROM event WHERE kind = 'crash.state' AND subject_id = 1"
               " AND from_state = 'queued' AND to_state = 'untriageable'"),
        1);
    assert_clean(fix);
}

static void
test_two_failures_of_the_machine_make_broken(void **state)
{
    struct fixture *fix = *state;
    static const char *const states[] = {"queued", "broken"};

    (void)give(fix, "a", "aaaa");
    for (int i = 0; i < 2; i++) {
        AUTO(job_clear) struct job job = {0};
        AUTO(json_decref) json_t *answer = json_object();
        struct job_outcome outcome = {0};
        assert_int_equal(next_job(fix, 0, &job), 1);
        json_put(answer, "job", json_integer(job.id));
        json_put(answer, "error", json_string("no memory for a pipe"));
        must(fix, store_finish_job(fix->store, &job, answer, &outcome, &fix->err));
        assert_string_equal(outcome.state, states[i]);
    }
    assert_int_equal(number(fix, "SELECT count(*) FROM bug"), 0);
    assert_int_equal(number(fix, "SELECT count(*) FROM target WHERE replay = 'broken'"),
                     1);
    assert_clean(fix);
}

static void
test_crash_without_a_command_is_broken_with_the_cure(void **state)
{
    struct fixture *fix = *state;
    const struct record_settings settings = {0};
    AUTO(job_clear) struct job job = {0};
    AUTO(job_clear) struct job report = {0};

    must(fix,
         store_put_target(fix->store, "r", NULL, &settings, &fix->target, &fix->err));
    (void)give(fix, "a", "aaaa");
    assert_int_equal(next_job(fix, 0, &job), 0);
    assert_int_equal(number(fix,
                            "SELECT reason LIKE '%nightjar triage --target NAME FILE -- "
                            "COMMAND @@' FROM crash WHERE state = 'broken'"),
                     1);
    /* a report needs none, and may have the same bytes */
    assert_int_equal(give_report(fix, "a", "aaaa"), 2);
    assert_int_equal(next_job(fix, 0, &report), 1);
    assert_int_equal(report.kind, JOB_REPORT);
    assert_string_equal(json_get_str(report.request, "op", ""), "report");
    assert_true(json_is_null(json_object_get(report.request, "command")));
    assert_clean(fix);
}

static void
test_crash_whose_bytes_are_lost_is_put_aside(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job job = {0};
    char sha256[HASH_HEX_MAX];

    files_only(fix);
    (void)give(fix, "a", "aaaa");
    (void)give(fix, "b", "bbbb");
    hash_sha256("aaaa", 4, sha256);
    AUTO(mem_free) char *file = store_blob_path(fix->store, sha256);
    assert_int_equal(fs_write(file, "junk", 4, 0600, NULL), 0);
    assert_int_equal(next_job(fix, 0, &job), 1);
    assert_int_equal(job.crash, 2);
    assert_int_equal(number(fix, "SELECT reason LIKE '%is damaged%' FROM crash"
                                 " WHERE state = 'untriageable'"),
                     1);
}

static void
test_next_fails_when_the_workers_folder_does(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job job = {0};

    (void)give(fix, "a", "aaaa");
    must(fix, fs_remove(fix->work, &fix->err));
    assert_int_equal(fs_write(fix->work, "", 0, 0600, NULL), 0);
    assert_int_equal(try_next_job(fix, 0, &job), -ENOTDIR);
    assert_int_equal(number(fix, "SELECT attempts FROM crash"), 0);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE state = 'queued'"), 1);
}

/* --- minimization --- */

static struct job_outcome
small(struct fixture *fix, const struct job *job, const char *bytes, bool finished,
      const struct said *said)
{
    AUTO(json_decref) json_t *answer = answer_of(job, said);
    AUTO(mem_free) char *output = fs_join(fix->work, "output");
    struct job_outcome outcome = {0};

    if (bytes != NULL) {
        assert_int_equal(fs_write(output, bytes, strlen(bytes), 0600, NULL), 0);
    }
    json_put(answer, "bytes",
             json_integer(bytes == NULL ? 0 : (json_int_t)strlen(bytes)));
    json_put(answer, "execs", json_integer(9));
    json_put(answer, "finished", json_boolean(finished));
    must(fix, store_finish_job(fix->store, job, answer, &outcome, &fix->err));
    return outcome;
}

static void
test_minimization_begins_with_the_worst_when_nothing_waits(void **state)
{
    struct fixture *fix = *state;
    const struct said low = {.type = "Null-dereference READ", .frames = {"low", "main"}};
    const struct said high = {.write = true, .frames = {"high", "main"}};
    const struct said flaky = {
        .write = true, .frames = {"flaky", "main"}, .k = 1, .n = 3};
    AUTO(job_clear) struct job job = {0};
    AUTO(job_clear) struct job second = {0};
    AUTO(job_clear) struct job none = {0};

    (void)triage(fix, "low input", &low);
    (void)triage(fix, "high input", &high);
    (void)triage(fix, "flaky input", &flaky);
    assert_int_equal(next_job(fix, 0, &none), 0);
    (void)give(fix, "q", "queued");
    assert_int_equal(next_job(fix, 5000, &job), 1);
    assert_int_equal(job.kind, JOB_TRIAGE);
    job_clear(&job);
    assert_int_equal(next_job(fix, 5000, &job), 1);
    assert_int_equal(job.kind, JOB_MINIMIZE);
    assert_int_equal(job.bug, 2);
    assert_int_equal(job.crash, 2);
    assert_string_equal(json_get_str(job.request, "op", ""), "minimize");
    assert_int_equal(json_get_int(job.request, "wall_ms", 0), 5000);
    assert_int_equal(strlen(json_get_str(job.request, "major", "")), 40);
    assert_int_equal(next_job(fix, 5000, &second), 1);
    assert_int_equal(second.bug, 1);
    assert_int_equal(next_job(fix, 5000, &none), 0); /* what flickers is not minimized */
}

static void
test_minimized_reproducer_replaces_the_input_and_keeps_the_original(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    AUTO(job_clear) struct job job = {0};
    AUTO(job_clear) struct job none = {0};
    AUTO(bug_clear) struct bug bug = {0};
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    (void)triage(fix, "long input", &said);
    assert_int_equal(next_job(fix, 5000, &job), 1);
    struct job_outcome outcome = small(fix, &job, "li", true, &said);
    assert_string_equal(outcome.bug_name, "NJ-1");
    assert_false(outcome.bug_is_new);
    (void)small(fix, &job, "l", true, &said); /* told again: nothing changes */
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_true(bug.minimized);
    assert_int_equal(bug.reproducer_bytes, 2);
    must(fix, store_blob(fix->store, bug.reproducer, &bytes, &fix->err));
    must(fix, store_blob(fix->store, bug.original, &bytes, &fix->err));
    assert_string_equal(buf_str(&bytes), "lilong input");
    assert_int_equal(next_job(fix, 5000, &none), 0);
    assert_clean(fix);
}

/* What it came upon is filed where its signature is not known, once, and only as a file:
 * a link may have been put there. */
static void
test_other_crashes_of_a_minimization_are_filed(void **state)
{
    static const char unknown[] = "1111111111111111111111111111111111111111";
    struct fixture *fix = *state;
    const struct said said = {0};
    struct job_outcome outcome = {0};
    AUTO(job_clear) struct job job = {0};
    AUTO(mem_free) char *output = fs_join(fix->work, "output");
    AUTO(mem_free) char *known = mem_printf("%s.found-0", output);
    AUTO(mem_free) char *other = mem_printf("%s.found-1", output);
    AUTO(mem_free) char *link = mem_printf("%s.found-2", output);

    (void)triage(fix, "long input", &said);
    assert_int_equal(next_job(fix, 5000, &job), 1);
    AUTO(json_decref) json_t *answer = answer_of(&job, &said);
    const char *majors[] = {json_get_str(job.request, "major", ""), unknown, unknown};
    json_t *found = json_array();
    for (size_t i = 0; i < COUNT(majors); i++) {
        (void)json_array_append_new(
            found, json_pack("{s:{s:{s:s}}}", "record", "hash", "major", majors[i]));
    }
    json_put(answer, "found", found);
    json_put(answer, "bytes", json_integer(2));
    json_put(answer, "finished", json_true());
    must(fix, fs_write(output, "li", 2, 0600, &fix->err));
    must(fix, fs_write(known, "known", 5, 0600, &fix->err));
    must(fix, fs_write(other, "other", 5, 0600, &fix->err));
    assert_int_equal(symlink("/etc/hostname", link), 0);
    must(fix, store_finish_job(fix->store, &job, answer, &outcome, &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM crash"), 2);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE source = 'minimize'"
                                 " AND state = 'queued'"),
                     1);
    must(fix, store_finish_job(fix->store, &job, answer, &outcome, &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM crash"), 2);
    assert_clean(fix);
}

/* The journal goes with the bug from job to job, and with its minimization. */
static void
test_the_journal_of_a_minimization_is_kept(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    AUTO(job_clear) struct job job = {0};
    AUTO(job_clear) struct job next = {0};
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    AUTO(mem_free) char *journal = fs_join(fix->work, "journal");
    AUTO(mem_free) char *kept = mem_printf("%s/minimize/NJ-1.journal", fix->state);

    (void)triage(fix, "long input", &said);
    assert_int_equal(next_job(fix, 5000, &job), 1);
    assert_false(fs_exists(journal));
    must(fix, fs_write(journal, "verdicts", 8, 0600, &fix->err));
    job.interrupted = true;
    (void)small(fix, &job, "long", false, &said);
    assert_true(fs_exists(kept));
    must(fix, fs_write(journal, "of another bug", 14, 0600, &fix->err));
    assert_int_equal(next_job(fix, 5000, &next), 1);
    must(fix, fs_read(journal, 99, &bytes, &fix->err));
    assert_string_equal(buf_str(&bytes), "verdicts");
    (void)small(fix, &next, "lo", true, &said);
    assert_false(fs_exists(kept));
}

static void
test_unfinished_minimization_goes_on_in_later_runs_but_not_for_ever(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    static const char *const steps[] = {"aaaaa", "aaaa", "aaa"};

    (void)triage(fix, "aaaaaa", &said);
    for (size_t i = 0; i < COUNT(steps); i++) {
        AUTO(job_clear) struct job job = {0};
        AUTO(job_clear) struct job none = {0};
        assert_int_equal(next_job(fix, 5000, &job), 1);
        (void)small(fix, &job, steps[i], false, &said);
        assert_int_equal(next_job(fix, 5000, &none), 0);
        assert_clean(fix);
        reopen(fix);
    }
    AUTO(job_clear) struct job none = {0};
    assert_int_equal(next_job(fix, 5000, &none), 0);
    assert_int_equal(
        number(fix, "SELECT b.bytes FROM bug JOIN blob b ON b.id = reproducer"), 3);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug WHERE minimize = 'done'"), 1);
}

static void
test_an_interrupted_minimization_does_not_count_and_goes_on(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};

    (void)triage(fix, "aaaaaa", &said);
    for (int i = 0; i < 5; i++) {
        AUTO(job_clear) struct job job = {0};
        assert_int_equal(next_job(fix, 5000, &job), 1);
        assert_int_equal(job.kind, JOB_MINIMIZE);
        job.interrupted = true;
        (void)small(fix, &job, i == 0 ? "aaaaa" : "aaaa", false, &said);
        assert_int_equal(number(fix, "SELECT minimize_attempts FROM bug"), 0);
        assert_clean(fix);
    }
    assert_int_equal(
        number(fix, "SELECT b.bytes FROM bug JOIN blob b ON b.id = reproducer"), 4);
    assert_int_equal(
        number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.minimize'"), 2);
}

static void
test_minimization_that_shows_nothing_is_given_up(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    const struct said clean = {.outcome = "clean", .k = 0, .n = 3};
    AUTO(job_clear) struct job job = {0};

    (void)triage(fix, "input", &said);
    assert_int_equal(next_job(fix, 5000, &job), 1);
    (void)small(fix, &job, NULL, true, &clean);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug WHERE minimize = 'given_up'"),
                     1);
    assert_int_equal(
        number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.minimize' AND detail ="
                    " '{\"reason\":\"the reproducer did not show its bug any more\"}'"),
        1);
    assert_clean(fix);
}

/* While a bug is minimized a crash may join that is smaller than what comes of it. */
static void
test_minimization_that_came_too_late_is_no_death(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    AUTO(job_clear) struct job job = {0};
    AUTO(job_clear) struct job again = {0};

    (void)triage(fix, "a long input", &said);
    assert_int_equal(next_job(fix, 5000, &job), 1);
    (void)triage(fix, "bb", &said);
    (void)small(fix, &job, "a lon", true, &said);
    assert_int_equal(
        number(fix, "SELECT b.bytes FROM bug JOIN blob b ON b.id = reproducer"), 2);
    assert_int_equal(number(fix, "SELECT minimize_deaths FROM bug"), 0);
    assert_int_equal(next_job(fix, 5000, &again), 1);
    (void)small(fix, &again, "b", true, &said);
    assert_int_equal(
        number(fix, "SELECT b.bytes FROM bug JOIN blob b ON b.id = reproducer"), 1);
    assert_clean(fix);
}

/* Each is refused like a worker's death; two of them end the try. */
static void
test_minimization_refuses_what_a_worker_may_not_do(void **state)
{
    struct fixture *fix = *state;
    const struct said other = {.frames = {"elsewhere", "main"}};
    AUTO(mem_free) char *output = fs_join(fix->work, "output");
    static const char *const bytes[] = {"in", "input that grew", NULL, "in"};

    for (int i = 0; i < 4; i++) {
        AUTO(job_clear) struct job job = {0};
        char text[32];
        (void)snprintf(text, sizeof(text), "input %d", i);
        const struct said own = {.frames = {text, "main"}};
        (void)triage(fix, text, &own);
        assert_int_equal(next_job(fix, 5000, &job), 1);
        if (i == 3) { /* a link to what the worker itself may not read */
            assert_int_equal(symlink("/etc/hostname", output), 0);
            AUTO(json_decref) json_t *answer = answer_of(&job, &own);
            struct job_outcome outcome;
            json_put(answer, "bytes", json_integer(1));
            must(fix, store_finish_job(fix->store, &job, answer, &outcome, &fix->err));
        } else {
            (void)small(fix, &job, bytes[i], true, i == 0 ? &other : &own);
        }
        assert_int_equal(number(fix, "SELECT max(minimize_deaths) FROM bug"), 1);
        assert_string_equal(die(fix, &job, "again").state, "triaged");
        struct job again = job;
        again.attempt = 2;
        assert_string_equal(die(fix, &again, "and again").state, "triaged");
        assert_int_equal(
            number(fix, "SELECT count(*) FROM bug WHERE minimize = 'waiting'"), 0);
        execute(fix, "UPDATE bug SET minimize_deaths = 0");
        assert_int_equal(
            number(fix, "SELECT count(*) FROM bug WHERE reproducer <> original"), 0);
    }
    assert_clean(fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_next_gives_the_oldest_with_its_input),
        TEST(test_next_has_the_input_where_it_is_wanted),
        TEST(test_next_of_crashes_alone_minimizes_nothing),
        TEST(test_returned_job_is_the_next_again_and_does_not_count),
        TEST(test_next_writes_through_no_link_of_a_worker),
        TEST(test_next_gives_what_was_handed_out_again_after_a_restart),
        TEST(test_two_deaths_make_untriageable_for_good),
        TEST(test_two_failures_of_the_machine_make_broken),
        TEST(test_crash_without_a_command_is_broken_with_the_cure),
        TEST(test_crash_whose_bytes_are_lost_is_put_aside),
        TEST(test_next_fails_when_the_workers_folder_does),
        TEST(test_minimization_begins_with_the_worst_when_nothing_waits),
        TEST(test_minimized_reproducer_replaces_the_input_and_keeps_the_original),
        TEST(test_other_crashes_of_a_minimization_are_filed),
        TEST(test_the_journal_of_a_minimization_is_kept),
        TEST(test_unfinished_minimization_goes_on_in_later_runs_but_not_for_ever),
        TEST(test_an_interrupted_minimization_does_not_count_and_goes_on),
        TEST(test_minimization_that_shows_nothing_is_given_up),
        TEST(test_minimization_that_came_too_late_is_no_death),
        TEST(test_minimization_refuses_what_a_worker_may_not_do),
    };

    return cmocka_run_group_tests_name("store_jobs", tests, NULL, NULL);
}
