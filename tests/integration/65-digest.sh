#!/bin/bash
# `digest`: what changed, worst first, at most 40 lines, silent when nothing did.
# shellcheck disable=SC2317 # `exits` calls it
. "$(dirname "$0")/lib.sh"

command -v faketime >/dev/null || { skip "digest" "faketime is not installed: scripts/bootstrap test"; finish; }
report() { # FUNCTION ACCESS
  printf '==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000011\n%s of size 1 at 0x602000000011 thread T0\n    #0 0x1 in %s /a.c:1\n' "$2" "$1"
}
later() { # DAYS COMMAND...
  local days=$1
  shift
  FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f "+${days}d" "$@"
}
mkdir first
report writes WRITE >first/one
report reads READ >first/two
ok "a bug" "$NIGHTJAR" triage --reports first/one
ok "and another" "$NIGHTJAR" triage --reports first/two
exits 0 "today" "$NIGHTJAR" digest
has "they are new" "$OUT" "2 crashes -> 2 new"
is "the worse one first" "$(grep -o 'NJ-[0-9] new, [a-z]*' "$OUT" | xargs)" "NJ-1 new, high NJ-2 new, medium"
exits 0 "in two days" later 2 "$NIGHTJAR" digest
is "there is nothing to say" "$(cat "$OUT")" ""

ok "a decision" "$NIGHTJAR" bugs state NJ-2 wontfix --until 90d --reason 'as designed'
exits 0 "is told" "$NIGHTJAR" digest
has "too" "$OUT" "NJ-2 new, medium"

# --- a flood, of one bug that is known, and of more new ones than fit ---
mkdir flood many
for i in $(seq 60); do { report writes WRITE; echo "pid $i"; } >"flood/$i"; done
ok "a flood" "$NIGHTJAR" triage --reports flood
exits 0 "the digest" "$NIGHTJAR" digest
has "says what it does to fuzzing" "$OUT" "62 crashes -> 2 new, 1 blocks fuzzing"
has "and which bug it is" "$OUT" "61 crashes, blocks fuzzing"
for i in $(seq 80); do report "f$i" READ >"many/$i"; done
ok "many bugs" "$NIGHTJAR" triage --reports many
exits 0 "the digest again" "$NIGHTJAR" digest
is "has forty lines at most" "$(($(wc -l <"$OUT") <= 40))" 1
has "and says what it leaves out" "$OUT" "more: nightjar digest"
exits 0 "machines get all" "$NIGHTJAR" digest --json
is "of them" "$(jq -c '[.crashes, .changes.new, (.bugs | length)]' "$OUT")" "[142,82,82]"

# --- backlog is nobody's news ---
mkdir -p old/default/crashes
touch old/default/fuzzer_stats
printf x >old/default/crashes/id:000000,sig:11,src:000000,op:havoc
cat >crash.c <<'C'
int main(void) { __builtin_trap(); }
C
clang-14 -g -fsanitize=address -o crash crash.c || { fail "compile the target"; finish; }
ok "an old find" "$NIGHTJAR" import afl old --target t --state other -- ./crash @@
is "is a bug" "$("$NIGHTJAR" bugs --state other --json | wc -l)" 1
exits 0 "that is not told" "$NIGHTJAR" digest --state other
is "at all" "$(cat "$OUT")" ""
exits 2 "digest takes no arguments" "$NIGHTJAR" digest now
exits 3 "nor invents a state" "$NIGHTJAR" digest --state nowhere
finish
