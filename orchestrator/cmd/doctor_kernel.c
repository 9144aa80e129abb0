#include "orchestrator/cmd/doctor.h"

#include <errno.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    SAFE_RND_BITS =
        28, /* above, ASan of clang <= 17 and gcc <= 13 meets its shadow at random */
    SEGMENTS_PER_WORKER = 4,  /* afl-fuzz: coverage, CMPLOG, input, and one to spare */
    SEGMENT_BYTES = 16 << 20, /* CMPLOG's map is 8 MiB */
    FILES_WANTED = 1024,
    FILES_NEEDED = 256,
    PROCESSES_NEEDED = 256,
    LEFTOVERS_SHOWN = 5,
};

void
doctor_core_pattern(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(buf_clear) struct buf pattern = BUF_INIT;
    char line[64];

    if (!doctor_read(host->proc, "sys/kernel/core_pattern", &pattern)) {
        doctor_say(result, DOCTOR_WARN, "cannot be read");
        return;
    }
    (void)doctor_first_line(buf_str(&pattern), line);
    if (line[0] == '|') {
        doctor_say(result, DOCTOR_WARN,
                   "each crash is piped to '%s', which slows AFL++ down", line + 1);
        return;
    }
    doctor_say(result, DOCTOR_OK, "'%s', a file", line);
}

void
doctor_aslr(const struct doctor_host *host, struct doctor_result *result)
{
    int64_t bits = 0;
    int64_t mode = 2;
    int persona = personality(0xffffffff);
    bool off = persona >= 0 && ((unsigned)persona & ADDR_NO_RANDOMIZE) != 0;

    (void)doctor_read_number(host->proc, "sys/kernel/randomize_va_space", &mode);
    off = off || mode == 0;
    if (!doctor_read_number(host->proc, "sys/vm/mmap_rnd_bits", &bits)) {
        doctor_say(result, DOCTOR_OK,
                   "%s; how many bits only root may read (see sanitizer)",
                   off ? "off" : "on");
        return;
    }
    bool risky = !off && bits > SAFE_RND_BITS;
    doctor_say(result, risky ? DOCTOR_WARN : DOCTOR_OK, "%s, %lld bits%s",
               off ? "off" : "on", (long long)bits,
               risky ? ": programs with ASan of clang before 18 end at random" : "");
}

/* --- System V shared memory --- */

struct segments {
    int64_t n;
    int64_t orphans; /* nobody is attached, and who made them is dead */
    int64_t orphan_bytes;
    struct buf shown; /* numbers of the first orphans */
};

/* A line of sysvipc/shm: key shmid perms size cpid lpid nattch ... */
static void
take_segment(const struct doctor_host *host, const char *line, struct segments *segments)
{
    enum { KEY, ID, PERMS, SIZE, MAKER, LAST, ATTACHED, FIELDS };
    long long fields[FIELDS];

    for (int i = 0; i < FIELDS; i++) {
        char *end = NULL;
        fields[i] = strtoll(line, &end, 10);
        if (end == line) {
            return; /* the line of titles */
        }
        line = end;
    }
    segments->n++;
    AUTO(mem_free) char *maker = mem_printf("%s/%lld", host->proc, fields[MAKER]);
    if (fields[ATTACHED] > 0 || fs_exists(maker)) {
        return;
    }
    if (segments->orphans++ < LEFTOVERS_SHOWN) {
        buf_addf(&segments->shown, " -m %lld", fields[ID]);
    }
    segments->orphan_bytes += fields[SIZE];
}

static bool
read_segments(const struct doctor_host *host, struct segments *out)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    char *save = NULL;

    if (!doctor_read(host->proc, "sysvipc/shm", &text)) {
        return false;
    }
    for (char *line = strtok_r(text.data, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        take_segment(host, line, out);
    }
    return true;
}

void
doctor_shm(const struct doctor_host *host, struct doctor_result *result)
{
    struct segments segments = {.n = 0};
    int64_t max = 0;
    int64_t pages = 0;
    int64_t number = 0;
    int64_t wanted = host->jobs * SEGMENTS_PER_WORKER;

    bool there = read_segments(host, &segments) &&
                 doctor_read_number(host->proc, "sys/kernel/shmmax", &max) &&
                 doctor_read_number(host->proc, "sys/kernel/shmall", &pages) &&
                 doctor_read_number(host->proc, "sys/kernel/shmmni", &number);
    buf_clear(&segments.shown);
    if (!there) {
        doctor_say(result, DOCTOR_FAIL,
                   "no System V shared memory to be seen, which AFL++ cannot do without");
        doctor_cure(result,
                    "a kernel with CONFIG_SYSVIPC, or a container that shows /proc");
        return;
    }
    if (max < SEGMENT_BYTES) {
        doctor_say(result, DOCTOR_FAIL, "segments of at most %lld bytes: AFL++ needs %d",
                   (long long)max, SEGMENT_BYTES);
        return;
    }
    if (number - segments.n < wanted) {
        doctor_say(result, DOCTOR_FAIL,
                   "%lld of %lld segments are in use; %lld workers need %lld",
                   (long long)segments.n, (long long)number, (long long)host->jobs,
                   (long long)wanted);
        return;
    }
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t all = pages > INT64_MAX / page ? INT64_MAX : pages * page;
    long long need = wanted * SEGMENT_BYTES;
    if (all < need) {
        doctor_say(result, DOCTOR_FAIL, "%lld bytes in all: %lld workers need %lld",
                   (long long)all, (long long)host->jobs, need);
        doctor_cure(result, "sysctl -w kernel.shmall=1048576");
        return;
    }
    doctor_say(result, DOCTOR_OK, "%lld of %lld segments in use", (long long)segments.n,
               (long long)number);
}

