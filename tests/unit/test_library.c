#include "tests/unit/fork_server.h"

#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
#include "orchestrator/corpus/library.h"

struct fixture {
    char *state;
    struct library *library;
    struct err err;
};

static struct fixture fixture;
static const struct seed_limits none_given;

static int
setup(void **state)
{
    fixture.state = fs_join(fork_server.folder, "state");
    assert_int_equal(
        library_open(fixture.state, "t", true, &fixture.library, &fixture.err), 0);
    *state = &fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    library_close(STEAL(fix->library));
    assert_int_equal(fs_remove(fix->state, NULL), 0);
    mem_free(fix->state);
    return 0;
}

/* Import one file with these bytes under a name; how many were new. */
static int64_t
import(struct fixture *fix, const char *name, const char *text, const char *origin)
{
    AUTO(strv_clear) struct strv paths = {0};
    AUTO(mem_free) char *room = fs_join(fix->state, "room");
    AUTO(mem_free) char *path = fs_join(room, name);
    int64_t added = -1;

    assert_int_equal(fs_mkdirs(room, 0755, &fix->err), 0);
    victim_write(room, name, text, 0644);
    strv_add(&paths, path);
    if (library_import(fix->library, &paths, origin, &none_given, &added, &fix->err) <
        0) {
        fail_msg("%s", fix->err.msg);
    }
    assert_int_equal(fs_remove(room, NULL), 0);
    return added;
}

static int
count(void *user, const char *path, const struct stat *st, struct err *err)
{
    int *n = user;

    (void)err;
    assert_non_null(st);
    assert_int_equal(strlen(fs_base(path)), 64);
    ++*n;
    return 0;
}

static int
inputs(const struct fixture *fix)
{
    int n = 0;

    assert_int_equal(library_walk(fix->library, count, &n, NULL), 0);
    return n;
}

static void
test_equal_bytes_are_one_input_whatever_their_names(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(import(fix, "a", "x", NULL), 1);
    assert_int_equal(import(fix, "new\nline \"'\\ $(x) \xff\x1b[31m", "x", NULL), 0);
    assert_int_equal(import(fix, "-rf", "y", NULL), 1);
    assert_int_equal(import(fix, "\xe2\x80\xae*?", "z", NULL), 1);
    assert_int_equal(inputs(fix), 3);
}

static void
test_origins_are_kept(void **state)
{
    struct fixture *fix = *state;
    AUTO(index_free) struct index *index = NULL;
    struct index_entry entry;
    char hex[] = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"; /* x
                                                                                      */

    assert_int_equal(import(fix, "id:000001,sync:w2,src:0", "x", NULL), 1);
    assert_int_equal(import(fix, "other", "x", "cross"), 0);
    assert_int_equal(library_index(fix->library, &index, &fix->err), 0);
    assert_true(index_get(index, hex, &entry));
    assert_string_equal(entry.origin, "sync:w2");
    assert_true(entry.added_s > 1700000000);
    assert_int_equal(entry.edges, INDEX_UNKNOWN);
}

static void
test_projects_of_cargo_fuzz_and_go_hold_the_targets_corpus(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *project = fs_join(fix->state, "project");
    AUTO(mem_free) char *cargo = fs_join(project, "fuzz/corpus/t");
    AUTO(mem_free) char *other = fs_join(project, "src");
    AUTO(strv_clear) struct strv paths = {0};
    int64_t added = 0;

    assert_int_equal(fs_mkdirs(cargo, 0755, &fix->err), 0);
    assert_int_equal(fs_mkdirs(other, 0755, &fix->err), 0);
    victim_write(cargo, "1", "x", 0644);
    victim_write(cargo, "2", "go test fuzz v1\n[]byte(\"yy\")\n", 0644);
    victim_write(other, "main.rs", "fn main() {}", 0644);
    strv_add(&paths, project);
    assert_int_equal(
        library_import(fix->library, &paths, NULL, &none_given, &added, &fix->err), 0);
    assert_int_equal(added, 2);
}

static void
test_an_archive_comes_back_as_it_was(void **state)
{
    static const char *const endings[] = {"zip", "tar", "tar.gz", "tar.xz", "tar.zst"};
    struct fixture *fix = *state;

    import(fix, "1", "one", NULL);
    import(fix, "2", "two", NULL);
    for (size_t i = 0; i < COUNT(endings); i++) {
        AUTO(library_close) struct library *other = NULL;
        AUTO(mem_free) char *path = mem_printf("%s/t.%s", fix->state, endings[i]);
        AUTO(mem_free) char *name = mem_printf("u%zu", i);
        AUTO(strv_clear) struct strv paths = {0};
        int64_t n = 0;
        assert_int_equal(library_export(fix->library, path, &n, &fix->err), 0);
        assert_int_equal(n, 2);
        strv_add(&paths, path);
        assert_int_equal(library_open(fix->state, name, true, &other, &fix->err), 0);
        assert_int_equal(library_import(other, &paths, NULL, &none_given, &n, &fix->err),
                         0);
        assert_int_equal(n, 2);
    }
}

