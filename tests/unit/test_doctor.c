#include "tests/unit/unit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/doctor.h"
#include "tests/unit/programs.h"

/* A machine made of files. */
struct fixture {
    char *root, *proc, *sys, *state;
    struct doctor_host host;
    struct doctor_result result;
    char *path; /* PATH before the test */
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char name[] = "/tmp/nightjar-test-doctor.XXXXXX";

    *state = fix;
    fix->root = mem_strdup(mkdtemp(name));
    fix->proc = fs_join(fix->root, "proc");
    fix->sys = fs_join(fix->root, "sys");
    fix->state = fs_join(fix->root, "state/.nightjar");
    fix->path = mem_strdup(getenv("PATH"));
    fix->host = (struct doctor_host){
        .proc = fix->proc, .sys = fix->sys, .state = fix->state, .jobs = 2};
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;
    int rc = fs_remove(fix->root, &fix->err);

    (void)setenv("PATH", fix->path, 1);
    mem_free(fix->root);
    mem_free(fix->proc);
    mem_free(fix->sys);
    mem_free(fix->state);
    mem_free(fix->path);
    doctor_result_clear(&fix->result);
    mem_free(fix);
    return rc;
}

static void
put(struct fixture *fix, const char *name, const char *text)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);
    AUTO(mem_free) char *folder = mem_dup(path, (size_t)(fs_base(path) - path));

    assert_int_equal(fs_mkdirs(folder, 0755, &fix->err), 0);
    assert_int_equal(fs_write(path, text, strlen(text), 0755, &fix->err), 0);
}

typedef void probe_fn(const struct doctor_host *host, struct doctor_result *result);

static void
run(struct fixture *fix, probe_fn *check)
{
    doctor_result_clear(&fix->result);
    fix->result.status = DOCTOR_OK;
    check(&fix->host, &fix->result);
}

static void
assert_seen(struct fixture *fix, probe_fn *check, const char *status, const char *seen)
{
    run(fix, check);
    assert_string_equal(buf_str(&fix->result.seen), seen);
    assert_string_equal(doctor_status_name(fix->result.status), status);
}

static void
assert_cure(struct fixture *fix, const char *cure)
{
    assert_string_equal(buf_str(&fix->result.cure), cure);
}

static void
test_every_check_runs_on_this_machine(void **state)
{
    struct fixture *fix = *state;

    fix->host.proc = "/proc";
    fix->host.sys = "/sys";
    for (const struct doctor_check *row = doctor_checks; row->name != NULL; row++) {
        run(fix, row->run);
        assert_true(fix->result.seen.len > 0);
        assert_null(strchr(buf_str(&fix->result.seen), '\n'));
        for (const struct doctor_check *other = row + 1; other->name != NULL; other++) {
            assert_string_not_equal(row->name, other->name);
        }
    }
}

/* A machine without any of the files must be survived by every check, with something
 * said. */
static void
test_every_check_survives_an_empty_machine(void **state)
{
    struct fixture *fix = *state;

    for (const struct doctor_check *row = doctor_checks; row->name != NULL; row++) {
        run(fix, row->run);
        assert_true(fix->result.seen.len > 0);
    }
}

static void
test_every_warning_has_a_cure(void **state)
{
    (void)state;
    for (const struct doctor_check *row = doctor_checks; row->name != NULL; row++) {
        assert_true(row->cure != NULL || strcmp(row->name, "cores") == 0);
    }
}

static void
test_core_pattern_pipes_are_slow(void **state)
{
    struct fixture *fix = *state;

    assert_seen(fix, doctor_core_pattern, "warn", "cannot be read");
    put(fix, "proc/sys/kernel/core_pattern", "core\n");
    assert_seen(fix, doctor_core_pattern, "ok", "'core', a file");
    put(fix, "proc/sys/kernel/core_pattern", "|/lib/systemd/systemd-coredump %P %u\n");
    assert_seen(
        fix, doctor_core_pattern, "warn",
        "each crash is piped to '/lib/systemd/systemd-coredump %P %u', which slows AFL++ "
        "down");
}

