#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/builds.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/build.h"

enum { COMMIT_COLUMNS = 14, NAME_COLUMNS = 16 };

static const char *commit, *at, *release, *branch;
static bool dry_run, quiet;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "commit", 0, &commit, "C", "what was built; else git is asked"},
        {CMD_TEXT, "time", 0, &at, "T", "when that was committed: 2026-11-27T20:00:00Z"},
        {CMD_TEXT, "release", 0, &release, "V", "it is shipped, under this name"},
        {CMD_TEXT, "branch", 0, &branch, "B", "of which branch it is"},
        {CMD_FLAG, "dry-run", 0, &dry_run, NULL, "gc: say what would go"},
        {CMD_FLAG, "quiet", 'q', &quiet, NULL, "scan: print nothing but what is wrong"},
        {.kind = CMD_END}};

    return table;
}

struct books {
    const struct cmd_context *context;
    struct config *config;
    struct store *store;
};

static void
books_clear(struct books *books)
{
    store_close(books->store);
    config_free(books->config);
}
AUTO_DEFINE_CLEAR(struct books, books_clear)

static int
open_books(const struct cmd_context *context, enum db_mode mode, struct books *books,
           struct err *err)
{
    books->context = context;
    int rc = config_load_settings(context->config, &books->config, err);

    return rc < 0 ? rc : store_open(context->state, mode, &books->store, err);
}

static void
say_notes(const struct strv *notes)
{
    for (size_t i = 0; i < notes->n; i++) {
        (void)cmd_fail(0, "%s", notes->v[i]);
    }
}

void
build_tend(const struct cmd_context *context, const struct config *config,
           struct store *store)
{
    AUTO(builds_tended_clear) struct builds_tended tended = {0};
    struct err err = ERR_INIT;
    int rc = builds_tend(config, store, &tended, &err);

    if (!context->json) {
        say_notes(&tended.notes);
    }
    if (rc < 0 && !context->json) {
        (void)cmd_fail(0, "%s", err.msg);
    }
}

void
build_tend_state(const struct cmd_context *context, const struct config *config)
{
    AUTO(store_close) struct store *store = NULL;

    if (store_open(context->state, DB_WRITE, &store, NULL) == 0) {
        build_tend(context, config, store);
    }
}

/* --- add --- */

static void
give(char **word, const char *option)
{
    *word = mem_strdup(option);
}

static int
ask_git(const struct books *books, const char *folder, struct build_words *words,
        struct err *err)
{
    AUTO(mem_free) char *tree = NULL;
    bool all = words->commit != NULL && words->time != NULL;
    int rc = all ? 0 : builds_ask_git(folder, words, &tree, err);

    if (rc == 0 && tree != NULL && !books->context->json) {
        AUTO(mem_free) char *name = str_name_dup(tree);
        (void)cmd_fail(0, "taken from git in '%s': commit %s, time %s, branch %s", name,
                       words->commit, words->time,
                       words->branch == NULL ? "none" : words->branch);
    }
    return rc;
}

static void
say_added(const struct books *books, const struct builds_added *added,
          const struct build_words *words)
{
    AUTO(mem_free) char *name = str_name_dup(words->commit);
    char size[32];

    if (books->context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "commit", json_text(name));
        json_put(o, "new", json_boolean(added->is_new));
        json_put(o, "targets", json_integer(added->targets));
        json_put(o, "programs", json_integer(added->programs));
        json_put(o, "copied", json_integer(added->copied.programs));
        json_put(o, "copied_bytes", json_integer(added->copied.bytes));
        json_print(stdout, o);
        return;
    }
    str_bytes_show(size, sizeof(size), added->copied.bytes);
    (void)printf("%s: %" PRId64 " program%s of %" PRId64 " target%s, %" PRId64
                 " copied (%s)%s\n",
                 name, added->programs, added->programs == 1 ? "" : "s", added->targets,
                 added->targets == 1 ? "" : "s", added->copied.programs, size,
                 added->is_new ? "" : "; it was known");
}

