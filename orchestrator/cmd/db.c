#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/db_gc.h"
#include "orchestrator/corpus/pack.h"
#include "orchestrator/corpus/unpack.h"
#include "triage/store.h"
#include "triage/upkeep.h"

static bool deep, apply, dry_run;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "deep", 0, &deep, NULL,
         "also read every blob and compare it with its name"},
        {CMD_FLAG, "apply", 0, &apply, NULL, "regroup, and not only say what would move"},
        {CMD_FLAG, "dry-run", 0, &dry_run, NULL, "gc: say what would go"},
        {.kind = CMD_END}};

    return table;
}

static void
print_finding(void *user, const char *name, const char *text)
{
    const struct cmd_context *context = user;

    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "invariant", json_text(name));
        json_put(o, "finding", json_text(text));
        json_print(stdout, o);
        return;
    }
    AUTO(mem_free) char *shown = str_name_dup(text);
    (void)printf("%s%s%s: %s\n", cmd_color(context, "31;1"), name,
                 cmd_color(context, "0"), shown);
}

static int
print_clean(const struct cmd_context *context, struct store *store, struct err *err)
{
    struct store_counts counts;
    int rc = context->json ? 0 : store_counts(store, &counts, err);

    if (rc == 0 && !context->json) {
        (void)printf("%sclean%s: %lld crashes, %lld bugs, their events, totals and %s\n",
                     cmd_color(context, "32;1"), cmd_color(context, "0"),
                     (long long)counts.crashes, (long long)counts.bugs_total,
                     deep ? "every byte of their files" : "their files");
    }
    return rc;
}

static int
check(const struct cmd_context *context)
{
    AUTO(store_close) struct store *store = NULL;
    struct cmd_context copy = *context;
    struct err err = ERR_INIT;
    int rc = store_open(context->state, DB_READ, &store, &err);

    rc = rc < 0 ? rc : store_check(store, deep, print_finding, &copy, &err);
    if (rc == 0) {
        rc = print_clean(context, store, &err);
    }
    if (rc < 0) {
        return cmd_fail(EXIT_UNDECIDED, "%s", err.msg);
    }
    if (rc > 0 && !context->json) {
        (void)printf(
            "%d broken promises: stop nightjar, copy '%s' away before anything else\n",
            rc, context->state);
    }
    return rc > 0 ? EXIT_FOUND : EXIT_DONE;
}

static int
check_verb(const struct cmd_context *context, const struct strv *args)
{
    return args->n == 0
               ? check(context)
               : cmd_fail(EXIT_USAGE, "db check takes no argument '%s'", args->v[0]);
}

/* --- regroup --- */

static int
print_move(void *user, const struct bug_move *move, struct err *err)
{
    const struct cmd_context *context = user;

    (void)err;
    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "from", json_integer(move->from));
        json_put(o, "to", json_integer(move->to));
        json_put(o, "crashes", json_integer(move->crashes));
        json_put(o, "applied", json_boolean(apply));
        json_print(stdout, o);
    } else {
        (void)printf("NJ-%lld: %lld crash%s -> NJ-%lld\n", (long long)move->from,
                     (long long)move->crashes, move->crashes == 1 ? "" : "es",
                     (long long)move->to);
    }
    return 0;
}

static void
print_sum(const struct cmd_context *context, const struct regrouped *sum)
{
    if (context->json) {
        return;
    }
    (void)printf("%lld of %lld records have another signature by version %d%s\n",
                 (long long)sum->changed, (long long)sum->records, SIGNATURE_VERSION,
                 sum->unreadable == 0 ? "" : " (some cannot be read: they stay)");
    if (sum->blind > 0) {
        (void)printf(
            "%lld of them have no input any more: what of a message is data stays "
            "as it was found then\n",
            (long long)sum->blind);
    }
    (void)printf("%s: %lld bug%s join%s, %lld split%s off, %lld crash%s change%s bugs\n",
                 apply ? "done" : "would do", (long long)sum->joined,
                 sum->joined == 1 ? "" : "s", sum->joined == 1 ? "s" : "",
                 (long long)sum->split, sum->split == 1 ? "s" : "", (long long)sum->moved,
                 sum->moved == 1 ? "" : "es", sum->moved == 1 ? "s" : "");
    if (!apply && sum->changed > 0) {
        cmd_next(context, "nightjar db regroup --apply");
    }
}

