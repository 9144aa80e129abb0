#!/bin/bash
# `nightjar triage` when things die: scribe, workers and supervisor by kill -9, Ctrl-C, a full
# disk, a read-only folder, huge files, and a second nightjar at the same time. After every one of
# them nothing is lost, nothing is there twice, and the database is sound. SOAK=1: twenty more kills at random.
# shellcheck disable=SC2317 # some functions are called by retry
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

for name in crash misbehave; do
  clang-14 -g -O1 -fsanitize=address -o "$name" "$HERE/$name.c" 2>cc.log || {
    fail "the test's targets compile" "$(cat cc.log)"
    finish
  }
done
FILES=200
crashes() { "$NIGHTJAR" bugs --crashes --json | jq -r "$1"; }
count() { crashes "select($1) | .path" | wc -l; }
fresh() { rm -rf .nightjar; }
sound() { exits 0 "$1" "$NIGHTJAR" db check; }
# processes that this test's nightjar has started: they name its folder
ours() { processes "$WORK"; }
triaged() { [ "$(count_triaged)" -ge "$1" ]; }
count_triaged() { "$NIGHTJAR" bugs --crashes --json 2>/dev/null | jq -r 'select(.state == "triaged") | .path' | wc -l; }
none_left() { [ -z "$(ours)" ]; }

mkdir in unhurried
for i in $(seq $FILES); do
  kinds=(r1 r2 w1 a1)
  printf '%s %s' "${kinds[i % 4]}" "$i" >"in/$i"
  printf '%s~%s' "${kinds[i % 4]}" "$i" >"unhurried/$i" # so that there is time to kill what works at them
done

