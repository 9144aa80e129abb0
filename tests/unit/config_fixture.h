/*
 * For the tests of the configuration: an empty folder that each test runs in, and a kit
 * of programs of every kind of build, made once a group.
 */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "orchestrator/config.h"
#include "tests/unit/programs.h"

static char kit[] = "/tmp/nightjar-test-config-kit.XXXXXX";

struct fixture {
    char *root;
    char before[4096]; /* the folder that the test was started in */
    struct config *config;
    struct err err;
};

static int
build_kit(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(kit));
    program_sources(kit);
    program_sh(kit, "export AFL_QUIET=1\n"
                    "clang-14 -fsanitize=fuzzer,address in.c -o libfuzzer\n"
                    "clang-14 -fsanitize=address cmd.c -o sanitizer\n"
                    "afl-clang-fast cmd.c -o afl\n"
                    "AFL_LLVM_CMPLOG=1 afl-clang-fast cmd.c -o cmplog\n"
                    "gcc cmd.c -o plain\n");
    return 0;
}

static int
remove_kit(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    return fs_remove(kit, &err);
}

/* Each test runs in a folder of its own, so that messages name short paths. */
static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char name[] = "/tmp/nightjar-test-config.XXXXXX";

    *state = fix;
    fix->root = mem_strdup(mkdtemp(name));
    return getcwd(fix->before, sizeof(fix->before)) == NULL ? -1 : chdir(fix->root);
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;
    int rc = chdir(fix->before) < 0 ? -1 : fs_remove(fix->root, &fix->err);

    mem_free(fix->root);
    config_free(fix->config);
    mem_free(fix);
    return rc;
}

static inline void
put(struct fixture *fix, const char *name, const char *text)
{
    assert_int_equal(fs_write(name, text, strlen(text), 0644, &fix->err), 0);
}

/* A program of the kit under a name of this folder. */
static inline void
put_program(struct fixture *fix, const char *from, const char *name)
{
    AUTO(mem_free) char *source = fs_join(kit, from);
    AUTO(mem_free) char *absolute = fs_absolute(name);
    AUTO(mem_free)
    char *folder = mem_dup(absolute, (size_t)(fs_base(absolute) - absolute));

    assert_int_equal(fs_mkdirs(folder, 0755, &fix->err), 0);
    assert_int_equal(link(source, name), 0);
}

static inline int
load(struct fixture *fix, const char *text)
{
    put(fix, "nightjar.yaml", text);
    config_free(STEAL(fix->config));
    return config_load(NULL, &fix->config, &fix->err);
}

static inline void
assert_refused(struct fixture *fix, const char *text, const char *want)
{
    assert_int_equal(load(fix, text), -EINVAL);
    assert_null(fix->config);
    assert_string_equal(fix->err.msg, want);
}

#endif
