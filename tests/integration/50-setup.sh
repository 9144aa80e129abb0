#!/bin/bash
# What a newcomer types first: `init` for a folder of fuzz targets, `doctor`, and a nightjar.yaml with
# mistakes in it.
. "$(dirname "$0")/lib.sh"

cat >in.c <<'C'
#include <string.h>
int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);
int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n)
{ return n > 7 && memcmp(d, "abcd", 4) == 0 && 7 / d[5] == 3; }
C
cat >main.c <<'C'
int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);
int main(int c, char **v) { return c > 1 && LLVMFuzzerTestOneInput((void *)v[1], 8); }
C
cat >tool.c <<'C'
#include <stdio.h>
int main(int c, char **v) { FILE *f = c > 1 ? fopen(v[1], "r") : stdin; return f != NULL && fgetc(f) == 'x'; }
C
export AFL_QUIET=1
mkdir -p out/afl out/address out/libfuzzer out/coverage
{
  afl-clang-fast -fsanitize=fuzzer in.c -o out/afl/inside &&
    clang-14 -fsanitize=address,undefined in.c main.c -o out/address/inside &&
    clang-14 -fsanitize=fuzzer,address in.c -o out/libfuzzer/inside &&
    clang-14 -fprofile-instr-generate -fcoverage-mapping in.c main.c -o out/coverage/inside &&
    AFL_USE_ASAN=1 afl-clang-fast tool.c -o out/afl/tool &&
    gcc tool.c -o out/afl/plain
} >build.log 2>&1 || { fail "build the targets" "$(cat build.log)"; finish; }
printf 'args: ["@@"]\ntimeout: 3s\n' >out/afl/tool.yaml
mkdir seeds && printf A >seeds/a && printf B >seeds/b && printf A >seeds/again
(cd seeds && zip -q ../out/afl/inside_seed_corpus.zip ./*)

# --- init ---
exits 2 "init without a folder is a usage error" "$NIGHTJAR" init
has "which says what to type" "$ERR" "nightjar init DIR"
exits 2 "init of a folder that is not there is one, too" "$NIGHTJAR" init nowhere
has "and names it" "$ERR" "/nowhere' is not a folder of fuzz targets: it does not exist"
exits 2 "init of a folder without targets is one, too" "$NIGHTJAR" init seeds
has "and says what was looked at" "$ERR" "no fuzz target below"
is "nothing was written" "$(ls nightjar.yaml 2>/dev/null)" ""

exits 0 "init finds the targets of a folder" "$NIGHTJAR" init out
has "with all builds of a name" "$OUT" "afl sanitizer libfuzzer coverage"
is "and its different seeds" "$(awk '$1 == "inside" {print $NF}' "$OUT")" 2
has "a command-line program is found by its yaml" "$OUT" "tool "
has "what was not taken is explained" "$OUT" "not taken: afl/plain: no LLVMFuzzerTestOneInput in it"
has "where the file was written is said" "$OUT" "wrote $WORK/nightjar.yaml"
has "and what to type next" "$ERR" "next: nightjar fuzz --for 10m"
is "no line is wider than 80 columns but notes" "$(grep -v '^not taken' "$OUT" | awk 'length > 80' | wc -l)" 0
has "the folder is named as it lies there" nightjar.yaml "  - out"
cp nightjar.yaml first.yaml
exits 2 "init never overwrites" "$NIGHTJAR" init out
has "and says so" "$ERR" "is there already: edit it, or remove it first"
ok "the file is untouched" cmp nightjar.yaml first.yaml
exits 0 "what init wrote is read by other verbs" "$NIGHTJAR" doctor
has "with its targets" "$OUT" "nightjar.yaml, 2 targets"

rm nightjar.yaml
exits 0 "init --json speaks JSON Lines" "$NIGHTJAR" init --json out
is "one object a target" "$(jq -r .target "$OUT" | xargs)" "inside tool"
is "with builds, seeds and arguments" \
  "$(jq -r 'select(.target == "tool") | [(.builds | keys | join("+")), .seeds, .args[0], .in_process] | join(" ")' "$OUT")" \
  "afl 0 @@ false"
is "and nothing on standard error" "$(cat "$ERR")" ""

# shellcheck disable=SC2016 # nobody may expand it
odd='odd $(touch pwned);"name'
mkdir "$odd" && cp out/libfuzzer/inside "$odd/"
exits 0 "init takes any folder's name" "$NIGHTJAR" init --config odd.yaml "$odd"
exits 0 "and reads it back" "$NIGHTJAR" doctor --config odd.yaml
has "with its target" "$OUT" "odd.yaml, 1 targets"
is "without running anything" "$(ls pwned 2>/dev/null)" ""
escape=$(printf 'esc\033[2J\nline')
mkdir "$escape" && cp out/afl/plain "$escape/"
exits 2 "hostile names are shown, not obeyed" "$NIGHTJAR" init --config esc.yaml "$escape"
has "with their bytes escaped" "$ERR" 'esc\x1b[2J\x0aline'

mkdir readonly && chmod 555 readonly && chmod 711 "$WORK" && chmod -R a+rX out
exits 3 "a folder that cannot be written is said" as_user bash -c "cd readonly && '$NIGHTJAR' init '$WORK/out'"
has "with the reason" "$ERR" "Permission denied"

# --- nightjar.yaml ---
mkdir yaml
cd yaml || finish
cp ../first.yaml nightjar.yaml && sed -i 's,- out,- ../out,' nightjar.yaml
wrong() { # TEXT YAML WANTED
  printf '%b' "$2" >nightjar.yaml
  exits 2 "$1" "$NIGHTJAR" status
  has "... with its place and cure" "$ERR" "nightjar.yaml:$3"
}
wrong "a key with a typing error" 'jobs: 2\ntriage:\n  rnus: 3\n' "3:3: unknown key 'rnus' (did you mean 'runs'?)"
wrong "a value out of range" 'jobs: 0\n' "1:7: jobs '0' is not a number from 1 to 1024"
wrong "a wrong type" 'triage: [1]\n' "1:9: triage: wanted a map (key: value), not a list"
wrong "a tab" 'triage:\n\truns: 3\n' "2:1: a tab: indent with spaces"
wrong "a key twice" 'jobs: 1\njobs: 1\n' "2:1: key 'jobs' stands twice, first in line 1"
wrong "@@ without quotes" 'targets:\n  - name: x\n    args: [@@]\n' "3:12: a value cannot begin with '@': put it in quotes"
wrong "bytes that are no UTF-8" 'state: \377\n' "1:8: invalid leading UTF-8 octet (byte 0xff)"
wrong "an alias" 'state: *x\n' "1:8: anchors and aliases (*x) are not read here: repeat the value"
printf 'out: ../nowhere\n' >nightjar.yaml
exits 2 "an out: folder that is not there stops fuzz" "$NIGHTJAR" fuzz --for 1s
has "with its place" "$ERR" "nightjar.yaml:1:6: out: there is no folder '$WORK/nowhere': build the targets first"
head -c 1000000 /dev/zero | tr '\000' '[' >nightjar.yaml
exits 2 "a bomb of brackets is refused at once" timeout 10 "$NIGHTJAR" status
has "for its depth" "$ERR" "nested deeper than 16 levels"
exits 2 "a --config that is not there is said" "$NIGHTJAR" status --config none.yaml
has "with what writes one" "$ERR" "there is no 'none.yaml': \`nightjar init DIR\` writes one"
cd .. && rm -r yaml nightjar.yaml

# --- doctor ---
before=$(cat /proc/sys/kernel/core_pattern /proc/sys/kernel/shmmax; ls -A)
run "$NIGHTJAR" doctor
is "doctor has a verdict for every check" "$(grep -cE '^(ok  |warn|FAIL) ' "$OUT")" 24
is "its last line counts them" "$(tail -n 1 "$OUT" | grep -cE '^[0-9]+ ok, [0-9]+ warnings, [0-9]+ failures$')" 1
is "what is not ok has a cure" "$(grep -cE '^(warn|FAIL) ' "$OUT")" "$(grep -c ' cure: ' "$OUT")"
is "it fits 80 columns but for the cures" "$(grep -v ' cure: ' "$OUT" | awk 'length > 80' | wc -l)" 0
is "and it changes nothing" "$(cat /proc/sys/kernel/core_pattern /proc/sys/kernel/shmmax; ls -A)" "$before"
is "not even in /tmp" "$(ls -d /tmp/nightjar-doctor.* 2>/dev/null)" ""
run "$NIGHTJAR" doctor --json
is "doctor --json speaks JSON Lines" "$(jq -r '[.check, .status, .seen] | map(length > 0) | all' "$OUT" | sort -u)" true
is "its cure is null where all is well" "$(jq -r 'select(.status == "ok") | .cure' "$OUT" | sort -u)" null
wanted=0
[ "$(jq -r 'select(.status == "fail") | .check' "$OUT")" = "" ] || wanted=1
exits "$wanted" "its exit status is that of its failures" "$NIGHTJAR" doctor
mkdir empty
exits 1 "doctor without any tool fails" env PATH="$WORK/empty" "$NIGHTJAR" doctor
has "for the fuzzer" "$OUT" "there is no afl-fuzz in PATH"
has "and says how to get it" "$OUT" "cure: apt-get install afl++"
has "and what to type next" "$ERR" "next: cure what says FAIL, then nightjar doctor again"
exits 1 "a limited address space breaks campaigns" bash -c "ulimit -v 4000000; '$NIGHTJAR' doctor"
has "since ASan cannot start" "$OUT" "address space limited to 3906 MiB"
exits 1 "a broken nightjar.yaml is a failure of doctor" bash -c "echo jbos: 1 >broken.yaml; '$NIGHTJAR' doctor --config broken.yaml"
has "with its place" "$OUT" "broken.yaml:1:1: unknown key 'jbos' (did you mean 'jobs'?)"
exits 2 "doctor takes no argument" "$NIGHTJAR" doctor now
chmod 755 "$WORK"
as_user "$NIGHTJAR" doctor --state "$WORK/user/state" --json >"$OUT" 2>"$ERR"
is "an ordinary user is told that he cannot write there" "$(jq -r 'select(.check == "state") | .status' "$OUT")" \
  "$([ "$(id -u)" -eq 0 ] && echo fail || echo ok)"
finish