# --- the scribe and the workers, again and again, within one run ---
# an absolute folder, so that the scribe is known by it
start "$NIGHTJAR" --state "$WORK/.nightjar" triage --runs 1 --minimize no unhurried -- ./crash @@ >run.out 2>run.err
run=$STARTED
killed=0
for n in 5 20 35 50 65 80; do
  retry 60 triaged "$n" || break
  for verb in triage-worker scribe; do
    [ "$n $verb" != "5 scribe" ] || continue # a busy supervisor may see only the latter of two deaths
    # a worker is a chain of processes: its sandbox from outside to inside, then itself
    pid=$(processes "nightjar $verb --s" "$WORK" | shuf -n 1)
    [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null && killed=$((killed + 1))
  done
done
wait "$run"
is "triage ends well though its children were killed" $? 0
is "they really were, four times or more" "$([ "$killed" -ge 4 ] && echo yes || echo "$killed")" yes
has "the death of the scribe is told" run.err "the process that writes the database ended (signal 9 (KILL))"
has "so is that of a worker" run.err "; it is tried once more"
is "every file is triaged" "$(count '.state == "triaged" and .bug != null')" $FILES
is "into four bugs" "$("$NIGHTJAR" bugs --json | wc -l)" 4
is "each crash is counted once" "$("$NIGHTJAR" bugs --json | jq -s 'map(.crashes) | add')" $FILES
sound "the database is sound"

# --- the supervisor, at any moment ---
fresh
for n in 0 1 10 40 80 120; do
  start "$NIGHTJAR" triage --runs 1 --minimize no in -- ./crash @@ >run.out 2>run.err
  if [ "$n" = 0 ]; then
    retry 20 test -e .nightjar/nightjar.db
  else
    retry 60 triaged "$n"
  fi
  kill -KILL "$STARTED"
  wait "$STARTED" 2>/dev/null
  retry 10 none_left || fail "no orphan after kill -9 of the supervisor" "$(ours)"
done
pass "no orphan after any kill -9 of the supervisor"
sound "the database is sound though nobody tidied up"
before=$(count_triaged)
exits 0 "the same command goes on" "$NIGHTJAR" triage --runs 1 --minimize no in -- ./crash @@
is "it had not to begin anew" "$([ "$before" -ge 100 ] && echo yes)" yes
is "every file is triaged" "$(count '.state == "triaged" and .bug != null')" $FILES
is "each crash is counted once" "$("$NIGHTJAR" bugs --json | jq -s 'map(.crashes) | add')" $FILES
sound "the database is sound"

if [ "${SOAK:-0}" = 1 ]; then
  fresh
  for _ in $(seq 20); do
    { timeout -s KILL "$(printf '0.%03d' $((RANDOM % 900 + 5)))" "$NIGHTJAR" triage --runs 1 --minimize 1s in -- ./crash @@; } \
      >run.out 2>run.err
    retry 10 none_left || fail "no orphan after kill -9 at any time" "$(ours)"
    [ ! -e .nightjar/nightjar.db ] || "$NIGHTJAR" db check >"$OUT" 2>&1 ||
      fail "after each kill the database is sound" "$(cat "$OUT")"
    [ $((RANDOM % 4)) != 0 ] || fresh # from the beginning again
  done
  exits 0 "after kills at random times it goes on" "$NIGHTJAR" triage --runs 1 --minimize no in -- ./crash @@
  is "every file is triaged" "$(count '.state == "triaged" and .bug != null')" $FILES
  sound "the database is sound"
fi

# --- Ctrl-C ---
fresh
mkdir slow
for i in $(seq 30); do printf 's %s' "$i" >"slow/$i"; done
start "$NIGHTJAR" triage --runs 1 --minimize no slow -- ./crash @@ >run.out 2>run.err
retry 60 triaged 2
kill -INT "$STARTED" 2>/dev/null
wait "$STARTED"
is "Ctrl-C ends with status 3" $? 3
has "it says what it does" run.err "finishing what runs; press Ctrl-C again to end at once"
has "it shows what there is" run.out "abort_two"
has "and how to go on" run.err "next: nightjar triage"
is "no replay is lost" "$(count '.state == "queued" or .state == "triaged"')" 30
is "nor is it blamed on an input" "$(count '.state == "untriageable"')" 0
retry 10 none_left
is "no orphan" "$(ours)" ""
start "$NIGHTJAR" triage --runs 1 --minimize no >run.out 2>run.err
retry 60 triaged 10
kill -INT "$STARTED" 2>/dev/null
kill -INT "$STARTED" 2>/dev/null
wait "$STARTED"
is "twice ends at once, with status 3" $? 3
exits 0 "\`nightjar triage\` alone goes on" "$NIGHTJAR" triage --runs 1 --minimize no
is "to the end" "$(count '.state == "triaged"')" 30
sound "the database is sound"

# --- Ctrl-C while it minimizes ---
fresh
mkdir long
{ printf 's'; head -c 300000 /dev/urandom; } >long/1
start "$NIGHTJAR" triage --jobs 1 --minimize 10m long -- ./crash @@ >run.out 2>run.err
minimizes() { [ "$("$NIGHTJAR" bugs --json 2>/dev/null | wc -l)" -eq 1 ] && [ -n "$(processes "$WORK/crash")" ]; }
retry 60 minimizes
began=$SECONDS
kill -INT "$STARTED" 2>/dev/null
wait "$STARTED"
is "Ctrl-C ends a minimization, and all is done" $? 0
is "within seconds" "$([ $((SECONDS - began)) -le 15 ] && echo yes)" yes
has "the bug is there" run.out "abort_two"
sound "the database is sound"

# --- two at a time ---
fresh
printf H >hang
start "$NIGHTJAR" triage --timeout 5s --minimize no hang -- ./misbehave @@ >run.out 2>run.err
retry 20 test -e .nightjar/lock
worker_runs() { [ -n "$(processes "nightjar triage-worker --s" "$WORK")" ]; }
retry 20 worker_runs
exits 0 "a second triage only takes files in" "$NIGHTJAR" triage in/1 in/2 -- ./crash @@
has "and says who triages them" "$ERR" "the files go into the ledger"
is "they wait" "$(count '.state == "queued" and (.path | test("/in/"))')" 2
kill -KILL "$STARTED"
wait "$STARTED" 2>/dev/null
exits 0 "until somebody does" "$NIGHTJAR" triage --timeout 1s --minimize no in/1 -- ./crash @@
is "which is for all" "$(count '.state == "queued"')" 0

# --- what the machine refuses ---
fresh
head -c 100000000 /dev/zero >huge
printf w | dd of=huge conv=notrunc 2>/dev/null
exits 0 "a file of 100 MB is triaged" "$NIGHTJAR" triage --minimize no huge -- ./crash @@
has "like any other" "$OUT" write_one
rm -f huge
truncate -s 200M sparse
exits 3 "one of 200 MB is refused" "$NIGHTJAR" triage --minimize no sparse -- ./crash @@
has "with the reason" "$ERR" sparse
rm -f sparse
mkdir -m 777 locked
exits 0 "a state folder" as_user "$NIGHTJAR" triage --state locked/s --minimize no in/1 -- "$WORK/crash" @@
chmod -R a-w locked
exits 3 "that is read-only" as_user "$NIGHTJAR" triage --state locked/s in/2 -- "$WORK/crash" @@
has "is named with the cure" "$ERR" locked/s
chmod -R u+w locked
mkdir small
if mount -t tmpfs -o size=3m none small 2>/dev/null; then
  keep_mount "$WORK/small"
  mkdir big
  for i in $(seq 40); do
    { printf 'r1'; head -c 300000 /dev/urandom; } >"big/$i"
  done
  exits 3 "a full disk ends the run" "$NIGHTJAR" triage --state small/s --minimize no big -- ./crash @@
  has "with the reason" "$ERR" "the disk is full"
  has "and the way on" "$ERR" "\`nightjar triage\` goes on"
  mount -o remount,size=64m small
  exits 0 "with room again it goes on" "$NIGHTJAR" triage --state small/s --minimize no big -- ./crash @@
  is "and nothing is lost" "$("$NIGHTJAR" bugs --state small/s --crashes --json | jq -r 'select(.state == "triaged") | .path' | wc -l)" 40
  exits 0 "the database is sound" "$NIGHTJAR" db check --state small/s
  rm -rf small/s
  mount -o remount,size=16k small
  printf 'r1%2000s' x >lengthy
  exits 0 "a journal that finds no room" "$NIGHTJAR" minimize lengthy -o small/min -- ./crash @@
  is "does not take it from the result" "$(head -c 1 small/min)" r
else
  skip "a full disk" "mounting a small tmpfs is not possible here: run as root"
fi

finish
