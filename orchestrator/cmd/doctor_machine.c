#include "orchestrator/cmd/doctor.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"

enum {
    DISK_WARN_MB = 2048,
    DISK_FAIL_MB = 256,
    INODES_WARN = 200000, /* an AFL++ queue of some days */
    INODES_FAIL = 10000,
    WORKER_MB =
        512, /* of memory that a worker should find; ASan targets take that easily */
    MEMORY_FAIL_MB = 256,
    PIDS_NEEDED = 256,
    DAY_S = 86400,
};

void
doctor_cores(const struct doctor_host *host, struct doctor_result *result)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
    if (host->jobs > n) {
        doctor_say(result, DOCTOR_WARN, "%d for %lld workers: they will take turns", n,
                   (long long)host->jobs);
        doctor_cure(result, "jobs: %d in nightjar.yaml, or --jobs %d", n, n);
        return;
    }
    doctor_say(result, DOCTOR_OK, "%d", n);
}

/* The number behind "key:" in meminfo, in KiB; -1: not there. */
static int64_t
meminfo(const struct buf *text, const char *key)
{
    const char *at = strstr(buf_str(text), key);

    return at == NULL ? -1 : (int64_t)strtoll(at + strlen(key), NULL, 10);
}

void
doctor_memory(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    char available[32];
    char swap[32];

    int64_t kib =
        doctor_read(host->proc, "meminfo", &text) ? meminfo(&text, "MemAvailable:") : -1;
    if (kib < 0) {
        doctor_say(result, DOCTOR_WARN, "cannot be read");
        return;
    }
    int64_t free_swap = meminfo(&text, "SwapFree:");
    str_bytes_show(available, sizeof(available), kib << 10);
    str_bytes_show(swap, sizeof(swap), (free_swap < 0 ? 0 : free_swap) << 10);
    enum doctor_status status = kib >> 10 < MEMORY_FAIL_MB           ? DOCTOR_FAIL
                                : kib >> 10 < host->jobs * WORKER_MB ? DOCTOR_WARN
                                                                     : DOCTOR_OK;
    doctor_say(result, status, "%s available, %s swap%s", available, swap,
               status == DOCTOR_OK ? "" : ": too little for the workers to be expected");
}

void
doctor_governor(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    int other = 0;
    int n = 0;
    char first[64] = "";

    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        AUTO(mem_free)
        char *name = mem_printf("devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
        if (!doctor_read(host->sys, name, &text)) {
            continue;
        }
        n++;
        if (strcmp(buf_str(&text), "performance") != 0) {
            other++;
            (void)doctor_first_line(buf_str(&text), first);
        }
    }
    if (other > 0) {
        doctor_say(result, DOCTOR_WARN,
                   "'%s' on %d of %d cores: the first seconds run slowly", first, other,
                   n);
        return;
    }
    doctor_say(result, DOCTOR_OK,
               n == 0 ? "no frequency scaling to be seen" : "performance");
}

/* --- containers --- */

/* A limit of the process's own cgroup (version 2), which /sys shows at its root within a
 * container; false: none, or "max". */
static bool
cgroup_limit(const struct doctor_host *host, const char *name, int64_t *out)
{
    AUTO(buf_clear) struct buf cgroup = BUF_INIT;

    if (!doctor_read(host->proc, "self/cgroup", &cgroup)) {
        return false;
    }
    const char *own = strstr(buf_str(&cgroup), "0::/");
    AUTO(mem_free)
    char *path = own == NULL
                     ? mem_strdup("")
                     : mem_dup(own + strlen("0::/"), strcspn(own + strlen("0::/"), "\n"));
    AUTO(mem_free) char *deep = mem_printf("fs/cgroup/%s/%s", path, name);
    AUTO(mem_free) char *flat = mem_printf("fs/cgroup/%s", name);
    return doctor_read_number(host->sys, deep, out) ||
           doctor_read_number(host->sys, flat, out);
}

static const char *
container_name(const struct doctor_host *host)
{
    static const struct {
        const char *word, *name;
    } words[] = {{"docker", "docker"},
                 {"kubepods", "kubernetes"},
                 {"lxc", "lxc"},
                 {"libpod", "podman"},
                 {"containerd", "containerd"}};
    AUTO(buf_clear) struct buf cgroup = BUF_INIT;

    if (fs_exists("/.dockerenv")) {
        return "docker";
    }
    if (fs_exists("/run/.containerenv")) {
        return "podman";
    }
    if (doctor_read(host->proc, "1/cgroup", &cgroup)) {
        for (size_t i = 0; i < COUNT(words); i++) {
            if (strstr(buf_str(&cgroup), words[i].word) != NULL) {
                return words[i].name;
            }
        }
    }
    return NULL;
}