static void
test_aslr_bits_above_28_are_risky(void **state)
{
    struct fixture *fix = *state;

    put(fix, "proc/sys/kernel/randomize_va_space", "2\n");
    assert_seen(fix, doctor_aslr, "ok",
                "on; how many bits only root may read (see sanitizer)");
    put(fix, "proc/sys/vm/mmap_rnd_bits", "28\n");
    assert_seen(fix, doctor_aslr, "ok", "on, 28 bits");
    put(fix, "proc/sys/vm/mmap_rnd_bits", "32\n");
    assert_seen(fix, doctor_aslr, "warn",
                "on, 32 bits: programs with ASan of clang before 18 end at random");
    put(fix, "proc/sys/kernel/randomize_va_space", "0\n");
    assert_seen(fix, doctor_aslr, "ok", "off, 32 bits");
}

static void
put_shm(struct fixture *fix, const char *max, const char *all, const char *number)
{
    put(fix, "proc/sys/kernel/shmmax", max);
    put(fix, "proc/sys/kernel/shmall", all);
    put(fix, "proc/sys/kernel/shmmni", number);
}

static const char shm_head[] =
    "       key      shmid perms                  size  cpid  lpid nattch   uid   gid\n";

static void
test_shm_must_be_enough_for_the_workers(void **state)
{
    struct fixture *fix = *state;

    assert_seen(fix, doctor_shm, "fail",
                "no System V shared memory to be seen, which AFL++ cannot do without");
    assert_cure(fix, "a kernel with CONFIG_SYSVIPC, or a container that shows /proc");
    put(fix, "proc/sysvipc/shm", shm_head);
    put_shm(fix, "18446744073692774399\n", "18446744073692774399\n", "4096\n");
    assert_seen(fix, doctor_shm, "ok", "0 of 4096 segments in use");
    put_shm(fix, "1048576\n", "18446744073692774399\n", "4096\n");
    assert_seen(fix, doctor_shm, "fail",
                "segments of at most 1048576 bytes: AFL++ needs 16777216");
    put_shm(fix, "1073741824\n", "18446744073692774399\n", "7\n");
    assert_seen(fix, doctor_shm, "fail", "0 of 7 segments are in use; 2 workers need 8");
    put_shm(fix, "1073741824\n", "100\n", "4096\n");
    run(fix, doctor_shm);
    assert_int_equal(fix->result.status, DOCTOR_FAIL);
    assert_cure(fix, "sysctl -w kernel.shmall=1048576");
}

static void
test_shm_leftovers_are_those_of_dead_makers(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf text = BUF_INIT;

    assert_seen(fix, doctor_shm_leftovers, "ok", "none");
    buf_adds(&text, shm_head);
    buf_adds(&text, "0 4 600 1048580 111 112 0 0 0 0 0\n" /* its maker is dead */
                    "0 5 600 8388608 111 112 1 0 0 0 0\n" /* somebody is attached */
                    "0 6 600 8388608 222 112 0 0 0 0 0\n" /* its maker lives */
                    "garbage\n");
    put(fix, "proc/222/stat", "");
    put(fix, "proc/sysvipc/shm", buf_str(&text));
    assert_seen(fix, doctor_shm_leftovers, "warn",
                "1 segments (1.0 MiB) of processes that are dead");
    assert_cure(fix, "ipcrm -m 4");
    for (int i = 10; i < 20; i++) {
        buf_addf(&text, "0 %d 600 1024 111 112 0 0 0 0 0\n", i);
    }
    put(fix, "proc/sysvipc/shm", buf_str(&text));
    run(fix, doctor_shm_leftovers);
    assert_cure(fix, "ipcrm -m 4 -m 10 -m 11 -m 12 -m 13 ... (ipcs -m -p lists them)");
}

static void
test_masked_proc_is_seen(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *want = mem_printf("'%s' does not show this process", fix->proc);

    assert_seen(fix, doctor_proc, "fail", want);
    put(fix, "proc/self/exe", "");
    put(fix, "proc/self/mountinfo",
        "22 1 254:0 / / rw - ext4 /dev/vda rw\n23 22 0:21 / /proc rw - proc proc rw\n"
        "24 23 0:22 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n");
    assert_seen(fix, doctor_proc, "ok", "whole");
    put(fix, "proc/self/mountinfo",
        "23 22 0:21 / /proc rw - proc proc rw\n25 23 0:5 /null /proc/kcore rw - tmpfs x "
        "rw\n"
        "26 23 0:6 / /proc/acpi ro - tmpfs x rw\n");
    assert_seen(fix, doctor_proc, "warn",
                "2 parts are masked: bubblewrap may be of no use");
}

