#!/bin/bash
# `nightjar fuzz` with real engines on small programs: AFL++ and libFuzzer side by side, seeds that
# crash, workers that cannot work, interrupts, resuming, and the rungs of the sandbox.
# shellcheck disable=SC2317 # some functions are called by retry
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# --- targets ---
mkdir -p src out/afl out/libfuzzer calm/afl calm/libfuzzer seeds bad
chmod 755 . # what root drops to in the sandbox must be able to enter
cat >src/tool.c <<'EOF'
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    char b[64];
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : stdin;
    size_t n = f ? fread(b, 1, 60, f) : 0;
    if (n > 3 && b[0] == 'A') { volatile char *p = malloc(4); p[n] = 1; free((void *)p); }
    return n > 0 && b[0] == '0';
}
EOF
cat >src/lib.c <<'EOF'
#include <stdint.h>
#include <stdlib.h>
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n);
static volatile int sink;
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
    if (n > 3 && d[0] == 'F' && d[1] == 'U' && d[2] == 'Z') { volatile char *p = malloc(4); sink = p[n]; free((void *)p); }
    return 0;
}
EOF
sed 's/FUZ/fuz/; s/p\[n\]/p[0]/' src/lib.c >src/calm.c # nothing to find
build() {
  AFL_USE_ASAN=1 AFL_QUIET=1 afl-clang-fast -g -O1 -o tool src/tool.c &&
    AFL_USE_ASAN=1 AFL_QUIET=1 afl-clang-fast -g -O1 -fsanitize=fuzzer -o out/afl/lib src/lib.c &&
    AFL_USE_ASAN=1 AFL_QUIET=1 afl-clang-fast -g -O1 -fsanitize=fuzzer -o calm/afl/calm src/calm.c &&
    clang-14 -g -O1 -fsanitize=fuzzer,address -o calm/libfuzzer/calm src/calm.c &&
    clang-14 -g -O1 -fsanitize=fuzzer,address -o out/libfuzzer/lib src/lib.c
}
run build || {
  fail "the test's targets compile" "$(cat "$ERR")"
  finish
}
printf A >seeds/a
echo 0123 >seeds/digits
printf 'ABCDEFGH' >bad/crash
fuzz() { "$NIGHTJAR" fuzz --minimize no "$@"; }
status() { "$NIGHTJAR" status --json | jq -r "$1"; }
ours() { processes "$WORK" | grep -v "^$$\$"; }
none_left() { [ -z "$(ours)" ]; }
fresh() { rm -rf .nightjar; }
shm=$(segments)

# --- one binary, no yaml ---
exits 0 "a binary and its seeds are enough" fuzz ./tool seeds/ --for 6s --jobs 1 -- @@
has "a bug is told when it is found" "$ERR" "new bug: NJ-1"
has "and where its state lies" "$ERR" "$WORK/.nightjar/nightjar.db"
has "the last word is what to type next" "$ERR" "next: nightjar show NJ-1"
has "the table names the function" "$OUT" "main"
is "the worker has finished" "$(status 'select(.worker == "tool-aflpp-1") | .state')" finished
first=$(status 'select(.worker == "tool-aflpp-1") | .executions')
is "its executions are known" "$([ "$first" -gt 0 ] && echo yes || echo "$first")" yes
ok "nothing is left running" none_left
is "no SysV segment is left" "$(new_segments "$shm")" ""

# --- it goes on where it was ---
sums() { find .nightjar/fuzz/tool/aflpp/w1/queue -name 'id:*' -exec sha256sum {} + | cut -d' ' -f1 | sort -u; }
sums >corpus
exits 0 "the campaign goes on, as JSON" fuzz --json ./tool seeds/ --for 6s --jobs 1 -- @@
is "standard output is JSON Lines" "$(jq -r .id <"$OUT" | head -n 1)" NJ-1
second=$(status 'select(.worker == "tool-aflpp-1") | .executions')
is "executions never go back" "$([ "$second" -gt "$first" ] && echo yes || echo "$first, then $second")" yes
is "the corpus is kept" "$(sums | comm -23 corpus - | wc -l)" 0
is "finds of before are not filed twice" \
  "$("$NIGHTJAR" bugs --crashes --json | jq -r '.sha256 + .path' | sort | uniq -d | wc -l)" 0

# --- both engines at a time ---
fresh
exits 0 "AFL++ and libFuzzer on one target" fuzz out/ --for 12s --jobs 2
"$NIGHTJAR" bugs --crashes --json | jq -r 'select(.bug != null) | .path' >found
has "AFL++ has found the bug" found /aflpp/
has "so has libFuzzer" found /libfuzzer/
is "and it is one" "$("$NIGHTJAR" bugs --json | wc -l)" 1

# --- interrupts: once, then twice ---
fresh
start "$NIGHTJAR" fuzz calm/ --jobs 2 >run.out 2>run.err
run=$STARTED
both_run() {
  [ "$("$NIGHTJAR" status --json 2>/dev/null | jq -r 'select(.state == "running") | .engine' | sort -u | wc -l)" -eq 2 ] &&
    [ -n "$(processes "afl-fuzz -i ")" ] && [ -n "$(processes "-artifact_prefix=$WORK")" ]
}
ok "AFL++ and libFuzzer run side by side" retry 20 both_run
kill -INT "$run"
wait "$run"
is "an interrupted campaign ends well" $? 0
has "it says what it does" run.err "interrupted: stopping the workers and triaging what is left"
ok "nothing is left running" none_left
start "$NIGHTJAR" fuzz calm/ --jobs 2 >run.out 2>run.err
run=$STARTED
ok "it goes on" retry 20 both_run
kill -INT "$run"
told() { grep -q "interrupted: stopping" run.err; }
ok "the first interrupt is answered" retry 5 told
kill -INT "$run"
ok "a second one ends it at once" retry 5 gone "$run"
wait "$run"
ok "nothing is left running" retry 3 none_left
is "no SysV segment is left" "$(new_segments "$shm")" ""

