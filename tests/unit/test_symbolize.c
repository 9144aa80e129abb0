#include "tests/unit/victim.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "triage/program.h"
#include "triage/symbolize.h"

/* Prints where the innermost of its inlined functions lies in its file. */
static const char source[] =
    "#include <stdio.h>\n"
    "extern long where;\n"
    "extern char __executable_start[];\n"
    "static inline __attribute__((always_inline)) void innermost(void)\n"
    "{ __asm__ volatile(\"1: nop\\n.pushsection .data\\nwhere: .quad "
    "1b\\n.popsection\"); }\n"
    "static inline __attribute__((always_inline)) void middle(int n)\n"
    "{ if (n) innermost(); }\n"
    "__attribute__((noinline)) void outermost(int n)\n"
    "{ middle(n); puts(\"x\"); }\n"
    "int main(int c, char **v)\n"
    "{ outermost(c); printf(\"%lx\\n\", where - (long)__executable_start); return 0; }\n";

/* Answers each question with one function whose name is the question's number, and keeps
 * a log. */
static const char counting[] =
    "#!/bin/sh\nn=0\nwhile read -r line; do n=$((n+1)); echo \"$line\" >>\"$0.log\"\n"
    "printf '{\"Symbol\":[{\"FunctionName\":\"f%d\",\"FileName\":\"/a.c\",\"Line\":3,"
    "\"Column\":4}]}\\n' $n; done\n";

static char *the_folder;
static char *the_program;
static uint64_t the_offset;

struct fixture {
    struct symbolizer *symbolizer;
    struct record *record;
    struct err err;
};

static int
build(void **state)
{
    static const char *const flags[] = {"clang-14", "-g", "-O1", "-w", NULL};
    AUTO(proc_run_clear) struct proc_run run = {.output.max = 4096};
    struct proc_spec spec = PROC_SPEC_INIT;

    (void)state;
    the_folder = victim_folder();
    the_program = victim_build(the_folder, "named", source, flags);
    char *argv[] = {the_program, NULL};
    spec.argv = argv;
    if (proc_run(&spec, 20000, &run, NULL) < 0 || run.output.len < 4) {
        return -1;
    }
    the_offset = strtoull(strchr(buf_str(&run.output), '\n'), NULL, 16);
    victim_write(the_folder, "counting", counting, 0755);
    victim_write(the_folder, "deaf", "#!/bin/sh\nexec sleep 100\n", 0755);
    victim_write(the_folder, "dead", "#!/bin/sh\nexit 1\n", 0755);
    victim_write(the_folder, "mad", "#!/bin/sh\nread -r x; echo 'no JSON'; sleep 100\n",
                 0755);
    victim_write(the_folder, "endless", "#!/bin/sh\nexec yes | tr -d '\\n'\n", 0755);
    victim_write(
        the_folder, "rude",
        "#!/bin/sh\nread -r x; printf "
        "'{\"Symbol\":[{\"FunctionName\":\"a\\\\nb\\\\u001b[1m"
        "\",\"FileName\":\"/x\\\\ty\",\"Line\":-7,\"Column\":99999999999}]}\\n'; "
        "sleep 100\n",
        0755);
    return 0;
}

static int
unbuild(void **state)
{
    (void)state;
    (void)fs_remove(the_folder, NULL);
    mem_free(the_folder);
    mem_free(the_program);
    return 0;
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->record = mem_alloc(sizeof(*fix->record));
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    symbolizer_free(fix->symbolizer);
    record_free(fix->record);
    mem_free(fix);
    return 0;
}

static struct frame *
add(struct fixture *fix, int n, const char *module, uint64_t offset)
{
    struct frame *frame = record_add_frame(fix->record);

    assert_non_null(frame);
    frame->n = n;
    frame->module = mem_strdup(module);
    frame->offset = offset;
    frame->has_offset = true;
    return frame;
}