void
doctor_shm_leftovers(const struct doctor_host *host, struct doctor_result *result)
{
    struct segments segments = {.n = 0};
    char size[32];

    if (!read_segments(host, &segments) || segments.orphans == 0) {
        doctor_say(result, DOCTOR_OK, "none");
        buf_clear(&segments.shown);
        return;
    }
    str_bytes_show(size, sizeof(size), segments.orphan_bytes);
    doctor_say(result, DOCTOR_WARN, "%lld segments (%s) of processes that are dead",
               (long long)segments.orphans, size);
    doctor_cure(result, "ipcrm%s%s", buf_str(&segments.shown),
                segments.orphans > LEFTOVERS_SHOWN ? " ... (ipcs -m -p lists them)" : "");
    buf_clear(&segments.shown);
}

/* --- sandboxing --- */

void
doctor_user_namespaces(const struct doctor_host *host, struct doctor_result *result)
{
    int64_t most = 0;
    int64_t clone = 1;
    int64_t apparmor = 0;

    (void)doctor_read_number(host->proc, "sys/kernel/unprivileged_userns_clone", &clone);
    (void)doctor_read_number(
        host->proc, "sys/kernel/apparmor_restrict_unprivileged_userns", &apparmor);
    if (!doctor_read_number(host->proc, "sys/user/max_user_namespaces", &most) ||
        most == 0) {
        doctor_say(result, DOCTOR_WARN, "none are allowed");
    } else if (getuid() == 0) {
        doctor_say(result, DOCTOR_OK, "%lld allowed; root needs none", (long long)most);
    } else if (clone == 0) {
        doctor_say(result, DOCTOR_WARN,
                   "not for ordinary users (unprivileged_userns_clone)");
        doctor_cure(result, "sysctl -w kernel.unprivileged_userns_clone=1");
    } else if (apparmor == 1) {
        doctor_say(result, DOCTOR_WARN, "AppArmor takes their rights away");
        doctor_cure(result, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    } else {
        doctor_say(result, DOCTOR_OK, "%lld allowed", (long long)most);
    }
}

void
doctor_landlock(const struct doctor_host *host, struct doctor_result *result)
{
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    (void)host;
    if (abi < 0) {
        doctor_say(result, DOCTOR_WARN, "not in this kernel (%s): no second sandbox",
                   errno == EOPNOTSUPP ? "built in, not switched on" : "not built in");
        return;
    }
    doctor_say(result, DOCTOR_OK, "ABI %ld", abi);
}

/* Mounts over parts of /proc, as containers make them: a new proc cannot be mounted then.
 */
void
doctor_proc(const struct doctor_host *host, struct doctor_result *result)
{
    AUTO(buf_clear) struct buf mounts = BUF_INIT;
    AUTO(mem_free) char *self = fs_join(host->proc, "self/exe");
    char *save = NULL;
    int masked = 0;

    if (access(self, F_OK) < 0 || !doctor_read(host->proc, "self/mountinfo", &mounts)) {
        doctor_say(result, DOCTOR_FAIL, "'%s' does not show this process", host->proc);
        doctor_cure(result, "mount -t proc proc /proc");
        return;
    }
    for (char *line = strtok_r(mounts.data, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        /* the fifth field is where it is mounted; binfmt_misc is part of every /proc */
        masked +=
            strstr(line, " /proc/") != NULL && strstr(line, " /proc/sys/fs/") == NULL;
    }
    if (masked > 0) {
        doctor_say(result, DOCTOR_WARN,
                   "%d parts are masked: bubblewrap may be of no use", masked);
        return;
    }
    doctor_say(result, DOCTOR_OK, "whole");
}

/* --- limits of a process --- */

void
doctor_limits(const struct doctor_host *host, struct doctor_result *result)
{
    struct rlimit files;
    struct rlimit processes;
    struct rlimit space;
    struct rlimit file;

    (void)host;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || getrlimit(RLIMIT_NPROC, &processes) < 0 ||
        getrlimit(RLIMIT_AS, &space) < 0 || getrlimit(RLIMIT_FSIZE, &file) < 0) {
        doctor_say(result, DOCTOR_FAIL, "cannot be read: %s", strerror(errno));
        return;
    }
    if (space.rlim_cur != RLIM_INFINITY) {
        doctor_say(result, DOCTOR_FAIL,
                   "address space limited to %llu MiB: no program with ASan can start",
                   (unsigned long long)space.rlim_cur >> 20);
        return;
    }
    if (processes.rlim_cur < PROCESSES_NEEDED && getuid() != 0) {
        doctor_say(result, DOCTOR_FAIL,
                   "at most %llu processes of this user: %d are needed",
                   (unsigned long long)processes.rlim_cur, PROCESSES_NEEDED);
        return;
    }
    if (files.rlim_cur < FILES_WANTED) {
        doctor_say(result, files.rlim_cur < FILES_NEEDED ? DOCTOR_FAIL : DOCTOR_WARN,
                   "%llu open files: %d are better", (unsigned long long)files.rlim_cur,
                   FILES_WANTED);
        return;
    }
    if (file.rlim_cur != RLIM_INFINITY) {
        doctor_say(result, DOCTOR_WARN,
                   "files of at most %llu bytes: the database may outgrow it",
                   (unsigned long long)file.rlim_cur);
        doctor_cure(result, "ulimit -f unlimited");
        return;
    }
    doctor_say(result, DOCTOR_OK, "%llu open files", (unsigned long long)files.rlim_cur);
}
