#include "orchestrator/cmd/show.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"

enum { VARIANTS_SHOWN = 20, EVENTS_SHOWN = 20, LIST_MAX = 1000 };

/* --- variants --- */

/* Rows of blocks are gathered first: a heading stands over them only if there are any. */
static int
variant_line(void *user, const struct variant *variant, struct err *err)
{
    struct strv *lines = user;
    AUTO(buf_clear) struct buf line = BUF_INIT;
    AUTO(mem_free) char *type = record_type_line(variant->crash_type);
    AUTO(mem_free)
    char *top = record_top_frame(variant->crash_type, variant->crash_state);
    char found[CLOCK_TEXT_MAX];

    (void)err;
    clock_iso(found, variant->written);
    buf_addf(&line, "%7" PRId64 " %7" PRId64 "  %.10s  %.12s  ", variant->crashes,
             variant->stacks, found, variant->signature);
    bool built = variant->build[0] != '\0' && strcmp(variant->build, "given") != 0;
    buf_addf(&line, "%s in %s  (%s%s%s)", type[0] == '\0' ? "?" : type, top,
             variant->target, built ? ", build " : "", built ? variant->build : "");
    strv_add(lines, buf_str(&line));
    return 0;
}

int
show_variants(struct page *page, const struct show *show, struct err *err)
{
    AUTO(strv_clear) struct strv lines = {0};
    int rc = store_variants(show->store, show->bug.id, VARIANTS_SHOWN, variant_line,
                            &lines, err);

    if (rc < 0 || lines.n == 0) {
        return rc;
    }
    page_heading(page, "Variants");
    page_block(page);
    page_line(page, "crashes  stacks  found       signature     what, where", STYLE_DIM);
    for (size_t i = 0; i < lines.n; i++) {
        page_line(page, lines.v[i], STYLE_PLAIN);
    }
    page_block_end(page);
    return 0;
}

static int
variant_json(void *user, const struct variant *variant, struct err *err)
{
    json_t *o = json_object();

    (void)err;
    json_put(o, "target", json_text(variant->target));
    json_put(o, "signature", json_text(variant->signature));
    json_put(o, "crash_type", json_text(variant->crash_type));
    json_put(o, "crash_state", json_text(variant->crash_state));
    json_put(o, "sanitizer", json_text(variant->sanitizer));
    json_put(o, "build", json_text(variant->build[0] == '\0' ? NULL : variant->build));
    json_put(o, "crashes", json_integer(variant->crashes));
    json_put(o, "stacks", json_integer(variant->stacks));
    json_put(o, "found", json_time(variant->written));
    json_put(o, "first_seen", json_time(variant->first_seen));
    json_put(o, "last_seen", json_time(variant->last_seen));
    json_put(o, "sha256", json_text(variant->sha256));
    return json_array_append_new(user, o);
}

int
show_variants_json(const struct show *show, json_t **out, struct err *err)
{
    AUTO(json_decref) json_t *list = json_array();
    int rc = store_variants(show->store, show->bug.id, LIST_MAX, variant_json, list, err);

    if (rc == 0) {
        *out = STEAL(list);
    }
    return rc;
}

/* --- similar bugs --- */

static int
similar_item(void *user, const struct similar_bug *similar, struct err *err)
{
    struct strv *items = user;

    (void)err;
    strv_addf(items, "%s (%s) %s: %s", similar->name, similar->state, similar->title,
              similar->why);
    return 0;
}

int
show_similar(struct page *page, const struct show *show, struct err *err)
{
    AUTO(strv_clear) struct strv items = {0};
    int rc = store_similar(show->store, show->bug.id, similar_item, &items, err);

    if (rc < 0 || items.n == 0) {
        return rc;
    }
    page_heading(page, "Similar bugs (suggested, never merged unasked)");
    for (size_t i = 0; i < items.n; i++) {
        page_item(page, items.v[i]);
    }
    return 0;
}

