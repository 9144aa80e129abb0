#include "triage/options.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/*
 * What a report needs (ClusterFuzz, system/environment.py). Other than there:
 * - alloc_dealloc_mismatch and strict_memcmp keep the sanitizer's defaults: whatever an
 * engine with the defaults found must show again;
 * - detect_leaks=1 as in OSS-Fuzz's base-runner and as a person sees it at a shell;
 * - redzone=64: far overflows that hit a neighbour at 16 are caught every time;
 * - the slow unwinder stays on: it reads programs that were built without frame pointers;
 * - frames look as they always do, but for the build id: a runtime writes it in twenty
 * pieces, and clears a page for each, which is a tenth of what a crash costs (symbolize.c
 * adds it);
 * - dump_instruction_bytes=1 tells a fault of the program from one of ASan's check before
 * it, which says READ whatever the program was about to do.
 */
#define FRAME "'    #%n %p  (%m+%o)'"
#define COMMON                                                                           \
    "dump_instruction_bytes=1:exitcode=77:handle_abort=1:handle_segv=1:handle_sigbus=1:" \
    "handle_sigfpe=1:"                                                                   \
    "handle_sigill=1:allow_user_segv_handler=0:use_sigaltstack=1:print_summary=1:"       \
    "print_suppressions=0:disable_coredump=1:stack_trace_format=" FRAME
/* What afl-fuzz sets itself when these variables are absent (4.04c); it refuses to start
 * when they are there without abort_on_error=1, symbolize=0 or, for MSan, exit_code=86.
 */
#define AFL_COMMON                                                                     \
    "malloc_context_size=0:allocator_may_return_null=1:handle_segv=0:handle_sigbus=0:" \
    "handle_abort=0:handle_sigfpe=0:handle_sigill=0"

static const struct sanitizer {
    const char *variable;
    const char *defaults[2]; /* by purpose; NULL: leave the sanitizer's own */
    const char *forced[2];   /* stand against what the user says */
    bool limits_memory;
} sanitizers[] = {
    {"ASAN_OPTIONS",
     {COMMON ":allocator_may_return_null=1:detect_leaks=1:detect_odr_violation=0:"
             "detect_stack_use_after_return=1:max_uar_stack_size_log=16:"
             "check_malloc_usable_size=0:redzone=64:print_scariness=1",
      AFL_COMMON ":detect_leaks=0:detect_odr_violation=0"},
     {"symbolize=0", "abort_on_error=1:symbolize=0"},
     true},
    {"UBSAN_OPTIONS",
     {COMMON ":print_stacktrace=1:halt_on_error=1:silence_unsigned_overflow=1",
      AFL_COMMON ":halt_on_error=1:silence_unsigned_overflow=1"},
     {"symbolize=0", "abort_on_error=1:symbolize=0"},
     false},
    {"LSAN_OPTIONS", {COMMON, NULL}, {"symbolize=0", NULL}, false},
    {"MSAN_OPTIONS",
     {COMMON ":allocator_may_return_null=1", AFL_COMMON ":msan_track_origins=0"},
     {"symbolize=0", "abort_on_error=1:exit_code=86:symbolize=0"},
     true},
    {"TSAN_OPTIONS",
     {COMMON ":allocator_may_return_null=1:history_size=3:report_thread_leaks=0:"
             "report_signal_unsafe=0",
      NULL},
     {"symbolize=0", NULL},
     true},
};

/* Options that would send the report elsewhere, or in a form that nobody can read. */
static bool
is_refused(const char *option)
{
    static const char *const refused[] = {
        "log_path=", "log_to_syslog=", "log_exe_name=",
        "coverage=", "coverage_dir=",  "external_symbolizer_path=",
        "help=",     "log_suffix=",    "stack_trace_format="};

    for (size_t i = 0; i < COUNT(refused); i++) {
        if (str_starts(option, refused[i])) {
            return true;
        }
    }
    return false;
}

bool
options_is_cosmetic(const char *option)
{
    static const char *const cosmetic[] = {
        "symbolize=",          "dump_instruction_bytes=", "exitcode=",
        "handle_segv=",        "handle_sigbus=",          "handle_sigfpe=",
        "handle_sigill=",      "use_sigaltstack=",        "print_summary=",
        "print_suppressions=", "disable_coredump=",       "print_scariness=",
        "stack_trace_format=", "max_uar_stack_size_log=", "check_malloc_usable_size="};

    for (size_t i = 0; i < COUNT(cosmetic); i++) {
        if (str_starts(option, cosmetic[i])) {
            return true;
        }
    }
    return false;
}

