#include "orchestrator/supervise/progress.h"

#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum { NAME_COLUMNS = 28, COLUMNS_MIN = 40, COLUMNS_MAX = 400 };

void
progress_count(char *out, size_t size, double value)
{
    static const struct {
        double from;
        const char *unit;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e4, "k"}};

    for (size_t i = 0; i < COUNT(units); i++) {
        double unit = units[i].from == 1e4 ? 1e3 : units[i].from;
        if (value >= units[i].from) {
            (void)snprintf(out, size, value / unit >= 100 ? "%.0f%s" : "%.1f%s",
                           value / unit, units[i].unit);
            return;
        }
    }
    (void)snprintf(out, size, "%.0f", value);
}

/* Columns of out from byte `from` on: UTF-8, one column a character. */
static int
columns_of_text(const struct buf *out, size_t from)
{
    int columns = 0;

    for (size_t at = from; at < out->len; at++) {
        columns += ((unsigned char)out->data[at] & 0xc0) != 0x80;
    }
    return columns;
}

/* At most `columns` of them. */
static void
cut(struct buf *out, size_t from, int columns)
{
    size_t at = from;

    for (int seen = 0; at < out->len; at++) {
        bool begins = ((unsigned char)out->data[at] & 0xc0) != 0x80;
        if (begins && seen++ == columns) {
            break;
        }
    }
    if (at < out->len) {
        buf_cut(out, at);
    }
}

static void
add_number(struct buf *out, const char *name, double value, const char *behind)
{
    char text[32];

    progress_count(text, sizeof(text), value);
    buf_addf(out, "%s%s%s", name, text, behind);
}

static void
add_time(struct buf *out, const struct progress *progress)
{
    char elapsed[32];
    char limit[32];

    str_duration_show(elapsed, sizeof(elapsed), progress->elapsed_ms);
    buf_addf(out, "%s %s", progress->phase, elapsed);
    if (progress->limit_ms > 0) {
        str_duration_show(limit, sizeof(limit), progress->limit_ms);
        buf_addf(out, " of %s", limit);
    }
}

static void
add_states(struct buf *out, const struct progress *progress)
{
    /* in the order of what a person wants to know first */
    static const enum worker_state order[] = {
        WORKER_RUNNING, WORKER_STARTING, WORKER_SLOW,        WORKER_PLATEAUED,
        WORKER_FROZEN,  WORKER_BACKOFF,  WORKER_QUARANTINED, WORKER_DEAD,
        WORKER_PAUSED,  WORKER_FINISHED};

    const char *between = "";
    for (size_t i = 0; i < COUNT(order); i++) {
        if (progress->workers[order[i]] > 0) {
            buf_addf(out, "%s%d %s", between, progress->workers[order[i]],
                     worker_state_name(order[i]));
            between = ", ";
        }
    }
}

static void
add_finds(struct buf *out, const struct progress *progress)
{
    add_number(out, "crashes ", (double)progress->crashes, "");
    add_number(out, " (", (double)progress->fresh, " distinct)");
    add_number(out, " -> bugs ", (double)progress->bugs, "");
    add_number(out, " (", (double)progress->new_bugs, " new)");
}

static void
add_triage(struct buf *out, const struct progress *progress)
{
    if (progress->queued + progress->triaging > 0) {
        add_number(out, ", triage ", (double)progress->triaging, "");
        add_number(out, " + ", (double)progress->queued, " queued");
    }
    if (progress->minimizing > 0) {
        add_number(out, ", minimizing ", (double)progress->minimizing, "");
    }
}

void
progress_line(struct buf *out, const struct progress *progress)
{
    add_time(out, progress);
    buf_adds(out, ": ");
    add_states(out, progress);
    add_number(out, "; ", progress->execs_per_sec, " exec/s");
    add_number(out, ", execs ", (double)progress->execs, "");
    add_number(out, ", edges ", (double)progress->edges, "");
    add_number(out, ", corpus ", (double)progress->corpus, "; ");
    add_finds(out, progress);
    add_triage(out, progress);
}

static void
add_header(struct buf *out)
{
    buf_addf(out, "  %-*s %-11s %8s %7s %7s %6s\n", NAME_COLUMNS, "WORKER", "STATE",
             "EXEC/S", "EDGES", "CORPUS", "FINDS");
}

