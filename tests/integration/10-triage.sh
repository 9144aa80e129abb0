#!/bin/bash
# `nightjar triage` on what people have: folders, AFL++ trees, libFuzzer artifacts, reports; and
# on what nobody wants: odd names, programs that do not run, targets that misbehave.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

for name in crash misbehave; do
  clang-14 -g -O1 -fsanitize=address -o "$name" "$HERE/$name.c" 2>cc.log || {
    fail "the test's targets compile" "$(cat cc.log)"
    finish
  }
done
bugs() { "$NIGHTJAR" bugs --json | jq -r "$1"; }
crashes() { "$NIGHTJAR" bugs --crashes --json | jq -r "$1"; }
fresh() { rm -rf .nightjar; }
# the longest line of a file, in characters
width() { awk '{ if (length($0) > n) n = length($0) } END { print n + 0 }' "$1"; }
control_bytes() { LC_ALL=C tr -d '\n\t -~\200-\377' <"$1" | wc -c; }

# --- a folder of crashes with every name that a file may have ---
mkdir in
printf r1 >in/read
printf r1 >in/the-same-bytes
printf 'r1 again' >in/again
printf w >in/write
# shellcheck disable=SC2016 # a name that a shell would run
printf n >'in/;$(touch pwned)`touch pwned`'
printf a1 >"$(printf 'in/new\nline\033[31m')"
printf a2 >"$(printf 'in/bad\377utf8')"
printf ok >in/clean
: >in/empty
exits 0 "a folder of crashes is triaged" "$NIGHTJAR" triage in -- ./crash @@
cp "$OUT" first.out
has "each new bug is one line" first.out "NJ-1 "
has "the table is there" first.out "TOP FRAME"
has "what ran without failing is counted" first.out "2 unreproducible"
has "the last line tells what to type" "$ERR" "next: nightjar show NJ-"
is "nothing is wider than 80 columns" "$([ "$(width first.out)" -le 80 ] && echo yes)" yes
is "no control byte reaches the terminal" "$(control_bytes first.out) $(control_bytes "$ERR")" "0 0"
is "five distinct bugs" "$(bugs .id | wc -l)" 5
is "the worst comes first" "$(bugs '.crash_type | gsub("\n"; " ")' | head -1)" "Heap-buffer-overflow WRITE 1"
is "equal bytes are one crash of their bug" \
  "$(bugs 'select(.crash_state | startswith("read_one")) | .crashes')" 2
is "every path has its line" "$(crashes .path | wc -l)" 9
is "equal bytes are two lines with one sha256" \
  "$(crashes 'select(.path | test("/(read|the-same-bytes)$")) | .sha256' | sort -u | wc -l)" 1
is "a newline in a name round-trips" "$(crashes .path | grep -c 'in/new\\x0aline\\x1b\[31m$')" 1
is "an invalid byte in a name round-trips" "$(crashes .path | grep -c 'in/bad\\xffutf8$')" 1
not "no name was run" test -e pwned
is "what never failed has no bug" "$(crashes 'select(.bug == null) | .path' | wc -l)" 2
exits 0 "the same again adds nothing" "$NIGHTJAR" triage in -- ./crash @@
has "and says so" "$OUT" "9 files (0 new), 5 bugs (0 new)"
exits 0 "--json prints the bugs and nothing else" "$NIGHTJAR" triage --json in -- ./crash @@
is "as \`bugs --json\` does" "$(jq -r .id "$OUT" | sort | tr '\n' ' ')" "NJ-1 NJ-2 NJ-3 NJ-4 NJ-5 "
exits 0 "the database is sound" "$NIGHTJAR" db check

# --- standard input, single files ---
fresh
exits 0 "without @@ the input is standard input" "$NIGHTJAR" triage --minimize no in/write -- ./crash
is "and fails the same way" "$(bugs .crash_state | head -1)" write_one

# --- a target of nightjar.yaml ---
fresh
cat >nightjar.yaml <<'END'
targets:
  - name: tool
    builds: {sanitizer: crash}
    args: ["@@"]
END
exits 0 "--target takes the command from nightjar.yaml" "$NIGHTJAR" triage --minimize no --target tool in/write
is "the bug is of that target" "$(bugs .target)" tool
exits 2 "a name that is not in there" "$NIGHTJAR" triage --target toll in/write
has "is said" "$ERR" "nightjar.yaml has no target 'toll'"
exits 2 "a broken nightjar.yaml" env sh -c 'echo "tragets: []" >nightjar.yaml; exec "$@"' sh "$NIGHTJAR" triage in -- ./crash @@
has "is named with its place" "$ERR" "nightjar.yaml:1:1: unknown key 'tragets' (did you mean 'targets'?)"
rm nightjar.yaml

# --- every way to confine a target ---
for rung in landlock none; do
  fresh
  exits 0 "--sandbox $rung" "$NIGHTJAR" triage --sandbox "$rung" --minimize no in -- ./crash @@
  is "finds the same bugs" "$(bugs .id | wc -l)" 5
done
exits 2 "another one does not exist" "$NIGHTJAR" triage --sandbox paper in -- ./crash @@

