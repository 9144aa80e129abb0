#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/supervise/inbox.h"
#include "orchestrator/supervise/inbox_seen.h"

extern const struct engine_ops engine_aflpp;
extern const struct engine_ops engine_libfuzzer;

enum { SENT_MAX = 1100 };

struct fixture {
    char root[64];
    char *folder, *spool;
    struct target target;
    struct engine_job job;
    sd_event *event;
    struct inbox *inbox;
    struct inbox_source *source;
    struct strv sent; /* paths, as they were submitted */
    pipeline_done *done[SENT_MAX];
    void *user[SENT_MAX];
    struct err err;
};

static void
on_submit(void *user, const char *target, const char *source, const char *path,
          pipeline_done *done, void *done_user)
{
    struct fixture *fix = user;

    assert_string_equal(target, "png");
    assert_true(strcmp(source, "aflpp") == 0 || strcmp(source, "libfuzzer") == 0);
    assert_true(fix->sent.n < SENT_MAX);
    fix->done[fix->sent.n] = done;
    fix->user[fix->sent.n] = done_user;
    strv_add(&fix->sent, path);
}

static void
open_inbox(struct fixture *fix, const struct engine_ops *ops)
{
    const struct inbox_config config = {
        .event = fix->event, .folder = fix->spool, .user = fix, .submit = on_submit};

    assert_int_equal(inbox_new(&config, &fix->inbox, &fix->err), 0);
    fix->source = inbox_add(fix->inbox, ops, &fix->job);
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    *state = fix;
    (void)snprintf(fix->root, sizeof(fix->root), "/tmp/nightjar-unit-XXXXXX");
    assert_non_null(mkdtemp(fix->root));
    fix->folder = fs_join(fix->root, "engine");
    fix->spool = fs_join(fix->root, "inbox");
    fix->target.name = mem_strdup("png");
    fix->job = (struct engine_job){
        .target = &fix->target, .folder = fix->folder, .number = 1, .count = 1};
    assert_int_equal(fs_mkdirs(fix->folder, 0700, &fix->err), 0);
    assert_int_equal(sd_event_new(&fix->event), 0);
    open_inbox(fix, &engine_aflpp);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    inbox_free(fix->inbox);
    (void)sd_event_unref(fix->event);
    (void)fs_remove(fix->root, NULL);
    strv_clear(&fix->sent);
    mem_free(fix->target.name);
    mem_free(fix->folder);
    mem_free(fix->spool);
    mem_free(fix);
    return 0;
}

/* A file below the engine's folder, changed `age_s` seconds ago. */
static void
put(struct fixture *fix, const char *relative, const char *text, int age_s)
{
    AUTO(mem_free) char *path = fs_join(fix->folder, relative);
    AUTO(mem_free) char *parent = mem_dup(path, (size_t)(fs_base(path) - path));
    struct timeval times[2];

    assert_int_equal(fs_mkdirs(parent, 0700, &fix->err), 0);
    assert_int_equal(fs_write(path, text, strlen(text), 0600, &fix->err), 0);
    assert_int_equal(gettimeofday(&times[0], NULL), 0);
    times[0].tv_sec -= age_s;
    times[1] = times[0];
    assert_int_equal(utimes(path, times), 0);
}

static bool
is_there(struct fixture *fix, const char *relative)
{
    AUTO(mem_free) char *path = fs_join(fix->root, relative);
    struct stat st;

    return lstat(path, &st) == 0;
}

static void
assert_sent(struct fixture *fix, size_t i, const char *name)
{
    assert_true(fix->sent.n > i);
    assert_string_equal(fs_base(fix->sent.v[i]), name);
}

static void
answer(struct fixture *fix, size_t i, int code)
{
    AUTO(mem_free) char *path = mem_strdup(fix->sent.v[i]);

    fix->done[i](fix->user[i], path, code, true);
}

static void
reopen(struct fixture *fix, const struct engine_ops *ops)
{
    inbox_free(STEAL(fix->inbox));
    strv_clear(&fix->sent);
    open_inbox(fix, ops);
}

/* --- what is taken --- */

static void
test_look_takes_finds_once(void **state)
{
    struct fixture *fix = *state;

    put(fix, "w1/crashes/id:000000,sig:06", "boom", 10);
    put(fix, "w1/crashes/README.txt", "words", 10);
    put(fix, "w1/hangs/id:000000,src:000001", "slow", 10);
    put(fix, "w1/queue/id:000000", "fine", 10);
    assert_int_equal(inbox_look(fix->source, 0), 2);
    assert_int_equal(inbox_look(fix->source, 0), 0);
    assert_int_equal(inbox_in_flight(fix->inbox), 2);
    assert_int_equal(inbox_taken(fix->inbox), 2);
    assert_int_equal(fix->sent.n, 2);
}

