#!/bin/bash
# `slo export`: promtool proves the rules on synthetic series, every metric that rules and dashboard name is published,
# and a campaign whose fuzzer stops working is seen in all of them.
. "$(dirname "$0")/lib.sh"

command -v promtool >/dev/null || { skip "slo export" "promtool is not there: scripts/bootstrap test"; finish; }
printf '==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000011\nWRITE of size 1 at 0x602000000011 thread T0\n    #0 0x1 in f /a.c:1\n' >report
ok "a bug" "$NIGHTJAR" triage --reports report
exits 0 "rules and dashboard" "$NIGHTJAR" slo export --dir out
is "are two files" "$(xargs -n 1 basename <"$OUT" | xargs)" "nightjar-rules.yml nightjar-dashboard.json"
ok "promtool finds nothing to say of the rules" promtool check rules out/nightjar-rules.yml
"$NIGHTJAR" slo export >printed
ok "without a folder they are printed" cmp printed out/nightjar-rules.yml
exits 2 "a folder without export" "$NIGHTJAR" slo --dir out

# --- every metric that is named exists ---

"$NIGHTJAR" push metrics --print >text
grep -oE '^# TYPE nightjar_[a-z_]+ [a-z]+' text | while read -r _ _ name type; do
  echo "$name"
  [ "$type" = histogram ] && printf '%s\n' "${name}_bucket" "${name}_count" "${name}_sum"
done | sort -u >published
jq -r '.. | .expr? // empty' out/nightjar-dashboard.json >dashboard.exprs
{ grep -E '^ +expr:' out/nightjar-rules.yml; cat dashboard.exprs; } | grep -oE 'nightjar_[a-z_]+' | sort -u >named
is "no rule and no panel names one that is not published" "$(comm -13 published named | xargs)" ""
is "the dashboard has all of them" "$(sed -E 's/_(bucket|count|sum)$//' named | sort -u | comm -13 - <(grep -oE '^# TYPE nightjar_[a-z_]+' text | cut -d' ' -f3 | sort -u) | xargs)" ""
is "and what it reads of the rules is recorded there" \
  "$(grep -oE 'slo:[a-z_:0-9]+' dashboard.exprs | sort -u | while read -r name; do grep -q "record: $name\$" out/nightjar-rules.yml || echo "$name"; done)" ""
is "each panel has its place and number" "$(jq '[.panels[].id] | (length == (unique | length)) and length > 50' out/nightjar-dashboard.json)" true
is "and overlaps no other" "$(jq '[.panels[].gridPos | . as $p | range(.w) | [$p.x + ., $p.y]] | length == (unique | length)' out/nightjar-dashboard.json)" true

# --- the rules on series that a person made up ---

