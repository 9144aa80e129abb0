#include "triage/native.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/native_core.h"
#include "triage/native_gdb.h"
#include "triage/native_report.h"
#include "triage/program.h"

enum { MEMORY_UNLIMITED = 4 };

char *
native_debugger(void)
{
    return program_find("gdb");
}

/* --- the run --- */

struct under_gdb {
    const char *gdb;
    int signal;
    bool moving;
    bool slow; /* it came to a limit: once is enough */
};

static void
put_arguments(const void *user, const struct command *command, const char *input,
              struct strv *argv)
{
    const struct under_gdb *how = user;

    native_gdb_run(how->gdb, command, input, how->signal, how->moving, argv);
}

/* What gdb looks at. */
struct sight {
    const struct replay_config *config;
    const void *input;
    size_t len;
};

/* Run gdb and read what it says. */
static int
ask(const struct sight *sight, struct replay_tool tool, struct limit_run *run,
    struct native_state *state, struct err *err)
{
    const struct command *command = sight->config->command;
    AUTO(strv_clear) struct strv env = {0};

    native_gdb_environment(&env);
    tool.env = &env;
    tool.limit =
        (struct limit){.wall_ms = command->timeout_ms + NATIVE_GDB_MS,
                       .memory_bytes = command->memory_bytes == 0
                                           ? (int64_t)NATIVE_GDB_MEMORY * MEMORY_UNLIMITED
                                           : command->memory_bytes + NATIVE_GDB_MEMORY,
                       .output_bytes = NATIVE_OUTPUT_MAX};
    int rc = replay_with(sight->config, &tool, sight->input, sight->len, run, err);
    if (rc == 0) {
        native_gdb_read(buf_str(&run->output), run->output.len, state);
    }
    return rc;
}

static bool
has_crash(const struct native_state *state)
{
    return state->fault.signal != 0 && state->seen != NULL && state->seen->n_frames > 0;
}

/* One run under gdb: 1 when it stopped by the same signal, with a stack, else 0. A gdb
 * that is gone is none. */
static int
look(const struct sight *sight, struct under_gdb *how, struct native_state *state,
     struct err *err)
{
    AUTO(limit_run_clear) struct limit_run run = {0};
    const struct replay_tool tool = {.user = how, .arguments = put_arguments};
    int rc = ask(sight, tool, &run, state, err);

    if (rc < 0) {
        return rc;
    }
    how->slow = run.hit != LIMIT_NONE;
    return has_crash(state) && state->fault.signal == how->signal ? 1 : 0;
}

/* --- the record --- */

/* gdb's frames as the record's. With a symbolizer they are named by it, as those of a
 * sanitizer's report are, so that one crash has one signature; gdb shows inlined
 * functions as frames of their own, which the symbolizer does itself. */
static void
take_frames(struct record *record, const struct record *seen, bool by_symbolizer)
{
    int n = 0;

    record_forget_frames(record);
    for (size_t i = 0; i < seen->n_frames; i++) {
        const struct frame *from = &seen->frames[i];
        bool named = by_symbolizer && from->module != NULL && from->module[0] == '/';
        struct frame *to = named && from->inlined ? NULL : record_add_frame(record);
        if (to == NULL) {
            continue;
        }
        *to = *from;
        to->n = n++;
        to->function = named ? NULL : mem_strdup(from->function);
        to->file = named ? NULL : mem_strdup(from->file);
        to->line = named ? 0 : from->line;
        to->module = mem_strdup(from->module);
    }
}

/* gdb's names for what the symbolizer knows no name of. */
static void
name_rest(struct record *record, const struct record *seen)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        struct frame *frame = &record->frames[i];
        for (size_t k = 0; frame->function == NULL && k < seen->n_frames; k++) {
            const struct frame *from = &seen->frames[k];
            if (from->address == frame->address && !from->inlined) {
                frame->function = mem_strdup(from->function);
                frame->file = mem_strdup(from->file);
                frame->line = from->line;
                break;
            }
        }
    }
}

static void
take_stack(const struct replay_config *config, struct record *record,
           const struct record *seen)
{
    take_frames(record, seen, config->symbolizer != NULL);
    if (config->symbolizer != NULL) {
        symbolize_record(config->symbolizer, record);
        name_rest(record, seen);
    }
    record->n_registers = 0; /* a sanitizer may have told some of them */
    for (size_t i = 0; i < seen->n_registers; i++) {
        record_add_register(record, seen->registers[i].name, seen->registers[i].value);
    }
}

static void
judge(const struct replay_config *config, struct record *record,
      const struct native_state *state)
{
    take_stack(config, record, state->seen);
    native_rules(record, &state->fault);
}

