/*
 * Each format against tests/golden/reports/CASE/FILE; BLESS=1 in the environment rewrites
 * those. And what holds for any text, however hostile.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/report.h"
#include "orchestrator/publish/report_text.h"

enum { BOMB = 10 << 20, FLOOD = 1200, NAME = 450 };

struct fixture {
    struct findings findings;
    char *folder;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char folder[] = "/tmp/nightjar-report.XXXXXX";

    assert_non_null(mkdtemp(folder));
    fix->folder = mem_strdup(folder);
    fix->findings = (struct findings){.verdict = VERDICT_FAIL,
                                      .fail_on = SEVERITY_HIGH,
                                      .started = 1795787810000,
                                      .ended = 1795787871500,
                                      .execs = 123456,
                                      .triaged = 12,
                                      .source_root = mem_strdup("/src/t")};
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    (void)fs_remove(fix->folder, NULL);
    mem_free(fix->folder);
    findings_clear(&fix->findings);
    mem_free(fix);
    return 0;
}

/* --- findings --- */

struct said {
    int64_t id;
    enum finding_class class;
    enum severity severity;
    const char *type, *function, *file;
    bool blocking;
};

static struct record *
record_of(const struct said *said)
{
    const struct record_options options = {.fuzz_target = "t"};
    struct record *record = mem_alloc(sizeof(*record));
    const char *const functions[] = {said->function, "load", "__libc_start_main",
                                     "make_item"};
    const char *const files[] = {said->file, "/src/t/sub/load file.c",
                                 "/usr/src/libc/start.c", "/src/t/item.c"};

    record->sanitizer = mem_strdup("address");
    record->crash_type = mem_strdup(said->type);
    for (int i = 0; i < 4; i++) {
        struct frame *frame = record_add_frame(record);
        frame->n = i;
        frame->stack = i == 3 ? STACK_ALLOCATED : STACK_CRASH;
        frame->function = mem_strdup(functions[i]);
        frame->file = mem_strdup(files[i]);
        frame->line = 10 + i;
        frame->column = 3;
    }
    assert_int_equal(record_finish(record, &options, NULL), 0);
    return record;
}

static struct finding *
add(struct fixture *fix, const struct said *said)
{
    struct finding *finding = findings_add(&fix->findings);
    struct bug *bug = &finding->bug;
    AUTO(mem_free) char *crash_state = mem_printf("%s\nload\n", said->function);

    bug->id = said->id;
    (void)snprintf(bug->name, sizeof(bug->name), "NJ-%lld", (long long)said->id);
    bug->signature = mem_printf("%040llx", (unsigned long long)said->id);
    bug->crash_type = mem_strdup(said->type);
    bug->crash_state = mem_strdup(crash_state);
    bug->state = mem_strdup("new");
    bug->target = mem_strdup("png_read");
    bug->sanitizer = mem_strdup("address");
    bug->severity = bug->computed_severity = said->severity;
    bug->severity_score = bug->computed_score = 7.5;
    bug->security = true;
    bug->class_name = mem_strdup("heap-buffer-overflow(write)");
    bug->exploitability = mem_strdup("EXPLOITABLE");
    bug->cwe = mem_strdup("CWE-787");
    bug->owner = mem_strdup("@org/png");
    bug->owner_origin = mem_strdup("CODEOWNERS:3");
    bug->crashes = 4;
    bug->first_seen = bug->last_seen = bug->filed = 1795787810000;
    bug->reproducer = mem_printf("%064llx", (unsigned long long)said->id);
    bug->original = mem_strdup(bug->reproducer);
    bug->reproducer_bytes = 17;
    bug->reproducibility = mem_strdup("reliable");
    bug->k = bug->n = 10;
    bug->record = record_of(said);
    finding->class = said->class;
    finding->blocking = said->blocking;
    finding->head = (struct finding_runs){10, 10};
    return finding;
}

