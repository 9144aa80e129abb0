#!/bin/bash
# `nightjar db backup` while a campaign writes, when it is killed, when the disk is full; and that what it made is a
# state folder that nightjar goes on with.
# shellcheck disable=SC2317 # some functions are called by retry
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

chmod 755 .
mkdir seeds
cat >many.c <<'EOF2'
#include <stdint.h>
#include <stdlib.h>
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n);
static __attribute__((noinline)) void a(size_t i) { volatile char *p = malloc(4); p[i] = 1; free((void *)p); }
static __attribute__((noinline)) void b(void) { abort(); }
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
    if (n > 4 && d[0] == 'F') (d[1] & 1) ? a(n) : b();
    return 0;
}
EOF2
run clang-14 -g -O1 -fsanitize=fuzzer,address -o many many.c || {
  fail "the test's target compiles" "$(cat "$ERR")"
  finish
}
printf 'x0000000' >seeds/a
queued() { "$NIGHTJAR" status --json | jq 'select(.crashes) | .queued'; }
has_bugs() { [ "$("$NIGHTJAR" status --json 2>/dev/null | jq -r 'select(.crashes) | .bugs')" -ge 1 ] 2>/dev/null; }
leftovers() { find . -maxdepth 2 -name '*.partial-*' | wc -l; }

# --- beside a campaign ---
start "$NIGHTJAR" fuzz ./many seeds --for 60s --jobs 1 --minimize no >fuzz.out 2>&1
ok "a campaign finds bugs" retry 30 has_bugs
exits 0 "a backup is made meanwhile" "$NIGHTJAR" db backup copy1
has "says what is in it" "$OUT" "copy1: database "
has "and that it was checked" "$OUT" "checked"
exits 0 "and another, as JSON" "$NIGHTJAR" db backup copy2 --deep --json
is "which holds blobs" "$(jq '.blobs > 0 and .findings == 0' "$OUT")" true
ok "the campaign goes on" kill -0 "$STARTED"
stop "$STARTED" INT
has "and ends as it should" fuzz.out "next: nightjar"
exits 0 "the copy is sound, byte by byte" "$NIGHTJAR" --state copy2 db check --deep
is "for its owner only" "$(stat -c %a copy1 copy1/nightjar.db | xargs)" "700 600"
is "and has nothing of a reader in it" "$(cd copy1 && echo nightjar.db*)" nightjar.db

# --- corpora, and restored by the verb ---
printf seed >one && printf other >two
exits 0 "a target has a corpus" "$NIGHTJAR" corpus import many one two
exits 0 "its backup" "$NIGHTJAR" db backup copy3
exits 0 "is restored where nothing is" "$NIGHTJAR" --state restored db restore copy3
listed() { (cd "$1" && find corpus blobs regressions -type f ! -name lock -exec sha256sum {} + 2>/dev/null | sort); }
is "with every byte of corpora, blobs and regressions" "$(listed restored)" "$(listed .nightjar)"
is "and all bugs" "$("$NIGHTJAR" --state restored bugs --json | jq -c '[.id, .signature, .crashes]')" \
  "$("$NIGHTJAR" bugs --json | jq -c '[.id, .signature, .crashes]')"
exits 0 "and is sound" "$NIGHTJAR" --state restored db check --deep
exits 2 "never over a state" "$NIGHTJAR" --state restored db restore copy3
exits 3 "nor from what is none" "$NIGHTJAR" --state other db restore seeds
ok "of which nothing is left" test ! -e other
for kind in tar.zst zip; do
  exits 0 "a backup as one file, $kind" "$NIGHTJAR" db backup "one.$kind" --json
  is "says its name" "$(jq -r .backup "$OUT")" "one.$kind"
  exits 0 "is restored" "$NIGHTJAR" --state "from-$kind" db restore "one.$kind"
  is "with every byte" "$(listed "from-$kind")" "$(listed .nightjar)"
  exits 0 "and is sound" "$NIGHTJAR" --state "from-$kind" db check --deep
done
is "with all bugs" "$("$NIGHTJAR" --state from-zip bugs --json | jq -c '[.id, .signature, .crashes]')" \
  "$("$NIGHTJAR" bugs --json | jq -c '[.id, .signature, .crashes]')"
exits 2 "it overwrites nothing" "$NIGHTJAR" db backup one.zip
exits 2 "nor does a restore" "$NIGHTJAR" --state from-zip db restore one.tar.zst
head -c 3000 one.tar.zst >cut.tar.zst
exits 3 "one that was cut" "$NIGHTJAR" --state cut db restore cut.tar.zst
python3 - <<'PY'
import io, tarfile
def make(path, name, **fields):
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo(name)
        for key, value in fields.items():
            setattr(entry, key, value)
        entry.size = 0 if "type" in fields else 4
        tar.addfile(entry, io.BytesIO(b"evil"))
