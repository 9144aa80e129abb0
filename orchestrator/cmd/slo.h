/* The commands of `nightjar slo`. */
#ifndef ORCHESTRATOR_CMD_SLO_H
#define ORCHESTRATOR_CMD_SLO_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"

/* Print it for a person, or as one JSON object. */
void slo_print(const struct cmd_context *context, const struct slo_policy *policy,
               const struct slo *slo, const struct slo_parts *parts);
void slo_print_json(const struct slo_policy *policy, const struct slo *slo,
                    const struct slo_parts *parts);

/* What time brings about (gate/slo.h), into the store of the context; what fails is told
 * by nobody, since whoever looks next tries again. */
void slo_note_now(const struct cmd_context *context, const struct slo_policy *policy);

#endif
