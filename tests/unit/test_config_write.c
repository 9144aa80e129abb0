#include "tests/unit/config_fixture.h"

#include <errno.h>

#include "base/log.h"

static void
test_what_init_writes_is_read_back(void **state)
{
    static const char *const folders[] = {
        "out",
        "with space",
        "quote\"and'back\\slash",
        "tab\tnew\nline\033",
        "ä€😀\xc2\x85",
        "- dash",
        "yes",
        "#hash",
        "a: b",
        "%x",
    };
    struct fixture *fix = *state;
    AUTO(strv_clear) struct strv out = {NULL, 0};

    for (size_t i = 0; i < COUNT(folders); i++) {
        AUTO(mem_free) char *program = mem_printf("%s/t%zu", folders[i], i);
        put_program(fix, "libfuzzer", program);
        strv_add(&out, folders[i]);
    }
    AUTO(target_list_clear) struct target_list list = {0};
    assert_int_equal(target_discover("out", &list, &fix->err), 0);
    assert_int_equal(config_write("nightjar.yaml", &list, &out, &fix->err), 0);
    assert_int_equal(config_load(NULL, &fix->config, &fix->err), 0);
    assert_int_equal(fix->config->targets.n, COUNT(folders));
    assert_int_equal(config_write("nightjar.yaml", &list, &out, &fix->err), -EEXIST);
    assert_string_equal(fix->err.msg,
                        "'nightjar.yaml' is there already: edit it, or remove it first");
}

/* What stands in comments there must be right as well: take the hashes away and read it.
 */
static void
test_what_init_writes_as_comments_is_valid_too(void **state)
{
    struct fixture *fix = *state;

    put_program(fix, "afl", "out/example");
    AUTO(target_list_clear) struct target_list list = {0};
    AUTO(strv_clear) struct strv out = {NULL, 0};
    assert_int_equal(config_write("first.yaml", &list, &out, &fix->err), 0);
    program_sh(fix->root,
               "mkdir -p corpora/example build/targets /tmp && touch example.dict\n"
               "cp out/example build/targets/example\n"
               "sed 's/^#\\([a-z]\\|  \\)/\\1/; s,/usr/share/example,/usr/share,' "
               "first.yaml >nightjar.yaml\n");
    int rc = config_load(NULL, &fix->config, &fix->err);
    assert_string_equal(fix->err.msg, "");
    assert_int_equal(rc, 0);
    assert_int_equal(fix->config->targets.n, 1);
    assert_string_equal(fix->config->metrics[0], "http://localhost:9091");
}

static void
test_write_refuses_what_yaml_cannot_hold(void **state)
{
    struct fixture *fix = *state;
    AUTO(target_list_clear) struct target_list list = {0};
    AUTO(strv_clear) struct strv out = {NULL, 0};

    strv_add(&out, "bad\xff");
    assert_int_equal(config_write("nightjar.yaml", &list, &out, &fix->err), -EINVAL);
    assert_string_equal(
        fix->err.msg,
        "'bad\\xff' is not UTF-8, which YAML cannot hold: rename the folder");
    assert_false(fs_exists("nightjar.yaml"));
    strv_clear(&out);
    assert_int_equal(config_write("no/nightjar.yaml", &list, &out, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg,
                        "create 'no/nightjar.yaml': No such file or directory");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_init_writes_is_read_back),
        TEST(test_what_init_writes_as_comments_is_valid_too),
        TEST(test_write_refuses_what_yaml_cannot_hold),
    };

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests_name("config_write", tests, build_kit, remove_kit);
}
