#!/bin/bash
# Disk budgets in a campaign: leftovers go, then the target's workers pause, what they fuzz with is pruned, then they go
# on; another target is not concerned. A disk that fills up. And what `db gc` leaves, also when it is killed.
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
# an input of its own for each of many values, so that a corpus grows and nothing in it is superfluous
cat >piler.c <<'EOF2'
#include <stdint.h>
#include <stddef.h>
#include <unistd.h>
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n);
__attribute__((used, section("__libfuzzer_extra_counters"))) static uint8_t counters[1 << 16];
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ d[i]) * 16777619u;
    counters[(h >> 8) & 0xffff] = 1;
    usleep(20000);
    return 0;
}
EOF2
build() {
  clang-14 -g -O1 -fsanitize=fuzzer,address -o out/one calm.c &&
    AFL_QUIET=1 afl-clang-fast -g -O1 -fsanitize=fuzzer -o out/two calm.c &&
    clang-14 -g -O1 -fsanitize=fuzzer -o piler piler.c
}
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
ok "both" retry 30 runs two-aflpp-1
exits 0 "disk says how full they are" "$NIGHTJAR" disk
has "each" "$OUT" "one "
is "which is not full" "$("$NIGHTJAR" disk --json | jq -r .grade | sort -u)" ok
mkdir "$pile" && (cd "$pile" && seq 500 | xargs touch)
ok "beyond its budget of files a target's worker pauses" retry 30 paused one-libfuzzer-1
ok "and a person is told" retry 5 told "its target is held: it takes"
ok "the other goes on" runs two-aflpp-1
is "it is an event" "$(sqlite3 .nightjar/nightjar.db "SELECT from_state || ' ' || to_state FROM event WHERE kind = 'target.disk'")" "ok full"
is "disk names it" "$("$NIGHTJAR" disk --json | jq -r 'select(.target == "one") | .grade')" full
rm -rf "$pile"
ok "with room it goes on" retry 30 runs one-libfuzzer-1
ok "and that is told" told "its target is held no longer"
# what one input reaches alone, 500 reach no better
corpus=.nightjar/fuzz/one/libfuzzer/corpus
queue=.nightjar/fuzz/two/aflpp/w1/queue
few() { [ "$(find "$1" -type f ! -path '*/.*' | wc -l)" -lt 100 ]; }
pile_up() { # FOLDER PREFIX
  local n
  for n in $(seq 500); do echo "superfluous $n" >"$1/$2$n" || return 1; done
}
relieved() { "$NIGHTJAR" disk --relieve --prune --quiet && "$@"; } # as `fuzz` does every 10 s
# held a moment ago, and its worker runs still: nothing is taken away from it
kill -STOP "$STARTED"
ok "a corpus grows" pile_up "$corpus" y
echo 'by hand' >.nightjar/fuzz/one/held
exits 0 "who prunes" "$NIGHTJAR" disk --prune
ok "takes nothing from a worker that runs" test "$(find "$corpus" -name 'y*' | wc -l)" -eq 500
rm .nightjar/fuzz/one/held "$corpus"/y*
kill -CONT "$STARTED"
ok "a corpus grows beyond the budget" pile_up "$corpus" x
ok "of another target, AFL++'s queue does" pile_up "$queue" id:90
ok "what they fuzz with is pruned" retry 30 relieved few "$corpus"
ok "of AFL++, too" retry 30 relieved few "$queue"
ok "so that one goes on by itself" retry 30 relieved runs one-libfuzzer-1
ok "and the other" retry 30 runs two-aflpp-1
is "which both were held" "$(sqlite3 .nightjar/nightjar.db "SELECT count(DISTINCT subject_id) FROM event WHERE kind = 'target.disk' AND to_state = 'full'")" 2
stop "$STARTED" INT
ok "the state is sound" "$NIGHTJAR" db check

