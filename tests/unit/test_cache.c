#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/gate/cache.h"

static void
add_input(struct fixture *fix, const char *state, const char *text)
{
    AUTO(library_close) struct library *library = NULL;
    AUTO(mem_free) char *path = fs_join(fix->folder, "one");
    AUTO(strv_clear) struct strv paths = {0};
    const struct seed_limits limits = {0}; /* the defaults */
    int64_t added = 0;

    must(fix, fs_write(path, text, strlen(text), 0600, &fix->err));
    strv_add(&paths, path);
    must(fix, library_open(state, "t", true, &library, &fix->err));
    must(fix, library_import(library, &paths, NULL, &limits, &added, &fix->err));
}

static char *
input_of(const char *root, const char *text)
{
    char sha256[HASH_HEX_MAX];

    hash_sha256(text, strlen(text), sha256);
    return mem_printf("%s/corpus/t/inputs/%.2s/%s", root, sha256, sha256);
}

static bool
has_input(const char *root, const char *text)
{
    AUTO(mem_free) char *path = input_of(root, text);

    return fs_exists(path);
}

static void
save(struct fixture *fix, struct store *store, struct cache *cache)
{
    AUTO(mem_free) char *folder = fs_join(fix->folder, "cache");

    must(fix, cache_save(folder, store, NULL, "", cache, &fix->err));
}

/* Into a state folder of that name, and open it. */
static struct store *
fetch(struct fixture *fix, const char *name, struct cache *cache)
{
    AUTO(mem_free) char *folder = fs_join(fix->folder, "cache");
    AUTO(mem_free) char *state = fs_join(fix->folder, name);
    struct store *store = NULL;

    must(fix, cache_fetch(folder, state, cache, &fix->err));
    must(fix, store_open(state, DB_CREATE, &store, &fix->err));
    must(fix, cache_fetch_blobs(folder, store, false, cache, &fix->err));
    return store;
}

static void
test_no_cache_is_a_cold_start(void **state)
{
    struct fixture *fix = *state;
    AUTO(cache_clear) struct cache cache = {0};
    store_close(fetch(fix, "other", &cache));

    assert_true(cache.cold);
    assert_int_equal(cache.generation, 0);
    assert_null(cache.base);
}

static void
test_state_goes_there_and_back_and_only_once(void **state)
{
    struct fixture *fix = *state;
    AUTO(cache_clear) struct cache first = {0};
    AUTO(cache_clear) struct cache second = {0};
    AUTO(cache_clear) struct cache fetched = {0};
    AUTO(mem_free) char *other = fs_join(fix->folder, "other");
    int64_t id = 0;

    add_input(fix, fix->state, "a");
    add_input(fix, fix->state, "b");
    save(fix, fix->store, &first);
    assert_int_equal(first.inputs, 2);
    save(fix, fix->store, &second);
    assert_int_equal(second.inputs, 0);
    AUTO(store_close) struct store *store = fetch(fix, "other", &fetched);
    assert_false(fetched.cold);
    assert_int_equal(fetched.inputs, 2);
    assert_int_equal(fetched.generation, 2);
    must(fix, store_target(store, "t", &id, &fix->err));
    assert_true(has_input(other, "a") && has_input(other, "b"));
}

static void
test_a_damaged_input_is_left_out_and_half_a_file_is_none(void **state)
{
    struct fixture *fix = *state;
    AUTO(cache_clear) struct cache cache = {0};
    AUTO(cache_clear) struct cache fetched = {0};
    AUTO(mem_free) char *folder = fs_join(fix->folder, "cache");
    AUTO(mem_free) char *other = fs_join(fix->folder, "other");
    AUTO(mem_free) char *damaged = input_of(folder, "a");
    AUTO(mem_free) char *missing = input_of(folder, "b");

    add_input(fix, fix->state, "a");
    add_input(fix, fix->state, "b");
    add_input(fix, fix->state, "c");
    save(fix, fix->store, &cache);
    must(fix, fs_write(damaged, "x", 1, 0600, &fix->err));
    assert_int_equal(unlink(missing), 0);
    store_close(fetch(fix, "other", &fetched));
    assert_int_equal(fetched.damaged, 2);
    assert_int_equal(fetched.inputs, 1);
    assert_false(has_input(other, "a") || has_input(other, "b"));
}

static void
test_two_writers_lose_no_inputs(void **state)
{
    struct fixture *fix = *state;
    AUTO(cache_clear) struct cache start = {0};
    AUTO(cache_clear) struct cache ours = {0};
    AUTO(cache_clear) struct cache last = {0};
    AUTO(mem_free) char *other = fs_join(fix->folder, "other");
    AUTO(mem_free) char *third = fs_join(fix->folder, "third");

    add_input(fix, fix->state, "a");
    save(fix, fix->store, &start);
    AUTO(store_close) struct store *theirs = fetch(fix, "other", &ours);
    start.generation = 1;
    add_input(fix, fix->state, "mine");
    save(fix, fix->store, &start); /* meanwhile */
    add_input(fix, other, "theirs");
    save(fix, theirs, &ours);
    store_close(fetch(fix, "third", &last));
    assert_true(has_input(third, "mine") && has_input(third, "theirs"));
    assert_int_equal(last.generation, 3);
}

