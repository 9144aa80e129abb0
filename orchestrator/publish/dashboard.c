/* A dashboard of all families of the catalog, group by group, and before them what the
 * service level objectives say. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/catalog.h"
#include "orchestrator/publish/slo_export.h"

enum {
    COLUMNS = 24, /* of Grafana's grid */
    STAT_WIDTH = 6,
    PANEL_WIDTH = 8,
    STAT_HEIGHT = 4,
    PANEL_HEIGHT = 7,
    SCHEMA = 37, /* Grafana 9 */
};

struct board {
    json_t *panels;
    int id, x, y; /* of the next panel */
};

static json_t *
position(struct board *board, int width, int height)
{
    if (board->x + width > COLUMNS) {
        board->x = 0;
        board->y += height;
    }
    json_t *at = json_pack("{s:i, s:i, s:i, s:i}", "x", board->x, "y", board->y, "w",
                           width, "h", height);
    board->x += width;
    return at;
}

static json_t *
source(void)
{
    return json_pack("{s:s, s:s}", "type", "prometheus", "uid", "${datasource}");
}

static json_t *
query(const char *expr, const char *legend, const char *ref)
{
    return json_pack("{s:o, s:s, s:s, s:s}", "datasource", source(), "expr", expr,
                     "legendFormat", legend, "refId", ref);
}

static void
add_panel(struct board *board, const char *type, const char *title, const char *unit,
          json_t *at, json_t *queries)
{
    json_t *panel = json_object();

    json_put(panel, "id", json_integer(++board->id));
    json_put(panel, "type", json_string(type));
    json_put(panel, "title", json_string(title));
    json_put(panel, "datasource", source());
    json_put(panel, "gridPos", at);
    json_put(panel, "fieldConfig",
             json_pack("{s:{s:s}, s:[]}", "defaults", "unit", unit, "overrides"));
    json_put(panel, "targets", queries);
    (void)json_array_append_new(board->panels, panel);
}

static void
add_row(struct board *board, const char *title)
{
    board->y += board->x > 0 ? PANEL_HEIGHT : 0;
    board->x = 0;
    (void)json_array_append_new(
        board->panels,
        json_pack("{s:i, s:s, s:s, s:b, s:{s:i, s:i, s:i, s:i}, s:[]}", "id", ++board->id,
                  "type", "row", "title", title, "collapsed", 0, "gridPos", "x", 0, "y",
                  board->y, "w", COLUMNS, "h", 1, "panels"));
    board->y++;
}

/* --- what matters most --- */

static void
add_stats(struct board *board)
{
    static const struct {
        const char *title, *unit, *expr, *legend;
    } stats[] = {
        {"Breach budget left", "percentunit", "nightjar_breach_budget_remaining_ratio",
         ""},
        {"Breach budget burn rate", "short", "nightjar_breach_burn_rate", ""},
        {"Open bugs", "short",
         "sum by (severity) (nightjar_bugs{state=~\"new|open|fixing|regressed\"})",
         "{{severity}}"},
        {"Incidents in 28 days", "short", "nightjar_recent_incidents", "{{kind}}"},
        {"Error budgets left", "percentunit", "slo:period_error_budget_remaining:ratio",
         "{{sloth_slo}} {{target}}"},
        {"Burn rates now", "short", "slo:current_burn_rate:ratio",
         "{{sloth_slo}} {{target}}"},
        {"Deadlines missed in 28 days", "short",
         "sum(nightjar_bug_patch_deadlines{result=\"missed\"})", ""},
        {"Alerts in 7 days", "short", "nightjar_alerts", ""},
    };

    add_row(board, "Objectives");
    for (size_t i = 0; i < COUNT(stats); i++) {
        json_t *at = position(board, STAT_WIDTH, STAT_HEIGHT);
        add_panel(board, "stat", stats[i].title, stats[i].unit, at,
                  json_pack("[o]", query(stats[i].expr, stats[i].legend, "A")));
    }
}

/* --- a panel for each family --- */

static const char *
unit_of(const struct metric_kind *kind)
{
    static const struct {
        const char *end, *unit;
    } units[] = {{"_timestamp_seconds", "s"},
                 {"_seconds", "s"},
                 {"_seconds_total", "short"},
                 {"_bytes", "bytes"},
                 {"_ratio", "percentunit"}};

    for (size_t i = 0; i < COUNT(units); i++) {
        if (str_ends(kind->name, units[i].end)) {
            return units[i].unit;
        }
    }
    return "short";
}

#define WITHOUT "without (instance, job)"

static json_t *
queries_of(const struct metric_kind *kind)
{
    AUTO(mem_free) char *one = NULL;
    AUTO(mem_free) char *two = NULL;

    switch (kind->type) {
    case METRIC_COUNTER: /* a second's share of what is rare is no number to look at */
        one = mem_printf("sum " WITHOUT " (increase(%s[1h])) > 0", kind->name);
        return json_pack("[o]", query(one, "", "A"));
    case METRIC_HISTOGRAM:
        one = mem_printf("histogram_quantile(0.5, sum " WITHOUT
                         " (increase(%s_bucket[28d])))",
                         kind->name);
        two = mem_printf("histogram_quantile(0.9, sum " WITHOUT
                         " (increase(%s_bucket[28d])))",
                         kind->name);
        return json_pack("[o, o]", query(one, "", "A"), query(two, "", "B"));
    case METRIC_GAUGE:
        break;
    }
    one = str_ends(kind->name, "_timestamp_seconds")
              ? mem_printf("time() - (%s > 0)", kind->name)
              : mem_strdup(kind->name);
    return json_pack("[o]", query(one, "", "A"));
}

static void
add_families(struct board *board)
{
    static const char *const titles[METRIC_GROUPS] = {
        [GROUP_SLO] = "Bugs as a risk", [GROUP_CONTROL] = "Fuzzing as a control",
        [GROUP_FUZZING] = "Fuzzing",    [GROUP_FINDINGS] = "Findings",
        [GROUP_TRIAGE] = "Triage",      [GROUP_GATE] = "Gate",
        [GROUP_DELIVERY] = "Delivery",  [GROUP_HOST] = "Host"};

    for (size_t g = 0; g < METRIC_GROUPS; g++) {
        add_row(board, titles[g]);
        for (size_t i = 0; i < METRICS; i++) {
            const struct metric_kind *kind = catalog_row((enum metric_id)i);
            if (kind->group == (enum metric_group)g) {
                json_t *at = position(board, PANEL_WIDTH, PANEL_HEIGHT);
                add_panel(board, "timeseries", kind->help, unit_of(kind), at,
                          queries_of(kind));
            }
        }
    }
}

json_t *
dashboard_json(void)
{
    struct board board = {.panels = json_array()};
    json_t *o = json_object();
    json_t *variable =
        json_pack("{s:s, s:s, s:s, s:s}", "name", "datasource", "type", "datasource",
                  "query", "prometheus", "label", "Prometheus");

    add_stats(&board);
    board.y += STAT_HEIGHT;
    board.x = 0;
    add_families(&board);
    json_put(o, "uid", json_string("nightjar"));
    json_put(o, "title", json_string("nightjar"));
    json_put(o, "tags", json_pack("[s, s]", "fuzzing", "slo"));
    json_put(o, "schemaVersion", json_integer(SCHEMA));
    json_put(o, "editable", json_true());
    json_put(o, "refresh", json_string("1m"));
    json_put(o, "time", json_pack("{s:s, s:s}", "from", "now-24h", "to", "now"));
    json_put(o, "templating", json_pack("{s:[o]}", "list", variable));
    json_put(o, "panels", board.panels);
    return o;
}