void
doctor_container(const struct doctor_host *host, struct doctor_result *result)
{
    const char *name = container_name(host);
    int64_t pids = INT64_MAX;
    int64_t bytes = INT64_MAX;
    char shown[32];

    (void)cgroup_limit(host, "pids.max", &pids);
    (void)cgroup_limit(host, "memory.max", &bytes);
    if (pids < PIDS_NEEDED) {
        doctor_say(result, DOCTOR_FAIL, "%s, at most %lld processes: %d are needed",
                   name == NULL ? "a control group" : name, (long long)pids, PIDS_NEEDED);
        return;
    }
    if (bytes >> 20 < host->jobs * WORKER_MB) {
        str_bytes_show(shown, sizeof(shown), bytes);
        doctor_say(result, bytes >> 20 < MEMORY_FAIL_MB ? DOCTOR_FAIL : DOCTOR_WARN,
                   "%s, at most %s of memory for %lld workers",
                   name == NULL ? "a control group" : name, shown, (long long)host->jobs);
        return;
    }
    doctor_say(result, DOCTOR_OK, "%s", name == NULL ? "none" : name);
}

/* --- the state folder --- */

/* The folder itself, or the nearest above it that exists; new string. */
static char *
nearest(const char *path)
{
    char *at = fs_absolute(path);

    while (!fs_exists(at)) {
        char *up = fs_join(at, "..");
        mem_free(at);
        at = fs_absolute(up);
        mem_free(up);
    }
    return at;
}

void
doctor_state(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(mem_free) char *folder = nearest(host->state);
    const char *network = fs_network_name(folder);

    if (network != NULL) {
        doctor_say(result, DOCTOR_FAIL,
                   "'%s' lies on %s: the database needs a local disk", host->state,
                   network);
        return;
    }
    if (!fs_is_folder(folder)) {
        doctor_say(result, DOCTOR_FAIL, "'%s' is not a folder", folder);
        return;
    }
    if (access(folder, W_OK | X_OK) < 0) {
        doctor_say(result, DOCTOR_FAIL, "'%s' cannot be written: %s", folder,
                   strerror(errno));
        return;
    }
    doctor_say(result, DOCTOR_OK, "'%s' on a local disk", host->state);
}

void
doctor_disk(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(mem_free) char *folder = nearest(host->state);
    struct statvfs fs;
    char shown[32];

    if (statvfs(folder, &fs) < 0) {
        doctor_say(result, DOCTOR_WARN, "cannot be read: %s", strerror(errno));
        return;
    }
    int64_t bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
    bool no_inodes = fs.f_files == 0; /* file systems that make them as needed */
    int64_t inodes = no_inodes ? INT64_MAX : (int64_t)fs.f_favail;
    enum doctor_status status =
        bytes >> 20 < DISK_FAIL_MB || inodes < INODES_FAIL   ? DOCTOR_FAIL
        : bytes >> 20 < DISK_WARN_MB || inodes < INODES_WARN ? DOCTOR_WARN
                                                             : DOCTOR_OK;
    str_bytes_show(shown, sizeof(shown), bytes);
    if (no_inodes) {
        doctor_say(result, status, "%s free", shown);
    } else {
        doctor_say(result, status, "%s and %lld inodes free", shown, (long long)inodes);
    }
}

/* --- time --- */

/* The program cannot be younger than the present. */
static bool
is_before_the_program(char shown[CLOCK_TEXT_MAX])
{
    AUTO(mem_free) char *self = NULL;
    struct err err = ERR_INIT;
    struct stat st;

    if (proc_self(&self, &err) < 0 || stat(self, &st) < 0) {
        return false;
    }
    clock_iso(shown, (int64_t)st.st_mtime * 1000);
    return clock_wall_ms() / 1000 < st.st_mtime - DAY_S;
}

void
doctor_clock(const struct doctor_host *host, struct doctor_result *result)
{
    const struct timespec nap = {0, 20000000};
    char now[CLOCK_TEXT_MAX];
    char made[CLOCK_TEXT_MAX] = "";
    int64_t start = clock_mono_ms();

    (void)host;
    (void)nanosleep(&nap, NULL);
    int64_t passed = clock_mono_ms() - start;
    clock_iso(now, clock_wall_ms());
    if (is_before_the_program(made)) {
        doctor_say(result, DOCTOR_FAIL,
                   "it is %s here, before this program was made (%s)", now, made);
        return;
    }
    if (passed < 15) {
        doctor_say(result, DOCTOR_FAIL, "the monotonic clock went %lld ms in 20 ms",
                   (long long)passed);
        doctor_cure(result, "another clock source: /sys/devices/system/clocksource");
        return;
    }
    doctor_say(result, DOCTOR_OK, "%s", now);
}
