#!/bin/bash
# `nightjar minimize` and `nightjar repro` by hand: one bug is kept while its input shrinks, the original
# is never touched, and nothing is left behind, whatever ends them.
# shellcheck disable=SC2317 # functions that retry calls by name
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mkdir -m 1777 tmp
export TMPDIR=$WORK/tmp
chmod 755 "$WORK"

# --- two bugs near each other: WANT...! overflows; any short input with a W is a use after free ---
cat >two.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
__attribute__((noinline)) void wanted(int n) { volatile char *p = malloc(8); p[n] = 1; free((void *)p); }
__attribute__((noinline)) void decoy(int n) { volatile char *p = malloc(8); free((void *)p); p[n] = 1; }
#ifdef FUZZER
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
  char b[1 << 16] = ""; int n = size < sizeof(b) ? (int)size : (int)sizeof(b) - 1;
  memcpy(b, data, (size_t)n);
#else
int main(int argc, char **argv) {
  static char b[1 << 16]; FILE *f = argc > 1 ? fopen(argv[1], "rb") : stdin;
  int n = f == NULL ? 0 : (int)fread(b, 1, sizeof(b) - 1, f);
#endif
  if (b[0] == 'H') for (;;) pause();
#ifdef SLOW
  usleep(300000);
#endif
  char *at = strstr(b, "WANT");
  if (at != NULL && strchr(at, '!') != NULL) wanted(8);
  if (n < 30 && memchr(b, 'W', (size_t)n) != NULL) decoy(3);
  return 0;
}
C
build() { clang-14 -g -O1 -w -fsanitize=address "$@" 2>>cc.log; }
if ! build -o two two.c || ! build -DFUZZER -fsanitize=fuzzer -o two_fuzzer two.c ||
  ! build -DSLOW -o two_slow two.c; then
  fail "the test's targets compile" "$(cat cc.log)"
  finish
fi
printf 'a header, then WANT and some more (of this)\nand that! with a tail of no use at all' >crash
cp crash before
left() { find "$TMPDIR" -mindepth 1 | wc -l; }

# --- minimize ---
exits 0 "a command with @@" "$NIGHTJAR" minimize crash -- ./two @@
is "the bug is kept and the rest goes" "$(cat crash.min)" "WANT!"
has "the crash is named" "$OUT" "Heap-buffer-overflow WRITE 1 in wanted"
has "the sizes are told" "$OUT" "82 -> 5 bytes"
has "the last line can be typed" "$ERR" "$WORK/two crash.min"
ok "the original is untouched" cmp crash before
exits 0 "standard input, one run at a time" "$NIGHTJAR" minimize crash -o in --jobs 1 -- ./two
is "gives the same" "$(cat in)" "WANT!"
exits 0 "a libFuzzer target" "$NIGHTJAR" minimize crash -o fuzz -- ./two_fuzzer
is "gives the same too" "$(cat fuzz)" "WANT!"
exits 0 "four at a time, as JSON" "$NIGHTJAR" minimize crash -o json --jobs 4 --json -- ./two @@
is "one object" "$(jq -r '[.bytes_before, .bytes, .finished, .record.crash_type] | @csv' "$OUT")" \
  $'82,5,true,"Heap-buffer-overflow\nWRITE 1"'
is "and nothing else" "$(wc -l <"$OUT") $(wc -c <"$ERR")" "1 0"
name=$'odd "name\n$(touch pwned);\xff'
cp crash "$name"
exits 0 "a name of any bytes" "$NIGHTJAR" minimize "$name" -- ./two @@
is "has its result beside it" "$(cat "$name.min")" "WANT!"
not "and is never run" test -e pwned
printf 'Hang on' >hang
exits 0 "a hang is kept as one" "$NIGHTJAR" minimize hang --timeout 500ms --for 60s -- ./two @@
is "and shrinks" "$(cat hang.min)" "H"