# Shares are of powers of two, since promtool compares values exactly.
cat >test.yml <<'Y'
rule_files: [out/nightjar-rules.yml]
evaluation_interval: 5m
tests:
  - name: a target is not fuzzed for an hour
    interval: 1m
    input_series:
      - {series: 'nightjar_control_slices_total{target="png",result="good"}', values: '0+1x100 100x60 100+1x120'}
      - {series: 'nightjar_control_slices_total{target="png",result="bad"}', values: '0x100 0+1x60 60x120'}
      - {series: 'nightjar_control_slices_total{target="zip",result="good"}', values: '0+1x280'}
      - {series: 'nightjar_control_slices_total{target="zip",result="bad"}', values: '0x280'}
    alert_rule_test:
      - {eval_time: 90m, alertname: NightjarControlHealthPage, exp_alerts: []}
      - eval_time: 115m
        alertname: NightjarControlHealthPage
        exp_alerts: &down
          - exp_labels: {severity: page, target: png, sloth_id: nightjar-control-health, sloth_service: nightjar, sloth_slo: control-health}
            exp_annotations: {summary: png is not being fuzzed as it should be}
      - {eval_time: 210m, alertname: NightjarControlHealthPage, exp_alerts: []}
  - name: one minute in 256 is bad, for days
    interval: 1m
    input_series:
      - {series: 'nightjar_control_slices_total{target="png",result="good"}', values: '0+255x300'}
      - {series: 'nightjar_control_slices_total{target="png",result="bad"}', values: '0+1x300'}
    promql_expr_test:
      - expr: slo:sli_error:ratio_rate1h{sloth_slo="control-health"}
        eval_time: 280m
        exp_samples:
          - {labels: 'slo:sli_error:ratio_rate1h{target="png",sloth_id="nightjar-control-health",sloth_service="nightjar",sloth_slo="control-health"}', value: 0.00390625}
    alert_rule_test:
      - {eval_time: 280m, alertname: NightjarControlHealthPage, exp_alerts: []}
      - eval_time: 280m
        alertname: NightjarControlHealthTicket
        exp_alerts:
          - exp_labels: {severity: ticket, target: png, sloth_id: nightjar-control-health, sloth_service: nightjar, sloth_slo: control-health}
            exp_annotations: {summary: png is not being fuzzed as it should be}
  - name: half of the workers are idle, and half of the bugs are told late
    interval: 1m
    input_series:
      - {series: 'nightjar_fuzz_scheduled_seconds_total{target="png"}', values: '0+64x100'}
      - {series: 'nightjar_fuzz_seconds_total{target="png"}', values: '0+32x100'}
      - {series: 'nightjar_bug_detection_duration_seconds_count{severity="high",clock="pipeline"}', values: '0+2x100'}
      - {series: 'nightjar_bug_detection_duration_seconds_bucket{severity="high",clock="pipeline",le="300"}', values: '0+1x100'}
    promql_expr_test:
      - expr: slo:sli_error:ratio_rate5m{sloth_slo=~"capacity|notification"}
        eval_time: 90m
        exp_samples:
          - {labels: 'slo:sli_error:ratio_rate5m{sloth_id="nightjar-capacity",sloth_service="nightjar",sloth_slo="capacity"}', value: 0.5}
          - {labels: 'slo:sli_error:ratio_rate5m{sloth_id="nightjar-notification",sloth_service="nightjar",sloth_slo="notification"}', value: 0.5}
    alert_rule_test:
      - eval_time: 90m
        alertname: NightjarCapacityPage
        exp_alerts:
          - exp_labels: {severity: page, sloth_id: nightjar-capacity, sloth_service: nightjar, sloth_slo: capacity}
            exp_annotations: {summary: workers do not fuzz for as long as they should}
      - eval_time: 90m
        alertname: NightjarNotificationPage
        exp_alerts:
          - exp_labels: {severity: page, sloth_id: nightjar-notification, sloth_service: nightjar, sloth_slo: notification}
            exp_annotations: {summary: from a crash to a message takes too long}
  - name: the breach budget
    interval: 10m
    input_series:
      - {series: nightjar_breach_burn_rate, values: '0.5x100 8x100'}
      - {series: nightjar_breach_budget_remaining_ratio, values: '1x100 0.25x50 0x50'}
    alert_rule_test:
      - {eval_time: 990m, alertname: NightjarBreachBudgetBurnPage, exp_alerts: []}
      - {eval_time: 1030m, alertname: NightjarBreachBudgetBurnPage, exp_alerts: []}
      - eval_time: 1400m
        alertname: NightjarBreachBudgetBurnPage
        exp_alerts: [{exp_labels: {severity: page}, exp_annotations: {summary: open bugs exhaust the breach budget within a week}}]
      - eval_time: 1400m
        alertname: NightjarBreachBudgetHalf
        exp_alerts: [{exp_labels: {severity: info}, exp_annotations: {summary: half of the breach budget is spent}}]
      - {eval_time: 1400m, alertname: NightjarBreachBudgetExhausted, exp_alerts: []}
      - eval_time: 1700m
        alertname: NightjarBreachBudgetExhausted
        exp_alerts: [{exp_labels: {severity: ticket}, exp_annotations: {summary: 'the breach budget is exhausted: nightjar slo tells what would refill it'}}]
  - name: signs of life, queues, coverage, deadlines
    interval: 1m
    input_series:
      - {series: nightjar_heartbeat_timestamp_seconds, values: '0+60x10 600x20 0x30'}
      - {series: 'nightjar_triage_oldest_timestamp_seconds{step="ingest"}', values: '0x10 600x50'}
      - {series: 'nightjar_outbox_oldest_timestamp_seconds{sink="ops"}', values: '60x60'}
      - {series: 'nightjar_outbox_events{sink="ops",state="dead"}', values: '0x10 1x50'}
      - {series: 'nightjar_coverage_dropped{target="png"}', values: '0x10 1x50'}
      - {series: 'nightjar_bug_patch_deadline_total{severity="high",result="missed"}', values: '0x10 1x50'}
      - {series: nightjar_alerts, values: '15x80'}
    alert_rule_test:
      - {eval_time: 10m, alertname: NightjarHeartbeat, exp_alerts: []}
      - eval_time: 25m
        alertname: NightjarHeartbeat
        exp_alerts: [{exp_labels: {severity: page}, exp_annotations: {summary: a campaign that did not end tells nothing any more}}]
      - {eval_time: 40m, alertname: NightjarHeartbeat, exp_alerts: []}
      - {eval_time: 20m, alertname: NightjarTriageBacklog, exp_alerts: []}
      - eval_time: 40m
        alertname: NightjarTriageBacklog
        exp_alerts: [{exp_labels: {severity: ticket, step: ingest}, exp_annotations: {summary: crashes wait to be triaged}}]
      - {eval_time: 30m, alertname: NightjarOutboxAge, exp_alerts: []}
      - eval_time: 40m
        alertname: NightjarOutboxAge
        exp_alerts: [{exp_labels: {severity: ticket, sink: ops}, exp_annotations: {summary: ops is not told what happens}}]
      - eval_time: 20m
        alertname: NightjarOutboxDead
        exp_alerts: [{exp_labels: {severity: ticket, sink: ops, state: dead}, exp_annotations: {summary: 'ops refused messages: nightjar outbox lists them'}}]
      - eval_time: 20m
        alertname: NightjarCoverageDropped
        exp_alerts: [{exp_labels: {severity: ticket, target: png}, exp_annotations: {summary: 'the coverage of png dropped: nightjar coverage --history'}}]
      - eval_time: 20m
        alertname: NightjarDeadlineMissed
        exp_alerts: [{exp_labels: {severity: ticket, result: missed}, exp_annotations: {summary: a bug of severity high was not fixed by its deadline}}]
      - eval_time: 75m
        alertname: NightjarAlertFatigue
        exp_alerts: [{exp_labels: {severity: info}, exp_annotations: {summary: more alerts in a week than anybody reads}}]
  - name: alerts that Prometheus itself sent, one of them twice
    interval: 1m
    input_series:
      - {series: 'ALERTS_FOR_STATE{alertname="NightjarCapacityPage",severity="page"}', values: '60x20 _x20 3600x40'}
      - {series: 'ALERTS_FOR_STATE{alertname="NightjarOutboxAge",severity="ticket",sink="ops"}', values: '120x80'}
      - {series: 'ALERTS_FOR_STATE{alertname="NightjarBuildOld",severity="info",target="png"}', values: '120x80'}
      - {series: 'ALERTS_FOR_STATE{alertname="Other",severity="page"}', values: '120x80'}
    promql_expr_test:
      - {expr: 'slo:alerts_fired:count7d', eval_time: 75m, exp_samples: [{labels: 'slo:alerts_fired:count7d', value: 3}]}
  - name: a waiver that ends in six days, and one later
    interval: 1m
    input_series:
      - {series: 'nightjar_waiver_next_expiry_timestamp_seconds{instance="a"}', values: '518400x80'}
      - {series: 'nightjar_waiver_next_expiry_timestamp_seconds{instance="b"}', values: '864000x80'}
      - {series: 'nightjar_waiver_next_expiry_timestamp_seconds{instance="c"}', values: '0x80'}
    alert_rule_test:
      - eval_time: 75m
        alertname: NightjarWaiverEnds
        exp_alerts: [{exp_labels: {severity: info, instance: a}, exp_annotations: {summary: a waiver of the gate ends within a week}}]
