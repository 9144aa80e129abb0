#!/bin/bash
# Old findings and texts of others: `nightjar import afl|libfuzzer|casr`, and logs with several reports.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

cat >fuzz.c <<'C'
#include <stddef.h>
#include <stdlib.h>
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
  volatile char *block = malloc(4);
  if (size > 0 && data[0] == '!') block[size + 3] = 1;
  free((void *)block);
  return 0;
}
C
if ! clang-14 -g -O1 -fsanitize=address -o crash "$HERE/crash.c" 2>cc.log ||
  ! clang-14 -g -O1 -fsanitize=address,fuzzer -o fuzz_target fuzz.c 2>>cc.log; then
  fail "the test's targets compile" "$(cat cc.log)"
  finish
fi
db() { sqlite3 "$1/nightjar.db" "$2"; }
bugs() { "$NIGHTJAR" --state "$1" bugs --json | jq -r "$2"; }

# --- AFL++ ---
mkdir -p afl/default/crashes afl/default/queue
printf r1 >'afl/default/crashes/id:000000,sig:06,src:000000,time:60000,execs:1,op:havoc,rep:2'
printf w >'afl/default/crashes/id:000001,sig:06,src:000000,time:61000,execs:2,op:havoc,rep:2'
echo 'not a crash' >afl/default/crashes/README.txt
printf 'start_time        : 1700000000\nlast_update       : 1700001000\ncommand_line      : afl-fuzz -i in -o %s/afl -- %s/crash @@\n' \
  "$WORK" "$WORK" >afl/default/fuzzer_stats
exits 0 "an AFL++ tree is imported" "$NIGHTJAR" --state a import afl afl
is "as two bugs" "$(bugs a .id | wc -l)" 2
is "that are backlog" "$(bugs a .backlog | sort -u)" true
is "found when AFL++ found them" "$(db a 'SELECT written FROM crash ORDER BY written')" "$(printf '1700000060000\n1700000061000')"
is "by import" "$(db a 'SELECT DISTINCT source FROM crash')" import
has "in so many words" "$OUT" "2 files (2 new), 2 bugs (2 new)"
has "and what that means" "$OUT" "Taken over as backlog: no alert is sent and no deadline runs"
exits 0 "show says so" "$NIGHTJAR" --state a show NJ-1
has "backlog" "$OUT" "backlog: known before, no alert and no deadline"
has "and when it was found" "$OUT" "2023-11-14"
exits 0 "the same again adds nothing" "$NIGHTJAR" --state a import afl afl
has "indeed" "$OUT" "2 files (0 new), 2 bugs (0 new)"
exits 0 "a fresh find of the same bug" "$NIGHTJAR" --state a triage --minimize no afl
is "ends the backlog" "$(bugs a .backlog | sort -u)" false
exits 0 "the database is sound" "$NIGHTJAR" --state a db check

# --- first file, then triage ---
exits 0 "--no-triage" "$NIGHTJAR" --state b import afl afl --no-triage
has "says what comes next" "$ERR" "next: nightjar triage"
is "only files" "$(db b 'SELECT group_concat(DISTINCT state) FROM crash') $(bugs b .id | wc -l)" "queued 0"
exits 0 "triage goes on" "$NIGHTJAR" --state b triage
is "with what is still backlog" "$(bugs b .backlog | sort | uniq -c | tr -s ' ')" " 2 true"

# --- libFuzzer ---
mkdir artifacts
printf '!x' >"artifacts/crash-$(printf '!x' | sha1sum | cut -c -40)"
printf 'slow' >"artifacts/slow-unit-$(printf 'slow' | sha1sum | cut -c -40)"
exits 2 "libFuzzer's artifacts need a command" "$NIGHTJAR" --state c import libfuzzer artifacts
has "which is told" "$ERR" "nightjar import libfuzzer $WORK/artifacts -- ./target"
exits 0 "with it they are imported" "$NIGHTJAR" --state c import libfuzzer artifacts --json -- ./fuzz_target
is "as JSON" "$(jq -r '[.target, .backlog, .crash_type] | @csv' "$OUT")" $'"fuzz_target",true,"Heap-buffer-overflow\nWRITE 1"'
exits 2 "one kind is not taken for another" "$NIGHTJAR" --state d import afl artifacts
has "and said so" "$ERR" "is no AFL++ output folder"
exits 2 "a kind that is none" "$NIGHTJAR" --state d import alf afl
has "is guessed" "$ERR" "did you mean 'afl'?"
exits 2 "two words are wanted" "$NIGHTJAR" --state d import afl

