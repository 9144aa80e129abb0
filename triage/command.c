#include "triage/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/options.h"
#include "triage/program.h"
#include "triage/sandbox.h"

/* --- from a command line --- */

/* A file or folder for which a place in the sandbox must be made. */
static void
add_read(struct command *command, const char *path)
{
    if (!strv_has(&command->read, path)) {
        strv_add(&command->read, path);
    }
}

/*
 * A word that names something on disk, alone or behind a "=": the target runs in a folder
 * of its own, so the name is made absolute. New string. A bare word without a dot that
 * names a folder is more likely a word than a path. *path (may be NULL) receives the
 * absolute name within the word.
 */
static char *
resolve_word(const char *word, const char **path)
{
    const char *equals = strchr(word, '=');
    const char *name = equals == NULL ? word : equals + 1;
    struct stat st;

    if (path != NULL) {
        *path = NULL;
    }
    if (*name == '\0' || *name == '-' || strstr(name, "@@") != NULL ||
        stat(name, &st) < 0 || (S_ISDIR(st.st_mode) && strpbrk(name, "/.") == NULL) ||
        (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))) {
        return mem_strdup(word);
    }
    AUTO(mem_free) char *absolute = fs_absolute(name);
    char *resolved = mem_printf("%.*s%s", (int)(name - word), word, absolute);
    if (path != NULL) {
        *path = resolved + (name - word);
    }
    return resolved;
}

/* A folder that belongs to everybody is not shown for being named in a variable. */
static void
keep_harmless(struct command *command)
{
    AUTO(sandbox_policy_clear) struct sandbox_policy policy = {0};
    AUTO(strv_clear) struct strv asked = {0};
    struct strv kept = {0};

    strv_add(&asked, command->argv.v[0]);
    strv_add_all(&asked, &command->read);
    (void)sandbox_add_program(&policy, &asked, NULL);
    for (size_t i = 0; i < command->read.n; i++) {
        if (strv_has(&policy.read, command->read.v[i])) {
            strv_add(&kept, command->read.v[i]);
        }
    }
    strv_clear(&command->read);
    command->read = kept;
}

/* The variables that a person sets for the target: sanitizer options (a suppressions file
 * is made visible) and where its libraries lie. */
static void
take_environment(struct command *command)
{
    const char *libraries = getenv("LD_LIBRARY_PATH");
    const char *name;

    for (size_t i = 0; (name = options_name(i)) != NULL; i++) {
        const char *value = getenv(name);
        AUTO(strv_clear) struct strv words = {0};
        AUTO(buf_clear) struct buf joined = BUF_INIT;
        options_split(value == NULL ? "" : value, &words);
        for (size_t k = 0; k < words.n; k++) {
            const char *path;
            AUTO(mem_free) char *word = resolve_word(words.v[k], &path);
            if (path != NULL) {
                add_read(command, path);
            }
            buf_addf(&joined, "%s%s", k == 0 ? "" : ":", word);
        }
        if (words.n > 0) {
            strv_addf(&command->env, "%s=%s", name, buf_str(&joined));
        }
    }
    if (libraries == NULL || *libraries == '\0') {
        return;
    }
    AUTO(buf_clear) struct buf joined = BUF_INIT;
    AUTO(mem_free) char *list = mem_strdup(libraries);
    char *save = NULL;
    for (char *folder = strtok_r(list, ":", &save); folder != NULL;
         folder = strtok_r(NULL, ":", &save)) {
        AUTO(mem_free) char *absolute = fs_absolute(folder);
        if (fs_is_folder(absolute)) {
            add_read(command, absolute);
            buf_addf(&joined, "%s%s", joined.len == 0 ? "" : ":", absolute);
        }
    }
    if (joined.len > 0) {
        strv_addf(&command->env, "LD_LIBRARY_PATH=%s", buf_str(&joined));
    }
}