# --- seeds that crash ---
fresh
mkdir mixed
cp seeds/a bad/crash mixed/
exits 0 "a seed that crashes does not stop the others" fuzz ./tool mixed/ --for 5s --jobs 1 -- @@
sha=$(sha256sum <bad/crash | cut -d' ' -f1)
is "it is in the ledger" "$("$NIGHTJAR" bugs --crashes --json | jq -r "select(.sha256 == \"$sha\") | .bug" | head -n 1)" NJ-1
fresh
exits 0 "nor does it when all seeds crash" fuzz ./tool bad/ --for 8s --jobs 1 -- @@
is "they are in the ledger" "$("$NIGHTJAR" bugs --crashes --json | jq -r "select(.sha256 == \"$sha\") | .bug" | head -n 1)" NJ-1
is "and fuzzing went on from minimal ones" "$(status 'select(.worker == "tool-aflpp-1") | .executions > 100')" true
fresh
printf 'FUZZzzzz' >out/seed
exits 0 "a seed that crashes libFuzzer is taken out" fuzz out/libfuzzer/lib out/seed --for 6s --jobs 1
is "and it fuzzes" "$(status 'select(.engine == "libfuzzer") | .edges > 0')" true
is "the seed is in the ledger" \
  "$("$NIGHTJAR" bugs --crashes --json | jq -r "select(.sha256 == \"$(sha256sum <out/seed | cut -d' ' -f1)\") | .bug" | head -n 1)" NJ-1
rm out/seed

# --- workers that cannot work ---
fresh
mkdir broken
echo 'int gone(void) { return 1; }' >gone.c
if ! clang-14 -shared -fPIC -o libgone.so gone.c ||
  ! clang-14 -g -fsanitize=address,fuzzer -Wl,--no-as-needed -L. -lgone -o broken/lib src/lib.c 2>cc.log; then
  fail "a target with a library of its own is built" "$(cat cc.log)"
fi
rm libgone.so
exits 3 "who cannot work is quarantined, and says why" fuzz broken/ --for 20s --jobs 1
has "the reason is in words" "$ERR" "quarantined: a shared library of the target is missing"
has "so is the outcome" "$ERR" "no worker has fuzzed at all"
is "and in the status" "$(status 'select(.worker == "lib-libfuzzer-1") | .state + ": " + .reason')" \
  "quarantined: a shared library of the target is missing"

# --- by nightjar.yaml ---
fresh
exits 0 "init describes a folder of targets" "$NIGHTJAR" init calm/
exits 0 "a target of nightjar.yaml is fuzzed by its name" fuzz calm --engine libfuzzer --for 3s --jobs 1
is "and only it, by that engine" "$(status 'select(.worker != null) | .worker')" calm-libfuzzer-1
exits 2 "a name with a typing error" fuzz clam --for 1s
has "is answered with the right one" "$ERR" "did you mean 'calm'?"
rm nightjar.yaml

# --- words for mistakes ---
exits 2 "an unknown target" fuzz tol --for 1s
has "is named" "$ERR" "there is no target and no file 'tol'"
exits 2 "an unknown engine" fuzz ./tool --engine honggfuzz --for 1s
has "is told what there is" "$ERR" "there is no engine 'honggfuzz'; there are: aflpp libfuzzer"
exits 2 "arguments without a program" fuzz out/ --for 1s -- @@
has "are refused with an example" "$ERR" "arguments behind -- belong to a program"
printf 'int main(void) { return 0; }\n' >src/plain.c
clang-14 -o plain src/plain.c
exits 3 "a program that no engine can fuzz" fuzz ./plain --for 1s
has "is told how to build it" "$ERR" "afl-clang-fast"
start "$NIGHTJAR" fuzz ./tool seeds/ --for 20s --jobs 1 -- @@ >run.out 2>run.err
run=$STARTED
fuzzes() { "$NIGHTJAR" status --json 2>/dev/null | grep -q '"state":"running"'; }
ok "a campaign runs" retry 20 fuzzes
exits 3 "a second one on the same state" fuzz ./tool seeds/ --for 1s -- @@
has "is told who is there" "$ERR" "fuzz"
kill -TERM "$run"
wait "$run"
is "SIGTERM is as good as SIGINT" $? 0

# --- rungs ---
for rung in landlock none; do
  fresh
  exits 0 "sandbox $rung: it fuzzes" fuzz --sandbox $rung ./tool seeds/ --for 4s --jobs 1 -- @@
  has "and says so" "$ERR" "sandbox $rung"
  is "sandbox $rung: it has run" "$(status 'select(.worker == "tool-aflpp-1") | .executions > 0')" true
  ok "sandbox $rung: nothing is left running" retry 3 none_left
  is "sandbox $rung: no SysV segment is left" "$(new_segments "$shm")" ""
done
if [ "$(id -u)" -eq 0 ]; then
  fresh
  mkdir user
  cp -r tool seeds user/
  chmod 755 "$WORK" user
  chown -R "$AS_UID" user
  cd user || exit 2
  exits 0 "an ordinary user fuzzes too" as_user "$NIGHTJAR" fuzz --minimize no ./tool seeds/ --for 4s --jobs 1 -- @@
  is "and it has run" "$(status 'select(.worker == "tool-aflpp-1") | .executions > 0')" true
fi
finish
