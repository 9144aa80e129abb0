#include "tests/unit/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

static int
setup(void **state)
{
    (void)state;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    return 0;
}

/* How a child ends that runs what must abort. */
static int
outcome_of(void (*run)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        run();
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void
array_overflows(void)
{
    mem_free(mem_array(SIZE_MAX / 2, 8));
}

static void
dup_overflows(void)
{
    mem_free(mem_dup("x", SIZE_MAX));
}

static void
too_much_is_asked_for(void)
{
    mem_free(mem_resize(NULL, SIZE_MAX / 4));
}

/* Neither is a return; sanitizers end the process their own way. */
static void
assert_died(int status)
{
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void
test_running_out_never_returns(void **state)
{
    (void)state;
    assert_died(outcome_of(array_overflows));
    assert_died(outcome_of(dup_overflows));
    assert_died(outcome_of(too_much_is_asked_for));
}

static void
test_alloc_is_zeroed_and_takes_size_zero(void **state)
{
    (void)state;
    AUTO(mem_free) unsigned char *bytes = mem_alloc(100);
    AUTO(mem_free) void *none = mem_alloc(0);
    AUTO(mem_free) void *empty = mem_array(0, 8);

    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(bytes[i], 0);
    }
    assert_non_null(none);
    assert_non_null(empty);
}

static void
test_resize_keeps_bytes_and_takes_size_zero(void **state)
{
    (void)state;
    AUTO(mem_free) char *text = mem_strdup("abc");

    text = mem_resize(text, 1000);
    assert_string_equal(text, "abc");
    text = mem_resize(text, 0);
    assert_non_null(text);
}

static void
test_dup_ends_with_nul(void **state)
{
    (void)state;
    AUTO(mem_free) char *part = mem_dup("abcdef", 3);
    AUTO(mem_free) char *none = mem_dup(NULL, 0);

    assert_string_equal(part, "abc");
    assert_string_equal(none, "");
    assert_null(mem_strdup(NULL));
}

static void
test_printf_is_as_long_as_it_must_be(void **state)
{
    (void)state;
    AUTO(mem_free) char *text = mem_printf("%s-%0500d", "x", 7);

    assert_int_equal(strlen(text), 502);
}

static void
test_auto_frees_and_steal_gives_up(void **state)
{
    (void)state;
    char *kept = NULL;
    {
        AUTO(mem_free)
        char *text = mem_strdup("kept"); /* LeakSanitizer sees what is not freed */
        AUTO(mem_free) char *gone = mem_strdup("gone");
        assert_string_equal(gone, "gone");
        kept = STEAL(text);
        assert_null(text);
    }
    assert_string_equal(kept, "kept");
    mem_free(kept);
    mem_free(NULL);
}

static void
test_unloaded_pages_of_a_file_are_read_again(void **state)
{
    AUTO(fd_close) int fd = memfd_create("pages", MFD_CLOEXEC);
    const size_t len = 8192;

    (void)state;
    assert_int_equal(ftruncate(fd, (off_t)len), 0);
    assert_int_equal(pwrite(fd, "first", 5, 0), 5);
    assert_int_equal(pwrite(fd, "last", 4, (off_t)len - 4), 4);
    char *pages = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_true(pages != MAP_FAILED);
    assert_memory_equal(pages, "first", 5);
    mem_unload(pages, len);
    assert_memory_equal(pages, "first", 5);
    assert_memory_equal(pages + len - 4, "last", 4);
    assert_int_equal(munmap(pages, len), 0);
}

static void
test_a_list_grows_by_doubling(void **state)
{
    AUTO(mem_free) int *list = NULL;

    (void)state;
    for (size_t n = 0; n < 1000; n++) {
        list = mem_grow(list, n, sizeof(*list));
        list[n] = (int)n;
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(list[i], i);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_list_grows_by_doubling),
        TEST(test_running_out_never_returns),
        TEST(test_alloc_is_zeroed_and_takes_size_zero),
        TEST(test_resize_keeps_bytes_and_takes_size_zero),
        TEST(test_dup_ends_with_nul),
        TEST(test_printf_is_as_long_as_it_must_be),
        TEST(test_auto_frees_and_steal_gives_up),
        TEST(test_unloaded_pages_of_a_file_are_read_again),
    };

    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
