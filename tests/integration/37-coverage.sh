#!/bin/bash
# `nightjar coverage`: a corpus through a coverage build, inputs that crash among it, a harness that breaks, a report.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

chmod 755 .
mkdir -p out seeds more
cat >lib.c <<'EOF2'
#include <stdint.h>
#include <stdlib.h>
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n);
static volatile int sink;
static int steps(int c) {
    int r = c;
    if (c == 'a') {
        r += 1;
        r *= 2;
        r ^= 3;
        r -= 4;
    } else if (c == 'b') {
        r -= 1;
        r *= 3;
        r ^= 5;
        r += 6;
    }
    return r;
}
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
    if (n > 0 && d[0] == '!') abort();
    for (size_t i = 0; i < n; i++) sink = steps(d[i]);
    return 0;
}
EOF2
cover() { clang-14 -g -O0 -fprofile-instr-generate -fcoverage-mapping "$@" "$TOP/harnesses/standalone.c" 2>cc.log; }
cover -o out/lib_fuzzer lib.c || {
  fail "the test's target compiles" "$(cat cc.log)"
  finish
}
total() { jq -r "select(.target) | $1" "$OUT"; }
printf 'out: [out]\n' >nightjar.yaml
(cd out && printf a >../seeds/a && printf b >../seeds/b && tar cf lib_fuzzer_seed_corpus.tar -C ../seeds a b)
printf '!crash' >more/crash
printf x >more/x

exits 0 "a corpus is measured" "$NIGHTJAR" coverage lib_fuzzer --json
is "all of it" "$(total '[.inputs, .failed] | @csv')" 2,0
before=$(total .lines_covered)
is "file by file" "$(jq -r 'select(.file) | .file' "$OUT" | xargs -n1 basename | sort | xargs)" "lib.c standalone.c"
exits 0 "with an input that crashes" "$NIGHTJAR" coverage lib_fuzzer --corpus more --json
is "which costs no other's profile" "$(total '[.inputs, .failed] | @csv')" 4,1
ok "nothing is lost" test "$(total .lines_covered)" -ge "$before"
exits 0 "and for a person, with a report" "$NIGHTJAR" coverage lib_fuzzer --corpus more --html report
has "of lines" "$OUT" "lib_fuzzer "
has "and failures" "$OUT" "4 inputs, 1 of them crashed or hung"
ok "the report shows the source" grep -rqF "steps" report
exits 3 "a report overwrites nothing" "$NIGHTJAR" coverage lib_fuzzer --html report
is "three times are kept" "$(sqlite3 .nightjar/nightjar.db "SELECT count(*), count(DISTINCT build_id) FROM coverage")" "3|1"

# --- over time, and for whom a change is ---
exits 0 "history" "$NIGHTJAR" coverage lib_fuzzer --history --json
is "has all of them" "$(wc -l <"$OUT")" 3
is "with what they are of" "$(jq -r .inputs "$OUT" | xargs)" "2 4 4"
exits 0 "for a person" "$NIGHTJAR" coverage lib_fuzzer --history
exits 0 "files that are reached" "$NIGHTJAR" coverage lib_fuzzer --files --json
is "are named in full" "$(jq -r .file "$OUT" | grep -c "^$WORK/lib.c$")" 1
exits 2 "of a target that was never measured" "$NIGHTJAR" coverage nothing --history
printf c >in_library
exits 0 "what is imported" "$NIGHTJAR" corpus import lib_fuzzer in_library
exits 0 "is measured, too" "$NIGHTJAR" coverage lib_fuzzer --corpus more --json
is "by default" "$(total .inputs)" 5

# --- the harness breaks: it returns before it does anything ---
sed 's/for (size_t i = 0;/return 0; for (size_t i = 0;/' lib.c >broken.c
ok "a broken harness compiles" cover -o out/lib_fuzzer broken.c
exits 1 "and is found out" "$NIGHTJAR" coverage lib_fuzzer --corpus more
has "in words" "$OUT" "is the harness broken?"
is "as an event" "$(sqlite3 .nightjar/nightjar.db "SELECT from_state || ' ' || to_state FROM event WHERE kind = 'target.coverage'")" "ok dropped"
exits 0 "status says it, too" "$NIGHTJAR" status
has "with what to type" "$OUT" "lib_fuzzer: its corpus reaches far less than before"
ok "mended" cover -o out/lib_fuzzer lib.c
exits 0 "it is fine again" "$NIGHTJAR" coverage lib_fuzzer --corpus more
exits 0 "and status is silent" "$NIGHTJAR" status --json
is "of it" "$(jq -r '.coverage // empty' "$OUT")" ""

# --- which lines that costs: the harness breaks in its place, and a line is put above it ---
cp lib.c whole.c
{ echo '/* a line */' && sed 's/for (size_t i = 0;/return 0; for (size_t i = 0;/' whole.c; } >lib.c
ok "it breaks again" cover -o out/lib_fuzzer lib.c
exits 1 "and is found out" "$NIGHTJAR" coverage lib_fuzzer --corpus more
has "with how many lines" "$OUT" "lines and 1 functions no longer reached, 0 lines and 0 functions newly; by the same corpus"
exits 0 "which" "$NIGHTJAR" coverage lib_fuzzer --changes --json
first=$(grep -n "static int steps" lib.c | cut -d: -f1)
is "function" "$(jq -r 'select(.file) | .functions_lost[]' "$OUT")" "lib.c:steps"
is "lines, as they are numbered now" "$(jq -c 'select(.file) | [.lines_lost[0], (.lines_lost | length)]' "$OUT")" "[$first,16]"
is "and none else" "$(jq -c 'select(.target) | [.lines_lost, .lines_gained, .functions_edited, .same_corpus]' "$OUT")" "[16,0,0,true]"
exits 0 "for a person" "$NIGHTJAR" coverage lib_fuzzer --changes
has "in ranges" "$OUT" "lines no longer reached: $first-$((first + 14)), $((first + 18))"
cp whole.c lib.c
ok "mended" cover -o out/lib_fuzzer lib.c
exits 0 "all is reached again" "$NIGHTJAR" coverage lib_fuzzer --corpus more
exits 0 "newly" "$NIGHTJAR" coverage lib_fuzzer --changes --json
is "as many" "$(jq -c 'select(.target) | [.lines_lost, .lines_gained]' "$OUT")" "[0,16]"
ok "other programs read it, too" grep -q '^SF:.*lib.c$' .nightjar/coverage/lib_fuzzer/now.info
exits 2 "of one build alone there is nothing to tell" "$NIGHTJAR" coverage nothing --changes
has "but what to do" "$ERR" "nightjar coverage nothing, on each of them"

exits 2 "no such target" "$NIGHTJAR" coverage nothing
exits 2 "no target" "$NIGHTJAR" coverage
clang-14 -g -O1 -fsanitize=address -o out/lib_fuzzer lib.c "$TOP/harnesses/standalone.c" 2>cc.log
exits 3 "no coverage build" "$NIGHTJAR" coverage lib_fuzzer
has "is told with the cure" "$ERR" "-fprofile-instr-generate"
ok "the state is sound" "$NIGHTJAR" db check
finish
