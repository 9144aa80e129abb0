#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/show.h"
#include "triage/revision.h"

enum { BUILD_DIGITS = 12 };

void
show_build_words(struct store *store, const char *build_id, struct buf *out)
{
    AUTO(revision_clear) struct revision revision = {0};

    if (build_id[0] == '\0') {
        buf_adds(out, "a build without an id");
        return;
    }
    buf_addf(out, "build %.*s", BUILD_DIGITS, build_id);
    if (revision_of_build(store, build_id, &revision, NULL) == 0) {
        AUTO(mem_free) char *words = revision_words(&revision);
        buf_addf(out, ", %s", words);
    }
}

/* "commit 0123 (main) of 2026-11-27" */
static void
add_dated(const struct revision *revision, struct buf *out)
{
    AUTO(mem_free) char *words = revision_words(revision);
    char at[CLOCK_TEXT_MAX];

    clock_iso(at, revision->at);
    buf_addf(out, "%s of %s", words, at);
}

int
show_builds(struct page *page, const struct show *show, struct err *err)
{
    AUTO(bug_builds_clear) struct bug_builds builds = {0};
    AUTO(buf_clear) struct buf since = BUF_INIT;
    AUTO(buf_clear) struct buf last = BUF_INIT;
    AUTO(buf_clear) struct buf release = BUF_INIT;
    char clean[CLOCK_TEXT_MAX];
    int rc = store_bug_builds(show->store, show->bug.id, &builds, err);

    if (rc < 0 || builds.introduced.id == 0) {
        return rc;
    }
    add_dated(&builds.introduced, &since);
    clock_iso(clean, builds.clean_before);
    if (builds.clean_before == 0) {
        buf_adds(&since, ", or before: no older build is known to be clean");
    } else {
        buf_addf(&since, ", and not before %s", clean);
    }
    page_fact(page, "introduced", buf_str(&since), STYLE_PLAIN);
    if (builds.newest.id != builds.introduced.id) {
        add_dated(&builds.newest, &last);
        page_fact(page, "last shown", buf_str(&last), STYLE_PLAIN);
    }
    if (builds.release.id != 0) {
        add_dated(&builds.release, &release);
        page_fact(page, "shipped", buf_str(&release), STYLE_BAD);
    }
    return 0;
}

static json_t *
revision_json(const struct revision *revision)
{
    return revision->id == 0 ? json_null() : revision_to_json(revision);
}

int
show_builds_json(const struct show *show, json_t *object, struct err *err)
{
    AUTO(bug_builds_clear) struct bug_builds builds = {0};
    char clean[CLOCK_TEXT_MAX];
    int rc = store_bug_builds(show->store, show->bug.id, &builds, err);

    if (rc < 0) {
        return rc;
    }
    clock_iso(clean, builds.clean_before);
    json_put(object, "introduced", revision_json(&builds.introduced));
    json_put(object, "clean_before", json_text(builds.clean_before == 0 ? NULL : clean));
    json_put(object, "last_shown", revision_json(&builds.newest));
    json_put(object, "shipped", revision_json(&builds.release));
    return 0;
}