static void
test_the_copy_goes_when_it_is_in_the_ledger_and_the_original_stays(void **state)
{
    struct fixture *fix = *state;

    put(fix, "w1/crashes/id:000000,sig:06", "boom", 10);
    (void)inbox_look(fix->source, 0);
    assert_sent(fix, 0, "w1,crashes,id:000000,sig:06");
    assert_true(is_there(fix, "inbox/png/aflpp/w1,crashes,id:000000,sig:06"));
    answer(fix, 0, 0);
    assert_false(is_there(fix, "inbox/png/aflpp/w1,crashes,id:000000,sig:06"));
    assert_int_equal(inbox_in_flight(fix->inbox), 0);
    (void)inbox_look(fix->source, INBOX_TIDY);
    assert_true(is_there(fix, "engine/w1/crashes/id:000000,sig:06"));
    assert_int_equal(fix->sent.n, 1);
}

static void
test_a_file_that_may_still_be_written_waits(void **state)
{
    struct fixture *fix = *state;

    put(fix, "w1/crashes/id:000000", "bo", 0);
    assert_int_equal(inbox_look(fix->source, 0), 0);
    assert_int_equal(inbox_look(fix->source, INBOX_SETTLED), 1);
}

static void
test_a_renamed_session_is_known_again(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *from = fs_join(fix->folder, "w1/crashes");
    AUTO(mem_free) char *to = fs_join(fix->folder, "w1/crashes.2026-11-23-18:36:41");

    put(fix, "w1/crashes/id:000000", "boom", 10);
    assert_int_equal(inbox_look(fix->source, 0), 1);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(inbox_look(fix->source, 0), 0);
    /* another run does not remember, but gives it the same name */
    answer(fix, 0, 0);
    reopen(fix, &engine_aflpp);
    assert_int_equal(inbox_look(fix->source, 0), 1);
    assert_sent(fix, 0, "w1,crashes,id:000000");
}

static void
test_folders_of_finds_are_emptied_after_the_ledger(void **state)
{
    struct fixture *fix = *state;

    put(fix, "w1/crashes.2026/id:000000", "boom", 10);
    (void)inbox_look(fix->source, INBOX_SETTLED | INBOX_TIDY);
    assert_true(is_there(fix, "engine/w1/crashes.2026/id:000000"));
    answer(fix, 0, 0);
    (void)inbox_look(fix->source, INBOX_SETTLED);
    assert_true(is_there(fix, "engine/w1/crashes.2026/id:000000"));
    (void)inbox_look(fix->source, INBOX_SETTLED | INBOX_TIDY);
    assert_false(is_there(fix, "engine/w1/crashes.2026"));
}

static void
test_artifacts_of_libfuzzer(void **state)
{
    struct fixture *fix = *state;

    reopen(fix, &engine_libfuzzer);
    put(fix, "artifacts-1/crash-aa", "a", 10);
    put(fix, "artifacts-1/slow-unit-bb", "b", 10);
    put(fix, "artifacts-2/timeout-cc", "c",
        10); /* of an earlier campaign with two workers */
    assert_int_equal(inbox_look(fix->source, 0), 2);
}

static void
test_equal_names_of_two_files_do_not_clash(void **state)
{
    struct fixture *fix = *state;

    put(fix, "w1/crashes/id:000000", "one", 10);
    put(fix, "w1/crashes.2026/id:000000", "two", 20);
    assert_int_equal(inbox_look(fix->source, 0), 2);
    assert_true(is_there(fix, "inbox/png/aflpp/w1,crashes,id:000000"));
    assert_true(is_there(fix, "inbox/png/aflpp/w1,crashes,id:000000~1"));
}

static void
test_only_so_many_are_on_their_way_and_the_rest_waits(void **state)
{
    struct fixture *fix = *state;
    char name[64];

    for (int i = 0; i < INBOX_IN_FLIGHT_MAX + 10; i++) {
        (void)snprintf(name, sizeof(name), "w1/crashes/id:%06d", i);
        put(fix, name, name, 10);
    }
    assert_int_equal(inbox_look(fix->source, 0), INBOX_IN_FLIGHT_MAX);
    assert_int_equal(inbox_look(fix->source, 0), 0);
    for (size_t i = 0; i < 20; i++) {
        answer(fix, i, 0);
    }
    assert_int_equal(inbox_look(fix->source, 0), 10);
}

