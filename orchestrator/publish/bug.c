#include "orchestrator/publish/bug.h"

#include <math.h>

#include "triage/rate.h"

static json_t *
json_when(int64_t wall_ms)
{
    return wall_ms == 0 ? json_null() : json_time(wall_ms);
}

/* To a thousandth: what lies behind is noise. */
static json_t *
json_rate(double rate)
{
    return json_real(round(rate * 1000.0) / 1000.0);
}

json_t *
bug_to_json(const struct bug *bug)
{
    const struct rate rate = rate_of(bug->k, bug->n);
    json_t *o = json_object();

    json_put(o, "id", json_text(bug->name));
    json_put(o, "signature", json_text(bug->signature));
    json_put(o, "crash_type", json_text(bug->crash_type));
    json_put(o, "crash_state", json_text(bug->crash_state));
    json_put(o, "severity", json_string(severity_name(bug->severity)));
    json_put(o, "severity_score", json_real(bug->severity_score));
    json_put(o, "computed_severity", json_string(severity_name(bug->computed_severity)));
    json_put(o, "decided_by", json_text(bug->decided_by));
    json_put(o, "decided_reason", json_text(bug->decided_reason));
    json_put(o, "security", json_boolean(bug->security));
    json_put(o, "class", json_text(bug->class_name));
    json_put(o, "exploitability", json_text(bug->exploitability));
    json_put(o, "cwe", json_text(bug->cwe));
    json_put(o, "state", json_text(bug->state));
    json_put(o, "target", json_text(bug->target));
    json_put(o, "sanitizer", json_text(bug->sanitizer));
    json_put(o, "crashes", json_integer(bug->crashes));
    json_put(o, "first_seen", json_time(bug->first_seen));
    json_put(o, "last_seen", json_time(bug->last_seen));
    json_put(o, "filed", json_time(bug->filed));
    json_put(o, "due", json_when(bug->due));
    json_put(o, "owner", json_text(bug->owner[0] == '\0' ? NULL : bug->owner));
    json_put(o, "owner_origin",
             json_text(bug->owner_origin[0] == '\0' ? NULL : bug->owner_origin));
    json_put(o, "acknowledged", json_when(bug->acknowledged));
    json_put(o, "claimed", json_when(bug->claimed));
    json_put(o, "verified", json_when(bug->verified));
    json_put(o, "until", json_when(bug->until.at));
    json_put(o, "until_crashes",
             bug->until.crashes == 0 ? json_null() : json_integer(bug->until.crashes));
    json_put(o, "until_worse", json_boolean(bug->until.worse));
    json_put(o, "reproducer", json_text(bug->reproducer));
    json_put(o, "reproducer_bytes", json_integer(bug->reproducer_bytes));
    json_put(o, "backlog", json_boolean(bug->backlog));
    json_put(o, "minimized", json_boolean(bug->minimized));
    json_put(o, "reproducibility", json_text(bug->reproducibility));
    json_put(o, "k", json_integer(bug->k));
    json_put(o, "n", json_integer(bug->n));
    json_put(o, "rate_low", json_rate(rate.low));
    json_put(o, "rate_high", json_rate(rate.high));
    return o;
}
