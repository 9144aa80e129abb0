#include "tests/unit/store_fixture.h"

static int
list_variant(void *user, const struct variant *variant, struct err *err)
{
    struct buf *out = user;
    AUTO(mem_free) char *type = record_type_line(variant->crash_type);

    (void)err;
    buf_addf(out, "%s %lld/%lld %s in %s; ", variant->target, (long long)variant->crashes,
             (long long)variant->stacks, type, variant->crash_state);
    return 0;
}

static void
test_variants_are_counted_by_signature_and_target(void **state)
{
    struct fixture *fix = *state;
    const struct said here = {.frames = {"a", "b", "main"}};
    const struct said there = {.frames = {"a", "c", "main"}};
    AUTO(buf_clear) struct buf out = BUF_INIT;

    (void)triage(fix, "1", &here);
    (void)triage(fix, "2", &there);
    (void)triage(fix, "3", &there);
    execute(fix, "UPDATE crash SET bug = 1 WHERE bug IS NOT NULL");
    must(fix, store_variants(fix->store, 1, 10, list_variant, &out, &fix->err));
    assert_string_equal(buf_str(&out), "t 2/1 Heap-buffer-overflow READ 4 in a\nc\n; "
                                       "t 1/1 Heap-buffer-overflow READ 4 in a\nb\n; ");
    buf_clear(&out);
    must(fix, store_variants(fix->store, 1, 1, list_variant, &out, &fix->err));
    assert_string_equal(buf_str(&out), "t 2/1 Heap-buffer-overflow READ 4 in a\nc\n; ");
}

/* Of equal stacks one record is kept: the other target's crash reads as it does. */
static void
test_variants_of_equal_signatures_read_alike(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {.frames = {"a", "b", "main"}};
    AUTO(buf_clear) struct buf out = BUF_INIT;

    (void)triage(fix, "1", &said);
    (void)triage(fix, "2", &said);
    execute(fix, "DELETE FROM record WHERE crash = 2");
    execute(fix, "INSERT INTO target (name, settings, program, first_seen)"
                 " VALUES ('other', '{}', '', 1)");
    execute(fix, "UPDATE crash SET target = (SELECT id FROM target WHERE name = 'other')"
                 " WHERE id = 2");
    must(fix, store_variants(fix->store, 1, 10, list_variant, &out, &fix->err));
    assert_string_equal(buf_str(&out),
                        "t 1/1 Heap-buffer-overflow READ 4 in a\nb\n; "
                        "other 1/1 Heap-buffer-overflow READ 4 in a\nb\n; ");
}

static void
test_variants_without_a_record_are_counted_too(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {.frames = {"a", "b", "main"}};
    AUTO(buf_clear) struct buf out = BUF_INIT;

    (void)triage(fix, "1", &said);
    execute(fix, "DELETE FROM record");
    must(fix, store_variants(fix->store, 1, 10, list_variant, &out, &fix->err));
    assert_string_equal(buf_str(&out), "t 1/1  in ; ");
    buf_clear(&out);
    must(fix, store_variants(fix->store, 7, 10, list_variant, &out, &fix->err));
    assert_int_equal(out.len, 0);
}

static int
list_event(void *user, const struct event_row *event, struct err *err)
{
    struct buf *out = user;

    (void)err;
    assert_true(event->at > 0);
    buf_addf(out, "%s %s>%s %s %s; ", event->kind, event->from, event->to, event->actor,
             json_get_str(event->detail, "why", "-"));
    return 0;
}

static void
test_events_are_the_newest_in_order(void **state)
{
    struct fixture *fix = *state;
    AUTO(json_decref) json_t *detail = json_object();
    AUTO(buf_clear) struct buf out = BUF_INIT;
    const struct event first = {.kind = "a", .subject = "gate", .subject_id = 5};
    const struct event second = {.kind = "b",
                                 .subject = "gate",
                                 .subject_id = 5,
                                 .from = "new",
                                 .to = "open",
                                 .detail = detail,
                                 .actor = "me"};
    const struct event other = {.kind = "c", .subject = "target", .subject_id = 5};
    struct event_range range = {.subject = "gate", .subject_id = 5, .limit = 10};

    json_put(detail, "why", json_string("seen"));
    must(fix, store_event(fix->store, &first, &fix->err));
    must(fix, store_event(fix->store, &second, &fix->err));
    must(fix, store_event(fix->store, &other, &fix->err));
    must(fix, store_events(fix->store, &range, list_event, &out, &fix->err));
    assert_string_equal(buf_str(&out), "a > nightjar -; b new>open me seen; ");
    assert_int_equal(range.older, 0);
    range.limit = 1;
    buf_clear(&out);
    must(fix, store_events(fix->store, &range, list_event, &out, &fix->err));
    assert_string_equal(buf_str(&out), "b new>open me seen; ");
    assert_int_equal(range.older, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_variants_are_counted_by_signature_and_target),
        TEST(test_variants_of_equal_signatures_read_alike),
        TEST(test_variants_without_a_record_are_counted_too),
        TEST(test_events_are_the_newest_in_order),
    };

    return cmocka_run_group_tests_name("store_history", tests, NULL, NULL);
}
