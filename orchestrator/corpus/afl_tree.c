#include "orchestrator/corpus/afl_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/options.h"

enum { HANG_MIN_MS = 1000, HANG_FACTOR = 5, ANCESTORS_MAX = 4 };

/* Options of afl-fuzz with a value, of all versions from 2.52b to 4.3x. */
static const char valued_options[] = "aBbcEeFfgGIiLlMmoPpSsTtVwx";

void
afl_setup_clear(struct afl_setup *setup)
{
    mem_free(setup->source);
    mem_free(setup->output);
    mem_free(setup->input_file);
    strv_clear(&setup->options);
    strv_clear(&setup->argv);
    strv_clear(&setup->env);
    *setup = (struct afl_setup){0};
}

/* --- afl-fuzz's options --- */

/* The value of a valued option at words[*i], which may be the next word; NULL: none. */
static const char *
option_value(const struct strv *words, size_t *i)
{
    const char *word = words->v[*i];

    if (word[2] != '\0') {
        return word + 2;
    }
    return *i + 1 < words->n ? words->v[++*i] : NULL;
}

static void
take_option(struct afl_setup *setup, char letter, const char *value)
{
    char **texts[] = {letter == 'o' ? &setup->output : NULL,
                      letter == 'f' ? &setup->input_file : NULL};

    for (size_t k = 0; k < COUNT(texts); k++) {
        if (texts[k] != NULL) {
            mem_free(*texts[k]);
            *texts[k] = mem_strdup(value);
        }
    }
    if (letter == 't') { /* "-t 200+": a cap */
        AUTO(mem_free) char *number = mem_dup(value, strspn(value, "0123456789"));
        (void)str_number("-t", number, 1, COMMAND_TIMEOUT_MS, &setup->timeout_ms, NULL);
    }
}

/* How many of the last words are the target's, as the file `cmdline` tells; 0: it does
 * not (an argument with a newline makes it useless). */
static size_t
known_tail(const struct strv *words, const struct strv *cmdline)
{
    if (cmdline->n >= words->n) {
        return 0;
    }
    for (size_t i = 1; i <= cmdline->n; i++) {
        if (strcmp(words->v[words->n - i], cmdline->v[cmdline->n - i]) != 0) {
            return 0;
        }
    }
    return cmdline->n;
}

/* Split afl-fuzz's command line into its own words and the target's: where `cmdline`
 * says so, else at "--" or the first word that is no option (afl-fuzz's getopt stops
 * there too). */
static void
split_command(struct afl_setup *setup, const struct strv *words,
              const struct strv *cmdline)
{
    size_t tail = known_tail(words, cmdline);
    size_t end = words->n - tail;
    size_t i = 1;

    if (words->v == NULL) {
        return;
    }
    for (; i < end && words->v[i][0] == '-' && words->v[i][1] != '\0'; i++) {
        const char *word = words->v[i];
        if (strcmp(word, "--") == 0) {
            i++;
            break;
        }
        if (strchr(valued_options, word[1]) != NULL) {
            const char *value = option_value(words, &i);
            take_option(setup, word[1], value == NULL ? "" : value);
        }
    }
    i = tail > 0 ? end : i;
    for (size_t k = 0; k < words->n; k++) {
        strv_add(k < i ? &setup->options : &setup->argv, words->v[k]);
    }
}

/* --- the files --- */

static int
read_text(const char *instance, const char *name, char **path, struct buf *out,
          struct err *err)
{
    *path = fs_join(instance, name);
    out->max = AFL_SETUP_MAX;
    return fs_read(*path, AFL_SETUP_MAX, out, err);
}

/* Lines "NAME=value" from text up to `end`. */
static void
take_environment(struct afl_setup *setup, const char *text, const char *end)
{
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t len = newline == NULL ? (size_t)(end - text) : (size_t)(newline - text);
        AUTO(mem_free) char *line = mem_dup(text, len);
        const char *equals = strchr(line, '=');
        if (line[0] != '#' && equals != NULL && equals != line) {
            options_put(&setup->env, line);
        }
        text += len + 1;
    }
}

