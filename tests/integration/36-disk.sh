#!/bin/bash
# Disk budgets in a campaign: leftovers go, then the target's workers pause, then they go on; another target is not
# concerned. And what `db gc` leaves.
# shellcheck disable=SC2317 # some functions are called by retry
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

chmod 755 .
mkdir out seeds
cat >calm.c <<'EOF2'
#include <stdint.h>
#include <stddef.h>
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n);
static volatile int sink;
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
    if (n > 3 && d[0] == 'F' && d[1] == 'U') sink = d[2];
    return 0;
}
EOF2
build() { clang-14 -g -O1 -fsanitize=fuzzer,address -o out/one calm.c && cp out/one out/two; }
run build || {
  fail "the test's targets compile" "$(cat "$ERR")"
  finish
}
cat >nightjar.yaml <<'EOF2'
out: [out]
disk:
  files: 400
EOF2
worker() { "$NIGHTJAR" status --json | jq -r "select(.worker == \"$1\") | .state"; }
runs() { case $(worker "$1") in running | plateaued | slow) ;; *) false ;; esac; }
paused() { [ "$(worker "$1")" = paused ]; }
told() { grep -qF "$1" fuzz.out; }
pile=.nightjar/fuzz/one/libfuzzer/pile

start "$NIGHTJAR" fuzz --for 120s --jobs 2 --minimize no >fuzz.out 2>&1
ok "two workers run" retry 30 runs one-libfuzzer-1
ok "both" retry 30 runs two-libfuzzer-1
exits 0 "disk says how full they are" "$NIGHTJAR" disk
has "each" "$OUT" "one "
is "which is not full" "$("$NIGHTJAR" disk --json | jq -r .grade | sort -u)" ok
mkdir "$pile" && (cd "$pile" && seq 500 | xargs touch)
ok "beyond its budget of files a target's worker pauses" retry 30 paused one-libfuzzer-1
ok "and a person is told" retry 5 told "its target is held: its workers take"
ok "the other goes on" runs two-libfuzzer-1
is "it is an event" "$(sqlite3 .nightjar/nightjar.db "SELECT from_state || ' ' || to_state FROM event WHERE kind = 'target.disk'")" "ok full"
is "disk names it" "$("$NIGHTJAR" disk --json | jq -r 'select(.target == "one") | .grade')" full
rm -rf "$pile"
ok "with room it goes on" retry 30 runs one-libfuzzer-1
ok "and that is told" told "its target is held no longer"
stop "$STARTED" INT
ok "the state is sound" "$NIGHTJAR" db check

# --- gc ---
mkdir -p .nightjar/fuzz/one/aflpp/w1/hangs
printf filed >.nightjar/fuzz/one/aflpp/w1/hangs/id:000000
printf unfiled >.nightjar/fuzz/one/aflpp/w1/hangs/id:000001
exits 0 "the ledger has one of two hangs" "$NIGHTJAR" triage --target one .nightjar/fuzz/one/aflpp/w1/hangs/id:000000
exits 0 "what is young stays" "$NIGHTJAR" db gc --json
is "all of it" "$(jq -r 'select(.kind == "hangs") | .files' "$OUT")" 0
touch -d '8 days ago' .nightjar/fuzz/one/aflpp/w1/hangs/id:*
exits 0 "a dry run" "$NIGHTJAR" db gc --dry-run --json
is "names what would go" "$(jq -c 'select(.kind == "hangs") | [.files, .removed]' "$OUT")" "[1,false]"
ok "and removes nothing" test -f .nightjar/fuzz/one/aflpp/w1/hangs/id:000000
exits 0 "gc" "$NIGHTJAR" db gc
is "removes what is old and filed" "$(cd .nightjar/fuzz/one/aflpp/w1/hangs && echo *)" id:000001
printf 'out: [out]\nretention: {hangs: 30x}\n' >nightjar.yaml
exits 2 "a wrong retention" "$NIGHTJAR" db gc
has "has its place" "$ERR" "nightjar.yaml:2:"
rm nightjar.yaml
ok "the state is sound still" "$NIGHTJAR" db check
finish
