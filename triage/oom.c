#include "triage/oom.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static bool
is_bare(const struct record *record)
{
    return record != NULL && strcmp(record->crash_type, "Out-of-memory") == 0 &&
           (record->n_frames == 0 || record->frames[0].stack != STACK_CRASH);
}

static bool
was_asked(const struct command *command)
{
    const struct strv *env = &command->env;

    return env->n > 0 && str_starts(env->v[env->n - 1], "ASAN_OPTIONS=soft_rss_limit_mb");
}

/* malloc() takes its stack by frame pointers, which most programs have not. */
static void
ask(struct command *command)
{
    long long limit = (long long)(command->memory_bytes >> 20);

    strv_addf(&command->env,
              "ASAN_OPTIONS=soft_rss_limit_mb=%lld:hard_rss_limit_mb=%lld:"
              "allocator_may_return_null=0:fast_unwind_on_malloc=0",
              limit, 2 * limit);
    command->memory_bytes *= 2;
}

static void
take_stack(struct record *to, struct record *from)
{
    struct frame *frames = to->frames;
    size_t n = to->n_frames;

    to->frames = from->frames;
    to->n_frames = from->n_frames;
    from->frames = frames;
    from->n_frames = n;
}

int
oom_explain(const struct replay_config *config, const void *input, size_t len,
            struct replay_run *run, struct err *err)
{
    AUTO(command_clear) struct command command = {0};
    AUTO(replay_run_clear) struct replay_run again = {0};
    struct replay_config soft = *config;

    if (!config->command->asan || config->command->memory_bytes == 0 ||
        !is_bare(run->record) || was_asked(config->command)) {
        return 0;
    }
    command_copy(&command, config->command);
    ask(&command);
    soft.command = &command;
    soft.fresh = true;
    int rc = replay_once(&soft, input, len, &again, err);
    if (rc < 0 || again.record == NULL || is_bare(again.record) ||
        strcmp(again.record->crash_type, "Out-of-memory") != 0) {
        return rc < 0 ? rc : 0;
    }
    take_stack(run->record, again.record);
    return record_finish(run->record, config->options, err);
}
