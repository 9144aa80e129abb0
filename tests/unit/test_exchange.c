#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/supervise/exchange.h"

extern const struct engine_ops engine_aflpp;
extern const struct engine_ops engine_libfuzzer;

struct fixture {
    char root[64];
    struct target one, two;
    struct target *list[2];
    struct target_list targets;
    struct exchange *exchange;
    bool late;       /* libFuzzer is not up yet */
    struct buf told; /* "target direction result n\n" */
    struct err err;
};

static void
on_tell(void *user, json_t *message)
{
    struct fixture *fix = user;
    AUTO(json_decref) json_t *mine = message;

    assert_string_equal(json_get_str(mine, "op", ""), "exchange");
    buf_addf(&fix->told, "%s %s %s %lld\n", json_get_str(mine, "target", ""),
             json_get_str(mine, "direction", ""), json_get_str(mine, "result", ""),
             (long long)json_get_int(mine, "n", 0));
}

static void
open_exchange(struct fixture *fix, enum exchange_cross cross)
{
    const struct exchange_config config = {.state = fix->root,
                                           .targets = &fix->targets,
                                           .cross = cross,
                                           .tell = on_tell,
                                           .user = fix};

    fix->exchange = exchange_new(&config);
    for (size_t t = 0; t < 2; t++) {
        exchange_join(fix->exchange, t, &engine_aflpp);
        exchange_join(fix->exchange, t, &engine_libfuzzer);
        exchange_join(fix->exchange, t, &engine_libfuzzer);
        exchange_ready(fix->exchange, t, &engine_aflpp);
        if (!fix->late) {
            exchange_ready(fix->exchange, t, &engine_libfuzzer);
        }
    }
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    static const char *const folders[] = {"aflpp/w1/queue", "libfuzzer/corpus"};

    *state = fix;
    (void)snprintf(fix->root, sizeof(fix->root), "/tmp/nightjar-unit-XXXXXX");
    assert_non_null(mkdtemp(fix->root));
    fix->one.name = mem_strdup("one");
    fix->two.name = mem_strdup("two");
    fix->list[0] = &fix->one;
    fix->list[1] = &fix->two;
    fix->targets = (struct target_list){.v = fix->list, .n = 2};
    for (size_t i = 0; i < COUNT(folders); i++) {
        for (size_t t = 0; t < 2; t++) {
            AUTO(mem_free)
            char *path =
                mem_printf("%s/fuzz/%s/%s", fix->root, fix->list[t]->name, folders[i]);
            assert_int_equal(fs_mkdirs(path, 0755, &fix->err), 0);
        }
    }
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    exchange_free(fix->exchange);
    assert_int_equal(fs_remove(fix->root, &fix->err), 0);
    mem_free(fix->one.name);
    mem_free(fix->two.name);
    buf_clear(&fix->told);
    mem_free(fix);
    return 0;
}

/* A file that its engine finished a while ago. */
static void
put(const struct fixture *fix, const char *relative, const char *text)
{
    const struct timeval old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    AUTO(mem_free) char *path = mem_printf("%s/fuzz/%s", fix->root, relative);
    struct err err = ERR_INIT;

    assert_int_equal(fs_write(path, text, strlen(text), 0600, &err), 0);
    assert_int_equal(utimes(path, old), 0);
}

struct count {
    const char *text;
    int n;
};

static int
count_equal(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct count *count = user;
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    (void)st;
    assert_int_equal(fs_read(path, 1 << 20, &bytes, err), 0);
    count->n += strcmp(buf_str(&bytes), count->text) == 0;
    return 0;
}

/* How many files below a folder hold the text. */
static int
holds(struct fixture *fix, const char *relative, const char *text)
{
    AUTO(mem_free) char *path = mem_printf("%s/fuzz/%s", fix->root, relative);
    struct count count = {text, 0};

    assert_int_equal(fs_walk(path, count_equal, &count, &fix->err), 0);
    return count.n;
}

