#!/bin/bash
# Builds are known: by hand, from git, from a folder that is watched; crashes say on which commit
# they were seen; programs are kept while a bug is open, and used again.
# shellcheck disable=SC2317 # `ok` calls it
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

# --- evidence: which build is later is told by commits, and all that is kept of a bug is asked ---
mkdir -p proof/out proof/in && cd proof || exit 2
printf 'out: out\ntargets:\n  - name: crash\n    args: ["@@"]\nbuilds:\n  keep: 9\n' >nightjar.yaml
printf r1 >in/one
printf 'r1 second' >in/two
next() { # SOURCE COMMIT TIME BRANCH
  sed "1i static int build_$2;" "$1" >now.c && build out/crash now.c &&
    "$NIGHTJAR" build add out --commit "$2" --time "$3" --branch "$4"
}
result() { jq -r 'select(.id == "NJ-1") | [.result, .input, .inputs_clean, .moved_to] | @csv' "$OUT" | tr -d '"'; }
sed 's/text\[0\]) {/strlen(text) < 4 ? 0 : text[0]) {/; 1i #include <string.h>' "$HERE/crash.c" >half.c
ok "a build" next "$HERE/crash.c" aaaaaaa1 2026-01-01 main
ok "a crash on it" "$NIGHTJAR" triage in/one --target crash
ok "a later one" next "$HERE/crash.c" aaaaaaa2 2026-01-02 main
ok "another crash" "$NIGHTJAR" triage in/two --target crash
is "of the same bug" "$("$NIGHTJAR" bugs --json | jq -r .crashes)" 2
ok "a fix of half of it" next half.c aaaaaaa3 2026-01-03 main
exits 1 "verify" "$NIGHTJAR" verify crash --json
is "asks what else is kept of it" "$(result)" "same,sibling,2,"
ok "a fix on another branch" next ../fixed.c bbbbbbb4 2026-01-04 topic
exits 0 "is clean" "$NIGHTJAR" verify crash --json
is "but no fix" "$(result)" "clean,original,2,"
ok "a build of an older commit" next ../fixed.c aaaaaaa0 2025-12-31 main
exits 0 "that is clean" "$NIGHTJAR" verify crash --json
is "is no fix either" "$(result)" "clean,original,2,"
is "but says since when the bug is there" \
  "$("$NIGHTJAR" show NJ-1 --json | jq -r '[.introduced.commit, .clean_before[:10]] | @csv' | tr -d '"')" \
  "aaaaaaa1,2025-12-31"
ok "a fix" next ../fixed.c aaaaaaa5 2026-01-05 main
exits 0 "of all of it" "$NIGHTJAR" verify crash --json
is "is one" "$(result)" "clean,sibling,3,fixed"
has "by commit" <("$NIGHTJAR" timeline NJ-1 --markdown) "commit aaaaaaa5 (main)"
is "and since then seen clean" "$("$NIGHTJAR" bugs --json | jq -r '.verified | type')" string
exits 1 "an old build, kept" "$NIGHTJAR" verify crash --build aaaaaaa2 --json
is "shows it, which is no news" "$(result)" "same,reproducer,0,"
exits 0 "repro runs it there, too" "$NIGHTJAR" repro NJ-1 --build aaaaaaa1 --json
is "and it crashes" "$(jq -r .outcome "$OUT")" crash
exits 2 "a build that nobody knows" "$NIGHTJAR" verify crash --build nosuchone
exits 2 "two builds" "$NIGHTJAR" verify crash --build aaaaaaa2 -- out/crash @@
ok "a change that brings it back" next "$HERE/crash.c" aaaaaaa6 2026-01-06 main
exits 1 "is seen" "$NIGHTJAR" verify crash --json
is "as that" "$(result)" "same,reproducer,0,regressed"
rm -r .nightjar/builds
exits 3 "a copy that is lost" "$NIGHTJAR" verify crash --build aaaaaaa2
has "is said to be" "$OUT" "no copy of commit aaaaaaa2 (main) is kept"
ok "the state is whole" "$NIGHTJAR" db check

# --- many folders at once: one commit in two, a folder that changes, and what is too old to be copied ---
mkdir -p many/watched && cd many || exit 2
printf 'out: none\ntargets:\n  - name: crash\n    args: ["@@"]\nbuilds:\n  watch: watched\n  keep: 1\n' >nightjar.yaml
ok "a state" "$NIGHTJAR" triage --runs 1 --minimize no --target none ../in -- /bin/cat @@
for at in 1 2 3; do
  mkdir "watched/000000$at" && build "watched/000000$at/crash" "$HERE/crash.c" "-Wl,--build-id=0x$(printf %08d "$at")"
  printf 'commit: 000000%s\ntime: 2026-01-0%s\n' "$at" "$at" >"watched/000000$at/nightjar-build.yaml"
done
mkdir watched/more && build watched/more/crash "$HERE/crash.c" -Wl,--build-id=0x00000004
printf 'commit: 0000003\ntime: 2026-01-03\n' >watched/more/nightjar-build.yaml
is "of all that is there the newest is copied, from both of its folders" "$("$NIGHTJAR" build scan)" \
  "4 builds, 2 copies made, 0 dropped"
is "and no more later" "$("$NIGHTJAR" build scan)" "0 builds, 0 copies made, 0 dropped"
is "two of one commit are one" "$(listed '[.commit, .programs] | @csv' | head -1)" '"0000003",2'
printf 'commit: 0000002\ntime: 2026-01-02\nrelease: 2.0\n' >watched/0000002/nightjar-build.yaml
ok "what a folder says of itself changes" "$NIGHTJAR" build scan
is "and is read" "$(listed 'select(.release == "2.0") | .commit')" 0000002
mkdir watched/broken
printf 'comit: x\n' >watched/broken/nightjar-build.yaml
touch -d 2026-01-01 watched/broken watched/broken/nightjar-build.yaml
ok "what is wrong with one" "$NIGHTJAR" build scan
ok "and has been for long" "$NIGHTJAR" build scan
has "is said again" "$ERR" "unknown key 'comit'"
is "but not read again" "$("$NIGHTJAR" db check >/dev/null; sqlite3 .nightjar/nightjar.db "SELECT count(*) FROM watched WHERE note <> ''")" 1
cd ..

finish
