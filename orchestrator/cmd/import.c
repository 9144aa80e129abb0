#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/triage_run.h"

static struct triage_call given = {.source = "import", .minimize = "no", .backlog = true};
static bool no_triage;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "no-triage", 0, &no_triage, NULL,
         "only file them: the next `nightjar triage` or `fuzz` goes on"},
        {CMD_TEXT, "target", 't', &given.target, "NAME",
         "name of the target, or which of nightjar.yaml"},
        {CMD_NUMBER, "jobs", 'j', &given.jobs, "N",
         "triage workers at a time (default: cores; one more from 1,000 files on)"},
        {CMD_DURATION, "timeout", 0, &given.timeout_ms, "DURATION",
         "limit of one run (default 25s)"},
        {CMD_TEXT, "minimize", 0, &given.minimize, "DURATION|no",
         "time for each bug (default no)"},
        {CMD_TEXT, "sandbox", 0, &given.rung, "RUNG", "auto, bwrap, landlock or none"},
        {.kind = CMD_END}};

    return table;
}

/* --- CASR --- */

/* A .casrep lies beside its input, of which it has the name: "x" and "x.casrep", and
 * "x.gdb.casrep" for a second look of gdb at the same crash. */
struct casr {
    struct strv reports; /* those that stand for a crash */
    struct strv inputs;
    size_t lone; /* reports whose input is not there */
};

static void
casr_clear(struct casr *casr)
{
    strv_clear(&casr->reports);
    strv_clear(&casr->inputs);
}
AUTO_DEFINE_CLEAR(struct casr, casr_clear)

static int
on_file(void *user, const char *path, const struct stat *st, struct err *err)
{
    static const char ending[] = ".casrep";
    static const char by_gdb[] = ".gdb.casrep";
    struct casr *casr = user;

    (void)err;
    if (st == NULL || !str_ends(path, ending)) {
        return 0;
    }
    bool second = str_ends(path, by_gdb);
    size_t cut = second ? sizeof(by_gdb) - 1 : sizeof(ending) - 1;
    AUTO(mem_free) char *input = mem_dup(path, strlen(path) - cut);
    AUTO(mem_free) char *main_report = mem_printf("%s%s", input, ending);
    if (second && fs_exists(main_report)) {
        return 0;
    }
    strv_add(&casr->reports, path);
    if (fs_exists(input)) {
        strv_add(&casr->inputs, input);
    } else {
        casr->lone++;
    }
    return 0;
}

/* With a command the inputs are run; without one the reports have to do. */
static int
import_casr(const struct cmd_context *context, const char *folder,
            const struct triage_call *with)
{
    struct triage_call call = *with;
    AUTO(casr_clear) struct casr casr = {0};
    AUTO(mem_free) char *shown = str_name_dup(folder);
    struct err err = ERR_INIT;
    bool runs = call.command->n > 0;

    if (fs_walk(folder, on_file, &casr, &err) < 0) {
        return cmd_fail_err(&err);
    }
    if (casr.reports.n == 0) {
        return cmd_fail(EXIT_USAGE, "'%s' holds no .casrep files", shown);
    }
    if (runs && casr.inputs.n == 0) {
        return cmd_fail(EXIT_USAGE,
                        "the inputs of '%s' are gone: leave the command out, and the "
                        "reports are taken",
                        shown);
    }
    if (runs && casr.lone > 0) {
        (void)cmd_fail(
            0,
            "%zu reports have no input: nightjar import casr without a command "
            "takes them",
            casr.lone);
    }
    call.reports = !runs;
    call.paths = runs ? &casr.inputs : &casr.reports;
    return triage_run(context, &call);
}

/* --- the verb --- */

static int
import_folder(const struct cmd_context *context, const struct strv *paths,
              enum crash_kind kind, const struct triage_call *with)
{
    struct triage_call call = *with;

    call.paths = paths;
    call.kind = &kind;
    return triage_run(context, &call);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    static const char *const kinds[] = {"afl", "libfuzzer", "casr", NULL};
    struct triage_call call = given;
    AUTO(strv_clear) struct strv paths = {0};

    if (args->n != 2) {
        return cmd_fail(EXIT_USAGE, "import needs what and where: nightjar import "
                                    "afl|libfuzzer|casr DIR [-- COMMAND @@]");
    }
    const char *kind = args->v[0];
    AUTO(mem_free) char *verb = mem_printf("import %s", kind);
    strv_add(&paths, args->v[1]);
    call.command = command;
    call.verb = verb;
    call.ledger_only = no_triage;
    if (strcmp(kind, "afl") == 0) {
        return import_folder(context, &paths, CRASH_AFL, &call);
    }
    if (strcmp(kind, "libfuzzer") == 0) {
        return import_folder(context, &paths, CRASH_LIBFUZZER, &call);
    }
    if (strcmp(kind, "casr") == 0) {
        return import_casr(context, args->v[1], &call);
    }
    AUTO(mem_free) char *shown = str_name_dup(kind);
    const char *near = str_suggest(kind, kinds);
    return cmd_fail(EXIT_USAGE, "'%s' is nothing to import%s%s%s: afl, libfuzzer or casr",
                    shown, near == NULL ? "" : " (did you mean '",
                    near == NULL ? "" : near, near == NULL ? "" : "'?)");
}

const struct cmd cmd_import = {
    .name = "import",
    .summary = "take old findings of AFL++, libFuzzer or CASR over as backlog",
    .usage = "afl|libfuzzer|casr DIR [-- COMMAND @@]",
    .about =
        "File what another tool found before: as backlog, which alerts nobody and has "
        "no\n"
        "deadline until a fresh crash joins it. When each was found is kept: the time "
        "of\n"
        "its file or, of a copied AFL++ folder, the one in its name. The crashes are "
        "then\n"
        "triaged like any others, without minimization unless --minimize asks for it.\n\n"
        "Of AFL++ the command is known. libFuzzer's artifacts need it behind --. Of "
        "CASR,\n"
        "with a command the inputs beside the .casrep files are run; without one the\n"
        "reports in them are grouped and nothing is run.\n\n"
        "  nightjar import afl ~/old/afl-out\n"
        "  nightjar import libfuzzer artifacts/ -- ./fuzz_target\n"
        "  nightjar import casr casr-out/",
    .options = options,
    .run = run,
};
