#include "triage/judge.h"

#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/hang.h"
#include "triage/parse/parse.h"

enum {
    EXIT_USAGE_MOST = 64, /* sysexits: EX_USAGE; most programs say 1 or 2 */
    EXIT_NOT_EXECUTABLE = 126,
    EXIT_NOT_FOUND = 127,
    EXIT_SANITIZER = 77, /* see options.c */
};

struct verdict {
    const struct replay_config *config;
    const struct limit_run *run;
    struct replay_run *out;
    struct err *err;
};

/* The line of the output that holds `text`, cleaned; NULL when none does. New string. */
static char *
line_with(const struct buf *output, const char *text)
{
    const char *at =
        output->len == 0 ? NULL : memmem(output->data, output->len, text, strlen(text));
    AUTO(buf_clear) struct buf line = {.max = RECORD_LINE_MAX};

    if (at == NULL) {
        return NULL;
    }
    const char *start = at;
    while (start > output->data && start[-1] != '\n' &&
           at - start < RECORD_LINE_MAX / 2) {
        start--;
    }
    const char *end = memchr(at, '\n', (size_t)(output->data + output->len - at));
    end = end == NULL ? output->data + output->len : end;
    size_t len = (size_t)(end - start);
    str_clean(&line, start, len < RECORD_LINE_MAX ? len : RECORD_LINE_MAX);
    return buf_steal(&line);
}

static bool
holds(const struct buf *output, const char *text)
{
    return output->len > 0 &&
           memmem(output->data, output->len, text, strlen(text)) != NULL;
}

/* The first line that it printed, when that tells how to call it. New string. */
static char *
usage_of(const struct buf *output)
{
    static const char word[] = "usage:";
    AUTO(buf_clear) struct buf line = {.max = RECORD_LINE_MAX};
    size_t at = 0;

    while (at < output->len && strchr(" \t\r\n", output->data[at]) != NULL) {
        at++;
    }
    if (output->len - at < strlen(word) ||
        strncasecmp(output->data + at, word, strlen(word)) != 0) {
        return NULL;
    }
    const char *end = memchr(output->data + at, '\n', output->len - at);
    size_t len = end == NULL ? output->len - at : (size_t)(end - (output->data + at));
    str_clean(&line, output->data + at, len < RECORD_LINE_MAX ? len : RECORD_LINE_MAX);
    return mem_printf("it told how to call it instead of reading the input: %s",
                      buf_str(&line));
}

/* Why the target never truly ran on the input, or NULL. New string. */
static char *
why_broken(const struct command *command, const struct limit_run *run)
{
    /* what the loader and the sanitizer runtimes say before main() */
    static const char *const sayings[] = {
        "error while loading shared libraries: ",
        "symbol lookup error: ",
        "' not found (required by ",
        "cannot execute binary file",
        "ASan runtime does not come first in initial library list",
        "Your application is linked against incompatible ASan runtimes",
        "Shadow memory range interleaves with an existing memory mapping",
        "ReserveShadowMemoryRange failed",
        "MemorySanitizer can not mmap the shadow memory",
        "FATAL: ThreadSanitizer: unexpected memory mapping",
        "ERROR: The required directory ",
    };
    int code = WIFEXITED(run->status) ? WEXITSTATUS(run->status) : 0;

    if (run->hit != LIMIT_NONE || (WIFEXITED(run->status) && code == 0)) {
        return NULL;
    }
    for (size_t i = 0; i < COUNT(sayings); i++) {
        char *line = line_with(&run->output, sayings[i]);
        if (line != NULL) {
            return line;
        }
    }
    if (code == EXIT_NOT_EXECUTABLE || code == EXIT_NOT_FOUND) {
        char *line = line_with(&run->output, "");
        return line != NULL && *line != '\0'
                   ? line
                   : mem_printf("it ended with exit status %d, as when a "
                                "program cannot be run",
                                code);
    }
    if (command->mode == INPUT_LIBFUZZER && !holds(&run->output, "Running: ")) {
        return mem_printf(
            "libFuzzer ended with exit status %d before it ran the input: run it by "
            "hand on one file",
            code);
    }
    return code > 0 && code <= EXIT_USAGE_MOST ? usage_of(&run->output) : NULL;
}

