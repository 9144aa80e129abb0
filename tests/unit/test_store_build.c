#include "tests/unit/store_fixture.h"

#include "triage/build.h"
#include "triage/program.h"

static void
add(struct build_list *list, const char *kind, const char *program)
{
    AUTO(command_clear) struct command command = {.timeout_ms = 1000};

    strv_add(&command.argv, program);
    strv_add(&command.argv, "@@");
    build_list_add(list, kind, &command);
}

/* The target "t" of the fixture with three more builds than its own /bin/true. */
static void
put_four(struct fixture *fix)
{
    AUTO(build_list_clear) struct build_list list = {0};

    add(&list, "sanitizer", "/bin/true");
    add(&list, "libfuzzer", "/b/libfuzzer");
    add(&list, "afl", "/b/afl");
    add(&list, "release", "/b/release");
    must(fix, store_put_builds(fix->store, fix->target, &list, &fix->err));
}

/* "kind kind" of the request's other builds; new string. */
static char *
kinds_for(struct fixture *fix, const char *name, const char *source)
{
    AUTO(mem_free) char *path = put_bytes(fix, name, name, strlen(name));
    AUTO(job_clear) struct job job = {0};
    AUTO(buf_clear) struct buf kinds = BUF_INIT;
    struct job_outcome outcome = {0};

    (void)give_path(fix, path, source);
    assert_int_equal(next_job(fix, 0, &job), 1);
    const json_t *builds = json_object_get(job.request, "builds");
    for (size_t i = 0; i < json_array_size(builds); i++) {
        buf_addf(&kinds, "%s%s", i == 0 ? "" : " ",
                 json_get_str(json_array_get(builds, i), "kind", "?"));
    }
    assert_string_equal(json_get_str(job.request, "build", ""), "sanitizer");
    AUTO(json_decref)
    json_t *answer = answer_of(&job, &(struct said){.outcome = "clean", .n = 1});
    must(fix, store_finish_job(fix->store, &job, answer, &outcome, &fix->err));
    return mem_strdup(buf_str(&kinds));
}

