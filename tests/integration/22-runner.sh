#!/bin/bash
# shellcheck disable=SC2317 # called by name
# Many runs in one sandbox: none sees what another left, and kill -9 of what starts them loses no crash.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
cp "$NIGHTJAR" "$WORK/nightjar" # so that only our own runners are found by their command lines
chmod 755 "$WORK/nightjar"
cat >victim.c <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
static volatile char *p;
__attribute__((noinline)) void leaves_poison(void) { p = malloc(8); p[8] = 1; }
__attribute__((noinline)) void sees_poison(void) { p = malloc(8); p[8] = 1; }
__attribute__((noinline)) void sees_nothing(void) { p = malloc(8); p[8] = 1; }
int main(int c, char **v) {
  char b[2] = "";
  int fd = open(v[1], O_RDONLY);
  if (c < 2 || read(fd, b, 1) != 1) return 1;
  int seen = access("/tmp/poison", F_OK) == 0 || access("/dev/shm/poison", F_OK) == 0 || access("poison", F_OK) == 0;
  if (b[0] == 'p') {
    close(creat("/tmp/poison", 0600));
    close(creat("/dev/shm/poison", 0600));
    close(creat("poison", 0600));
    if (fork() == 0) { setsid(); for (;;) { close(creat("/tmp/poison", 0600)); usleep(1000); } }
    for (int i = 3; i < 1024; i++) (void)!write(i, "forged", 6);
    leaves_poison();
  }
  if (b[0] == 's') usleep(300000);
  if (seen) sees_poison();
  sees_nothing();
  return 0;
}
C
if ! clang-14 -g -O1 -fsanitize=address -o victim victim.c 2>"$ERR"; then
  skip "runs in one sandbox" "scripts/bootstrap installs clang-14"
  finish
fi
chmod 755 victim
mkdir mixed slow
for i in $(seq 10 29); do
  printf 'p%s' "$i" >"mixed/$i-a"
  printf 'q%s' "$i" >"mixed/$i-b"
  printf 's%s' "$i" >"slow/$i"
done

runners() { processes "$WORK/nightjar" run-inside; }
has_runner() { [ -n "$(runners)" ]; }
count() { # FUNCTION: crashes of bugs whose top frame it is
  "$NIGHTJAR" bugs --state "$1" --json | jq -s --arg f "$2" '[.[] | select(.crash_state | startswith($f)) | .crashes] | add // 0'
}
for jobs in 1 2; do
  ok "$jobs workers: all are triaged" "$WORK/nightjar" triage -j $jobs --state state-$jobs --minimize no mixed -- ./victim @@
  is "$jobs workers: those that leave something" "$(count state-$jobs leaves_poison)" 20
  is "$jobs workers: those after them see nothing" "$(count state-$jobs sees_nothing)" 20
  is "$jobs workers: not one sees it" "$(count state-$jobs sees_poison)" 0
done
not "no runner outlives it" test -n "$(runners)"

start "$WORK/nightjar" triage -j 1 --state killed --minimize no slow -- ./victim @@
kills=0
for ((i = 0; i < 3; i++)); do
  retry 20 has_runner
  for pid in $(runners); do
    kill -KILL "$pid" 2>/dev/null && kills=$((kills + 1))
  done
done
wait "$STARTED"
ok "runners were killed" test "$kills" -gt 0
is "and every crash is triaged all the same" "$(count killed sees_nothing)" 20
finish
