/* Where targets are started from within: beside process 1 in bubblewrap's namespaces,
 * else each in a sandbox of its own. */
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/corpus/measure_private.h"

int
measure_show(const struct command *command, struct sandbox_policy *policy,
             struct err *err)
{
    AUTO(strv_clear) struct strv shown = {0};

    strv_add_all(&shown, &command->argv);
    strv_add_all(&shown, &command->read);
    return sandbox_add_program(policy, &shown, err);
}

int
measure_place_begin(struct measure_place *place, struct err *err)
{
    place->work = fs_absolute("run");
    return sandbox_mkdir(place->work, err);
}

void
measure_place_clear(struct measure_place *place)
{
    command_clear(&place->command);
    mem_free(place->work);
}

bool
measure_place_is_ours(const struct measure_place *place)
{
    return place->rung == SANDBOX_BWRAP;
}

int
measure_start(const struct measure_place *place, const struct strv *command,
              struct proc_spec *spec, struct proc *out, struct err *err)
{
    AUTO(sandbox_policy_clear) struct sandbox_policy policy = {.cwd = place->work};
    AUTO(strv_clear) struct strv argv = {0};

    spec->argv = command->v;
    spec->cwd = place->work;
    if (measure_place_is_ours(place)) {
        return proc_spawn(spec, out, err);
    }
    strv_add(&policy.write, place->work);
    int rc = measure_show(&place->command, &policy, err);
    rc = rc < 0 ? rc : sandbox_wrap(place->rung, &policy, command, &argv, err);
    spec->argv = argv.v;
    return rc < 0 ? rc : proc_spawn(spec, out, err);
}
