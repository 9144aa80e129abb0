#!/bin/bash
# Inputs go between live AFL++ and libFuzzer workers, in both directions, once each: a target of two steps, of which
# AFL++ has taken the first and cannot see the second, and of which libFuzzer can see only the second.
# shellcheck disable=SC2317 # some functions are called by retry
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

chmod 755 .
mkdir -p out/afl out/libfuzzer seeds
cat >first.c <<'EOF2'
#include <stdint.h>
#include <string.h>
int first(const uint8_t *d);
int first(const uint8_t *d) {
    uint32_t w;
    memcpy(&w, d, 4);
    return w == 0x5ac3f19e;
}
EOF2
cat >steps.c <<'EOF2'
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n);
int first(const uint8_t *d);
static volatile int sink;
static __attribute__((noinline)) int second(const uint8_t *d) {
    uint32_t w;
    memcpy(&w, d + 4, 4);
    return w == 0xc81e76b5;
}
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
    if (n < 12 || !first(d)) return 0;
    if (d[8] >= 0x80) sink = 1;
    if (!second(d)) return 0;
    sink = 2;
    if (d[9] >= 0x80) abort();
    return 0;
}
EOF2
build() {
  AFL_QUIET=1 afl-clang-fast -g -O1 -fsanitize=fuzzer -o out/afl/steps steps.c first.c &&
    clang-14 -g -O1 -fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp -c -o first.o first.c &&
    clang-14 -g -O1 -fsanitize=fuzzer,address -o out/libfuzzer/steps steps.c first.o
}
run build || {
  fail "the test's target compiles" "$(cat "$ERR")"
  finish
}
cat >nightjar.yaml <<'EOF2'
targets:
  - name: steps
    builds: {afl: out/afl/steps, libfuzzer: out/libfuzzer/steps}
    seeds: [seeds]
EOF2
printf '000000000000' >seeds/zeros
fuzz() { "$NIGHTJAR" fuzz --minimize no "$@"; }
bugs() { "$NIGHTJAR" bugs --json 2>/dev/null | wc -l; }
found() { [ "$(bugs)" -ge 1 ]; }
exchanged() { "$NIGHTJAR" status --json | jq -r "select(.direction == \"$1\" and .result == \"$2\") | .exchanged"; }
some() { [ "$(exchanged "$1" "$2")" -ge 1 ] 2>/dev/null; }
inlets() { find .nightjar/fuzz/steps/aflpp/from-* -type f -name 'id:*' 2>/dev/null; }

# --- alone ---
exits 0 "libFuzzer alone" fuzz --engine libfuzzer --for 3s --jobs 1
is "does not get past the first step" "$(bugs)" 0
rm -rf .nightjar
printf '\x9e\xf1\xc3\x5a00000000' >seeds/first
exits 0 "AFL++ alone, which is shown that step" fuzz --engine aflpp --for 5s --jobs 1
is "does not get past the second" "$(bugs)" 0
rm -r seeds/first .nightjar/fuzz/steps/seeds .nightjar/corpus

# --- together ---
start "$NIGHTJAR" fuzz --minimize no --for 180s --jobs 2 >fuzz.out 2>&1
ok "together they get to the end" retry 60 found
ok "AFL++'s finds were of use to libFuzzer" retry 40 some aflpp_to_libfuzzer useful
ok "libFuzzer's were to AFL++" retry 60 some libfuzzer_to_aflpp useful
stop "$STARTED" INT
has "it is told" fuzz.out "new bug: NJ-1"
is "by links, which take no inode" "$(find .nightjar/fuzz/steps/libfuzzer/corpus -name 'aflpp-*' -links 1 | wc -l)" 0
hashes() { sed 's/.*orig://' | sort; }
ok "each once" test -z "$(inlets | hashes | uniq -d)"
(cd .nightjar/fuzz/steps/libfuzzer/corpus && find . -name 'aflpp-*' | sed 's/.*aflpp-//') | sort >came
ok "nothing goes back" test -z "$(inlets | hashes | comm -12 - came)"
named() { inlets | while read -r file; do [ "$(sha256sum <"$file" | cut -d' ' -f1)" = "${file##*orig:}" ] || echo "$file"; done; }
is "each has the name of its bytes" "$(named)" ""
for direction in aflpp_to_libfuzzer libfuzzer_to_aflpp; do
  ok "$direction: no more is useful than was offered" \
    test "$(exchanged $direction useful)" -le "$(exchanged $direction offered)"
