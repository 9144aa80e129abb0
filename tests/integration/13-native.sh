#!/bin/bash
# Crashes of builds without a sanitizer: what gdb sees, CASR's classes, core files, several builds
# of one target, what is shipped; and targets that attack the debugger.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

if ! command -v gdb >/dev/null; then
  skip "crashes without a sanitizer" "there is no gdb: apt-get install gdb"
  finish
fi
bugs() { "$NIGHTJAR" bugs --json | jq -r "$1"; }
fresh() { rm -rf .nightjar; }

# input, class by CASR's rules, exploitability, ClusterFuzz's type, top frame
kinds='r SourceAvNearNull NOT_EXPLOITABLE Null-dereference_READ read_at
w DestAvNearNull PROBABLY_EXPLOITABLE Null-dereference_WRITE write_at
R SourceAv NOT_EXPLOITABLE UNKNOWN_READ read_at
W DestAv EXPLOITABLE UNKNOWN_WRITE write_at
N DestAv EXPLOITABLE UNKNOWN_WRITE write_at
c SegFaultOnPc EXPLOITABLE UNKNOWN call_of
0 SegFaultOnPcNearNull PROBABLY_EXPLOITABLE Null-dereference call_of
p CallAv EXPLOITABLE UNKNOWN call_through
P CallAvNearNull PROBABLY_EXPLOITABLE Null-dereference call_through
j BranchAv EXPLOITABLE UNKNOWN jump_through
J BranchAvNearNull PROBABLY_EXPLOITABLE Null-dereference jump_through
s (ReturnAv|SegFaultOnPc|DestAv) EXPLOITABLE UNKNOWN(_WRITE)? (smash|NULL)
d StackOverflow NOT_EXPLOITABLE Stack-overflow recurse
a AbortSignal NOT_EXPLOITABLE Abrt give_up
A AbortSignal NOT_EXPLOITABLE ASSERT n_==_3
h HeapError PROBABLY_EXPLOITABLE Abrt double_free.*
f SafeFunctionCheck NOT_EXPLOITABLE Abrt .*buffer_overflow.*
g StackGuard PROBABLY_EXPLOITABLE Abrt .*stack_smashing.*
z FPE NOT_EXPLOITABLE Floating-point-exception divide
u BadInstruction PROBABLY_EXPLOITABLE Illegal-instruction illegal
3 TrapSignal NOT_EXPLOITABLE Trap trap'

mkdir in
while read -r key _; do printf '%s' "$key" >"in/$key"; done <<<"$kinds"

# What was found for each input, a line as in the table and its signature; a crash's own record,
# not its bug's.
found() {
  sqlite3 .nightjar/nightjar.db "SELECT json_object('path', p.path, 'major', c.major, 'record', json(r.json))
    FROM crash c JOIN crash_path p ON p.crash = c.id JOIN record r ON r.crash = c.id" |
    jq -r '[(.path | split("/") | last), .record.class, .record.exploitability, .record.crash_type,
            .record.crash_state, .major] | join("|") | gsub("[ \n]"; "_")'
}

