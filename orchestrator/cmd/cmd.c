#include "orchestrator/cmd/cmd.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { PASSWD_MAX = 16 << 10, OPTIONS_MAX = 32, SUBS_MAX = 32, HELP_COLUMN = 24 };

int
cmd_fail(int status, const char *fmt, ...)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;
    char text[4096];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    str_clean(&line, text, strlen(text));
    (void)fprintf(stderr, "nightjar: %s\n", buf_str(&line));
    return status;
}

int
cmd_fail_err(const struct err *err)
{
    return cmd_fail(err->code == -EINVAL ? EXIT_USAGE : EXIT_UNDECIDED, "%s", err->msg);
}

void
cmd_next(const struct cmd_context *context, const char *fmt, ...)
{
    va_list args;

    if (context->json) {
        return;
    }
    (void)fflush(stdout);
    (void)fputs("next: ", stderr);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

char *
cmd_actor(void)
{
    AUTO(mem_free) char *text = mem_alloc(PASSWD_MAX);
    struct passwd entry;
    struct passwd *found = NULL;

    (void)getpwuid_r(getuid(), &entry, text, PASSWD_MAX, &found);
    return found == NULL ? mem_printf("uid %u", (unsigned)getuid())
                         : str_name_dup(found->pw_name);
}

const char *
cmd_color(const struct cmd_context *context, const char *code)
{
    static char ring[8][16];
    static unsigned at;

    if (!context->color) {
        return "";
    }
    char *out = ring[at++ % COUNT(ring)];
    (void)snprintf(out, sizeof(ring[0]), "\033[%.8sm", code);
    return out;
}

static void
help_option(FILE *out, const struct cmd_option *option)
{
    AUTO(buf_clear) struct buf left = BUF_INIT;

    if (option->letter != 0) {
        buf_addf(&left, "-%c, ", option->letter);
    }
    buf_addf(&left, "--%s", option->name);
    if (option->kind != CMD_FLAG) {
        buf_addf(&left, "%s%s", option->kind == CMD_YESNO ? "=" : " ",
                 option->value == NULL ? "yes|no" : option->value);
    }
    (void)fprintf(out, "  %-*s%s%s\n", HELP_COLUMN, buf_str(&left),
                  left.len >= HELP_COLUMN ? "  " : "", option->help);
}

static void
help_sub(FILE *out, const struct cmd_sub *sub)
{
    AUTO(mem_free) char *left = mem_printf("%s %s", sub->name, sub->usage);
    size_t len = strlen(left);

    (void)fprintf(out, "  %-*s", HELP_COLUMN, left);
    if (len >= HELP_COLUMN) {
        (void)fprintf(out, "\n  %-*s", HELP_COLUMN, "");
    }
    (void)fprintf(out, "%s\n", sub->help);
}

void
cmd_help(FILE *out, const struct cmd *cmd)
{
    (void)fprintf(out, "usage: nightjar %s %s\n\n%s\n\n", cmd->name, cmd->usage,
                  cmd->about);
    if (cmd->subs != NULL) {
        (void)fputs("commands:\n", out);
    }
    for (const struct cmd_sub *sub = cmd->subs; sub != NULL && sub->name != NULL; sub++) {
        help_sub(out, sub);
    }
    (void)fprintf(out, "%soptions:\n", cmd->subs == NULL ? "" : "\n");
    for (const struct cmd_option *o = cmd->options(); o->kind != CMD_END; o++) {
        help_option(out, o);
    }
    (void)fprintf(out, "  %-*s%s\n  %-*s%s\n  %-*s%s\n", HELP_COLUMN, "--state DIR",
                  "where nightjar keeps its database (default .nightjar)", HELP_COLUMN,
                  "--config FILE", "default: nightjar.yaml, if it is there", HELP_COLUMN,
                  "--json", "JSON Lines on standard output");
}

void
cmd_help_all(FILE *out, const struct cmd *const *table)
{
    (void)fputs("usage: nightjar VERB [OPTION...] [ARGUMENT...]\n\nverbs:\n", out);
    for (; *table != NULL; table++) {
        if (!(*table)->hidden) {
            (void)fprintf(out, "  %-12s%s\n", (*table)->name, (*table)->summary);
        }
    }
    (void)fputs("\n`nightjar VERB --help` explains one verb, with an example.\n"
                "Begin: nightjar triage CRASHES -- ./target @@, or nightjar fuzz "
                "./target seeds/\n",
                out);
}

static int
unknown(const struct cmd *cmd, const char *name, size_t len, struct err *err)
{
    const char *names[OPTIONS_MAX + 1] = {NULL};
    AUTO(mem_free) char *given = mem_dup(name, len);
    size_t n = 0;

    for (const struct cmd_option *o = cmd->options();
         o->kind != CMD_END && n < OPTIONS_MAX; o++) {
        names[n++] = o->name;
    }
    const char *near = str_suggest(given, names);
    if (near != NULL) {
        return err_set(err, -EINVAL, "%s has no option '--%s' (did you mean '--%s'?)",
                       cmd->name, given, near);
    }
    return err_set(err, -EINVAL, "%s has no option '--%s'; see nightjar %s --help",
                   cmd->name, given, cmd->name);
}

static int
store(const struct cmd_option *option, const char *value, struct err *err)
{
    struct err why = ERR_INIT;
    int rc = 0;

    switch (option->kind) {
    case CMD_FLAG:
        *(bool *)option->out = true;
        return 0;
    case CMD_YESNO:
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
            rc = err_set(&why, -EINVAL, "'%s' is neither yes nor no", value);
        }
        *(bool *)option->out = strcmp(value, "yes") == 0;
        break;
    case CMD_TEXT:
        *(const char **)option->out = value;
        break;
    case CMD_LIST:
        strv_add(option->out, value);
        break;
    case CMD_NUMBER:
        rc = str_number("value", value, 1, INT32_MAX, option->out, &why);
        break;
    case CMD_DURATION:
        rc = str_duration(value, option->out, &why);
        break;
    case CMD_SIZE:
        rc = str_size(value, option->out, &why);
        break;
    case CMD_END:
        break;
    }
    return rc < 0 ? err_set(err, rc, "--%s: %s", option->name, why.msg) : 0;
}