/* One argument a line; empty when there is no such file. */
static void
read_lines(const char *instance, struct strv *out)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(mem_free) char *path = NULL;
    struct err ignored = ERR_INIT;

    if (read_text(instance, "cmdline", &path, &text, &ignored) < 0) {
        return;
    }
    for (const char *at = buf_str(&text); *at != '\0';) {
        size_t len = strcspn(at, "\n");
        AUTO(mem_free) char *line = mem_dup(at, len);
        strv_add(out, line);
        at += len + (at[len] == '\n');
    }
}

static int
read_setup(const char *instance, struct afl_setup *out, struct err *err)
{
    static const char marker[] = "# command line:\n";
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(strv_clear) struct strv words = {0};
    AUTO(strv_clear) struct strv cmdline = {0};
    int rc = read_text(instance, "fuzzer_setup", &out->source, &text, err);

    if (rc < 0) {
        return rc;
    }
    const char *at = strstr(buf_str(&text), marker);
    if (at == NULL) {
        return err_set(err, -ENODATA, "'%s' holds no command line", out->source);
    }
    take_environment(out, buf_str(&text), at);
    rc = str_shell_split(at + sizeof(marker) - 1, &words, err);
    if (rc < 0) {
        return err_wrap(err, rc, "'%s'", out->source);
    }
    read_lines(instance, &cmdline);
    split_command(out, &words, &cmdline);
    return 0;
}

static int
read_cmdline(const char *instance, struct afl_setup *out, struct err *err)
{
    (void)err;
    out->source = fs_join(instance, "cmdline");
    read_lines(instance, &out->argv);
    return out->argv.n > 0 ? 0 : -ENOENT;
}

/* The value of "key   : value" in fuzzer_stats; new, or NULL. */
static char *
stats_value(const char *text, const char *key)
{
    size_t len = strlen(key);

    for (const char *at = text; *at != '\0';) {
        size_t line = strcspn(at, "\n");
        const char *colon = memchr(at, ':', line);
        if (colon != NULL && strncmp(at, key, len) == 0 &&
            strspn(at + len, " ") == (size_t)(colon - at) - len) {
            colon += 1 + strspn(colon + 1, " ");
            return mem_dup(colon, line - (size_t)(colon - at));
        }
        at += line + (at[line] == '\n');
    }
    return NULL;
}

static int
read_stats(const char *instance, struct afl_setup *out, struct err *err)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(strv_clear) struct strv words = {0};
    int rc = read_text(instance, "fuzzer_stats", &out->source, &text, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(mem_free) char *line = stats_value(buf_str(&text), "command_line");
    if (line != NULL && str_shell_split(line, &words, err) == 0) {
        split_command(out, &words, &(struct strv){0});
    }
    return 0;
}

static int64_t
stats_number(const char *text, const char *key)
{
    AUTO(mem_free) char *value = stats_value(text, key);
    int64_t number = 0;

    if (value == NULL || str_number(key, value, 0, INT32_MAX, &number, NULL) < 0) {
        return 0;
    }
    return number;
}

/* The folder that holds path; new. */
static char *
folder_of(const char *path)
{
    size_t len = (size_t)(fs_base(path) - path);

    return len < 2 ? mem_strdup("/") : mem_dup(path, len - 1);
}