done
exits 0 "what went over is in the target's corpus" "$NIGHTJAR" corpus stat steps --json
cp "$OUT" stat.json
ok "from AFL++" test "$(jq '.origins["worker:aflpp"]' stat.json)" -ge 1
ok "and from libFuzzer" test "$(jq '.origins["worker:libfuzzer"]' stat.json)" -ge 1
exits 0 "status says it" "$NIGHTJAR" status
has "for a person" "$OUT" "inputs aflpp_to_libfuzzer, useful"
exits 0 "metrics, too" "$NIGHTJAR" push metrics --print
has "by direction" "$OUT" 'nightjar_exchange_inputs_total{target="steps",direction="libfuzzer_to_aflpp",result="useful"}'

# --- what a target may leave where inputs are looked for ---
queue=.nightjar/fuzz/steps/aflpp/w1/queue
corpus=.nightjar/fuzz/steps/libfuzzer/corpus
echo 'not for libFuzzer' >secret
rm -rf "$corpus" .nightjar/fuzz/steps/aflpp/from-*
ln -s "$WORK" .nightjar/fuzz/steps/aflpp/from-libfuzzer-1-0
start "$NIGHTJAR" fuzz --minimize no --for 120s --jobs 2 >fuzz.out 2>&1
goes_on() { # libFuzzer rests now and then, since it meets the bug again
  [ -d "$corpus" ] && [ "$("$NIGHTJAR" status --json | jq -r 'select(.worker == "steps-aflpp-1") | .state')" = running ]
}
ok "the campaign goes on" retry 40 goes_on
ln -s "$WORK/secret" "$queue/id:900000,src:000000,op:link"
mkfifo "$queue/id:900001,src:000000,op:pipe"
mkdir "$queue/id:900002,src:000000,op:folder"
truncate -s 3M "$queue/id:900003,src:000000,op:large"
printf 'hostile name' >"$queue/id:900004,src:000000,op:"$'\033[31m\n'
came() { grep -rqF 'hostile name' "$corpus"; }
ok "an input of any name is passed on" retry 40 came
stop "$STARTED" INT
ok "a link in the place of an inlet is removed, not what it leads to" test -f secret
hides() { ! grep -rqF "$1" "$corpus"; }
ok "no link is followed" hides 'not for libFuzzer'
is "nothing too large comes" "$(find "$corpus" -size +1024k | wc -l)" 0
ok "the state is sound" "$NIGHTJAR" db check

# --- from one target to the others, every day: a day passes at once (faketime fakes the timers of the event loop, too) ---
cat >wall.c <<'EOF2'
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(id, t);
    FILE *file = id == CLOCK_REALTIME ? fopen(getenv("WALL"), "r") : NULL;
    long ahead = 0;
    if (file != NULL && fscanf(file, "%ld", &ahead) == 1) t->tv_sec += ahead;
    if (file != NULL) fclose(file);
    return rc;
}
EOF2
ok "a clock on the wall" clang-14 -D_GNU_SOURCE -shared -fPIC -O1 -o wall.so wall.c
mkdir daily && cp out/libfuzzer/steps daily/alone && cp out/libfuzzer/steps daily/other
printf 'out: [daily]\nexchange: {cross: daily}\n' >daily.yaml
put_in() { # TEXT: a target's corpus has it for a while
  local hash
  hash=$(printf '%s' "$1" | sha256sum | cut -d' ' -f1)
  mkdir -p "days/corpus/alone/inputs/${hash:0:2}"
  printf '%s' "$1" >fed && touch -d '1 hour ago' fed && mv fed "days/corpus/alone/inputs/${hash:0:2}/$hash"
}
come() { grep -rqF "$1" days/corpus/other/inputs; }
ok "a target has a corpus" put_in 'of the first day'
start env LD_PRELOAD="$WORK/wall.so" WALL="$WORK/ahead" \
  "$NIGHTJAR" --state days --config daily.yaml fuzz --minimize no --for 60s --jobs 2 >days.out 2>&1
ok "the other is offered it" retry 40 come 'of the first day'
ok "the first gets a further one" put_in 'of the second day'
echo 90000 >ahead
ok "a day later that, too" retry 30 come 'of the second day'
stop "$STARTED" INT
mkdir -p days/fuzz/other/seeds && echo stale >days/fuzz/other/seeds/stale
exits 0 "the next campaign" "$NIGHTJAR" --state days --config daily.yaml fuzz --minimize no --for 8s --jobs 1 other
begins() { grep -qrF 'of the second day' days/fuzz/other/seeds; }
ok "begins with the corpus" begins
not "and with nothing else" test -e days/fuzz/other/seeds/stale
exits 0 "the other's corpus" "$NIGHTJAR" --state days corpus stat other --json
cp "$OUT" stat.json
ok "knows where they are from" test "$(jq '.origins["cross:alone"]' stat.json)" -ge 2
ok "the state is sound" "$NIGHTJAR" --state days db check
finish