static int
add(const struct cmd_context *context, const struct strv *args)
{
    AUTO(books_clear) struct books books = {0};
    AUTO(builds_added_clear) struct builds_added added = {0};
    AUTO(build_words_clear) struct build_words words = {0};
    struct err err = ERR_INIT;

    if (args->n != 1) {
        return cmd_fail(EXIT_USAGE, "which folder? nightjar build add OUT --commit C "
                                    "--time T");
    }
    AUTO(mem_free) char *folder = fs_absolute(args->v[0]);
    if (!fs_is_folder(folder)) {
        AUTO(mem_free) char *name = str_name_dup(folder);
        return cmd_fail(EXIT_USAGE,
                        "'%s' is no folder: give the one that the fuzz "
                        "targets were built into",
                        name);
    }
    give(&words.commit, commit);
    give(&words.time, at);
    give(&words.release, release);
    give(&words.branch, branch);
    int rc = open_books(context, DB_CREATE, &books, &err);
    rc = rc < 0 ? rc : ask_git(&books, folder, &words, &err);
    rc =
        rc < 0 ? rc : builds_add(books.config, books.store, folder, &words, &added, &err);
    if (!context->json) {
        say_notes(&added.notes);
        say_notes(&added.copied.notes);
    }
    if (rc < 0) {
        return rc == -ENOENT ? cmd_fail(EXIT_USAGE, "%s", err.msg) : cmd_fail_err(&err);
    }
    say_added(&books, &added, &words);
    return EXIT_DONE;
}

/* --- list --- */

struct listing {
    const struct cmd_context *context;
    int64_t rows;
};

static void
print_json(const struct revision *revision)
{
    AUTO(json_decref) json_t *o = revision_to_json(revision);
    char added[CLOCK_TEXT_MAX];

    clock_iso(added, revision->added);
    json_put(o, "added", json_string(added));
    json_put(o, "folder", json_text(revision->folder));
    json_put(o, "programs", json_integer(revision->programs));
    json_put(o, "kept", json_integer(revision->kept));
    json_put(o, "open_bugs", json_integer(revision->bugs));
    json_print(stdout, o);
}

static int
print_revision(void *user, const struct revision *revision, struct err *err)
{
    struct listing *listing = user;
    AUTO(buf_clear) struct buf line = BUF_INIT;
    char time[CLOCK_TEXT_MAX];

    (void)err;
    listing->rows++;
    if (listing->context->json) {
        print_json(revision);
        return 0;
    }
    if (listing->rows == 1) {
        (void)printf("%s%-*s%-22s%-*s%-*s%8s %5s %5s%s\n",
                     cmd_color(listing->context, "1"), COMMIT_COLUMNS, "COMMIT", "TIME",
                     NAME_COLUMNS, "BRANCH", NAME_COLUMNS, "RELEASE", "PROGRAMS", "KEPT",
                     "BUGS", cmd_color(listing->context, "0"));
    }
    clock_iso(time, revision->at);
    bug_table_cell(&line, revision->commit, COMMIT_COLUMNS - 2);
    buf_addf(&line, "  %-22s", time);
    bug_table_cell(&line, revision->branch, NAME_COLUMNS);
    bug_table_cell(&line, revision->release, NAME_COLUMNS);
    (void)printf("%s%8" PRId64 " %5" PRId64 " %5" PRId64 "\n", buf_str(&line),
                 revision->programs, revision->kept, revision->bugs);
    return 0;
}

static int
list(const struct cmd_context *context, const struct strv *args)
{
    AUTO(store_close) struct store *store = NULL;
    struct listing listing = {.context = context};
    struct err err = ERR_INIT;

    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "list takes no argument '%s'", args->v[0]);
    }
    int rc = store_open(context->state, DB_READ, &store, &err);
    rc = rc < 0 ? rc : store_revisions(store, print_revision, &listing, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    if (listing.rows == 0) {
        cmd_next(context, "nightjar build add OUT");
    }
    return EXIT_DONE;
}

/* --- remove, scan, gc --- */

static int
remove_one(const struct cmd_context *context, const struct strv *args)
{
    AUTO(store_close) struct store *store = NULL;
    AUTO(revision_clear) struct revision revision = {0};
    AUTO(mem_free) char *actor = cmd_actor();
    struct err err = ERR_INIT;

    if (args->n != 1) {
        return cmd_fail(EXIT_USAGE, "which build? nightjar build remove COMMIT");
    }
    int rc = store_open(context->state, DB_WRITE, &store, &err);
    rc = rc < 0 ? rc : revision_find(store, args->v[0], &revision, &err);
    rc = rc < 0 ? rc : revision_remove(store, revision.id, actor, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    if (!context->json) {
        AUTO(mem_free) char *words = revision_words(&revision);
        (void)printf("%s is known no more\n", words);
    }
    cmd_next(context, "nightjar build gc (its copies)");
    return EXIT_DONE;
}

static int
scan(const struct cmd_context *context, const struct strv *args)
{
    AUTO(books_clear) struct books books = {0};
    AUTO(builds_tended_clear) struct builds_tended tended = {0};
    struct err err = ERR_INIT;

    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "scan takes no argument '%s'", args->v[0]);
    }
    int rc = open_books(context, DB_WRITE, &books, &err);
    rc = rc < 0 ? rc : builds_tend(books.config, books.store, &tended, &err);
    say_notes(&tended.notes);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "added", json_integer(tended.added));
        json_put(o, "copied", json_integer(tended.copied));
        json_put(o, "dropped", json_integer(tended.dropped));
        json_print(stdout, o);
    } else if (!quiet) {
        (void)printf("%" PRId64 " builds, %" PRId64 " copies made, %" PRId64 " dropped\n",
                     tended.added, tended.copied, tended.dropped);
    }
    return EXIT_DONE;
}

