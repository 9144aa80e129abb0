#!/bin/bash
# The ledger on the disk: full at every size, killed while it files, read where nobody can write,
# and `nightjar db check`, which must see each kind of damage. (What dies while it triages:
# 11-triage-faults.sh.)
# shellcheck disable=SC2317 # some functions are called by retry
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

clang-14 -g -O1 -fsanitize=address -o crash "$HERE/crash.c" 2>cc.log || {
  fail "the test's target compiles" "$(cat cc.log)"
  finish
}
triage() { "$NIGHTJAR" triage --minimize no --runs 1 "$@" -- ./crash @@; }
crashes() { "$NIGHTJAR" bugs --crashes --json; }
paths() { crashes | jq -r "$1 | .path" | wc -l; }

mkdir in
for i in $(seq 40); do
  { printf 'r%s' $((i % 2 + 1)); head -c 20000 /dev/urandom; } >"in/$i"
done

# --- killed while it takes files in: nothing is half filed, and what was filed is kept ---
# half of them small, whose bytes lie in the database, half of them files
mkdir many
for i in $(seq 1500); do printf "w %s %$((i % 2 * 5000))s" "$i" "" >"many/$i"; done
files_there() { [ "$(find .nightjar/blobs -type f 2>/dev/null | wc -l)" -ge "$1" ]; }
for n in 1 100 300 500; do
  start "$NIGHTJAR" triage --minimize no --runs 1 --jobs 1 many -- ./crash @@ >run.out 2>run.err
  retry 30 files_there "$n"
  stop "$STARTED" KILL
  exits 0 "killed when $n files are there the database is sound" "$NIGHTJAR" db check --deep
done
rows=$(paths .)
is "files were in the ledger by then" "$([ "$rows" -ge 200 ] && echo yes || echo "$rows")" yes
start "$NIGHTJAR" triage --minimize no --runs 1 many -- ./crash @@ >run.out 2>run.err
all_filed() { [ "$(paths .)" -ge 1500 ]; }
ok "the same command files the rest" retry 60 all_filed
kill -INT "$STARTED"
wait "$STARTED"
is "each file once" "$(crashes | jq -r .path | sort -u | wc -l) $(paths .)" "1500 1500"
is "each crash once" "$(crashes | jq -r .sha256 | sort -u | wc -l)" 1500
is "no file is left over" "$(find .nightjar/blobs/tmp -type f | wc -l)" 0
exits 0 "the database is sound" "$NIGHTJAR" db check --deep
rm -rf .nightjar

# --- a disk that is full at every point of the way ---
mkdir small
if mount -t tmpfs -o size=64k none small 2>/dev/null; then
  keep_mount "$WORK/small"
  full=0
  for kib in 64 192 320 512 768 1024; do
    umount small && mount -t tmpfs -o "size=${kib}k" none small
    triage --state small/s in >"$OUT" 2>"$ERR"
    status=$?
    full=$((full + (status == 3)))
    if [ "$status" -eq 3 ] && ! grep -q "disk is full\|No space left" "$ERR"; then
      fail "a disk of $kib KiB is called full" "$(cat "$ERR")"
    fi
    mount -o remount,size=64m small
    triage --state small/s in >"$OUT" 2>"$ERR" || fail "with room again $kib KiB go on" "$(cat "$ERR")"
    found=$("$NIGHTJAR" bugs --state small/s --json | jq -s 'map(.crashes) | add')
    [ "$found" = 40 ] || fail "nothing is lost or twice after $kib KiB" "$found crashes"
    "$NIGHTJAR" db check --deep --state small/s >"$OUT" 2>&1 || fail "sound after $kib KiB" "$(cat "$OUT")"
  done
  is "the disk was full at several sizes" "$([ "$full" -ge 4 ] && echo yes || echo "$full")" yes
  pass "after each of them it went on, lost nothing and filed nothing twice"
  umount small
else
  skip "a disk that is full at every point" "mounting a small tmpfs is not possible here: run as root"
fi