static void
add_usual(struct fixture *fix)
{
    static const struct said all[] = {
        {3, FINDING_NEW, SEVERITY_HIGH, "Heap-buffer-overflow\nWRITE 4", "parse",
         "/src/t/parse.c", true},
        {1, FINDING_PRE_EXISTING, SEVERITY_CRITICAL, "Heap-use-after-free\nWRITE 8",
         "free_secret", "/src/t/secret.c", false},
        {4, FINDING_FLAKY, SEVERITY_MEDIUM, "Heap-buffer-overflow\nREAD 1", "peek",
         "/build/elsewhere/peek.c", false},
    };
    struct finding_target *target;

    for (size_t i = 0; i < COUNT(all); i++) {
        (void)add(fix, &all[i]);
    }
    fix->findings.v[0].base = (struct finding_runs){0, 10};
    fix->findings.v[0].reason = mem_strdup("it shows here and not on the base build");
    fix->findings.v[0].artifacts = mem_strdup("artifacts/NJ-3");
    fix->findings.v[1].waiver = mem_strdup("ana until 2026-12-31: the fix is on its way");
    strv_add(&fix->findings.reasons, "NJ-3 (high) is new");
    target = findings_add_target(&fix->findings, "png_read");
    target->ran = true;
    target->execs = 123456;
    target->replays = 3;
    target = findings_add_target(&fix->findings, "png_write");
    target->why = mem_strdup("its build failed");
    findings_sort(&fix->findings);
}

/* Everything that some reader would obey. */
#define HOSTILE                                                                 \
    "\n::error file=x::pwn\n##[set-env name=A]##vso[task]\033[31m<script>|@me " \
    "![x](http://e.org) ]]> \xff\xfe \xef\xbf\xbf \x01 \xe2\x80\x8b "           \
    "\"&'%0A[[ATTACHMENT|/etc]]"

static void
add_hostile(struct fixture *fix)
{
    static const struct said said = {7,
                                     FINDING_NEW,
                                     SEVERITY_HIGH,
                                     "Heap-buffer-overflow" HOSTILE,
                                     "f" HOSTILE,
                                     "/src/t/a" HOSTILE "/../b,c:d%.c",
                                     true};
    struct finding *finding = add(fix, &said);

    mem_free(finding->bug.target);
    finding->bug.target = mem_strdup("t" HOSTILE);
    mem_free(finding->bug.class_name);
    finding->bug.class_name = mem_strdup("c" HOSTILE);
    mem_free(finding->bug.cwe);
    finding->bug.cwe = mem_strdup("CWE-1" HOSTILE);
    finding->reason = mem_strdup("r" HOSTILE);
    finding->waiver = mem_strdup("w" HOSTILE);
    strv_add(&fix->findings.reasons, "why" HOSTILE);
    findings_add_target(&fix->findings, "t" HOSTILE)->why = mem_strdup("y" HOSTILE);
}

/* --- golden files --- */

static void
write_all(struct fixture *fix)
{
    struct err err = ERR_INIT;

    if (report_write_all(&fix->findings, fix->folder, &err) < 0) {
        fail_msg("%s", err.msg);
    }
}

static void
read_report(struct fixture *fix, const char *name, struct buf *out)
{
    AUTO(mem_free) char *path = fs_join(fix->folder, name);

    assert_int_equal(fs_read(path, REPORT_BYTES_MAX, out, NULL), 0);
}

static void
compare(struct fixture *fix, const char *name)
{
    AUTO(mem_free) char *folder = fs_join("tests/golden/reports", name);

    write_all(fix);
    for (size_t i = 0; report_at(i) != NULL; i++) {
        AUTO(buf_clear) struct buf got = BUF_INIT;
        AUTO(buf_clear) struct buf wanted = BUF_INIT;
        AUTO(mem_free) char *path = fs_join(folder, report_at(i)->file);
        read_report(fix, report_at(i)->file, &got);
        if (getenv("BLESS") != NULL) {
            assert_int_equal(fs_mkdirs(folder, 0755, NULL), 0);
            assert_int_equal(fs_write(path, buf_str(&got), got.len, 0644, NULL), 0);
        }
        (void)fs_read(path, REPORT_BYTES_MAX, &wanted, NULL);
        if (strcmp(buf_str(&got), buf_str(&wanted)) != 0) {
            fail_msg("%s is not what is written now:\n%s", path, buf_str(&got));
        }
    }
}

