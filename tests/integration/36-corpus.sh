#!/bin/bash
# `nightjar corpus merge`: coverage of real AFL++ and libFuzzer targets in sandboxes, the fewest inputs for it, what
# crashes and hangs, a target that takes its way by chance, and a kill in the middle.
# shellcheck disable=SC2317 # functions that retry calls by name
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mkdir -m 1777 tmp
export TMPDIR=$WORK/tmp
CLANG=$(command -v clang || command -v clang-14)
build() { AFL_QUIET=1 afl-clang-fast -O1 -w "$@" >>cc.log 2>&1; }
if ! build -o plain "$HERE/corpus.c" || ! build -DSLOW -o slow "$HERE/corpus.c" || ! build -DDRIVER -fsanitize=fuzzer -o driver "$HERE/corpus.c" ||
  ! build -DUNSTABLE -o unstable "$HERE/corpus.c" || ! "$CLANG" -O1 -w -DDRIVER -fsanitize=fuzzer,address -o fuzzer "$HERE/corpus.c" >>cc.log 2>&1; then
  fail "the test's targets compile" "$(cat cc.log)"
  finish
fi
mkdir in
# a, aa, ... dddddddd: many inputs, few different traces
for letter in a b c d x; do
  word=
  for n in 1 2 3 4 5 6 7 8; do
    word=$word$letter
    printf '%s' "$word" >"in/$letter$n"
    printf '%sx' "$word" >"in/x$letter$n"
  done
