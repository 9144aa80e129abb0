#include "orchestrator/cmd/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"

enum {
    RUN_MS = 10000,
    RUN_OUTPUT_MAX = 64 << 10,
    READ_MAX = 1 << 20,
    INDENT = 22,
    COLUMNS = 80,
};

const struct doctor_check doctor_checks[] = {
    {"config", doctor_config, "mend the file at the place that is named"},
    {"afl", doctor_afl, "apt-get install afl++"},
    {"libfuzzer", doctor_libfuzzer,
     "apt-get install clang (it brings libFuzzer and sanitizers)"},
    {"sanitizer", doctor_sanitizer, "sysctl -w vm.mmap_rnd_bits=28"},
    {"symbolizer", doctor_symbolizer, "apt-get install llvm"},
    {"debugger", doctor_debugger, "apt-get install gdb"},
    {"sampler", doctor_sampler, "apt-get install elfutils"},
    {"sandbox", doctor_sandbox, "apt-get install bubblewrap"},
    {"bubblewrap", doctor_bubblewrap, "apt-get install bubblewrap"},
    {"user-namespaces", doctor_user_namespaces,
     "sysctl -w user.max_user_namespaces=10000"},
    {"landlock", doctor_landlock, "boot with lsm=landlock,... or a kernel from 5.13 on"},
    {"proc", doctor_proc,
     "start the container with its whole /proc, e.g. docker run "
     "--security-opt systempaths=unconfined"},
    {"core-pattern", doctor_core_pattern, "sysctl -w kernel.core_pattern=core"},
    {"aslr", doctor_aslr, "sysctl -w vm.mmap_rnd_bits=28"},
    {"shm", doctor_shm, "sysctl -w kernel.shmmni=4096 kernel.shmmax=1073741824"},
    {"shm-leftovers", doctor_shm_leftovers, "ipcrm -m NUMBER for each"},
    {"limits", doctor_limits, "ulimit -n 4096; ulimit -u unlimited; ulimit -v unlimited"},
    {"state", doctor_state,
     "--state DIR, or state: in nightjar.yaml, with a local folder"},
    {"disk", doctor_disk, "free some space, or --state DIR on another disk"},
    {"memory", doctor_memory, "fewer workers: --jobs N"},
    {"cores", doctor_cores, NULL},
    {"governor", doctor_governor,
     "echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"},
    {"container", doctor_container, "start it with larger limits (pids, memory)"},
    {"clock", doctor_clock, "set the clock: timedatectl set-ntp true"},
    {NULL, NULL, NULL},
};

const char *
doctor_status_name(enum doctor_status status)
{
    static const char *const names[] = {"ok", "warn", "fail"};

    return names[status];
}

void
doctor_result_clear(struct doctor_result *result)
{
    buf_clear(&result->seen);
    buf_clear(&result->cure);
}

/* Text of the machine, on one line and without control bytes. */
static void
put_line(struct buf *out, const char *text)
{
    buf_cut(out, 0);
    str_name(out, text, strlen(text));
}

void
doctor_say(struct doctor_result *result, enum doctor_status status, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    AUTO(mem_free) char *text = mem_vprintf(fmt, args);
    va_end(args);
    result->status = status;
    put_line(&result->seen, text);
}

void
doctor_cure(struct doctor_result *result, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    AUTO(mem_free) char *text = mem_vprintf(fmt, args);
    va_end(args);
    put_line(&result->cure, text);
}

/* --- for the checks --- */

bool
doctor_read(const char *base, const char *name, struct buf *out)
{
    AUTO(mem_free) char *path = fs_join(base, name);

    buf_cut(out, 0);
    if (fs_read(path, READ_MAX, out, NULL) < 0) {
        return false;
    }
    while (out->len > 0 && strchr(" \t\n", out->data[out->len - 1]) != NULL) {
        buf_cut(out, out->len - 1);
    }
    return true;
}

bool
doctor_read_number(const char *base, const char *name, int64_t *out)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    char *end = NULL;

    if (!doctor_read(base, name, &text) || text.len == 0) {
        return false;
    }
    errno = 0;
    unsigned long long number = strtoull(text.data, &end, 10);
    if (*end != '\0') {
        return false;
    }
    *out = number > INT64_MAX || errno != 0 ? INT64_MAX : (int64_t)number;
    return true;
}

bool
doctor_run(const char *const *argv, int *status, struct buf *output)
{
    AUTO(strv_clear) struct strv words = {NULL, 0};
    AUTO(proc_run_clear) struct proc_run run = {.output = {.max = RUN_OUTPUT_MAX}};
    struct proc_spec spec = PROC_SPEC_INIT;

    while (*argv != NULL) {
        strv_add(&words, *argv++);
    }
    spec.argv = words.v;
    buf_cut(output, 0);
    if (proc_run(&spec, RUN_MS, &run, NULL) < 0 || run.timed_out) {
        return false;
    }
    buf_add(output, buf_str(&run.output), run.output.len);
    *status = run.status;
    return true;
}