/* A target's corpus has the text, of this origin; or (NULL) has it not. */
static void
assert_corpus(struct fixture *fix, const char *target, const char *text,
              const char *origin)
{
    AUTO(library_close) struct library *library = NULL;
    AUTO(index_free) struct index *index = NULL;
    char sha256[HASH_HEX_MAX];
    struct index_entry entry;
    int rc = library_open(fix->root, target, false, &library, &fix->err);

    if (rc == -ENOENT && origin == NULL) {
        return;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(library_index(library, &index, &fix->err), 0);
    hash_sha256(text, strlen(text), sha256);
    AUTO(mem_free)
    char *path =
        mem_printf("%s/corpus/%s/inputs/%.2s/%s", fix->root, target, sha256, sha256);
    assert_int_equal(index_get(index, sha256, &entry), origin != NULL);
    assert_int_equal(fs_exists(path), origin != NULL);
    if (origin != NULL) {
        assert_string_equal(entry.origin, origin);
    }
}

static void
test_exchange_passes_both_ways_once(void **state)
{
    struct fixture *fix = *state;

    put(fix, "one/aflpp/w1/queue/id:000000,time:0,execs:0,orig:seed", "seed");
    put(fix, "one/aflpp/w1/queue/id:000001,src:000000,time:5,execs:9,op:havoc", "found");
    put(fix, "one/aflpp/w1/queue/id:000002,sync:w2,src:000009", "sibling");
    put(fix, "one/libfuzzer/corpus/da39a3ee5e6b4b0d3255bfef95601890afd80709", "other");
    put(fix, "one/libfuzzer/corpus/aflpp-old", "before");
    open_exchange(fix, EXCHANGE_CROSS_NO);
    exchange_tick(fix->exchange);
    exchange_settle(fix->exchange);
    exchange_settle(fix->exchange);
    assert_int_equal(holds(fix, "one/libfuzzer/corpus", "found"), 1);
    assert_int_equal(holds(fix, "one/libfuzzer/corpus", "seed"), 0);
    assert_int_equal(holds(fix, "one/libfuzzer/corpus", "sibling"), 0);
    assert_int_equal(holds(fix, "one/aflpp", "other"), 1);
    assert_int_equal(holds(fix, "one/aflpp", "before"), 0);
    assert_int_equal(holds(fix, "one/aflpp", "found"), 1);
    assert_int_equal(holds(fix, "two", "found"), 0);
    assert_corpus(fix, "one", "found", "worker:aflpp");
    assert_corpus(fix, "one", "other", "worker:libfuzzer");
    assert_corpus(fix, "one", "seed", NULL);
    assert_corpus(fix, "two", "found", NULL);
    assert_string_equal(buf_str(&fix->told), "one libfuzzer_to_aflpp offered 1\n"
                                             "one aflpp_to_libfuzzer offered 1\n");
}

static void
test_exchange_waits_for_who_does_not_fuzz_yet(void **state)
{
    struct fixture *fix = *state;

    fix->late = true;
    put(fix, "one/aflpp/w1/queue/id:000001,src:000000", "found");
    open_exchange(fix, EXCHANGE_CROSS_NO);
    exchange_settle(fix->exchange);
    assert_int_equal(holds(fix, "one/libfuzzer/corpus", "found"), 0);
    exchange_ready(fix->exchange, 0, &engine_libfuzzer);
    exchange_settle(fix->exchange);
    assert_int_equal(holds(fix, "one/libfuzzer/corpus", "found"), 1);
}

static void
test_exchange_links_and_freshens(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *path = mem_printf("%s/fuzz/one/aflpp/w1/queue/id:000001,src:000000", fix->root);
    struct stat st;

    put(fix, "one/aflpp/w1/queue/id:000001,src:000000", "found");
    open_exchange(fix, EXCHANGE_CROSS_NO);
    exchange_tick(fix->exchange);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal((int)st.st_nlink, 2);
    assert_true(st.st_mtim.tv_sec > 1000000000);
}

static int
find_peer(void *user, const char *path, const struct stat *st, struct err *err)
{
    char **out = user;
    const char *at = strstr(path, ENGINE_INLET_PREFIX "libfuzzer-");

    (void)st;
    (void)err;
    if (at != NULL && *out == NULL) {
        *out = mem_dup(at, strcspn(at, "/"));
    }
    return 0;
}

/* The inlet of AFL++ for what libFuzzer found; new string. */
static char *
peer_of(struct fixture *fix)
{
    AUTO(mem_free) char *path = fs_join(fix->root, "fuzz/one/aflpp");
    char *peer = NULL;

    assert_int_equal(fs_walk(path, find_peer, &peer, &fix->err), 0);
    assert_non_null(peer);
    return peer;
}

static void
test_exchange_counts_what_is_kept(void **state)
{
    struct fixture *fix = *state;

    put(fix, "one/libfuzzer/corpus/da39a3ee5e6b4b0d3255bfef95601890afd80709", "other");
    put(fix, "one/aflpp/w1/queue/id:000001,src:000000", "found");
    open_exchange(fix, EXCHANGE_CROSS_NO);
    exchange_tick(fix->exchange);
    buf_cut(&fix->told, 0);
    exchange_credit(fix->exchange, 0, &engine_libfuzzer, 7); /* no more than offered */
    AUTO(mem_free) char *peer = peer_of(fix);
    AUTO(mem_free)
    char *kept = mem_printf("one/aflpp/w1/queue/id:000003,sync:%s,src:000000,+cov", peer);
    put(fix, kept, "other");
    put(fix, "one/aflpp/w1/queue/id:000002,sync:from-libfuzzer-1-0,src:000000", "stale");
    exchange_settle(fix->exchange);
    assert_string_equal(buf_str(&fix->told), "one libfuzzer_to_aflpp useful 1\n"
                                             "one aflpp_to_libfuzzer useful 1\n");
}

static void
test_exchange_follows_no_link_and_takes_nothing_large(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *queue = mem_printf("%s/fuzz/one/aflpp/w1/queue", fix->root);
    AUTO(mem_free) char *secret = fs_join(fix->root, "secret");
    AUTO(mem_free) char *link = fs_join(queue, "id:000001,src:000000");
    AUTO(mem_free) char *pipe = fs_join(queue, "id:000002,src:000000");
    AUTO(mem_free) char *large = fs_join(queue, "id:000003,src:000000");

    assert_int_equal(fs_write(secret, "secret", 6, 0600, &fix->err), 0);
    assert_int_equal(symlink(secret, link), 0);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(fs_write(large, "", 0, 0600, &fix->err), 0);
    assert_int_equal(truncate(large, EXCHANGE_INPUT_MAX + 1), 0);
    put(fix, "one/aflpp/w1/queue/id:000004,src:000000,\033[31m\n", "hostile name");
    open_exchange(fix, EXCHANGE_CROSS_NO);
    exchange_tick(fix->exchange);
    assert_int_equal(holds(fix, "one/libfuzzer/corpus", "secret"), 0);
    assert_int_equal(holds(fix, "one/libfuzzer/corpus", "hostile name"), 1);
    assert_string_equal(buf_str(&fix->told), "one aflpp_to_libfuzzer offered 1\n");
}

static void
test_exchange_bounds_a_pass(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < EXCHANGE_PASS_FILES + 10; i++) {
        char name[64];
        char text[16];
        (void)snprintf(name, sizeof(name), "one/aflpp/w1/queue/id:%06d,src:000000", i);
        (void)snprintf(text, sizeof(text), "%d", i);
        put(fix, name, text);
    }
    open_exchange(fix, EXCHANGE_CROSS_NO);
    exchange_tick(fix->exchange);
    exchange_settle(fix->exchange);
    assert_string_equal(buf_str(&fix->told), "one aflpp_to_libfuzzer offered 128\n"
                                             "one aflpp_to_libfuzzer offered 10\n");
}

