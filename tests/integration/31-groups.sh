#!/bin/bash
# Groups, severities and states by hand, as a person decides them on real crashes: remembered, kept
# through later crashes and `db regroup`, taken back. Backlog, unparsed, broken, harness.
# shellcheck disable=SC2317 # `ok` calls them
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

clang-14 -g -O1 -fsanitize=address -o crash "$HERE/crash.c" 2>cc.log || {
  fail "the test's target compiles" "$(cat cc.log)"
  finish
}
bugs() { "$NIGHTJAR" bugs --json | jq -r "$1"; }
bug_of() { "$NIGHTJAR" bugs --crashes --json | jq -r --arg p "$1" 'select(.path | endswith($p)) | .bug'; }
nightjar_sql() { sqlite3 .nightjar/nightjar.db "$1"; }
triage() { "$NIGHTJAR" triage "$@" --target crash -- ./crash @@ >"$OUT" 2>"$ERR" </dev/null; }

mkdir in
printf r1 >in/one
printf r1x >in/one-more
printf r2 >in/two
printf w >in/write
printf a1 >in/abort
ok "five crashes are four bugs" triage in
is "they are" "$(bugs .id | sort | tr '\n' ' ')" "NJ-1 NJ-2 NJ-3 NJ-4 "
one=$(bug_of in/one) two=$(bug_of in/two) write=$(bug_of in/write) abort=$(bug_of in/abort)

# --- similar: suggested, never merged ---
exits 0 "bugs with a like stack are suggested" "$NIGHTJAR" bugs similar "$one" --json
is "and nothing was merged for it" "$(bugs .id | wc -l)" 4

# --- merge ---
exits 0 "a dry run says what would move" "$NIGHTJAR" bugs merge "$one" "$two" --dry-run
has "which is one crash" "$OUT" "would move: $two -> $one: 1 crash"
is "and moves nothing" "$(bug_of in/two)" "$two"
exits 0 "two bugs are one" "$NIGHTJAR" bugs merge "$one" "$two" --reason "the same missing check"
is "its crash counts with the other" "$(bugs "select(.id == \"$one\") | .crashes")" 3
is "the duplicate is listed on demand" \
  "$("$NIGHTJAR" bugs --only duplicate --json | jq -r .id)" "$two"
is "who and why are remembered" \
  "$(nightjar_sql "SELECT actor || ': ' || json_extract(detail, '$.reason') FROM event WHERE to_state = 'duplicate'")" \
  "$(id -un): the same missing check"
printf r2y >in/two-later
ok "a later crash of the duplicate" triage in/two-later
is "joins the bug that stays" "$(bug_of in/two-later)" "$one"
exits 0 "a merge is taken back" "$NIGHTJAR" bugs merge --undo "$two"
is "with what came later" "$(bug_of in/two) $(bug_of in/two-later)" "$two $two"
exits 2 "what is no duplicate cannot be taken back" "$NIGHTJAR" bugs merge --undo "$one"
has "and says so" "$ERR" "$one is no duplicate"
exits 2 "a bug that is not there" "$NIGHTJAR" bugs merge "$one" NJ-99
has "is named" "$ERR" "there is no bug NJ-99 here"

# --- split: two inputs of one stack, by their bytes ---
exits 2 "all of a bug cannot be split off" "$NIGHTJAR" bugs split "$one" in/one-more
has "the way out is named" "$ERR" "--bytes-only"
sha=$(sha256sum in/one-more | cut -c1-12)
exits 0 "a crash is split off by the beginning of its SHA-256" \
  "$NIGHTJAR" bugs split "$one" "$sha" --bytes-only --json
new=$(jq -r .to "$OUT")
is "it has a bug of its own" "$(bug_of in/one-more) $(bug_of in/one)" "$new $one"
exits 2 "an unknown crash" "$NIGHTJAR" bugs split "$one" 0123456789abcdef
has "is told where to look" "$ERR" "nightjar bugs --crashes lists both"

# --- pin ---
exits 0 "a crash is pinned" "$NIGHTJAR" bugs pin "$write" in/two-later --reason "seen in gdb"
is "and moved there" "$(bug_of in/two-later)" "$write"
ok "given again" triage in
is "it stays" "$(bug_of in/two-later)" "$write"

# --- regroup ---
exits 0 "regrouping by the same rules" "$NIGHTJAR" db regroup
has "moves nothing" "$OUT" "0 crashes change bugs"
nightjar_sql "UPDATE crash SET version = -1, major = 'old' || coalesce(home, bug), place = NULL WHERE bug IS NOT NULL;
  DELETE FROM place; DELETE FROM signature; INSERT INTO signature
  SELECT DISTINCT version, major, target, coalesce(home, bug), 'old', 1 FROM crash WHERE bug IS NOT NULL"