Y
ok "promtool proves them on made-up series" promtool test rules test.yml
sed 's/13\.44/1344/g; s/> 5\.6 /> 560 /g' out/nightjar-rules.yml >blunt.yml
sed 's,out/nightjar-rules.yml,blunt.yml,' test.yml >blunt-test.yml
not "and finds out those that do not alert" promtool test rules blunt-test.yml

printf 'slo: {notify_within: 20m, alerts: 5}\n' >nightjar.yaml
"$NIGHTJAR" slo export >printed
has "limits are those of nightjar.yaml" printed "or vector(0)) > 5'"
has "a bound that no bucket has is the next below it" printed 'le=~"900'
rm nightjar.yaml

if command -v amtool >/dev/null; then
  cat >alertmanager.yml <<'Y'
route:
  receiver: day
  routes: [{matchers: [severity="page"], receiver: night, repeat_interval: 1h}]
receivers: [{name: day}, {name: night}]
Y
  ok "Alertmanager takes routes by these severities" amtool check-config alertmanager.yml
  is "a page goes where pages go" "$(amtool config routes test --config.file alertmanager.yml severity=page)" night
else
  skip "Alertmanager" "amtool is not there: scripts/bootstrap test"
fi

# --- a real campaign: one fuzzer works, one is killed again and again ---