static void
test_every_format_says_what_was_found(void **state)
{
    add_usual(*state);
    compare(*state, "usual");
}

static void
test_nothing_found_is_a_report_too(void **state)
{
    struct fixture *fix = *state;

    fix->findings.verdict = VERDICT_INCONCLUSIVE;
    strv_add(&fix->findings.reasons, "nothing was fuzzed and nothing was triaged here");
    compare(fix, "nothing");
}

static void
test_an_untrusted_change_is_told_no_details(void **state)
{
    struct fixture *fix = *state;

    add_usual(fix);
    fix->findings.untrusted = true;
    compare(fix, "untrusted");
}

static void
test_hostile_text_is_text(void **state)
{
    add_hostile(*state);
    compare(*state, "hostile");
}

/* --- what holds for all --- */

static void
test_of_an_untrusted_change_nothing_tells_an_old_bug_a_stack_or_an_input(void **state)
{
    static const char *const secrets[] = {"secret",   "Use-after-free", "use-after-free",
                                          "sub/load", "artifacts/",     "000000000001"};
    struct fixture *fix = *state;

    add_usual(fix);
    fix->findings.untrusted = true;
    write_all(fix);
    for (size_t i = 0; report_at(i) != NULL; i++) {
        AUTO(buf_clear) struct buf text = BUF_INIT;
        read_report(fix, report_at(i)->file, &text);
        for (size_t k = 0; k < COUNT(secrets); k++) {
            assert_null(strstr(buf_str(&text), secrets[k]));
        }
    }
}

static void
test_no_format_holds_bytes_that_its_reader_would_obey(void **state)
{
    struct fixture *fix = *state;

    add_hostile(fix);
    write_all(fix);
    for (size_t i = 0; report_at(i) != NULL; i++) {
        AUTO(buf_clear) struct buf text = BUF_INIT;
        read_report(fix, report_at(i)->file, &text);
        assert_true(str_is_utf8(buf_str(&text), text.len, NULL));
        assert_int_equal(strlen(buf_str(&text)), text.len);
        for (size_t k = 0; k < text.len; k++) {
            assert_true((unsigned char)text.data[k] >= ' ' || text.data[k] == '\n');
        }
    }
    AUTO(buf_clear) struct buf notes = BUF_INIT;
    read_report(fix, report_annotations.file, &notes);
    assert_null(strstr(buf_str(&notes), "##"));
    for (const char *line = buf_str(&notes); *line != '\0';) {
        assert_true(str_starts(line, "::error ") || str_starts(line, "::warning "));
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        line = end + 1;
    }
}

static char *
bomb(char fill)
{
    char *text = mem_alloc(BOMB + 1);

    memset(text, fill, BOMB);
    return text;
}

static void
test_texts_of_10_mb_are_cut(void **state)
{
    struct fixture *fix = *state;
    static const struct said said = {9,   FINDING_NEW,  SEVERITY_HIGH, "Abrt",
                                     "f", "/src/t/a.c", true};
    struct finding *finding = add(fix, &said);

    mem_free(finding->bug.crash_type);
    finding->bug.crash_type = bomb('*');
    mem_free(finding->bug.crash_state);
    finding->bug.crash_state = bomb('<');
    finding->reason = bomb('%');
    mem_free(finding->bug.record->frames[0].function);
    finding->bug.record->frames[0].function = bomb('&');
    write_all(fix);
    for (size_t i = 0; report_at(i) != NULL; i++) {
        AUTO(buf_clear) struct buf text = BUF_INIT;
        read_report(fix, report_at(i)->file, &text);
        bool whole = report_at(i) == &report_verdict; /* for machines: as `bugs --json` */
        assert_true(whole || text.len < 65536);
    }
}

