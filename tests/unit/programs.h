/* Real programs for tests: each kind of build, made by the compilers that users have. */
#ifndef TESTS_UNIT_PROGRAMS_H
#define TESTS_UNIT_PROGRAMS_H

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"

static const char __attribute__((unused)) program_in_process[] =
    "#include <string.h>\n"
    "int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);\n"
    "int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n)\n"
    "{ return n > 7 && memcmp(d, \"abcd\", 4) == 0 && 7 / d[5] == 3; }\n";

static const char __attribute__((unused)) program_main[] =
    "int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);\n"
    "int main(int c, char **v) { return c > 1 && LLVMFuzzerTestOneInput((void *)v[1], "
    "8); }\n";

static const char __attribute__((unused)) program_command[] =
    "#include <stdio.h>\n"
    "int main(int c, char **v) { char b[64] = \"\"; FILE *f = c > 1 ? fopen(v[1], \"r\") "
    ": stdin;\n"
    "  if (f != NULL && fgets(b, 60, f) != NULL && b[0] == 'x') return b[1] * 0x7fffff;\n"
    "  return b[c & 31] == 'y'; }\n";

/* Run a shell line in a folder; its output is shown when it fails. */
static inline void
program_sh(const char *folder, const char *line)
{
    char sh[] = "sh", option[] = "-ec";
    AUTO(mem_free) char *script = mem_strdup(line);
    char *argv[] = {sh, option, script, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    AUTO(proc_run_clear) struct proc_run run = {0};
    struct err err = ERR_INIT;

    spec.argv = argv;
    spec.cwd = folder;
    assert_int_equal(proc_run(&spec, 180000, &run, &err), 0);
    if (run.status != 0) {
        (void)fprintf(stderr, "%s\n%s", line, buf_str(&run.output));
    }
    assert_int_equal(run.status, 0);
}

/* Leave in.c, main.c and cmd.c in a folder, to be compiled by program_sh(). */
static inline void
program_sources(const char *folder)
{
    static const struct {
        const char *name, *text;
    } files[] = {{"in.c", program_in_process},
                 {"main.c", program_main},
                 {"cmd.c", program_command}};
    struct err err = ERR_INIT;

    for (size_t i = 0; i < COUNT(files); i++) {
        AUTO(mem_free) char *path = fs_join(folder, files[i].name);
        assert_int_equal(fs_write(path, files[i].text, strlen(files[i].text), 0644, &err),
                         0);
    }
}

#endif
