#!/bin/bash
# Regressions: every bug's reproducer as a file for good, and `nightjar verify`, which replays them
# on the present build: fixed, not fixed, fixed into something else, flaky, broken.
# shellcheck disable=SC2317 # `ok` calls them
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

build() { clang-14 -g -O1 -w -fsanitize=address -o "$@" 2>cc.log; }
mkdir bin in
if ! build bin/crash "$HERE/crash.c" || ! build bin/flaky "$HERE/flaky.c"; then
  fail "the test's targets compile" "$(cat cc.log)"
  finish
fi
triage() { "$NIGHTJAR" triage "$@" >"$OUT" 2>"$ERR" </dev/null; }
result() { jq -r "select(.id == \"$1\") | .result" "$OUT"; }
nightjar_sql() { sqlite3 .nightjar/nightjar.db "$1"; }
bug_of() { "$NIGHTJAR" bugs --crashes --json | jq -r --arg p "$1" 'select(.path | endswith($p)) | .bug'; }
moved() { jq -r "select(.id == \"$1\") | .moved_to" "$OUT"; }
state() { nightjar_sql "SELECT state FROM bug WHERE id = ${1#NJ-}"; }
files() { (cd .nightjar/regressions/"$1" && echo *); }

printf 'r1 and what it does not need' >in/one
printf r2 >in/two
printf w >in/write
printf a1 >in/abort
printf 'a2' >in/abort-two
ok "five crashes" triage in --target crash -- bin/crash @@
one=$(bug_of in/one) two=$(bug_of in/two) write=$(bug_of in/write)
abort=$(bug_of in/abort)

# --- files ---
is "five bugs have a file each" "$(files crash | wc -w)" 5
sha=$("$NIGHTJAR" bugs --json | jq -r "select(.id == \"$one\") | .reproducer // empty")
ok "named by bug and hash" test -f ".nightjar/regressions/crash/$one-${sha:0:16}"
is "which is the reproducer's" "$(sha256sum <".nightjar/regressions/crash/$one-${sha:0:16}" | cut -d' ' -f1)" "$sha"
is "that was minimized" "$(wc -c <".nightjar/regressions/crash/$one-${sha:0:16}" | tr -d ' ')" \
  "$("$NIGHTJAR" bugs --json | jq "select(.id == \"$one\") | .reproducer_bytes")"
rm ".nightjar/regressions/crash/$one-${sha:0:16}"
echo kept >.nightjar/regressions/crash/mine
cp in/one ".nightjar/regressions/crash/$one-0123456789abcdef"

exits 2 "that it is fixed is nothing that a hand says" "$NIGHTJAR" bugs state "$one" fixed
has "but who says it is" "$ERR" "nightjar verify says whether it is fixed"

# --- the same build ---
exits 1 "all still crash" "$NIGHTJAR" verify crash --json
is "each as its bug" "$(jq -r 'select(.id) | .result' "$OUT" | sort | uniq -c | tr -s ' ')" " 5 same"
is "in one run, for none is flaky" "$(jq -r 'select(.id) | [.k, .n] | @csv' "$OUT" | sort -u)" 1,1
is "and a sum" "$(jq -c 'select(.regressions) | [.regressions, .same, .clean, .runs]' "$OUT")" "[5,5,0,5]"
is "on a build that is named" "$(jq -r 'select(.id) | .build_id' "$OUT" | sort -u)" \
  "$(readelf -n bin/crash | sed -n 's/.*Build ID: //p')"
ok "a lost file is back" test -f ".nightjar/regressions/crash/$one-${sha:0:16}"
is "an outdated one is gone, another's stays" "$(files crash | wc -w)" 6
has "somebody else's" .nightjar/regressions/crash/mine kept
is "in the history of each bug" "$(nightjar_sql "SELECT count(*) FROM event WHERE kind = 'bug.verify'")" 5
exits 1 "once more" "$NIGHTJAR" verify crash
has "says what it is about" "$OUT" "same    1 of 1"
has "and how it went" "$OUT" "0 clean, 5 same, 0 changed, 0 broken"
is "tells nobody what is known" "$(nightjar_sql "SELECT count(*) FROM event WHERE kind = 'bug.verify'")" 5
is "and changes no state" "$("$NIGHTJAR" bugs --json | jq -r .state | sort -u)" new

# --- a build in which one bug is fixed, one became another that is known, and one a new one ---
sed -e 's/FAULT(read_one, .*/FAULT(read_one, (void)p)/' \
  -e 's/abort_two(p) : abort_one(p)/abort_two(p) : abort_two(p)/' \
  -e 's/FAULT(write_one, .*/FAULT(write_one, free((void *)p); p[0] = 1)/' "$HERE/crash.c" >fixed.c
