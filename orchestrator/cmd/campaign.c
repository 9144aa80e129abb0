#include "orchestrator/cmd/campaign.h"

#include <stdio.h>

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

int
campaign_sandbox(const struct config *config, const char *rung_name,
                 enum sandbox_rung *out, struct err *err)
{
    enum sandbox_rung wanted = config->sandbox;
    AUTO(buf_clear) struct buf why = BUF_INIT;
    int rc = rung_name == NULL ? 0 : sandbox_rung_parse(rung_name, &wanted, err);

    rc = rc < 0 ? rc : sandbox_choose(wanted, out, &why, err);
    if (rc == 0 && why.len > 0) {
        (void)fprintf(stderr, "sandbox %s: %s\n", sandbox_rung_name(*out), buf_str(&why));
    }
    return rc;
}
