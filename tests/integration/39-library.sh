#!/bin/bash
# `nightjar corpus` on corpora of the state folder: import, prune, what is known of each input, offenders on their way to
# triage, what differs, archives, and the layouts and dictionaries of others.
# shellcheck disable=SC2317 # some functions are called by others' names
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mkdir -m 1777 tmp
export TMPDIR=$WORK/tmp
if ! AFL_QUIET=1 afl-clang-fast -O1 -w -o plain "$HERE/corpus.c" >cc.log 2>&1 ||
  ! AFL_QUIET=1 afl-clang-fast -O1 -w -DDRIVER -fsanitize=fuzzer -o driver "$HERE/corpus.c" >>cc.log 2>&1 ||
  ! clang-14 -O1 -w -DDRIVER -fsanitize=fuzzer -o fuzzer "$HERE/corpus.c" >>cc.log 2>&1; then
  fail "the test's targets compile" "$(cat cc.log)"
  finish
fi
number() { find "$1" -type f | wc -l; }
mkdir in
for letter in a b c d x; do
  word=
  for n in 1 2 3 4 5 6 7 8; do
    word=$word$letter
    printf '%s' "$word" >"in/$letter$n"
  done
done
printf 'abcd' >in/all
printf 'CC' >in/crash
printf 'HH' >in/hang
: >in/empty
# names that are hostile wherever one is taken for more than bytes
printf 'abab' >"in/ ;\$(touch hacked) \"'
"
printf 'cdcd' >$'in/\xff\xfe\x1b[2J'
printf 'adad' >in/-rf
reach() { # FOLDER COMMAND...: edge:count, sorted, as afl-showmap sees them
  local folder=$1 file
  shift
  for file in "$folder"/*; do
    case $(cat -- "$file") in CC | HH | '') continue ;; esac
    AFL_QUIET=1 afl-showmap -q -m none -t 1000 -o map -- "$@" <"$file" >/dev/null 2>&1
    cat map
  done | sort -u
}

# --- a corpus in the state folder ---
exits 0 "import" "$NIGHTJAR" corpus import t in
exits 0 "the same again adds nothing" "$NIGHTJAR" corpus import t in --json
is "says it" "$(jq .added "$OUT")" 0
"$NIGHTJAR" corpus export t whole >/dev/null
exits 0 "prune" "$NIGHTJAR" corpus prune t --timeout 300ms -- ./plain
exits 0 "export" "$NIGHTJAR" corpus export t small
ok "it is smaller" test "$(number small)" -lt "$(number whole)"
not "no name was run" test -e hacked
reach whole ./plain >before
reach small ./plain >after
ok "nothing is lost" cmp before after
is "offenders are in quarantine" "$(cat .nightjar/corpus/t/quarantine/* | fold -w1 | sort | tr -d '\n')" CCHH
exits 0 "stat" "$NIGHTJAR" corpus stat t --json
cp "$OUT" stat.json
is "all are of the import" "$(jq .origins.import stat.json)" "$(number small)"
is "and all measured" "$(jq .measured stat.json)" "$(jq .inputs stat.json)"
is "the prune is remembered" "$(jq '.prunes | length' stat.json)" 1
ok "who reaches most alone is named" test "$(jq '.most_alone[0].alone' stat.json)" -gt 0
exits 0 "a second prune" "$NIGHTJAR" corpus prune t --json -- ./plain
is "changes nothing" "$(jq .kept "$OUT")" "$(number small)"
# the ledger's way: a database is there
exits 0 "offenders again" "$NIGHTJAR" corpus import t in/crash in/hang
mkdir found
cp in/crash found/crash-0123456789abcdef0123456789abcdef01234567
exits 0 "a database" "$NIGHTJAR" import libfuzzer found --no-triage --target other -- ./plain
exits 0 "a prune with a ledger" "$NIGHTJAR" corpus prune t --timeout 300ms -- ./plain
has "files them" "$OUT" "filed: 2 inputs"
is "as crashes of the target" "$("$NIGHTJAR" bugs --crashes --json | grep -c quarantine)" 2
is "none is left in quarantine" "$(number .nightjar/corpus/t/quarantine)" 0

# --- a prune that is killed, at points by chance: nothing is lost, and it ends as an undisturbed one ---
mkdir many
for n in $(seq 200); do printf 'a%sb' "$n" >"many/$n"; done
cp in/hang in/all in/c* in/d* many
exits 0 "a corpus" "$NIGHTJAR" corpus import killed many
cp -a .nightjar/corpus/killed as_it_was
prune_killed() { "$NIGHTJAR" corpus prune killed --timeout 100ms --json -- ./plain; }
inputs_in() { (cd "$1/inputs" && find . -type f | sort); }
filed() { "$NIGHTJAR" bugs --crashes --json | grep -c '/killed/quarantine/'; }
exits 0 "a straight prune" calls prune_killed
jq -S 'del(.resumed)' "$OUT" >straight.json
inputs_in .nightjar/corpus/killed >straight.list
is "files both offenders" "$(filed)" 2
whole() { [ -z "$(comm -13 <(inputs_in .nightjar/corpus/killed) straight.list)" ]; }
"$NIGHTJAR" corpus export killed straight.inputs >/dev/null
reach many ./plain >before
reach straight.inputs ./plain >after
ok "loses no edge" cmp before after
hits=0
for round in $(seq "$([ "${SOAK:-0}" = 1 ] && echo 40 || echo 3)"); do
  rm -rf .nightjar/corpus/killed
  cp -a as_it_was .nightjar/corpus/killed
  for _ in 1 2 3; do
    ! killed prune_killed || hits=$((hits + 1))
    whole || fail "round $round: what an undisturbed one leaves is there after a kill" "$(inputs_in .nightjar/corpus/killed)"
  done
  prune_killed >"$OUT" 2>"$ERR" || fail "round $round: then it comes to its end" "$(cat "$ERR")"
  is "round $round: with the same files" "$(inputs_in .nightjar/corpus/killed)" "$(cat straight.list)"
  is "verified, with the same edges" "$(jq -c '[.edges, .kept_edges, .tuples, .kept_tuples]' "$OUT")" \
    "$(jq -c '[.edges, .kept_edges, .tuples, .kept_tuples]' straight.json)"
  is "each offender is filed once, and none waits" "$(filed) $(number .nightjar/corpus/killed/quarantine)" "2 0"
done
ok "kill -9, $hits times" test "$hits" -ge 4
ok "the state is sound" "$NIGHTJAR" db check

# --- what another one has ---
mkdir more
printf 'abcd' >more/known
printf 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' >more/further
exits 0 "diff" "$NIGHTJAR" corpus diff --timeout 300ms --json in more -- ./plain
cp "$OUT" diff.json
is "one input is in both" "$(jq .inputs_common diff.json)" 1
is "one only in the second" "$(jq '.b.only | length' diff.json)" 1
is "which reaches no edge of its own" "$(jq '.b.edges_only | length' diff.json)" 0
ok "but counts" test "$(jq .b.tuples_only diff.json)" -gt 0
ok "and the first has edges alone" test "$(jq '.a.edges_only | length' diff.json)" -gt 0
is "and a crash" "$(jq .a.crashes diff.json)" 1
exits 0 "of a target and an archive without a build" "$NIGHTJAR" corpus diff t more
has "inputs are named" "$OUT" "only in more: "

tar cf small.tar small
exits 0 "an archive of it" "$NIGHTJAR" corpus import u small.tar
exits 0 "comes back" "$NIGHTJAR" corpus export u back
ok "as it was" diff -r small back
exits 0 "a seed corpus of it" "$NIGHTJAR" corpus export u u_seed_corpus.zip
exits 0 "twice" "$NIGHTJAR" corpus export u again.zip
ok "has the same bytes" cmp u_seed_corpus.zip again.zip
is "and all inputs" "$(python3 -m zipfile -l u_seed_corpus.zip | tail -n +2 | wc -l)" "$(number small)"
exits 3 "no corpus is told" "$NIGHTJAR" corpus stat nobody
exits 2 "a name that leads elsewhere is refused" "$NIGHTJAR" corpus stat ../t

# --- a build on which the harness is broken ---
sed 's/int v = 0;/int v = 0; if (n < 1000) return 1;/' "$HERE/corpus.c" >broken.c
AFL_QUIET=1 afl-clang-fast -O1 -w -o broken broken.c >>cc.log 2>&1
exits 1 "a corpus on two builds" "$NIGHTJAR" corpus diff small --with plain --json -- ./broken
cp "$OUT" builds.json
ok "the later one reaches less" test "$(jq .build.edges builds.json)" -lt "$(jq .with.edges builds.json)"
is "with every input" "$(jq .inputs_with_fewer builds.json)" "$(number small)"
exits 0 "on one build alone" "$NIGHTJAR" corpus diff small --with ./plain -- ./plain
has "nothing is lost" "$OUT" ": 0 reach fewer edges, 0 more"
exits 2 "of two kinds" "$NIGHTJAR" corpus diff small --with ./plain -- ./fuzzer
exits 1 "what prunes by it" "$NIGHTJAR" corpus prune t -- ./broken
has "is told" "$ERR" "is the harness broken? Nothing was changed"
"$NIGHTJAR" corpus export t unchanged >/dev/null
ok "and changes nothing" diff -r small unchanged
is "it is an event" "$(sqlite3 .nightjar/nightjar.db "SELECT from_state || ' ' || to_state FROM event WHERE kind = 'target.edges'")" "ok dropped"
exits 0 "which status shows" "$NIGHTJAR" status
has "with what it may be" "$OUT" "t: its corpus reaches far less than before"
exits 0 "mended" "$NIGHTJAR" corpus prune t -- ./plain
exits 0 "it is not shown any more" "$NIGHTJAR" status
hasnt "of course" "$OUT" "far less"

# --- limits ---
seq 50 | (mkdir fifty && cd fifty && xargs -I{} sh -c 'echo {} >{}') && tar czf fifty.tar.gz fifty
printf 'import: {inputs: 10}\n' >few.yaml
exits 0 "an archive with more than nightjar.yaml allows" "$NIGHTJAR" --config few.yaml corpus import few fifty.tar.gz --json
is "is taken up to there" "$(jq .added "$OUT")" 10
has "which is said" "$ERR" "the rest is beyond the limits of 10 seeds"
has "with what sets them" "$ERR" "--max-inputs"
is "once" "$(grep -c 'the rest is beyond' "$ERR")" 1
exits 0 "an option goes before" "$NIGHTJAR" --config few.yaml corpus import few fifty.tar.gz --max-inputs 30 --json
is "and is obeyed" "$(jq .added "$OUT")" 20
exits 0 "of entries" "$NIGHTJAR" corpus import entries fifty.tar.gz --max-entries 20 --json
is "all are counted, folders, too" "$(jq .added "$OUT")" 19
has "and the rest is said" "$ERR" "more than 20 entries"
exits 2 "a limit that is none" "$NIGHTJAR" corpus import few fifty.tar.gz --max-inputs 99999999999
printf 'import: {ratio: 0}\n' >few.yaml
exits 2 "nor in nightjar.yaml" "$NIGHTJAR" --config few.yaml corpus import few fifty.tar.gz
has "with its place" "$ERR" "few.yaml:1:"

# --- an archive of very many entries: bounded memory, all of them, or up to the limit ---
entries=$([ "${SOAK:-0}" = 1 ] && echo 1000000 || echo 20000)
python3 - "$entries" <<'PY'
import io, sys, tarfile, zipfile
n = int(sys.argv[1])
with zipfile.ZipFile("entries.zip", "w") as z, tarfile.open("entries.tar.gz", "w:gz", compresslevel=1) as t:
    for i in range(n):
        data = b"input %d" % i
        z.writestr("s/%d" % i, data)
        entry = tarfile.TarInfo("s/%d" % i)
        entry.size = len(data)
        t.addfile(entry, io.BytesIO(data))
PY
within() { (ulimit -v 1500000 && "$@"); }
for kind in zip tar.gz; do
  exits 0 "$entries entries, $kind" within "$NIGHTJAR" --state entries corpus import "t-$kind" "entries.$kind" \
    --max-inputs 2000000 --max-entries 2000000 --json
  is "all come" "$(jq .added "$OUT")" "$entries"
  exits 0 "up to a limit" within "$NIGHTJAR" --state entries corpus import "u-$kind" "entries.$kind" --max-inputs 1000 --json
  is "so many" "$(jq .added "$OUT")" 1000
done
rm -rf entries

# --- what others have ---
mkdir -p cargo/fuzz/corpus/v gomod/testdata/fuzz/FuzzX
printf 'one' >cargo/fuzz/corpus/v/1
printf 'go test fuzz v1\n[]byte("two\\x00")\n' >gomod/testdata/fuzz/FuzzX/a
printf 'go test fuzz v1\nint(1)\nstring("x")\n' >gomod/testdata/fuzz/FuzzX/b
exits 0 "cargo-fuzz's layout" "$NIGHTJAR" corpus import v cargo
exits 0 "and Go's" "$NIGHTJAR" corpus import FuzzX gomod
has "inputs with other arguments are told" "$ERR" "Go's inputs that are not one"
"$NIGHTJAR" corpus export FuzzX gone >/dev/null
is "Go's stand for their bytes" "$(od -An -tx1 gone/* | tr -d ' ')" 74776f00
# a dictionary that no engine reads as it is
printf '# words\nkw="abab\nCC\n"d\\q"\n' >bad.dict
printf 'targets:\n  - name: d\n    binary: ./driver\n    seeds: [./more]\n    dictionary: bad.dict\n' >nightjar.yaml
exits 0 "workers start with it" "$NIGHTJAR" fuzz --for 3s --jobs 1 --minimize no
has "its lines are told" "$ERR" "bad.dict:2: the closing quote was missing"
has "each of them" "$ERR" "bad.dict:4: a lone backslash was doubled"
ok "and the repaired one is used" grep -q '^"d.*q"$' .nightjar/fuzz/d/dictionary
ok "by a worker that has run" test "$("$NIGHTJAR" status --json | jq -s 'map(.executions) | add')" -gt 0
finish