make("up.tar", "blobs/../../../hacked")
make("root.tar", "/tmp/nightjar-hacked")
make("link.tar", "nightjar.db", type=tarfile.SYMTYPE, linkname="/etc/passwd")
make("hard.tar", "nightjar.db", type=tarfile.LNKTYPE, linkname="../nightjar.db")
make("pipe.tar", "nightjar.db", type=tarfile.FIFOTYPE)
make("none.tar", "nightjar.db")
PY
for hostile in up root link hard pipe none; do
  exits 3 "an archive that is hostile: $hostile" "$NIGHTJAR" --state hostile db restore "$hostile.tar"
done
not "leads nowhere" ls hacked ../hacked /tmp/nightjar-hacked
is "and leaves nothing" "$(find . -maxdepth 1 \( -name '*partial*' -o -name hostile -o -name cut \))" ""
input=$(find copy3/corpus -path '*/inputs/*' -type f | head -n 1)
printf damaged >"$input"
exits 1 "a damaged input is found" "$NIGHTJAR" --state again db restore copy3 --json
is "and left out" "$(jq -c '[.corpus_inputs, .damaged_inputs]' "$OUT")" \
  "[$(($(find copy3/corpus -path '*/inputs/*' -type f | wc -l) - 1)),1]"

# --- restored ---
bugs=$("$NIGHTJAR" --state copy2 bugs --json | wc -l)
mv .nightjar lost
mv copy2 .nightjar
exits 0 "moved to its place it is the state" "$NIGHTJAR" bugs --json
is "with its bugs" "$(wc -l <"$OUT")" "$bugs"
exits 0 "what waits is triaged" "$NIGHTJAR" triage
is "all of it" "$(queued)" 0
exits 1 "bugs can be run" "$NIGHTJAR" verify --all
has "and show" "$OUT" " same "
exits 0 "and a campaign goes on" "$NIGHTJAR" fuzz ./many seeds --for 3s --jobs 1 --minimize no
exits 0 "on a sound state" "$NIGHTJAR" db check

# --- what goes wrong ---
exits 2 "a backup overwrites nothing" "$NIGHTJAR" db backup copy1
has "and says so" "$ERR" "'copy1' is there already"
exits 2 "it needs a name" "$NIGHTJAR" db backup
exits 3 "in a folder that is there" "$NIGHTJAR" db backup no/where
is "nothing is left of them" "$(leftovers)" 0
if mkdir small && mount -t tmpfs -o size=200k none small 2>/dev/null; then
  keep_mount "$WORK/small"
  exits 3 "a disk without room" "$NIGHTJAR" db backup small/copy
  has "is seen before" "$ERR" "the backup takes"
  is "and left as it was" "$(find small -mindepth 1 | wc -l)" 0
else
  skip "a disk without room" "mounting a small tmpfs is not possible here: run as root"
fi
for after in 0.005 0.01 0.02 0.03 0.05; do
  { timeout -s KILL "$after" "$NIGHTJAR" db backup killed; } >"$OUT" 2>&1
  [ ! -d killed ] || "$NIGHTJAR" --state killed db check --deep >"$OUT" 2>&1 ||
    fail "killed after $after s there is none or a whole one" "$(cat "$OUT")"
  rm -rf killed
done
ok "after kill -9 there is none or a whole one" true
exits 0 "and the next one is made" "$NIGHTJAR" db backup killed
exits 0 "the state is sound" "$NIGHTJAR" db check --deep

# --- the database of another release ---
version() { sqlite3 "$1/nightjar.db" 'PRAGMA user_version'; }
mkdir -p old/blobs
for number in 1 2 3 4; do
  { cat "$TOP/triage/sql/000${number}"_*.sql && echo "PRAGMA user_version = $number;"; } | sqlite3 old/nightjar.db
done
cp -r old new && sqlite3 new/nightjar.db 'PRAGMA user_version = 99'
refused() { # STATE WORDS: each verb that only reads says them
  local verb
  for verb in bugs "show NJ-1" slo status outbox "verify --all" "db check" "repro NJ-1" "bugs --crashes" "bugs pin NJ-1 x"; do
    # shellcheck disable=SC2086 # words
    "$NIGHTJAR" --state "$1" $verb >"$OUT" 2>"$ERR" && return 1
    grep -q "$2" "$ERR" || { echo "$verb: $(cat "$ERR")" && return 1; }
  done
}
ok "an older one is refused, with the cure" refused old "nightjar db migrate brings it up to date"
is "and left as it was" "$(version old)" 4
ok "a newer one, too" refused new "a newer nightjar made this database (schema 99"
exits 3 "which is not migrated" "$NIGHTJAR" --state new db migrate
has "for the same reason" "$ERR" "use that one, or another folder"
exits 0 "the older one is" "$NIGHTJAR" --state old db migrate
has "and said to be" "$OUT" "$(version old) now"
exits 0 "once" "$NIGHTJAR" --state old db migrate --json
is "of course" "$(jq -r .migrated "$OUT")" false
exits 0 "then it is read" "$NIGHTJAR" --state old bugs
exits 0 "and sound" "$NIGHTJAR" --state old db check
finish
