#include "triage/minimize_trim.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct trimming {
    const struct original *original;
    struct minimize_result *result;
    struct command command; /* the best so far */
    int tries;
};

/* "" where there is none. */
static const char *
word_at(const struct strv *words, size_t i)
{
    return i < words->n && words->v != NULL ? words->v[i] : "";
}

/* Whether the result shows the same with that command, in every one of the runs that a
 * candidate gets: 1 or 0. */
static int
still_shows(struct trimming *trimming, const struct command *command, struct err *err)
{
    const struct acceptance *accept = &trimming->original->acceptance;
    const struct buf *bytes = &trimming->result->bytes;
    struct replay_config replay = trimming->original->replay;
    int shown = 0;

    replay.command = command;
    for (int i = 0; i < accept->of && shown < accept->need; i++) {
        AUTO(replay_run_clear) struct replay_run run = {0};
        trimming->result->progress.execs++;
        int rc = replay_once(&replay, buf_str(bytes), bytes->len, &run, err);
        if (rc < 0) {
            return rc;
        }
        shown += keep_holds(&trimming->original->keep, run.record) ? 1 : 0;
        if (i + 1 - shown > accept->of - accept->need) {
            break;
        }
    }
    return shown >= accept->need;
}

/* *command, which is cleared, takes the place of the best when it shows the same. */
static int
try_command(struct trimming *trimming, struct command *command, char *what,
            struct err *err)
{
    AUTO(mem_free) char *own = what;
    int rc = trimming->tries++ < TRIM_TRIES_MAX ? still_shows(trimming, command, err) : 0;

    if (rc == 1) {
        command_clear(&trimming->command);
        trimming->command = *command;
        *command = (struct command){0};
        strv_add(&trimming->result->dropped, own);
    }
    command_clear(command);
    return rc;
}

static void
remove_words(struct strv *list, size_t from, size_t n)
{
    struct strv rest = {0};

    for (size_t i = 0; i < list->n; i++) {
        if (i < from || i >= from + n) {
            strv_add(&rest, list->v[i]);
        }
    }
    strv_clear(list);
    *list = rest;
}

static void
replace_word(struct strv *list, size_t at, const char *word)
{
    mem_free(list->v[at]);
    list->v[at] = mem_strdup(word);
}

/* --- variables --- */

/* "NAME=a=1:b=2" without the option that begins at `at`; new string. */
static char *
without_option(const char *variable, size_t at, size_t len)
{
    size_t end = at + len;

    if (variable[end] == ':') {
        end++;
    } else if (at > 0 && variable[at - 1] == ':') {
        at--;
    }
    return mem_printf("%.*s%s", (int)at, variable, variable + end);
}

static int
trim_options(struct trimming *trimming, size_t index, struct err *err)
{
    size_t at = strcspn(trimming->command.env.v[index], "=") + 1;

    for (;;) {
        const char *variable = trimming->command.env.v[index];
        AUTO(command_clear) struct command less = {0};
        if (at >= strlen(variable)) {
            return 0;
        }
        size_t len = strcspn(variable + at, ":");
        AUTO(mem_free) char *shorter = without_option(variable, at, len);
        char *what = mem_printf("%.*s: %.*s", (int)strcspn(variable, "="), variable,
                                (int)len, variable + at);
        command_copy(&less, &trimming->command);
        replace_word(&less.env, index, shorter);
        int rc = try_command(trimming, &less, what, err);
        if (rc < 0) {
            return rc;
        }
        at += rc == 1 ? 0 : len + 1;
    }
}

static int
trim_environment(struct trimming *trimming, struct err *err)
{
    for (size_t i = trimming->command.env.n; i-- > 0;) {
        AUTO(command_clear) struct command less = {0};
        const char *variable = word_at(&trimming->command.env, i);
        bool options = strstr(variable, "_OPTIONS=") != NULL;
        char *what = mem_printf(options ? "%s" : "variable %s", variable);
        command_copy(&less, &trimming->command);
        remove_words(&less.env, i, 1);
        int rc = try_command(trimming, &less, what, err);
        rc = rc == 0 && options ? trim_options(trimming, i, err) : rc;
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* --- arguments --- */

static bool
names_the_input(const char *argument)
{
    return strstr(argument, "@@") != NULL;
}

/* Without n arguments from there: 1 when they are not needed. */
static int
trim_arguments_at(struct trimming *trimming, size_t from, size_t n, struct err *err)
{
    AUTO(command_clear) struct command less = {0};
    const struct strv *argv = &trimming->command.argv;

    if (from + n > argv->n || names_the_input(argv->v[from]) ||
        names_the_input(argv->v[from + n - 1])) {
        return 0;
    }
    char *what = n == 1 ? mem_printf("argument %s", argv->v[from])
                        : mem_printf("arguments %s %s", argv->v[from], argv->v[from + 1]);
    command_copy(&less, &trimming->command);
    remove_words(&less.argv, from, n);
    return try_command(trimming, &less, what, err);
}

/* An option goes with the value behind it, before the value is tried alone. */
static int
trim_arguments(struct trimming *trimming, struct err *err)
{
    for (size_t i = trimming->command.argv.n; i-- > 1;) {
        const struct strv *argv = &trimming->command.argv;
        bool value = i > 1 && str_starts(word_at(argv, i - 1), "-") &&
                     !str_starts(word_at(argv, i), "-");
        int rc = value ? trim_arguments_at(trimming, i - 1, 2, err) : 0;
        if (rc == 1) {
            i--;
            continue;
        }
        rc = rc == 0 ? trim_arguments_at(trimming, i, 1, err) : rc;
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int
minimize_trim(const struct original *original, struct minimize_result *result,
              struct err *err)
{
    struct trimming trimming = {.original = original, .result = result};

    command_copy(&trimming.command, original->replay.command);
    int rc = trim_environment(&trimming, err);
    rc = rc < 0 ? rc : trim_arguments(&trimming, err);
    if (rc == 0 && result->dropped.n > 0) {
        result->command = trimming.command;
    } else {
        command_clear(&trimming.command);
    }
    return rc;
}