/* The real one for NULL, else a script of the test's folder. */
static void
use(struct fixture *fix, const char *script)
{
    AUTO(mem_free) char *path = script == NULL ? NULL : fs_join(the_folder, script);

    if (symbolizer_new(path, NULL, &fix->symbolizer, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
}

static void
test_inlined_functions_become_frames(void **state)
{
    static const struct {
        const char *function;
        int line, n;
        bool inlined;
    } want[] = {
        {"innermost", 5, 0, true}, {"middle", 7, 1, true}, {"outermost", 9, 2, false}};
    struct fixture *fix = *state;

    use(fix, NULL);
    add(fix, 0, the_program, the_offset)->build_id = mem_strdup("abc");
    add(fix, 1, "/nowhere", 1);
    add(fix, 0, the_program, the_offset)->stack = STACK_ALLOCATED;
    symbolize_record(fix->symbolizer, fix->record);
    assert_int_equal(fix->record->n_frames, 7);
    for (int i = 0; i < 3; i++) {
        const struct frame *frame = &fix->record->frames[i];
        assert_string_equal(frame->function, want[i].function);
        assert_int_equal(frame->line, want[i].line);
        assert_int_equal(frame->n, want[i].n);
        assert_int_equal(frame->inlined, want[i].inlined);
        assert_string_equal(fs_base(frame->file), "named.c");
        assert_string_equal(frame->module, the_program);
        assert_string_equal(frame->build_id, "abc");
        assert_int_equal(frame->offset, the_offset);
    }
    assert_null(fix->record->frames[3].function);
    assert_int_equal(fix->record->frames[3].n, 3);
    assert_int_equal(fix->record->frames[4].n, 0);
    assert_int_equal(fix->record->frames[4].stack, STACK_ALLOCATED);
    assert_string_equal(fix->record->frames[6].function, "outermost");
}

static void
test_what_has_a_name_is_left_alone(void **state)
{
    struct fixture *fix = *state;

    use(fix, NULL);
    add(fix, 0, the_program, the_offset)->function = mem_strdup("said");
    add(fix, 1, the_program, the_offset)->has_offset = false;
    symbolize_record(fix->symbolizer, fix->record);
    assert_int_equal(fix->record->n_frames, 2);
    assert_string_equal(fix->record->frames[0].function, "said");
    assert_null(fix->record->frames[1].function);
}

static void
test_an_empty_record_stays_empty(void **state)
{
    struct fixture *fix = *state;

    use(fix, NULL);
    symbolize_record(fix->symbolizer, fix->record);
    assert_int_equal(fix->record->n_frames, 0);
}

static void
test_only_loadable_files_are_named(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *quotes = fs_join(the_folder, "a\"b'c");
    AUTO(mem_free) char *line = fs_join(the_folder, "a\nb");
    AUTO(mem_free) char *input = fs_join(the_folder, "input");
    AUTO(mem_free) char *log = fs_join(the_folder, "counting.log");
    AUTO(buf_clear) struct buf elf = BUF_INIT;

    assert_int_equal(fs_read(the_program, 1 << 20, &elf, &fix->err), 0);
    assert_int_equal(fs_write(quotes, elf.data, elf.len, 0755, NULL), 0);
    assert_int_equal(fs_write(line, elf.data, elf.len, 0755, NULL), 0);
    assert_int_equal(fs_write(input, elf.data, elf.len, 0644, NULL), 0);
    use(fix, "counting");
    add(fix, 0, "/dev/zero", 1);
    add(fix, 1, "/etc/passwd", 1);
    add(fix, 2, "relative", 1);
    add(fix, 3, "/", 1);
    add(fix, 4, quotes, 1);
    add(fix, 5, line, 1);
    add(fix, 6, input, 1); /* an ELF file, but nothing could have loaded it */
    symbolize_record(fix->symbolizer, fix->record);
    assert_int_equal(fix->record->n_frames, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_null(fix->record->frames[i].function);
    }
    assert_false(fs_exists(log));
}

static void
test_roots_are_kept(void **state)
{
    struct fixture *fix = *state;
    AUTO(strv_clear) struct strv roots = {0};
    AUTO(mem_free) char *near = mem_printf("%s-not", the_program);
    AUTO(buf_clear) struct buf elf = BUF_INIT;

    assert_int_equal(fs_read(the_program, 1 << 20, &elf, &fix->err), 0);
    assert_int_equal(fs_write(near, elf.data, elf.len, 0755, NULL), 0);
    strv_add(&roots, the_program);
    strv_add(&roots, "/nowhere");
    assert_int_equal(symbolizer_new(NULL, &roots, &fix->symbolizer, &fix->err), 0);
    add(fix, 0, the_program, the_offset);
    add(fix, 1, near, the_offset);
    symbolize_record(fix->symbolizer, fix->record);
    assert_int_equal(fix->record->n_frames, 4);
    assert_null(fix->record->frames[3].function);
}

static void
test_an_address_is_asked_once(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *log = fs_join(the_folder, "counting.log");
    AUTO(buf_clear) struct buf asked = BUF_INIT;

    use(fix, "counting");
    add(fix, 0, the_program, 16);
    add(fix, 1, the_program, 32);
    add(fix, 2, the_program, 16);
    symbolize_record(fix->symbolizer, fix->record);
    assert_string_equal(fix->record->frames[0].function, "f1");
    assert_string_equal(fix->record->frames[1].function, "f2");
    assert_string_equal(fix->record->frames[2].function, "f1");
    assert_string_equal(fix->record->frames[2].file, "/a.c");
    assert_int_equal(fix->record->frames[2].line, 3);
    assert_int_equal(fix->record->frames[2].column, 4);
    assert_int_equal(fs_read(log, 4096, &asked, &fix->err), 0);
    AUTO(mem_free)
    char *want =
        mem_printf("CODE \"%s\" 0x10\nCODE \"%s\" 0x20\n", the_program, the_program);
    assert_string_equal(buf_str(&asked), want);
    (void)fs_remove(log, NULL);
}

/* libc answers by its own symbol table, but for the start of every program. */
static void
test_libc_is_not_asked_for(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *log = fs_join(the_folder, "counting.log");
    Dl_info libc;
    void *library = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD); /* no interceptor */
    void *sort = dlsym(library, "qsort");

    assert_int_not_equal(dladdr(sort, &libc), 0);
    uint64_t offset = (uint64_t)((char *)sort - (char *)libc.dli_fbase);
    use(fix, "counting");
    add(fix, 0, libc.dli_fname, offset + 1);
    add(fix, 1, the_program, 32)->function = mem_strdup("main");
    add(fix, 2, libc.dli_fname, offset);
    add(fix, 0, libc.dli_fname, offset)->stack = STACK_ALLOCATED;
    add(fix, 1, libc.dli_fname, 1);
    symbolize_record(fix->symbolizer, fix->record);
    assert_int_equal(fix->record->n_frames, 5);
    assert_string_equal(fix->record->frames[0].function, "qsort");
    assert_null(fix->record->frames[0].file);
    assert_null(fix->record->frames[2].function);
    assert_string_equal(fix->record->frames[2].module, libc.dli_fname);
    assert_string_equal(fix->record->frames[3].function, "qsort");
    assert_null(fix->record->frames[4].function);
    assert_false(fs_exists(log));
    (void)dlclose(library);
}

static void
test_a_library_without_symbols_is_asked_for(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *bare = fs_join(the_folder, "libc.so.9");

    assert_int_equal(fs_write(bare, ELFMAG "nothing", SELFMAG + 7, 0755, NULL), 0);
    use(fix, "counting");
    add(fix, 0, bare, 16);
    symbolize_record(fix->symbolizer, fix->record);
    assert_string_equal(fix->record->frames[0].function, "f1");
}

static void
test_a_report_that_lacks_the_build_id_gets_it(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *id = program_build_id(the_program);

    assert_non_null(id);
    use(fix, "counting");
    add(fix, 0, the_program, 16);
    add(fix, 1, the_program, 32)->build_id = mem_strdup("abc");
    add(fix, 2, "/nowhere", 32);
    symbolize_record(fix->symbolizer, fix->record);
    assert_string_equal(fix->record->frames[0].build_id, id);
    assert_string_equal(fix->record->frames[1].build_id, "abc");
    assert_null(fix->record->frames[2].build_id);
}

static void
test_a_rebuilt_module_is_another(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *copy = fs_join(the_folder, "copy");
    AUTO(buf_clear) struct buf elf = BUF_INIT;

    assert_int_equal(fs_read(the_program, 1 << 20, &elf, &fix->err), 0);
    assert_int_equal(fs_write(copy, elf.data, elf.len, 0755, NULL), 0);
    use(fix, "counting");
    add(fix, 0, copy, 16);
    add(fix, 1, copy, 32);
    symbolize_record(fix->symbolizer, fix->record);
    assert_string_equal(fix->record->frames[1].function, "f2");
    record_free(fix->record);
    fix->record = mem_alloc(sizeof(*fix->record));
    buf_addc(&elf, '\0');
    assert_int_equal(fs_write(copy, elf.data, elf.len, 0755, NULL), 0);
    add(fix, 0, copy, 32);
    symbolize_record(fix->symbolizer, fix->record);
    assert_string_equal(fix->record->frames[0].function,
                        "f1"); /* a new process counts anew */
}

static void
test_a_bad_symbolizer_costs_names_only(void **state)
{
    static const char *const bad[] = {"deaf", "dead", "mad", "endless"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t start = clock_mono_ms();
        use(fix, bad[i]);
        symbolizer_set_timeout(fix->symbolizer, 300);
        add(fix, (int)i, the_program, 16);
        symbolize_record(fix->symbolizer, fix->record);
        assert_int_equal(fix->record->n_frames, i + 1);
        assert_null(fix->record->frames[i].function);
        assert_in_range(clock_mono_ms() - start, 0, 8000);
        symbolizer_free(STEAL(fix->symbolizer));
    }
}

/* Its module is given up, others are asked for. */
static void
test_a_module_that_kills_is_not_tried_again(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *log = fs_join(the_folder, "picky.log");
    AUTO(buf_clear) struct buf asked = BUF_INIT;

    victim_write(
        the_folder, "picky",
        "#!/bin/sh\nwhile read -r line; do echo x >>\"$0.log\"; case $line in *libm*) "
        "echo '{\"Symbol\":[{\"FunctionName\":\"ok\"}]}';; *) exit 1;; esac; done\n",
        0755);
    use(fix, "picky");
    add(fix, 0, the_program, 16);
    add(fix, 1, the_program, 32);
    add(fix, 2, "/lib/x86_64-linux-gnu/libm.so.6", 16);
    symbolize_record(fix->symbolizer, fix->record);
    assert_null(fix->record->frames[0].function);
    assert_null(fix->record->frames[1].function);
    assert_string_equal(fix->record->frames[2].function, "ok");
    assert_int_equal(fs_read(log, 4096, &asked, &fix->err), 0);
    assert_string_equal(buf_str(&asked), "x\nx\n");
}

static void
test_hostile_names_are_cleaned(void **state)
{
    struct fixture *fix = *state;

    use(fix, "rude");
    add(fix, 0, the_program, 16);
    symbolize_record(fix->symbolizer, fix->record);
    assert_string_equal(fix->record->frames[0].function, "a b[1m");
    assert_string_equal(fix->record->frames[0].file, "/x y");
    assert_int_equal(fix->record->frames[0].line, 0);
    assert_int_equal(fix->record->frames[0].column, 0);
}

static void
test_the_bound_of_a_stack_holds(void **state)
{
    struct fixture *fix = *state;

    use(fix, NULL);
    for (int i = 0; i < RECORD_FRAMES_MAX; i++) {
        add(fix, i, the_program, the_offset);
    }
    symbolize_record(fix->symbolizer, fix->record);
    assert_int_equal(fix->record->n_frames, RECORD_FRAMES_MAX);
    assert_string_equal(fix->record->frames[RECORD_FRAMES_MAX - 1].function, "middle");
}

static void
test_version_and_missing_programs(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *version = NULL;

    assert_int_equal(symbolizer_version(NULL, &version, &fix->err), 0);
    assert_int_equal(strncmp(version, "LLVM version ", 13), 0);
    assert_int_equal(symbolizer_new("no-such-thing", NULL, &fix->symbolizer, &fix->err),
                     -ENOENT);
    assert_string_equal(fix->err.msg,
                        "there is no symbolizer 'no-such-thing': apt install llvm");
    AUTO(mem_free) char *path = mem_strdup(getenv("PATH"));
    (void)setenv("PATH", "/nowhere", 1);
    int rc = symbolizer_new(NULL, NULL, &fix->symbolizer, &fix->err);
    (void)setenv("PATH", path, 1);
    assert_int_equal(rc, -ENOENT);
    assert_string_equal(fix->err.msg,
                        "there is no llvm-symbolizer in PATH, stacks stay without "
                        "names: apt install llvm");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_inlined_functions_become_frames),
        TEST(test_what_has_a_name_is_left_alone),
        TEST(test_an_empty_record_stays_empty),
        TEST(test_only_loadable_files_are_named),
        TEST(test_roots_are_kept),
        TEST(test_an_address_is_asked_once),
        TEST(test_libc_is_not_asked_for),
        TEST(test_a_library_without_symbols_is_asked_for),
        TEST(test_a_report_that_lacks_the_build_id_gets_it),
        TEST(test_a_rebuilt_module_is_another),
        TEST(test_a_bad_symbolizer_costs_names_only),
        TEST(test_a_module_that_kills_is_not_tried_again),
        TEST(test_hostile_names_are_cleaned),
        TEST(test_the_bound_of_a_stack_holds),
        TEST(test_version_and_missing_programs),
    };

    return cmocka_run_group_tests_name("symbolize", tests, build, unbuild);
}