static void
test_a_seed_that_crashes_is_taken_by_its_path(void **state)
{
    struct fixture *fix = *state;

    put(fix, "w1/queue/id:000000,orig:seed", "boom", 0);
    inbox_take(fix->source, "w1/queue/id:000000,orig:seed");
    assert_sent(fix, 0, "w1,queue,id:000000,orig:seed");
    inbox_take(fix->source, "w1/queue/id:000000,orig:seed");
    inbox_take(fix->source, "w1/queue/gone");
    inbox_take(fix->source, "../outside");
    assert_int_equal(fix->sent.n, 1);
}

/* --- what is hostile --- */

static void
test_links_pipes_and_folders_are_not_followed(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *link = fs_join(fix->folder, "w1/crashes/id:000001");
    AUTO(mem_free) char *fifo = fs_join(fix->folder, "w1/crashes/id:000002");
    AUTO(mem_free) char *dir = fs_join(fix->folder, "w1/crashes/id:000003");

    put(fix, "w1/crashes/README.txt", "words", 10);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(inbox_look(fix->source, INBOX_SETTLED), 0);
    assert_int_equal(fix->sent.n, 0);
}

static void
test_a_linked_folder_is_not_entered(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *elsewhere = fs_join(fix->root, "elsewhere");
    AUTO(mem_free) char *secret = fs_join(fix->root, "elsewhere/id:000000");
    AUTO(mem_free) char *link = fs_join(fix->folder, "w1/crashes");

    put(fix, "w1/hangs/README.txt", "words", 10);
    assert_int_equal(fs_mkdirs(elsewhere, 0700, &fix->err), 0);
    assert_int_equal(fs_write(secret, "secret", 6, 0600, &fix->err), 0);
    assert_int_equal(symlink(elsewhere, link), 0);
    assert_int_equal(inbox_look(fix->source, INBOX_SETTLED), 0);
}

static void
test_any_bytes_make_a_name(void **state)
{
    struct fixture *fix = *state;
    static const char name[] = "id:\n\033[2J$(reboot);\xff..";

    AUTO(mem_free) char *path = mem_printf("w1/crashes/%s", name);
    put(fix, path, "boom", 10);
    assert_int_equal(inbox_look(fix->source, 0), 1);
    AUTO(mem_free) char *flat = mem_printf("w1,crashes,%s", name);
    assert_sent(fix, 0, flat);
}

