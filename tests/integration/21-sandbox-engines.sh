#!/bin/bash
# shellcheck disable=SC2317,SC2016 # called by name; $ of an inner shell
# What has to work inside the sandbox: AFL++ with its fork server, shared memory and persistent mode, libFuzzer,
# LeakSanitizer's ptrace, gdb, llvm-symbolizer; and what AFL++ leaves behind when it is killed.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
for program in afl-clang-fast clang-14 gdb; do
  command -v "$program" >/dev/null || { skip "engines in the sandbox" "install $program"; finish; }
done
chmod 755 "$WORK"
mkdir bin seeds
cp "$NIGHTJAR" bin/nightjar
BOX=$WORK/bin/nightjar
export TMPDIR=$WORK/tmp
mkdir -m 1777 "$TMPDIR"
OUR_UID=$(id -u)
export AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1

cat >target.c <<'C'
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
static char *kept;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 3 && memcmp(data, "leak", 4) == 0) {
        kept = malloc(100);
        kept = NULL;
    }
    if (size > 2 && data[0] == 'b' && data[1] == 'u' && data[2] == 'g') {
        char *volatile heap = malloc(4);
        heap[size] = 1;
        free(heap);
    }
    return 0;
}
C
cat >leak.c <<'C'
#include <stdlib.h>
#include <string.h>
static char *lost;
int main(void)
{
    lost = malloc(7777);
    memset(lost, 1, 7777);
    lost = NULL;
    return 0;
}
C
clang-14 -g -O1 -fsanitize=address,fuzzer target.c -o bin/libfuzzer &
clang-14 -g -O0 -fsanitize=address leak.c -o bin/leak
wait
AFL_QUIET=1 afl-clang-fast -g -O1 -fsanitize=fuzzer target.c -o bin/afl 2>afl.log || { cat afl.log; echo "Bail out! afl-clang-fast"; exit 2; }
printf 'hello' >seeds/a
printf 'bug!' >seeds.bug
printf 'leak' >seeds.leak
chmod -R a+rX .

inside() { # COMMAND...
  "${as_words[@]}" "$BOX" sandbox-init --rung "$RUNG" --write "$OWN" --cwd "$OWN" --read "$WORK/seeds" -- "$@"
}
segments() { awk 'NR > 1 { print $2 }' /proc/sysvipc/shm; }
# no segment is new whose maker is no more
no_leak() {
  awk 'NR > 1 { print $2, $5 }' /proc/sysvipc/shm | while read -r id pid; do
    [ -d "/proc/$pid" ] || grep -qx "$id" <<<"$before" || exit 1
  done
}
afl_runs() { grep -qs '^execs_done *: [1-9]' "$OWN/out/default/fuzzer_stats"; }
no_engine() { ! pgrep -f "$OWN/out" >/dev/null && ! pgrep -f "$WORK/bin/afl" >/dev/null; }

start_afl() {
  rm -rf "$OWN/out"
  start "${as_words[@]}" "$BOX" sandbox-init --rung "$RUNG" --write "$OWN" --cwd "$OWN" --read "$WORK/seeds" \
    --read "$WORK/bin" -- "$(command -v afl-fuzz)" -i "$WORK/seeds" -o "$OWN/out" -- "$WORK/bin/afl" >afl.out 2>&1
}

engines() { # NAME
  local name=$1 before
  rm -rf "${OWN:?}"/*
  exits 0 "$name: libFuzzer runs" inside "$WORK/bin/libfuzzer" -runs=2000 -seed=1 "$WORK/seeds"
  mkdir "$OWN/corpus" && chown --reference "$OWN" "$OWN/corpus"
  exits 1 "$name: libFuzzer forks, and stops at the bug" inside "$WORK/bin/libfuzzer" -fork=1 -max_total_time=30 "$OWN/corpus"
  ok "$name: which it has kept" compgen -G "$OWN/crash-*"
  exits 1 "$name: ASan reports" env ASAN_OPTIONS=symbolize=1 "${as_words[@]}" "$BOX" sandbox-init --rung "$RUNG" \
    --read "$WORK/seeds.bug" -- "$WORK/bin/libfuzzer" "$WORK/seeds.bug"
  has "$name: and llvm-symbolizer names the line" "$ERR" "target.c:14"
  exits 23 "$name: LeakSanitizer works" env ASAN_OPTIONS=detect_leaks=1:exitcode=23 "${as_words[@]}" "$BOX" sandbox-init \
    --rung "$RUNG" -- "$WORK/bin/leak"
  has "$name: and reports" "$ERR" "7777 byte(s) leaked"
  exits 0 "$name: gdb works" inside "$(command -v gdb)" -nx -batch -ex 'break main' -ex run -ex bt "$WORK/bin/leak"
  has "$name: and stops in the program" "$OUT" "main () at"
  before=$(segments)
  start_afl
  ok "$name: AFL++ runs" retry 20 afl_runs
  stop "$STARTED" INT
  is "$name: SIGINT is graceful" "$?" 0
  ok "$name: its statistics are written" test -s "$OWN/out/default/fuzzer_stats"
  ok "$name: no process is left" retry 5 no_engine
  ok "$name: no segment is left" retry 5 no_leak
  start_afl
  retry 20 afl_runs
  stop "$STARTED" KILL
  ok "$name: nor any process after kill -9" retry 5 no_engine
  ok "$name: nor any segment" retry 5 no_leak
}

# A triage worker in its sandbox, targets in theirs; the state lies hidden beside the target.
triage() { # NAME COMMAND...: in front of nightjar
  local name=$1
  shift
  rm -rf "$OWN/all"
  mkdir -p "$OWN/all/in"
  cp bin/libfuzzer "$OWN/all/target"
  cp seeds.bug "$OWN/all/in/crash"
  chown -R --reference "$OWN" "$OWN/all"
  [ "$who" != root ] || chown -R 0:0 "$OWN/all"
  chmod 755 "$OWN" "$OWN/all" "$OWN/all/in"
  exits 0 "$name: triage" env -C "$OWN/all" "$@" "$BOX" triage --state state --sandbox "$RUNG" in -- ./target
  has "$name: finds the bug" "$OUT" "Heap-buffer-overflow"
  rm -rf "$OWN/all"
}

for who in root user; do
  if [ "$who" = root ] && [ "$OUR_UID" -ne 0 ]; then
    skip "engines as root" "run the tests as root"
    continue
  fi
  OWN=$WORK/own-$who
  mkdir "$OWN"
  as_words=(env)
  [ "$who" = root ] && chown 65530:65530 "$OWN"
  if [ "$who" = user ] && [ "$OUR_UID" -eq 0 ]; then
    chown "$AS_UID:$AS_UID" "$OWN"
    as_words=(setpriv --reuid "$AS_UID" --regid "$AS_UID" --clear-groups --inh-caps=-all env HOME=/nonexistent)
  fi
  for RUNG in bwrap landlock; do
    engines "$who, $RUNG"
    triage "$who, $RUNG" "${as_words[@]}"
  done
  RUNG=auto
  if [ "$who" = root ]; then
    triage "root as in Docker" setpriv --inh-caps=-all \
      --bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+mknod,+setfcap
  elif [ "$OUR_UID" -eq 0 ]; then
    triage "user, masked /proc" unshare -m sh -c 'mount --bind /proc/sys /proc/sys && exec "$@"' sh "${as_words[@]}"
  fi
done
[ "$OUR_UID" -ne 0 ] || chown 0:0 "$OWN"
RUNG=none
as_words=(env)
engines none
finish