const char *
judge_alarming(const char *text, size_t len)
{
    static const char *const texts[] = {
        "Sanitizer: ",          "==ERROR: ",         "runtime error: ",
        "ERROR: libFuzzer: ",   "panicked at ",      "Traceback (most recent call last)",
        "terminate called ",    "Assertion ",        "== Java Exception: ",
        "Uncaught Exception: ", "fatal error: ",     "*** stack smashing detected",
        "DEADLYSIGNAL",         "Segmentation fault"};

    for (size_t i = 0; i < COUNT(texts); i++) {
        if (len > 0 && memmem(text, len, texts[i], strlen(texts[i])) != NULL) {
            return texts[i];
        }
    }
    return NULL;
}

static bool
is_fault(int sig)
{
    return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE ||
           sig == SIGABRT || sig == SIGTRAP || sig == SIGSYS;
}

/* Name the frames, decide what counts. Steals record. */
static int
finish(const struct verdict *v, enum replay_outcome outcome, struct record *record)
{
    AUTO(record_free) struct record *own = record;

    if (v->config->symbolizer != NULL) {
        symbolize_record(v->config->symbolizer, own);
    }
    int rc = record_finish(own, v->config->options, v->err);
    if (rc < 0) {
        return rc;
    }
    v->out->outcome = outcome;
    v->out->record = STEAL(own);
    return 0;
}

static int
settle(const struct verdict *v, enum replay_outcome outcome, char *reason)
{
    v->out->outcome = outcome;
    v->out->reason = reason;
    return 0;
}

/* Parsers leave limits out unless they are asked for; here they are told apart from clean
 * runs. */
static struct record *
parse(const struct verdict *v, const struct buf *text)
{
    struct record_options options = *v->config->options;
    struct record *record = NULL;

    options.ooms_and_hangs = true;
    return text->len > 0 &&
                   parse_report(text->data, text->len, &options, &record, NULL) == 0
               ? record
               : NULL;
}

/* A stack that stands for all the time of a hang, if there were samples. */
static void
use_samples(const struct verdict *v, struct record *record)
{
    if (hang_frames(&v->run->stacks, v->config->symbolizer, record)) {
        AUTO(mem_free) char *message = record->message;
        record->message = mem_printf(
            "%s; of %d samples of its stack the frames that all share are shown",
            message == NULL ? "" : message, record->samples);
    }
}

static int
judge_limit(const struct verdict *v)
{
    const struct command *command = v->config->command;
    bool time = v->run->hit == LIMIT_TIME;
    AUTO(record_free) struct record *spoken = parse(v, &v->run->last_words);
    AUTO(record_free)
    struct record *record = time ? record_timeout(command->timeout_ms)
                                 : record_out_of_memory(command->memory_bytes);

    if (spoken != NULL) { /* where it hung, or allocated */
        struct frame *frames = record->frames;
        size_t n = record->n_frames;
        record->frames = spoken->frames;
        record->n_frames = spoken->n_frames;
        spoken->frames = frames;
        spoken->n_frames = n;
    }
    if (!v->config->options->ooms_and_hangs) {
        return settle(
            v, REPLAY_CLEAN,
            time ? mem_printf("it ran into its time limit of %lld ms, which does not "
                              "count here (ooms_and_hangs: no)",
                              (long long)command->timeout_ms)
                 : mem_printf("it ran into its memory limit of %lld MiB, which does not "
                              "count here (ooms_and_hangs: no)",
                              (long long)(command->memory_bytes >> 20)));
    }
    use_samples(v, record);
    return finish(v, time ? REPLAY_TIMEOUT : REPLAY_CRASH, STEAL(record));
}

