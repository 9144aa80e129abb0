#include "orchestrator/cmd/bug_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    WIDTH_DEFAULT = 80,
    WIDTH_MAX = 200,
    TYPE_MIN = 27,
    FRAME_MIN = 14,
    TARGET_COLUMNS = 10,
    LIFE_COLUMNS = 24, /* due and owner, where they fit */
    HOUR_MS = 3600 * 1000,
    DAY_MS = 24 * HOUR_MS,
};

struct printer {
    const struct cmd_context *context;
    size_t type_columns, frame_columns;
    bool wide; /* with due and owner */
    int64_t rows, worst;
};

static bool
begins_column(char c) /* of a text of UTF-8: its code points count */
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static const char *
skip_columns(const char *s, size_t n)
{
    for (; *s != '\0' && (n > 0 || !begins_column(*s)); s++) {
        n -= begins_column(*s);
    }
    return s;
}

void
bug_table_cell(struct buf *out, const char *text, size_t columns)
{
    AUTO(buf_clear) struct buf clean = BUF_INIT;
    size_t total = 0;

    str_name(&clean, text, strlen(text));
    const char *s = buf_str(&clean);
    for (const char *c = s; *c != '\0'; c++) {
        total += begins_column(*c);
    }
    if (total > columns) {
        const char *end = skip_columns(s, columns > 0 ? columns - 1 : 0);
        buf_add(out, s, (size_t)(end - s));
        buf_adds(out, columns > 0 ? "~" : "");
        return;
    }
    buf_adds(out, s);
    for (; total < columns; total++) {
        buf_addc(out, ' ');
    }
}

const char *
bug_severity_color(enum severity severity)
{
    static const char *const codes[] = {[SEVERITY_INFO] = "2",
                                        [SEVERITY_LOW] = "36",
                                        [SEVERITY_MEDIUM] = "33",
                                        [SEVERITY_HIGH] = "31",
                                        [SEVERITY_CRITICAL] = "31;1"};

    return codes[severity];
}

void
bug_add_until(const struct bug *bug, struct buf *out)
{
    const char *between = " until ";
    char at[CLOCK_TEXT_MAX];

    if (strcmp(bug->state, "ignored") != 0 && strcmp(bug->state, "wontfix") != 0) {
        return;
    }
    if (bug->until.at != 0) {
        clock_iso(at, bug->until.at);
        buf_addf(out, "%s%s", between, at);
        between = " or ";
    }
    if (bug->until.crashes != 0) {
        buf_addf(out, "%sit has %lld crashes", between, (long long)bug->until.crashes);
        between = " or ";
    }
    if (bug->until.worse) {
        buf_addf(out, "%sits severity rises", between);
    }
}

void
bug_add_due(const struct bug *bug, struct buf *out)
{
    int64_t left = bug->due - clock_wall_ms();
    char text[64];

    if (bug->due != 0) {
        str_duration_show(text, sizeof(text), left < 0 ? -left : left);
        buf_addf(out, "%s %s", left < 0 ? "overdue for" : "due in", text);
    }
}

/* "12d" left, "-3d" over. */
static void
add_days(const struct bug *bug, struct buf *out)
{
    int64_t left = bug->due - clock_wall_ms();

    if (bug->due == 0) {
        buf_adds(out, "     -");
        return;
    }
    buf_addf(out, " %4lld%c",
             (long long)(left / (llabs(left) < DAY_MS ? HOUR_MS : DAY_MS)),
             llabs(left) < DAY_MS ? 'h' : 'd');
}

static void
print_row(const struct printer *printer, const struct bug *bug)
{
    AUTO(mem_free) char *type = record_type_line(bug->crash_type);
    AUTO(mem_free) char *frame = record_top_frame(bug->crash_type, bug->crash_state);
    AUTO(buf_clear) struct buf row = BUF_INIT;
    char size[32];

    bug_table_cell(&row, bug->name, 6);
    buf_adds(&row, cmd_color(printer->context, bug_severity_color(bug->severity)));
    bug_table_cell(&row, severity_name(bug->severity), 8);
    buf_adds(&row, cmd_color(printer->context, "0"));
    buf_addc(&row, ' ');
    bug_table_cell(&row, type, printer->type_columns);
    buf_addc(&row, ' ');
    bug_table_cell(&row, frame, printer->frame_columns);
    buf_addc(&row, ' ');
    bug_table_cell(&row, bug->target, TARGET_COLUMNS);
    if (bug->reproducer_bytes < 10000) {
        (void)snprintf(size, sizeof(size), "%lldB", (long long)bug->reproducer_bytes);
    } else {
        (void)snprintf(size, sizeof(size), "%lldK",
                       (long long)bug->reproducer_bytes >> 10);
    }
    buf_addf(&row, " %5lld %5s", (long long)bug->crashes, size);
    if (printer->wide) {
        add_days(bug, &row);
        buf_adds(&row, "  ");
        bug_table_cell(&row, bug->owner, strlen(bug->owner));
    }
    buf_addc(&row, '\n');
    (void)fputs(buf_str(&row), stdout);
}

static int
visit(void *user, const struct bug *bug, struct err *err)
{
    struct printer *printer = user;

    (void)err;
    if (printer->worst == 0) {
        printer->worst = bug->id;
    }
    if (printer->context->json) {
        AUTO(json_decref) json_t *object = bug_to_json(bug);
        json_print(stdout, object);
    } else {
        if (printer->rows == 0) {
            (void)printf("%s%-5s %-8s %-*s %-*s %-*s %5s %5s%s%s\n",
                         cmd_color(printer->context, "1"), "ID", "SEVERITY",
                         (int)printer->type_columns, "TYPE", (int)printer->frame_columns,
                         "TOP FRAME", TARGET_COLUMNS, "TARGET", "FILES", "SIZE",
                         printer->wide ? "   DUE  OWNER" : "",
                         cmd_color(printer->context, "0"));
        }
        print_row(printer, bug);
    }
    printer->rows++;
    return 0;
}

static size_t
terminal_width(void)
{
    const char *columns = getenv("COLUMNS"); /* POSIX: what the person prefers */
    struct winsize size;
    int64_t width = 0;

    if (columns == NULL ||
        str_number("COLUMNS", columns, 1, WIDTH_MAX, &width, NULL) < 0) {
        width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 ? 0 : size.ws_col;
    }
    return width < WIDTH_DEFAULT ? WIDTH_DEFAULT
           : width > WIDTH_MAX   ? WIDTH_MAX
                                 : (size_t)width;
}

int
bug_table_print(const struct cmd_context *context, struct store *store,
                const struct bug_filter *filter, int64_t *rows, int64_t *worst,
                struct err *err)
{
    size_t width = terminal_width();
    bool wide = width >= WIDTH_DEFAULT + LIFE_COLUMNS;
    size_t spare = width - WIDTH_DEFAULT - (wide ? LIFE_COLUMNS : 0);
    struct printer printer = {
        context, TYPE_MIN + spare / 4, FRAME_MIN + spare - spare / 4, wide, 0, 0};
    struct bug_filter light = *filter;
    light.light = true;
    light.row = !context->json;
    int rc = store_bugs(store, &light, visit, &printer, err);

    if (rows != NULL) {
        *rows = printer.rows;
    }
    if (worst != NULL) {
        *worst = printer.worst;
    }
    return rc;
}