# --- CASR ---
mkdir -p casr/cl1 casr/cl2
printf r1 >casr/cl1/id0
./crash casr/cl1/id0 >log 2>&1
jq -Rn '{Date: "2024-01-01", CrashSeverity: {Type: "NOT_EXPLOITABLE", ShortDescription: "heap-buffer-overflow(read)"},
  Stacktrace: [], AsanReport: [inputs]}' <log >casr/cl1/id0.casrep
jq -n '{CrashSeverity: {ShortDescription: "SourceAv"}, AsanReport: [],
  Stacktrace: ["#0  0x0000555555555131 in wild (p=0x0) at /src/a.c:3", "#1  0x0000555555555151 in main () at /src/a.c:9"]}' \
  >casr/cl2/id1.casrep
cp casr/cl2/id1.casrep casr/cl1/id0.gdb.casrep # a second look at the same crash
exits 0 "CASR's reports are imported" "$NIGHTJAR" --state e import casr casr
is "as two bugs" "$(bugs e .crash_state | tr '\n' ' ')" "read_one  wild  "
is "in gdb's and in the sanitizer's words" "$(bugs e '.crash_type | gsub("\n"; " ")' | sort | tr '\n' ' ')" "Heap-buffer-overflow READ 1 SIGSEGV "
exits 0 "with a command their inputs are" "$NIGHTJAR" --state f import casr casr -- ./crash @@
has "which one has not" "$ERR" "1 reports have no input"
is "and run" "$(db f 'SELECT k, n, is_report FROM crash')" "3|3|0"
exits 2 "a folder without any" "$NIGHTJAR" --state g import casr artifacts
has "is told" "$ERR" "holds no .casrep files"

# --- logs with several reports ---
mkdir logs
export ASAN_OPTIONS=handle_abort=1
for input in r1 w a1; do
  printf '%s' "$input" >input
  echo "[ci] worker starts"
  ./crash input 2>&1
done >logs/build.log 2>&1
unset ASAN_OPTIONS
cat >>logs/build.log <<'LOG'
a.c:1:2: runtime error: division by zero
SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior a.c:1:2
b.c:3:4: runtime error: shift exponent 40 is too large for 32-bit type 'int'
SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior b.c:3:4
LOG
exits 0 "a log of five reports" "$NIGHTJAR" --state h triage --reports logs
is "is five bugs" "$(bugs h .id | wc -l)" 5
is "each with a text of its own" "$(db h 'SELECT count(DISTINCT blob) FROM crash')" 5
is "in the one file" "$("$NIGHTJAR" --state h bugs --crashes --json | jq -r .path | sort | uniq -c | tr -s ' ')" " 5 $WORK/logs/build.log"
exits 0 "again it is known" "$NIGHTJAR" --state h triage --reports logs
has "all of it" "$OUT" "(0 new), 5 bugs (0 new)"
chatter() { seq -f '[ci] test %.0f passed, and so it goes on' 1 120000; }
{ chatter; cat logs/build.log; chatter; cat logs/build.log; } >long.log
# shellcheck disable=SC2317 # called by exits
from_stdin() { "$NIGHTJAR" --state "$1" triage --reports --target crash - <"$2"; }
exits 0 "a long log on standard input" from_stdin i long.log
is "has the same bugs" "$(bugs i .id | wc -l)" 5
is "whose reports are not the whole log" "$(db i 'SELECT max(bytes) < 200000 FROM blob')" 1
is "and leaves nothing behind but the ledger" "$(find i/reports -type f | wc -l)" 0
exits 0 "an empty one is no crash" from_stdin j /dev/null
exits 0 "the database is sound" "$NIGHTJAR" --state h db check
finish
