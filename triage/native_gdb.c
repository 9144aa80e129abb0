#include "triage/native_gdb.h"

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/gdb_mi.h"
#include "triage/parse/span.h"

enum {
    MAPPINGS_MAX = 4096,
    FIRST_FRAMES = 32, /* asked for alone: long names further down cannot damage them */
    SI_KERNEL_CODE = 0x80, /* a fault whose address the processor does not tell */
};

/* What an answer is to; the token of its command. */
enum question {
    ASK_SIGNAL = 1,
    ASK_CODE,
    ASK_ADDRESS,
    ASK_REGISTER_NAMES,
    ASK_REGISTERS,
    ASK_BYTES,
    ASK_FRAMES,
    ASK_MORE_FRAMES,
    ASK_MAPPINGS,
};

/* --- what it is told --- */

/* Before the program is read. */
static const char *const settings_first[] = {
    "set auto-load off",
    "set auto-load safe-path /nonexistent",
    "set libthread-db-search-path /nonexistent",
    "set debuginfod enabled off",
    "set debug-file-directory /usr/lib/debug",
};

static const char *const settings[] = {
    "set width 0",
    "set height 0",
    "set confirm off",
    "set language c",
    "set source open off",
    "set print frame-arguments none",
    "set print elements 64",
    "set print inferior-events off",
    "set print thread-events off",
    "set max-value-size 65536",
    "set backtrace limit 512",
    "set cp-abi auto",
};

/* How the program runs: with a shell, which alone can redirect; what it prints was seen
 * already, and must not stand among the answers. */
static const char *const run_settings[] = {
    "set startup-with-shell on",      "set follow-fork-mode parent",
    "set detach-on-fork on",          "set disable-randomization on",
    "handle all nostop noprint pass",
};

/* General registers come first on every machine: 24 on x86, 34 on arm64. Their values are
 * hexadecimal texts. */
#define GENERAL                                                                        \
    " 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29" \
    " 30 31 32 33"

static const struct {
    enum question token;
    const char *command;
} questions[] = {
    {ASK_SIGNAL, "-data-evaluate-expression $_siginfo.si_signo"},
    {ASK_CODE, "-data-evaluate-expression $_siginfo.si_code"},
    {ASK_ADDRESS, "-data-evaluate-expression \\\"(unsigned long)"
                  "$_siginfo._sifields._sigfault.si_addr\\\""},
    {ASK_REGISTER_NAMES, "-data-list-register-names" GENERAL},
    {ASK_REGISTERS, "-data-list-register-values --skip-unavailable x" GENERAL},
    {ASK_BYTES, "-data-read-memory-bytes $pc 16"},
    {ASK_FRAMES, "-stack-list-frames 0 31"},
    {ASK_MORE_FRAMES, "-stack-list-frames 32 512"},
    /* there is no MI command for mappings; of this table only hexadecimal numbers and the
     * path behind them are read */
    {ASK_MAPPINGS, "-interpreter-exec console \\\"info proc mappings\\\""},
};

static void
tell_f(struct strv *argv, const char *command)
{
    strv_add(argv, "-ex");
    strv_add(argv, command);
}

static void
tell_all(struct strv *argv, const char *option, const char *const *commands, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        strv_add(argv, option);
        strv_add(argv, commands[i]);
    }
}

static void
begin(const char *gdb, struct strv *argv)
{
    static const char *const options[] = {"-nx", "-nh", "-q", "-batch"};

    strv_add(argv, gdb);
    for (size_t i = 0; i < COUNT(options); i++) {
        strv_add(argv, options[i]);
    }
    tell_all(argv, "-iex", settings_first, COUNT(settings_first));
    tell_all(argv, "-iex", settings, COUNT(settings));
}

static void
ask(struct strv *argv)
{
    for (size_t i = 0; i < COUNT(questions); i++) {
        strv_add(argv, "-ex");
        strv_addf(argv, "interpreter-exec mi3 \"%d%s\"", (int)questions[i].token,
                  questions[i].command);
    }
}

/* The program gets its own environment by env(1), from nothing: gdb would add its
 * window's size, and the loader's variables must not reach gdb. */
