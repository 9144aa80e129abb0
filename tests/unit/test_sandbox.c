#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "triage/sandbox.h"
#include "triage/sandbox/sandbox_private.h"

enum { RUN_MS = 30000 };

struct fixture {
    char *dir; /* below /tmp, all may enter */
    struct sandbox_policy policy;
    struct strv command;
    struct strv argv;
    struct proc_run run;
    struct err err;
};

static const enum sandbox_rung confined[] = {SANDBOX_BWRAP, SANDBOX_LANDLOCK};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char name[] = "/tmp/nightjar-sandbox-test.XXXXXX";

    if (mkdtemp(name) == NULL || chmod(name, 0755) < 0) {
        return -1;
    }
    fix->dir = mem_strdup(name);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    (void)fs_remove(fix->dir, &fix->err);
    mem_free(fix->dir);
    sandbox_policy_clear(&fix->policy);
    strv_clear(&fix->command);
    strv_clear(&fix->argv);
    proc_run_clear(&fix->run);
    mem_free(fix);
    return 0;
}

/* A path in the test's folder; borrowed until the next but three. */
static const char *
at(const struct fixture *fix, const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", fix->dir, name);
    return path;
}

static void
make_file(const struct fixture *fix, const char *name, const char *text, mode_t mode)
{
    struct err err = ERR_INIT;

    assert_int_equal(fs_write(at(fix, name), text, strlen(text), mode, &err), 0);
    assert_int_equal(chmod(at(fix, name), mode), 0);
}

static void
make_folder(const struct fixture *fix, const char *name)
{
    struct err err = ERR_INIT;

    assert_int_equal(fs_mkdirs(at(fix, name), 0755, &err), 0);
}

static void
add_words(struct strv *list, const char *const *words)
{
    for (; *words != NULL; words++) {
        strv_add(list, *words);
    }
}

static int
wrap(struct fixture *fix, enum sandbox_rung rung, const char *const *words)
{
    strv_clear(&fix->command);
    strv_clear(&fix->argv);
    add_words(&fix->command, words);
    return sandbox_wrap(rung, &fix->policy, &fix->command, &fix->argv, &fix->err);
}

/* --- words
 * ----------------------------------------------------------------------------------------
 */