static void
test_a_long_name_is_cut(void **state)
{
    struct fixture *fix = *state;
    char name[280];

    memset(name, 'x', sizeof(name));
    memcpy(name, "w1/crashes/id:", 14);
    name[255 + 11] = '\0';
    put(fix, "w1/crashes/README.txt", "words", 10);
    AUTO(mem_free) char *path = fs_join(fix->folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(inbox_look(fix->source, INBOX_SETTLED), 1);
    assert_int_equal(strlen(fs_base(fix->sent.v[0])), 240);
}

static void
test_an_unreadable_file_is_made_readable_in_the_inbox(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = fs_join(fix->folder, "w1/crashes/id:000000");
    struct stat st;

    put(fix, "w1/crashes/id:000000", "boom", 10);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(inbox_look(fix->source, 0), 1);
    assert_int_equal(stat(fix->sent.v[0], &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* --- after a death --- */

static void
test_what_lay_in_the_inbox_is_sent_again_and_not_twice(void **state)
{
    struct fixture *fix = *state;

    put(fix, "w1/crashes/id:000000", "boom", 10);
    (void)inbox_look(fix->source, 0);
    reopen(fix, &engine_aflpp); /* without an answer */
    assert_int_equal(inbox_recover(fix->inbox, "png", "aflpp"), 1);
    assert_int_equal(inbox_recover(fix->inbox, "png", "libfuzzer"), 0);
    assert_sent(fix, 0, "w1,crashes,id:000000");
    assert_int_equal(inbox_look(fix->source, 0), 0);
    answer(fix, 0, 0);
    assert_false(is_there(fix, "inbox/png/aflpp/w1,crashes,id:000000"));
}

static void
test_refused_files_leave_and_a_failing_store_keeps_them(void **state)
{
    static const struct {
        int code;
        bool stays;
    } cases[] = {{-EFBIG, false}, {-EINVAL, false},   {-ENOENT, false}, {-EACCES, false},
                 {-ENOSPC, true}, {-ECANCELED, true}, {-EPROTO, true},  {-EIO, true}};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(mem_free) char *name = mem_printf("w1/crashes/id:%06zu", i);
        AUTO(mem_free) char *copy = mem_printf("inbox/png/aflpp/w1,crashes,id:%06zu", i);
        put(fix, name, name, 10);
        (void)inbox_look(fix->source, 0);
        answer(fix, i, cases[i].code);
        assert_int_equal(is_there(fix, copy), cases[i].stays);
    }
}

/* --- events --- */

static void
test_an_event_takes_a_file_at_once(void **state)
{
    struct fixture *fix = *state;

    put(fix, "w1/crashes/README.txt", "words", 10);
    (void)inbox_look(fix->source, 0); /* begins to watch */
    put(fix, "w1/crashes/id:000000", "boom", 0);
    for (int i = 0; i < 10 && fix->sent.n == 0; i++) {
        assert_true(sd_event_run(fix->event, 1000000) >= 0);
    }
    assert_sent(fix, 0, "w1,crashes,id:000000");
    assert_int_equal(inbox_look(fix->source, INBOX_SETTLED), 0);
}

static void
test_a_find_after_a_rename_is_not_lost(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *from = fs_join(fix->folder, "w1/crashes");
    AUTO(mem_free) char *to = fs_join(fix->folder, "w1/crashes.2026");

    put(fix, "w1/crashes/README.txt", "words", 10);
    (void)inbox_look(fix->source, 0);
    assert_int_equal(rename(from, to), 0);
    put(fix, "w1/crashes/id:000000", "new session", 10);
    put(fix, "w1/crashes.2026/id:000000", "old session", 10);
    while (sd_event_run(fix->event, 0) > 0) {
    }
    (void)inbox_look(fix->source, 0);
    assert_int_equal(fix->sent.n, 2);
}

/* --- the memory of files --- */

static void
test_seen_files_are_told_by_place_time_and_size(void **state)
{
    struct stat st = {.st_ino = 7, .st_dev = 1, .st_size = 5};
    struct stat other = st;

    (void)state;
    other.st_mtim.tv_nsec = 1;
    assert_int_equal(seen_key(&st), seen_key(&st));
    assert_int_not_equal(seen_key(&st), seen_key(&other));
    other = st;
    other.st_size = 6;
    assert_int_not_equal(seen_key(&st), seen_key(&other));
}

static void
test_seen_files_grow_and_are_found(void **state)
{
    AUTO(seen_clear) struct seen_files seen = {0};

    (void)state;
    assert_null(seen_find(&seen, 1));
    for (uint64_t key = 1; key <= 5000; key++) {
        seen_add(&seen, key * 1024); /* many of one slot */
        seen_add(&seen, key * 1024);
    }
    assert_int_equal(seen.n, 5000);
    for (uint64_t key = 1; key <= 5000; key++) {
        assert_non_null(seen_find(&seen, key * 1024));
    }
    assert_null(seen_find(&seen, 3));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_look_takes_finds_once),
        TEST(test_the_copy_goes_when_it_is_in_the_ledger_and_the_original_stays),
        TEST(test_a_file_that_may_still_be_written_waits),
        TEST(test_a_renamed_session_is_known_again),
        TEST(test_folders_of_finds_are_emptied_after_the_ledger),
        TEST(test_artifacts_of_libfuzzer),
        TEST(test_equal_names_of_two_files_do_not_clash),
        TEST(test_only_so_many_are_on_their_way_and_the_rest_waits),
        TEST(test_a_seed_that_crashes_is_taken_by_its_path),
        TEST(test_links_pipes_and_folders_are_not_followed),
        TEST(test_a_linked_folder_is_not_entered),
        TEST(test_any_bytes_make_a_name),
        TEST(test_a_long_name_is_cut),
        TEST(test_an_unreadable_file_is_made_readable_in_the_inbox),
        TEST(test_what_lay_in_the_inbox_is_sent_again_and_not_twice),
        TEST(test_refused_files_leave_and_a_failing_store_keeps_them),
        TEST(test_an_event_takes_a_file_at_once),
        TEST(test_a_find_after_a_rename_is_not_lost),
        TEST(test_seen_files_are_told_by_place_time_and_size),
        TEST(test_seen_files_grow_and_are_found),
    };

    return cmocka_run_group_tests_name("inbox", tests, NULL, NULL);
}
