#!/bin/bash
# From a fuzzer that stands still to a person: `serve` is scraped by a real Prometheus with the rules of `slo export`,
# which alerts a real Alertmanager, which tells a webhook; how many alerts there were is recorded as well.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2317 # functions are called by retry and the like
. "$(dirname "$0")/lib.sh"

for tool in prometheus prometheus-alertmanager; do
  command -v "$tool" >/dev/null && continue
  skip "alerts" "$tool is not there: scripts/bootstrap test"
  finish
done
printf '==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000011\nWRITE of size 1 at 0x602000000011 thread T0\n    #0 0x1 in f /a.c:1\n' >report
ok "a bug" "$NIGHTJAR" triage --reports report
ok "rules" "$NIGHTJAR" slo export --dir rules

receiver night
cat >alertmanager.yml <<Y
route:
  receiver: day
  group_by: [alertname, target]
  group_wait: 0s
  group_interval: 1s
  routes: [{matchers: [severity="page"], receiver: night}]
receivers:
  - name: day
  - name: night
    webhook_configs: [{url: "http://127.0.0.1:$PORT/", send_resolved: false}]
Y
# Debian's reads its templates from there, where a package that is merely unpacked has none; a webhook needs none.
alert=(prometheus-alertmanager)
if [ ! -e /usr/share/prometheus/alertmanager ]; then
  mkdir -p share/prometheus/alertmanager
  touch share/prometheus/alertmanager/{default,email}.tmpl
  alert=(bwrap --dev-bind / / --ro-bind share /usr/share "${alert[@]}")
fi
serve alertmanager /-/ready "${alert[@]}" --config.file=alertmanager.yml --storage.path=alerts \
  --web.listen-address=127.0.0.1:PORT --cluster.listen-address=
alertmanager=127.0.0.1:$PORT
start "$NIGHTJAR" serve --listen 127.0.0.1:0 >serve.out
retry 10 grep -q http serve.out
nightjar=$(sed -n 's,.*http://\([^/]*\)/.*,\1,p' serve.out)
cat >prometheus.yml <<Y
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules/nightjar-rules.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ["$alertmanager"]}]}]}
scrape_configs: [{job_name: nightjar, static_configs: [{targets: ["$nightjar"]}]}]
Y
serve prometheus /-/ready prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:PORT
prometheus=http://127.0.0.1:$PORT
value() { # QUERY
  curl -s "$prometheus/api/v1/query" --data-urlencode "query=$1" | jq -r '.data.result[0].value[1] // empty'
}
scraped() { [ "$(value 'up{job="nightjar"}')" = 1 ] && [ -n "$(value 'nightjar_bugs{state="new",severity="high"} == 1')" ]; }
ok "Prometheus scrapes nightjar" retry 20 scraped
is "no rule fails" "$(curl -s "$prometheus/api/v1/rules" | jq '[.data.groups[].rules[] | select(.health == "err")] | length')" 0
is "nobody is woken" "$(find night -name '*.body' | wc -l)" 0

# A target's minutes, as a campaign tells of them: from now on all are bad.
bad() {
  sqlite3 .nightjar/nightjar.db "INSERT INTO counter VALUES('control_slices_total', '{\"target\":\"reports\",\"result\":\"bad\"}', 1)
    ON CONFLICT DO UPDATE SET value = value + 1"
}
began=$(date +%s)
woken() { bad && grep -qs NightjarControlHealthPage night/1.body; }
ok "a target that stands still wakes somebody" retry 40 woken
has "in words" night/1.body "is not being fuzzed as it should be"
is "who can tell by its labels where it belongs" "$(jq -r '.alerts[0] | .status, .labels.severity, .labels.sloth_slo, .labels.target' night/1.body | xargs)" \
  "firing page control-health reports"
starts=$(date -d "$(jq -r '.alerts[0].startsAt' night/1.body)" +%s)
ok "who knows since when" test "$starts" -ge "$((began - 1))" -a "$starts" -le "$(date +%s)"
counted() { [ "$(value 'slo:alerts_fired:count7d >= bool 1')" = 1 ]; } # a ticket may be beside the page
ok "alerts of a week are recorded" retry 20 counted
latency() { curl -s "http://$alertmanager/metrics" | awk '/^alertmanager_notification_latency_seconds_count{.*webhook/ { n += $NF } END { exit !(n > 0) }'; }
ok "and so is how long it took to tell them" retry 10 latency
finish
