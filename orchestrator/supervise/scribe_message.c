#include "orchestrator/supervise/scribe_message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {[JOB_TRIAGE] = "triage",
                                         [JOB_MINIMIZE] = "minimize",
                                         [JOB_REPORT] = "report",
                                         [JOB_RELEASE] = "release",
                                         [JOB_SANITIZED] = "sanitized"};

static int
parse_kind(const json_t *object, enum job_kind *out, struct err *err)
{
    const char *kind = json_get_str(object, "kind", "");

    for (size_t i = 0; i < COUNT(kind_names); i++) {
        if (strcmp(kind, kind_names[i]) == 0) {
            *out = (enum job_kind)i;
            return 0;
        }
    }
    return err_set(err, -EPROTO, "there is no kind of job '%s'", kind);
}

json_t *
job_to_json(const struct job *job)
{
    json_t *object = json_object();

    json_put(object, "kind", json_string(kind_names[job->kind]));
    json_put(object, "id", json_integer(job->id));
    json_put(object, "crash", json_integer(job->crash));
    json_put(object, "bug", json_integer(job->bug));
    json_put(object, "attempt", json_integer(job->attempt));
    json_put(object, "handed", json_integer(job->handed));
    json_put(object, "request", json_incref(job->request));
    return object;
}

int
job_from_json(json_t *object, struct job *out, struct err *err)
{
    enum job_kind kind = JOB_TRIAGE;
    int rc = parse_kind(object, &kind, err);

    if (rc < 0) {
        return rc;
    }
    *out = (struct job){.kind = kind,
                        .id = json_get_int(object, "id", 0),
                        .crash = json_get_int(object, "crash", 0),
                        .bug = json_get_int(object, "bug", 0),
                        .attempt = (int)json_get_int(object, "attempt", 1),
                        .handed = json_get_int(object, "handed", 0),
                        .interrupted = json_get_bool(object, "interrupted", false),
                        .request = json_incref(json_object_get(object, "request"))};
    return 0;
}

json_t *
job_end_to_json(const struct job_end *end)
{
    const struct job_outcome *outcome = &end->outcome;
    json_t *object = json_object();

    json_put(object, "kind", json_string(kind_names[end->kind]));
    json_put(object, "crash", json_integer(end->crash));
    json_put(object, "died", json_boolean(end->died));
    json_put(object, "bug", json_integer(outcome->bug));
    json_put(object, "new", json_boolean(outcome->bug_is_new));
    json_put(object, "state", json_text(outcome->state));
    json_put(object, "name", json_text(outcome->bug_name));
    json_put(object, "title", json_text(outcome->title));
    json_put(object, "severity", json_string(severity_name(outcome->severity)));
    json_put(object, "reason", json_text(end->reason));
    return object;
}

static void
copy_text(const json_t *object, const char *key, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", json_get_str(object, key, ""));
}

int
job_end_from_json(const json_t *object, struct job_end *end, struct err *err)
{
    struct job_outcome *outcome = &end->outcome;

    *end = (struct job_end){.crash = json_get_int(object, "crash", 0),
                            .died = json_get_bool(object, "died", false),
                            .reason = json_get_str(object, "reason", NULL)};
    outcome->bug = json_get_int(object, "bug", 0);
    outcome->bug_is_new = json_get_bool(object, "new", false);
    copy_text(object, "state", outcome->state, sizeof(outcome->state));
    copy_text(object, "name", outcome->bug_name, sizeof(outcome->bug_name));
    copy_text(object, "title", outcome->title, sizeof(outcome->title));
    int rc = parse_kind(object, &end->kind, err);
    return rc < 0 ? rc
                  : severity_parse(json_get_str(object, "severity", ""),
                                   &outcome->severity, err);
}