int64_t
afl_found_at(const char *path)
{
    AUTO(mem_free) char *folder = folder_of(path);
    AUTO(mem_free) char *instance = folder_of(folder);
    AUTO(mem_free) char *source = NULL;
    AUTO(buf_clear) struct buf text = BUF_INIT;
    const char *time = strstr(fs_base(path), ",time:");
    struct err ignored = ERR_INIT;
    int64_t since = 0;
    struct stat st;

    if (time == NULL || stat(path, &st) < 0 ||
        (strcmp(fs_base(folder), "crashes") != 0 &&
         strcmp(fs_base(folder), "hangs") != 0) ||
        read_text(instance, "fuzzer_stats", &source, &text, &ignored) < 0) {
        return 0;
    }
    time += strlen(",time:");
    AUTO(mem_free) char *digits = mem_dup(time, strspn(time, "0123456789"));
    int64_t start = stats_number(buf_str(&text), "start_time");
    int64_t end = stats_number(buf_str(&text), "last_update");
    bool own = st.st_mtime >= start && st.st_mtime <= end;
    if (start == 0 || own ||
        str_number("time", digits, 0, INT64_MAX / 2, &since, &ignored) < 0) {
        return 0;
    }
    return start * 1000 + since;
}

/* What `-t` did not say: afl-fuzz measures a limit by itself. */
static void
take_measured_timeout(const char *instance, struct afl_setup *setup)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(mem_free) char *path = NULL;
    struct err ignored = ERR_INIT;

    if (setup->timeout_ms == 0 &&
        read_text(instance, "fuzzer_stats", &path, &text, &ignored) == 0) {
        AUTO(mem_free) char *value = stats_value(buf_str(&text), "exec_timeout");
        if (value != NULL) {
            (void)str_number("exec_timeout", value, 1, COMMAND_TIMEOUT_MS,
                             &setup->timeout_ms, NULL);
        }
    }
}

int
afl_setup_read(const char *instance, struct afl_setup *out, struct err *err)
{
    static int (*const readers[])(const char *, struct afl_setup *,
                                  struct err *) = {read_setup, read_cmdline, read_stats};
    struct err why = ERR_INIT;

    for (size_t i = 0; i < COUNT(readers); i++) {
        AUTO(afl_setup_clear) struct afl_setup setup = {0};
        struct err own = ERR_INIT;
        int rc = readers[i](instance, &setup, &own);
        if (rc == 0 && setup.argv.n > 0 && setup.argv.v[0][0] != '\0') {
            take_measured_timeout(instance, &setup);
            *out = setup;
            setup = (struct afl_setup){0};
            return 0;
        }
        /* a file that is there and cannot be used says more than one that is not */
        if (rc < 0 && rc != -ENOENT && why.code == 0) {
            why = own;
        }
    }
    AUTO(mem_free) char *shown = str_name_dup(instance);
    return err_set(err, -ENODATA,
                   "'%s' does not tell which program was fuzzed%s%s; give it: "
                   "nightjar triage PATH -- ./target @@",
                   shown, why.code == 0 ? "" : ": ", why.msg);
}

/* --- the command --- */

/* The folder that afl-fuzz was started in: the tree without what -o says. NULL: not to be
 * told from that. */
static char *
started_in(const struct afl_setup *setup, const char *instance)
{
    AUTO(mem_free)
    char *tree = mem_dup(instance, (size_t)(fs_base(instance) - instance - 1));
    const char *places[] = {tree, instance}; /* AFL before 3.0 wrote into -o itself */

    if (setup->output == NULL || setup->output[0] == '/') {
        return NULL;
    }
    AUTO(mem_free) char *rooted = mem_printf("/%s", setup->output);
    AUTO(mem_free) char *tail = fs_absolute(rooted); /* without ./ and trailing / */
    for (size_t i = 0; i < COUNT(places); i++) {
        if (strlen(tail) > 1 && str_ends(places[i], tail)) {
            size_t len = strlen(places[i]) - strlen(tail);
            return len == 0 ? mem_strdup("/") : mem_dup(places[i], len);
        }
    }
    return NULL;
}

/* Where a relative path may be meant from, the likeliest first. */
static void
list_bases(const struct afl_setup *setup, const char *instance, struct strv *out)
{
    AUTO(mem_free) char *started = started_in(setup, instance);
    AUTO(mem_free) char *here = fs_absolute(".");
    AUTO(mem_free) char *above = mem_strdup(instance);

    if (started != NULL) {
        strv_add(out, started);
    }
    if (!strv_has(out, here)) {
        strv_add(out, here);
    }
    for (int i = 0; i < ANCESTORS_MAX && strcmp(above, "/") != 0; i++) {
        size_t len = (size_t)(fs_base(above) - above);
        above[len > 1 ? len - 1 : 1] = '\0';
        if (!strv_has(out, above)) {
            strv_add(out, above);
        }
    }
}

