#!/bin/bash
# Builds are known: by hand, from git, from a folder that is watched; crashes say on which commit
# they were seen; programs are kept while a bug is open, and used again.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

build() { clang-14 -g -O1 -w -fsanitize=address -o "$@" 2>cc.log; }
nightjar_sql() { sqlite3 .nightjar/nightjar.db "$1"; }
id_of() { readelf -n "$1" | sed -n 's/.*Build ID: //p'; }
listed() { "$NIGHTJAR" build list --json | jq -r "$1"; }
kept() { find .nightjar/builds -type f 2>/dev/null | wc -l; }

mkdir -p out in
printf r1 >in/one
if ! build out/crash "$HERE/crash.c"; then
  fail "the test's target compiles" "$(cat cc.log)"
  finish
fi
cat >nightjar.yaml <<'END'
out: out
targets:
  - name: crash
    args: ["@@"]
builds:
  watch: farm
  keep: 1
END
mkdir farm

# --- by hand ---
exits 2 "a folder in no work tree, and nothing told" "$NIGHTJAR" build add out
has "is asked for" "$ERR" "which commit is this?"
exits 2 "no time" "$NIGHTJAR" build add out --commit 0000001aaa
has "is asked for, too" "$ERR" "when was 0000001aaa committed?"
exits 2 "a time that is none" "$NIGHTJAR" build add out --commit 0000001aaa --time yesterday
exits 2 "no folder" "$NIGHTJAR" build add outt --commit 0000001aaa --time 2026-01-01
mkdir empty
exits 2 "nothing in it" "$NIGHTJAR" build add empty --commit 0000001aaa --time 2026-01-01
ok "all is told" "$NIGHTJAR" build add out --commit 0000001aaa --time 2026-01-01T12:00:00Z --branch main --json
is "one program, copied" "$(jq -c '[.new, .targets, .programs, .copied]' "$OUT")" "[true,1,1,1]"
ok "the same again" "$NIGHTJAR" build add out --commit 0000001aaa --time 2026-01-01T12:00:00Z --branch main \
  --release 1.0 --json
is "is known, and now released" "$(jq -c '[.new, .copied]' "$OUT") $(listed .release)" "[false,0] 1.0"
is "the copy is the program" "$(sha256sum <.nightjar/builds/*/"$(id_of out/crash)"/crash)" "$(sha256sum <out/crash)"
is "an event" "$(nightjar_sql "SELECT kind || ' ' || json_extract(detail, '$.commit') FROM event")" \
  "build.add 0000001aaa"

# --- crashes say on which it was ---
ok "a crash" "$NIGHTJAR" triage --target crash in
one=$("$NIGHTJAR" bugs --json | jq -r 'select(.crash_state | startswith("read_one")) | .id')
has "was seen on a commit" <("$NIGHTJAR" show "$one") "commit 0000001aaa (main), release 1.0 of 2026-01-01"
is "or before: no older one is known to be clean" "$("$NIGHTJAR" show "$one" --json | jq -r .clean_before)" null
is "which is shipped" "$("$NIGHTJAR" show "$one" --json | jq -r '[.introduced.commit, .shipped.release] | @csv')" \
  '"0000001aaa","1.0"'
is "and listed with it" "$(listed .open_bugs)" 1

# --- a folder that is watched ---
mkdir -p tmp/crash-0000002bbb
sed -e 's/FAULT(read_one, .*/FAULT(read_one, (void)p)/' "$HERE/crash.c" >fixed.c
ok "a later build" build tmp/crash-0000002bbb/crash fixed.c
printf 'time: 2026-02-01\nbranch: main\n' >tmp/crash-0000002bbb/nightjar-build.yaml
mv tmp/crash-0000002bbb farm/
ok "is found" "$NIGHTJAR" build scan --json
is "once" "$(jq -c '[.added, .copied]' "$OUT") $("$NIGHTJAR" build scan)" "[1,1] 0 builds, 0 copies made, 0 dropped"
is "with what is told of it, and its name" "$(listed '[.commit, .branch, .time] | @csv' | head -1)" \
  '"0000002bbb","main","2026-02-01T00:00:00Z"'
mkdir farm/broken
printf 'comit: x\n' >farm/broken/nightjar-build.yaml
ok "what is wrong with one" "$NIGHTJAR" build scan
has "is said" "$ERR" "unknown key 'comit' (did you mean 'commit'?)"
rm -r farm/broken

# --- kept: the newest of a branch, and what an open bug needs ---
is "two copies" "$(kept)" 2
ok "what would go" "$NIGHTJAR" build gc --dry-run --json
is "is nothing: the older one has an open bug" "$(jq -c '[.copies, .left, .needed]' "$OUT")" "[0,2,1]"
build out/crash fixed.c -DOTHER
printf 'r1 more' >in/more

# --- git ---
git init -q -b trunk work && mkdir work/out && printf '*\n' >work/.gitignore && touch work/file
git -C work add -f file && GIT_COMMITTER_DATE=2026-03-01T00:00:00Z \
  git -C work -c user.name=a -c user.email=a@b commit -q -m x
ok "a build in a work tree" build work/out/crash fixed.c -DTHIRD
ok "need not be told anything" "$NIGHTJAR" build add work/out
has "but says whom it asked" "$ERR" "taken from git in"
is "and knows it" "$(listed '[.commit, .branch, .time] | @csv' | head -1)" \
  "\"$(git -C work rev-parse HEAD)\",\"trunk\",\"2026-03-01T00:00:00Z\""
echo changed >work/file
ok "changes that are not committed" "$NIGHTJAR" build add work/out
has "are a commit of their own" "$ERR" -dirty
ok "which may be forgotten" "$NIGHTJAR" build remove "$(git -C work rev-parse HEAD)-dirty"
exits 2 "what is not known may not" "$NIGHTJAR" build remove nosuch
ok "gc of all" "$NIGHTJAR" db gc --dry-run
has "counts copies, too" "$OUT" copies

ok "the state is whole" "$NIGHTJAR" db check --deep
finish