static int
regroup(const struct cmd_context *context, const struct strv *args)
{
    AUTO(store_close) struct store *store = NULL;
    AUTO(mem_free) char *actor = cmd_actor();
    struct cmd_context copy = *context;
    struct regrouped sum = {0};
    struct err err = ERR_INIT;
    const struct decision decision = {.actor = actor,
                                      .reason = "db regroup",
                                      .dry_run = !apply,
                                      .moved = print_move,
                                      .user = &copy};

    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "db regroup takes no argument '%s'", args->v[0]);
    }
    int rc = store_open(context->state, DB_WRITE, &store, &err);
    rc = rc < 0 ? rc : store_regroup(store, &decision, &sum, &err);
    if (rc == 0) {
        print_sum(context, &sum);
    }
    return rc < 0 ? cmd_fail_err(&err) : EXIT_DONE;
}

/* --- backup --- */

static void
print_backup(const struct cmd_context *context, const char *folder,
             const struct backup *sum, int64_t found)
{
    char database[32];
    char blobs[32];

    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "backup", json_name(folder));
        json_put(o, "database_bytes", json_integer(sum->database_bytes));
        json_put(o, "blobs", json_integer(sum->blobs));
        json_put(o, "blob_bytes", json_integer(sum->blob_bytes));
        json_put(o, "regressions", json_integer(sum->regressions));
        json_put(o, "corpus_inputs", json_integer(sum->corpora));
        json_put(o, "damaged_inputs", json_integer(sum->damaged));
        json_put(o, "findings", json_integer(found));
        json_print(stdout, o);
        return;
    }
    AUTO(mem_free) char *shown = str_name_dup(folder);
    str_bytes_show(database, sizeof(database), sum->database_bytes);
    str_bytes_show(blobs, sizeof(blobs), sum->blob_bytes);
    (void)printf("%s: database %s, %lld blobs %s, %lld regressions, %lld inputs of "
                 "corpora, %s\n",
                 shown, database, (long long)sum->blobs, blobs,
                 (long long)sum->regressions, (long long)sum->corpora,
                 found == 0 ? "checked" : "as damaged as what it was made from");
}

/* A backup is a state, and a backup of it to the state's place restores it. `name` is
 * what it is called. */
static int
copy_state(const struct cmd_context *context, const char *from, const char *to,
           const char *name, bool every_byte)
{
    AUTO(store_close) struct store *store = NULL;
    struct cmd_context copy = *context;
    struct backup sum = {0};
    struct err err = ERR_INIT;
    const struct backup_order order = {to, every_byte, print_finding, &copy};
    int rc = store_open(from, DB_READ, &store, &err);
    rc = rc < 0 ? rc : store_backup(store, &order, &sum, &err);
    if (rc < 0) {
        return rc == -EEXIST ? cmd_fail(EXIT_USAGE, "%s", err.msg) : cmd_fail_err(&err);
    }
    int64_t found = rc + sum.damaged;
    print_backup(context, name, &sum, found);
    return found > 0 ? EXIT_FOUND : EXIT_DONE;
}

/* A folder beside what is to be made. */
static int
make_room(const char *beside, char **room, char **state, struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("%s.partial-XXXXXX", beside);

    if (mkdtemp(path) == NULL) {
        return err_sys(err, "make a folder beside '%s'", beside);
    }
    *state = fs_join(path, "state");
    *room = STEAL(path);
    return 0;
}

/* What goes again, whatever became of it. */
static void
clear_room(char *room)
{
    if (room != NULL) {
        (void)fs_remove(room, NULL);
    }
    mem_free(room);
}
AUTO_DEFINE(char *, clear_room)