static bool
is_program(const char *path)
{
    return fs_exists(path) && !fs_is_folder(path) && access(path, X_OK) == 0;
}

/* The folder from which the command's relative paths are meant: where its program is. */
static int
find_base(const struct afl_setup *setup, const char *instance, char **out,
          struct err *err)
{
    const char *program = setup->argv.v[0];
    AUTO(strv_clear) struct strv bases = {0};
    AUTO(buf_clear) struct buf tried = BUF_INIT;
    bool by_path = strchr(program, '/') != NULL;

    list_bases(setup, instance, &bases);
    for (size_t i = 0; i < bases.n; i++) {
        AUTO(mem_free) char *joined = fs_join(bases.v[i], program);
        AUTO(mem_free) char *path = fs_absolute(joined);
        /* a bare name is found in PATH, as afl-fuzz does it: any base will do */
        if (!by_path || is_program(path)) {
            *out = mem_strdup(bases.v[i]);
            return 0;
        }
        if (strstr(buf_str(&tried), path) == NULL) {
            buf_adds(&tried, tried.len == 0 ? "" : ", ");
            str_name(&tried, path, strlen(path));
        }
    }
    AUTO(mem_free) char *shown = str_name_dup(program);
    AUTO(mem_free) char *source = str_name_dup(setup->source);
    return err_set(
        err, -ENOENT,
        "the fuzzed program '%s' (from %s) is not here, looked at: %.500s; say "
        "where it is: nightjar triage PATH -- /path/to/%s @@",
        shown, source, buf_str(&tried), fs_base(shown));
}

/* "@@", or the file of -f in its place; without either the target reads standard input.
 */
static int
target_words(const struct afl_setup *setup, struct strv *out, struct err *err)
{
    bool placed = false;

    for (size_t i = 0; i < setup->argv.n; i++) {
        const char *word = setup->argv.v[i];
        if (setup->input_file != NULL && i > 0 && strcmp(word, setup->input_file) == 0) {
            word = "@@";
        }
        placed = placed || strstr(word, "@@") != NULL;
        strv_add(out, word);
    }
    if (setup->input_file != NULL && !placed) {
        AUTO(mem_free) char *file = str_name_dup(setup->input_file);
        return err_set(
            err, -ENOTSUP,
            "the target read its input from the fixed file '%s' (-f), which a "
            "replay cannot provide; give a command with @@: nightjar triage PATH "
            "-- ./target @@",
            file);
    }
    return 0;
}

/* Unicorn and Nyx targets are no programs of this machine. */
static int
check_mode(const struct afl_setup *setup, struct err *err)
{
    static const char *const modes[] = {"-U", "-X", "-Y"};

    for (size_t i = 0; i < COUNT(modes); i++) {
        if (strv_has(&setup->options, modes[i])) {
            return err_set(err, -ENOTSUP,
                           "fuzzed with afl-fuzz %s (%s): the target does not run by "
                           "itself; give a command that does: nightjar triage PATH -- "
                           "./target @@",
                           modes[i], i == 0 ? "Unicorn" : "Nyx");
        }
    }
    return 0;
}

/* The environment that the target had: what afl-fuzz hands on, not what it reads itself.
 */
