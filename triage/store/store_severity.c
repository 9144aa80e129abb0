#include "triage/store/records.h"
#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/pattern.h"

enum {
    NOW,
    COMPUTED,
    EFFECTIVE,
    DECIDED,
    OVERRIDE,
    OVERRIDE_PUT,
    OVERRIDE_DROP,
    RULES,
    RULES_DROP,
    RULE_ADD,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [NOW] = "SELECT severity, computed_severity, computed_score FROM bug WHERE id = ?1",
    [COMPUTED] = "UPDATE bug SET computed_severity = ?2, computed_score = ?3"
                 " WHERE id = ?1",
    [EFFECTIVE] = "UPDATE bug SET severity = ?2, severity_score = ?3 WHERE id = ?1",
    /* 'hand' comes before 'rule' */
    [DECIDED] = "SELECT severity FROM severity_override WHERE bug = ?1"
                " ORDER BY origin LIMIT 1",
    [OVERRIDE] = "SELECT severity, actor, reason FROM severity_override"
                 " WHERE bug = ?1 AND origin = ?2",
    [OVERRIDE_PUT] =
        "INSERT INTO severity_override(bug, origin, severity, actor, reason, at)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(bug, origin) DO UPDATE SET"
        " severity = ?3, actor = ?4, reason = ?5, at = ?6",
    [OVERRIDE_DROP] = "DELETE FROM severity_override WHERE bug = ?1 AND origin = ?2",
    [RULES] = "SELECT target, crash_type, function, file, severity, reason, origin"
              " FROM severity_rule ORDER BY id",
    [RULES_DROP] = "DELETE FROM severity_rule",
    [RULE_ADD] = "INSERT INTO severity_rule(target, crash_type, function, file, severity,"
                 " reason, origin) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
};
const struct store_sql store_severity_sql = {sql, STATEMENTS};

/* --- what counts: decided, else computed --- */

/* Where the score of a severity may lie: those of triage/severity.h. */
static double
score_within(enum severity severity, double score)
{
    static const struct {
        double least, most;
    } bands[] = {[SEVERITY_INFO] = {0.0, 0.0},
                 [SEVERITY_LOW] = {0.1, 3.9},
                 [SEVERITY_MEDIUM] = {4.0, 6.9},
                 [SEVERITY_HIGH] = {7.0, 8.9},
                 [SEVERITY_CRITICAL] = {9.0, 10.0}};

    return score < bands[severity].least  ? bands[severity].least
           : score > bands[severity].most ? bands[severity].most
                                          : score;
}

struct standing { /* of a bug's severity */
    enum severity effective, computed;
    double score; /* computed */
};

static int
load_now(struct store *store, int64_t bug, struct standing *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[NOW], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 1) {
        *out = (struct standing){(enum severity)stmt_int(row, 0),
                                 (enum severity)stmt_int(row, 1), stmt_real(row, 2)};
        stmt_reset(row);
        return 0;
    }
    return rc < 0 ? rc : store_no_bug(bug, err);
}

/* 1: *out is what a hand or a rule says; 0: neither does. */
static int
decided(struct store *store, int64_t bug, enum severity *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[DECIDED], "i", bug);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 1) {
        *out = (enum severity)stmt_int(row, 0);
        stmt_reset(row);
    }
    return rc;
}

/* Write what counts; a change has an event, which `event` is a draft of (NULL: none). */
static int
settle(struct store *store, int64_t bug, struct event *event, struct err *err)
{
    struct standing now = {0};
    int rc = load_now(store, bug, &now, err);
    enum severity severity = now.computed;

    rc = rc < 0 ? rc : decided(store, bug, &severity, err);
    if (rc < 0) {
        return rc;
    }
    double score = rc == 1 ? score_within(severity, now.score) : now.score;
    rc = db_run(store->db, err, sql[EFFECTIVE], "iid", bug, (int64_t)severity, score);
    if (rc < 0 || event == NULL || severity == now.effective) {
        return rc;
    }
    event->kind = "bug.severity";
    event->subject = "bug";
    event->subject_id = bug;
    event->from = severity_name(now.effective);
    event->to = severity_name(severity);
    return store_event_put(store, event, err);
}

/* --- rules --- */

struct rule { /* as the table has it; "" : any */
    char *target, *crash_type, *function, *file, *reason, *origin;
    enum severity severity;
};

struct rules {
    struct rule *v;
    size_t n;
};