static void
test_rung_parse_knows_its_names(void **state)
{
    struct fixture *fix = *state;
    enum sandbox_rung rung = SANDBOX_NONE;

    assert_int_equal(sandbox_rung_parse("landlock", &rung, &fix->err), 0);
    assert_int_equal(rung, SANDBOX_LANDLOCK);
    assert_string_equal(sandbox_rung_name(SANDBOX_BWRAP), "bwrap");
    assert_int_equal(sandbox_rung_parse("jail\n", &rung, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "unknown sandbox 'jail\\x0a': auto, bwrap, landlock or none");
    assert_int_equal(rung, SANDBOX_LANDLOCK);
}

static void
test_plan_survives_its_words(void **state)
{
    struct fixture *fix = *state;
    AUTO(plan_clear)
    struct plan plan = {
        .rung = SANDBOX_LANDLOCK,
        .who = {true, false, 65530, 65531},
        .nested = true,
        .tmp_bytes = (int64_t)1 << 40,
        .processes = 7,
        .tmp = mem_strdup("/t=m\np"),
        .cwd = mem_strdup("/c"),
    };
    AUTO(plan_clear) struct plan back = {.rung = SANDBOX_AUTO};

    strv_add(&plan.grants, "r/a=b");
    strv_add(&plan.bwrap, "--");
    strv_add(&plan.inner, "x");
    strv_add(&plan.command, "/bin/true");
    strv_add(&plan.command, "--");
    strv_add(&plan.command, "uid=0");
    plan_words(&plan, &fix->argv);
    assert_int_equal(plan_parse(fix->argv.v + 2, &back, &fix->err), 0);
    assert_int_equal(back.rung, SANDBOX_LANDLOCK);
    assert_true(back.who.drop && !back.who.alone && back.nested);
    assert_int_equal(back.who.uid, 65530);
    assert_int_equal(back.who.gid, 65531);
    assert_int_equal(back.tmp_bytes, (int64_t)1 << 40);
    assert_int_equal(back.processes, 7);
    assert_string_equal(back.tmp, "/t=m\np");
    assert_string_equal(back.cwd, "/c");
    assert_string_equal(back.grants.v[0], "r/a=b");
    assert_string_equal(back.bwrap.v[0], "--");
    assert_string_equal(back.inner.v[0], "x");
    assert_int_equal(back.command.n, 3);
    assert_string_equal(back.command.v[2], "uid=0");
}

static void
test_plan_parse_refuses_what_is_none(void **state)
{
    struct fixture *fix = *state;
    static const struct {
        const char *words[5];
        const char *text;
    } cases[] = {
        {{"true"}, "'sandbox-init' is for nightjar itself"},
        {{"--plan", "colour=red", "--", "x"},
         "unknown word 'colour=red' in a sandbox's plan"},
        {{"--plan", "rung=none", "tmp=/tmp", "--"},
         "a sandbox's plan without command, folder or kind"},
        {{"--plan", "rung=none", "--", "x"},
         "a sandbox's plan without command, folder or kind"},
        {{"--plan", "rung=x", "--", "x"},
         "unknown sandbox 'x': auto, bwrap, landlock or none"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(strv_clear) struct strv words = {NULL, 0};
        AUTO(plan_clear) struct plan plan = {.rung = SANDBOX_AUTO};
        add_words(&words, cases[i].words);
        assert_int_equal(plan_parse(words.v, &plan, &fix->err), -EINVAL);
        assert_string_equal(fix->err.msg, cases[i].text);
    }
}

/* --- the policy
 * ----------------------------------------------------------------------------------- */

static void
refused(struct fixture *fix, int code, const char *text)
{
    static const char *const words[] = {"/bin/true", NULL};

    for (size_t i = 0; i < COUNT(confined); i++) {
        assert_int_equal(wrap(fix, confined[i], words), code);
        assert_string_equal(fix->err.msg, text);
        assert_int_equal(fix->argv.n, 0);
    }
    sandbox_policy_clear(&fix->policy);
    fix->policy.cwd = NULL;
}

static void
test_wrap_refuses_what_a_sandbox_never_shows(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *home = mem_printf("%s/home", fix->dir);
    AUTO(mem_free) char *before = mem_strdup(getenv("HOME"));
    AUTO(mem_free)
    char *of_home = mem_printf("'%s' holds the home folder, which a sandbox never shows: "
                               "name the target's own folder or file below it",
                               home);

    make_folder(fix, "home");
    assert_int_equal(setenv("HOME", home, 1), 0);
    strv_add(&fix->policy.read, home);
    refused(fix, -EINVAL, of_home);
    strv_add(&fix->policy.write, home);
    refused(fix, -EINVAL, of_home);
    assert_int_equal(symlink(home, at(fix, "link")), 0);
    strv_addf(&fix->policy.read, "%s/link", fix->dir);
    AUTO(mem_free)
    char *of_link = mem_printf("'%s/link' holds the home folder, which a sandbox never "
                               "shows: name the target's own folder or file below it",
                               fix->dir);
    refused(fix, -EINVAL, of_link);
    strv_add(&fix->policy.read, "/");
    refused(fix, -EINVAL,
            "'/' holds everything, which a sandbox never shows: name the target's own "
            "folder or file below it");
    strv_add(&fix->policy.read, "/proc/self");
    refused(fix, -EINVAL,
            "'/proc/self' holds what the sandbox has a private one of, which a sandbox "
            "never shows: name the target's own "
            "folder or file below it");
    assert_int_equal(before == NULL ? unsetenv("HOME") : setenv("HOME", before, 1), 0);
}

static void
test_wrap_refuses_unusable_entries(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *file = mem_printf("%s/file", fix->dir);
    AUTO(mem_free) char *gone = mem_printf("%s/gone", fix->dir);
    AUTO(mem_free)
    char *of_file = mem_printf(
        "'%s' is not a folder: a sandboxed program is given folders to write in", file);
    AUTO(mem_free)
    char *of_gone = mem_printf("find '%s': No such file or directory", gone);

    make_file(fix, "file", "x", 0644);
    strv_add(&fix->policy.read, "relative");
    refused(fix, -EINVAL, "'relative' is not absolute: a sandbox needs whole paths");
    strv_add(&fix->policy.write, file);
    refused(fix, -ENOTDIR, of_file);
    strv_add(&fix->policy.write, gone);
    refused(fix, -ENOENT, of_gone);
    fix->policy.cwd = "/usr";
    refused(fix, -EINVAL, "the working folder '/usr' is none of the writable folders");
}

static void
test_wrap_refuses_unusable_commands(void **state)
{
    struct fixture *fix = *state;
    static const char *const none[] = {NULL};
    const char *words[] = {at(fix, "tool"), NULL};
    AUTO(mem_free)
    char *invisible =
        mem_printf("the program '%s/tool' is not visible in its own sandbox", fix->dir);
    AUTO(mem_free)
    char *loader = mem_printf("'%s/tool' is run by '/opt/no-such-python', which is not "
                              "there, or not visible in the sandbox: let the "
                              "target read it",
                              fix->dir);

    assert_int_equal(wrap(fix, SANDBOX_NONE, none), -EINVAL);
    assert_string_equal(fix->err.msg, "no command to run in a sandbox");
    assert_int_equal(wrap(fix, SANDBOX_AUTO, words), -EINVAL);
    assert_string_equal(fix->err.msg, "a sandbox must be chosen before it is used");
    make_file(fix, "tool", "#! /opt/no-such-python -u\n", 0755);
    for (size_t i = 0; i < COUNT(confined); i++) {
        assert_int_equal(wrap(fix, confined[i], words), -EINVAL);
        assert_string_equal(fix->err.msg, invisible);
    }
    strv_add(&fix->policy.read, fix->dir);
    for (size_t i = 0; i < COUNT(confined); i++) {
        assert_int_equal(wrap(fix, confined[i], words), -ENOEXEC);
        assert_string_equal(fix->err.msg, loader);
    }
}

static void
test_wrap_says_what_the_dropped_uid_cannot_reach(void **state)
{
    struct fixture *fix = *state;
    static const char *const words[] = {"/bin/true", NULL};
    AUTO(mem_free)
    char *unreadable =
        mem_printf("'%s/secret' cannot be read by uid 65530, which root becomes in the "
                   "sandbox: chmod o+rX %s/secret, or move it, or "
                   "run nightjar as the user who owns it",
                   fix->dir, fix->dir);
    AUTO(mem_free)
    char *unwritable = mem_printf("'%s/own' cannot be written by uid 65530, which root "
                                  "becomes in the sandbox: chown -R 65530 %s/own",
                                  fix->dir, fix->dir);

    if (geteuid() != 0) {
        return; /* nothing is dropped */
    }
    make_file(fix, "secret", "x", 0600);
    make_folder(fix, "own");
    strv_addf(&fix->policy.read, "%s/secret", fix->dir);
    refused(fix, -EACCES, unreadable);
    strv_addf(&fix->policy.write, "%s/own", fix->dir);
    refused(fix, -EACCES, unwritable);
    strv_addf(&fix->policy.write, "%s/own", fix->dir);
    assert_int_equal(sandbox_mkdir(at(fix, "own"), &fix->err), 0);
    assert_int_equal(wrap(fix, SANDBOX_LANDLOCK, words), 0);
}

static void
test_add_program_shows_its_folder_and_its_files(void **state)
{
    struct fixture *fix = *state;

    make_folder(fix, "prog/data");
    make_folder(fix, "other");
    make_file(fix, "prog/tool", "", 0755);
    make_file(fix, "other/dict", "", 0644);
    make_file(fix, "other/not", "", 0644);
    strv_addf(&fix->command, "%s/prog/tool", fix->dir);
    strv_addf(&fix->command, "--dict=%s/other/dict", fix->dir);
    strv_add(&fix->command, "@@");
    strv_add(&fix->command, "/dev/null");
    strv_add(&fix->command, "/etc");
    strv_addf(&fix->command, "%s/prog/data", fix->dir);
    assert_int_equal(sandbox_add_program(&fix->policy, &fix->command, &fix->err), 0);
    assert_int_equal(fix->policy.read.n, 4);
    assert_true(strv_has(&fix->policy.read, at(fix, "prog/tool")));
    assert_true(strv_has(&fix->policy.read, at(fix, "prog")));
    assert_true(strv_has(&fix->policy.read, at(fix, "other/dict")));
    assert_true(strv_has(&fix->policy.read, at(fix, "prog/data")));
}

static void
test_add_program_shows_the_file_alone_in_a_common_folder(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *before = mem_strdup(getenv("HOME"));

    make_folder(fix, "a/home");
    make_file(fix, "a/tool", "", 0755);
    assert_int_equal(setenv("HOME", at(fix, "a/home"), 1), 0);
    strv_addf(&fix->command, "%s/a/tool", fix->dir); /* its folder holds $HOME */
    assert_int_equal(sandbox_add_program(&fix->policy, &fix->command, &fix->err), 0);
    assert_int_equal(before == NULL ? unsetenv("HOME") : setenv("HOME", before, 1), 0);
    assert_int_equal(fix->policy.read.n, 1);
    assert_string_equal(fix->policy.read.v[0], at(fix, "a/tool"));
    assert_int_equal(sandbox_add_program(&fix->policy, &fix->command, &fix->err),
                     0); /* now it is a folder like others */
    assert_int_equal(fix->policy.read.n, 2);
}

static void
test_add_program_needs_a_program(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->command, "tool");
    assert_int_equal(sandbox_add_program(&fix->policy, &fix->command, &fix->err),
                     -EINVAL);
    assert_string_equal(fix->err.msg, "a sandbox needs the program's whole path");
    strv_clear(&fix->command);
    strv_add(&fix->command, "/usr");
    assert_int_equal(sandbox_add_program(&fix->policy, &fix->command, &fix->err),
                     -ENOENT);
    assert_string_equal(fix->err.msg, "'/usr' is not a program file");
    strv_clear(&fix->command);
    strv_add(&fix->command, "/no/such");
    assert_int_equal(sandbox_add_program(&fix->policy, &fix->command, &fix->err),
                     -ENOENT);
    assert_string_equal(fix->err.msg, "find '/no/such': No such file or directory");
    assert_int_equal(fix->policy.read.n, 0);
}

static void
test_set_uid_and_the_environment_name_the_dropped_uid(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(sandbox_uid(), SANDBOX_UID);
    assert_int_equal(setenv("NIGHTJAR_SANDBOX_UID", "65528", 1), 0);
    assert_int_equal(sandbox_uid(), 65528);
    assert_int_equal(setenv("NIGHTJAR_SANDBOX_UID", "0", 1), 0);
    assert_int_equal(sandbox_uid(), SANDBOX_UID);
    assert_int_equal(unsetenv("NIGHTJAR_SANDBOX_UID"), 0);
    assert_int_equal(sandbox_set_uid(0, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "uid 0 cannot be the sandbox's: choose one from 1 "
                                      "to 2147483647 that nobody uses");
    assert_int_equal(sandbox_set_uid(SANDBOX_UID, &fix->err), 0);
}

static void
test_mkdir_gives_the_folder_to_the_sandbox_but_not_through_a_link(void **state)
{
    struct fixture *fix = *state;
    struct stat st;
    uid_t uid;
    gid_t gid;

    sandbox_owner(&uid, &gid);
    assert_int_equal(sandbox_mkdir(at(fix, "a/b"), &fix->err), 0);
    assert_int_equal(stat(at(fix, "a/b"), &st), 0);
    assert_int_equal(st.st_uid, uid);
    assert_int_equal(st.st_gid, gid);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(geteuid() == 0 ? uid : 0, geteuid() == 0 ? SANDBOX_UID : 0);
    assert_int_equal(symlink("/usr", at(fix, "link")), 0);
    assert_int_equal(sandbox_mkdir(at(fix, "link"), &fix->err), -ENOTDIR);
    assert_int_equal(stat("/usr", &st), 0);
    assert_int_equal(st.st_uid, 0);
}

static void
test_refuse_output_names_what_it_is(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *pipe_text = mem_printf("'%s/pipe' is a pipe: a target may overwrite or unlink "
                                 "what it is given, name a regular file",
                                 fix->dir);

    assert_int_equal(sandbox_refuse_output("/dev/null", &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "'/dev/null' is a device: a target may overwrite "
                                      "or unlink what it is given, name a regular file");
    assert_int_equal(symlink("/dev/null", at(fix, "link")), 0);
    assert_int_equal(sandbox_refuse_output(at(fix, "link"), &fix->err), -EINVAL);
    assert_int_equal(mkfifo(at(fix, "pipe"), 0600), 0);
    assert_int_equal(sandbox_refuse_output(at(fix, "pipe"), &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, pipe_text);
    assert_int_equal(sandbox_refuse_output("/dev/new", &fix->err), -EINVAL);
    assert_string_equal(
        fix->err.msg,
        "'/dev/new' lies in the system's own folders: name a file elsewhere");
    assert_int_equal(sandbox_refuse_output("/proc/self/comm", &fix->err), -EINVAL);
    assert_int_equal(sandbox_refuse_output("/dev/shm/new", &fix->err), 0);
    assert_int_equal(sandbox_refuse_output(at(fix, "new"), &fix->err), 0);
    assert_int_equal(sandbox_refuse_output(fix->dir, &fix->err), 0);
    make_file(fix, "old", "x", 0644);
    assert_int_equal(sandbox_refuse_output(at(fix, "old"), &fix->err), 0);
}

static void
test_path_within_knows_whole_names(void **state)
{
    (void)state;
    assert_true(path_within("/a/b", "/a"));
    assert_true(path_within("/a", "/a"));
    assert_true(path_within("/a", "/"));
    assert_false(path_within("/ab", "/a"));
    assert_false(path_within("/", "/a"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rung_parse_knows_its_names),
        TEST(test_plan_survives_its_words),
        TEST(test_plan_parse_refuses_what_is_none),
        TEST(test_wrap_refuses_what_a_sandbox_never_shows),
        TEST(test_wrap_refuses_unusable_entries),
        TEST(test_wrap_refuses_unusable_commands),
        TEST(test_wrap_says_what_the_dropped_uid_cannot_reach),
        TEST(test_add_program_shows_its_folder_and_its_files),
        TEST(test_add_program_shows_the_file_alone_in_a_common_folder),
        TEST(test_add_program_needs_a_program),
        TEST(test_set_uid_and_the_environment_name_the_dropped_uid),
        TEST(test_mkdir_gives_the_folder_to_the_sandbox_but_not_through_a_link),
        TEST(test_refuse_output_names_what_it_is),
        TEST(test_path_within_knows_whole_names),
    };

    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