exits 0 "a database of an older release is sound" "$NIGHTJAR" db check
printf r1z >in/one-later
ok "a new crash before it is regrouped" triage in/one-later
is "finds its bug" "$(bug_of in/one-later)" "$one"
exits 0 "what would move is shown first" "$NIGHTJAR" db regroup
has "with what to type" "$ERR" "db regroup --apply"
exits 0 "then done" "$NIGHTJAR" db regroup --apply
is "what was decided stays" "$(bug_of in/one-more) $(bug_of in/two-later) $(bug_of in/one)" "$new $write $one"
exits 0 "and the database is sound" "$NIGHTJAR" db check

# --- severity and state ---
exits 2 "a severity by hand needs a reason" "$NIGHTJAR" bugs severity "$write" low
exits 0 "with one it counts" "$NIGHTJAR" bugs severity "$write" low --reason "a toy"
is "the computed one stays visible" "$(bugs "select(.id == \"$write\") | .severity + .computed_severity + .decided_by")" \
  "lowhigh$(id -un)"
exits 0 "and is shown" "$NIGHTJAR" show "$write"
has "with who and why" "$OUT" "a toy"
exits 0 "the gate follows it" "$NIGHTJAR" gate --fail-on high
printf wz >in/write-later
ok "triaged again" triage in/write-later
is "it is not overwritten" "$(bugs "select(.id == \"$write\") | .severity")" low
exits 0 "regrouped" "$NIGHTJAR" db regroup --apply
is "it is still there" "$(bugs "select(.id == \"$write\") | .severity")" low
exits 0 "until it is cleared" "$NIGHTJAR" bugs severity --clear "$write"
exits 1 "then the gate fails again" "$NIGHTJAR" gate --fail-on high
cat >nightjar.yaml <<'YAML'
severity:
  - function: write_
    severity: info
    reason: the harness writes there on purpose
YAML
exits 0 "a rule of the owners is applied" "$NIGHTJAR" bugs severity
is "by its line" "$(bugs "select(.id == \"$write\") | .decided_by + \" \" + .severity")" "nightjar.yaml:2 info"
printf 'severity:\n  - function: "("\n    severity: info\n    reason: x\n' >nightjar.yaml
exits 2 "a pattern that does not compile" "$NIGHTJAR" bugs severity
has "is named with its line" "$ERR" "nightjar.yaml:2:"
rm nightjar.yaml
exits 0 "a state by hand" "$NIGHTJAR" bugs state "$abort" wontfix --until 90d --reason "by design"
is "is the bug's" "$(bugs "select(.id == \"$abort\") | .state")" wontfix
exits 2 "an odd state" "$NIGHTJAR" bugs state "$abort" gone
exits 2 "an option of another command" "$NIGHTJAR" bugs state "$abort" open --undo
has "is refused" "$ERR" "bugs state has no option --undo"

# --- no parser, no run, no target ---
printf '#!/bin/sh\necho some words >&2\nexit 77\n' >odd
printf '#!/bin/sh\nexit 127\n' >cannot
printf '#!/bin/sh\necho "Usage: tool [-x] FILE" >&2\nexit 2\n' >usage
chmod +x odd cannot usage
printf q >q
state_of() { "$NIGHTJAR" --state "$1" bugs --crashes --json | jq -r '"\(.state) \(.bug)"'; }
"$NIGHTJAR" --state odd1 triage q -- ./odd @@ >"$OUT" 2>&1
is "what no parser knows is a bug" "$(state_of odd1)" "unparsed NJ-1"
exits 0 "that is shown" "$NIGHTJAR" --state odd1 show NJ-1
has "with what was printed" "$OUT" "some words"
"$NIGHTJAR" --state odd2 triage q -- ./cannot @@ >"$OUT" 2>&1
is "a program that cannot be run is no bug" "$(state_of odd2)" "broken null"
"$NIGHTJAR" --state odd5 triage q -- ./usage @@ >"$OUT" 2>&1
is "nor is one that tells how to call it" "$(state_of odd5)" "broken null"
printf 'INFO: nothing of interest\nbad: line\n' >report.txt
"$NIGHTJAR" --state odd3 triage --reports report.txt >"$OUT" 2>&1
is "nor is a report without a crash lost" \
  "$("$NIGHTJAR" --state odd3 bugs --crashes --json | jq -r .path | wc -l)" 1
cp crash gone
printf r1 >r1
"$NIGHTJAR" --state odd4 triage r1 -- ./gone @@ >"$OUT" 2>&1
patchelf_missing() { sed -i 's/ld-linux-x86-64/ld-linux-x86-00/' gone; }
patchelf_missing
printf r1q >r1q
"$NIGHTJAR" --state odd4 triage r1q -- ./gone @@ >"$OUT" 2>&1
is "a loader that is not there breaks the replay" \
  "$("$NIGHTJAR" --state odd4 bugs --crashes --json | jq -r 'select(.path | endswith("r1q")) | .state')" broken
exits 0 "all of it is sound" "$NIGHTJAR" --state odd4 db check
exits 0 "and so is the first state" "$NIGHTJAR" db check
finish
