/*
 * nightjar's own report parser, the way a triage worker uses it: text of a target ->
 * record -> JSON line -> record at the other end of the pipe. Any bytes must do. Besides
 * what sanitizers see, promises are checked:
 *  - a record always has a JSON form, valid UTF-8 and bounded, and the far end takes it;
 *  - what is finished twice reads the same, here and at the far end;
 *  - process ids and the addresses of frames have no part in the signature;
 *  - the cost is linear: a quarter of a megabyte of the same text again and again stays
 * far below what any loop over it within another would need.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "triage/parse/parse.h"

enum {
    JSON_MAX = 4 << 20,       /* 512 frames of the longest names, escaped */
    REPEATED_MAX = 256 << 10, /* bytes */
    REPEATED_FROM = 512,      /* only short inputs are repeated, */
    REPEATED_EACH = 64,       /* and of those one in so many */
    CPU_MS_MAX = 4000,        /* under a sanitizer; a quadratic cost is minutes */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct record_options how = {
    .fuzz_target = "nightjar-parse",
    .ooms_and_hangs = true, /* so that reports of timeouts count as well */
    .asserts_are_security = true,
};

static void
broken(const char *promise, const char *detail)
{
    (void)fprintf(stderr, "broken promise: %s%s%s\n", promise,
                  detail[0] == '\0' ? "" : ": ", detail);
    abort();
}

/* NULL: the text holds no crash. */
static struct record *
read_report(const char *text, size_t len)
{
    struct record *record = NULL;
    struct err err = ERR_INIT;

    if (parse_report(text, len, &how, &record, &err) != 0) {
        return NULL;
    }
    if (record_finish(record, &how, &err) != 0) {
        broken("a record can be finished", err.msg);
    }
    return record;
}

static void
check_round_trip(struct record *record)
{
    AUTO(record_free) struct record *copy = NULL;
    AUTO(buf_clear) struct buf first = BUF_INIT;
    AUTO(buf_clear) struct buf second = BUF_INIT;
    struct err err = ERR_INIT;

    record_write_json(record, NULL, &first);
    if (first.len > JSON_MAX) {
        broken("JSON is bounded", "");
    }
    AUTO(json_decref) json_t *object = json_loadb(first.data, first.len, 0, NULL);
    if (object == NULL) {
        broken("a record has a JSON form", buf_str(&first));
    }
    if (record_from_json(object, &copy, &err) != 0) {
        broken("the far end takes a record", err.msg);
    }
    if (record_finish(copy, &how, &err) != 0) {
        broken("the far end can finish a record", err.msg);
    }
    record_write_json(copy, NULL, &second);
    if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0) {
        broken("finishing twice changes nothing", buf_str(&second));
    }
}

/* A name that has an address or a process id in it: hostile, and then part of the key. */
static int
names_numbers(const struct record *record)
{
    const char *texts[] = {record->crash_type, record->state_override};

    for (size_t i = 0; i < 2; i++) {
        if (texts[i] != NULL &&
            (strstr(texts[i], "0x") != NULL || strstr(texts[i], "==") != NULL)) {
            return 1;
        }
    }
    for (size_t i = 0; i < record->n_frames; i++) {
        const struct frame *f = &record->frames[i];
        const char *names[] = {f->function, f->file, f->module};
        for (size_t k = 0; k < 3; k++) {
            if (names[k] != NULL &&
                (strstr(names[k], "0x") != NULL || strstr(names[k], "==") != NULL)) {
                return 1;
            }
        }
    }
    return 0;
}

static int
are_hex(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return 0;
        }
    }
    return 1;
}

/* "==123==" at the start of a line gets other digits; "#1 0x5581f3a4c2d0 " another page.
 */
static void
move_process(char *text, size_t len)
{
    for (size_t i = 0; i + 2 < len; i++) {
        if (i > 0 && text[i - 1] != '\n') {
            continue;
        }
        size_t at = i;
        if (text[at] == '=' && text[at + 1] == '=') {
            for (at += 2; at < len && text[at] >= '0' && text[at] <= '9'; at++) {
                text[at] = (char)('0' + (text[at] - '0' + 3) % 10);
            }
            continue;
        }
        while (at < len && text[at] == ' ') {
            at++;
        }
        while (at < len && (text[at] == '#' || (text[at] >= '0' && text[at] <= '9'))) {
            at++;
        }
        if (at + 15 < len && at > i && memcmp(text + at, " 0x", 3) == 0 &&
            text[at + 15] == ' ' && are_hex(text + at + 3, 12)) {
            char *digit = text + at + 9; /* the seventh of twelve */
            *digit = "123456789abcdef0"[*digit <= '9' ? *digit - '0' : *digit - 'a' + 10];
        }
    }
}

static void
check_other_process(const struct record *record, const char *text, size_t len)
{
    AUTO(mem_free) char *moved = mem_dup(text, len);

    if (names_numbers(record)) {
        return;
    }
    move_process(moved, len);
    AUTO(record_free) struct record *other = read_report(moved, len);
    if (other != NULL && !names_numbers(other) &&
        strcmp(record->hash_major, other->hash_major) != 0) {
        broken("process ids and addresses are not in the signature", "");
    }
}

static int64_t
cpu_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
check_cost(const char *text, size_t len)
{
    AUTO(mem_free) char *many = mem_alloc(REPEATED_MAX);
    size_t filled = 0;

    for (; filled + len <= REPEATED_MAX; filled += len) {
        memcpy(many + filled, text, len);
    }
    int64_t before = cpu_ms();
    record_free(read_report(many, filled));
    if (cpu_ms() - before > CPU_MS_MAX) {
        broken("the cost is linear", "");
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(mem_free) char *text = mem_dup(data, size);
    unsigned sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum += data[i];
    }
    if (size > 0 && size <= REPEATED_FROM && sum % REPEATED_EACH == 0) {
        check_cost(text, size);
    }
    AUTO(record_free) struct record *record = read_report(text, size);
    if (record != NULL) {
        check_round_trip(record);
        check_other_process(record, text, size);
    }
    return 0;
}