/* A report, by its type: an engine's own timeout is one too. Steals record. */
static int
judge_report(const struct verdict *v, struct record *record)
{
    bool timeout = strcmp(record->crash_type, "Timeout") == 0;
    bool memory = strcmp(record->crash_type, "Out-of-memory") == 0;

    if (strcmp(record->crash_type, "Missing-library") == 0) {
        record_free(record);
        char *line = line_with(&v->run->output, "error while loading shared libraries: ");
        return settle(v, REPLAY_BROKEN,
                      line != NULL ? line : mem_strdup("a library of it is missing"));
    }
    if ((timeout || memory) && !v->config->options->ooms_and_hangs) {
        record_free(record);
        return settle(v, REPLAY_CLEAN,
                      mem_printf("it ran into its %s limit, which does not count here "
                                 "(ooms_and_hangs: no)",
                                 timeout ? "time" : "memory"));
    }
    if (timeout) {
        use_samples(v, record);
    }
    return finish(v, timeout ? REPLAY_TIMEOUT : REPLAY_CRASH, record);
}

static int
judge_signal(const struct verdict *v, int sig)
{
    char name[64];

    if (is_fault(sig)) {
        return finish(v, REPLAY_CRASH, record_from_signal(sig));
    }
    proc_status_show(name, sizeof(name), v->run->status);
    if (sig == SIGKILL) {
        return settle(
            v, REPLAY_BROKEN,
            mem_printf("something else than nightjar ended it by %s; the kernel does so "
                       "when the machine's memory is out",
                       name));
    }
    return settle(v, REPLAY_CLEAN, mem_printf("it ended by %s, which is no crash", name));
}

static int
judge_exit(const struct verdict *v, int code)
{
    AUTO(mem_free) char *broken = why_broken(v->config->command, v->run);

    if (broken != NULL) {
        return settle(v, REPLAY_BROKEN, STEAL(broken));
    }
    /* where ptrace is forbidden LSan cannot look: that is no leak */
    if (code == 0 ||
        holds(&v->run->output, "LeakSanitizer has encountered a fatal error")) {
        return settle(v, REPLAY_CLEAN, NULL);
    }
    const char *text = judge_alarming(v->run->output.data, v->run->output.len);
    if (text != NULL) {
        return settle(
            v, REPLAY_UNPARSED,
            mem_printf("it ended with exit status %d and printed '%s', but no parser "
                       "knows its report",
                       code, text));
    }
    if (v->config->command->asan && code == EXIT_SANITIZER) {
        return settle(
            v, REPLAY_UNPARSED,
            mem_printf("it ended with exit status %d, a sanitizer's, but printed no "
                       "report",
                       code));
    }
    return settle(v, REPLAY_CLEAN, NULL);
}

int
judge_run(const struct replay_config *config, const struct limit_run *run,
          struct replay_run *out, struct err *err)
{
    const struct verdict verdict = {config, run, out, err};
    const struct verdict *v = &verdict;
    int status = run->status;
    struct record *record = parse(v, &run->output);
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0 && run->hit == LIMIT_NONE;

    if (record != NULL && clean && (record->facts & FACT_HEARSAY) != 0) {
        /* a program may print a stack and be well */
        record_free(record);
        record = NULL;
    }
    if (record != NULL) {
        return judge_report(v, record);
    }
    if (v->run->hit != LIMIT_NONE) {
        return judge_limit(v);
    }
    if (WIFSIGNALED(status)) {
        return judge_signal(v, WTERMSIG(status));
    }
    if (WEXITSTATUS(status) == SANDBOX_EXIT &&
        holds(&run->output, "nightjar sandbox: ")) {
        /* it broke a limit that no report speaks of, or there was no sandbox to run it in
         */
        bool limit = holds(&run->output, "nightjar sandbox: the command had ");
        return settle(v, limit ? REPLAY_UNPARSED : REPLAY_BROKEN,
                      line_with(&run->output, "nightjar sandbox: "));
    }
    return judge_exit(v, WEXITSTATUS(status));
}
