#!/bin/bash
# `serve`: a real Prometheus scrapes it; who asks by a wrong name, without the token, or never ends asking gets nothing.
. "$(dirname "$0")/lib.sh"

if ! command -v prometheus >/dev/null; then
  skip "serve" "prometheus is not there: scripts/bootstrap test"
  finish
fi
exits 3 "without a state there is nothing to serve" "$NIGHTJAR" serve --listen 127.0.0.1:0
printf '==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000011\nWRITE of size 1 at 0x602000000011 thread T0\n    #0 0x1 in f /a.c:1\n' >report
ok "a bug" "$NIGHTJAR" triage --reports report

serve() { # ARGUMENTS...: sets $URL and $PORT
  start "$NIGHTJAR" serve --listen 127.0.0.1:0 "$@" >served 2>serve.err
  SERVER=$STARTED
  retry 10 grep -q '^serving http' served
  PORT=$(sed -n 's,^serving http://127.0.0.1:\([0-9]*\)/metrics$,\1,p' served)
  URL=http://127.0.0.1:$PORT
}
status() { curl -s -o body -w '%{http_code}' "$@"; }

serve
is "it is alive" "$(status "$URL/healthz") $(cat body)" "200 ok"
is "numbers" "$(status -D head "$URL/metrics")" 200
has "in the old format" head "text/plain; version=0.0.4"
ok "that promtool has nothing to say of" promtool check metrics <body
is "in OpenMetrics for who accepts it" "$(status -D head -H 'Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5' "$URL/metrics") $(tail -n 1 body)" "200 # EOF"
has "by its name" head "application/openmetrics-text; version=1.0.0"
is "HEAD has no body" "$(status -I "$URL/metrics")" 200
is "POST is not for us" "$(status -d x "$URL/metrics")" 405
is "nor another page" "$(status "$URL/%2e%2e/etc/passwd")" 404
is "nor a name that points here" "$(status -H 'Host: evil.example.org' "$URL/metrics")" 421
is "localhost is we" "$(status -H "Host: localhost:$PORT" "$URL/metrics")" 200

cat >prometheus.yml <<Y
global: {scrape_interval: 1s}
scrape_configs:
  - {job_name: nightjar, static_configs: [{targets: ['127.0.0.1:$PORT']}]}
Y
for try in 1 2 3 4 5; do
  prometheus_port=$((20000 + (RANDOM + try) % 20000))
  start prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$prometheus_port" >prometheus.log 2>&1
  # shellcheck disable=SC2317 # called by retry
  answers() { curl -sf "http://127.0.0.1:$prometheus_port/-/ready" >/dev/null; }
  retry 10 answers && break
done
# shellcheck disable=SC2317 # called by retry
scraped() {
  curl -s "http://127.0.0.1:$prometheus_port/api/v1/query" --data-urlencode 'query=nightjar_bugs{severity="high",state="new"}' |
    jq -e '.data.result[0].value[1] == "1"'
}
ok "a real Prometheus scrapes the bug" retry 20 scraped
is "and calls the target up" "$(curl -s "http://127.0.0.1:$prometheus_port/api/v1/targets" | jq -r '.data.activeTargets[0] | "\(.health) \(.lastError)"')" "up "

# one that begins to ask and goes no further does not keep others waiting
exec 9<>"/dev/tcp/127.0.0.1/$PORT"
printf 'GET /metrics HTTP/1.1\r\nHost: ' >&9
is "beside a client that never ends" "$(status -m 5 "$URL/metrics")" 200
exec 9>&-
stop "$SERVER"
is "it ends when told" "$(status -m 2 "$URL/metrics")" 000

export SERVE_TOKEN=0123456789abcdef
serve --token-env SERVE_TOKEN --host farm.example.org
is "without the token" "$(status "$URL/metrics")" 401
is "with another" "$(status -H 'Authorization: Bearer 0123456789abcdeX' "$URL/metrics")" 401
is "with it" "$(status -H 'Authorization: Bearer 0123456789abcdef' -H 'Host: farm.example.org' "$URL/metrics")" 200
is "health is for everybody" "$(status "$URL/healthz")" 200
exits 3 "a port that is taken" "$NIGHTJAR" serve --listen "127.0.0.1:$PORT"
has "is named" "$ERR" "cannot listen on '127.0.0.1:$PORT'"
exits 2 "an open address without a token" "$NIGHTJAR" serve --listen 0.0.0.0:0
has "is refused with the cure" "$ERR" "give --token-env NAME"
exits 2 "a name is no address" "$NIGHTJAR" serve --listen localhost:1
SERVE_TOKEN=short exits 2 "a short token" "$NIGHTJAR" serve --listen 127.0.0.1:0 --token-env SERVE_TOKEN
finish