static void
rules_clear(struct rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        struct rule *rule = &rules->v[i];
        char *const texts[] = {rule->target, rule->crash_type, rule->function,
                               rule->file,   rule->reason,     rule->origin};
        for (size_t k = 0; k < COUNT(texts); k++) {
            mem_free(texts[k]);
        }
    }
    mem_free(rules->v);
}
AUTO_DEFINE_CLEAR(struct rules, rules_clear)

static int
load_rules(struct store *store, struct rules *out, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[RULES], "");

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        out->v = mem_resize(out->v, (out->n + 1) * sizeof(*out->v));
        out->v[out->n++] = (struct rule){.target = mem_strdup(stmt_text(row, 0)),
                                         .crash_type = mem_strdup(stmt_text(row, 1)),
                                         .function = mem_strdup(stmt_text(row, 2)),
                                         .file = mem_strdup(stmt_text(row, 3)),
                                         .severity = (enum severity)stmt_int(row, 4),
                                         .reason = mem_strdup(stmt_text(row, 5)),
                                         .origin = mem_strdup(stmt_text(row, 6))};
        rc = 0;
    }
    return rc;
}

static bool
allows(const char *pattern, const char *text)
{
    return pattern[0] == '\0' || (text != NULL && pattern_matches(pattern, text));
}

/* The first rule that a bug's record matches; NULL: none. */
static const struct rule *
find_rule(const struct rules *rules, const char *target, const struct record *record)
{
    AUTO(mem_free) char *type = record_type_line(record->crash_type);
    const struct frame none = {0};
    const struct frame *top = &none;

    for (size_t i = 0; i < record->n_frames && top == &none; i++) {
        top = record->frames[i].kept ? &record->frames[i] : top;
    }
    for (size_t i = 0; i < rules->n; i++) {
        const struct rule *rule = &rules->v[i];
        if (allows(rule->target, target) && allows(rule->crash_type, type) &&
            allows(rule->function, top->function) && allows(rule->file, top->file)) {
            return rule;
        }
    }
    return NULL;
}

struct override {
    const char *origin; /* "hand" "rule" */
    bool clear;
    enum severity severity;
    const char *actor, *reason;
};

static bool
says(struct stmt *row, int column, const char *text)
{
    return strcmp(stmt_text(row, column), text == NULL ? "" : text) == 0;
}

/* Whether it says already what it is to say. */
static int
is_same(struct store *store, int64_t bug, const struct override *to, struct event *event,
        bool *same, struct err *err)
{
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[OVERRIDE], "it", bug, to->origin);

    rc = rc < 0 ? rc : stmt_step(row, err);
    if (rc == 1) {
        enum severity before = (enum severity)stmt_int(row, 0);
        event->from = severity_name(before);
        *same = !to->clear && before == to->severity && says(row, 1, to->actor) &&
                says(row, 2, to->reason);
        stmt_reset(row);
    } else {
        *same = to->clear;
    }
    return rc < 0 ? rc : 0;
}

static int
put_override(struct store *store, int64_t bug, const struct override *to, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    struct event event = {.kind = "bug.override",
                          .subject = "bug",
                          .subject_id = bug,
                          .to = to->clear ? NULL : severity_name(to->severity),
                          .detail = detail,
                          .actor = to->actor};
    bool same = false;
    int rc = is_same(store, bug, to, &event, &same, err);

    if (rc < 0 || same) {
        return rc;
    }
    json_put(detail, "origin", json_string(to->origin));
    json_put(detail, "reason", json_text(to->reason));
    rc = to->clear
             ? db_run(store->db, err, sql[OVERRIDE_DROP], "it", bug, to->origin)
             : db_run(store->db, err, sql[OVERRIDE_PUT], "ititti", bug, to->origin,
                      (int64_t)to->severity, to->actor, to->reason, clock_wall_ms());
    rc = rc < 0 ? rc : store_event_put(store, &event, err);
    event.from = NULL;
    return rc < 0 ? rc : settle(store, bug, &event, err);
}

static int
apply_rules(struct store *store, const struct rules *rules, int64_t bug,
            const char *target, const struct record *record, struct err *err)
{
    const struct rule *rule = find_rule(rules, target, record);
    const struct override to = {.origin = "rule",
                                .clear = rule == NULL,
                                .severity = rule == NULL ? SEVERITY_INFO : rule->severity,
                                .actor = rule == NULL ? "nightjar" : rule->origin,
                                .reason = rule == NULL ? "no rule of nightjar.yaml "
                                                         "matches any more"
                                                       : rule->reason};

    return put_override(store, bug, &to, err);
}

