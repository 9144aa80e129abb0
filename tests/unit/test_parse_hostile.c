#include "tests/unit/parse_fixture.h"

#include <time.h>

#include "base/fs.h"

static void
test_long_line_is_read_where_it_matters(void **state)
{
    struct fixture *fix = *state;
    const size_t junk = 3 << 20;
    AUTO(buf_clear) struct buf text = BUF_INIT;

    for (size_t i = 0; i < junk; i++) {
        buf_addc(&text, 'A');
    }
    buf_adds(
        &text,
        " /s/x.c:3:4: runtime error: division by zero\n    #0 0x1 in f /s/x.c:3:4\n");
    assert_string_equal(parse_n(fix, text.data, text.len)->crash_type, "Divide-by-zero");
    assert_string_equal(fix->record->crash_state, "f\n");
}

static void
test_carriage_returns_end_lines(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(
        parse(fix,
              "progress 1%\rprogress 2%\r==1==ERROR: AddressSanitizer: "
              "heap-use-after-free on address 0x60\r\n    #0 0x1 in f /s/a.c:1:2\r\n")
            ->crash_state,
        "f\n");
    assert_string_equal(fix->record->frames[0].file, "/s/a.c");
}

static void
test_any_bytes_become_printable_text(void **state)
{
    static const char text[] =
        "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n"
        "    #0 0x1 in a\xff\0\x1b[1m\x05"
        "b /s/\x80.c:1:2\n";
    struct fixture *fix = *state;
    const struct record *r = parse_n(fix, text, sizeof(text) - 1);

    assert_string_equal(r->frames[0].function, "a\xef\xbf\xbd"
                                               "b");
    assert_string_equal(r->frames[0].file, "/s/\xef\xbf\xbd.c");
}

static void
test_too_many_frames_are_cut(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf text = BUF_INIT;

    buf_adds(
        &text,
        "==1==ERROR: AddressSanitizer: stack-overflow on address 0x7f (pc 0x1 bp 0x1)\n");
    for (int i = 0; i < 40000; i++) {
        buf_addf(&text, "    #%d 0x5 in f%d /s/a.c:%d:3\n", i, i, i);
    }
    assert_int_equal(parse_n(fix, text.data, text.len)->n_frames, RECORD_FRAMES_MAX);
    assert_int_equal(fix->record->frames[RECORD_FRAMES_MAX - 1].n, RECORD_FRAMES_MAX - 1);
}

/* --- deterministic fuzzing: the golden logs with bytes and lines changed --- */

enum { MUTATIONS = 24 };

static uint32_t
next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void
mutate(struct buf *text, uint32_t *seed)
{
    static const char *const tokens[] = {
        "\n",      "\r",         "(",        "[",           "<",
        " in ",    "#0 0x1 in ", "operator", "Sanitizer: ", ": runtime error: ",
        "\xff",    "::",         "'",        "+0x",         "ERROR: AddressSanitizer: ",
        "panic: ", " vs. ",      "note: "};
    size_t at = text->len == 0 ? 0 : next_random(seed) % text->len;
    size_t len = next_random(seed) % 64;

    if (text->len < 128) {
        return;
    }
    len = len < text->len - at ? len : text->len - at;
    switch (next_random(seed) % 4) {
    case 0:
        text->data[at] = (char)next_random(seed);
        break;
    case 1: /* cut out */
        memmove(text->data + at, text->data + at + len, text->len - at - len);
        buf_cut(text, text->len - len);
        break;
    case 2: /* copy over */
        memmove(text->data + next_random(seed) % (text->len - len), text->data + at, len);
        break;
    default: {
        const char *token = tokens[next_random(seed) % COUNT(tokens)];
        size_t n = strlen(token) < text->len - at ? strlen(token) : text->len - at;
        memcpy(text->data + at, token, n);
        break;
    }
    }
}