# --- a disk that fills up ---
mkdir disk && truncate -s 128k big
if mount -t tmpfs -o size=64m,mode=755 none disk 2>/dev/null; then
  keep_mount "$WORK/disk"
  printf 'disk: {free: 24M}\n' >floor.yaml
  free() { df --output=avail -B1M disk | tail -n 1 | tr -d ' '; }
  slow() { "$NIGHTJAR" --state disk/state status --json | jq -r 'select(.worker == "piler-libfuzzer-1") | .state'; }
  slow_is() { [[ $(slow) =~ ^($1)$ ]]; }
  start "$NIGHTJAR" --state disk/state --config floor.yaml fuzz ./piler big --for 120s --jobs 1 --minimize no >full.out 2>&1
  ok "a worker fills the disk" retry 20 slow_is "running|slow|plateaued"
  ok "it pauses" retry 40 slow_is paused
  diag "then $(free) MiB of 64 were left"
  ok "before the disk is full" test "$(free)" -ge 12
  has "with the reason" full.out "its target is held: "
  hasnt "nothing met a full disk" full.out "No space left"
  find disk/state/fuzz/piler/libfuzzer/corpus -type f -size +64k -delete
  ok "with room it goes on" retry 40 slow_is "running|slow|plateaued"
  stop "$STARTED" INT
  ok "the state is sound" "$NIGHTJAR" --state disk/state db check
else
  skip "a disk that fills up" "mounting a small tmpfs is not possible here: run as root"
fi

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

# --- gc, killed at any point: what goes is what may go, and the next one finishes ---
cat >dies.c <<'EOF2'
#include <stdio.h>
#include <stdlib.h>
int main(void) { return getchar() == EOF ? 0 : (abort(), 1); }
EOF2
ok "a target that always crashes" clang-14 -g -O1 -fsanitize=address -o dies dies.c
mkdir same
for n in $(seq 60); do # some in the database, some as files
  { echo "same $n" && head -c $((n % 2 * 5000)) /dev/zero; } >"same/$n"
done
exits 0 "60 crashes of one bug" "$NIGHTJAR" --state whole triage same -- ./dies
hangs=fuzz/dies/aflpp/w1/hangs
mkdir -p "whole/$hangs" && cp same/* "whole/$hangs/" && touch -d '30 days ago' "whole/$hangs"/*
for n in $(seq 60); do # names of bytes that no row has
  hash=$(echo "orphan $n" | sha256sum | cut -d' ' -f1)
  mkdir -p "whole/blobs/${hash:0:2}" && echo x >"whole/blobs/${hash:0:2}/$hash"
done
# as if the crashes had come since the bug was trimmed: then 58 of 60 are surplus
ok "a bug that was not trimmed" sqlite3 whole/nightjar.db 'UPDATE bug SET trimmed_crashes = -60'
blobs() { sqlite3 "$1/nightjar.db" "SELECT sha256 FROM blob WHERE state = 'present' ORDER BY sha256"; }
filed() { sqlite3 "$1/nightjar.db" "SELECT sha256 FROM blob WHERE state = 'present' AND data IS NULL ORDER BY sha256"; }
files() { find "$1/blobs" -type f -path '*/blobs/??/*' -printf '%f\n' | sort; }
ok "a copy" cp -a whole ended
exits 0 "gc as a whole" "$NIGHTJAR" --state ended db gc
blobs ended >needed
filed ended >needed_files
is "leaves what the bug needs" "$(files ended)" "$(cat needed_files)"
killed=0
for n in $(seq 15); do
  rm -rf part && cp -a whole part
  { timeout -s KILL "0.$(printf '%03d' $((RANDOM % (1 + 4 * n))))" "$NIGHTJAR" --state part db gc; } >/dev/null 2>&1
  [ $? -eq 137 ] && killed=$((killed + 1))
  [ -z "$(files part | comm -13 - needed_files)" ] || fail "killed gc $n lost a file that is needed"
  "$NIGHTJAR" --state part db check --deep >"$OUT" 2>&1 || fail "killed gc $n leaves a sound state" "$(cat "$OUT")"
  "$NIGHTJAR" --state part db gc >"$OUT" 2>&1 || fail "the gc after killed gc $n ends well" "$(cat "$OUT")"
  cmp -s <(files part && blobs part && ls "part/$hangs") <(cat needed_files needed) || fail "the gc after killed gc $n finishes"
done
ok "some of 15 were killed" test "$killed" -gt 0
diag "$killed of 15 were"
finish
