#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/config.h"
#include "orchestrator/config_node.h"

struct fixture {
    char *root;
    char before[4096]; /* the folder that the test was started in */
    struct config_node *node;
    struct err err;
};

/* Each test runs in a folder of its own, so that messages name short paths. */
static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char name[] = "/tmp/nightjar-test-node.XXXXXX";

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
    config_node_free(fix->node);
    mem_free(fix);
    return rc;
}

static void
put(struct fixture *fix, const char *name, const char *text)
{
    assert_int_equal(fs_write(name, text, strlen(text), 0644, &fix->err), 0);
}

static void
assert_refused(struct fixture *fix, const char *text, const char *want)
{
    struct config *config = NULL;

    put(fix, "nightjar.yaml", text);
    assert_int_equal(config_load_settings(NULL, &config, &fix->err), -EINVAL);
    assert_null(config);
    assert_string_equal(fix->err.msg, want);
}

static void
test_nodes_know_where_they_stand(void **state)
{
    struct fixture *fix = *state;

    put(fix, "x.yaml", "# comment\na: 1\nb:\n  - \"two\"\n  - {c: ~}\n");
    assert_int_equal(config_node_read("x.yaml", "x", &fix->node, &fix->err), 0);
    const struct config_node *root = fix->node;
    assert_int_equal(root->kind, NODE_MAP);
    assert_int_equal(root->n, 4);
    assert_string_equal(root->items[0]->text, "a");
    assert_int_equal(root->items[1]->line, 2);
    assert_int_equal(root->items[1]->column, 4);
    const struct config_node *list = root->items[3];
    assert_int_equal(list->kind, NODE_LIST);
    assert_int_equal(list->n, 2);
    assert_true(list->items[0]->quoted);
    assert_int_equal(list->items[0]->line, 4);
    assert_int_equal(list->items[0]->column, 5);
    assert_string_equal(config_node_what(list->items[0]), "the value 'two'");
    assert_string_equal(config_node_what(list->items[1]), "a map");
    assert_true(config_node_is_null(list->items[1]->items[1]));
    assert_string_equal(config_node_what(list->items[1]->items[1]), "nothing");
}

static void
test_files_that_cannot_be_read_are_failures(void **state)
{
    struct fixture *fix = *state;
    struct config_node *node = NULL;

    assert_int_equal(config_node_read("none", "none", &node, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, "open 'none': No such file or directory");
    assert_int_equal(config_node_read("/dev/zero", "zero", &node, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "'/dev/zero' is not a regular file");
    assert_null(node);
}

static void
test_syntax_errors_have_a_cure(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"targets:\n\t- name: x\n", "2:1: a tab: indent with spaces"},
        {"targets:\n  - name: x\n    args: [-a, @@]\n",
         "3:16: a value cannot begin with '@': put it in quotes"},
        {"{state: äö, sandbox: @x}\n",
         "1:22: a value cannot begin with '@': put it in quotes"},
        {"jobs: \xff\n", "1:7: invalid leading UTF-8 octet (byte 0xff)"},
        {"state: \xc3\xa4\xc3\n", "1:10: invalid trailing UTF-8 octet (byte 0x0a)"},
        {"a: b\njobs: \x01\n", "2:7: control characters are not allowed (byte 0x01)"},
        {"jobs: &x 4\n",
         "1:7: anchors and aliases (&x) are not read here: repeat the value"},
        {"jobs: *x\n",
         "1:7: anchors and aliases (*x) are not read here: repeat the value"},
        {"jobs: !!int 4\n",
         "1:7: tags (tag:yaml.org,2002:int) are not read here: leave it out"},
        {"<<: {jobs: 1}\n", "1:1: merge keys are not read here: repeat the settings"},
        {"jobs: 1\n---\njobs: 2\n", "2:1: a second document: write only one"},
        {"- jobs\n", "1:1: wanted a map (key: value), not a list"},
        {"jobs\n", "1:1: wanted a map (key: value), not the value 'jobs'"},
        {"[a]: b\n", "1:1: a list cannot be a key"},
        {"out: [a\njobs: 1\n", "2:5: did not find expected ',' or ']' while parsing a "
                               "flow sequence (from line 1)"},
        {"state: \"\\0\"\n", "1:8: a zero byte in a value"},
        {"state: 'a\n",
         "2:1: found unexpected end of stream while scanning a quoted scalar (from "
         "line 1)"},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(mem_free) char *want = mem_printf("nightjar.yaml:%s", cases[i].want);
        assert_refused(fix, cases[i].text, want);
    }
}