static void
test_a_folder_that_holds_something_is_not_written_to(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *folder = fs_join(fix->state, "folder");
    int64_t n = 0;

    import(fix, "1", "one", NULL);
    assert_int_equal(fs_mkdirs(folder, 0755, &fix->err), 0);
    victim_write(folder, "file", "", 0644);
    assert_int_equal(library_export(fix->library, folder, &n, &fix->err), -EEXIST);
}

static void
test_who_changes_it_is_alone(void **state)
{
    struct fixture *fix = *state;
    AUTO(library_close) struct library *other = NULL;
    AUTO(strv_clear) struct strv none = {0};
    int64_t n = 0;

    assert_int_equal(
        library_import(fix->library, &none, NULL, &none_given, &n, &fix->err), 0);
    assert_int_equal(library_open(fix->state, "t", false, &other, &fix->err), 0);
    assert_int_equal(library_import(other, &none, NULL, &none_given, &n, &fix->err),
                     -EBUSY);
    assert_string_equal(fix->err.msg, "the corpus of t is being changed");
}

static void
test_prune_leaves_the_fewest_and_says_what_they_reach(void **state)
{
    struct fixture *fix = *state;
    AUTO(index_free) struct index *index = NULL;
    const struct cover_config config = {
        .command = &fork_server.command, .rung = SANDBOX_BWRAP, .jobs = 1};
    struct library_prune order = {.config = &config};
    AUTO(mem_free) char *aside = mem_strdup(library_quarantine(fix->library));
    int n_aside = 0;
    size_t n_prunes;

    import(fix, "1", "a", NULL);
    import(fix, "2", "ab", NULL);
    import(fix, "3", "b", NULL);
    import(fix, "4", "!", NULL);
    if (library_prune(fix->library, &order, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    assert_int_equal(inputs(fix), 1);
    assert_int_equal(fs_walk(aside, count, &n_aside, NULL), 0);
    assert_int_equal(n_aside, 1);
    assert_int_equal(library_index(fix->library, &index, &fix->err), 0);
    const struct index_prune *prune = index_prunes(index, &n_prunes);
    assert_int_equal(n_prunes, 1);
    assert_int_equal(prune->inputs, 1);
    assert_int_equal(prune->edges, 2);
}

static void
add(struct library *library, const char *text, const char *origin, int wanted)
{
    char sha256[HASH_HEX_MAX];

    hash_sha256(text, strlen(text), sha256);
    assert_int_equal(library_add(library, text, strlen(text), sha256, origin, NULL),
                     wanted);
}

static void
test_inputs_are_added_one_at_a_time(void **state)
{
    struct fixture *fix = *state;
    AUTO(index_free) struct index *index = NULL;
    struct index_entry entry;
    char sha256[HASH_HEX_MAX];

    add(fix->library, "x", "worker:aflpp", -EBUSY); /* without the lock */
    assert_int_equal(library_begin(fix->library, &fix->err), 0);
    add(fix->library, "x", "worker:aflpp", 1);
    add(fix->library, "y", "cross:a b\n", 1);
    add(fix->library, "x", "cross:u", 0);
    assert_int_equal(library_end(fix->library, &fix->err), 0);
    assert_int_equal(inputs(fix), 2);
    assert_int_equal(library_index(fix->library, &index, &fix->err), 0);
    hash_sha256("x", 1, sha256);
    assert_true(index_get(index, sha256, &entry));
    assert_string_equal(entry.origin, "worker:aflpp");
    hash_sha256("y", 1, sha256);
    assert_true(index_get(index, sha256, &entry));
    assert_string_equal(entry.origin, "cross:a_b_"); /* still a word, and one line */
}

/* Somebody else, while the corpus is measured. */
static void
come_late(void *user, const struct cover_sum *sum)
{
    struct fixture *fix = user;
    AUTO(library_close) struct library *other = NULL;

    (void)sum;
    assert_int_equal(library_open(fix->state, "t", false, &other, &fix->err), 0);
    assert_int_equal(library_begin(other, &fix->err), 0);
    (void)library_add(other, "bbb", 3,
                      "3e744b9dc39389baf0c5a0660589b8402f3dbb49b89b3e75f2c9355852a3c677",
                      "worker:aflpp", &fix->err);
    assert_int_equal(library_end(other, &fix->err), 0);
}

static void
test_what_comes_while_it_is_pruned_stays(void **state)
{
    struct fixture *fix = *state;
    AUTO(index_free) struct index *index = NULL;
    const struct cover_config config = {.command = &fork_server.command,
                                        .rung = SANDBOX_BWRAP,
                                        .jobs = 1,
                                        .progress = come_late,
                                        .user = fix};
    struct index_entry entry;
    struct library_prune order = {.config = &config};
    bool grew = false;

    import(fix, "1", "a", NULL);
    import(fix, "2", "ab", NULL);
    library_close(STEAL(fix->library)); /* its import has the lock */
    assert_int_equal(library_open(fix->state, "t", false, &fix->library, &fix->err), 0);
    assert_int_equal(library_grew(fix->library, &grew, &fix->err), 0);
    assert_true(grew);
    assert_int_equal(library_prune(fix->library, &order, &fix->err), 0);
    assert_int_equal(order.sum.kept, 1);
    assert_int_equal(inputs(fix), 2);
    assert_int_equal(library_index(fix->library, &index, &fix->err), 0);
    assert_true(index_get(
        index, "3e744b9dc39389baf0c5a0660589b8402f3dbb49b89b3e75f2c9355852a3c677",
        &entry));
    assert_string_equal(entry.origin, "worker:aflpp");
    assert_int_equal(library_grew(fix->library, &grew, &fix->err), 0);
    assert_true(grew); /* 1 was left, 2 are there */
}

/* The target, of which only so many bytes of an input are reached. */
static void
build_broken(const char *name, const char *steps, struct command *out)
{
    const char *const flags[] = {"cc", "-O1", steps, NULL};

    command_copy(out, &fork_server.command);
    mem_free(out->argv.v[0]);
    out->argv.v[0] = victim_build(fork_server.folder, name, fork_server_source, flags);
}

static void
test_a_build_that_reaches_far_less_prunes_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(command_clear) struct command broken = {0};
    AUTO(command_clear) struct command dead = {0};
    const struct cover_config config = {
        .command = &fork_server.command, .rung = SANDBOX_BWRAP, .jobs = 1};
    const struct cover_config by_broken = {
        .command = &broken, .rung = SANDBOX_BWRAP, .jobs = 1};
    const struct cover_config by_dead = {
        .command = &dead, .rung = SANDBOX_BWRAP, .jobs = 1};
    struct library_prune order = {.config = &config};
    struct library_prune again = {.config = &by_broken};
    struct library_prune last = {.config = &by_dead, .accept = true};

    build_broken("broken", "-DSTEPS=1", &broken);
    build_broken("dead", "-DSTEPS=0", &dead);
    import(fix, "1", "abcdefghijkl", NULL);
    assert_int_equal(library_prune(fix->library, &order, &fix->err), 0);
    assert_int_equal(order.sum.edges, 12);
    assert_int_equal(order.edges_before, 0);
    import(fix, "2", "ab", NULL);
    assert_int_equal(library_prune(fix->library, &again, &fix->err), -EUCLEAN);
    assert_string_equal(fix->err.msg,
                        "the corpus of t reaches 1 edges on this build, and reached 12: "
                        "is the harness broken? Nothing was changed (--accept prunes it "
                        "by this build)");
    assert_int_equal(again.edges_before, 12);
    assert_int_equal(inputs(fix), 2);
    again.accept = true;
    assert_int_equal(library_prune(fix->library, &again, &fix->err), 0);
    assert_int_equal(inputs(fix), 1);
    assert_int_equal(library_prune(fix->library, &last, &fix->err), -EUCLEAN);
    assert_int_equal(inputs(fix), 1);
}

static void
test_names_that_lead_elsewhere_are_none(void **state)
{
    static const char *const names[] = {"../t", "a/b", "", ".", "-x", "a\nb"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(names); i++) {
        struct library *library = NULL;
        assert_int_equal(library_open(fix->state, names[i], true, &library, &fix->err),
                         -EINVAL);
        assert_null(library);
    }
}

#define LIBRARY(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIBRARY(test_equal_bytes_are_one_input_whatever_their_names),
        LIBRARY(test_origins_are_kept),
        LIBRARY(test_projects_of_cargo_fuzz_and_go_hold_the_targets_corpus),
        LIBRARY(test_an_archive_comes_back_as_it_was),
        LIBRARY(test_a_folder_that_holds_something_is_not_written_to),
        LIBRARY(test_who_changes_it_is_alone),
        LIBRARY(test_prune_leaves_the_fewest_and_says_what_they_reach),
        LIBRARY(test_inputs_are_added_one_at_a_time),
        LIBRARY(test_what_comes_while_it_is_pruned_stays),
        LIBRARY(test_a_build_that_reaches_far_less_prunes_nothing),
        LIBRARY(test_names_that_lead_elsewhere_are_none),
    };

    return cmocka_run_group_tests_name("library", tests, fork_server_build,
                                       fork_server_unbuild);
}