static int
resolve_program(const char *name, char **out, struct err *err)
{
    bool is_path = strchr(name, '/') != NULL;
    AUTO(mem_free) char *shown = str_name_dup(name);
    AUTO(mem_free) char *path = is_path ? fs_absolute(name) : program_find(name);
    struct stat st;

    if (path == NULL && fs_exists(name)) {
        return err_set(err, -ENOENT,
                       "there is no program '%s' in PATH: write ./%s for the file here",
                       shown, shown);
    }
    if (path == NULL || stat(path, &st) < 0) {
        return err_set(err, -ENOENT,
                       is_path ? "there is no program '%s': check the path"
                               : "there is no program '%s' in PATH: write its path",
                       shown);
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(err, -ENOEXEC,
                       "'%s' is not a file that can be run: name the program in it",
                       shown);
    }
    if (access(path, X_OK) < 0) {
        return err_set(err, -ENOEXEC,
                       "'%s' is not executable: chmod +x it, or name its interpreter",
                       shown);
    }
    *out = STEAL(path);
    return 0;
}

/* libFuzzer is told by its own message's format; AFL++'s driver also holds the entry
 * points. */
static int
inspect_program(struct command *command, bool has_placeholder, struct err *err)
{
    static const char *const marks[] = {"==%lu== ERROR: libFuzzer: ",
                                        "LLVMFuzzerTestOneInput",
                                        "__asan_init",
                                        "__msan_init",
                                        "__tsan_init",
                                        "__hwasan_init"};
    const char *path = command->argv.v[0];
    AUTO(mem_free) char *shown = str_name_dup(path);
    bool found[COUNT(marks)];
    enum program_kind kind;
    int rc = program_scan(path, marks, COUNT(marks), found, &kind, err);

    if (rc < 0) {
        return rc;
    }
    if (kind == PROGRAM_OTHER) {
        return err_set(err, -ENOEXEC,
                       "'%s' is neither an ELF program nor a script that begins with #!",
                       shown);
    }
    /* OSS-Fuzz: a target in another language is a script that carries the name in a
     * comment */
    bool libfuzzer = kind == PROGRAM_ELF ? found[0] : found[1];
    command->mode = has_placeholder ? INPUT_ARGUMENT
                    : libfuzzer     ? INPUT_LIBFUZZER
                                    : INPUT_STDIN;
    /* what a script starts is unknown: it may map shadow memory */
    command->asan =
        kind == PROGRAM_SCRIPT || found[2] || found[3] || found[4] || found[5];
    program_library_folders(path, &command->read);
    return 0;
}

/* The limits that a person gave libFuzzer are ours then. */
static void
take_libfuzzer_limits(struct command *command)
{
    for (size_t i = 1; i < command->argv.n && command->mode == INPUT_LIBFUZZER; i++) {
        const char *arg = command->argv.v[i];
        int64_t value = 0;
        if (str_starts(arg, "-timeout=") &&
            str_number("-timeout", arg + 9, 1, COMMAND_TIMEOUT_MAX_MS / 1000, &value,
                       NULL) == 0) {
            command->timeout_ms = value * 1000;
        } else if (str_starts(arg, "-rss_limit_mb=") &&
                   str_number("-rss_limit_mb", arg + 14, 0, 1 << 20, &value, NULL) == 0) {
            command->memory_bytes = value << 20;
        }
    }
}