const char *
doctor_first_line(const char *text, char out[64])
{
    (void)snprintf(out, 64, "%.*s",
                   (int)strcspn(text, "\n") < 60 ? (int)strcspn(text, "\n") : 60, text);
    return out;
}

/* --- the verb --- */

static void
print_json(const struct doctor_check *check, const struct doctor_result *result,
           const char *cure)
{
    AUTO(json_decref) json_t *line = json_object();

    json_put(line, "check", json_text(check->name));
    json_put(line, "status", json_text(doctor_status_name(result->status)));
    json_put(line, "seen", json_text(buf_str(&result->seen)));
    json_put(line, "cure", json_text(cure));
    json_print(stdout, line);
}

/* Words of a text, wrapped behind a column of that width. */
static void
print_wrapped(const char *text, int indent)
{
    int at = indent;

    while (*text != '\0') {
        int len = (int)strcspn(text, " ");
        if (at > indent && at + 1 + len > COLUMNS) {
            (void)printf("\n%*s", indent, "");
            at = indent;
        }
        (void)printf("%s%.*s", at > indent ? " " : "", len, text);
        at += len + (at > indent ? 1 : 0);
        text += len;
        text += strspn(text, " ");
    }
    (void)printf("\n");
}

static void
print_text(const struct cmd_context *context, const struct doctor_check *check,
           const struct doctor_result *result, const char *cure)
{
    static const char *const words[] = {"ok", "warn", "FAIL"};
    static const char *const colors[] = {"32", "33;1", "31;1"};

    (void)printf("%s%-5s%s%-16s ", cmd_color(context, colors[result->status]),
                 words[result->status], cmd_color(context, "0"), check->name);
    print_wrapped(buf_str(&result->seen), INDENT);
    if (cure != NULL) { /* on one line, since it is there to be pasted */
        (void)printf("%*scure: %s\n", INDENT, "", cure);
    }
}

static int64_t
expected_jobs(const char *path)
{
    AUTO(config_free) struct config *config = NULL;
    struct err err = ERR_INIT;

    if (config_load_settings(path, &config, &err) < 0 &&
        config_load_settings("/dev/null", &config, &err) < 0) {
        return 1; /* what is wrong with the file is said by its own check */
    }
    return config->jobs;
}

/* The state folder that the other verbs would take. */
static char *
state_folder(const struct cmd_context *context)
{
    AUTO(config_free) struct config *config = NULL;
    struct err err = ERR_INIT;
    bool given = context->state != NULL && strcmp(context->state, ".nightjar") != 0;

    if (!given && config_load_settings(context->config, &config, &err) == 0 &&
        config->state != NULL) {
        return mem_strdup(config->state);
    }
    return mem_strdup(context->state == NULL ? ".nightjar" : context->state);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(mem_free) char *state = state_folder(context);
    const struct doctor_host host = {.proc = "/proc",
                                     .sys = "/sys",
                                     .state = state,
                                     .config = context->config,
                                     .jobs = expected_jobs(context->config)};
    int counts[3] = {0, 0, 0};

    if (args->n + command->n > 0) {
        return cmd_fail(EXIT_USAGE, "doctor takes no argument '%s'",
                        args->n > 0 ? args->v[0] : command->v[0]);
    }
    for (const struct doctor_check *check = doctor_checks; check->name != NULL; check++) {
        AUTO(doctor_result_clear) struct doctor_result result = {.status = DOCTOR_OK};
        check->run(&host, &result);
        const char *cure = result.status == DOCTOR_OK ? NULL
                           : result.cure.len > 0      ? buf_str(&result.cure)
                                                      : check->cure;
        counts[result.status]++;
        if (context->json) {
            print_json(check, &result, cure);
        } else {
            print_text(context, check, &result, cure);
        }
        (void)fflush(stdout);
    }
    if (!context->json) {
        (void)printf("%d ok, %d warnings, %d failures\n", counts[DOCTOR_OK],
                     counts[DOCTOR_WARN], counts[DOCTOR_FAIL]);
    }
    cmd_next(context, "%s",
             counts[DOCTOR_FAIL] > 0
                 ? "cure what says FAIL, then nightjar doctor again"
                 : "nightjar fuzz ./target seeds/, or nightjar init DIR");
    return counts[DOCTOR_FAIL] > 0 ? EXIT_FOUND : EXIT_DONE;
}

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {{.kind = CMD_END}};

    return table;
}

const struct cmd cmd_doctor = {
    .name = "doctor",
    .summary = "what of this machine would break or slow a campaign",
    .usage = "",
    .about =
        "Looks at what has broken campaigns before: kernel settings, shared memory, "
        "engines,\n"
        "symbolizer, sandbox, disk, memory, clock. Says what was seen and how to cure "
        "it.\n"
        "Nothing on the machine is changed. Exit status 1 when something would break a\n"
        "campaign, 0 otherwise.\n\n"
        "example: nightjar doctor",
    .options = options,
    .run = run,
    .stateless = true,
};