compare() { # BUILD
  local key class how type frame line wrong=()
  while read -r key class how type frame; do
    line=$(grep "^$key|" found.txt)
    [[ $line =~ ^.\|$class\|$how\|$type\|_*$frame ]] || wrong+=("$key: ${line:-nothing}")
  done <<<"$kinds"
  if [ ${#wrong[@]} -eq 0 ]; then
    pass "$1: class, exploitability, type and place of $(wc -l <<<"$kinds") ways to die"
  else
    fail "$1: class, exploitability, type and place" "${wrong[@]}"
  fi
}

builds='gcc-O2 clang-14-O0'
[ "${SOAK:-0}" = 0 ] || builds='gcc-O0 gcc-O2 clang-14-O0 clang-14-O2'
for build in $builds; do
  "${build%-O*}" -g "-O${build##*-O}" -w -fstack-protector-all -o "plain-$build" "$HERE/native.c" || exit 2
  fresh
  exits 0 "$build: crashes are triaged" \
    "$NIGHTJAR" triage --runs 1 --minimize no --target t in -- "./plain-$build" @@
  found >found.txt
  compare "$build"
  cp found.txt "found-$build.txt"
done
same=0
for key in r w W a d z h; do
  [ "$(for build in $builds; do grep "^$key|" "found-$build.txt" | grep -oE '[0-9a-f]{40}$'; done |
    sort -u | wc -l)" = 1 ] && same=$((same + 1))
done
is "an input has one signature on every build" "$same" 7

# --- what show and parse make of it ---
id=$(bugs 'select(.crash_type == "UNKNOWN WRITE" or .crash_type == "UNKNOWN\nWRITE") | .id' | head -1)
exits 0 "show knows the bug" "$NIGHTJAR" show "$id"
has "what was executed" "$OUT" "mov dword ptr ["
exits 0 "its report can be had" "$NIGHTJAR" repro "$id" --export out
report=out/report.txt
is "and parse reads the same signature in it" \
  "$("$NIGHTJAR" parse --json --fuzz-target t "$report" | jq -r .hash.major)" \
  "$(bugs "select(.id == \"$id\") | .signature")"
is "with registers" "$("$NIGHTJAR" parse --json "$report" | jq '[.registers[] | select(.name == "rip")] | length')" 1

# --- several builds: the sanitizer's first, what found it, what is shipped ---
cat >several.c <<'END'
#include <stdio.h>
#include <stdlib.h>
__attribute__((noinline)) void overflow(int n) { volatile char *p = malloc(8); p[n] = 1; free((void *)p); }
__attribute__((noinline)) void shipped(volatile int *p) { *p = 1; }
int main(int argc, char **argv)
{
    FILE *f = fopen(argv[argc - 1], "r");
    switch (f == NULL ? 0 : fgetc(f)) {
    case 'b': overflow(9); break; /* what is shipped bears it */
    case 'B': overflow(1 << 28); break;
#ifndef CAREFUL
    case 'p': shipped(0); break; /* what the sanitizer build does not show */
#endif
    }
    return 0;
}
END
mkdir -p builds/address builds/release
clang-14 -g -O1 -fsanitize=address -DCAREFUL -o builds/address/tool several.c
gcc -g -O2 -o builds/release/tool several.c
printf 'name: tool\nargs: ["@@"]\n' >builds/address/tool.yaml
cp builds/address/tool.yaml builds/release/tool.yaml
printf 'out: builds\n' >nightjar.yaml
mkdir many
for key in b B p; do printf '%s' "$key" >"many/$key"; done
fresh
exits 0 "a target of several builds" "$NIGHTJAR" triage --runs 3 --minimize no --target tool many
record() { sqlite3 .nightjar/nightjar.db "SELECT json_extract(r.json, '\$.$2') FROM crash_path p
  JOIN record r ON r.crash = p.crash WHERE p.path GLOB '*/many/$1'"; }
is "what only ASan sees is its build's" "$(record b build) $(record b shipped.k)/$(record b shipped.n)" "sanitizer 0/3"
is "what is shipped crashes too: k of n" "$(record B build) $(record B shipped.k)/$(record B shipped.n)" "sanitizer 3/3"
is "what only what is shipped shows is its own" "$(record p build) $(record p shipped.k)/$(record p shipped.n)" "release 3/3"
is "with the stack by gdb" "$(record p crash_state | head -1)" shipped
is "that makes it worse" \
  "$(sqlite3 .nightjar/nightjar.db "SELECT a.s > b.s FROM
     (SELECT json_extract(json, '\$.severity_score') s FROM record r JOIN crash_path p ON p.crash = r.crash WHERE p.path GLOB '*/B') a,
     (SELECT json_extract(json, '\$.severity_score') s FROM record r JOIN crash_path p ON p.crash = r.crash WHERE p.path GLOB '*/b') b")" 1
is "k of n of each build is kept" "$(sqlite3 .nightjar/nightjar.db \
  "SELECT group_concat(x, ' ') FROM (SELECT b.kind || ' ' || r.outcome || ' ' || r.k || '/' || r.n x FROM replay r
   JOIN build b ON b.id = r.build JOIN crash_path p ON p.crash = r.crash WHERE p.path GLOB '*/p' ORDER BY b.place)")" \
  "sanitizer clean 3/3 release crash 3/3"
exits 0 "a bug of what is shipped is minimized there" "$NIGHTJAR" triage --target tool
is "and shows" "$(sqlite3 .nightjar/nightjar.db "SELECT count(*) FROM bug WHERE minimize = 'given_up'")" 0
exits 0 "the database is sound" "$NIGHTJAR" db check

# --- a release build that comes later ---
fresh
mv builds/release later
exits 0 "bugs are filed before there is a release build" "$NIGHTJAR" triage --runs 3 --minimize no --target tool many
is "of what is shipped nothing is known" "$(sqlite3 .nightjar/nightjar.db "SELECT count(*) FROM record WHERE json LIKE '%shipped%'")" 0
before=$(bugs .severity_score | sort -n | tail -1)
mv later builds/release
exits 0 "the next triage tries them on it" "$NIGHTJAR" triage --runs 3 --minimize no --target tool
has "and says so" "$OUT" "caught up"
is "what crashes it: k of n" "$(record B shipped.k)/$(record B shipped.n)" 3/3
is "what it spares" "$(record b shipped.k)/$(record b shipped.n)" 0/3
is "severity follows" "$(bugs .severity_score | sort -n | tail -1 | awk -v b="$before" '{print ($1 > b)}')" 1
"$NIGHTJAR" show --json "$(sqlite3 .nightjar/nightjar.db "SELECT 'NJ-' || c.bug FROM crash c JOIN crash_path p ON p.crash = c.id WHERE p.path GLOB '*/B'")" >"$OUT"
has "and says why" "$OUT" "crashes what we ship: 3 of 3 runs"
exits 0 "another triage" "$NIGHTJAR" triage --runs 3 --minimize no --target tool
hasnt "has nothing to catch up with" "$OUT" "caught up"
exits 0 "the database is sound" "$NIGHTJAR" db check

# --- a sanitizer build that comes later ---
# glibc sees at a free() in one place what two functions did before; the sanitizer sees each of them
cat >late.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static char *a, *b;
__attribute__((noinline)) void names(int n) { memset(a, 'n', n); }
__attribute__((noinline)) void sizes(int n) { for (int i = 0; i < n; i++) ((volatile char *)a)[i] = 's'; }
__attribute__((noinline)) void shipped(volatile int *p) { *p = 1; }
__attribute__((noinline)) void finish(void) { free(b); }
int main(int argc, char **argv)
{
    FILE *f = fopen(argv[argc - 1], "r");
    int c = f == NULL ? 0 : fgetc(f);
    a = malloc(24);
    b = malloc(24);
    if (c == 'n') names(64);
    if (c == 's') sizes(64);
#ifndef CAREFUL
    if (c == 'p') shipped(0);
#endif
    finish();
    return 0;
}
END
mkdir -p late/address late/release late-in
clang-14 -g -O1 -fsanitize=address -DCAREFUL -o late/address/late late.c
gcc -g -O0 -o late/release/late late.c
printf 'name: late\nargs: ["@@"]\n' | tee late/address/late.yaml >late/release/late.yaml
printf 'out: late\n' >nightjar.yaml
for key in n n2 s p; do printf '%s' "$key" >"late-in/$key"; done
mv late/address late-address
fresh
exits 0 "bugs are filed before there is a sanitizer build" "$NIGHTJAR" triage --runs 3 --minimize no --target late late-in
is "two of them as one, by glibc's abort" "$(bugs '.sanitizer + " " + (.crashes | tostring)' | sort | tr '\n' ',')" "none 1,none 3,"
old=$(bugs 'select(.crashes == 3) | .id')
exits 0 "somebody owns it" "$NIGHTJAR" bugs owner "$old" @org/late
mv late-address late/address
exits 0 "the next triage asks the sanitizer" "$NIGHTJAR" triage --runs 3 --minimize no --target late
has "and says so" "$OUT" "caught up"
is "which tells the two apart, and leaves what it does not see" \
  "$(bugs '[.sanitizer, (.crash_state | split("\n")[0]), .crashes] | join(" ")' | sort | tr '\n' ',')" \
  "address names 2,address sizes 1,none shipped 1,"
is "the bug that was keeps its number and owner" "$(bugs "select(.id == \"$old\") | .owner + \" \" + .sanitizer")" "@org/late address"
exits 0 "and says why" "$NIGHTJAR" show "$old"
has "it is grouped so" "$OUT" "on the sanitizer build, which came later"
exits 0 "another triage" "$NIGHTJAR" triage --runs 3 --minimize no --target late
hasnt "has nothing to catch up with" "$OUT" "caught up"
exits 0 "the database is sound" "$NIGHTJAR" db check
rm nightjar.yaml

# --- core files ---
fresh
core_of() { # NAME KEY
  gdb -nx -batch -ex "run in/$2 >/dev/null" -ex "generate-core-file $1" ./plain-gcc-O2 >/dev/null 2>&1
}
core_of core.write W
core_of core.heap h
exits 0 "a core file is triaged" "$NIGHTJAR" triage --core core.write ./plain-gcc-O2
is "as the crash that it is" "$(bugs '.class + " " + .crash_state')" "DestAv write_at
die"
is "it has no reproducer of its own" "$(sqlite3 .nightjar/nightjar.db "SELECT source, is_report FROM crash")" "core|1"
is "and is not kept" "$(find .nightjar -size +100k -name '*core*' | wc -l)" 0
"$NIGHTJAR" triage --runs 1 --minimize no --target plain-gcc-O2 in/W -- ./plain-gcc-O2 @@ >"$OUT" 2>"$ERR"
is "the input of the same crash joins it" "$(bugs .crashes)" 2
exits 0 "glibc's check is seen in a core" "$NIGHTJAR" triage --core core.heap ./plain-gcc-O2
is "by its stack" "$(bugs 'select(.crash_type == "Abrt") | .class')" HeapError
for tool in xz zstd; do
  if command -v $tool >/dev/null; then
    $tool -q -k core.write
    fresh
    exits 0 "a core as $tool leaves it" "$NIGHTJAR" triage --core core.write.* ./plain-gcc-O2
    rm -f core.write.*
  fi
done
mkdir rebuilt
gcc -g -O1 -w -o rebuilt/plain-gcc-O2 "$HERE/native.c"
exits 3 "a core of another build" "$NIGHTJAR" triage --core core.write rebuilt/plain-gcc-O2
has "is said to be one" "$ERR" "it is of another build of '$WORK/rebuilt/plain-gcc-O2': the build ids differ"
exits 3 "a core of another program" "$NIGHTJAR" triage --core core.write builds/release/tool
has "is said to be one, too" "$ERR" "it is a core of '$WORK/plain-gcc-O2', not of '$WORK/builds/release/tool'"
head -c 20000 core.write >core.cut
exits 3 "a damaged core" "$NIGHTJAR" triage --core core.cut ./plain-gcc-O2
has "is said to be one" "$ERR" "'core.cut': gdb finds no crash in it"
exits 2 "what is no core" "$NIGHTJAR" triage --core several.c ./plain-gcc-O2
has "is said" "$ERR" "'several.c': it is no core file"
exits 2 "a core without a program" "$NIGHTJAR" triage --core core.write
has "gets the usage" "$ERR" "nightjar triage --core CORE PROGRAM"

# --- targets that attack the debugger ---
fresh
mkdir evil
name=$(head -c 60000 /dev/zero | tr '\0' 'x')
cat >evil/evil.c <<END
#include <stdio.h>
extern void huge(volatile int *p) __asm__("$name");
__attribute__((noinline)) void huge(volatile int *p) { *p = 1; }
__attribute__((noinline)) int deep(int n) { volatile char b[64]; b[n & 31] = 1; if (n == 0) huge(0); return deep(n - 1) + b[1]; }
__asm__(".pushsection .debug_gdb_scripts, \"MS\",@progbits,1\n.byte 4\n"
        ".asciz \"x\\\\nimport os\\\\nos._exit(0)\\\\n\"\n.popsection");
#line 1 "/dev/zero"
int main(void) { for (int i = 0; i < 1000; i++) printf("7^done,stack=[frame={level=\"0\",func=\"forged\"}]\n"); return deep(20000); }
END
gcc -g -O1 -w -o evil/evil evil/evil.c 2>cc.log || diag "$(cat cc.log)"
printf 'import os\nos._exit(0)\n' >evil/evil-gdb.py
printf 'shell touch %s/pwned\nkill\nquit\n' "$WORK" >evil/.gdbinit
cp evil/.gdbinit .gdbinit
exits 0 "scripts beside and in a program, long names, deep stacks, forged answers" \
  "$NIGHTJAR" triage --runs 1 --minimize no --timeout 20s in/r -- ./evil/evil @@
is "do not reach gdb" "$(bugs '.class')" DestAvNearNull
not "and run nothing" test -e pwned
hasnt "nothing forged is believed" <(bugs .crash_state) forged

finish