cat >fuzz.c <<'C'
#include <stddef.h>
#include <stdint.h>
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    volatile int seen = 0;
    for (size_t i = 0; i < size && i < 4; i++) {
        seen += data[i] == "good"[i];
    }
    return 0;
}
C
clang-14 -g -O1 -fsanitize=address,fuzzer -o fine fuzz.c || { fail "compile the fuzz target"; finish; }
printf '#include <stdlib.h>\nint LLVMFuzzerInitialize(int *n, char ***v) { (void)n; (void)v; exit(1); }\n' >broken.c
clang-14 -g -O1 -fsanitize=address,fuzzer -o broken fuzz.c broken.c || { fail "compile the broken target"; finish; }
ok "a campaign" "$NIGHTJAR" --state farm fuzz "$WORK/fine" "$WORK/broken" --jobs 2 --for 11s
"$NIGHTJAR" --state farm slo --json >slo.json
is "the target that works has a good minute, the other a bad one" "$(jq -c '[.control.good_minutes, .control.bad_minutes]' slo.json)" "[1,1]"
is "for its build is broken" "$(jq '.control.bad_minutes_by_cause.build + .control.bad_minutes_by_cause.no_worker' slo.json)" 1
is "about half of the capacity was used" "$(jq '.control.capacity > 0.3 and .control.capacity < 0.7' slo.json)" true
exits 0 "for a person" "$NIGHTJAR" --state farm slo
has "too" "$OUT" "control            50.00 % of 2 target minutes good, 99.9 % wanted"
"$NIGHTJAR" --state farm push metrics --print >text
has "the numbers say so" text 'nightjar_control_slices_total{target="fine",result="good"} 1'
has "of both" text 'nightjar_control_slices_total{target="broken",result="bad"} 1'
is "time that was used is no more than was meant" \
  "$(awk '/^nightjar_fuzz_seconds_total/ {u += $2} /^nightjar_fuzz_scheduled_seconds_total/ {m += $2} END {print (u > 0 && u < m)}' text)" 1
is "no heartbeat is missed of a campaign that ended" "$(awk '/^nightjar_heartbeat_timestamp_seconds/ {print $2}' text)" 0
finish
