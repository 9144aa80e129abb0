/* Does a program run at all? Asked before anything else is run on it: a harness that
 * hangs would take its limit of time, twice, for each input that is known. */
#include "orchestrator/cmd/ci.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "orchestrator/supervise/solo.h"
#include "triage/vitals.h"

enum { INPUTS = 2, HEALTH_MS = 5000 };

/* One of the two may well be a bug of its own. */
static const char *const inputs[INPUTS] = {"", "nightjar"};

static json_t *
request_of(const struct ci *ci, const struct target *target,
           const struct command *command)
{
    json_t *request = json_object();
    json_t *options = json_object();

    json_put(options, "fuzz_target", json_text(target->name));
    json_put(options, "ooms_and_hangs", json_true());
    json_put(options, "asserts_are_security",
             json_boolean(ci->config->triage.asserts_are_security));
    json_put(options, "checks_are_security",
             json_boolean(ci->config->triage.checks_are_security));
    json_put(options, "ignore_frames", json_array());
    json_put(request, "op", json_string("triage"));
    json_put(request, "command", command_to_json(command));
    json_put(request, "options", options);
    json_put(request, "runs", json_integer(1));
    return request;
}

/* NULL: it runs. Else why not, constant. */
static const char *
read_answers(json_t *const *answers)
{
    const char *why = NULL;

    for (size_t i = 0; i < INPUTS; i++) {
        const char *outcome = json_get_str(answers[i], "outcome", "broken");
        if (strcmp(outcome, "timeout") == 0) {
            why = "it hangs, whatever the input";
        } else if (strcmp(outcome, "broken") == 0) {
            why = "it does not run";
        } else {
            return NULL;
        }
    }
    return why;
}

static int
ask(struct ci *ci, struct solo *solo, struct target *target, const char **why,
    struct err *err)
{
    AUTO(command_clear) struct command command = {0};
    json_t *requests[INPUTS] = {NULL};
    json_t *answers[INPUTS] = {NULL};
    struct buf bytes[INPUTS] = {BUF_INIT, BUF_INIT};
    struct err own = ERR_INIT;

    if (target_command(target, &command, &own) < 0) {
        *why = "none of its builds can be run";
        return 0;
    }
    command.timeout_ms = command.timeout_ms < HEALTH_MS ? command.timeout_ms : HEALTH_MS;
    for (size_t i = 0; i < INPUTS; i++) {
        requests[i] = request_of(ci, target, &command);
        buf_adds(&bytes[i], inputs[i]);
    }
    int rc = solo_run(solo, requests, bytes, INPUTS, answers, &own);
    *why = rc < 0 ? "whoever runs it died of it" : read_answers(answers);
    for (size_t i = 0; i < INPUTS; i++) {
        json_decref(requests[i]);
        json_decref(answers[i]);
        buf_clear(&bytes[i]);
    }
    return rc == -ECANCELED ? err_set(err, rc, "%s", own.msg) : 0;
}

int
ci_health(struct ci *ci, struct err *err)
{
    AUTO(strv_clear) struct strv hide = {0};
    AUTO(solo_free) struct solo *solo = NULL;
    const struct solo_config config = {.rung = ci->rung, .jobs = INPUTS, .hide = &hide};
    size_t kept = 0;

    if (ci->chosen.n == 0) {
        return 0;
    }
    strv_add(&hide, store_folder(ci->store));
    int rc = solo_new(&config, &solo, err);
    for (size_t i = 0; i < ci->chosen.n && rc == 0; i++) {
        struct target *target = ci->chosen.v[i];
        const char *why = NULL;
        rc = ask(ci, solo, target, &why, err);
        if (why == NULL) {
            ci->chosen.v[kept++] = target;
            rc = rc < 0 ? rc
                        : store_vital_put(ci->store, VITAL_CANARY, target->name,
                                          clock_wall_ms(), err);
        } else {
            ci_did_not_run(ci, target->name, why);
        }
    }
    ci->chosen.n = rc < 0 ? ci->chosen.n : kept;
    return rc;
}