static void
parse_anything(const struct buf *text, uint32_t seed)
{
    const struct record_options options = {.ooms_and_hangs = (seed & 1) != 0,
                                           .fuzz_target = "x"};
    AUTO(record_free) struct record *record = NULL;
    AUTO(record_free) struct record *copy = NULL;
    AUTO(json_decref) json_t *object = NULL;
    struct err err = ERR_INIT;

    if (parse_report(text->data, text->len, &options, &record, &err) < 0) {
        return;
    }
    assert_int_equal(record_finish(record, &options, &err), 0);
    assert_true(strlen(record->hash_major) == RECORD_HASH_MAX - 1);
    assert_true(record->crash_state[0] != '\0');
    object = record_to_json(record);
    if (record_from_json(object, &copy, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    assert_string_equal(copy->crash_state, record->crash_state);
}

static int
fuzz_log(void *user, const char *path, const struct stat *st, struct err *err)
{
    AUTO(buf_clear) struct buf log = BUF_INIT;
    AUTO(buf_clear) struct buf text = BUF_INIT;
    uint32_t *seed = user;

    if (st == NULL || strcmp(fs_base(path), "log") != 0) {
        return 0;
    }
    assert_int_equal(fs_read(path, 1 << 20, &log, err), 0);
    for (int i = 0; i < MUTATIONS; i++) {
        buf_cut(&text, 0);
        buf_add(&text, log.data, log.len);
        for (int k = 0; k <= i; k++) {
            mutate(&text, seed);
        }
        if (text.len > 0) {
            parse_anything(&text, *seed);
        }
    }
    return 0;
}

static void
test_mutated_reports_never_break_the_parser(void **state)
{
    struct fixture *fix = *state;
    uint32_t seed = 20240229;

    assert_int_equal(fs_walk("tests/golden", fuzz_log, &seed, &fix->err), 0);
    assert_true(seed != 20240229); /* there were logs */
}

/* --- cost --- */

static int64_t
cpu_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
fill(struct buf *text, const char *head, const char *unit)
{
    buf_cut(text, 0);
    buf_adds(text, head);
    while (text->len < 1 << 20) {
        buf_adds(text, unit);
    }
}

static void
test_cost_is_linear_on_hostile_text(void **state)
{
    static const char head[] =
        "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n";
    static const struct {
        const char *head;
        const char *unit;
    } texts[] = {
        {"", "[a:b(1)"},
        {"", "A"},
        {head, "[a:b(1)\n"},
        {head, "    #0 0x1 in f /s/a.c:1:2\n"},
        {head, head},
        {"==1==ERROR: AddressSanitizer: x on address 0x1\n    #0 0x1 in ", "f("},
        {"", "x.c:1: Assertion `x' failed.\n"},
        {"# Fatal error in x, line 3\n", "# x\n"},
        /* lines that ask for a word of the whole text */
        {"SCARINESS: 10 (signal)\n",
         "x.c:1: Assertion `x' failed.\n==1==ERROR: AddressSanitizer: SEGV on unknown "
         "address 0x1\n"},
        {"x.c:1: Assertion `x' failed.\n",
         "ASSERT failed: x\n==1==ERROR: AddressSanitizer: SEGV on unknown address 0x1\n"},
        {"", "===BUG DETECTED: PySecSan: x\n"},
        {"", "#0 0x1 in f\nxSanitize\n"},
        {"", "terminate called after throwing an instance of 'x'\n"},
        {"", "Segmentation fault\n#0 0x1 in f\n"},
        {"", "Error: x\n    at f (x.js:1:2)\n"},
        {"", "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n"},
        {"BUG: KASAN: x in f at addr 1\n", "[    1.0]  f+0x1/0x2\n"},
        {"signal 11 (SIGSEGV), fault addr 0x1\n",
         "#00 pc 0001 /x (_Z1fIJN1AIiEEEEvv+1)\n"},
        {"==1==ERROR: AddressSanitizer: x on address 0x1\n",
         "1 x 0x1 _ZN1AIS_S_E1fEv + 1\n"},
    };
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf text = BUF_INIT;
    int64_t before = cpu_ms();

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct record *record = NULL;
        fill(&text, texts[i].head, texts[i].unit);
        (void)parse_report(text.data, text.len, &fix->options, &record, &fix->err);
        record_free(record);
    }
    /* 50 ms each in a release build; sanitizers and a busy machine take ten times as
     * long. What backtracks takes minutes. */
    assert_true(cpu_ms() - before < (int64_t)COUNT(texts) * 500);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_long_line_is_read_where_it_matters),
        TEST(test_carriage_returns_end_lines),
        TEST(test_any_bytes_become_printable_text),
        TEST(test_too_many_frames_are_cut),
        TEST(test_mutated_reports_never_break_the_parser),
        TEST(test_cost_is_linear_on_hostile_text),
    };

    return cmocka_run_group_tests_name("parse_hostile", tests, NULL, NULL);
}
