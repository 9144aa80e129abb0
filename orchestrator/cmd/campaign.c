#include "orchestrator/cmd/campaign.h"

enum { JOBS_MAX = 1024 };

void
campaign_configure(const struct config *config, const struct target_list *targets,
                   int64_t for_ms, int64_t jobs, struct supervisor_config *out)
{
    int64_t most = jobs > 0 ? jobs : config->jobs;

    *out = (struct supervisor_config){
        .targets = targets,
        .for_ms = for_ms,
        .jobs = (int)(most < 1          ? 1
                      : most > JOBS_MAX ? JOBS_MAX
                                        : most),
        .triage_jobs = config->triage.jobs > 0 ? (int)config->triage.jobs : 1,
        .runs = (int)config->triage.runs,
        .minimize_ms = config->triage.minimize_ms,
        .ooms_and_hangs = config->triage.ooms_and_hangs,
        .asserts_are_security = config->triage.asserts_are_security,
        .checks_are_security = config->triage.checks_are_security,
        .keep = config->triage.keep,
        .cross = config->exchange.cross,
        .disk = config->disk,
    };
}