static void
test_what_was_pruned_stays_away(void **state)
{
    struct fixture *fix = *state;
    AUTO(cache_clear) struct cache cache = {0};
    AUTO(cache_clear) struct cache fetched = {0};
    AUTO(mem_free) char *pruned = input_of(fix->state, "a");
    AUTO(mem_free) char *other = fs_join(fix->folder, "other");

    add_input(fix, fix->state, "a");
    add_input(fix, fix->state, "b");
    save(fix, fix->store, &cache);
    assert_int_equal(unlink(pruned), 0);
    cache.generation = 1;
    save(fix, fix->store, &cache);
    store_close(fetch(fix, "other", &fetched));
    assert_false(has_input(other, "a"));
    assert_true(has_input(other, "b"));
}

static void
age(struct fixture *fix, const char *path)
{
    const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

    (void)fix;
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
}

static char *
blob_of(struct fixture *fix, const char *folder, const char *text)
{
    char sha256[HASH_HEX_MAX];

    hash_sha256(text, strlen(text), sha256);
    return mem_printf("%s/%s/blobs/%.2s/%s", fix->folder, folder, sha256, sha256);
}

static void
put_blob(struct fixture *fix, const char *path)
{
    AUTO(mem_free) char *folder = mem_strdup(path);

    *strrchr(folder, '/') = '\0';
    must(fix, fs_mkdirs(folder, 0700, &fix->err));
    must(fix, fs_write(path, "x", 1, 0600, &fix->err));
}

static void
test_what_neither_of_two_indexes_names_goes_after_a_day(void **state)
{
    struct fixture *fix = *state;
    AUTO(cache_clear) struct cache cache = {0};
    AUTO(mem_free) char *folder = fs_join(fix->folder, "cache");
    AUTO(mem_free) char *pruned = input_of(fix->state, "a");
    AUTO(mem_free) char *surplus = input_of(folder, "a");
    AUTO(mem_free) char *wanted = input_of(folder, "b");
    AUTO(mem_free) char *other = blob_of(fix, "cache", "orphan");
    AUTO(mem_free) char *young = blob_of(fix, "cache", "young orphan");
    AUTO(mem_free) char *own = mem_printf("%s/blobs/mine", folder);

    add_input(fix, fix->state, "a");
    add_input(fix, fix->state, "b");
    save(fix, fix->store, &cache);
    cache.generation = 1;
    put_blob(fix, other);
    put_blob(fix, young);
    put_blob(fix, own);
    age(fix, surplus);
    age(fix, wanted);
    age(fix, other);
    age(fix, own);
    assert_int_equal(unlink(pruned), 0);
    save(fix, fix->store, &cache);
    assert_true(fs_exists(surplus)); /* a run may be fetching by the index before */
    assert_false(fs_exists(other));
    assert_true(fs_exists(young) && fs_exists(own));
    cache.generation = 2;
    save(fix, fix->store, &cache);
    assert_false(fs_exists(surplus));
    assert_true(fs_exists(wanted));
}

static void
test_a_list_that_cannot_be_read_makes_nothing_surplus(void **state)
{
    struct fixture *fix = *state;
    AUTO(cache_clear) struct cache cache = {0};
    AUTO(mem_free) char *folder = fs_join(fix->folder, "cache");
    AUTO(mem_free) char *objects = fs_join(folder, "objects");
    AUTO(mem_free) char *pruned = input_of(fix->state, "a");
    AUTO(mem_free) char *kept = input_of(folder, "a");

    add_input(fix, fix->state, "a");
    save(fix, fix->store, &cache);
    age(fix, kept);
    must(fix, fs_remove(objects, &fix->err));
    assert_int_equal(unlink(pruned), 0);
    cache.generation = 1;
    save(fix, fix->store, &cache);
    assert_true(fs_exists(kept));
}

static void
test_an_index_of_another_release_is_refused_with_its_folder(void **state)
{
    struct fixture *fix = *state;
    AUTO(cache_clear) struct cache cache = {0};
    AUTO(mem_free) char *folder = fs_join(fix->folder, "cache");
    AUTO(mem_free) char *other = fs_join(fix->folder, "other");
    AUTO(mem_free) char *index = fs_join(folder, "index");

    must(fix, fs_mkdirs(folder, 0700, &fix->err));
    must(fix, fs_write(index, "{\"nightjar_state\":9}", 21 - 1, 0600, &fix->err));
    assert_int_equal(cache_fetch(folder, other, &cache, &fix->err), -EPROTONOSUPPORT);
    assert_non_null(strstr(fix->err.msg, "it is of another release"));
    must(fix, fs_write(index, "{\"nightjar_st", 13, 0600, &fix->err));
    assert_true(cache_fetch(folder, other, &cache, &fix->err) < 0);
    save(fix, fix->store, &cache); /* and made anew */
    must(fix, cache_fetch(folder, other, &cache, &fix->err));
}

static void
test_signatures_of_other_runs_are_looked_up(void **state)
{
    AUTO(strv_clear) struct strv known = {0};

    (void)state;
    assert_false(cache_knows(&known, "t", "abc"));
    strv_add(&known, "t abb");
    strv_add(&known, "t abc");
    strv_add(&known, "u abd");
    assert_true(cache_knows(&known, "t", "abc"));
    assert_false(cache_knows(&known, "u", "abc"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_cache_is_a_cold_start),
        TEST(test_state_goes_there_and_back_and_only_once),
        TEST(test_a_damaged_input_is_left_out_and_half_a_file_is_none),
        TEST(test_two_writers_lose_no_inputs),
        TEST(test_what_was_pruned_stays_away),
        TEST(test_what_neither_of_two_indexes_names_goes_after_a_day),
        TEST(test_a_list_that_cannot_be_read_makes_nothing_surplus),
        TEST(test_an_index_of_another_release_is_refused_with_its_folder),
        TEST(test_signatures_of_other_runs_are_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