static void
fill(struct buf *text, const char *unit, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        buf_adds(text, unit);
    }
}

static void
test_bombs_are_refused_quickly(void **state)
{
    static const struct {
        const char *before, *unit;
        size_t times;
        const char *want;
    } cases[] = {
        {"", "[", 1000000, "1:17: nested deeper than 16 levels"},
        {"", "{", 1000000, "1:2: a map cannot be a key"},
        {"", "- ", 500000, "1:33: nested deeper than 16 levels"},
        {"out:\n", "- a\n", 200000, "99999:3: more than 100000 values"},
        {"", "x", 5000, "1:1: a value of 5000 bytes: the limit is 4096"},
    };
    struct fixture *fix = *state;
    int64_t start = clock_mono_ms();

    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_clear) struct buf text = BUF_INIT;
        AUTO(mem_free) char *want = mem_printf("nightjar.yaml:%s", cases[i].want);
        buf_adds(&text, cases[i].before);
        fill(&text, cases[i].unit, cases[i].times);
        assert_refused(fix, buf_str(&text), want);
    }
    AUTO(buf_clear) struct buf keys = BUF_INIT;
    buf_adds(&keys, "targets:\n  - env:\n");
    for (int i = 0; i < 1001; i++) {
        buf_addf(&keys, "      K%d: 1\n", i);
    }
    assert_refused(fix, buf_str(&keys),
                   "nightjar.yaml:1003:7: more than 1000 keys in one map");
    AUTO(buf_clear) struct buf large = BUF_INIT;
    fill(&large, "# comment\n", 110000);
    assert_refused(fix, buf_str(&large), "'nightjar.yaml' holds more than 1048576 bytes");
    assert_true(clock_mono_ms() - start < 20000);
}

/* Damage a valid file everywhere: an error or a config, nothing else. */
static void
test_damaged_files_do_no_harm(void **state)
{
    static const char good[] =
        "state: db\njobs: 2\ntargets:\n  - {name: x, args: [-a, \"@@\"]}\n"
        "triage: {runs: 3, minimize: 20s}\n# end\n";
    struct fixture *fix = *state;
    unsigned seed = 3;

    for (int i = 0; i < 3000; i++) {
        AUTO(mem_free) char *text = mem_dup(good, sizeof(good) - 1);
        for (int k = 0; k < 2; k++) {
            static const char odd[] = "[]{}:,&*!|>'\"%@`#-?\n\t \xff\x01";
            text[(size_t)rand_r(&seed) % (sizeof(good) - 1)] =
                odd[(size_t)rand_r(&seed) % (sizeof(odd) - 1)];
        }
        put(fix, "nightjar.yaml", text);
        struct config *config = NULL;
        fix->err.msg[0] = '\0';
        int rc = config_load_settings(NULL, &config, &fix->err);
        assert_true(rc == 0 ? config != NULL : config == NULL && fix->err.msg[0] != '\0');
        config_free(config);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nodes_know_where_they_stand),
        TEST(test_files_that_cannot_be_read_are_failures),
        TEST(test_syntax_errors_have_a_cure),
        TEST(test_bombs_are_refused_quickly),
        TEST(test_damaged_files_do_no_harm),
    };

    return cmocka_run_group_tests_name("config_node", tests, NULL, NULL);
}
