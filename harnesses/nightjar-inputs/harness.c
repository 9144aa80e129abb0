/*
 * All that nightjar reads and others may have written, but for the reports of
 * nightjar-parse: what a triage worker, llvm-symbolizer or gdb answers, options,
 * settings, the files of AFL++, programs; and inputs that are made smaller. The first
 * four bytes choose ("rec:", "elf:"); any others choose by their first byte, so that an
 * engine finds every parser from nothing. Files are written below a folder of this
 * process, since those parsers take paths.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/config.h"
#include "orchestrator/corpus/afl_tree.h"
#include "orchestrator/corpus/dictionary.h"
#include "orchestrator/corpus/go_corpus.h"
#include "orchestrator/corpus/libfuzzer_control.h"
#include "orchestrator/engine/aflpp_stats.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/target.h"
#include "triage/gdb_mi.h"
#include "triage/program.h"
#include "triage/record.h"
#include "triage/shrink.h"
#include "triage/store/store_private.h"
#include "triage/symbolize_answer.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64]; /* of this process; "w1" in it is AFL++'s instance */

static void
write_file(const char *name, const uint8_t *data, size_t size, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        (void)fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
        exit(1); /* NOLINT(concurrency-mt-unsafe): a single thread */
    }
}

static json_t *
object_of(const uint8_t *data, size_t size)
{
    return json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
}

/* New string; what stands behind a NUL is cut off, as in a line of C. */
static char *
text_of(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1);

    memcpy(text, data, size);
    return text;
}

/* A record from the other end of a pipe: what is accepted can be finished and sent on. */
static void
read_record(const uint8_t *data, size_t size)
{
    AUTO(json_decref) json_t *object = object_of(data, size);
    AUTO(record_free) struct record *record = NULL;
    AUTO(record_free) struct record *copy = NULL;
    struct record_options options = RECORD_OPTIONS_INIT;
    struct err err = ERR_INIT;

    if (object == NULL || record_from_json(object, &record, &err) != 0) {
        return;
    }
    AUTO(json_decref) json_t *again = NULL;
    if (record_finish(record, &options, &err) != 0 ||
        (again = record_to_json(record)) == NULL ||
        record_from_json(again, &copy, &err) != 0) {
        (void)fprintf(stderr, "an accepted record is not accepted again: %s\n", err.msg);
        abort();
    }
}

static void
read_answer(const uint8_t *data, size_t size)
{
    AUTO(json_decref) json_t *object = object_of(data, size);
    AUTO(store_answer_clear) struct answer answer = {0};
    const struct job job = {.kind = JOB_TRIAGE, .id = 1, .crash = 1};

    if (object != NULL) {
        (void)store_answer_read(&job, object, &answer, NULL);
    }
}

static void
read_symbols(const uint8_t *data, size_t size)
{
    AUTO(json_decref) json_t *object = object_of(data, size);
    AUTO(symbol_names_clear) struct symbol_names names = {0};

    if (object != NULL) {
        symbol_names_read(object, &names);
    }
}

static void
read_gdb(const uint8_t *data, size_t size)
{
    AUTO(gdb_mi_clear) struct gdb_mi line = {0};

    (void)gdb_mi_parse((const char *)data, size, &line, NULL);
}

static void
read_options(const uint8_t *data, size_t size)
{
    AUTO(target_list_clear) struct target_list list = {0};
    char path[128];

    write_file("target.options", data, size, path);
    (void)target_read_options(path, target_list_add(&list, "t"), NULL);
}

static void
read_config(const uint8_t *data, size_t size)
{
    AUTO(config_free) struct config *config = NULL;
    char path[128];

    write_file("nightjar.yaml", data, size, path);
    (void)config_load_settings(path, &config, NULL);
}

static void
read_afl_setup(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"w1/fuzzer_setup", "w1/cmdline",
                                        "w1/fuzzer_stats"};
    AUTO(afl_setup_clear) struct afl_setup setup = {0};
    char instance[128];
    char path[128];

    if (size == 0) {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    write_file(names[data[0] % 3], data + 1, size - 1, path);
    (void)snprintf(instance, sizeof(instance), "%s/w1", folder);
    (void)afl_setup_read(instance, &setup, NULL);
}

static void
read_afl_stats(const uint8_t *data, size_t size)
{
    AUTO(engine_view_clear) struct engine_view view = {0};
    const struct engine_job job = {.folder = folder, .number = 1, .count = 1, .cpu = -1};
    const uint8_t *cut = memchr(data, 0, size);
    size_t first = cut == NULL ? size : (size_t)(cut - data);
    char path[128];

    engine_view_begin(&view);
    write_file("w1/fuzzer_stats", data, first, path);
    write_file("w1/plot_data", data + first, size - first, path);
    aflpp_base(&job, &view);
    aflpp_poll(&job, &view);
}

static void
read_program(const uint8_t *data, size_t size)
{
    struct probe probe = {0};
    struct strv libraries = {0};
    char path[128];

    write_file("program", data, size, path);
    (void)target_probe(path, &probe, NULL);
    program_library_folders(path, &libraries);
    (void)program_libraries(path, &libraries);
    strv_clear(&libraries);
}

static void
split_words(const uint8_t *data, size_t size)
{
    AUTO(mem_free) char *text = text_of(data, size);
    struct strv words = {0};

    (void)str_shell_split(text, &words, NULL);
    strv_clear(&words);
}