done
printf 'abcd' >in/all
printf 'CC' >in/crash
printf 'HH' >in/hang
: >in/empty
number() { find "$1" -type f | wc -l; }
# what afl-showmap says that a folder reaches, with counts: a judge of its own
reach() { # FOLDER COMMAND...: edge:count, sorted
  local folder=$1 file
  shift
  for file in "$folder"/*; do
    AFL_QUIET=1 afl-showmap -q -m none -t 1000 -o map -- "$@" <"$file" >/dev/null 2>&1
    case $(cat "$file") in CC | HH | '') ;; *) cat map ;; esac
  done | sort -u
}

# --- merge ---
for target in plain driver fuzzer; do
  exits 0 "merge on $target" "$NIGHTJAR" corpus merge --json --timeout 300ms -o "out-$target" in -- "./$target"
  has "the crash is told" "$OUT" '"crashes":1'
  has "the hang is told" "$OUT" '"hangs":1'
  is "nothing is unstable" "$(jq .unstable "$OUT")" 0
  is "the same is reached again" "$(jq .kept_tuples "$OUT")" "$(jq .tuples "$OUT")"
  is "so many files were made" "$(number "out-$target")" "$(jq .kept "$OUT")"
  ok "they are fewer" test "$(jq .kept "$OUT")" -lt 40
  not "neither offender is among them" grep -rqE 'CC|HH' "out-$target"
  ok "no journal is left" test ! -e "out-$target.traces"
  is "both lie aside" "$(cat "out-$target".quarantine/* | fold -w1 | sort | tr -d '\n')" CCHH
done
reach in ./plain >before
reach out-plain ./plain >after
ok "afl-showmap sees tuples" test -s before
ok "and the same in both folders" cmp before after
exits 0 "an argument's file gives as many" "$NIGHTJAR" corpus merge --timeout 300ms -o out-file in -- ./plain @@
is "files as standard input" "$(number out-file)" "$(number out-plain)"
exits 2 "a folder that holds something is not touched" "$NIGHTJAR" corpus merge -o out-file in -- ./plain @@
exits 2 "no command is a mistake" "$NIGHTJAR" corpus merge -o none in
exits 3 "a program without a fork server is told" "$NIGHTJAR" corpus merge -o none in -- /bin/cat
has "with the cure" "$ERR" "afl-clang-fast"

# --- a target that takes its way by chance ---
mkdir chance
for n in $(seq 200); do printf 'ab%s' "$n" >"chance/$n"; done
exits 0 "merge on an unstable target" "$NIGHTJAR" corpus merge --json -o out-chance chance -- ./unstable @@
cp "$OUT" chance.json
ok "flaky inputs are counted" test "$(jq .flaky chance.json)" -gt 0
is "what is reached again and what is not make all edges" "$(jq '.kept_edges + .unstable_edges' chance.json)" "$(jq .edges chance.json)"
is "and all counts" "$(jq '.kept_tuples + .unstable' chance.json)" "$(jq .tuples chance.json)"
ok "all edges but chance are there" test "$(jq .kept_edges chance.json)" -gt "$(jq '.edges / 2 | floor' chance.json)"

# --- killed, and again ---
mkdir many
for n in $(seq 300); do printf 'a%sb' "$n" >"many/$n"; done
start "$NIGHTJAR" corpus merge --jobs 1 -o again many -- ./slow @@
begun() { [ "$(stat -c %s again.traces 2>/dev/null || echo 0)" -gt 3000 ]; }
retry 20 begun || fail "it has begun"
stop "$STARTED" KILL
ok "nothing is made by a killed one" test ! -e again
exits 0 "the next goes on" "$NIGHTJAR" corpus merge --json -o again many -- ./slow @@
is "with all inputs" "$(jq .inputs "$OUT")" 300
ok "and with what was measured" test "$(jq .resumed "$OUT")" -gt 10
exits 0 "a straight one" "$NIGHTJAR" corpus merge -o straight many -- ./slow @@
ok "gives the same" diff -r straight again
# at any point, by chance, and with garbage behind the journal
hits=0
exits 0 "a fast one, counted" calls "$NIGHTJAR" corpus merge --jobs 2 -o counted many -- ./plain @@
for round in 1 2 3; do
  for _ in 1 2 3; do
    ! killed "$NIGHTJAR" corpus merge --jobs 2 -o "third$round" many -- ./plain @@ || hits=$((hits + 1))
    [ ! -e "third$round" ] || diff -r counted "third$round" >/dev/null || fail "what a killed one made is whole"
    rm -rf "third$round"
  done
  printf 'garbage garbage garbage garbage garbage' >>"third$round.traces"
  exits 0 "and once more to its end" "$NIGHTJAR" corpus merge -o "third$round" many -- ./plain @@
  ok "is the same, too" diff -r counted "third$round"
done
ok "kill -9 at points by chance, $hits times" test "$hits" -ge 2

# --- a target that is out for more than its input ---
mkdir -p away/.nightjar away/in away/home away/out
for attempt in w r c k; do echo "$attempt" >"away/in/$attempt"; done
echo secret >away/.nightjar/secret
chmod -R a+rwX away
cat >listener.py <<'PY'
import socket, sys
tcp = socket.create_server(("127.0.0.1", 0))
unix = socket.socket(socket.AF_UNIX)
unix.bind("away/socket")
unix.listen()
print(tcp.getsockname()[1], flush=True)
sys.stdin.read()
PY
start sh -c 'sleep 1000 | python3 listener.py >port'
LISTENER=$STARTED
start sleep 1000
VICTIM=$STARTED
retry 10 test -s port || fail "a port is open"
chmod a+rwx away/socket
attempts() { # OUT COMPILER...
  "${@:2}" -O1 -w -DROOM="\"$WORK/away\"" -DSTATE="\"$WORK/away/.nightjar\"" -DHOME_DIR="\"$WORK/away/home\"" \
    -DMARK="\"nightjar-hacked-$$\"" -DPORT="$(cat port)" -DVICTIM="$VICTIM" -o "$1" "$HERE/attempts.c" >>cc.log 2>&1
}
export AFL_QUIET=1
if ! attempts away/afl afl-clang-fast -fsanitize=fuzzer || ! attempts away/fuzzer "$CLANG" -fsanitize=fuzzer ||
  ! attempts away/out/attempts_fuzzer "$CLANG" -fprofile-instr-generate -fcoverage-mapping "$TOP/harnesses/standalone.c"; then
  fail "it compiles" "$(tail -n 5 cc.log)"
fi
cd away || exit 1
printf 'out: [out]\n' >nightjar.yaml
nothing_happened() {
  ! ls hacked .nightjar/hacked home/hacked "/tmp/nightjar-hacked-$$" "/dev/shm/nightjar-hacked-$$" "/var/tmp/nightjar-hacked-$$" 2>/dev/null &&
    [ "$(cat .nightjar/secret)" = secret ] && kill -0 "$VICTIM"
}
for rung in bwrap landlock; do
  for build in afl fuzzer; do
    HOME=$PWD/home exits 0 "$rung: it is measured by $build" \
      "$NIGHTJAR" corpus merge --sandbox "$rung" --json -o "../away-$rung-$build" in -- "./$build"
    is "reads and reaches nothing" "$(jq -c '[.inputs, .crashes, .hangs]' "$OUT")" "[4,0,0]"
    ok "and changes nothing" nothing_happened
  done
  HOME=$PWD/home exits 0 "$rung: through a coverage build" "$NIGHTJAR" coverage attempts_fuzzer --sandbox "$rung" --corpus in --json
  is "it reads and reaches nothing" "$(jq -c 'select(.target) | .failed' "$OUT")" 0
  ok "and changes nothing" nothing_happened
done
HOME=$PWD/home exits 0 "its corpus" "$NIGHTJAR" corpus import attempts in
HOME=$PWD/home exits 0 "is pruned by Landlock" "$NIGHTJAR" corpus prune attempts --sandbox landlock -- ./afl
ok "and nothing happened" nothing_happened
HOME=$PWD/home exits 0 "two builds compared" "$NIGHTJAR" corpus diff attempts --sandbox landlock --with ./afl -- ./afl
ok "and nothing happened" nothing_happened
HOME=$PWD/home exits 0 "without a sandbox" "$NIGHTJAR" corpus merge --sandbox none --json -o ../away-none in/w in/r in/c -- ./afl
is "it reads and connects" "$(jq -c '[.inputs, .crashes]' "$OUT")" "[3,2]"
not "and writes" nothing_happened
rm -f "/tmp/nightjar-hacked-$$" "/dev/shm/nightjar-hacked-$$" "/var/tmp/nightjar-hacked-$$"
cd "$WORK" || exit 1
stop "$LISTENER" KILL
stop "$VICTIM" KILL

# --- a million inputs, in little memory and few descriptors (those of all processes, AFL++'s 198 and 199 among them) ---
if [ "${SOAK:-0}" = 1 ]; then
  python3 - <<'PY'
import os
for n in range(1000000):
    if n % 1000 == 0:
        os.makedirs("million/%03d" % (n // 1000))
    with open("million/%03d/%d" % (n // 1000, n), "wb") as file:
        file.write(b"abcd"[n % 4 : n % 4 + 1] * (n % 7 + 1) + b"%d" % n)
PY
  bounded() { (ulimit -v 1000000 && ulimit -n 256 && "$@"); }
  exits 0 "a million inputs" bounded "$NIGHTJAR" corpus merge --json -o few million -- ./plain
  is "all are read" "$(jq .inputs "$OUT")" 1000000
fi
finish