static void
test_user_namespaces_may_be_forbidden(void **state)
{
    struct fixture *fix = *state;

    assert_seen(fix, doctor_user_namespaces, "warn", "none are allowed");
    put(fix, "proc/sys/user/max_user_namespaces", "0\n");
    assert_seen(fix, doctor_user_namespaces, "warn", "none are allowed");
    put(fix, "proc/sys/user/max_user_namespaces", "63000\n");
    put(fix, "proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
    if (getuid() == 0) {
        assert_seen(fix, doctor_user_namespaces, "ok", "63000 allowed; root needs none");
        return;
    }
    assert_seen(fix, doctor_user_namespaces, "warn", "AppArmor takes their rights away");
    put(fix, "proc/sys/kernel/unprivileged_userns_clone", "0\n");
    assert_seen(fix, doctor_user_namespaces, "warn",
                "not for ordinary users (unprivileged_userns_clone)");
}

/* Run a check in a child with a lower limit; its answer comes back as the exit status. */
static int
status_below(struct fixture *fix, __rlimit_resource_t what, rlim_t value, probe_fn *check)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        const struct rlimit limit = {value, value};
        (void)setrlimit(what, &limit);
        run(fix, check);
        _exit((int)fix->result.status);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
test_limits_that_break_campaigns_fail(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(status_below(fix, RLIMIT_NOFILE, 100, doctor_limits), DOCTOR_FAIL);
    assert_int_equal(status_below(fix, RLIMIT_NOFILE, 512, doctor_limits), DOCTOR_WARN);
    assert_int_equal(status_below(fix, RLIMIT_FSIZE, 1 << 20, doctor_limits),
                     DOCTOR_WARN);
#ifndef __SANITIZE_ADDRESS__
    assert_int_equal(status_below(fix, RLIMIT_AS, 1 << 30, doctor_limits), DOCTOR_FAIL);
#endif
}

static void
test_memory_is_measured_by_the_workers(void **state)
{
    struct fixture *fix = *state;

    assert_seen(fix, doctor_memory, "warn", "cannot be read");
    put(fix, "proc/meminfo",
        "MemTotal: 9 kB\nMemAvailable:    8388608 kB\nSwapFree: 1024 kB\n");
    assert_seen(fix, doctor_memory, "ok", "8.0 GiB available, 1.0 MiB swap");
    fix->host.jobs = 64;
    assert_seen(
        fix, doctor_memory, "warn",
        "8.0 GiB available, 1.0 MiB swap: too little for the workers to be expected");
    put(fix, "proc/meminfo", "MemAvailable: 102400 kB\n");
    assert_seen(
        fix, doctor_memory, "fail",
        "100.0 MiB available, 0 B swap: too little for the workers to be expected");
}

static void
test_governor_should_be_performance(void **state)
{
    struct fixture *fix = *state;

    assert_seen(fix, doctor_governor, "ok", "no frequency scaling to be seen");
    put(fix, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
    assert_seen(fix, doctor_governor, "ok", "performance");
    put(fix, "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
    assert_seen(fix, doctor_governor, "warn",
                "'powersave' on 1 of 2 cores: the first seconds run slowly");
}

static void
test_cgroup_limits_count(void **state)
{
    struct fixture *fix = *state;

    put(fix, "proc/self/cgroup", "0::/user.slice/x\n");
    put(fix, "sys/fs/cgroup/user.slice/x/pids.max", "max\n");
    put(fix, "sys/fs/cgroup/user.slice/x/memory.max", "max\n");
    run(fix, doctor_container);
    assert_int_equal(fix->result.status, DOCTOR_OK);
    put(fix, "sys/fs/cgroup/user.slice/x/memory.max", "536870912\n");
    run(fix, doctor_container);
    assert_int_equal(fix->result.status, DOCTOR_WARN);
    assert_true(str_ends(buf_str(&fix->result.seen),
                         ", at most 512.0 MiB of memory for 2 workers"));
    put(fix, "sys/fs/cgroup/user.slice/x/memory.max", "104857600\n");
    run(fix, doctor_container);
    assert_int_equal(fix->result.status, DOCTOR_FAIL);
    put(fix, "sys/fs/cgroup/pids.max",
        "50\n"); /* as a container shows its own at the root */
    put(fix, "proc/self/cgroup", "0::/\n");
    run(fix, doctor_container);
    assert_int_equal(fix->result.status, DOCTOR_FAIL);
    assert_true(
        str_ends(buf_str(&fix->result.seen), ", at most 50 processes: 256 are needed"));
}

static void
test_state_folder_need_not_exist_but_be_possible(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *good = mem_printf("'%s' on a local disk", fix->state);
    AUTO(mem_free) char *file = mem_printf("'%s/state' is not a folder", fix->root);

    assert_seen(fix, doctor_state, "ok", good);
    put(fix, "state", "a file");
    assert_seen(fix, doctor_state, "fail", file);
    fix->host.state = "/proc/nightjar";
    run(fix, doctor_disk); /* /proc has no room at all */
    assert_int_equal(fix->result.status, DOCTOR_FAIL);
    assert_string_equal(buf_str(&fix->result.seen), "0 B free");
}

static void
test_clock_is_sane_here(void **state)
{
    struct fixture *fix = *state;

    run(fix, doctor_clock);
    assert_int_equal(fix->result.status, DOCTOR_OK);
    assert_true(str_starts(buf_str(&fix->result.seen), "20"));
}

static void
test_config_errors_are_failures(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = fs_join(fix->root, "my.yaml");
    AUTO(mem_free)
    char *bad = mem_printf("%s:1:1: unknown key 'jbos' (did you mean 'jobs'?)", path);
    AUTO(mem_free) char *good = mem_printf("%s, 0 targets", path);

    fix->host.config = path;
    put(fix, "my.yaml", "jbos: 1\n");
    assert_seen(fix, doctor_config, "fail", bad);
    put(fix, "my.yaml", "jobs: 1\n");
    assert_seen(fix, doctor_config, "ok", good);
}

static void
test_missing_tools_are_said(void **state)
{
    struct fixture *fix = *state;

    (void)setenv("PATH", fix->root, 1);
    assert_seen(fix, doctor_afl, "fail", "there is no afl-fuzz in PATH");
    assert_seen(fix, doctor_libfuzzer, "warn",
                "no clang in PATH: no libFuzzer target can be built here");
    assert_seen(fix, doctor_sanitizer, "ok", "no compiler to try one with (see aslr)");
    assert_seen(fix, doctor_bubblewrap, "warn", "there is no bwrap in PATH");
    assert_seen(
        fix, doctor_sampler, "warn",
        "there is no eu-stack in PATH: the stack of a hang is that of one moment, "
        "and a build without a sanitizer has none");
    assert_seen(fix, doctor_debugger, "warn",
                "there is no gdb in PATH: a crash of a build without a sanitizer is only "
                "a signal, without stack or class, and core files cannot be read");
    run(fix, doctor_symbolizer);
    assert_int_equal(fix->result.status, DOCTOR_FAIL);
}

static void
test_afl_features_are_read_from_its_help(void **state)
{
    struct fixture *fix = *state;

    (void)setenv("PATH", fix->root, 1);
    put(fix, "afl-fuzz",
        "#!/bin/sh\nprintf '\\033[0;36mafl-fuzz++4.04c\\033[0m based on afl\\n\\n"
        "  -p schedule\\n  -Z x\\nAFL_NO_UI: x\\n'; exit 1\n");
    AUTO(mem_free)
    char *old =
        mem_printf("4.04c in %s/afl-fuzz; does not know -P, -a, -z, AFL_FINAL_SYNC, "
                   "AFL_IGNORE_SEED_PROBLEMS, AFL_NO_SYNC",
                   fix->root);
    assert_seen(fix, doctor_afl, "ok", old);
    put(fix, "afl-fuzz",
        "#!/bin/sh\nprintf 'afl-fuzz++4.21c based on afl\\n\\n  -P x\\n  -a x\\n"
        "  -z x\\nAFL_FINAL_SYNC\\nAFL_IGNORE_SEED_PROBLEMS\\nAFL_NO_SYNC\\n'\n");
    AUTO(mem_free) char *new = mem_printf("4.21c in %s/afl-fuzz", fix->root);
    assert_seen(fix, doctor_afl, "ok", new);
    put(fix, "afl-fuzz", "#!/bin/sh\nexit 3\n");
    AUTO(mem_free) char *mute = mem_printf("'%s/afl-fuzz -hh' says nothing", fix->root);
    assert_seen(fix, doctor_afl, "fail", mute);
}

/* A compiler whose programs fail as ASan does when the address space is laid out badly.
 */
static void
test_sanitizers_that_fail_at_random_are_found(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = mem_printf("%s:%s", fix->root, fix->path);

    (void)setenv("PATH", path, 1);
    put(fix, "clang-14",
        "#!/bin/sh\n"
        "printf '#!/bin/sh\\n"
        "echo x >>%s/runs; test $(wc -l <%s/runs) -ne 3 || { echo shadow memory; exit 1; "
        "}\\n' "
        ">\"$4\"\nchmod +x \"$4\"\n");
    AUTO(buf_clear) struct buf script = BUF_INIT;
    buf_addf(
        &script,
        "#!/bin/sh\n"
        "cat >\"$4\" <<'END'\n#!/bin/sh\necho x >>%s/runs\n"
        "test $(wc -l <%s/runs) -ne 3 || { echo 'shadow memory interleaves'; exit 1; }\n"
        "END\nchmod +x \"$4\"\n",
        fix->root, fix->root);
    put(fix, "clang-14", buf_str(&script));
    assert_seen(fix, doctor_sanitizer, "fail",
                "1 of 10 empty programs with ASan failed: shadow memory interleaves");
    put(fix, "clang-14", "#!/bin/sh\nexit 1\n");
    AUTO(mem_free)
    char *none = mem_printf("%s/clang-14 builds no program with ASan", fix->root);
    assert_seen(fix, doctor_sanitizer, "warn", none);
}

/* Whatever a tool prints must stay on one line and move no cursor. */
static void
test_hostile_tools_cannot_forge_output(void **state)
{
    struct fixture *fix = *state;

    (void)setenv("PATH", fix->root, 1);
    put(fix, "eu-stack", "#!/bin/sh\necho 'eu-stack 0.1'\n");
    assert_seen(fix, doctor_sampler, "ok", "eu-stack 0.1");
    put(fix, "bwrap", "#!/bin/sh\nprintf 'bubblewrap \\033[2J9.9\\nsecond line'\n");
    assert_seen(fix, doctor_bubblewrap, "ok", "bubblewrap \\x1b[2J9.9");
}

static void
test_numbers_beyond_all_bounds_are_large(void **state)
{
    struct fixture *fix = *state;
    int64_t number = 0;

    put(fix, "proc/n", "99999999999999999999999\n");
    assert_true(doctor_read_number(fix->proc, "n", &number));
    assert_true(number == INT64_MAX);
    put(fix, "proc/n", "12x\n");
    assert_false(doctor_read_number(fix->proc, "n", &number));
    put(fix, "proc/n", "\n");
    assert_false(doctor_read_number(fix->proc, "n", &number));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_check_runs_on_this_machine),
        TEST(test_every_check_survives_an_empty_machine),
        TEST(test_every_warning_has_a_cure),
        TEST(test_core_pattern_pipes_are_slow),
        TEST(test_aslr_bits_above_28_are_risky),
        TEST(test_shm_must_be_enough_for_the_workers),
        TEST(test_shm_leftovers_are_those_of_dead_makers),
        TEST(test_masked_proc_is_seen),
        TEST(test_user_namespaces_may_be_forbidden),
        TEST(test_limits_that_break_campaigns_fail),
        TEST(test_memory_is_measured_by_the_workers),
        TEST(test_governor_should_be_performance),
        TEST(test_cgroup_limits_count),
        TEST(test_state_folder_need_not_exist_but_be_possible),
        TEST(test_clock_is_sane_here),
        TEST(test_config_errors_are_failures),
        TEST(test_missing_tools_are_said),
        TEST(test_afl_features_are_read_from_its_help),
        TEST(test_sanitizers_that_fail_at_random_are_found),
        TEST(test_hostile_tools_cannot_forge_output),
        TEST(test_numbers_beyond_all_bounds_are_large),
    };

    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