static int
backup_archive(const struct cmd_context *context, const char *archive)
{
    AUTO(clear_room) char *room = NULL;
    AUTO(mem_free) char *state = NULL;
    AUTO(mem_free) char *shown = str_name_dup(archive);
    struct err err = ERR_INIT;

    if (fs_exists(archive)) {
        return cmd_fail(EXIT_USAGE,
                        "'%s' is there already, and a backup overwrites nothing", shown);
    }
    if (make_room(archive, &room, &state, &err) < 0) {
        return cmd_fail_err(&err);
    }
    int status = copy_state(context, context->state, state, archive, deep);
    if (status != EXIT_DONE && status != EXIT_FOUND) {
        return status;
    }
    return unpack_pack(state, archive, &err) < 0 ? cmd_fail_err(&err) : status;
}

static int
backup(const struct cmd_context *context, const struct strv *args)
{
    if (args->n != 1) {
        return cmd_fail(EXIT_USAGE, "into which folder, or archive? nightjar db backup "
                                    "DIR|ARCHIVE");
    }
    return pack_is_name(args->v[0])
               ? backup_archive(context, args->v[0])
               : copy_state(context, context->state, args->v[0], args->v[0], deep);
}

static int
restore_archive(const struct cmd_context *context, const char *archive)
{
    AUTO(clear_room) char *room = NULL;
    AUTO(mem_free) char *state = NULL;
    struct err err = ERR_INIT;
    int rc = make_room(context->state, &room, &state, &err);

    /* an archive has no empty folders, and all blobs may lie in the database */
    AUTO(mem_free) char *blobs = state == NULL ? NULL : fs_join(state, "blobs");
    rc = rc < 0 ? rc : fs_mkdirs(blobs, 0700, &err);
    rc = rc < 0 ? rc : unpack_archive(archive, state, &err);
    return rc < 0 ? cmd_fail_err(&err)
                  : copy_state(context, state, context->state, context->state, true);
}

static int
restore(const struct cmd_context *context, const struct strv *args)
{
    if (args->n != 1) {
        return cmd_fail(EXIT_USAGE, "from which folder, or archive? nightjar db restore "
                                    "DIR|ARCHIVE");
    }
    (void)rmdir(context->state); /* only of a folder that is empty anything comes */
    if (fs_exists(context->state)) {
        return cmd_fail(EXIT_USAGE,
                        "'%s' is there already, and a backup overwrites nothing",
                        context->state);
    }
    return pack_is_name(args->v[0]) && !fs_is_folder(args->v[0])
               ? restore_archive(context, args->v[0])
               : copy_state(context, args->v[0], context->state, context->state, true);
}

/* --- migrate --- */

static void
print_schema(const struct cmd_context *context, int64_t schema, bool was_older)
{
    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "schema", json_integer(schema));
        json_put(o, "migrated", json_boolean(was_older));
        json_print(stdout, o);
        return;
    }
    (void)printf("the database has schema %lld%s\n", (long long)schema,
                 was_older ? " now" : ", as this nightjar wants it");
}

static int
migrate(const struct cmd_context *context, const struct strv *args)
{
    AUTO(store_close) struct store *store = NULL;
    struct err err = ERR_INIT;
    int64_t schema = 0;

    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "db migrate takes no argument '%s'", args->v[0]);
    }
    int rc = store_open(context->state, DB_READ, &store, &err);
    const bool older = rc == -EPROTONOSUPPORT;
    if (older) { /* or newer, which this refuses */
        rc = store_open(context->state, DB_CREATE, &store, &err);
    }
    rc = rc < 0 ? rc : db_int(store_db(store), &schema, &err, "PRAGMA user_version", "");
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    print_schema(context, schema, older);
    return EXIT_DONE;
}

static int
gc(const struct cmd_context *context, const struct strv *args)
{
    return args->n == 0
               ? db_gc(context, dry_run)
               : cmd_fail(EXIT_USAGE, "db gc takes no argument '%s'", args->v[0]);
}

extern const struct cmd cmd_db;