static void
target_environment(const struct afl_setup *setup, const char *base,
                   struct command *command)
{
    const char *preload = options_variable(&setup->env, "AFL_PRELOAD");
    const char *given = options_variable(&setup->env, "AFL_TARGET_ENV");
    AUTO(strv_clear) struct strv pairs = {0};
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < setup->env.n; i++) {
        if (!str_starts(setup->env.v[i], "AFL_")) {
            options_put(&command->env, setup->env.v[i]);
        }
    }
    if (given != NULL && str_shell_split(given, &pairs, &ignored) == 0) {
        for (size_t i = 0; i < pairs.n; i++) {
            if (strchr(pairs.v[i], '=') != NULL) {
                options_put(&command->env, pairs.v[i]);
            }
        }
    }
    if (preload != NULL) {
        AUTO(mem_free) char *joined = fs_join(base, preload);
        AUTO(mem_free) char *path = fs_absolute(joined);
        AUTO(mem_free) char *pair = mem_printf("LD_PRELOAD=%s", path);
        options_put(&command->env, pair);
        strv_add(&command->read, path);
    }
}

static int64_t
replay_timeout_ms(const struct afl_setup *setup)
{
    const char *hang = options_variable(&setup->env, "AFL_HANG_TMOUT");
    int64_t limit = setup->timeout_ms > HANG_MIN_MS ? setup->timeout_ms : HANG_MIN_MS;

    if (hang != NULL) {
        (void)str_number("AFL_HANG_TMOUT", hang, 1, COMMAND_TIMEOUT_MS, &limit, NULL);
    }
    limit *= HANG_FACTOR;
    return limit < AFL_TIMEOUT_MIN_MS   ? AFL_TIMEOUT_MIN_MS
           : limit > COMMAND_TIMEOUT_MS ? COMMAND_TIMEOUT_MS
                                        : limit;
}

/* command_from_argv() as if it were called in `base`: the files that the words name are
 * meant from there. */
static int
command_from(const char *base, const struct strv *words, struct command *out,
             struct err *err)
{
    AUTO(fd_close) int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (here < 0 || chdir(base) < 0) {
        return err_sys(err, "enter '%s'", base);
    }
    int rc = command_from_argv(words, out, err);
    if (fchdir(here) < 0) {
        return err_sys(err, "return to the current folder");
    }
    return rc;
}

int
afl_setup_command(const struct afl_setup *setup, const char *instance,
                  struct command *out, struct err *err)
{
    AUTO(mem_free) char *base = NULL;
    AUTO(strv_clear) struct strv words = {0};
    AUTO(command_clear) struct command command = {0};
    int rc = check_mode(setup, err);

    rc = rc < 0 ? rc : target_words(setup, &words, err);
    rc = rc < 0 ? rc : find_base(setup, instance, &base, err);
    if (rc < 0 || base == NULL) {
        return rc;
    }
    rc = command_from(base, &words, &command, err);
    if (rc < 0) {
        return rc;
    }
    target_environment(setup, base, &command);
    command.timeout_ms = replay_timeout_ms(setup);
    command_clear(out);
    *out = command;
    command = (struct command){0};
    return 0;
}

int
afl_tree_command(const struct strv *instances, struct command *out, char **source,
                 struct err *err)
{
    AUTO(command_clear) struct command best = {0};
    AUTO(mem_free) char *told = NULL;

    for (size_t i = 0; i < instances->n && !best.asan; i++) {
        AUTO(afl_setup_clear) struct afl_setup setup = {0};
        AUTO(command_clear) struct command command = {0};
        struct err why = ERR_INIT;
        int rc = afl_setup_read(instances->v[i], &setup, &why);
        rc = rc < 0 ? rc : afl_setup_command(&setup, instances->v[i], &command, &why);
        if (rc < 0 && (i == 0 || err == NULL)) {
            (void)err_set(err, rc, "%s", why.msg);
        }
        if (rc == 0 && (best.argv.n == 0 || command.asan)) {
            command_copy(&best, &command);
            mem_free(told);
            told = mem_strdup(setup.source);
        }
    }
    if (best.argv.n == 0) {
        return err != NULL && err->code != 0 ? err->code : -ENOENT;
    }
    command_clear(out);
    *out = best;
    best = (struct command){0};
    if (source != NULL) {
        *source = STEAL(told);
    }
    return 0;
}