static void
set_environment(const struct command *command, struct strv *argv)
{
    AUTO(strv_clear) struct strv env = {0};
    AUTO(buf_clear) struct buf line = BUF_INIT;

    command_environment(command, false, &env);
    buf_adds(&line, "set exec-wrapper env -i");
    for (size_t i = 0; i < env.n; i++) {
        buf_addc(&line, ' ');
        str_shell(&line, env.v[i]);
    }
    tell_f(argv, buf_str(&line));
}

static void
set_arguments(const struct command *command, const char *input, struct strv *argv)
{
    AUTO(strv_clear) struct strv words = {0};
    AUTO(buf_clear) struct buf line = BUF_INIT;

    command_arguments(command, input, &words);
    buf_adds(&line, "set args");
    for (size_t i = 1; i < words.n; i++) {
        buf_addc(&line, ' ');
        str_shell(&line, words.v[i]);
    }
    buf_adds(&line, " >/dev/null 2>&1 <");
    str_shell(&line, command->mode == INPUT_STDIN ? input : "/dev/null");
    tell_f(argv, buf_str(&line));
}

void
native_gdb_run(const char *gdb, const struct command *command, const char *input,
               int signal, bool moving, struct strv *argv)
{
    const char *name = sigabbrev_np(signal);

    begin(gdb, argv);
    tell_all(argv, "-ex", run_settings, COUNT(run_settings));
    if (moving) {
        tell_f(argv, "set disable-randomization off");
    }
    set_environment(command, argv);
    set_arguments(command, input, argv);
    if (name != NULL) {
        strv_add(argv, "-ex");
        strv_addf(argv, "handle SIG%s stop print nopass", name);
    }
    tell_f(argv, "run");
    ask(argv);
    strv_add(argv, "--");
    strv_add(argv, command->argv.v[0]);
}

void
native_gdb_core(const char *gdb, const char *program, const char *core, struct strv *argv)
{
    begin(gdb, argv);
    ask(argv);
    strv_add(argv, "--");
    strv_add(argv, program);
    strv_add(argv, core);
}

void
native_gdb_environment(struct strv *env)
{
    static const char *const variables[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                            "LC_ALL=C",
                                            "TZ=UTC",
                                            "HOME=/nonexistent",
                                            "SHELL=/bin/sh",
                                            "TERM=dumb"};

    for (size_t i = 0; i < COUNT(variables); i++) {
        strv_add(env, variables[i]);
    }
}

/* --- what it answers --- */

struct mapping {
    uint64_t start, end;
    uint64_t base;    /* where the file's first byte is, or would be */
    const char *path; /* borrowed from the line */
};

struct answers {
    json_t *of[ASK_MAPPINGS + 1]; /* by token; NULL: none, or an error */
    struct mapping *mappings;
    size_t n_mappings;
    json_t *texts; /* of the mappings: their lines */
};

static void
answers_clear(struct answers *answers)
{
    for (size_t i = 0; i < COUNT(answers->of); i++) {
        json_decref(answers->of[i]);
    }
    mem_free(answers->mappings);
    json_decref(answers->texts);
}
AUTO_DEFINE_CLEAR(struct answers, answers_clear)

void
native_state_clear(struct native_state *state)
{
    record_free(state->seen);
    mem_free(state->program);
    *state = (struct native_state){0};
}

static const char *
skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

static bool
eat_hex(const char **at, uint64_t *value)
{
    const char *from = skip_blanks(*at);
    size_t digits =
        strspn(from + (strncmp(from, "0x", 2) == 0 ? 2 : 0), "0123456789abcdef");

    if (strncmp(from, "0x", 2) != 0 || digits == 0 || digits > 16) {
        return false;
    }
    *value = strtoull(from, NULL, 16);
    *at = from + 2 + digits;
    return true;
}

/* "  0x1000  0x2000  0x1000  0x0  r-xp  /path\n"; core files have no rights there. */
static void
take_mapping(struct answers *answers, json_t *text)
{
    const char *at = json_string_value(text);
    uint64_t start;
    uint64_t end;
    uint64_t size;
    uint64_t offset;

    if (!eat_hex(&at, &start) || !eat_hex(&at, &end) || !eat_hex(&at, &size) ||
        !eat_hex(&at, &offset) || answers->n_mappings == MAPPINGS_MAX) {
        return;
    }
    at = skip_blanks(at);
    if ((*at == 'r' || *at == '-') && strcspn(at, " \n") == 4) {
        at = skip_blanks(at + 4);
    }
    if (*at != '/' && *at != '[') {
        return;
    }
    if (answers->mappings == NULL) {
        answers->mappings = mem_array(MAPPINGS_MAX, sizeof(*answers->mappings));
        answers->texts = json_array();
    }
    (void)json_array_append(answers->texts, text); /* keeps path alive */
    answers->mappings[answers->n_mappings++] =
        (struct mapping){start, end, start - offset, at};
}

