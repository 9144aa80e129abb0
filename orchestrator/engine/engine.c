#include "orchestrator/engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "triage/command.h"
#include "triage/program.h"

/* One row an engine. */
#define ENGINES(X) X(aflpp) X(libfuzzer)

#define DECLARE(name) extern const struct engine_ops engine_##name;
#define ROW(name)     &engine_##name,
ENGINES(DECLARE)
const struct engine_ops *const engine_table[] = {ENGINES(ROW) NULL};

enum { NUMBER_DIGITS_MAX = 15 };

int
engine_find(const char *name, const struct engine_ops **out, struct err *err)
{
    AUTO(buf_clear) struct buf known = BUF_INIT;

    for (size_t i = 0; engine_table[i] != NULL; i++) {
        if (strcmp(engine_table[i]->name, name) == 0) {
            *out = engine_table[i];
            return 0;
        }
        buf_addf(&known, "%s%s", i == 0 ? "" : " ", engine_table[i]->name);
    }
    return err_set(err, -EINVAL, "there is no engine '%s'; there are: %s", name,
                   buf_str(&known));
}

void
engine_caps_clear(struct engine_caps *caps)
{
    mem_free(caps->program);
    *caps = (struct engine_caps){0};
}

void
engine_command_clear(struct engine_command *command)
{
    strv_clear(&command->argv);
    strv_clear(&command->env);
    sandbox_policy_clear(&command->policy);
}

void
engine_view_begin(struct engine_view *view)
{
    engine_view_clear(view);
    *view =
        (struct engine_view){.begun_ms = clock_wall_ms(), .execs = -1, .stability = -1};
}

void
engine_view_clear(struct engine_view *view)
{
    buf_clear(&view->tail);
    strv_clear(&view->bad_seeds);
}

void
engine_view_keep(struct engine_view *view, const char *line, size_t len)
{
    buf_add(&view->tail, line, len);
    buf_addc(&view->tail, '\n');
    if (view->tail.len > (size_t)2 * ENGINE_TAIL_MAX) {
        buf_drop(&view->tail, view->tail.len - ENGINE_TAIL_MAX);
    }
}

int64_t
engine_number(const char *text, const char *key, int64_t otherwise)
{
    const char *at = strstr(text, key);
    int64_t value = 0;
    int digits = 0;

    if (at == NULL) {
        return otherwise;
    }
    for (at += strlen(key); *at == ' ' || *at == '\t' || *at == ':';) {
        at++;
    }
    for (; at[digits] >= '0' && at[digits] <= '9'; digits++) {
        if (digits == NUMBER_DIGITS_MAX) {
            return otherwise;
        }
        value = value * 10 + (at[digits] - '0');
    }
    return digits == 0 ? otherwise : value;
}

int64_t
engine_column(const char *line, int n, int64_t otherwise)
{
    for (; n > 0; n--) {
        line = strchr(line, ',');
        if (line == NULL) {
            return otherwise;
        }
        line++;
    }
    return engine_number(line, "", otherwise);
}

bool
engine_owns(const struct engine_job *job, const char *name, const char *prefix)
{
    if (!str_starts(name, prefix)) {
        return false;
    }
    int64_t number = engine_number(name + strlen(prefix), "", 0);
    return number == job->number || (job->number == 1 && number > job->count);
}

bool
engine_last_words(const struct engine_view *view, const char *const *marks, char *reason)
{
    AUTO(buf_clear) struct buf plain = BUF_INIT;

    engine_plain(&plain, buf_str(&view->tail), view->tail.len);
    for (; *marks != NULL; marks++) {
        const char *at = strstr(buf_str(&plain), *marks);
        if (at != NULL) {
            at += strlen(*marks);
            (void)snprintf(reason, ENGINE_REASON_MAX, "%.*s", (int)strcspn(at, "\n"), at);
            return true;
        }
    }
    return false;
}

char *
engine_minimal_seeds(const struct engine_job *job)
{
    return mem_printf("%s-minimal", job->seeds);
}