/* The lines that engines print. */
static void
read_lines(const uint8_t *data, size_t size)
{
    const struct engine_job job = {.folder = folder, .number = 1, .count = 1, .cpu = -1};

    for (size_t i = 0; engine_table[i] != NULL; i++) {
        AUTO(engine_view_clear) struct engine_view view = {0};
        char reason[ENGINE_REASON_MAX] = "";
        engine_view_begin(&view);
        for (size_t at = 0; at < size;) {
            const uint8_t *end = memchr(data + at, '\n', size - at);
            size_t len = end == NULL ? size - at : (size_t)(end - data) - at;
            size_t shown = len < ENGINE_LINE_MAX ? len : ENGINE_LINE_MAX;
            AUTO(mem_free) char *line = text_of(data + at, shown);
            engine_table[i]->line(&job, &view, line, strlen(line));
            at += len + 1;
        }
        (void)engine_table[i]->classify(&view, 256, reason);
    }
}

/* --- the search for a smaller input, on any bytes --- */

static int
holds_first_byte(void *user, const struct buf *list, size_t n, size_t *shown,
                 int64_t *execs, struct err *err)
{
    const uint8_t *wanted = user;

    (void)err;
    *shown = n;
    for (size_t i = n; i-- > 0;) {
        bool holds =
            list[i].len > 0 && memchr(list[i].data, *wanted, list[i].len) != NULL;
        *shown = holds ? i : *shown;
    }
    *execs += (int64_t)n;
    return 0;
}

static void
shrink_bytes(const uint8_t *data, size_t size)
{
    uint8_t wanted = size > 0 ? data[0] : 0;
    const struct shrink_oracle oracle = {
        .user = &wanted, .width = 1 + wanted % 3, .test = holds_first_byte};
    const struct shrink_limits limits = {.execs = 300};
    AUTO(shrink_result_clear) struct shrink_result result = {0};

    if (size == 0) {
        return;
    }
    shrink(&oracle, &limits, data, size, &result);
    if (memchr(buf_str(&result.bytes), wanted, result.bytes.len) == NULL) {
        (void)fprintf(stderr, "what was to be kept is gone\n");
        abort();
    }
}

/* A repaired dictionary needs no repair. */
static void
read_dictionary(const uint8_t *data, size_t size)
{
    AUTO(buf_clear) struct buf once = BUF_INIT;
    AUTO(buf_clear) struct buf twice = BUF_INIT;
    AUTO(strv_clear) struct strv notes = {0};
    AUTO(strv_clear) struct strv none = {0};
    size_t entries;
    size_t again;

    dictionary_repair("d", (const char *)data, size, &once, &entries, &notes);
    dictionary_repair("d", buf_str(&once), once.len, &twice, &again, &none);
    if (none.n != 0 || entries != again || once.len != twice.len ||
        memcmp(buf_str(&once), buf_str(&twice), once.len) != 0) {
        abort();
    }
}

/* What it stands for is never longer than its text. */
static void
read_go_input(const uint8_t *data, size_t size)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    if (go_corpus_is((const char *)data, size) &&
        go_corpus_decode((const char *)data, size, &out) == 0 && out.len >= size) {
        abort();
    }
}

/* A merge's control file: indices stay below the number of files. */
static void
read_control(const uint8_t *data, size_t size)
{
    struct control control;
    struct control_line line;
    size_t n = control_begin(&control, (const char *)data, size, 1000);

    for (line.word = n == 0 ? CONTROL_END : CONTROL_NAME; line.word != CONTROL_END;) {
        control_next(&control, n, &line);
        if (line.word == CONTROL_STARTED || line.word == CONTROL_FEATURES) {
            if (line.index >= n) {
                abort();
            }
            while (control_number(&line.text, line.end) >= 0) {
            }
        }
    }
}

static const struct {
    const char *word;
    void (*read)(const uint8_t *data, size_t size);
} parsers[] = {
    {"rec:", read_record},     {"ans:", read_answer},    {"sym:", read_symbols},
    {"gdb:", read_gdb},        {"opt:", read_options},   {"yml:", read_config},
    {"afl:", read_afl_setup},  {"sta:", read_afl_stats}, {"elf:", read_program},
    {"spl:", split_words},     {"lib:", read_lines},     {"shr:", shrink_bytes},
    {"dic:", read_dictionary}, {"goc:", read_go_input},  {"ctl:", read_control},
};

static void
remove_folder(void)
{
    char path[128];
    static const char *const names[] = {
        "w1/fuzzer_setup", "w1/cmdline", "w1/fuzzer_stats",
        "w1/plot_data",    "w1",         "target.options",
        "nightjar.yaml",   "program",    ""};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)remove(path);
    }
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char path[128];

    (void)argc;
    (void)argv;
    (void)snprintf(folder, sizeof(folder), "/tmp/nightjar-inputs-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        (void)fprintf(stderr, "cannot make a folder in /tmp: %s\n", strerror(errno));
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/w1", folder);
    (void)mkdir(path, 0700);
    (void)atexit(remove_folder);
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t count = sizeof(parsers) / sizeof(*parsers);

    if (size < 4) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (memcmp(data, parsers[i].word, 4) == 0) {
            parsers[i].read(data + 4, size - 4);
            return 0;
        }
    }
    parsers[data[0] % count].read(data + 1, size - 1);
    return 0;
}
