#include "triage/record.h"

#include <errno.h>
#include <signal.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/place.h"
#include "triage/severity.h"
#include "triage/signature.h"
#include "triage/stack.h"

static void
frame_clear(struct frame *frame)
{
    mem_free(frame->function);
    mem_free(frame->file);
    mem_free(frame->module);
    mem_free(frame->build_id);
}

void
record_free(struct record *record)
{
    if (record == NULL) {
        return;
    }
    mem_free(record->sanitizer);
    mem_free(record->crash_type);
    mem_free(record->crash_address);
    mem_free(record->crash_state);
    mem_free(record->crash_line);
    mem_free(record->message);
    mem_free(record->state_override);
    mem_free(record->memory.name);
    mem_free(record->memory.place);
    record_forget_frames(record);
    mem_free(record->instruction);
    mem_free(record->registers);
    mem_free(record->place);
    mem_free(record->last_words);
    strv_clear(&record->reasons);
    strv_clear(&record->grouping);
    mem_free(record);
}

void
record_forget_frames(struct record *record)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        frame_clear(&record->frames[i]);
    }
    mem_free(record->frames);
    record->frames = NULL;
    record->n_frames = 0;
}

struct frame *
record_add_frame(struct record *record)
{
    const size_t step = 32;

    if (record->n_frames == RECORD_FRAMES_MAX) {
        return NULL;
    }
    if (record->n_frames % step == 0) {
        record->frames = mem_resize(record->frames,
                                    (record->n_frames + step) * sizeof(*record->frames));
    }
    struct frame *frame = &record->frames[record->n_frames++];
    *frame = (struct frame){0};
    return frame;
}

void
record_add_register(struct record *record, const char *name, uint64_t value)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");

    if (len == 0 || name[len] != '\0' || len >= RECORD_REGISTER_NAME ||
        record->n_registers == RECORD_REGISTERS_MAX) {
        return;
    }
    if (record->registers == NULL) {
        record->registers = mem_array(RECORD_REGISTERS_MAX, sizeof(*record->registers));
    }
    struct record_register *added = &record->registers[record->n_registers++];
    memcpy(added->name, name, len + 1);
    added->value = value;
}

int
record_finish(struct record *record, const struct record_options *options,
              struct err *err)
{
    int rc = stack_decide(record, options, err);

    if (rc < 0) {
        return rc;
    }
    severity_decide(record, options);
    signature_make(record);
    place_make(record, options);
    return 0;
}

/* --- records without a report --- */

static struct record *
bare_record(const char *type, char *message, unsigned facts)
{
    struct record *record = mem_alloc(sizeof(*record));

    record->sanitizer = mem_strdup("none");
    record->crash_type = mem_strdup(type);
    record->message = message;
    record->facts = facts;
    return record;
}

struct record *
record_from_signal(int signal_number)
{
    static const struct {
        const char *name;
        const char *type;
        int number;
        bool harmless;
    } signals[] = {
        {"SIGSEGV", "UNKNOWN", SIGSEGV, false},
        {"SIGABRT", "Abrt", SIGABRT, true},
        {"SIGFPE", "Floating-point-exception", SIGFPE, true},
        {"SIGILL", "Illegal-instruction", SIGILL, true},
        {"SIGBUS", "Bus", SIGBUS, true},
        {"SIGTRAP", "Trap", SIGTRAP, true},
        {"SIGSYS", "Bad-system-call", SIGSYS, true},
    };

    for (size_t i = 0; i < COUNT(signals); i++) {
        if (signals[i].number == signal_number) {
            return bare_record(
                signals[i].type,
                mem_printf("killed by %s; it printed no report", signals[i].name),
                signals[i].harmless ? FACT_HARMLESS_SIGNAL : 0);
        }
    }
    return bare_record(
        "Fatal-signal",
        mem_printf("killed by signal %d; it printed no report", signal_number), 0);
}

struct record *
record_timeout(int64_t limit_ms)
{
    char limit[64];

    str_duration_show(limit, sizeof(limit), limit_ms);
    return bare_record("Timeout",
                       mem_printf("killed after %s, the limit of one run", limit),
                       FACT_HIT_LIMIT);
}

struct record *
record_out_of_memory(int64_t limit_bytes)
{
    char limit[64];

    str_bytes_show(limit, sizeof(limit), limit_bytes);
    return bare_record("Out-of-memory",
                       mem_printf("killed at %s, the memory limit of one run", limit),
                       FACT_HIT_LIMIT);
}

/* --- words --- */

static const char *const severities[] = {
    [SEVERITY_INFO] = "info",         [SEVERITY_LOW] = "low",
    [SEVERITY_MEDIUM] = "medium",     [SEVERITY_HIGH] = "high",
    [SEVERITY_CRITICAL] = "critical", NULL,
};

const char *
severity_name(enum severity severity)
{
    return severities[severity];
}

int
severity_parse(const char *name, enum severity *out, struct err *err)
{
    for (size_t i = 0; severities[i] != NULL; i++) {
        if (strcmp(severities[i], name) == 0) {
            *out = (enum severity)i;
            return 0;
        }
    }
    const char *near = str_suggest(name, severities);
    if (near != NULL) {
        return err_set(err, -EINVAL, "'%s' is no severity (did you mean '%s'?)", name,
                       near);
    }
    return err_set(err, -EINVAL,
                   "'%s' is no severity: critical, high, medium, low or info", name);
}

const char *
record_build_kind(const char *word)
{
    static const char *const kinds[] = {"afl",      "cmplog",  "sanitizer", "libfuzzer",
                                        "coverage", "release", "given"};

    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (strcmp(kinds[i], word) == 0) {
            return kinds[i];
        }
    }
    return NULL;
}

char *
record_type_line(const char *crash_type)
{
    char *line = mem_strdup(crash_type);

    for (char *c = line; *c != '\0'; c++) {
        if (*c == '\n') {
            *c = ' ';
        }
    }
    return line;
}

char *
record_top_frame(const char *crash_type, const char *crash_state)
{
    bool assertion = strncmp(crash_type, "ASSERT", 6) == 0 ||
                     strstr(crash_type, "CHECK failure") != NULL;
    const char *second = strchr(crash_state, '\n');

    if (assertion && second != NULL && second[1] != '\0') {
        crash_state = second + 1;
    }
    size_t len = strcspn(crash_state, "\n");
    const char *slash = crash_state[0] == '/' ? memrchr(crash_state, '/', len) : NULL;
    if (slash != NULL && slash + 1 < crash_state + len) {
        len -= (size_t)(slash + 1 - crash_state);
        crash_state = slash + 1;
    }
    return len == 0 ? mem_strdup("-") : mem_dup(crash_state, len);
}
