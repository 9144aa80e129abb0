#!/bin/bash
# `push metrics` to real receivers: Pushgateway, Prometheus and VictoriaMetrics by remote write, OpenTelemetry's
# own definition, node_exporter's file. A sink that is dead or does not answer keeps no other waiting.
. "$(dirname "$0")/lib.sh"

for tool in prometheus-pushgateway prometheus promtool victoria-metrics protoc; do
  command -v "$tool" >/dev/null && continue
  skip "push metrics" "$tool is not there: scripts/bootstrap test"
  finish
done

cat >crash.c <<'C'
#include <stdio.h>
#include <stdlib.h>
int
main(int argc, char **argv)
{
    FILE *file = fopen(argv[argc - 1], "rb");
    char *heap = malloc(8);
    heap[file == NULL ? 0 : fgetc(file)] = 1;
    return 0;
}
C
clang-14 -g -O0 -fsanitize=address -o crash crash.c || { fail "compile the target"; finish; }
mkdir inputs
printf '\010' >inputs/1
ok "a heap write is triaged" "$NIGHTJAR" triage inputs -- "$WORK/crash" @@

# --- texts ---

"$NIGHTJAR" push metrics --print >text
ok "promtool finds nothing to say" promtool check metrics <text
has "the bug is counted" text 'nightjar_bugs_detected_total{target="crash",severity="high"} 1'
"$NIGHTJAR" push metrics --print --openmetrics >openmetrics
is "OpenMetrics says where it ends" "$(tail -n 1 openmetrics)" "# EOF"
has "and names a counter's family without _total" openmetrics "# TYPE nightjar_bugs_detected counter"
exits 0 "a file for node_exporter" "$NIGHTJAR" push metrics --sink textfile --to out.prom
is "holds the same series" "$(grep -c ^nightjar out.prom)" "$(grep -c ^nightjar text)"
is "and may be read by it" "$(stat -c %a out.prom)" 644

# --- Pushgateway ---

serve pushgateway /-/ready prometheus-pushgateway --web.listen-address=127.0.0.1:PORT --log.level=error
gateway=http://127.0.0.1:$PORT
exits 0 "to a Pushgateway" "$NIGHTJAR" push metrics --to "$gateway" --instance 'branch/a b'
curl -s "$gateway/metrics" >pushed
has "bugs arrived, with the grouping labels" pushed 'instance="branch/a b"'
is "the high bug is counted" "$(grep -c '^nightjar_bugs{.*severity="high".*state="new".* 1$' pushed)" 1
is "the gateway saw no failure" "$(awk '/^push_failure_time_seconds/ {s += $NF} END {print s + 0}' pushed)" 0

# --- remote write ---

echo 'global: {scrape_interval: 1h}' >prometheus.yml
serve prometheus /-/ready prometheus --config.file=prometheus.yml --storage.tsdb.path=prometheus.data \
  --web.listen-address=127.0.0.1:PORT --web.enable-remote-write-receiver
prometheus=http://127.0.0.1:$PORT
# the value of a series at a receiver
value() { # URL QUERY
  curl -s "$1/api/v1/query" --data-urlencode "query=$2" | jq -r '.data.result[0].value[1]'
}
bug='nightjar_bugs{target="crash",severity="high",state="new"}'
exits 0 "remote write to Prometheus" "$NIGHTJAR" push metrics --sink remote_write --to "$prometheus/api/v1/write" --instance farm1
# shellcheck disable=SC2317 # called by retry
arrived() { [ "$(value "$1" "$bug")" = 1 ]; }
ok "the bug arrived" retry 10 arrived "$prometheus"
is "every series did" "$(curl -s "$prometheus/api/v1/series" --data-urlencode 'match[]={job="nightjar",instance="farm1"}' | jq '.data | length')" \
  "$(grep -c ^nightjar text)"

serve victoria /health victoria-metrics -httpListenAddr=127.0.0.1:PORT -storageDataPath=victoria.data -search.latencyOffset=0s
victoria=http://127.0.0.1:$PORT
exits 0 "remote write to VictoriaMetrics" "$NIGHTJAR" push metrics --sink remote_write --to "$victoria/api/v1/write"
curl -s "$victoria/internal/force_flush" # what is new is kept from queries for a while
ok "the bug arrived there too" retry 10 arrived "$victoria"

exits 3 "a receiver that takes no remote write is an error" "$NIGHTJAR" push metrics --sink remote_write --to "$gateway/api/v1/write"
has "with its status" "$ERR" "HTTP status 404"

# A clock that is ahead: what is from the future would hide all that comes until then.
if command -v faketime >/dev/null; then
  ok "a clock that is an hour ahead" env FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f '+1h' \
    "$NIGHTJAR" push metrics --sink remote_write --to "$prometheus/api/v1/write" --instance ahead
  newest=$(value "$prometheus" 'max(timestamp(nightjar_bugs{instance="ahead"}))')
  ok "writes no sample of the future" awk -v newest="$newest" -v now="$(date +%s)" 'BEGIN { exit !(newest > 0 && newest <= now + 1) }'
