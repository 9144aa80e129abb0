/*
 * Programs for the tests of what runs programs: written out as C, compiled when the test
 * starts, by the compilers that fuzzing uses. A missing compiler fails the test, loudly.
 */
#ifndef TESTS_UNIT_VICTIM_H
#define TESTS_UNIT_VICTIM_H

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "triage/runner.h"

/* A test that keeps sandboxes is what runs in them as well. */
static inline __attribute__((constructor)) void
victim_be_runner(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], RUNNER_VERB) == 0) {
        _exit(runner_inside_main());
    }
}

/* A new folder that a sandboxed program may be started from. */
static inline char *
victim_folder(void)
{
    char *path = mem_strdup("/tmp/nightjar-test-XXXXXX");

    if (mkdtemp(path) == NULL || chmod(path, 0755) < 0) {
        fail_msg("no folder %s", path);
    }
    return path;
}

static inline void
victim_write(const char *folder, const char *name, const char *text, mode_t mode)
{
    AUTO(mem_free) char *path = fs_join(folder, name);
    struct err err = ERR_INIT;

    if (fs_write(path, text, strlen(text), mode, &err) < 0 || chmod(path, mode) < 0) {
        fail_msg("%s", err.msg);
    }
}

/* Compile source into folder/name; flags is a list that ends with NULL. Its path, new. */
static inline char *
victim_build(const char *folder, const char *name, const char *source,
             const char *const *flags)
{
    AUTO(mem_free) char *file = mem_printf("%s.c", name);
    AUTO(mem_free) char *path = fs_join(folder, file);
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(proc_run_clear) struct proc_run run = {.output.max = 64 << 10};
    struct proc_spec spec = PROC_SPEC_INIT;
    struct err err = ERR_INIT;
    char *out = fs_join(folder, name);

    victim_write(folder, file, source, 0644);
    for (; *flags != NULL; flags++) {
        strv_add(&argv, *flags);
    }
    strv_add(&argv, "-o");
    strv_add(&argv, out);
    strv_add(&argv, path);
    spec.argv = argv.v;
    if (proc_run(&spec, 120000, &run, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    if (run.status != 0) {
        fail_msg("%s: %s", argv.v[0], buf_str(&run.output));
    }
    return out;
}

#define VICTIM_CLANG_ASAN \
    ((const char *const[]){"clang-14", "-g", "-O1", "-w", "-fsanitize=address", NULL})
#define VICTIM_LIBFUZZER                                                               \
    ((const char *const[]){"clang-14", "-g", "-O1", "-w", "-fsanitize=fuzzer,address", \
                           NULL})
#define VICTIM_PLAIN ((const char *const[]){"gcc", "-g", "-O1", "-w", NULL})

#endif
