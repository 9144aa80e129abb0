#!/bin/bash
# How well the fuzzers ran is counted by the supervisor of `fuzz` and of `ci`: one target's workers fuzz, the other's
# are killed all the time; minutes and time of workers stand in the database, in `slo --json` and in the metrics.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2317 # functions are called by retry and the like
. "$(dirname "$0")/lib.sh"

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
mkdir out
clang-14 -g -O1 -fsanitize=address,fuzzer -o out/fine fuzz.c || { fail "compile the target"; finish; }
cp out/fine out/victim

kill_all() { # STATE PID: the workers of `victim` as soon as they run, until the campaign is over
  local pid
  while kill -0 "$2" 2>/dev/null; do
    for pid in $(processes "$WORK/$1/fuzz/victim"); do
      kill -KILL "$pid" 2>/dev/null
    done
    sleep 0.1
  done
}
db() { sqlite3 "$1/nightjar.db" "SELECT $2"; }
check() { # STATE VERB
  local causes
  is "$2: the one that fuzzes had good minutes" \
    "$(db "$1" "group_concat(DISTINCT 'good' || cause) FROM control WHERE target = (SELECT id FROM target WHERE name = 'fine')")" good
  causes=$(db "$1" "group_concat(DISTINCT cause) FROM control WHERE target = (SELECT id FROM target WHERE name = 'victim')")
  ok "$2: the one that was killed had bad ones ($causes)" grep -qE '^(no_worker|stalled|build)(,(no_worker|stalled|build))*$' <(echo "$causes")
  "$NIGHTJAR" --state "$1" slo --json >slo.json
  is "$2: both are in the objective" "$(jq -c '[.control.good_minutes, .control.bad_minutes]' slo.json)" \
    "[$(db "$1" "sum(slices * (cause = '')) FROM control"),$(db "$1" "sum(slices * (cause <> '')) FROM control")]"
  is "$2: availability is their share" "$(jq '.control | (.health - .good_minutes / (.good_minutes + .bad_minutes)) | fabs < 0.000001' slo.json)" true
  is "$2: and that of the time of workers" "$(jq '.control | .capacity > 0.2 and .capacity < 0.8' slo.json)" true
  is "$2: which is far from what is wanted" "$(jq '.control | .health_budget_spent > 100 and .capacity_budget_spent > 10' slo.json)" true
  "$NIGHTJAR" --state "$1" push metrics --print >text
  has "$2: it is published" text "nightjar_control_slices_total{target=\"fine\",result=\"good\"} $(db "$1" "sum(slices * (cause = '')) FROM control")"
  is "$2: with the time that was lost" "$(awk '/^nightjar_control_fault_seconds_total{target="victim"/ { n += $2 } END { print (n > 5) }' text)" 1
  is "$2: and restarts" "$(awk '/^nightjar_worker_restarts_total{target="victim"/ { print ($2 > 0) }' text | sort -u | tail -n 1)" 1
}

start "$NIGHTJAR" --state farm fuzz "$WORK/out" --jobs 2 --for 12s >fuzz.out 2>&1
campaign=$STARTED
"$NIGHTJAR" --state gate ci --jobs 2 --for 12s out >ci.out 2>&1 &
gate=$!
kill_all farm "$campaign" &
kill_all gate "$gate" &
stop "$campaign" 0
wait "$gate"
is "ci is not green where a target was not fuzzed" "$?" 3
has "and says which" ci.out victim
check farm fuzz
check gate ci
finish