static void
take_line(struct answers *answers, const char *line, size_t len)
{
    AUTO(gdb_mi_clear) struct gdb_mi mi = {.token = -1};

    if (gdb_mi_parse(line, len, &mi, NULL) < 0) {
        return;
    }
    if (mi.kind == GDB_MI_STREAM && line[0] == '~') {
        take_mapping(answers, mi.value);
    } else if (mi.kind == GDB_MI_RESULT && mi.token > 0 &&
               mi.token < (int64_t)COUNT(answers->of) &&
               strcmp(mi.class_name, "done") == 0) {
        json_decref(answers->of[mi.token]);
        answers->of[mi.token] = json_incref(mi.value);
    }
}

/* The value of an expression; false when there is none. */
static bool
number_of(const struct answers *answers, enum question question, uint64_t *value)
{
    const char *text = json_get_str(answers->of[question], "value", "");
    bool negative = text[0] == '-';

    if (!isdigit((unsigned char)text[negative ? 1 : 0])) {
        return false;
    }
    uint64_t magnitude = strtoull(text + (negative ? 1 : 0), NULL, 0);
    *value = negative ? (uint64_t)0 - magnitude : magnitude;
    return true;
}

static void
read_fault(const struct answers *answers, struct native_fault *fault)
{
    uint64_t signal = 0;
    uint64_t code = 0;
    const json_t *memory =
        json_array_get(json_object_get(answers->of[ASK_BYTES], "memory"), 0);
    const char *bytes = json_get_str(memory, "contents", "");

    if (!number_of(answers, ASK_SIGNAL, &signal) || signal > SIGSYS) {
        return;
    }
    fault->signal = (int)signal;
    fault->code = number_of(answers, ASK_CODE, &code) ? (int)(int64_t)code : 0;
    fault->has_address = fault->code > 0 && fault->code != SI_KERNEL_CODE &&
                         number_of(answers, ASK_ADDRESS, &fault->address);
    for (size_t i = 0; i < INSTRUCTION_BYTES && isxdigit((unsigned char)bytes[0]) &&
                       isxdigit((unsigned char)bytes[1]);
         i++, bytes += 2) {
        const char pair[] = {bytes[0], bytes[1], '\0'};
        fault->bytes[fault->n_bytes++] = (uint8_t)strtoul(pair, NULL, 16);
    }
}

/* The floating point ones behind x86's general registers are no part of the story. */
static bool
is_general(const char *name)
{
    return !str_starts(name, "st") && (name[0] != 'f' || strlen(name) == 2);
}

static void
read_registers(const struct answers *answers, struct record *record)
{
    const json_t *names =
        json_object_get(answers->of[ASK_REGISTER_NAMES], "register-names");
    const json_t *values = json_object_get(answers->of[ASK_REGISTERS], "register-values");

    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *item = json_array_get(values, i);
        size_t number = (size_t)strtoul(json_get_str(item, "number", "0"), NULL, 10);
        const char *name = json_string_value(json_array_get(names, number));
        const char *value = json_get_str(item, "value", "");
        uint64_t parsed = 0;
        if (name != NULL && is_general(name) && eat_hex(&value, &parsed) &&
            *value == '\0') {
            record_add_register(record, name, parsed);
        }
    }
}

/* --- frames --- */

static const struct mapping *
mapping_of(const struct answers *answers, uint64_t address)
{
    for (size_t i = 0; i < answers->n_mappings; i++) {
        const struct mapping *mapping = &answers->mappings[i];
        if (address >= mapping->start && address < mapping->end) {
            return mapping;
        }
    }
    return NULL;
}

/* A text of the answer, one line, at most max bytes; NULL where there is none or it says
 * that it is not known. New string. */
