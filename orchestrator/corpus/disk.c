#include "orchestrator/corpus/disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/target.h"
#include "triage/upkeep.h"
#include "triage/vitals.h"

enum {
    TIGHT_PERCENT = 80,
    SCARCE_PERCENT = 90, /* a full one is held until it is below */
    FULL_PERCENT = 100,
    PERCENT_MAX = 1000,
    FLOOR_SHARE = 100, /* of the disk, where no floor is given */
};

const char *
disk_grade_name(enum disk_grade grade)
{
    static const char *const names[] = {[DISK_OK] = "ok",
                                        [DISK_TIGHT] = "tight",
                                        [DISK_SCARCE] = "scarce",
                                        [DISK_FULL] = "full"};

    return names[grade];
}

/* --- how full --- */

static int64_t
of_budget(int64_t used, int64_t budget)
{
    return budget <= 0 ? 0 : (int64_t)((double)used / (double)budget * 100);
}

/* The floor is 100 %, twice the floor 80 %. */
static int64_t
of_floor(int64_t left, int64_t floor)
{
    if (floor <= 0) {
        return 0;
    }
    double percent = FULL_PERCENT -
                     ((double)left / (double)floor - 1) * (FULL_PERCENT - TIGHT_PERCENT);
    return percent < 0 ? 0 : (int64_t)percent;
}

int
disk_percent(const struct disk_limits *limits, const struct disk_usage *usage)
{
    int64_t floor =
        limits->free_bytes > 0 ? limits->free_bytes : usage->total_bytes / FLOOR_SHARE;
    const int64_t ways[] = {
        of_budget(usage->bytes, limits->budget_bytes),
        of_budget(usage->files, limits->budget_files), of_floor(usage->free_bytes, floor),
        of_floor(usage->free_files, usage->total_files / FLOOR_SHARE)};
    int64_t worst = 0;

    for (size_t i = 0; i < COUNT(ways); i++) {
        worst = ways[i] > worst ? ways[i] : worst;
    }
    return (int)(worst > PERCENT_MAX ? PERCENT_MAX : worst);
}

enum disk_grade
disk_grade(enum disk_grade before, int percent)
{
    if (percent >= FULL_PERCENT || (before == DISK_FULL && percent >= SCARCE_PERCENT)) {
        return DISK_FULL;
    }
    return percent >= SCARCE_PERCENT  ? DISK_SCARCE
           : percent >= TIGHT_PERCENT ? DISK_TIGHT
                                      : DISK_OK;
}

static int
add_file(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct disk_usage *usage = user;

    (void)path;
    (void)err;
    usage->bytes += st == NULL ? 0 : (int64_t)st->st_blocks * 512;
    usage->files++;
    return 0;
}

static int
measure_disk(const char *state, struct disk_usage *out, struct err *err)
{
    struct statvfs fs;

    if (statvfs(state, &fs) < 0) {
        return err_sys(err, "look at the disk of '%s'", state);
    }
    *out = (struct disk_usage){.free_bytes = (int64_t)(fs.f_bavail * fs.f_frsize),
                               .total_bytes = (int64_t)(fs.f_blocks * fs.f_frsize),
                               .free_files = (int64_t)fs.f_favail,
                               .total_files = (int64_t)fs.f_files};
    return 0;
}

bool
disk_is_low(const char *state, const struct disk_limits *limits, bool was)
{
    struct disk_usage usage;

    if (measure_disk(state, &usage, NULL) < 0) {
        return was;
    }
    return disk_grade(was ? DISK_FULL : DISK_OK, disk_percent(limits, &usage)) ==
           DISK_FULL;
}

int
disk_measure(const struct store *store, const char *target, struct disk_usage *out,
             struct err *err)
{
    static const char *const places[] = {"fuzz", "inbox", "corpus"};
    struct disk_usage usage = {0};
    int rc = measure_disk(store_folder(store), &usage, err);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < COUNT(places); i++) {
        AUTO(mem_free)
        char *root = mem_printf("%s/%s/%s", store_folder(store), places[i], target);
        struct err gone = ERR_INIT; /* workers make and remove files meanwhile */
        int64_t before = usage.bytes;
        if (fs_is_folder(root)) {
            (void)fs_walk(root, add_file, &usage, &gone);
        }
        usage.corpus_bytes = usage.bytes - before; /* it comes last */
    }
    *out = usage;
    return 0;
}

/* --- what is done --- */

char *
disk_hold_path(const char *state, const char *target)
{
    return mem_printf("%s/fuzz/%s/held", state, target);
}