static void
test_a_flood_stays_within_what_readers_take(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf notes = BUF_INIT;
    AUTO(buf_clear) struct buf summary = BUF_INIT;
    AUTO(buf_clear) struct buf sarif = BUF_INIT;
    char function[NAME + 1] = "";

    memset(function, 'f', NAME);
    for (int i = 0; i < FLOOD; i++) {
        const struct said said = {.id = i + 1,
                                  .class = i % 2 == 0 ? FINDING_NEW : FINDING_FLAKY,
                                  .severity = SEVERITY_HIGH,
                                  .type = "Heap-buffer-overflow\nWRITE 4",
                                  .function = function,
                                  .file = "/src/t/parse.c",
                                  .blocking = i % 2 == 0};
        (void)add(fix, &said);
    }
    findings_sort(&fix->findings);
    write_all(fix);
    read_report(fix, report_annotations.file, &notes);
    int lines = 0;
    for (size_t i = 0; i < notes.len; i++) {
        lines += notes.data[i] == '\n';
    }
    assert_int_equal(lines, 20);
    assert_non_null(strstr(buf_str(&notes), "::error title=nightjar::and 591 more"));
    read_report(fix, report_summary.file, &summary);
    assert_true(summary.len < 1 << 20);
    assert_non_null(strstr(buf_str(&summary), " more: nightjar bugs"));
    read_report(fix, report_sarif.file, &sarif);
    AUTO(json_decref) json_t *log = NULL;
    assert_int_equal(json_parse(buf_str(&sarif), sarif.len, &log, NULL), 0);
    const json_t *run = json_array_get(json_object_get(log, "runs"), 0);
    assert_int_equal(json_array_size(json_object_get(run, "results")), FLOOD);
}

static void
test_a_fingerprint_stays_when_all_but_signature_and_target_changes(void **state)
{
    struct fixture *fix = *state;
    char first[FINDING_FINGERPRINT_MAX];
    char second[FINDING_FINGERPRINT_MAX];

    add_usual(fix);
    struct bug *bug = &fix->findings.v[0].bug;
    report_fingerprint(bug, first);
    bug->id = 99;
    bug->severity = SEVERITY_LOW;
    report_fingerprint(bug, second);
    assert_string_equal(first, second);
    bug->target[0] = 'x';
    report_fingerprint(bug, second);
    assert_string_not_equal(first, second);
}

/* Else a reader takes it for fixed, and for another that is new. */
static void
test_a_fingerprint_stays_where_all_else_is_withheld(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf shown = BUF_INIT;
    AUTO(buf_clear) struct buf withheld = BUF_INIT;
    AUTO(json_decref) json_t *first = NULL;
    AUTO(json_decref) json_t *second = NULL;

    add_usual(fix);
    write_all(fix);
    read_report(fix, report_code_quality.file, &shown);
    fix->findings.untrusted = true;
    write_all(fix);
    read_report(fix, report_code_quality.file, &withheld);
    assert_int_equal(json_parse(buf_str(&shown), shown.len, &first, NULL), 0);
    assert_int_equal(json_parse(buf_str(&withheld), withheld.len, &second, NULL), 0);
    assert_true(json_array_size(first) > 2);
    for (size_t i = 0; i < json_array_size(first); i++) {
        assert_string_equal(
            json_get_str(json_array_get(first, i), "fingerprint", ""),
            json_get_str(json_array_get(second, i), "fingerprint", "none"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_format_says_what_was_found),
        TEST(test_nothing_found_is_a_report_too),
        TEST(test_an_untrusted_change_is_told_no_details),
        TEST(test_hostile_text_is_text),
        TEST(test_of_an_untrusted_change_nothing_tells_an_old_bug_a_stack_or_an_input),
        TEST(test_no_format_holds_bytes_that_its_reader_would_obey),
        TEST(test_texts_of_10_mb_are_cut),
        TEST(test_a_flood_stays_within_what_readers_take),
        TEST(test_a_fingerprint_stays_when_all_but_signature_and_target_changes),
        TEST(test_a_fingerprint_stays_where_all_else_is_withheld),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