# --- what is kept, what is found, what is dropped ---
for keep in exact major loose; do
  exits 0 "--keep $keep" "$NIGHTJAR" minimize crash -o kept --keep "$keep" --json -- ./two @@
  is "keeps the bug" "$(cat kept) $(jq -r .keep "$OUT")" "WANT! $keep"
done
exits 2 "no such rule" "$NIGHTJAR" minimize crash --keep all -- ./two @@
exits 0 "options and arguments" env ASAN_OPTIONS=quarantine_size_mb=1 "$NIGHTJAR" minimize crash -o less -- ./two @@ -q
has "that are not needed are told" "$OUT" "not needed for it: ASAN_OPTIONS=quarantine_size_mb=1, argument -q"
has "another crash on the way is told" "$OUT" "another crash on the way: less.found-1: Heap-use-after-free WRITE 1 in decoy"
hasnt "and left out of the last line" "$ERR" " -q"
exits 0 "it is one" "$NIGHTJAR" minimize less.found-1 -o found -- ./two @@
is "of its own" "$(cat found)" "W"

# --- builds of engines ---
if command -v afl-clang-fast >/dev/null; then
  cat >persistent.c <<'C'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
__AFL_FUZZ_INIT();
__attribute__((noinline)) void wanted(int n) { volatile char *p = malloc(8); p[n] = 1; free((void *)p); }
int main(void) {
  __AFL_INIT();
  unsigned char *b = __AFL_FUZZ_TESTCASE_BUF;
  while (__AFL_LOOP(1000)) {
    size_t n = __AFL_FUZZ_TESTCASE_LEN;
    if (memmem(b, n, "WANT", 4) != NULL && memchr(b, '!', n) != NULL) wanted(8);
  }
  return 0;
}
C
  ok "an AFL++ build that loops on shared memory compiles" env AFL_USE_ASAN=1 AFL_QUIET=1 afl-clang-fast -g -O1 -w -D_GNU_SOURCE -o persistent persistent.c
  exits 0 "and is minimized" "$NIGHTJAR" minimize crash -o loops -- ./persistent
  is "to the same" "$(cat loops)" "WANT!"
else
  skip "an AFL++ build" "install afl++"
fi

# --- what cannot be done is said ---
printf 'harmless' >harmless
exits 3 "no crash" "$NIGHTJAR" minimize harmless -- ./two @@
has "is told" "$ERR" "the input runs to its end without a crash"
not "and writes nothing" test -e harmless.min
exits 2 "no command" "$NIGHTJAR" minimize crash
exits 2 "/dev/null as the result" "$NIGHTJAR" minimize crash -o /dev/null -- ./two @@
exits 2 "the input as the result" "$NIGHTJAR" minimize crash -o ./crash -- ./two @@
ln crash link
exits 2 "even by another name" "$NIGHTJAR" minimize crash -o link -- ./two @@
exits 2 "a folder as the result" "$NIGHTJAR" minimize crash -o tmp -- ./two @@
exits 3 "a folder that is not there" "$NIGHTJAR" minimize crash -o none/x -- ./two @@
exits 3 "an input that is not there" "$NIGHTJAR" minimize none -- ./two @@
exits 3 "a program that is not there" "$NIGHTJAR" minimize crash -- ./none @@
exits 3 "a program that cannot run" "$NIGHTJAR" minimize crash -- /bin/sh -c 'exit 127' @@
exits 2 "no number of jobs" "$NIGHTJAR" minimize crash --jobs 1000 -- ./two @@
ok "the original is still untouched" cmp crash before
: >empty
exits 3 "an empty file" "$NIGHTJAR" minimize empty -- ./two @@
truncate -s 9M large
exits 3 "nine million bytes" "$NIGHTJAR" minimize large -- ./two @@
has "are too many" "$ERR" "holds more than 8388608 bytes"