else
  skip "a clock that is ahead" "faketime is not installed: scripts/bootstrap test"
fi

# A series that is gone is ended, rather than shown for five minutes more.
sqlite3 .nightjar/nightjar.db "UPDATE target SET name = 'renamed'"
exits 0 "a target has another name" "$NIGHTJAR" push metrics --sink remote_write --to "$prometheus/api/v1/write" --instance farm1
# shellcheck disable=SC2317 # called by retry
moved() { [ "$(value "$prometheus" "count by (target) (nightjar_bugs{instance=\"farm1\"})")" = "$(grep -c '^nightjar_bugs{' text)" ] && [ "$(value "$prometheus" 'count(nightjar_bugs{target="crash",instance="farm1"}) or vector(0)')" = 0 ]; }
ok "the old one's series ended with it" retry 10 moved
sqlite3 .nightjar/nightjar.db "UPDATE target SET name = 'crash'"

# --- what is sent again, and what is not ---

tries() { # NAME ANSWERS SINK WANTED-EXIT: how many requests came
  receiver "$1" "$2"
  exits "$4" "$1: $2" "$NIGHTJAR" push metrics --sink "$3" --to "http://127.0.0.1:$PORT/" --timeout 5s
  count=$(find "$1" -name '*.body' | wc -l)
}
tries busy 503/1,200 otlp 0
is "is tried again when it may be" "$count" 2
ok "with the same" cmp busy/1.body busy/2.body
tries wrong 400 otlp 3
is "is not" "$count" 1
tries pause 429/120 otlp 3
is "is left alone" "$count" 1
has "as it asked" "$ERR" "it wants to be left alone for 120 s"
exits 3 "until then" "$NIGHTJAR" push metrics --sink otlp --to "http://127.0.0.1:$PORT/"
is "nothing is sent" "$(find pause -name '*.body' | wc -l)" 1
receiver partial
echo '{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}' >partial/answer
exits 3 "a part was refused" "$NIGHTJAR" push metrics --sink otlp --to "http://127.0.0.1:$PORT/"
has "as it says" "$ERR" "it refused 3 data points: too old"
is "and the rest is not sent again" "$(find partial -name '*.body' | wc -l)" 1
tries write 200,500,200 remote_write 0
is "remote write: the time, a first batch twice, a second" "$count" 4
tries refused 200,400,200 remote_write 3
is "one batch that is refused takes no other with it" "$count" 3
"$NIGHTJAR" push metrics --print >text
has "what failed is counted" text 'nightjar_push_total{sink="remote_write",result="failed"} 2'
ok "what went well has a time" grep -q '^nightjar_push_last_success_timestamp_seconds{sink="otlp"} 1' text

# --- OpenTelemetry ---

receiver otlp
exits 0 "to an OpenTelemetry receiver" "$NIGHTJAR" push metrics --sink otlp --to "http://127.0.0.1:$PORT/v1/metrics"
ok "protobuf reads it by OpenTelemetry's definition" /usr/bin/python3 "$HERE/otlp.py" "$TOP/build/tools/protos" otlp/1.body
has "a counter is a sum" "$OUT" "nightjar.bugs.detected - sum"
has "its unit stands beside the name" "$OUT" "nightjar.push.timestamp s gauge"
has "a distribution is a histogram" "$OUT" "nightjar.triage.duration s histogram 1"

# --- all that nightjar.yaml names, none waiting for another ---

receiver silent hang
silent=http://127.0.0.1:$PORT
receiver refuses 503
cat >nightjar.yaml <<Y
metrics:
  pushgateway: $gateway
  otlp: $silent/v1/metrics
  remote_write: http://127.0.0.1:$PORT/write
  textfile: all.prom
Y
rm -f all.prom
exits 3 "one of several fails" "$NIGHTJAR" push metrics --timeout 3s
has "and is named with its cause" "$ERR" "otlp $silent/v1/metrics: "
has "as is the other that fails" "$ERR" "HTTP status 503"
is "the others got theirs" "$(grep -c '^pushed' "$OUT")" 2
ok "as the file shows" test -s all.prom
sed -i 's/otlp/otpl/' nightjar.yaml
exits 2 "a sink that nobody knows is an error" "$NIGHTJAR" push metrics
has "that names the place and a likely cure" "$ERR" "did you mean 'otlp'"
rm nightjar.yaml

exits 3 "a dead receiver is an error" "$NIGHTJAR" push metrics --to http://127.0.0.1:1
has "that names the address" "$ERR" "http://127.0.0.1:1"
exits 2 "push without an address says how to give one" "$NIGHTJAR" push metrics
has "in nightjar.yaml" "$ERR" "metrics: {pushgateway:"
exits 2 "a sink that nobody knows" "$NIGHTJAR" push metrics --sink statsd --to x
finish