static const struct cmd_sub subs[] = {
    {"check", "[--deep]", "prove what nightjar promises about its state", "deep",
     check_verb},
    {"regroup", "[--apply]",
     "sign all crashes by this release; without --apply only say what would move",
     "apply", regroup},
    {"backup", "DIR|ARCHIVE [--deep]",
     "copy database, blobs, regressions and corpora into a new folder or archive, while "
     "they are in use",
     "deep", backup},
    {"migrate", "", "bring the database of an older nightjar up to date", NULL, migrate},
    {"restore", "DIR|ARCHIVE",
     "make the state folder, which must not be there, from a backup; every file is read",
     "", restore},
    {"gc", "[--dry-run]",
     "remove what nobody needs: by `retention:` of nightjar.yaml, surplus inputs, "
     "orphans",
     "dry-run", gc},
    {.name = NULL},
};

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    (void)command;
    return args->n == 0
               ? cmd_fail(EXIT_USAGE,
                          "db needs to know what to do: nightjar db check, "
                          "nightjar db regroup, nightjar db backup, nightjar db restore, "
                          "nightjar db migrate, "
                          "nightjar db gc")
               : cmd_run_sub(&cmd_db, context, args);
}

const struct cmd cmd_db = {
    .name = "db",
    .summary = "check the database and its files, copy them; regroup its crashes",
    .usage = "check [--deep] | regroup [--apply] | backup DIR|ARCHIVE [--deep] | "
             "restore DIR|ARCHIVE | "
             "migrate | gc [--dry-run]",
    .about =
        "check proves what nightjar promises about its state: no crash without its "
        "bytes, "
        "no\n"
        "bug without a crash, an event for every change of state, counters equal to what "
        "they\n"
        "count, every file whole. It only reads, and may run beside anything. Exit "
        "status:\n"
        "0 clean, 1 something was found, 3 it could not be read.\n\n"
        "regroup signs every crash that kept its stack anew, with its input, after an "
        "update of\n"
        "nightjar or of a target's ignore_frames in nightjar.yaml. It shows what would "
        "move, and\n"
        "moves it with --apply. Bugs keep their numbers, what was decided by hand stays. "
        "Before\n"
        "it is done, new crashes find their bugs all the same.\n\n"
        "backup makes a folder that is a state folder itself, as of one moment, also "
        "while a\n"
        "campaign runs, and checks it; nothing is left of one that fails. Exit status 1: "
        "what the\n"
        "check found is wrong in the state as well. Under a name that ends in .zip, "
        ".tar, "
        ".tar.gz,\n"
        ".tar.xz or .tar.zst that folder becomes one file, for which its disk has to "
        "have "
        "room for\n"
        "both meanwhile.\n\n"
        "restore makes a state folder of a backup where there is none, and reads every "
        "file of it;\n"
        "the backup stays. (It may as well be moved there, or named: nightjar --state "
        "DIR "
        "bugs.)\n\n"
        "migrate does what triage and fuzz do when they begin: an update of nightjar may "
        "bring\n"
        "another schema, and verbs that only read say so then. The older nightjar "
        "refuses "
        "the\n"
        "database from then on; let it make a backup before.\n\n"
        "gc removes hangs and crashes in the workers' folders whose bytes are in the "
        "ledger and\n"
        "logs of failed runs, when they are older than `retention:` says (7, 30 and 14 "
        "days);\n"
        "inputs of bugs that have better examples (`triage: examples:`); files that no "
        "row names.\n"
        "A bug's reproducer, first input, examples and pins never go.\n\n"
        "  nightjar db check\n"
        "  nightjar db check --deep --json   read every blob, one line for each finding\n"
        "  nightjar db regroup               what would move\n"
        "  nightjar db backup /backup/nightjar-2026-11-27\n"
        "  nightjar db backup /backup/nightjar-2026-11-27.tar.zst\n"
        "  nightjar --state new db restore /backup/nightjar-2026-11-27\n"
        "  nightjar db gc --dry-run          what would go",
    .options = options,
    .subs = subs,
    .run = run,
};