/* Of a jump to where there is no code a sanitizer's report has the callers of the
 * function that jumped, or, where looking for them faults as well, nothing; never that
 * function. */
static bool
lacks_caller(const struct record *record)
{
    return (record->facts & (FACT_PC_IS_ADDRESS | FACT_PC_NULL)) != 0;
}

/* The signal that gdb is to wait for; 0: there is nothing that it could add. */
static int
unexplained_signal(const struct replay_config *config, const struct replay_run *run)
{
    if (config->debugger == NULL || run->outcome != REPLAY_CRASH ||
        access(config->debugger, X_OK) != 0) {
        return 0;
    }
    if (lacks_caller(run->record)) {
        return SIGSEGV;
    }
    bool bare = WIFSIGNALED(run->status) && run->record->n_frames == 0;
    return bare ? WTERMSIG(run->status) : 0;
}

int
native_explain(const struct replay_config *config, const void *input, size_t len,
               struct replay_run *run, struct err *err)
{
    AUTO(native_state_clear) struct native_state state = {0};
    const struct sight sight = {config, input, len};
    struct under_gdb how = {.gdb = config->debugger};
    int rc = 0;

    how.signal = unexplained_signal(config, run);
    if (how.signal == 0) {
        return 0;
    }
    bool reported = lacks_caller(run->record);
    rc = look(&sight, &how, &state, err);
    if (rc == 0 && !how.slow) {
        how.moving = true;
        rc = look(&sight, &how, &state, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (rc == 0) {
        AUTO(mem_free) char *said = STEAL(run->record->message);
        run->record->message = mem_printf("%s; under gdb it did not happen again", said);
        return 0;
    }
    run->report.max = run->report.len + NATIVE_REPORT_MAX; /* behind what was printed */
    if (reported) {
        take_stack(config, run->record, state.seen);
        native_report_stack(run->record, &run->report);
    } else {
        judge(config, run->record, &state);
        native_report(run->record, &state.fault, &run->report);
    }
    return record_finish(run->record, config->options, err);
}

/* --- core files --- */

struct of_core {
    const char *gdb, *core;
};

static void
put_core_arguments(const void *user, const struct command *command, const char *input,
                   struct strv *argv)
{
    const struct of_core *of = user;

    (void)input;
    native_gdb_core(of->gdb, command->argv.v[0], of->core, argv);
}

/* The last line that is no answer: what gdb says to a person of a file that it cannot
 * read. */
static int
no_crash_in(const struct limit_run *run, struct err *err)
{
    AUTO(buf_clear) struct buf said = {.max = RECORD_LINE_MAX};
    const char *text = buf_str(&run->output);

    for (const char *line = text; *line != '\0'; line += line[0] == '\n' ? 1 : 0) {
        size_t len = strcspn(line, "\n");
        if (len > 0 && !(line[0] >= '0' && line[0] <= '9') && line[0] != '~') {
            buf_cut(&said, 0);
            str_clean(&said, line, len);
        }
        line += len;
    }
    return err_set(err, -ENODATA, "gdb finds no crash in it%s%s%s",
                   said.len > 0 ? ": '" : "", buf_str(&said), said.len > 0 ? "'" : "");
}

int
native_core(const struct replay_config *config, const char *core, struct replay_run *out,
            struct err *err)
{
    AUTO(native_state_clear) struct native_state state = {0};
    AUTO(limit_run_clear) struct limit_run run = {0};
    AUTO(replay_run_clear) struct replay_run result = {.outcome = REPLAY_CRASH};
    const struct of_core of = {config->debugger, core};
    const struct sight sight = {config, "", 0};
    const struct replay_tool tool = {.user = &of, .arguments = put_core_arguments};

    if (config->debugger == NULL) {
        return err_set(err, -ENOENT,
                       "there is no gdb in PATH to read a core file: apt install gdb");
    }
    int rc = ask(&sight, tool, &run, &state, err);
    if (rc < 0) {
        return rc;
    }
    rc = native_core_check(core, config->command->argv.v[0], state.program,
                           state.program_start, err);
    if (rc < 0) {
        return rc;
    }
    if (!has_crash(&state)) {
        return no_crash_in(&run, err);
    }
    result.record = record_from_signal(state.fault.signal);
    judge(config, result.record, &state);
    native_report(result.record, &state.fault, &result.report);
    rc = record_finish(result.record, config->options, err);
    if (rc == 0) {
        result.wall_ms = run.wall_ms;
        *out = result;
        memset(&result, 0, sizeof(result)); /* out owns it now */
    }
    return rc;
}
