#include "triage/store/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/program.h"
#include "triage/worker.h"

enum {
    BUILDS_FORGET,
    BUILD_PUT,
    BUILDS,
    REPLAY_PUT,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [BUILDS_FORGET] = "UPDATE build SET current = 0 WHERE target = ?1 AND current",
    [BUILD_PUT] =
        "INSERT INTO build(target, kind, path, command, place, first_seen, build_id)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(target, kind, path, build_id) DO"
        " UPDATE SET command = excluded.command, place = excluded.place, current = 1",
    [BUILDS] = "SELECT kind, command FROM build WHERE target = ?1 AND current"
               " AND command IS NOT NULL ORDER BY place, id",
    /* of a build that was registered; the current one of its kind */
    [REPLAY_PUT] =
        "INSERT INTO replay(crash, build, outcome, major, k, n, at)"
        " SELECT ?1, id, ?4, ?5, ?6, ?7, ?8 FROM build"
        " WHERE target = ?2 AND kind = ?3 AND current LIMIT 1"
        " ON CONFLICT(crash, build) DO UPDATE SET outcome = excluded.outcome,"
        " major = excluded.major, k = excluded.k, n = excluded.n, at = excluded.at",
};
const struct store_sql store_build_sql = {sql, STATEMENTS};

/* --- builds --- */

static int
put_build(struct store *store, int64_t target, const struct build_list *builds, size_t at,
          struct err *err)
{
    const struct build *build = &builds->v[at];
    AUTO(json_decref) json_t *how = command_to_json(&build->command);
    AUTO(mem_free) char *text = json_line(how);
    AUTO(mem_free) char *path = str_name_dup(build->command.argv.v[0]);

    AUTO(mem_free) char *id = program_build_id(build->command.argv.v[0]);

    return db_run(store->db, err, sql[BUILD_PUT], "itttiit", target, build->kind, path,
                  text, (int64_t)at, clock_wall_ms(), id == NULL ? "" : id);
}

int
store_put_builds(struct store *store, int64_t target, const struct build_list *builds,
                 struct err *err)
{
    int rc = db_begin(store->db, err);

    if (rc < 0) {
        return rc;
    }
    store->release.after = store->sanitized.after = 0; /* there may be a new one */
    rc = db_run(store->db, err, sql[BUILDS_FORGET], "i", target);
    for (size_t i = 0; i < builds->n && rc == 0; i++) {
        rc = put_build(store, target, builds, i, err);
    }
    rc = rc < 0 ? rc : store_put_target_owner(store, target, builds, err);
    return store_end(store, rc, err);
}

int
store_builds(struct store *store, int64_t target, struct build_list *out, struct err *err)
{
    AUTO(json_decref) json_t *list = json_array();
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[BUILDS], "i", target);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        const char *text = stmt_text(row, 1);
        json_t *how = NULL;
        rc = json_parse(text, strlen(text), &how, err);
        if (rc == 0 && json_array_size(list) < BUILDS_MAX) {
            (void)json_array_append_new(
                list, json_pack("{s:s,s:O}", "kind", stmt_text(row, 0), "command", how));
        }
        json_decref(how);
    }
    stmt_reset(row);
    return rc < 0 ? rc : build_list_from_json(list, out, err);
}

/* Whether a build has anything to say of a crash from this source: an engine's own build
 * found it, or a person gave it and nobody knows which did. */
static bool
concerns(const char *kind, const char *source)
{
    if (strcmp(kind, "release") == 0) {
        return true;
    }
    if (strcmp(source, "aflpp") == 0) {
        return strcmp(kind, "afl") == 0;
    }
    if (strcmp(source, "libfuzzer") == 0) {
        return strcmp(kind, "libfuzzer") == 0;
    }
    return true;
}

int
store_request_builds(struct store *store, int64_t target, const char *source,
                     json_t *request, struct err *err)
{
    const json_t *command = json_object_get(request, "command");
    json_t *others = json_array();
    struct stmt *row = NULL;
    int rc = db_query(store->db, &row, err, sql[BUILDS], "i", target);

    while (rc == 0 && (rc = stmt_step(row, err)) == 1) {
        const char *kind = stmt_text(row, 0);
        const char *text = stmt_text(row, 1);
        json_t *how = NULL;
        rc = json_parse(text, strlen(text), &how, err);
        if (rc == 0 && json_equal(how, command) == 1) {
            json_put(request, "build", json_string(kind));
        } else if (rc == 0 && concerns(kind, source) &&
                   json_array_size(others) < BUILDS_MAX) {
            (void)json_array_append_new(
                others, json_pack("{s:s,s:O}", "kind", kind, "command", how));
        }
        json_decref(how);
    }
    json_put(request, "builds", others);
    return rc < 0 ? rc : 0;
}

/* --- replays --- */

int
store_read_replays(const json_t *object, struct answer *out, struct err *err)
{
    const json_t *array = json_object_get(object, "replays");

    if (json_array_size(array) > COUNT(out->replays)) {
        return err_set(err, -EBADMSG, "'replays' has more than %zu of them",
                       COUNT(out->replays));
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        const char *kind = json_get_str(item, "kind", NULL);
        const char *major = json_get_str(item, "major", "");
        int64_t n = json_get_int(item, "n", -1);
        int64_t k = json_get_int(item, "k", -1);
        struct answer_replay *replay = &out->replays[i];
        *replay =
            (struct answer_replay){.kind = kind == NULL ? NULL : record_build_kind(kind),
                                   .k = (int)k,
                                   .n = (int)n};
        int outcome = store_outcome_find(json_get_str(item, "outcome", ""));
        if ((kind != NULL && replay->kind == NULL) || outcome < 0 || n < 1 ||
            n > WORKER_RUNS_MAX || k < 0 || k > n ||
            strspn(major, "0123456789abcdef") != strlen(major) ||
            strlen(major) >= sizeof(replay->major)) {
            return err_set(err, -EBADMSG, "replays[%zu] makes no sense", i);
        }
        replay->outcome = (enum outcome)outcome;
        memcpy(replay->major, major, strlen(major) + 1);
    }
    out->n_replays = json_array_size(array);
    return 0;
}

int
store_put_replays(struct store *store, int64_t crash, int64_t target,
                  const struct answer *answer, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < answer->n_replays && rc == 0; i++) {
        const struct answer_replay *replay = &answer->replays[i];
        if (replay->kind != NULL) {
            rc = db_run(store->db, err, sql[REPLAY_PUT], "iitttiii", crash, target,
                        replay->kind, store_outcome_name(replay->outcome),
                        replay->major[0] == '\0' ? NULL : replay->major,
                        (int64_t)replay->k, (int64_t)replay->n, clock_wall_ms());
        }
    }
    return rc;
}