int
command_from_argv(const struct strv *argv, struct command *out, struct err *err)
{
    AUTO(command_clear)
    struct command command = {.timeout_ms = COMMAND_TIMEOUT_MS,
                              .memory_bytes = (int64_t)COMMAND_MEMORY_MB << 20};
    AUTO(mem_free) char *program = NULL;
    bool has_placeholder = false;

    if (argv->n == 0 || *argv->v[0] == '\0') {
        return err_set(err, -EINVAL,
                       "no command: write it behind --, e.g. -- ./target @@");
    }
    int rc = resolve_program(argv->v[0], &program, err);
    if (rc < 0) {
        return rc;
    }
    strv_add(&command.argv, program);
    for (size_t i = 1; i < argv->n; i++) {
        AUTO(mem_free) char *word = resolve_word(argv->v[i], NULL);
        strv_add(&command.argv, word);
        has_placeholder = has_placeholder || strstr(word, "@@") != NULL;
    }
    rc = inspect_program(&command, has_placeholder, err);
    if (rc < 0) {
        return rc;
    }
    take_environment(&command);
    keep_harmless(&command);
    take_libfuzzer_limits(&command);
    command_clear(out);
    *out = command;
    memset(&command, 0, sizeof(command)); /* out owns it now */
    return 0;
}

/* --- environment and arguments --- */

void
command_environment(const struct command *command, bool abort_on_error, struct strv *env)
{
    /* LIBC_FATAL_STDERR_: glibc's last words go to standard error, not to a terminal */
    static const char *const base[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                       "LANG=C.UTF-8", "TZ=UTC", "HOME=/nonexistent",
                                       "LIBC_FATAL_STDERR_=1"};
    /* libFuzzer limits memory itself, with a better report */
    int64_t limit = command->mode == INPUT_LIBFUZZER ? 0 : command->memory_bytes;
    AUTO(strv_clear) struct strv list = {0};

    for (size_t i = 0; i < COUNT(base); i++) {
        options_put(&list, base[i]);
    }
    for (size_t i = 0; i < command->env.n; i++) {
        if (strchr(command->env.v[i], '=') != NULL &&
            !options_is_sanitizer(command->env.v[i])) {
            options_put(&list, command->env.v[i]);
        }
    }
    options_environment(abort_on_error ? OPTIONS_AFL : OPTIONS_REPLAY, &command->env,
                        limit, &list);
    strv_add_all(env, &list);
}

static void
add_argument(struct strv *argv, const char *arg, const char *input)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    const char *at;

    while ((at = strstr(arg, "@@")) != NULL) {
        buf_add(&out, arg, (size_t)(at - arg));
        buf_adds(&out, input);
        arg = at + 2;
    }
    buf_adds(&out, arg);
    strv_add(argv, buf_str(&out));
}

/* Flags that make libFuzzer do something other than run one file (ClusterFuzz strips them
 * too). */
static bool
is_fuzzing_flag(const char *arg)
{
    static const char *const flags[] = {"-fork=",
                                        "-max_len=",
                                        "-runs=",
                                        "-dict=",
                                        "-data_flow_trace=",
                                        "-focus_function=",
                                        "-use_value_profile=",
                                        "-jobs=",
                                        "-workers=",
                                        "-merge=",
                                        "-minimize_crash=",
                                        "-cleanse_crash=",
                                        "-timeout=",
                                        "-rss_limit_mb=",
                                        "-artifact_prefix=",
                                        "-exact_artifact_path=",
                                        "-max_total_time=",
                                        "-seed=",
                                        "-stop_file=",
                                        "-set_cover_merge="};

    for (size_t i = 0; i < COUNT(flags); i++) {
        if (str_starts(arg, flags[i])) {
            return true;
        }
    }
    return false;
}

static void
libfuzzer_arguments(const struct command *command, const char *input, struct strv *argv)
{
    bool own = false; /* behind -ignore_remaining_args=1 they are the target's */

    strv_add(argv, command->argv.v[0]);
    strv_addf(argv, "-timeout=%lld", (long long)((command->timeout_ms + 999) / 1000));
    strv_addf(argv, "-rss_limit_mb=%lld", (long long)(command->memory_bytes >> 20));
    /* in front of a person's own, where the input must stand as well; a folder would mean
     * fuzzing */
    for (size_t i = 1; i < command->argv.n; i++) {
        const char *arg = command->argv.v[i];
        if (!own && strcmp(arg, "-ignore_remaining_args=1") == 0) {
            strv_add(argv, input);
            own = true;
        }
        if (own || (arg[0] == '-' && !is_fuzzing_flag(arg))) {
            strv_add(argv, arg);
        }
    }
    if (!own) {
        strv_add(argv, input);
    }
}