static int
gc(const struct cmd_context *context, const struct strv *args)
{
    AUTO(books_clear) struct books books = {0};
    struct kept_tally tally = {0};
    struct err err = ERR_INIT;
    char gone[32];
    char left[32];

    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "gc takes no argument '%s'", args->v[0]);
    }
    int rc = open_books(context, DB_WRITE, &books, &err);
    if (rc == 0) {
        struct kept_policy policy = builds_policy(books.config);
        policy.dry_run = dry_run;
        rc = kept_gc(books.store, &policy, &tally, &err);
    }
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "copies", json_integer(tally.copies));
        json_put(o, "bytes", json_integer(tally.bytes));
        json_put(o, "removed", json_boolean(!dry_run));
        json_put(o, "left", json_integer(tally.left));
        json_put(o, "left_bytes", json_integer(tally.left_bytes));
        json_put(o, "needed", json_integer(tally.needed));
        json_print(stdout, o);
        return EXIT_DONE;
    }
    str_bytes_show(gone, sizeof(gone), tally.bytes);
    str_bytes_show(left, sizeof(left), tally.left_bytes);
    (void)printf("%" PRId64 " copies (%s) %s; %" PRId64 " (%s) stay, %" PRId64
                 " of them for open bugs\n",
                 tally.copies, gone, dry_run ? "would go" : "are gone", tally.left, left,
                 tally.needed);
    return EXIT_DONE;
}

/* --- the verb --- */

static const struct cmd_sub subs[] = {
    {"add", "OUT", "register all fuzz targets below a folder, and copy them",
     "commit time release branch", add},
    {"list", "", "the builds that are known, the newest first", NULL, list},
    {"remove", "COMMIT", "forget a build; what was seen on it stays", NULL, remove_one},
    {"scan", "", "look at the folders of `builds: watch:`, keep what open bugs need",
     "quiet", scan},
    {"gc", "[--dry-run]", "drop copies that `builds:` does not keep", "dry-run", gc},
    {.name = NULL}};

extern const struct cmd cmd_build;

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    (void)command;
    if (args->n == 0) {
        return cmd_fail(EXIT_USAGE, "what about builds? nightjar build add|list|remove|"
                                    "scan|gc");
    }
    return cmd_run_sub(&cmd_build, context, args);
}

const struct cmd cmd_build = {
    .name = "build",
    .summary = "which builds there are: their commits, branches, releases, copies",
    .usage = "add OUT [--commit C --time T --branch B --release V] | list | ...",
    .about =
        "Tell nightjar what a folder of fuzz targets was built from. By the build ids of "
        "its programs\n"
        "it then knows on which commit each crash was seen, the oldest one that shows a "
        "bug, whether\n"
        "a release has it, and which build is newer than which: by the time of the "
        "commit. In a work\n"
        "tree of git the commit, its time and the branch need not be told.\n\n"
        "Programs, with debug information beside them and libraries from their own "
        "folder, are copied\n"
        "to builds/ in the state folder, once for each build id: those of the newest "
        "builds of each\n"
        "branch (builds: keep: 3), and as long as a bug is open those that it was seen "
        "on; nightjar\n"
        "verify --build and repro --build run them. Each sub-folder of builds: watch: is "
        "added by\n"
        "itself; a file nightjar-build.yaml in it tells commit, time, branch, "
        "release.\n\n"
        "  nightjar build add out/ --commit 0123abc --time 2026-11-27T20:00:00Z --branch "
        "main\n"
        "  nightjar build add out/                  in a work tree of git\n"
        "  nightjar build list --json",
    .options = options,
    .run = run,
    .subs = subs,
};
