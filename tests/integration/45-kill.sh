#!/bin/bash
# `kill -9` of the supervisor and of whatever runs below it, at random moments of one campaign that is
# taken up again and again: nothing is lost, nothing is there twice, no process and no SysV segment
# is left, the database is sound. Ten kills; SOAK=1: a hundred.
# shellcheck disable=SC2317 # some functions are called by retry
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

kills=10
[ -z "${SOAK:-}" ] || kills=100
chmod 755 .
mkdir -p out/afl out/libfuzzer seeds
cat >many.c <<'EOF'
#include <stdint.h>
#include <stdlib.h>
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n);
static volatile int sink;
static __attribute__((noinline)) void a(size_t i) { volatile char *p = malloc(4); sink = p[i]; free((void *)p); }
static __attribute__((noinline)) void b(size_t i) { volatile char *p = malloc(4); p[i] = 1; free((void *)p); }
static __attribute__((noinline)) void c(void) { abort(); }
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
    if (n < 5 || d[0] != 'F') return 0;
    switch (d[1] & 7) {
    case 0: a(n); break;
    case 1: b(n); break;
    case 2: c(); break;
    case 3: a(n + 1); break;
    case 4: b(n + 1); break;
    default: sink = d[2] / 2;
    }
    return 0;
}
EOF
build() {
  AFL_USE_ASAN=1 AFL_QUIET=1 afl-clang-fast -g -O1 -fsanitize=fuzzer -o out/afl/many many.c &&
    clang-14 -g -O1 -fsanitize=fuzzer,address -o out/libfuzzer/many many.c
}
run build || {
  fail "the test's target compiles" "$(cat "$ERR")"
  finish
}
printf F >seeds/f
ours() { processes "$WORK"; }
none_left() { [ -z "$(ours)" ]; }
shm=$(segments)

# every find that a worker has finished writing, by its bytes; what AFL++ and libFuzzer name themselves
finds() {
  find .nightjar/fuzz .nightjar/inbox -type f \( -path '*/crashes*/id:*' -o -path '*/artifacts-*/crash-*' -o -path '*inbox*' \) \
    -not -newermt '-1 second' -exec sha256sum {} + 2>/dev/null | cut -d' ' -f1 | sort -u
}
campaign() {
  start "$NIGHTJAR" fuzz --minimize no out/ --jobs 2 --for 10m >run.out 2>run.err
  run=$STARTED
}
# a random moment, at the latest some seconds after the first worker has begun to fuzz
wait_a_moment() {
  local deadline=$((SECONDS + RANDOM % 3 + 1))
  busy() { [ "$SECONDS" -ge "$deadline" ]; }
  retry 5 busy
}
victim() { # a random process below the supervisor
  ours | grep -vx "$run" | shuf -n 1
}

: >seen
lost=0
orphans=0
killed=()
campaign
for i in $(seq "$kills"); do
  wait_a_moment
  finds >>seen
  if [ $((i % 2)) -eq 0 ]; then
    kill -KILL "$run"
    wait "$run" 2>/dev/null
    killed+=(supervisor)
    retry 5 none_left || orphans=$((orphans + 1))
    campaign
  else
    pid=$(victim)
    [ -n "$pid" ] || continue
    name=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")
    killed+=("$(grep -o 'afl-fuzz\|triage-worker\|scribe\|libfuzzer/many\|afl/many' <<<"$name" | tail -n 1)")
    kill -KILL "$pid" 2>/dev/null
  fi
done
diag "killed: ${killed[*]}"
is "no process outlived a killed supervisor" "$orphans" 0
executions() { "$NIGHTJAR" status --json 2>/dev/null | jq -s 'map(.executions // 0) | add'; }
before=$(executions)
works() { [ "$(executions)" -gt "$before" ]; }
ok "after all of that it fuzzes" retry 20 works
finds >>seen
kill -INT "$run"
wait "$run"
ended=$?
is "and ends well when asked to" "$ended" 0
[ "$ended" -eq 0 ] || diag "$(tail -n 20 run.err)"
hasnt "no worker was given up" run.err "quarantined"
ok "nothing is left running" retry 3 none_left
is "no SysV segment is left" "$(new_segments "$shm")" ""

"$NIGHTJAR" bugs --crashes --json >ledger
finds >>seen
sort -u seen >all
jq -r .sha256 ledger | sort -u >filed
lost=$(comm -23 all filed | wc -l)
diag "$(wc -l <all) different finds, $("$NIGHTJAR" bugs --json | wc -l) bugs"
enough() { [ "$(wc -l <all)" -ge 5 ]; }
ok "there were finds" enough
is "every find is in the ledger" "$lost" 0
is "none is there twice" "$(jq -r '.sha256 + " " + .path' ledger | sort | uniq -d | wc -l)" 0
is "none waits for triage" "$(jq -r 'select(.state == "queued") | .path' ledger | wc -l)" 0
is "the inbox is empty" "$(find .nightjar/inbox -type f | wc -l)" 0
exits 0 "the database is sound" "$NIGHTJAR" db check
finish