static void
add_row(struct buf *out, const struct progress_row *row, int columns)
{
    const double numbers[] = {row->execs_per_sec, (double)row->edges, (double)row->corpus,
                              (double)row->finds};
    static const int widths[] = {8, 7, 7, 6};
    size_t from = out->len;
    char text[32];

    buf_adds(out, "  ");
    str_name(out, row->name, strlen(row->name));
    cut(out, from, 2 + NAME_COLUMNS);
    buf_addf(out, "%*s", 2 + NAME_COLUMNS - columns_of_text(out, from), "");
    buf_addf(out, " %-11s", worker_state_name(row->state));
    if (worker_state_busy(row->state) && row->state != WORKER_STARTING) {
        for (size_t i = 0; i < COUNT(numbers); i++) {
            progress_count(text, sizeof(text), numbers[i]);
            buf_addf(out, " %*s", widths[i], text);
        }
    } else if (row->reason[0] != '\0') {
        AUTO(buf_clear) struct buf reason = BUF_INIT;
        str_clean(&reason, row->reason, strlen(row->reason));
        buf_addf(out, " %s", buf_str(&reason));
    }
    cut(out, from, columns);
    buf_addc(out, '\n');
}

/* Workers that wait for their turn have nothing to tell. */
static bool
is_shown(const struct progress_row *row)
{
    return row->state != WORKER_PAUSED && row->state != WORKER_FINISHED;
}

void
progress_block(struct buf *out, const struct progress *progress, int columns)
{
    size_t from = out->len;
    int rows = 0;

    add_time(out, progress);
    buf_adds(out, ": ");
    add_states(out, progress);
    cut(out, from, columns);
    buf_addc(out, '\n');
    from = out->len;
    add_number(out, "  exec/s ", progress->execs_per_sec, "");
    add_number(out, "  execs ", (double)progress->execs, "");
    add_number(out, "  edges ", (double)progress->edges, "");
    add_number(out, "  corpus ", (double)progress->corpus, "");
    cut(out, from, columns);
    buf_addc(out, '\n');
    from = out->len;
    buf_adds(out, "  ");
    add_finds(out, progress);
    add_triage(out, progress);
    cut(out, from, columns);
    buf_addc(out, '\n');
    for (size_t i = 0; i < progress->n_rows && rows < PROGRESS_ROWS_MAX; i++) {
        if (is_shown(&progress->rows[i])) {
            if (rows == 0) {
                add_header(out);
            }
            add_row(out, &progress->rows[i], columns);
            rows++;
        }
    }
}

/* --- the printer --- */

static int
columns_of(FILE *out)
{
    struct winsize size = {0};

    if (ioctl(fileno(out), TIOCGWINSZ, &size) < 0 || size.ws_col < COLUMNS_MIN) {
        return PROGRESS_COLUMNS - 1;
    }
    /* the last column stays free: some terminals wrap there */
    return size.ws_col > COLUMNS_MAX ? COLUMNS_MAX : size.ws_col - 1;
}

/* Up to the block's first line, and everything below away. */
static void
erase(struct progress_printer *printer)
{
    if (printer->drawn > 0) {
        (void)fprintf(printer->out, "\033[%dA\r\033[J", printer->drawn);
        printer->drawn = 0;
    }
}

void
progress_show(struct progress_printer *printer, const struct progress *progress,
              bool force)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    int64_t now = clock_mono_ms();
    int64_t pause = printer->live ? PROGRESS_DRAW_MS : PROGRESS_LINE_MS;

    if (!force && printer->at_ms != 0 && now - printer->at_ms < pause) {
        return;
    }
    if (!force && printer->at_ms == 0 && !printer->live) {
        printer->at_ms = now; /* the first line comes after a minute */
        return;
    }
    printer->at_ms = now;
    if (!printer->live) {
        progress_line(&text, progress);
        (void)fprintf(printer->out, "%s\n", buf_str(&text));
        return;
    }
    progress_block(&text, progress, columns_of(printer->out));
    erase(printer);
    for (size_t i = 0; i < text.len; i++) {
        printer->drawn += text.data[i] == '\n';
    }
    (void)fputs(buf_str(&text), printer->out);
    (void)fflush(printer->out);
}

void
progress_say(struct progress_printer *printer, const char *text)
{
    AUTO(buf_clear) struct buf clean = BUF_INIT;

    str_clean(&clean, text, strlen(text));
    for (size_t i = 0; i < clean.len; i++) {
        if (clean.data[i] == '\n') {
            clean.data[i] = ' ';
        }
    }
    erase(printer);
    (void)fprintf(printer->out, "%s\n", buf_str(&clean));
    (void)fflush(printer->out);
    if (printer->live) {
        printer->at_ms = 0; /* draw again at once */
    }
}

void
progress_end(struct progress_printer *printer)
{
    erase(printer);
    (void)fflush(printer->out);
}