static void
test_builds_are_known_once_and_current_or_not(void **state)
{
    struct fixture *fix = *state;
    AUTO(build_list_clear) struct build_list less = {0};
    AUTO(build_list_clear) struct build_list read = {0};

    put_four(fix);
    put_four(fix);
    assert_int_equal(number(fix, "SELECT count(*) FROM build WHERE current"), 4);
    must(fix, store_builds(fix->store, fix->target, &read, &fix->err));
    assert_int_equal(read.n, 4);
    assert_string_equal(read.v[0].kind, "sanitizer");
    assert_string_equal(build_list_find(&read, "afl")->command.argv.v[0], "/b/afl");
    add(&less, "sanitizer", "/bin/true");
    must(fix, store_put_builds(fix->store, fix->target, &less, &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM build"), 4);
    assert_int_equal(number(fix, "SELECT count(*) FROM build WHERE current"), 1);
    put_four(fix);
    assert_int_equal(number(fix, "SELECT count(*) FROM build WHERE current"), 4);
}

/* A program that was built again is another build; what was run on the old one stays. */
static void
test_build_is_known_by_its_build_id(void **state)
{
    struct fixture *fix = *state;
    AUTO(build_list_clear) struct build_list list = {0};
    AUTO(mem_free) char *id = program_build_id("/bin/true");

    assert_non_null(id);
    add(&list, "sanitizer", "/bin/true");
    must(fix, store_put_builds(fix->store, fix->target, &list, &fix->err));
    AUTO(mem_free)
    char *same =
        mem_printf("SELECT count(*) FROM build WHERE build_id = '%s' AND current", id);
    assert_int_equal(number(fix, same), 1);
    execute(fix, "UPDATE build SET build_id = 'ab'");
    must(fix, store_put_builds(fix->store, fix->target, &list, &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM build"), 2);
    assert_int_equal(number(fix, "SELECT count(*) FROM build WHERE build_id = 'ab'"
                                 " AND NOT current"),
                     1);
    assert_int_equal(number(fix, same), 1);
}

/* The sanitizer build first, then the one that found it, then what is shipped. */
static void
test_request_has_the_builds_that_concern_its_source(void **state)
{
    struct fixture *fix = *state;

    put_four(fix);
    AUTO(mem_free) char *by_afl = kinds_for(fix, "a", "aflpp");
    AUTO(mem_free) char *by_libfuzzer = kinds_for(fix, "b", "libfuzzer");
    AUTO(mem_free) char *by_hand = kinds_for(fix, "c", "triage");
    assert_string_equal(by_afl, "afl release");
    assert_string_equal(by_libfuzzer, "libfuzzer release");
    assert_string_equal(by_hand, "libfuzzer afl release");
}

static json_t *
replays(const char *major)
{
    return json_pack("[{s:s,s:s,s:n,s:i,s:i},{s:s,s:s,s:s,s:i,s:i},"
                     "{s:s,s:s,s:n,s:i,s:i}]",
                     "kind", "sanitizer", "outcome", "clean", "major", "k", 3, "n", 3,
                     "kind", "afl", "outcome", "crash", "major", major, "k", 2, "n", 3,
                     "kind", "release", "outcome", "crash", "major", "k", 1, "n", 3);
}

static json_t *
answer_with_replays(const struct job *job)
{
    json_t *answer = answer_of(job, &(struct said){.k = 2, .n = 3});
    const json_t *record = json_object_get(answer, "record");

    json_put(answer, "replays",
             replays(json_get_str(json_object_get(record, "hash"), "major", "")));
    return answer;
}

static void
test_bug_is_run_on_the_build_that_showed_it(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job job = {0};
    AUTO(command_clear) struct command command = {0};
    struct record_settings settings = {0};
    struct job_outcome outcome = {0};

    put_four(fix);
    (void)give(fix, "a", "aaaa");
    assert_int_equal(next_job(fix, 0, &job), 1);
    AUTO(json_decref) json_t *answer = answer_with_replays(&job);
    must(fix, store_finish_job(fix->store, &job, answer, &outcome, &fix->err));
    assert_int_equal(number(fix, "SELECT count(*) FROM replay"), 3);
    assert_int_equal(number(fix, "SELECT r.k * 10 + r.n FROM replay r JOIN build b"
                                 " ON b.id = r.build WHERE b.kind = 'release'"),
                     13);
    must(fix, store_bug_command(fix->store, 1, &command, &settings, &fix->err));
    assert_string_equal(command.argv.v[0], "/b/afl");
    strv_clear(&settings.ignore_frames);
    /* a build that is gone cannot */
    AUTO(build_list_clear) struct build_list less = {0};
    add(&less, "sanitizer", "/bin/true");
    must(fix, store_put_builds(fix->store, fix->target, &less, &fix->err));
    must(fix, store_bug_command(fix->store, 1, &command, &settings, &fix->err));
    assert_string_equal(command.argv.v[0], "/bin/true");
    strv_clear(&settings.ignore_frames);
    assert_clean(fix);
}

static void
test_replays_are_read_strictly(void **state)
{
    static const char *const wrong[] = {
        "[{\"kind\":\"made-up\",\"outcome\":\"crash\",\"k\":1,\"n\":1}]",
        "[{\"kind\":\"afl\",\"outcome\":\"odd\",\"k\":1,\"n\":1}]",
        "[{\"kind\":\"afl\",\"outcome\":\"crash\",\"k\":2,\"n\":1}]",
        "[{\"kind\":\"afl\",\"outcome\":\"crash\",\"k\":0,\"n\":0}]",
        "[{\"kind\":\"afl\",\"outcome\":\"crash\",\"k\":1,\"n\":1,\"major\":\"xyz\"}]",
        "[1]",
        "[{},{},{},{},{},{},{},{},{},{},{}]",
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(wrong); i++) {
        AUTO(json_decref) json_t *array = json_loads(wrong[i], 0, NULL);
        AUTO(json_decref) json_t *object = json_pack("{s:O}", "replays", array);
        struct answer answer = {0};
        assert_int_equal(store_read_replays(object, &answer, &fix->err), -EBADMSG);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_builds_are_known_once_and_current_or_not),
        TEST(test_build_is_known_by_its_build_id),
        TEST(test_request_has_the_builds_that_concern_its_source),
        TEST(test_bug_is_run_on_the_build_that_showed_it),
        TEST(test_replays_are_read_strictly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
