#!/bin/bash
# Inputs that do not show in each run, or not in the same way: what is filed, how sure it is, and
# that it is the same each time.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

build() {
  "$1" -g -O1 "${@:3}" -o "$2" "$HERE/flaky.c" 2>cc.log || {
    fail "the test's target compiles" "$(cat cc.log)"
    finish
  }
}
build clang-14 flaky -fsanitize=address
build gcc plain
bugs() { "$NIGHTJAR" bugs --json | jq -r "$1"; }
show() { "$NIGHTJAR" show --json "$1" | jq -r "$2"; }
fresh() { rm -rf .nightjar; }
triage() { "$NIGHTJAR" triage --minimize no --timeout 1s "$@"; }
put() {
  mkdir -p "$1"
  printf '%s' "$2" >"$1/$2"
}

# --- how often, and how sure ---
put sure c
exits 0 "a crash that shows each time" triage sure -- ./flaky @@
is "reproduces in all runs, of which there were few" "$(bugs '"\(.reproducibility) \(.k) \(.n)"')" "reliable 3 3"
is "and is not called certain" "$(bugs '.rate_low > 0.4 and .rate_low < 0.5 and .rate_high == 1')" true
"$NIGHTJAR" show NJ-1 >show.txt
has "which show says in words" show.txt "3 of 3 runs, at least 44 % with 95 % confidence"
printf 'c again' >sure/again
exits 0 "a duplicate" triage sure -- ./flaky @@
is "leaves what stands for the bug alone" "$(bugs '"\(.crashes) \(.n)"')" "2 3"

# --- a toss of a coin, and what moves: the same in ten of ten ---
put chance p
put chance w
for i in 1 2 3 4 5 6 7 8 9 10; do
  fresh
  triage --json chance -- ./flaky @@ >"chance.$i" 2>>triage.err || diag "triage $i ends with $?"
  jq -r '[.crash_type, .class, .severity, .severity_score] | @json' "chance.$i" | sort >"verdict.$i"
done
is "ten triages of one input come to one verdict" "$(cat verdict.* | sort | uniq -c | awk '{ print $1 }' | tr '\n' ' ')" "10 10 "
has "of a wild access the worst that was shown" verdict.1 '["UNKNOWN WRITE","DestAv","high",7.4]'
is "what crashes now and then is flaky" "$(jq -r 'select(.class | startswith("heap")) | .reproducibility' chance.* | sort | uniq -c | awk '$2 == "flaky" { print ($1 >= 4) }')" 1
is "with as many runs as it takes to see that" "$(jq -r 'select(.class | startswith("heap")) | select(.reproducibility == "flaky") | .n >= 4' chance.* | sort -u)" true

# --- hangs, and what is only slow ---
fresh
put time h
put time s
exits 0 "a hang and a slow input" triage time -- ./flaky @@
is "the hang is the only bug" "$(bugs .crash_type)" Timeout
is "its stack was sampled" "$(show NJ-1 '.record.samples > 1')" true
is "what all samples share ends with the loop" \
  "$(show NJ-1 '[.record.frames[].function | select(. == "endless_loop" or . == "step_one" or . == "step_two" or . == "coin")] | .[-1]')" endless_loop
is "slow is no hang" \
  "$(sqlite3 .nightjar/nightjar.db "SELECT count(*) FROM crash WHERE bug IS NULL AND reason LIKE 'slow, no hang: it was stopped after 1 s%'")" 1
fresh
put hang h
exits 0 "a hang of a build without a sanitizer" triage hang -- ./plain @@
is "has a stack as well" "$(show NJ-1 '[.record.frames[].function] | contains(["endless_loop", "main"])')" true

# --- memory ---
fresh
put memory o
cat >nightjar.yaml <<END
targets:
  - name: flaky
    binary: flaky
    args: ["@@"]
    memory: 200M
END
exits 0 "memory that runs out" triage --timeout 20s --target flaky memory
is "is one bug" "$(bugs .crash_type)" Out-of-memory
is "with the stack that allocated" "$(show NJ-1 '[.record.frames[].function] | contains(["grow", "main"])')" true
rm nightjar.yaml

# --- another layout ---
fresh
put hidden z
exits 0 "an overflow that no red zone catches" triage hidden -- ./flaky @@
is "is found with a larger one" "$(bugs '.crash_state | split("\n")[0]')" far_overflow
is "which the bug remembers" "$(show NJ-1 .record.replay_options)" ASAN_OPTIONS=redzone=256
exits 0 "so that it can be shown again" "$NIGHTJAR" repro NJ-1
has "with it" "$OUT" "reproduces in"
hasnt "not as another crash" "$OUT" "another crash"
exits 0 "the database is sound" "$NIGHTJAR" db check
finish