int
store_computed_severity(struct store *store, int64_t bug, const char *target,
                        const struct record *record, struct event *event, struct err *err)
{
    AUTO(rules_clear) struct rules rules = {0};
    int rc = db_run(store->db, err, sql[COMPUTED], "iid", bug, (int64_t)record->severity,
                    record->severity_score);

    rc = rc < 0 ? rc : settle(store, bug, event, err);
    rc = rc < 0 ? rc : load_rules(store, &rules, err);
    rc = rc < 0 ? rc : apply_rules(store, &rules, bug, target, record, err);
    return rc < 0 ? rc : store_weigh_owner(store, bug, target, record, err);
}

/* --- the rules of nightjar.yaml --- */

static bool
says_same(const struct rule *old, const struct severity_rule *given)
{
    const char *const texts[][2] = {
        {old->target, given->target},     {old->crash_type, given->crash_type},
        {old->function, given->function}, {old->file, given->file},
        {old->reason, given->reason},     {old->origin, given->origin}};

    for (size_t i = 0; i < COUNT(texts); i++) {
        if (strcmp(texts[i][0], texts[i][1] == NULL ? "" : texts[i][1]) != 0) {
            return false;
        }
    }
    return old->severity == given->severity;
}

static bool
all_same(const struct rules *old, const struct severity_rule *given, size_t n)
{
    bool same = old->n == n;

    for (size_t i = 0; i < n && same; i++) {
        same = says_same(&old->v[i], &given[i]);
    }
    return same;
}

static int
replace_rules(struct store *store, const struct severity_rule *given, size_t n,
              struct err *err)
{
    int rc = db_run(store->db, err, sql[RULES_DROP], "");

    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct severity_rule *rule = &given[i];
        rc = db_run(store->db, err, sql[RULE_ADD], "ttttitt", rule->target,
                    rule->crash_type, rule->function, rule->file, (int64_t)rule->severity,
                    rule->reason, rule->origin);
    }
    return rc;
}

struct apply {
    struct store *store;
    const struct rules *rules;
};

static int
apply_to(void *user, int64_t bug, const char *target, const struct record *record,
         struct err *err)
{
    const struct apply *apply = user;

    return apply_rules(apply->store, apply->rules, bug, target, record, err);
}

static int
apply_to_all(struct store *store, struct err *err)
{
    AUTO(rules_clear) struct rules rules = {0};
    const struct record_range all = {0};
    struct apply apply = {store, &rules};
    int rc = load_rules(store, &rules, err);

    return rc < 0 ? rc : store_records(store, &all, apply_to, &apply, err);
}

int
store_put_severity_rules(struct store *store, const struct severity_rule *rules, size_t n,
                         struct err *err)
{
    AUTO(rules_clear) struct rules old = {0};
    int rc = load_rules(store, &old, err);

    if (rc < 0 || all_same(&old, rules, n)) {
        return rc;
    }
    rc = db_begin(store->db, err);
    if (rc < 0) {
        return rc;
    }
    rc = replace_rules(store, rules, n, err);
    rc = rc < 0 ? rc : apply_to_all(store, err);
    return store_end(store, rc, err);
}

/* --- by hand --- */

static int
override_by_hand(struct store *store, int64_t bug, const struct override *to,
                 struct err *err)
{
    struct standing now;
    int rc = to->reason == NULL || to->reason[0] == '\0'
                 ? err_set(err, -EINVAL, "a severity by hand needs a reason")
                 : db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = load_now(store, bug, &now, err);
    rc = rc < 0 ? rc : put_override(store, bug, to, err);
    rc = rc < 0 ? rc : store_acknowledge(store, bug, err);
    return store_end(store, rc, err);
}

int
store_set_severity(struct store *store, int64_t bug, enum severity severity,
                   const struct decision *decision, struct err *err)
{
    const struct override to = {.origin = "hand",
                                .severity = severity,
                                .actor = decision->actor,
                                .reason = decision->reason};

    return override_by_hand(store, bug, &to, err);
}

int
store_clear_severity(struct store *store, int64_t bug, const struct decision *decision,
                     struct err *err)
{
    const struct override to = {.origin = "hand",
                                .clear = true,
                                .actor = decision->actor,
                                .reason = decision->reason == NULL ? "taken back"
                                                                   : decision->reason};

    return override_by_hand(store, bug, &to, err);
}