static void
describe(const struct disk_limits *limits, const struct disk_usage *usage,
         struct buf *out)
{
    char used[32];
    char budget[32];
    char left[32];

    str_bytes_show(used, sizeof(used), usage->bytes);
    str_bytes_show(left, sizeof(left), usage->free_bytes);
    buf_addf(out, "it takes %s in %lld files", used, (long long)usage->files);
    if (limits->budget_bytes > 0) {
        str_bytes_show(budget, sizeof(budget), limits->budget_bytes);
        buf_addf(out, " of %s", budget);
    }
    if (limits->budget_files > 0) {
        buf_addf(out, " (at most %lld files)", (long long)limits->budget_files);
    }
    buf_addf(out, "; the disk has %s left", left);
}

/* Held first and told later: the disk may be full at any moment. */
static int
hold(const struct store *store, const char *target, const struct disk_limits *limits,
     const struct disk_report *report, struct err *err)
{
    AUTO(mem_free) char *path = disk_hold_path(store_folder(store), target);
    AUTO(buf_clear) struct buf line = BUF_INIT;

    if (report->now != DISK_FULL) {
        return unlink(path) < 0 && errno != ENOENT ? err_sys(err, "remove '%s'", path)
                                                   : 0;
    }
    if (fs_exists(path)) {
        return 0;
    }
    describe(limits, &report->usage, &line);
    buf_addc(&line, '\n');
    return fs_write(path, buf_str(&line), line.len, 0600, err);
}

static int
event_of(struct store *store, const char *target, struct event *out, struct err *err)
{
    *out = (struct event){.kind = "target.disk", .subject = "target"};
    return store_target(store, target, &out->subject_id, err);
}

/* A folder whose target no store knows has no history. */
static int
tell(struct store *store, const char *target, const struct disk_report *report,
     struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    struct event event;
    int64_t files = 0;
    int64_t bytes = 0;
    int rc =
        report->now == report->before ? -ENODATA : event_of(store, target, &event, err);

    if (rc < 0) {
        return rc == -ENODATA ? 0 : rc;
    }
    for (int i = 0; i < LEFTOVER_KINDS; i++) {
        files += report->dropped.files[i];
        bytes += report->dropped.bytes[i];
    }
    json_put(detail, "target", json_text(target));
    json_put(detail, "percent", json_integer(report->percent));
    json_put(detail, "bytes", json_integer(report->usage.bytes));
    json_put(detail, "files", json_integer(report->usage.files));
    json_put(detail, "free_bytes", json_integer(report->usage.free_bytes));
    json_put(detail, "dropped_files", json_integer(files));
    json_put(detail, "dropped_bytes", json_integer(bytes));
    event.from = disk_grade_name(report->before);
    event.to = disk_grade_name(report->now);
    event.detail = detail;
    return store_event(store, &event, err);
}

int
disk_last(struct store *store, const char *target, enum disk_grade *out, struct err *err)
{
    AUTO(mem_free) char *state = NULL;
    struct event event;
    int rc = event_of(store, target, &event, err);

    rc = rc < 0 ? rc : store_last_state(store, &event, &state, err);
    *out = DISK_OK;
    for (int i = DISK_OK; state != NULL && i <= DISK_FULL; i++) {
        if (strcmp(state, disk_grade_name((enum disk_grade)i)) == 0) {
            *out = (enum disk_grade)i;
        }
    }
    return rc == -ENODATA ? 0 : rc;
}

int
disk_relieve(struct store *store, const char *target, const struct disk_limits *limits,
             struct disk_report *out, struct err *err)
{
    const struct leftovers_policy all = {.dry_run = false};
    struct disk_report report = {0};

    if (!target_name_valid(target)) {
        return err_set(err, -EINVAL, "that is no target's name");
    }
    int rc = disk_last(store, target, &report.before, err);
    rc = rc < 0 ? rc : disk_measure(store, target, &report.usage, err);
    if (rc == 0 && disk_percent(limits, &report.usage) >= TIGHT_PERCENT) {
        rc = leftovers_drop(store, target, &all, &report.dropped, err);
        rc = rc < 0 ? rc : disk_measure(store, target, &report.usage, err);
    }
    if (rc < 0) {
        return rc;
    }
    report.percent = disk_percent(limits, &report.usage);
    report.now = disk_grade(report.before, report.percent);
    rc = hold(store, target, limits, &report, err);
    rc = rc < 0 ? rc : tell(store, target, &report, err);
    rc = rc < 0 ? rc
                : store_vital_put(store, VITAL_CORPUS, target, report.usage.corpus_bytes,
                                  err);
    if (rc == 0) {
        *out = report;
    }
    return rc;
}