# --- where nobody can write ---
exits 0 "a state to read" triage in
bugs=$("$NIGHTJAR" bugs --json)
cp -a .nightjar kept
chmod 644 kept/nightjar.db*
chmod 555 kept
is "a folder that cannot be written shows its bugs" "$(as_user "$NIGHTJAR" bugs --state kept --json 2>"$ERR")" "$bugs"
ok "and explains one" as_user "$NIGHTJAR" show --state kept NJ-1
exits 3 "writing there" as_user "$NIGHTJAR" triage --state kept in/1 -- "$WORK/crash" @@
has "is refused by name" "$ERR" kept
chmod 755 kept

# a killed writer leaves its log; a backup of it has no shared memory file
start sqlite3 .nightjar/nightjar.db "PRAGMA wal_autocheckpoint=0; UPDATE bug SET state = 'wontfix' WHERE id = 1;" \
  "SELECT count(*) FROM blob a, blob b, blob c, blob d, blob e, blob f;" >/dev/null 2>&1
log_there() { [ -s .nightjar/nightjar.db-wal ] && "$NIGHTJAR" bugs --only wontfix --json | grep -q NJ-1; }
if command -v sqlite3 >/dev/null && retry 10 log_there; then
  stop "$STARTED" KILL
  mkdir backup
  cp .nightjar/nightjar.db .nightjar/nightjar.db-wal backup
  chmod 644 backup/*
  chmod 555 backup
  is "what stands only in the log is not missed" \
    "$(as_user "$NIGHTJAR" bugs --state backup --only wontfix --json 2>"$ERR" | jq -r .id)" NJ-1
  chmod 755 backup
else
  skip "a log without its shared memory" "sqlite3 is not installed here"
fi
rm -rf kept backup .nightjar

# --- secrets: what crashes a program is nobody else's business ---
exits 0 "a state" triage in
exits 3 "another user cannot read it" as_user "$NIGHTJAR" bugs
has "and is told why" "$ERR" "Permission denied"
is "nor its inputs" "$(as_user find .nightjar/blobs -type f 2>/dev/null | wc -l)" 0

# --- db check ---
exits 0 "db check of a sound state" "$NIGHTJAR" db check
has "says what it looked at" "$OUT" "clean: 40 crashes, 2 bugs"
exits 0 "with --json it prints nothing" "$NIGHTJAR" db check --json
is "nothing at all" "$(cat "$OUT")" ""
blob=$(find .nightjar/blobs -type f -size +8k | head -1)
cp "$blob" blob.kept
printf X | dd of="$blob" bs=1 seek=5000 conv=notrunc 2>/dev/null
exits 0 "a changed byte is not seen by its size" "$NIGHTJAR" db check
exits 1 "but by reading it" "$NIGHTJAR" db check --deep --json
is "under the name of the promise" "$(jq -r .invariant "$OUT")" blob-file
is "with the file's" "$(jq -r .finding "$OUT" | grep -c "$(basename "$blob")")" 1
rm "$blob"
exits 1 "a lost file is seen at once" "$NIGHTJAR" db check
has "in words" "$OUT" "its file is not there"
has "and what to do" "$OUT" "copy '"
cp blob.kept "$blob"
exits 0 "put back all is well" "$NIGHTJAR" db check --deep
if command -v sqlite3 >/dev/null; then
  sqlite3 .nightjar/nightjar.db "PRAGMA wal_checkpoint(TRUNCATE)" >/dev/null
  dd if=/dev/zero of=.nightjar/nightjar.db bs=4096 seek=5 count=3 conv=notrunc 2>/dev/null
  exits 1 "a damaged database" "$NIGHTJAR" db check
  has "is called so" "$OUT" integrity
else
  skip "a damaged database" "sqlite3 is not installed here"
fi
exits 3 "no state at all is no answer" "$NIGHTJAR" db check --state nowhere
has "but a hint" "$ERR" "there is no nightjar state in"
exits 2 "db alone" "$NIGHTJAR" db
exits 2 "an unknown word" "$NIGHTJAR" db chekc
finish