# --- AFL++ ---
fresh
mkdir -p job/bin job/seeds
if command -v afl-fuzz >/dev/null; then
  AFL_QUIET=1 afl-clang-fast -g -o job/bin/t "$HERE/crash.c" >cc.log 2>&1
  printf q >job/seeds/q
  printf rr >job/seeds/r
  # -V 10: until it has found one, at most
  (cd job && AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_BENCH_UNTIL_CRASH=1 \
    AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 timeout -k 5 60 afl-fuzz -V 30 -t 500 -i seeds -o old \
    -- bin/t @@ >afl.log 2>&1)
  n=$(find job/old/default/crashes -name 'id:*' | wc -l)
  is "afl-fuzz left a crash" "$([ "$n" -gt 0 ] && echo yes)" yes
  rm -rf job/old/default/hangs/id*
  exits 0 "an AFL++ tree needs no command" "$NIGHTJAR" triage --minimize no job/old
  has "it says where the command is from" "$ERR" "job/bin/t @@ (from $WORK/job/old/default/fuzzer_setup)"
  is "every crash of it is known" "$(crashes 'select(.bug != null) | .path' | wc -l)" "$n"
  hasnt "README.txt is no crash" <("$NIGHTJAR" bugs --crashes) README.txt
  fresh
  exits 0 "so does its crashes folder" "$NIGHTJAR" triage --minimize no job/old/default/crashes
  mv job/bin/t job/bin/moved
  exits 3 "a target that is gone is an error" "$NIGHTJAR" triage job/old
  has "which names it" "$ERR" "the fuzzed program 'bin/t'"
  has "and the cure" "$ERR" "nightjar triage PATH -- /path/to/t @@"
else
  skip "an AFL++ tree" "afl-fuzz is not installed: apt-get install afl++"
fi

# --- libFuzzer ---
fresh
cat >lf.c <<'END'
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'x') {
        abort();
    }
    return 0;
}
END
clang-14 -g -fsanitize=fuzzer,address -o lf lf.c
mkdir art seeds
printf x >seeds/x
(cd art && ../lf ../seeds -runs=100000 >lf.log 2>&1)
cp "$(ls art/crash-*)" art/slow-unit-da39a3ee5e6b4b0d3255bfef95601890afd80709
exits 2 "libFuzzer artifacts need to know the program" "$NIGHTJAR" triage art
has "and the message says how" "$ERR" "Say it behind --: nightjar triage $WORK/art -- ./target"
exits 0 "with it they are triaged" "$NIGHTJAR" triage art -- ./lf
is "into one bug of one crash" "$(bugs .crashes)" 1
has "slow units are left out, and that is said" "$ERR" "1 slow units of libFuzzer"
has "so is what lies beside them" "$ERR" "'lf.log'"

# --- reports alone ---
fresh
mkdir logs
for kind in r1 w n; do
  printf '%s' "$kind" >input
  ASAN_OPTIONS=symbolize=1 ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer-14) ./crash input 2>"logs/$kind.txt"
done
exits 0 "reports are triaged without running anything" "$NIGHTJAR" triage --reports logs
is "into their bugs" "$(bugs .id | wc -l)" 3
exits 2 "a command makes no sense there" "$NIGHTJAR" triage --reports logs -- ./crash

# --- what is wrong is said ---
fresh
exits 2 "no path, no state: a usage error or nothing to do" "$NIGHTJAR" triage -- ./crash @@
has "it says what to type" "$ERR" "which files? nightjar triage PATH... -- ./target @@"
exits 3 "a program that does not exist" "$NIGHTJAR" triage in -- ./nothing @@
has "is named" "$ERR" "nothing"
exits 2 "an unknown option" "$NIGHTJAR" triage --tmieout 3s in -- ./crash @@
has "gets a suggestion" "$ERR" "did you mean '--timeout'?"
exits 3 "a path that does not exist" "$NIGHTJAR" triage --minimize no in/write missing -- ./crash @@
has "is named, and the rest is done" "$ERR" "cannot find 'missing': No such file or directory"
is "as the bug shows" "$(bugs .id)" NJ-1
mkdir shut
printf w >shut/inner
chmod 000 shut
if as_user test -r shut; then
  skip "an unreadable folder" "this user reads everything"
else
  mkdir user && chmod 777 user
  exits 3 "an unreadable folder" as_user "$NIGHTJAR" triage --state user/s --minimize no shut in -- "$WORK/crash" @@
  has "is named, and the rest is done" "$ERR" "cannot read folder '$WORK/shut': Permission denied"
  has "as the table shows" "$OUT" write_one
fi

# --- a command that never runs ---
fresh
mkdir many
for i in $(seq 20); do printf 'r%s' "$i" >"many/$i"; done
echo 'int helper(void) { return 0; }' >helper.c
echo 'int helper(void); int main(void) { return helper(); }' >needs.c
clang-14 -shared -fPIC -o libhelper.so helper.c
clang-14 -o needs needs.c -L. -lhelper -Wl,-rpath,"$WORK"
mv libhelper.so away
exits 3 "a target that cannot be loaded stops the run early" "$NIGHTJAR" triage --jobs 1 many -- ./needs @@
has "with the reason" "$ERR" libhelper.so
is "long before all are broken" "$([ "$(crashes 'select(.state == "broken") | .path' | wc -l)" -le 4 ] && echo yes)" yes
mv away libhelper.so
exits 0 "once it is cured the same command does it" "$NIGHTJAR" triage --minimize no many -- ./needs @@
is "for all of them" "$(crashes 'select(.state == "broken" or .state == "queued") | .path' | wc -l)" 0

# --- targets that misbehave ---
fresh
mkdir bad
for kind in H F M P D; do printf '%s' "$kind" >"bad/$kind"; done
exits 0 "targets that hang, fork, eat memory, print for ever or delete" \
  "$NIGHTJAR" triage --runs 1 --minimize no --timeout 3s bad -- ./misbehave @@
is "all have a verdict" "$(crashes 'select(.state != "queued" and .state != "broken") | .path' | wc -l)" 5
has "a hang is a bug" <(bugs .crash_type) Timeout
has "so is a deleted input" <(bugs .crash_state) delete_input
is "nothing outlives the run" "$(processes "$WORK/misbehave")" ""
is "the input is still there" "$(cat bad/D)" D

finish
