#include "tests/unit/unit.h"

#include "base/mem.h"
#include "triage/stack_rules.h"

static const char own_file[] = "/src/app/own.c";
static const char own_module[] = "/opt/app/bin/own";

/* The rule that drops a frame of this name, source file and module (NULL: unknown). */
static const struct stack_rule *
rule_of(enum frame_language language, const char *name, const char *file,
        const char *module)
{
    AUTO(mem_free) char *function = mem_strdup(name);
    AUTO(mem_free) char *path = file == NULL ? NULL : mem_strdup(file);
    AUTO(mem_free) char *binary = module == NULL ? NULL : mem_strdup(module);
    const struct frame frame = {
        .language = language, .function = function, .file = path, .module = binary};

    return stack_rules_find(&frame, name);
}

static void
assert_counts(enum frame_language language, const char *name, const char *file,
              const char *module)
{
    const struct stack_rule *rule = rule_of(language, name, file, module);

    if (rule != NULL) {
        fail_msg("'%s' of %s, %s is dropped by '%s': %s", name,
                 file == NULL ? "no file" : file, module == NULL ? "no module" : module,
                 rule->text, rule->reason);
    }
}

static void
assert_dropped(const struct stack_rule *rule, const char *name, const char *file,
               const char *module)
{
    if (rule_of(rule->language, name, file, module) == NULL) {
        fail_msg("'%s' of %s is not dropped by '%s'", name,
                 file == NULL ? "no file" : file, rule->text);
    }
}

/* Unless it has a rule of its own, as "__assert2" beside "__assert", or a prefix. */
static void
assert_near_name_counts(enum frame_language language, const char *name, const char *file)
{
    const struct stack_rule *rule = rule_of(language, name, file, own_module);

    if (rule != NULL && rule->how != RULE_PREFIX && strcmp(rule->text, name) != 0) {
        fail_msg("'%s' of %s is dropped by '%s'", name, file == NULL ? "no file" : file,
                 rule->text);
    }
}

/* A name with something before or behind it is another one; with debug information and
 * without. */
static void
assert_near_names_count(const struct stack_rule *rule)
{
    static const char *const shapes[] = {"%s_node",     "%snode",          "my_%s",
                                         "my%s",        "%s_generic_list", "%s_chk_table",
                                         "%s_avxcodec", "%s_ssend",        "%s2"};

    for (size_t i = 0; i < COUNT(shapes); i++) {
        const char *mark = strstr(shapes[i], "%s");
        AUTO(mem_free)
        char *name = mem_printf("%.*s%s%s", (int)(mark - shapes[i]), shapes[i],
                                rule->text, mark + 2);
        assert_near_name_counts(rule->language, name, own_file);
        assert_near_name_counts(rule->language, name, NULL);
    }
}

static void
assert_member_counts(const struct stack_rule *rule)
{
    AUTO(mem_free) char *member = mem_printf("app::Table::%s", rule->text);

    assert_counts(rule->language, member, own_file, own_module);
}

static bool
is_boundary(char c)
{
    return c == '_' || c == ':' || c == '.';
}

static void
assert_near_prefixes_count(const struct stack_rule *rule)
{
    size_t len = strlen(rule->text);
    AUTO(mem_free) char *before = mem_printf("my%sthing", rule->text);
    AUTO(mem_free) char *inside = mem_printf("app::%sthing", rule->text);
    AUTO(mem_free) char *cut = mem_printf("%.*sx", (int)(len - 1), rule->text);

    if (!is_boundary(rule->text[len - 1])) {
        fail_msg("'%s' has no boundary at its end", rule->text);
    }
    assert_counts(rule->language, before, own_file, own_module);
    assert_counts(rule->language, before, NULL, own_module);
    assert_counts(rule->language, inside, own_file, own_module);
    /* "__asanx" is none of "__asan_"; of "std::panic:x" the rule for "std::" decides */
    const struct stack_rule *other = rule_of(rule->language, cut, NULL, own_module);
    assert_true(other == NULL ||
                (other->how == RULE_PREFIX && strlen(other->text) < len));
}

/* "/jemalloc/" is no folder "/src/myjemalloc/", "/libc.so" no "/opt/mylibc.so". */
static void
assert_near_places_count(const struct stack_rule *rule)
{
    const char *text = rule->text + (rule->text[0] == '/');
    AUTO(mem_free) char *before = mem_printf("/src/my%s/own", text);
    AUTO(mem_free)
    char *behind = mem_printf("/src/%.*sx/own", (int)strlen(text) - 1, text);
    bool is_path = rule->how == RULE_PATH;

    if (rule->text[0] != '/') { /* what no path and no name has */
        assert_non_null(strpbrk(rule->text, "[]<>+"));
        return;
    }
    assert_counts(rule->language, "own", is_path ? before : NULL,
                  is_path ? own_module : before);
    assert_counts(rule->language, "own", is_path ? behind : NULL,
                  is_path ? own_module : behind);
    assert_counts(rule->language, text, own_file, own_module);
}