# --- its end ---
targets() { cat /proc/[0-9]*/comm 2>/dev/null | grep -cx two_slow; }
# A worker has its fork server and one run. Two workers mean that candidates run, side by side: the original has
# shown its crash.
two_run() { [ "$(targets)" -ge 3 ]; }
nothing_runs() { [ "$(targets)" -eq 0 ]; }
start "$NIGHTJAR" minimize crash -o slow --for 10m --jobs 2 -- ./two_slow @@ >"$OUT" 2>"$ERR"
ok "it runs" retry 30 two_run
stop "$STARTED" INT
is "Ctrl-C ends it well" $? 0
has "with what there is" slow WANT
is "nothing is left in TMPDIR" "$(left)" 0
ok "no target runs any more" retry 10 nothing_runs
exits 0 "a limit of time" "$NIGHTJAR" minimize crash -o slow --for 1s -- ./two_slow @@
has "tells how to go on" "$ERR" "next: nightjar minimize crash -o slow --for 10m"
rm -f slow slow.journal
start "$NIGHTJAR" minimize crash -o slow --for 10m --jobs 2 -- ./two_slow @@ >"$OUT" 2>"$ERR"
ok "it runs again" retry 30 two_run
in_journal() { [ "$(stat -c %s slow.journal 2>/dev/null || echo 0)" -ge $((24 + 17 * $1)) ]; }
ok "the journal grows" retry 30 in_journal 6
stop "$STARTED" KILL
ok "after kill -9 no target runs any more" retry 10 nothing_runs
not "and there is no result" test -e slow
rm -rf tmp/*
exits 0 "the same command" "$NIGHTJAR" minimize crash -o slow --for 10m --jobs 2 --json -- ./two_slow @@
ok "asks nothing twice" test "$(jq .recalled "$OUT")" -ge 1
is "and comes to the same result" "$(cat slow)" "WANT!"
not "the journal goes when it is finished" test -e slow.journal

# --- repro ---
mkdir inputs
cp crash inputs/
printf 'W here' >inputs/other
exits 0 "two bugs" "$NIGHTJAR" triage --minimize no inputs -- ./two @@
is "are two" "$("$NIGHTJAR" bugs --json | wc -l)" 2
id=$("$NIGHTJAR" bugs --json | jq -r 'select(.crash_state | startswith("wanted")) | .id')
exits 0 "repro" "$NIGHTJAR" repro "$id"
has "says that it crashes" "$OUT" "$id: reproduces in 3 of 3 runs: Heap-buffer-overflow WRITE 1 in wanted"
sed 's/wanted(8)/decoy(3)/' two.c >changed.c
sed 's/wanted(8)/return 0/' two.c >fixed.c
clang-14 -g -O1 -w -fsanitize=address -o changed changed.c
clang-14 -g -O1 -w -fsanitize=address -o fixed fixed.c
exits 0 "repro on another build" "$NIGHTJAR" repro "$id" -- ./changed @@
has "says that it is another crash" "$OUT" "3 of 3 runs, but as another crash: Heap-use-after-free"
exits 0 "repro on a fixed build" "$NIGHTJAR" repro "$id" --runs 4 -- ./fixed @@
has "says that it does not crash" "$OUT" "$id: does not crash any more in 4 runs"
exits 0 "repro --json" "$NIGHTJAR" repro "$id" --json
is "is one object" "$(jq -r '[.id, .outcome, .same, .k, .n] | @csv' "$OUT")" "\"$id\",\"crash\",true,3,3"
exits 3 "repro on what cannot run" "$NIGHTJAR" repro "$id" -- /bin/sh -c 'exit 127' @@
exits 0 "repro --export" "$NIGHTJAR" repro "$id" --export out
ok "writes the input" cmp out/input crash
has "and the report" out/report.txt "AddressSanitizer"
has "and the build" out/BUILD "build-id   $(readelf -n two | sed -n 's/.*Build ID: //p')"
has "and who compiled it" out/BUILD "clang version 14"
exits 1 "and a script that crashes as the target does" sh out/repro.sh
has "in the same place, with names" "$ERR" "in wanted $WORK/two.c"
exits 0 "whose target can be another one" sh out/repro.sh ./fixed
TARGET=./fixed exits 0 "or be named in the environment" sh out/repro.sh
exits 127 "but must be there" sh out/repro.sh ./none
mkdir alone
cp out/repro.sh alone/
exits 1 "the script alone is enough" sh alone/repro.sh
ok "shellcheck has nothing to say" shellcheck out/repro.sh
exits 0 "once more into the same folder" "$NIGHTJAR" repro "$id" --export out
echo other >out/BUILD
exits 3 "what is something else" "$NIGHTJAR" repro "$id" --export out
has "is not overwritten" "$ERR" "'out/BUILD' is there already and is something else"
is "indeed" "$(cat out/BUILD)" other
exits 0 "by standard input too" "$NIGHTJAR" repro "$id" --export piped -- ./two
exits 1 "which the script gives" sh piped/repro.sh
odd="$WORK/od'd \$(id)"
mkdir "$odd"
cp two "$odd/t wo"
# shellcheck disable=SC2016 # they are to stay
exits 0 "of a target and with arguments that a shell would take apart" "$NIGHTJAR" repro "$id" --export "$odd/to" -- \
  "$odd/t wo" @@ "a 'b" $'c\nd%' '`id`'
exits 1 "and from elsewhere" env -C / sh "$odd/to/repro.sh"
has "with the arguments as they were" "$odd/to/repro.sh" "'a '\\''b' \"\$(printf 'c\\012d%%')\" '\`id\`'"
ok "and shellcheck has nothing to say" shellcheck -e SC2016 "$odd/to/repro.sh"
if command -v gdb >/dev/null; then
  exits 0 "repro --gdb" "$NIGHTJAR" repro "$id" --gdb --gdb-command 'print 40 + 2'
  has "stops in the program" "$OUT" "received signal SIGABRT"
  has "shows the stack" "$OUT" " in wanted ("
  has "and takes further commands" "$OUT" "= 42"
  is "and removes its copy of the input" "$(left)" 0
else
  skip "repro --gdb" "install gdb"
fi
exits 2 "--gdb talks to a person" "$NIGHTJAR" repro "$id" --gdb --json
exits 3 "no such bug" "$NIGHTJAR" repro NJ-99
exits 2 "no such id" "$NIGHTJAR" repro nonsense
exits 2 "no id" "$NIGHTJAR" repro
# two bugs of one function have one signature: the place says which of them it is
cat >sites.c <<'END'
#include <stdio.h>
#include <stdlib.h>
static void
store(char *to, int c)
{
    volatile int steps = 0;
    steps++;
    steps++;
    if (c == 'A') {
        to[8] = 1;
    }
    steps++;
    if (c == 'B') {
        to[9] = 1;
    }
}
int
main(int argc, char **argv)
{
    FILE *file = fopen(argv[1], "r");
    store(malloc(8), fgetc(file));
    return 0;
}
END
sed "s/'A'/'X'/; s/'B'/'A'/" sites.c >swapped.c
clang-14 -g -O0 -w -fsanitize=address -o sites sites.c
clang-14 -g -O0 -w -fsanitize=address -o swapped swapped.c
mkdir sites.inputs
printf A >sites.inputs/a
printf B >sites.inputs/b
exits 0 "two sites" "$NIGHTJAR" triage --state sites.state --minimize no sites.inputs -- ./sites @@
id=$("$NIGHTJAR" bugs --state sites.state --crashes --json | jq -r 'select(.path | endswith("/a")) | .bug')
exits 0 "repro of one" "$NIGHTJAR" repro --state sites.state "$id"
has "is that one" "$OUT" "3 of 3 runs: Heap-buffer-overflow WRITE 1 in store"
exits 0 "repro on a build where the input is at the other" "$NIGHTJAR" repro --state sites.state "$id" -- ./swapped @@
has "is the other" "$OUT" "3 of 3 runs, but as another crash: Heap-buffer-overflow WRITE 1 in store"
is "nothing is left in TMPDIR at the end" "$(left)" 0
finish
