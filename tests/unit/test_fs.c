#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

struct fixture {
    char *root; /* a fresh folder */
    struct buf out;
    struct strv seen;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char name[] = "/tmp/nightjar-test-fs.XXXXXX";

    *state = fix;
    fix->root = mem_strdup(mkdtemp(name));
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;
    int rc = fs_remove(fix->root, &fix->err);

    mem_free(fix->root);
    buf_clear(&fix->out);
    strv_clear(&fix->seen);
    mem_free(fix);
    return rc;
}

/* root/name; lives until the program ends, so that a test can nest calls */
static const char *
at(struct fixture *fix, const char *name)
{
    static struct strv keep;

    strv_addf(&keep, "%s/%s", fix->root, name);
    return keep.v[keep.n - 1];
}

static void
put(struct fixture *fix, const char *name, const char *text)
{
    assert_int_equal(fs_write(at(fix, name), text, strlen(text), 0644, &fix->err), 0);
}

static void
assert_text(struct fixture *fix, const char *name, const char *want)
{
    buf_cut(&fix->out, 0);
    assert_int_equal(fs_read(at(fix, name), 1000, &fix->out, &fix->err), 0);
    assert_string_equal(buf_str(&fix->out), want);
}

/* Run as somebody to whom permissions matter; tests may run as root. */
static int
as_nobody(void (*run)(struct fixture *fix), struct fixture *fix)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        if (getuid() == 0 &&
            (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)) {
            _exit(99);
        }
        run(fix);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

static void
test_read_appends_and_stops_at_the_limit(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *want = mem_printf("'%s/f' holds more than 5 bytes", fix->root);

    put(fix, "f", "abcdef");
    buf_adds(&fix->out, ">");
    assert_int_equal(fs_read(at(fix, "f"), 6, &fix->out, &fix->err), 0);
    assert_string_equal(buf_str(&fix->out), ">abcdef");
    assert_int_equal(fs_read(at(fix, "f"), 5, &fix->out, &fix->err), -EFBIG);
    assert_string_equal(fix->err.msg, want);
    assert_string_equal(buf_str(&fix->out), ">abcdef");
}

static void
test_read_raises_the_default_bound_but_not_a_chosen_one(void **state)
{
    struct fixture *fix = *state;
    size_t size = (size_t)BUF_MAX_DEFAULT + 1000;
    AUTO(buf_clear) struct buf large = BUF_INIT;
    AUTO(buf_clear) struct buf small = {.max = 10};

    put(fix, "f", "");
    assert_int_equal(truncate(at(fix, "f"), (off_t)size), 0);
    assert_int_equal(fs_read(at(fix, "f"), size, &large, &fix->err), 0);
    assert_int_equal(large.len, size);
    assert_int_equal(fs_read(at(fix, "f"), SIZE_MAX, &small, &fix->err), -EFBIG);
    assert_int_equal(small.len, 0);
    assert_false(small.truncated);
}

