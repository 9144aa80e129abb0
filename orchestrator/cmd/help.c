#include <string.h>

#include "base/str.h"
#include "orchestrator/cmd/cmd.h"

static bool as_completion;
static bool as_roff;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "completion", 0, &as_completion, NULL, "print the bash completion"},
        {CMD_FLAG, "roff", 0, &as_roff, NULL,
         "print the verbs as mdoc, for the man page"},
        {.kind = CMD_END}};

    return table;
}

/* One case branch a verb: its long options, from the same tables as the parser's. */
static void
print_completion(void)
{
    (void)puts("# bash completion for nightjar; made by: nightjar help --completion\n"
               "_nightjar() {\n"
               "  local cur=${COMP_WORDS[COMP_CWORD]} verb='' options='' words='' word\n"
               "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
               "    [[ $word == -* ]] || { verb=$word; break; }\n"
               "  done\n"
               "  case $verb in");
    for (const struct cmd *const *cmd = cmd_table; *cmd != NULL; cmd++) {
        if ((*cmd)->hidden) {
            continue;
        }
        (void)printf("    %s) options='", (*cmd)->name);
        for (const struct cmd_option *o = (*cmd)->options(); o->kind != CMD_END; o++) {
            (void)printf("--%s%s ", o->name, o->kind == CMD_YESNO ? "=" : "");
        }
        (void)fputs("'", stdout);
        if ((*cmd)->subs != NULL) {
            (void)fputs(" words='", stdout);
        }
        for (const struct cmd_sub *sub = (*cmd)->subs; sub != NULL && sub->name != NULL;
             sub++) {
            (void)printf("%s ", sub->name);
        }
        (void)puts((*cmd)->subs == NULL ? " ;;" : "' ;;");
    }
    (void)fputs("    '') COMPREPLY=($(compgen -W '", stdout);
    for (const struct cmd *const *cmd = cmd_table; *cmd != NULL; cmd++) {
        if (!(*cmd)->hidden) {
            (void)printf("%s ", (*cmd)->name);
        }
    }
    (void)puts("--help --version --state --config --json' -- \"$cur\")); return ;;\n"
               "  esac\n"
               "  if [[ $cur == -* ]]; then\n"
               "    COMPREPLY=($(compgen -W \"$options --help --state --config --json\" "
               "-- \"$cur\"))\n"
               "  else\n"
               "    COMPREPLY=($(compgen -f -W \"$words\" -- \"$cur\"))\n"
               "  fi\n"
               "}\n"
               "complete -o filenames -F _nightjar nightjar");
}

/* mdoc text: a leading dot or quote would be a request, a backslash an escape. */
static void
print_mdoc(const char *text)
{
    bool line_start = true;

    for (; *text != '\0'; text++) {
        if (line_start && (*text == '.' || *text == '\'')) {
            (void)fputs("\\&", stdout);
        }
        (void)fputs(*text == '\\' ? "\\e" : "", stdout);
        if (*text != '\\') {
            (void)putchar(*text);
        }
        line_start = *text == '\n';
    }
    (void)putchar('\n');
}

static void
print_subs(const struct cmd *cmd)
{
    if (cmd->subs == NULL) {
        return;
    }
    (void)puts(".Bl -tag -width Ds");
    for (const struct cmd_sub *sub = cmd->subs; sub->name != NULL; sub++) {
        (void)printf(".It Cm %s ", sub->name);
        print_mdoc(sub->usage);
        print_mdoc(sub->help);
    }
    (void)puts(".El");
}

static void
print_roff(void)
{
    for (const struct cmd *const *cmd = cmd_table; *cmd != NULL; cmd++) {
        if ((*cmd)->hidden) {
            continue;
        }
        (void)printf(".Ss %s\n.Bd -literal -offset indent\nnightjar %s ", (*cmd)->name,
                     (*cmd)->name);
        print_mdoc((*cmd)->usage);
        (void)puts(".Ed\n.Bd -literal");
        print_mdoc((*cmd)->about);
        (void)puts(".Ed");
        print_subs(*cmd);
        if ((*cmd)->options()->kind == CMD_END) {
            continue;
        }
        (void)puts(".Bl -tag -width Ds");
        for (const struct cmd_option *o = (*cmd)->options(); o->kind != CMD_END; o++) {
            (void)printf(".It Fl Fl %s%s%s\n", o->name, o->kind == CMD_FLAG ? "" : " Ar ",
                         o->kind == CMD_FLAG ? ""
                         : o->value == NULL  ? "yes|no"
                                             : o->value);
            print_mdoc(o->help);
        }
        (void)puts(".El");
    }
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    (void)context;
    (void)command;
    if (as_completion) {
        print_completion();
        return EXIT_DONE;
    }
    if (as_roff) {
        print_roff();
        return EXIT_DONE;
    }
    if (args->n == 0) {
        cmd_help_all(stdout, cmd_table);
        return EXIT_DONE;
    }
    for (const struct cmd *const *cmd = cmd_table; *cmd != NULL; cmd++) {
        if (strcmp((*cmd)->name, args->v[0]) == 0) {
            cmd_help(stdout, *cmd);
            return EXIT_DONE;
        }
    }
    return cmd_fail(EXIT_USAGE, "there is no verb '%s'; `nightjar help` lists them",
                    args->v[0]);
}

const struct cmd cmd_help_verb = {
    .name = "help",
    .summary = "explain a verb",
    .usage = "[VERB]",
    .about = "Explain one verb, or list them all.\n\n"
             "  nightjar help triage",
    .options = options,
    .run = run,
    .stateless = true,
};