void
command_arguments(const struct command *command, const char *input, struct strv *argv)
{
    if (command->mode == INPUT_LIBFUZZER) {
        libfuzzer_arguments(command, input, argv);
        return;
    }
    for (size_t i = 0; i < command->argv.n; i++) {
        if (command->mode == INPUT_ARGUMENT && i > 0) {
            add_argument(argv, command->argv.v[i], input);
        } else {
            strv_add(argv, command->argv.v[i]);
        }
    }
}

void
command_add_options(struct command *command, const char *pair)
{
    if (pair == NULL) {
        return;
    }
    const char *options = strchr(pair, '=') + 1;
    AUTO(mem_free) char *name = mem_dup(pair, (size_t)(options - pair) - 1);
    const char *said = options_variable(&command->env, name);
    AUTO(mem_free)
    char *joined = mem_printf("%s=%s%s%s", name, said == NULL ? "" : said,
                              said == NULL || said[0] == '\0' ? "" : ":", options);
    options_put(&command->env, joined);
}

/* The value of a variable for a person's shell, where a sanitizer prints names in its
 * stacks. What the user set stands there in any case. */
static void
shell_value(const struct command *command, const char *name, const char *pair,
            struct buf *out)
{
    const char *value = pair + strlen(name) + 1;
    const char *said = options_variable(&command->env, name);
    AUTO(strv_clear) struct strv options = {0};
    AUTO(strv_clear) struct strv own = {0};

    if (!options_is_sanitizer(pair)) {
        buf_adds(out, value);
        return;
    }
    options_split(value, &options);
    options_split(said == NULL ? "" : said, &own);
    for (size_t i = 0; i < options.n; i++) {
        if (!options_is_cosmetic(options.v[i]) || strv_has(&own, options.v[i])) {
            buf_addf(out, "%s%s", out->len == 0 ? "" : ":", options.v[i]);
        }
    }
}

void
command_shell_environment(const struct command *command, struct strv *env)
{
    AUTO(strv_clear) struct strv all = {0};

    command_environment(command, false, &all);
    for (size_t i = 0; i < all.n; i++) {
        AUTO(mem_free)
        char *name = mem_dup(all.v[i], (size_t)(strchr(all.v[i], '=') - all.v[i]));
        AUTO(buf_clear) struct buf value = BUF_INIT;
        /* the variables of rarer sanitizers would only make the line unreadable */
        if (options_variable(&command->env, name) != NULL ||
            strcmp(name, "UBSAN_OPTIONS") == 0 ||
            (command->asan && strcmp(name, "ASAN_OPTIONS") == 0)) {
            shell_value(command, name, all.v[i], &value);
            strv_addf(env, "%s=%s", name, buf_str(&value));
        }
    }
}

char *
command_shell(const struct command *command, const char *input)
{
    AUTO(strv_clear) struct strv env = {0};
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(buf_clear) struct buf out = BUF_INIT;

    command_shell_environment(command, &env);
    for (size_t i = 0; i < env.n; i++) {
        const char *value = strchr(env.v[i], '=') + 1;
        buf_add(&out, env.v[i], (size_t)(value - env.v[i]));
        str_shell(&out, value);
        buf_addc(&out, ' ');
    }
    command_arguments(command, input, &argv);
    for (size_t i = 0; i < argv.n; i++) {
        buf_adds(&out, i == 0 ? "" : " ");
        str_shell(&out, argv.v[i]);
    }
    if (command->mode == INPUT_STDIN) {
        buf_adds(&out, " < ");
        str_shell(&out, input);
    }
    return buf_steal(&out);
}
