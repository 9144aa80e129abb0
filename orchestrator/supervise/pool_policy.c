#include "orchestrator/supervise/pool_policy.h"

#include "base/json.h"
#include "base/mem.h"

void
pool_policy_clear(struct pool_policy *policy)
{
    mem_free(STEAL(policy->program));
    strv_clear(&policy->hide);
    strv_clear(&policy->keys);
    sandbox_policy_clear(&policy->shown);
}

/* Two commands with the same arguments and the same further files show the same. */
static char *
key_of(const struct command *command)
{
    AUTO(json_decref) json_t *whole = command_to_json(command);
    AUTO(json_decref) json_t *key = json_object();

    json_put(key, "argv", json_incref(json_object_get(whole, "argv")));
    json_put(key, "read", json_incref(json_object_get(whole, "read")));
    return json_line(key);
}

size_t
pool_policy_know(struct pool_policy *policy, const struct command *command)
{
    AUTO(mem_free) char *key = key_of(command);
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < policy->keys.n; i++) {
        if (strcmp(policy->keys.v[i], key) == 0) {
            return i + 1;
        }
    }
    strv_add(&policy->keys, key);
    (void)sandbox_add_program(&policy->shown, &command->argv, &ignored);
    strv_add_all(&policy->shown.read, &command->read);
    return policy->keys.n;
}

int
pool_policy_wrap(const struct pool_policy *policy, const char *folder, struct strv *argv,
                 struct err *err)
{
    AUTO(sandbox_policy_clear)
    struct sandbox_policy whole = {.cwd = folder, .nested = true};
    AUTO(strv_clear) struct strv command = {0};

    strv_add(&whole.read, policy->program);
    strv_add_all(&whole.read, &policy->shown.read);
    strv_add_all(&whole.hide, &policy->hide);
    strv_add(&whole.write, folder);
    strv_add(&command, policy->program);
    strv_add(&command, "triage-worker");
    strv_add(&command, "--sandbox");
    strv_add(&command, sandbox_rung_name(policy->rung == SANDBOX_NONE ? SANDBOX_NONE
                                                                      : SANDBOX_AUTO));
    for (size_t i = 0; i < policy->hide.n; i++) {
        strv_add(&command, "--hide");
        strv_add(&command, policy->hide.v[i]);
    }
    return sandbox_wrap(policy->rung, &whole, &command, argv, err);
}