static const struct cmd_option *
find_option(const struct cmd *cmd, const char *name, size_t len)
{
    for (const struct cmd_option *o = cmd->options(); o->kind != CMD_END; o++) {
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0) {
            return o;
        }
    }
    return NULL;
}

static const struct cmd_option *
find_letter(const struct cmd *cmd, char letter)
{
    for (const struct cmd_option *o = cmd->options(); o->kind != CMD_END; o++) {
        if (o->letter == letter) {
            return o;
        }
    }
    return NULL;
}

/* One option at argv[*at]; moves *at when the value is the next argument. */
static int
parse_option(const struct cmd *cmd, int argc, char **argv, int *at, struct err *err)
{
    const char *arg = argv[*at];
    bool is_long = arg[1] == '-';
    const char *equals = is_long ? strchr(arg, '=') : NULL;
    size_t len = equals == NULL ? strlen(arg) - 2 : (size_t)(equals - arg) - 2;
    const struct cmd_option *option =
        is_long ? find_option(cmd, arg + 2, len) : find_letter(cmd, arg[1]);
    const char *value = equals == NULL ? NULL : equals + 1;

    if (option == NULL) {
        return is_long ? unknown(cmd, arg + 2, len, err)
                       : err_set(err, -EINVAL,
                                 "%s has no option '%s'; see nightjar %s --help",
                                 cmd->name, arg, cmd->name);
    }
    if (!is_long && arg[2] != '\0') {
        value = arg + 2;
    }
    if (option->kind == CMD_FLAG) {
        if (value != NULL) {
            return err_set(err, -EINVAL, "--%s takes no value", option->name);
        }
        return store(option, NULL, err);
    }
    if (value == NULL) {
        if (*at + 1 >= argc) {
            return err_set(err, -EINVAL, "--%s needs a value: --%s %s", option->name,
                           option->name,
                           option->value == NULL ? "yes|no" : option->value);
        }
        value = argv[++*at];
    }
    return store(option, value, err);
}

int
cmd_parse(const struct cmd *cmd, int argc, char **argv, struct strv *args,
          struct strv *command, struct err *err)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            for (i++; i < argc; i++) {
                strv_add(command, argv[i]);
            }
            return 0;
        }
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            strv_add(args, argv[i]);
            continue;
        }
        int rc = parse_option(cmd, argc, argv, &i, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* --- sub-verbs --- */

static bool
was_given(const struct cmd_option *option)
{
    switch (option->kind) {
    case CMD_FLAG:
    case CMD_YESNO:
        return *(const bool *)option->out;
    case CMD_TEXT:
        return *(const char *const *)option->out != NULL;
    case CMD_LIST:
        return ((const struct strv *)option->out)->n > 0;
    case CMD_NUMBER:
    case CMD_DURATION:
    case CMD_SIZE:
        return *(const int64_t *)option->out != 0;
    case CMD_END:
        break;
    }
    return false;
}

/* Whether the word stands in a list of words separated by blanks. */
static bool
is_among(const char *list, const char *word)
{
    size_t len = strlen(word);

    while (list != NULL && *list != '\0') {
        size_t next = strcspn(list, " ");
        if (next == len && memcmp(list, word, len) == 0) {
            return true;
        }
        list += next + strspn(list + next, " ");
    }
    return false;
}

static const struct cmd_sub *
find_sub(const struct cmd *cmd, const char *name)
{
    const char *names[SUBS_MAX + 1] = {NULL};
    size_t n = 0;

    for (const struct cmd_sub *sub = cmd->subs; sub->name != NULL && n < SUBS_MAX;
         sub++) {
        if (strcmp(sub->name, name) == 0) {
            return sub;
        }
        names[n++] = sub->name;
    }
    AUTO(mem_free) char *shown = str_name_dup(name);
    const char *near = str_suggest(name, names);
    (void)cmd_fail(EXIT_USAGE, "%s knows no '%.80s'%s%s%s; see nightjar %s --help",
                   cmd->name, shown, near == NULL ? "" : " (did you mean '",
                   near == NULL ? "" : near, near == NULL ? "" : "'?)", cmd->name);
    return NULL;
}

int
cmd_run_sub(const struct cmd *cmd, const struct cmd_context *context,
            const struct strv *args)
{
    const struct cmd_sub *sub = find_sub(cmd, args->v[0]);
    const struct strv rest = {.v = args->v + 1, .n = args->n - 1};

    if (sub == NULL) {
        return EXIT_USAGE;
    }
    for (const struct cmd_option *o = cmd->options(); o->kind != CMD_END; o++) {
        if (was_given(o) && !is_among(sub->options, o->name)) {
            return cmd_fail(EXIT_USAGE, "%s %s has no option --%s: nightjar %s %s %s",
                            cmd->name, sub->name, o->name, cmd->name, sub->name,
                            sub->usage);
        }
    }
    return sub->run(context, &rest);
}