static void
test_near_misses_of_every_rule_count(void **state)
{
    (void)state;
    for (size_t i = 0; i < stack_rules_n; i++) {
        const struct stack_rule *rule = &stack_rules[i];
        assert_non_null(rule->reason);
        assert_true(strlen(rule->reason) >= 8);
        switch (rule->how) {
        case RULE_EXACT:
        case RULE_LIBC:
            assert_near_names_count(rule);
            assert_member_counts(rule);
            break;
        case RULE_LAST:
            assert_near_names_count(rule);
            break;
        case RULE_PREFIX:
            assert_near_prefixes_count(rule);
            break;
        case RULE_PATH:
        case RULE_MODULE:
            assert_near_places_count(rule);
            break;
        }
    }
}

static void
test_a_source_of_the_programs_own_keeps_what_a_library_may_be_called(void **state)
{
    (void)state;
    for (size_t i = 0; i < stack_rules_n; i++) {
        const struct stack_rule *rule = &stack_rules[i];
        bool name = rule->how != RULE_PATH && rule->how != RULE_MODULE;
        if (name && (rule->source != SOURCE_ANY || rule->path != NULL)) {
            assert_counts(rule->language, rule->text, own_file, own_module);
        }
        if (rule->source == SOURCE_KERNEL) {
            assert_counts(rule->language, rule->text, NULL, own_module);
            assert_dropped(rule, rule->text, NULL, NULL);
            assert_dropped(rule, rule->text, "mm/kasan/report.c", NULL);
        }
    }
}

static void
test_every_rule_drops_what_it_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < stack_rules_n; i++) {
        const struct stack_rule *rule = &stack_rules[i];
        AUTO(mem_free)
        char *place = mem_printf("/x%s%s", rule->text[0] == '/' ? "" : "/", rule->text);
        switch (rule->how) {
        case RULE_PATH:
            assert_dropped(rule, "own", place, NULL);
            break;
        case RULE_MODULE:
            assert_dropped(rule, "own", NULL, place);
            break;
        default:
            assert_dropped(rule, rule->text, rule->path, NULL);
        }
    }
}

static void
test_a_programs_own_functions_count(void **state)
{
    static const char *const names[] = {"free_node",
                                        "new_session",
                                        "assertion_parser",
                                        "my_malloc_stats",
                                        "main_loop",
                                        "LLVMFuzzerHelper",
                                        "free_generic_node",
                                        "exit_ssend",
                                        "raise_error",
                                        "abort_checksum",
                                        "malloc_unaligned",
                                        "memcpy_avxcodec",
                                        "_free",
                                        "_raise_to_power",
                                        "panic",
                                        "panic_mode",
                                        "delete",
                                        "delete_row",
                                        "Abort",
                                        "print_report",
                                        "dump_stack",
                                        "show_stack",
                                        "SignalHandler",
                                        "asm_exc_table",
                                        "WTFCrashed",
                                        "logging::LogMessageParser::parse",
                                        "operator new_type",
                                        "alloc::Pool::get",
                                        "core::str::trim",
                                        "generic_cpp_parser",
                                        "PartitionAllocator::carve",
                                        "std_sort",
                                        "fuzzer_main",
                                        "testing_ground",
                                        "google::LogMessages",
                                        "absl::CleanupList::run"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_counts(LANGUAGE_NATIVE, names[i], own_file, own_module);
    }
    assert_counts(LANGUAGE_NATIVE, "own", NULL, "/usr/lib/libpthreadpool.so");
    assert_counts(LANGUAGE_NATIVE, "init_libpthread_wrapper", NULL, NULL);
    assert_counts(LANGUAGE_NATIVE, "own", "/src/glibc-compat/own.c", NULL);
    assert_counts(LANGUAGE_NATIVE, "own", "/src/mylibc++/own.cc", NULL);
    assert_counts(LANGUAGE_NATIVE, "_normalize", "./string/own.c", NULL);
    assert_counts(LANGUAGE_NATIVE, "own", "/src/memorycmp.cc", NULL);
}

static void
test_a_librarys_names_for_its_functions_are_known(void **state)
{
    static const char *const names[] = {"__memcpy_avx_unaligned_erms",
                                        "__memmove_avx512_unaligned_erms",
                                        "__memset_evex_unaligned_erms",
                                        "__strlen_avx2_rtm",
                                        "__strncmp_sse42",
                                        "__memcpy_ssse3_back",
                                        "__memcpy_chk",
                                        "__GI_raise",
                                        "__interceptor_strdup",
                                        "_exit",
                                        "free@plt",
                                        "memcpy@@GLIBC_2.14"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        if (rule_of(LANGUAGE_NATIVE, names[i], NULL, own_module) == NULL) {
            fail_msg("'%s' is not dropped", names[i]);
        }
    }
    assert_non_null(rule_of(LANGUAGE_NATIVE, "__pthread_kill_implementation",
                            "pthread_kill.c", NULL));
    assert_non_null(rule_of(LANGUAGE_NATIVE, "_dl_fini", "./elf/dl-fini.c", NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_misses_of_every_rule_count),
        cmocka_unit_test(
            test_a_source_of_the_programs_own_keeps_what_a_library_may_be_called),
        cmocka_unit_test(test_every_rule_drops_what_it_names),
        cmocka_unit_test(test_a_programs_own_functions_count),
        cmocka_unit_test(test_a_librarys_names_for_its_functions_are_known),
    };

    return cmocka_run_group_tests_name("stack_rules", tests, NULL, NULL);
}