static void
test_exchange_waits_for_a_corpus_that_is_changed(void **state)
{
    struct fixture *fix = *state;
    AUTO(library_close) struct library *library = NULL;

    assert_int_equal(library_open(fix->root, "one", true, &library, &fix->err), 0);
    assert_int_equal(library_begin(library, &fix->err), 0);
    put(fix, "one/aflpp/w1/queue/id:000001,src:000000", "found");
    open_exchange(fix, EXCHANGE_CROSS_NO);
    exchange_tick(fix->exchange);
    assert_int_equal(holds(fix, "one/libfuzzer/corpus", "found"), 0);
    assert_int_equal(library_end(library, &fix->err), 0);
    exchange_settle(fix->exchange);
    assert_int_equal(holds(fix, "one/libfuzzer/corpus", "found"), 1);
    assert_corpus(fix, "one", "found", "worker:aflpp");
}

static void
test_exchange_cross_offers_the_smallest_with_news(void **state)
{
    struct fixture *fix = *state;

    put(fix, "one/aflpp/w1/queue/id:000001,src:000000,op:havoc,+cov", "news");
    put(fix, "one/aflpp/w1/queue/id:000002,src:000000,op:havoc", "no news");
    open_exchange(fix, EXCHANGE_CROSS_START);
    exchange_tick(fix->exchange);
    assert_int_equal(holds(fix, "two/libfuzzer/corpus", "news"), 1);
    assert_int_equal(holds(fix, "two/aflpp", "news"), 1);
    assert_int_equal(holds(fix, "two", "no news"), 0);
    assert_non_null(strstr(buf_str(&fix->told), "two cross_to_aflpp offered 1\n"));
    assert_non_null(strstr(buf_str(&fix->told), "two cross_to_libfuzzer offered 1\n"));
    assert_null(strstr(buf_str(&fix->told), "one cross"));
    assert_corpus(fix, "two", "news", "cross:one");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_exchange_passes_both_ways_once),
        TEST(test_exchange_waits_for_who_does_not_fuzz_yet),
        TEST(test_exchange_links_and_freshens),
        TEST(test_exchange_counts_what_is_kept),
        TEST(test_exchange_follows_no_link_and_takes_nothing_large),
        TEST(test_exchange_bounds_a_pass),
        TEST(test_exchange_waits_for_a_corpus_that_is_changed),
        TEST(test_exchange_cross_offers_the_smallest_with_news),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