int
engine_make_minimal_seeds(const struct engine_job *job, struct err *err)
{
    static const struct {
        const char *name, *data;
        size_t len;
    } seeds[] = {
        {"newline", "\n", 1}, {"letter", "A", 1}, {"zeros", "\0\0\0\0\0\0\0\0", 8}};
    AUTO(mem_free) char *folder = engine_minimal_seeds(job);
    int rc = fs_mkdirs(folder, 0755, err);

    for (size_t i = 0; rc == 0 && i < COUNT(seeds); i++) {
        AUTO(mem_free) char *path = fs_join(folder, seeds[i].name);
        rc = fs_write(path, seeds[i].data, seeds[i].len, 0644, err);
    }
    return rc;
}

/* The bytes of a terminal control sequence at text, which begins with ESC. */
static size_t
escape_length(const char *text, size_t len)
{
    if (len < 2 || text[1] != '[') {
        /* "ESC ( B" chooses a character set; any other is two bytes long */
        return len > 2 && strchr("()*+", text[1]) != NULL ? 3 : len < 2 ? len : 2;
    }
    for (size_t i = 2; i < len; i++) {
        if (text[i] >= '@' && text[i] <= '~') {
            return i + 1;
        }
    }
    return len;
}

void
engine_plain(struct buf *out, const char *text, size_t len)
{
    AUTO(buf_clear) struct buf bare = BUF_INIT;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\033') {
            i += escape_length(text + i, len - i) - 1;
        } else {
            buf_addc(&bare, text[i]);
        }
    }
    str_clean(out, buf_str(&bare), bare.len);
}

const struct engine_symptom *
engine_diagnose(const struct engine_view *view, const struct engine_symptom *table,
                size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (memmem(buf_str(&view->tail), view->tail.len, table[i].text,
                   strlen(table[i].text)) != NULL) {
            return &table[i];
        }
    }
    return NULL;
}

int
engine_policy_add(const struct engine_job *job, const char *program,
                  struct sandbox_policy *policy, struct err *err)
{
    AUTO(strv_clear) struct strv argv = {0};

    strv_add(&argv, program);
    strv_add_all(&argv, &job->target->args);
    int rc = sandbox_add_program(policy, &argv, err);
    if (rc < 0) {
        return rc;
    }
    program_library_folders(program, &policy->read);
    strv_add_all(&policy->read, &job->target->read);
    strv_add(&policy->read, job->seeds);
    if (job->target->dictionary != NULL) {
        strv_add(&policy->read, job->target->dictionary);
    }
    if (!strv_has(&policy->write, job->folder)) {
        strv_add(&policy->write, job->folder);
        strv_add(&policy->hide, job->state);
    }
    policy->cwd = job->folder;
    return 0;
}

void
engine_environment(const struct target *target, const char *program, bool abort_on_error,
                   struct strv *env)
{
    AUTO(command_clear) struct command command = {0};

    strv_add(&command.argv, program);
    strv_add_all(&command.env, &target->env);
    command.mode = abort_on_error ? INPUT_ARGUMENT : INPUT_LIBFUZZER;
    command.timeout_ms = target->timeout_ms;
    command.memory_bytes = target->memory_bytes;
    command_environment(&command, abort_on_error, env);
}

void
engine_describe_status(int status, char *reason)
{
    char text[64];

    if (WIFEXITED(status) && WEXITSTATUS(status) >= 125 && WEXITSTATUS(status) <= 127) {
        (void)snprintf(reason, ENGINE_REASON_MAX, "%s",
                       WEXITSTATUS(status) == 125 ? "the sandbox could not be made"
                       : WEXITSTATUS(status) == 126
                           ? "the program may not be executed"
                           : "the program or one of its libraries "
                             "is not there");
        return;
    }
    proc_status_show(text, sizeof(text), status);
    (void)snprintf(reason, ENGINE_REASON_MAX, "ended with %s%s", text,
                   WIFSIGNALED(status) && WTERMSIG(status) == 9
                       ? ": killed, perhaps for want of memory"
                       : "");
}