void
options_split(const char *text, struct strv *out)
{
    AUTO(buf_clear) struct buf word = BUF_INIT;
    char quote = '\0';

    for (; *text != '\0'; text++) {
        if (quote == '\0' && strchr(":, \t\r\n", *text) != NULL) {
            if (word.len > 0) {
                strv_add(out, buf_str(&word));
            }
            buf_clear(&word);
            continue;
        }
        if (*text == quote) {
            quote = '\0';
        } else if (quote == '\0' && (*text == '"' || *text == '\'')) {
            quote = *text;
        }
        buf_addc(&word, *text);
    }
    if (word.len > 0) {
        strv_add(out, buf_str(&word));
    }
}

void
options_put(struct strv *list, const char *pair)
{
    const char *equals = strchr(pair, '=');
    size_t len = equals == NULL ? strlen(pair) : (size_t)(equals - pair) + 1;

    for (size_t i = 0; i < list->n; i++) {
        if (strlen(list->v[i]) >= len && memcmp(list->v[i], pair, len) == 0) {
            mem_free(list->v[i]);
            list->v[i] = mem_strdup(pair);
            return;
        }
    }
    strv_add(list, pair);
}

const char *
options_variable(const struct strv *env, const char *name)
{
    size_t len = strlen(name);
    const char *value = NULL;

    for (size_t i = 0; i < env->n; i++) {
        if (strncmp(env->v[i], name, len) == 0 && env->v[i][len] == '=') {
            value = env->v[i] + len + 1;
        }
    }
    return value;
}

const char *
options_name(size_t i)
{
    return i < COUNT(sanitizers) ? sanitizers[i].variable : NULL;
}

bool
options_is_sanitizer(const char *pair)
{
    for (size_t i = 0; i < COUNT(sanitizers); i++) {
        size_t len = strlen(sanitizers[i].variable);
        if (strncmp(pair, sanitizers[i].variable, len) == 0 && pair[len] == '=') {
            return true;
        }
    }
    return false;
}

const char *
options_layout(size_t i)
{
    /* ClusterFuzz draws from 16 to 512. Beyond 64 it mistrusts "out of memory", and so
     * does repeat.c. */
    static const char *const layouts[] = {"ASAN_OPTIONS=redzone=256",
                                          "ASAN_OPTIONS=redzone=16"};

    return i < COUNT(layouts) ? layouts[i] : NULL;
}

const char *
options_layout_find(const char *text)
{
    for (size_t i = 0; options_layout(i) != NULL; i++) {
        if (strcmp(options_layout(i), text) == 0) {
            return options_layout(i);
        }
    }
    return NULL;
}

static void
put_all(struct strv *list, const char *options, bool from_user)
{
    AUTO(strv_clear) struct strv words = {0};

    options_split(options == NULL ? "" : options, &words);
    for (size_t i = 0; i < words.n; i++) {
        if (!from_user || !is_refused(words.v[i])) {
            options_put(list, words.v[i]);
        }
    }
}

/* A variable that stands there twice: what was added later wins, option by option. */
static void
put_user(struct strv *list, const struct strv *user, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < user->n; i++) {
        if (strncmp(user->v[i], name, len) == 0 && user->v[i][len] == '=') {
            put_all(list, user->v[i] + len + 1, true);
        }
    }
}

void
options_environment(enum options_purpose purpose, const struct strv *user,
                    int64_t rss_limit_bytes, struct strv *env)
{
    for (size_t i = 0; i < COUNT(sanitizers); i++) {
        const struct sanitizer *sanitizer = &sanitizers[i];
        AUTO(strv_clear) struct strv list = {0};
        AUTO(buf_clear) struct buf pair = BUF_INIT;
        put_all(&list, sanitizer->defaults[purpose], false);
        if (rss_limit_bytes > 0 && sanitizer->limits_memory && list.n > 0) {
            strv_addf(&list, "hard_rss_limit_mb=%lld",
                      (long long)(rss_limit_bytes >> 20));
        }
        put_user(&list, user, sanitizer->variable);
        put_all(&list, sanitizer->forced[purpose], false);
        buf_addf(&pair, "%s=", sanitizer->variable);
        for (size_t k = 0; k < list.n; k++) {
            buf_addf(&pair, "%s%s", k == 0 ? "" : ":", list.v[k]);
        }
        if (list.n > 0) {
            options_put(env, buf_str(&pair));
        }
    }
}