static char *
text_of(const json_t *frame, const char *key, size_t max)
{
    const char *text = json_get_str(frame, key, "");
    AUTO(buf_clear) struct buf out = {.max = max};

    if (*text == '\0' || strcmp(text, "??") == 0) {
        return NULL;
    }
    str_clean(&out, text, strcspn(text, "\n"));
    return out.len == 0 ? NULL : buf_steal(&out);
}

static void
place_frame(const struct answers *answers, struct frame *frame)
{
    /* a return address may be the first byte behind a function that never returns */
    uint64_t at = frame->address - (frame->n > 0 && frame->address > 0 ? 1 : 0);
    const struct mapping *mapping = mapping_of(answers, at);

    if (mapping == NULL) {
        return;
    }
    size_t len = strcspn(mapping->path, "\n");
    frame->module = mem_dup(mapping->path, len < RECORD_PATH_MAX ? len : RECORD_PATH_MAX);
    frame->offset = at - mapping->base;
    frame->has_offset = true;
}

static void
note_stack(const struct answers *answers, struct native_state *out)
{
    uint64_t sp = 0;
    const struct mapping *mapping =
        instruction_sp(out->seen, &sp) ? mapping_of(answers, sp) : NULL;

    out->fault.above_stack =
        mapping != NULL && out->fault.has_address && out->fault.address >= mapping->end;
}

static void
note_program(const struct answers *answers, struct native_state *out)
{
    for (size_t i = 0; i < answers->n_mappings; i++) {
        const struct mapping *mapping = &answers->mappings[i];
        if (mapping->path[0] == '/') {
            out->program = mem_dup(mapping->path, strcspn(mapping->path, "\n"));
            out->program_start = mapping->start;
            return;
        }
    }
}

static void
read_frame(const struct answers *answers, const json_t *item, struct record *record)
{
    const char *address = json_get_str(item, "addr", "");
    struct frame *frame = record_add_frame(record);

    if (frame == NULL) {
        return;
    }
    frame->n = (int)record->n_frames - 1;
    frame->stack = STACK_CRASH;
    (void)eat_hex(&address, &frame->address);
    frame->function = text_of(item, "func", RECORD_FUNCTION_MAX);
    frame->file = text_of(item, "fullname", RECORD_PATH_MAX);
    if (frame->file == NULL) {
        frame->file = text_of(item, "file", RECORD_PATH_MAX);
    }
    int64_t line = strtol(json_get_str(item, "line", "0"), NULL, 10);
    frame->line = line > 0 && line < INT32_MAX ? (int)line : 0;
    place_frame(answers, frame);
}

/* gdb shows a function at its caller's address when it was inlined there; one that calls
 * itself from one place has equal addresses too, and equal names. */
static void
mark_inlined(struct record *record)
{
    for (size_t i = 0; i + 1 < record->n_frames; i++) {
        struct frame *frame = &record->frames[i];
        const struct frame *next = &record->frames[i + 1];
        frame->inlined = frame->address == next->address && frame->function != NULL &&
                         next->function != NULL &&
                         strcmp(frame->function, next->function) != 0;
    }
}

static void
read_frames(const struct answers *answers, struct record *record)
{
    static const enum question parts[] = {ASK_FRAMES, ASK_MORE_FRAMES};

    for (size_t k = 0; k < COUNT(parts); k++) {
        const json_t *stack = json_object_get(answers->of[parts[k]], "stack");
        for (size_t i = 0; i < json_array_size(stack); i++) {
            read_frame(answers, json_array_get(stack, i), record);
        }
    }
    mark_inlined(record);
}

void
native_gdb_read(const char *text, size_t len, struct native_state *out)
{
    AUTO(answers_clear) struct answers answers = {0};

    while (len > 0) {
        const char *newline = memchr(text, '\n', len);
        size_t line = newline == NULL ? len : (size_t)(newline - text);
        take_line(&answers, text, line);
        line += newline == NULL ? 0 : 1;
        text += line;
        len -= line;
    }
    native_state_clear(out);
    out->seen = mem_alloc(sizeof(*out->seen));
    read_fault(&answers, &out->fault);
    read_registers(&answers, out->seen);
    read_frames(&answers, out->seen);
    note_stack(&answers, out);
    note_program(&answers, out);
    out->truncated = out->seen->n_frames == RECORD_FRAMES_MAX;
}