static void
test_read_refuses_what_is_no_regular_file(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *folder = mem_printf("'%s' is not a regular file", fix->root);
    AUTO(mem_free)
    char *fifo = mem_printf("'%s/fi\\x0afo' is not a regular file", fix->root);
    AUTO(mem_free)
    char *none = mem_printf("open '%s/none': No such file or directory", fix->root);

    assert_int_equal(mkfifo(at(fix, "fi\nfo"), 0600), 0);
    assert_int_equal(fs_read(at(fix, "fi\nfo"), 10, &fix->out, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, fifo);
    assert_int_equal(fs_read(fix->root, 10, &fix->out, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, folder);
    assert_int_equal(fs_read("/dev/zero", 10, &fix->out, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "'/dev/zero' is not a regular file");
    assert_int_equal(fs_read(at(fix, "none"), 10, &fix->out, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, none);
}

static void
test_read_takes_files_that_show_no_size(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fs_read("/proc/self/status", 100000, &fix->out, &fix->err), 0);
    assert_non_null(strstr(buf_str(&fix->out), "VmRSS"));
}

static void
test_write_replaces_and_leaves_no_temporary(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fs_write_atomic(at(fix, "f"), "one", 3, 0600, &fix->err), 0);
    assert_int_equal(fs_write_atomic(at(fix, "f"), "two", 3, 0600, &fix->err), 0);
    assert_text(fix, "f", "two");
    assert_int_equal(unlink(at(fix, "f")), 0);
    assert_int_equal(rmdir(fix->root), 0); /* so nothing else was in it */
    assert_int_equal(mkdir(fix->root, 0700), 0);
}

static void
test_write_replaces_a_link_and_not_what_it_names(void **state)
{
    struct fixture *fix = *state;

    put(fix, "victim", "safe");
    assert_int_equal(symlink("victim", at(fix, "link")), 0);
    put(fix, "link", "new");
    assert_text(fix, "victim", "safe");
    assert_text(fix, "link", "new");
}

/* In a container the process has the same number after a restart. */
static void
test_write_passes_over_what_a_dead_process_left(void **state)
{
    struct fixture *fix = *state;

    for (unsigned i = 0; i < 500; i++) {
        AUTO(mem_free)
        char *left = mem_printf("%s/f.tmp-%d-%u", fix->root, (int)getpid(), i);
        fd_close(open(left, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    put(fix, "f", "text");
    assert_text(fix, "f", "text");
}

static void
test_write_failures_name_the_file(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *none = mem_printf("create a file beside '%s/no/f': No such file or directory",
                            fix->root);
    AUTO(mem_free)
    char *folder = mem_printf("rename to '%s/d': Is a directory", fix->root);

    assert_int_equal(fs_write(at(fix, "no/f"), "x", 1, 0600, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, none);
    assert_int_equal(mkdir(at(fix, "d"), 0700), 0);
    assert_int_equal(fs_write(at(fix, "d"), "x", 1, 0600, &fix->err), -EISDIR);
    assert_string_equal(fix->err.msg, folder);
}

static void
fill_up(struct fixture *fix)
{
    const struct rlimit limit = {4, 4};
    char text[100] = "";

    (void)signal(SIGXFSZ, SIG_IGN);
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    int rc = fs_write_atomic(at(fix, "f"), text, sizeof(text), 0600, &fix->err);
    _exit(rc == -EFBIG && str_ends(fix->err.msg, "/f': write 96 bytes: File too large")
              ? 7
              : 1);
}

static void
test_full_disk_leaves_the_old_file_and_no_other(void **state)
{
    struct fixture *fix = *state;

    put(fix, "f", "old");
    assert_int_equal(chmod(fix->root, 0777), 0);
    assert_int_equal(as_nobody(fill_up, fix), 7);
    assert_text(fix, "f", "old");
    assert_int_equal(unlink(at(fix, "f")), 0);
    assert_int_equal(rmdir(fix->root), 0);
    assert_int_equal(mkdir(fix->root, 0700), 0);
}

static void
test_mkdirs_makes_parents_and_takes_what_is_there(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fs_mkdirs(at(fix, "a//b/./c/"), 0755, &fix->err), 0);
    assert_true(fs_is_folder(at(fix, "a/b/c")));
    assert_int_equal(fs_mkdirs(at(fix, "a/b/c"), 0755, &fix->err), 0);
}

static void
test_mkdirs_is_not_content_with_anything_else(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *file = mem_printf("make folder '%s/f': File exists", fix->root);
    AUTO(mem_free)
    char *below = mem_printf("make folder '%s/f/g': Not a directory", fix->root);
    AUTO(mem_free) char *link = mem_printf("make folder '%s/l': File exists", fix->root);

    put(fix, "f", "");
    assert_int_equal(fs_mkdirs(at(fix, "f"), 0755, &fix->err), -EEXIST);
    assert_string_equal(fix->err.msg, file);
    assert_int_equal(fs_mkdirs(at(fix, "f/g"), 0755, &fix->err), -ENOTDIR);
    assert_string_equal(fix->err.msg, below);
    assert_int_equal(symlink("nowhere", at(fix, "l")), 0);
    assert_int_equal(fs_mkdirs(at(fix, "l"), 0755, &fix->err), -EEXIST);
    assert_string_equal(fix->err.msg, link);
    assert_int_equal(fs_mkdirs("", 0755, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, "make folder '': No such file or directory");
}

static void
test_remove_takes_anything_and_nothing(void **state)
{
    struct fixture *fix = *state;

    put(fix, "outside", "safe");
    assert_int_equal(fs_mkdirs(at(fix, "d/e/f"), 0755, &fix->err), 0);
    put(fix, "d/e/f/\n\033", "x");
    assert_int_equal(mkfifo(at(fix, "d/fifo"), 0600), 0);
    assert_int_equal(symlink("../outside", at(fix, "d/link")), 0);
    assert_int_equal(symlink("..", at(fix, "d/loop")), 0);
    assert_int_equal(fs_remove(at(fix, "d"), &fix->err), 0);
    assert_false(fs_exists(at(fix, "d")));
    assert_text(fix, "outside", "safe");
    assert_int_equal(fs_remove(at(fix, "d"), &fix->err), 0);
    assert_int_equal(symlink("outside", at(fix, "l")), 0);
    assert_int_equal(fs_remove(at(fix, "l"), &fix->err), 0);
    assert_text(fix, "outside", "safe");
}

/* A hostile program can nest folders deeper than any path is long. */
static void
test_remove_takes_any_depth(void **state)
{
    struct fixture *fix = *state;
    AUTO(fd_close) int dir = open(fix->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct rlimit few = {128, 128};
    struct rlimit before;

    for (int i = 0; i < 3000; i++) {
        assert_int_equal(mkdirat(dir, "d", 0700), 0);
        assert_int_equal(mkdirat(dir, ".deep-1", 0500), 0);
        int next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        fd_close(dir);
        dir = next;
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){few.rlim_cur, before.rlim_max}), 0);
    assert_int_equal(fs_remove(at(fix, "d"), &fix->err), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(fs_exists(at(fix, "d")));
}

static void
remove_forbidden(struct fixture *fix)
{
    if (fs_mkdirs(at(fix, "open/a/b"), 0700, &fix->err) < 0 ||
        fs_mkdirs(at(fix, "open/c/d"), 0700, &fix->err) < 0 ||
        fs_write(at(fix, "open/a/b/f"), "x", 1, 0400, &fix->err) < 0 ||
        chmod(at(fix, "open/a/b"), 0) < 0 || chmod(at(fix, "open/a"), 0500) < 0 ||
        chmod(at(fix, "open/c"), 0400) < 0) {
        _exit(1);
    }
    _exit(fs_remove(at(fix, "open"), &fix->err) == 0 && !fs_exists(at(fix, "open")) ? 7
                                                                                    : 2);
}

static void
test_remove_takes_folders_without_permissions(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(chmod(fix->root, 0777), 0);
    assert_int_equal(as_nobody(remove_forbidden, fix), 7);
}

static void
remove_foreign(struct fixture *fix)
{
    AUTO(mem_free) char *want = mem_printf("remove '%s/d': Permission denied", fix->root);
    struct stat st;

    if (stat(fix->root, &st) == 0 && st.st_uid == getuid()) {
        _exit(7); /* not started by root: it is our own, and may be removed */
    }
    int rc = fs_remove(at(fix, "d"), &fix->err);
    _exit(rc == -EACCES && strcmp(fix->err.msg, want) == 0 ? 7 : 2);
}

static void
test_remove_says_what_it_may_not(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fs_mkdirs(at(fix, "d/e"), 0755, &fix->err), 0);
    assert_int_equal(chmod(fix->root, 0755), 0);
    assert_int_equal(as_nobody(remove_foreign, fix), 7);
}

static void
test_absolute_folds_without_looking(void **state)
{
    static const struct {
        const char *path, *want;
    } cases[] = {{"/", "/"},      {"/a/./b//c/", "/a/b/c"}, {"/a/../b", "/b"},
                 {"/../..", "/"}, {"/a/b/../../..", "/"},   {"/...", "/..."},
                 {"//a", "/a"},   {"/a/b/..", "/a"}};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(mem_free) char *path = fs_absolute(cases[i].path);
        assert_string_equal(path, cases[i].want);
    }
    char before[4096];
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(fix->root), 0);
    AUTO(mem_free) char *relative = fs_absolute("x/../y");
    AUTO(mem_free) char *here = fs_absolute("");
    assert_int_equal(chdir(before), 0);
    assert_string_equal(relative, at(fix, "y"));
    assert_string_equal(here, fix->root);
}

static void
test_absolute_in_a_removed_folder_names_nothing_else(void **state)
{
    struct fixture *fix = *state;
    char before[4096];

    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(mkdir(at(fix, "gone"), 0700), 0);
    assert_int_equal(chdir(at(fix, "gone")), 0);
    assert_int_equal(rmdir(at(fix, "gone")), 0);
    AUTO(mem_free) char *path = fs_absolute("etc/passwd");
    assert_int_equal(chdir(before), 0);
    assert_string_equal(path, "/proc/self/cwd/etc/passwd");
}

static void
test_join_and_base(void **state)
{
    static const struct {
        const char *dir, *name, *want;
    } cases[] = {{"a", "b", "a/b"},
                 {"a/", "b", "a/b"},
                 {"/", "b", "/b"},
                 {"a", "/b", "/b"},
                 {"", "b", "b"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(mem_free) char *path = fs_join(cases[i].dir, cases[i].name);
        assert_string_equal(path, cases[i].want);
    }
    assert_string_equal(fs_base("/a/b"), "b");
    assert_string_equal(fs_base("b"), "b");
    assert_string_equal(fs_base("a/"), "");
}

static void
test_real_resolves_links(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *real = NULL;
    AUTO(mem_free)
    char *none = mem_printf("find '%s/none': No such file or directory", fix->root);
    char *missing = NULL;

    put(fix, "f", "");
    assert_int_equal(symlink("f", at(fix, "l")), 0);
    assert_int_equal(fs_real(at(fix, "l"), &real, &fix->err), 0);
    assert_string_equal(real, at(fix, "f"));
    assert_int_equal(fs_real(at(fix, "none"), &missing, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, none);
    assert_null(missing);
}

static void
test_local_folders_are_no_network(void **state)
{
    struct fixture *fix = *state;

    assert_null(fs_network_name(fix->root));
    assert_null(fs_network_name(at(fix, "none")));
}

static int
note(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct fixture *fix = user;

    (void)err;
    strv_addf(&fix->seen, "%s%s", st == NULL ? "?" : "", path + strlen(fix->root) + 1);
    return fix->seen.n == 100 ? 42 : 0;
}

static void
test_walk_goes_in_byte_order_and_passes_over_links(void **state)
{
    struct fixture *fix = *state;

    put(fix, "b", "");
    put(fix, "B", "");
    assert_int_equal(mkdir(at(fix, "a"), 0755), 0);
    put(fix, "a/.hidden", "");
    put(fix, "a/\xff\n", "");
    assert_int_equal(symlink("b", at(fix, "c")), 0);
    assert_int_equal(symlink("nowhere", at(fix, "d")), 0);
    assert_int_equal(symlink(".", at(fix, "e")), 0);
    assert_int_equal(mkfifo(at(fix, "f"), 0600), 0);
    assert_int_equal(fs_walk(fix->root, note, fix, &fix->err), 0);
    assert_int_equal(fix->seen.n, 4);
    assert_string_equal(fix->seen.v[0], "B");
    assert_string_equal(fix->seen.v[1], "a/.hidden");
    assert_string_equal(fix->seen.v[2], "a/\xff\n");
    assert_string_equal(fix->seen.v[3], "b");
}

static void
test_walk_links_takes_links_to_files_only(void **state)
{
    struct fixture *fix = *state;

    put(fix, "b", "");
    assert_int_equal(symlink("b", at(fix, "c")), 0);
    assert_int_equal(symlink("nowhere", at(fix, "d")), 0);
    assert_int_equal(symlink(".", at(fix, "e")), 0);
    assert_int_equal(symlink("/dev/null", at(fix, "f")), 0);
    assert_int_equal(fs_walk_links(fix->root, note, fix, &fix->err), 0);
    assert_int_equal(fix->seen.n, 2);
    assert_string_equal(fix->seen.v[1], "c");
}

static void
test_walk_takes_a_file_and_names_what_is_missing(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *none = mem_printf("find '%s/none': No such file or directory", fix->root);

    put(fix, "f", "");
    assert_int_equal(symlink("f", at(fix, "l")), 0);
    assert_int_equal(fs_walk(at(fix, "l"), note, fix, &fix->err), 0);
    assert_string_equal(fix->seen.v[0], "l");
    assert_int_equal(fs_walk(at(fix, "none"), note, fix, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, none);
}

static void
test_walk_ends_when_the_visitor_says_so(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < 120; i++) {
        AUTO(mem_free) char *name = mem_printf("%d", i);
        put(fix, name, "");
    }
    assert_int_equal(fs_walk(fix->root, note, fix, &fix->err), 42);
    assert_int_equal(fix->seen.n, 100);
}

static void
test_walk_reports_what_lies_too_deep(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf path = BUF_INIT;

    buf_adds(&path, fix->root);
    for (int i = 0; i < 70; i++) {
        buf_adds(&path, "/d");
    }
    assert_int_equal(fs_mkdirs(buf_str(&path), 0755, &fix->err), 0);
    assert_int_equal(fs_walk(fix->root, note, fix, &fix->err), 0);
    assert_int_equal(fix->seen.n, 1);
    assert_true(str_starts(fix->seen.v[0], "?d/d/d"));
}

static void
walk_forbidden(struct fixture *fix)
{
    if (fs_walk(fix->root, note, fix, &fix->err) != 0 || fix->seen.n != 2) {
        _exit(1);
    }
    bool entry = strcmp(fix->seen.v[0], "?list-only/f") == 0;
    bool folder = strcmp(fix->seen.v[1], "?secret") == 0;
    _exit(entry && folder ? 7 : 2);
}

static void
test_walk_reports_what_it_may_not_see(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(mkdir(at(fix, "secret"), 0755), 0);
    assert_int_equal(mkdir(at(fix, "list-only"), 0755), 0);
    put(fix, "list-only/f", "");
    assert_int_equal(chmod(fix->root, 0755), 0);
    assert_int_equal(chmod(at(fix, "secret"), 0), 0);
    assert_int_equal(chmod(at(fix, "list-only"), 0444), 0);
    assert_int_equal(as_nobody(walk_forbidden, fix), 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read_appends_and_stops_at_the_limit),
        TEST(test_read_raises_the_default_bound_but_not_a_chosen_one),
        TEST(test_read_refuses_what_is_no_regular_file),
        TEST(test_read_takes_files_that_show_no_size),
        TEST(test_write_replaces_and_leaves_no_temporary),
        TEST(test_write_replaces_a_link_and_not_what_it_names),
        TEST(test_write_passes_over_what_a_dead_process_left),
        TEST(test_write_failures_name_the_file),
        TEST(test_full_disk_leaves_the_old_file_and_no_other),
        TEST(test_mkdirs_makes_parents_and_takes_what_is_there),
        TEST(test_mkdirs_is_not_content_with_anything_else),
        TEST(test_remove_takes_anything_and_nothing),
        TEST(test_remove_takes_any_depth),
        TEST(test_remove_takes_folders_without_permissions),
        TEST(test_remove_says_what_it_may_not),
        TEST(test_absolute_folds_without_looking),
        TEST(test_absolute_in_a_removed_folder_names_nothing_else),
        TEST(test_join_and_base),
        TEST(test_real_resolves_links),
        TEST(test_local_folders_are_no_network),
        TEST(test_walk_goes_in_byte_order_and_passes_over_links),
        TEST(test_walk_links_takes_links_to_files_only),
        TEST(test_walk_takes_a_file_and_names_what_is_missing),
        TEST(test_walk_ends_when_the_visitor_says_so),
        TEST(test_walk_reports_what_lies_too_deep),
        TEST(test_walk_reports_what_it_may_not_see),
    };

    return cmocka_run_group_tests_name("fs", tests, NULL, NULL);
}
