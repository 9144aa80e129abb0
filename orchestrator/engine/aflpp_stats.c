#include "orchestrator/engine/aflpp_stats.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/engine/folder.h"

enum {
    STATS_MAX = 8 << 10,
    PLOT_TAIL = 4 << 10,
    NAMES_UNTIL_MS = 70 * 1000, /* queue files are looked at until plot_data has begun */
    FILE_TIME_LAG_MS = 20,      /* of a file's time behind the clock */
};

char *
aflpp_path(const struct engine_job *job, const char *rest)
{
    return mem_printf("w%d/%s", job->number, rest);
}

static void
read_stats(const struct engine_job *job, struct buf *out)
{
    AUTO(mem_free) char *path = aflpp_path(job, "fuzzer_stats");

    (void)folder_read_tail(job->folder, path, STATS_MAX, out, NULL);
}

void
aflpp_base(const struct engine_job *job, struct engine_view *view)
{
    AUTO(buf_clear) struct buf stats = BUF_INIT;

    read_stats(job, &stats);
    view->base_execs = engine_number(buf_str(&stats), "execs_done", 0);
    view->base_ms = engine_number(buf_str(&stats), "run_time", 0) * 1000;
}

static void
raise_to(int64_t *value, int64_t seen)
{
    if (seen > *value) {
        *value = seen;
    }
}

struct newest {
    int64_t begun_ms, execs, time_ms, corpus;
};

/* Entries that a resumed session took over keep their old names and times of change. A
 * file's time may lag a little behind the clock. */
static bool
is_new_entry(int dir, const char *name, int64_t begun_ms)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           clock_file_ms(&st.st_mtim) + FILE_TIME_LAG_MS >= begun_ms;
}

static int
look_at_entry(void *user, int dir, const char *name, unsigned char type)
{
    struct newest *newest = user;

    (void)type;
    if (!str_starts(name, "id:")) {
        return 0;
    }
    newest->corpus++;
    int64_t execs = engine_number(name, ",execs:", 0);
    if (execs > newest->execs && is_new_entry(dir, name, newest->begun_ms)) {
        newest->execs = execs;
        newest->time_ms = engine_number(name, ",time:", 0);
    }
    return 0;
}

static void
poll_names(const struct engine_job *job, struct engine_view *view)
{
    struct newest newest = {.begun_ms = view->begun_ms};
    AUTO(mem_free) char *queue = aflpp_path(job, "queue");

    (void)folder_list(job->folder, queue, look_at_entry, &newest, NULL);
    raise_to(&view->corpus, newest.corpus);
    if (newest.execs > view->base_execs && newest.execs > view->execs) {
        view->execs = newest.execs;
        view->ready = true;
        int64_t ms = newest.time_ms - view->base_ms;
        if (ms > 0) {
            view->execs_per_sec =
                (double)(newest.execs - view->base_execs) * 1000.0 / (double)ms;
        }
    }
}

/* The columns are named in the header line: relative_time, cycles_done, cur_item,
 * corpus_count, ..., execs_per_sec (10), total_execs (11), edges_found (12). */
static void
poll_plot(const struct engine_job *job, struct engine_view *view)
{
    AUTO(buf_clear) struct buf tail = BUF_INIT;
    AUTO(mem_free) char *path = aflpp_path(job, "plot_data");

    if (folder_read_tail(job->folder, path, PLOT_TAIL, &tail, NULL) < 0 ||
        tail.len == 0 || tail.data[tail.len - 1] != '\n') {
        return;
    }
    tail.data[tail.len - 1] = '\0';
    const char *row = strrchr(tail.data, '\n');
    row = row == NULL ? tail.data : row + 1;
    int64_t execs = engine_column(row, 11, 0);
    if (*row == '#' || execs <= view->base_execs || execs < view->execs) {
        return;
    }
    view->execs = execs;
    view->ready = true;
    view->execs_per_sec = (double)engine_column(row, 10, 0);
    raise_to(&view->corpus, engine_column(row, 3, 0));
    raise_to(&view->edges, engine_column(row, 12, 0));
}

/* "stability         : 98.76%" */
static void
poll_stability(const char *stats, struct engine_view *view)
{
    const char *at = strstr(stats, "stability");
    int64_t whole = engine_number(stats, "stability", -1);
    double part = at == NULL ? 0 : (double)engine_number(at, ".", 0);

    if (whole >= 0 && whole <= 100 && part < 100) {
        double share = ((double)whole + part / 100) / 100;
        view->stability = share < 1 ? share : 1;
    }
}

static void
poll_stats(const struct engine_job *job, struct engine_view *view)
{
    AUTO(buf_clear) struct buf stats = BUF_INIT;

    read_stats(job, &stats);
    int64_t started = engine_number(buf_str(&stats), "start_time", 0);
    int64_t execs = engine_number(buf_str(&stats), "execs_done", 0);
    if (started == 0 || execs < view->execs || execs < view->base_execs) {
        return;
    }
    /* the file of the session before is as good as none */
    if (engine_number(buf_str(&stats), "last_update", 0) * 1000 + 999 < view->begun_ms) {
        return;
    }
    view->execs = execs;
    raise_to(&view->corpus, engine_number(buf_str(&stats), "corpus_count", 0));
    raise_to(&view->edges, engine_number(buf_str(&stats), "edges_found", 0));
    raise_to(&view->edges_known, engine_number(buf_str(&stats), "total_edges", 0));
    poll_stability(buf_str(&stats), view);
}

void
aflpp_poll(const struct engine_job *job, struct engine_view *view)
{
    poll_plot(job, view);
    if (clock_wall_ms() - view->begun_ms < NAMES_UNTIL_MS) {
        poll_names(job, view);
    }
    poll_stats(job, view);
}