static int
similar_json(void *user, const struct similar_bug *similar, struct err *err)
{
    json_t *o = json_object();

    (void)err;
    json_put(o, "id", json_text(similar->name));
    json_put(o, "state", json_text(similar->state));
    json_put(o, "title", json_text(similar->title));
    json_put(o, "score", json_real(similar->score));
    json_put(o, "cluster", json_boolean(similar->cluster));
    json_put(o, "why", json_text(similar->why));
    return json_array_append_new(user, o);
}

int
show_similar_json(const struct show *show, json_t **out, struct err *err)
{
    AUTO(json_decref) json_t *list = json_array();
    int rc = store_similar(show->store, show->bug.id, similar_json, list, err);

    if (rc == 0) {
        *out = STEAL(list);
    }
    return rc;
}

/* --- events --- */

/* What an event's detail says for a person, without what the page says already. */
static void
add_detail(const struct event_row *event, struct buf *out)
{
    static const char *const said[] = {"title", "signature", "written", "filed", NULL};
    const char *key;
    json_t *value;

    json_object_foreach(event->detail, key, value)
    {
        bool repeated = false;
        for (size_t i = 0; said[i] != NULL; i++) {
            repeated = repeated || strcmp(said[i], key) == 0;
        }
        if (json_is_string(value) && !repeated) {
            buf_addf(out, "  %s=%s", key, json_string_value(value));
        } else if (!repeated) {
            AUTO(mem_free) char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
            buf_addf(out, "  %s=%s", key, text == NULL ? "" : text);
        }
    }
}

static int
event_line(void *user, const struct event_row *event, struct err *err)
{
    struct strv *lines = user;
    AUTO(buf_clear) struct buf line = BUF_INIT;
    char at[CLOCK_TEXT_MAX];

    (void)err;
    clock_iso(at, event->at);
    buf_addf(&line, "%s  %s", at, event->kind);
    if (event->from[0] != '\0' || event->to[0] != '\0') {
        buf_addf(&line, "  %s%s%s", event->from, event->from[0] == '\0' ? "" : " -> ",
                 event->to);
    }
    add_detail(event, &line);
    if (strcmp(event->actor, "nightjar") != 0) {
        buf_addf(&line, "  (%s)", event->actor);
    }
    strv_add(lines, buf_str(&line));
    return 0;
}

int
show_timeline(struct page *page, const struct show *show, struct err *err)
{
    AUTO(strv_clear) struct strv lines = {0};
    struct event_range range = {
        .subject = "bug", .subject_id = show->bug.id, .limit = EVENTS_SHOWN};
    int rc = store_events(show->store, &range, event_line, &lines, err);

    if (rc < 0 || lines.n == 0) {
        return rc;
    }
    page_heading(page, "Timeline");
    page_block(page);
    if (range.older > 0) {
        AUTO(mem_free)
        char *more = mem_printf("%" PRId64 " earlier events: nightjar show %s --json",
                                range.older, show->bug.name);
        page_line(page, more, STYLE_DIM);
    }
    for (size_t i = 0; i < lines.n; i++) {
        page_line(page, lines.v[i], STYLE_PLAIN);
    }
    page_block_end(page);
    return 0;
}

json_t *
show_event_json(const struct event_row *event)
{
    json_t *o = json_object();

    json_put(o, "id", json_integer(event->id));
    json_put(o, "at", json_time(event->at));
    json_put(o, "kind", json_text(event->kind));
    json_put(o, "from", json_text(event->from[0] == '\0' ? NULL : event->from));
    json_put(o, "to", json_text(event->to[0] == '\0' ? NULL : event->to));
    json_put(o, "actor", json_text(event->actor));
    json_put(o, "detail",
             event->detail == NULL ? json_null() : json_deep_copy(event->detail));
    return o;
}

static int
event_json(void *user, const struct event_row *event, struct err *err)
{
    (void)err;
    return json_array_append_new(user, show_event_json(event));
}

int
show_timeline_json(const struct show *show, json_t **out, struct err *err)
{
    AUTO(json_decref) json_t *list = json_array();
    struct event_range range = {
        .subject = "bug", .subject_id = show->bug.id, .limit = LIST_MAX};
    int rc = store_events(show->store, &range, event_json, list, err);

    if (rc == 0) {
        *out = STEAL(list);
    }
    return rc;
}
