/*
 * The service level objectives for who has Prometheus and Grafana: recording and alert
 * rules, and a dashboard. Both name only metrics of the catalog, and follow the policy of
 * nightjar.yaml.
 *
 * Alerts are of several windows and burn rates (Google, SRE Workbook, chapter 5) for a
 * window of 28 days: 2 % of the budget within 1 h (13.44) or 5 % within 6 h (5.6) call
 * somebody, 10 % within 1 d (2.8) or 3 d (0.933) are a ticket; each only while a window
 * of a twelfth shows it, too, so that it ends when its cause does. Recorded series have
 * the names and labels of Sloth, whose dashboards read them.
 */
#ifndef ORCHESTRATOR_PUBLISH_SLO_EXPORT_H
#define ORCHESTRATOR_PUBLISH_SLO_EXPORT_H

#include "base/buf.h"
#include "base/json.h"
#include "orchestrator/gate/slo.h"

/* Rules as YAML, a file for `rule_files:`; appends. */
void slo_rules_print(const struct slo_policy *policy, struct buf *out);

/* Grafana's JSON model of a dashboard; new reference. */
json_t *dashboard_json(void);

#endif