ok "the next build" build bin/crash fixed.c
exits 1 "is verified in its place" "$NIGHTJAR" verify crash --json
is "what is fixed is clean" "$(result "$one")" clean
is "by the word of its first input, too" "$(jq -r "select(.id == \"$one\") | .input" "$OUT")" original
is "which moves it" "$(moved "$one") $(state "$one")" "fixed fixed"
is "with an event that says why" \
  "$(nightjar_sql "SELECT from_state || ' ' || to_state || ' ' || json_extract(detail, '$.result') FROM event
     WHERE kind = 'bug.state' AND subject_id = ${one#NJ-}")" "new fixed clean"
is "what is not is not" "$(result "$two") $(state "$two")" "same new"
is "what crashes otherwise is not fixed" "$(state "$abort") $(state "$write")" "new new"
is "what became another bug changed" "$(result "$abort")" changed
is "which is named" "$(jq -r "select(.id == \"$abort\") | .bug" "$OUT")" "$(bug_of in/abort-two)"
is "what became a new one, too" "$(result "$write")" changed
new=$(jq -r "select(.id == \"$write\") | .bug" "$OUT")
is "which is a bug of its own" "$(nightjar_sql "SELECT state || ' ' || crash_type FROM bug WHERE id = ${new#NJ-}" |
  head -1)" "new Heap-use-after-free"
has "that says where it comes from" <("$NIGHTJAR" show "$new") "nightjar verify"
exits 1 "once more" "$NIGHTJAR" verify crash --json
is "it is known" "$(jq -r "select(.id == \"$write\") | .bug" "$OUT") $("$NIGHTJAR" bugs --json | wc -l)" "$new 6"
exits 0 "its timeline" "$NIGHTJAR" timeline "$one" --markdown
has "says how long it took" "$OUT" '**until fixed**'
has "and in words what happened" "$OUT" "fixed: crashed in 0 of 1 runs on build"
exits 0 "and to machines" "$NIGHTJAR" timeline "$one" "$two" --json
is "by bug" "$(jq -r 'select(.kind == "bug.new") | .bug' "$OUT" | xargs)" "$one $two"
exits 2 "which bug?" "$NIGHTJAR" timeline
has "show tells it" <("$NIGHTJAR" show "$one") "bug.verify"
is "with the build" \
  "$(nightjar_sql "SELECT json_extract(detail, '$.result') || ' ' || json_extract(detail, '$.build_id') FROM event
     WHERE kind = 'bug.verify' AND subject_id = ${one#NJ-} ORDER BY id DESC LIMIT 1")" \
  "clean $(readelf -n bin/crash | sed -n 's/.*Build ID: //p')"

# --- a minimized input that misses, while the first still crashes ---
sed "s/text\[0\]) {/strlen(text) < 3 ? 'z' : text[0]) {/; 1i #include <string.h>" "$HERE/crash.c" >long.c
ok "a build that small inputs do not reach" build bin/crash long.c
exits 1 "verify again" "$NIGHTJAR" verify crash --json
is "is not fooled by a small reproducer" "$(result "$one") $(jq -r "select(.id == \"$one\") | .input" "$OUT")" "same original"
is "it is back" "$(moved "$one") $(state "$one")" "regressed regressed"
has "and in the sum" "$OUT" '"regressed":1'

# --- all fixed; broken ---
printf 'int main(void) { return 0; }\n' >empty.c
ok "a build that does nothing" build bin/crash empty.c
exits 0 "all is clean" "$NIGHTJAR" verify crash
has "and said so" "$OUT" "5 clean, 0 same, 0 changed, 0 broken; 1 fixed, 0 regressed"
is "all are fixed" "$(nightjar_sql "SELECT group_concat(DISTINCT state) FROM bug")" fixed
printf '#!/bin/sh\nexit 127\n' >bin/crash
exits 3 "a build that does not run" "$NIGHTJAR" verify crash --json
is "is neither" "$(jq -r 'select(.id) | .result' "$OUT" | sort -u)" broken
rm bin/crash
exits 3 "no build at all" "$NIGHTJAR" verify crash --json
is "is broken, too" "$(jq -r 'select(.id) | .result' "$OUT" | sort -u)" broken
ok "another build" build other "$HERE/crash.c"
exits 1 "may be named" "$NIGHTJAR" verify crash -- ./other @@
has "and is used" "$OUT" "5 same"
is "but moves nothing" "$(nightjar_sql "SELECT group_concat(DISTINCT state) FROM bug")" fixed

# --- a fixed bug that shows again: an old build is no news, a later one is ---
ok "the first build again" build bin/crash "$HERE/crash.c"
exits 1 "is verified" "$NIGHTJAR" verify crash
printf 'r1 other' >in/one-more
ok "and one more crash of it is filed" triage in/one-more --target crash -- bin/crash @@
is "nothing is back" "$(state "$one")" fixed
sed '1i static int build_two;' "$HERE/crash.c" >later.c
ok "a later build" build bin/crash later.c
printf 'r1 another' >in/one-other
ok "that crashes" triage in/one-other --target crash -- bin/crash @@
is "shows that it is back" "$(state "$one") $(state "$two")" "regressed fixed"

# --- flaky ---
printf p >coin
ok "what shows by chance" triage coin --target flaky -- bin/flaky @@
exits 1 "verify of two targets" "$NIGHTJAR" verify --all --json
if [ "$("$NIGHTJAR" bugs --target flaky --json | jq -r .reproducibility)" = flaky ]; then
  is "asks the flaky one again and again" \
    "$(jq -r 'select(.target == "flaky") | "\(.result) \(.n > 1)"' "$OUT")" "same true"
else
  skip "asks the flaky one again and again" "chance: ten coins fell on one side"
fi

# --- what is asked wrongly ---
exits 2 "no target" "$NIGHTJAR" verify
exits 2 "a target and all" "$NIGHTJAR" verify crash --all
exits 2 "a target that is not there" "$NIGHTJAR" verify crahs
has "is guessed" "$ERR" "did you mean 'crash'?"
exits 3 "no state" "$NIGHTJAR" verify --all --state nowhere
ok "the state is whole" "$NIGHTJAR" db check
finish
