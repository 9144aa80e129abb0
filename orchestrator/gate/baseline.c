#include "orchestrator/gate/baseline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "triage/program.h"

void
baseline_clear(struct baseline *baseline)
{
    mem_free(baseline->v);
    strv_clear(&baseline->targets);
    *baseline = (struct baseline){0};
}

void
baseline_key(const struct target_list *targets, char out[HASH_HEX_MAX])
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    bool whole = true;

    for (size_t t = 0; t < targets->n; t++) {
        for (int kind = 0; kind < BUILD_KINDS; kind++) {
            const char *path = targets->v[t]->builds[kind];
            AUTO(mem_free) char *id = path == NULL ? NULL : program_build_id(path);
            AUTO(buf_clear) struct buf bytes = {.max = PROGRAM_SCAN_MAX};
            char hash[HASH_HEX_MAX] = "";
            if (path != NULL && id == NULL) {
                whole = fs_read(path, PROGRAM_SCAN_MAX, &bytes, NULL) == 0 && whole;
                hash_sha256(buf_str(&bytes), bytes.len, hash);
            }
            if (path != NULL) {
                buf_addf(&text, "%s %s %s\n", targets->v[t]->name,
                         build_kind_name((enum build_kind)kind), id != NULL ? id : hash);
            }
        }
    }
    hash_sha256(buf_str(&text), text.len, out);
    if (!whole || text.truncated) {
        out[0] = '\0';
    }
}

/* --- before --- */

static int
add_bug(void *user, const struct bug *bug, struct err *err)
{
    struct baseline *baseline = user;

    (void)err;
    baseline->v = mem_grow(baseline->v, baseline->n, sizeof(*baseline->v));
    struct baseline_bug *one = &baseline->v[baseline->n++];
    *one = (struct baseline_bug){.id = bug->id, .severity = bug->severity};
    (void)snprintf(one->state, sizeof(one->state), "%s", bug->state);
    return 0;
}

static int
by_id(const void *left, const void *right)
{
    const struct baseline_bug *a = left;
    const struct baseline_bug *b = right;

    return (a->id > b->id) - (a->id < b->id);
}

static struct baseline_bug *
find(const struct baseline *baseline, int64_t bug)
{
    const struct baseline_bug key = {.id = bug};

    return baseline->n == 0
               ? NULL
               : bsearch(&key, baseline->v, baseline->n, sizeof(*baseline->v), by_id);
}

const struct baseline_bug *
baseline_find(const struct baseline *baseline, int64_t bug)
{
    return find(baseline, bug);
}

struct reading {
    struct baseline *baseline;
    const char *key;
};

/* What a run that was told of a bug decided about it later is the person's word. */
static int
read_run(void *user, const struct event_row *event, struct err *err)
{
    const struct reading *reading = user;
    const json_t *held = json_object_get(event->detail, "held");

    (void)err;
    if (strcmp(json_get_str(event->detail, "builds", ""), reading->key) != 0) {
        return 0;
    }
    for (size_t i = 0; i < json_array_size(held); i++) {
        int64_t id = json_integer_value(json_array_get(held, i));
        struct baseline_bug *bug = find(reading->baseline, id);
        if (bug != NULL && strcmp(bug->state, "new") == 0) {
            bug->held = true;
        }
    }
    return 0;
}

int
baseline_read(struct store *store, const struct target_list *targets, const char *key,
              struct baseline *out, struct err *err)
{
    const struct bug_filter all = {.at_least = SEVERITY_INFO, .light = true};
    struct reading reading = {out, key};
    struct event_range runs = {.subject = "gate", .limit = BASELINE_RUNS};
    int64_t id = 0;
    int rc = store_bugs(store, &all, add_bug, out, err);

    if (out->n > 1) {
        qsort(out->v, out->n, sizeof(*out->v), by_id);
    }
    for (size_t i = 0; i < targets->n && rc == 0; i++) {
        rc = store_target(store, targets->v[i]->name, &id, err);
        if (rc == 0) {
            strv_add(&out->targets, targets->v[i]->name);
        }
        rc = rc == -ENODATA ? 0 : rc;
    }
    return rc < 0 || key[0] == '\0' ? rc
                                    : store_events(store, &runs, read_run, &reading, err);
}

/* --- after --- */

int
baseline_leave(struct store *store, const struct findings *findings, const char *key,
               struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    json_t *held = json_array();
    json_t *classes = json_object();
    int64_t n[FINDING_CLASSES] = {0};

    for (size_t i = 0; i < findings->n; i++) {
        const struct finding *finding = &findings->v[i];
        n[finding->class]++;
        if (finding->blocking && finding->class != FINDING_REGRESSED) {
            (void)json_array_append_new(held, json_integer(finding->bug.id));
        }
    }
    for (int i = 0; i < FINDING_CLASSES; i++) {
        json_put(classes, finding_class_name((enum finding_class)i), json_integer(n[i]));
    }
    json_put(detail, "builds", json_string(key));
    json_put(detail, "held", held);
    json_put(detail, "classes", classes);
    json_put(detail, "duration_ms", json_integer(findings->ended - findings->started));
    json_put(detail, "executions", json_integer(findings->execs));
    const struct event event = {.kind = "gate.verdict",
                                .subject = "gate",
                                .to = verdict_name(findings->verdict),
                                .detail = detail};
    return store_event(store, &event, err);
}
