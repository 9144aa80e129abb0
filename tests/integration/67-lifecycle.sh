#!/bin/bash
# A bug's life as people and the calendar decide it: who looked at it, whose it is, when it is due,
# and what comes back by itself.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

command -v faketime >/dev/null || { skip "lifecycle" "faketime is not installed: scripts/bootstrap test"; finish; }
report() { # FILE FUNCTION ACCESS
  printf '==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000011\n%s of size 1 at 0x602000000011 thread T0\n    #0 0x1 in %s %s:1\n' "$3" "$2" "$1"
}
later() { # DAYS COMMAND...
  local days=$1
  shift
  FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f "+${days}d" "$@"
}
bug() { "$NIGHTJAR" bugs --json | jq -r "select(.id == \"$1\") | $2"; }
history_of() { "$NIGHTJAR" timeline "$1" --json | jq -r "select($2) | $3"; }

mkdir -p in .github
cat >nightjar.yaml <<'END'
owners:
  roots: [/src/png]
END
cat >.github/CODEOWNERS <<'END'
*            @org/all
/lib/        @org/parsers ann@example.org  # all below it
/lib/zlib/   @zlib
*.h
END
report /src/png/lib/read.c reads WRITE >in/1
report /src/png/lib/zlib/inflate.c inflates READ >in/2
report ../tools/main.c tool READ >in/3
report /src/png/lib/read.h inlined READ >in/4
report /elsewhere/build/lib/write.c writes READ >in/5
ok "five bugs" "$NIGHTJAR" triage --reports in

# --- owners ---
is "the last rule that matches decides" "$("$NIGHTJAR" bugs --json |
  jq -r '.crash_state[:-1] + " " + (.owner // "nobody")' | sort | xargs -d '\n' printf '%s;')" \
  "inflates @zlib;inlined nobody;reads @org/parsers ann@example.org;tool @org/all;writes @org/parsers ann@example.org;"
reads=$("$NIGHTJAR" bugs --json | jq -r 'select(.crash_state == "reads\n") | .id')
tool=$("$NIGHTJAR" bugs --json | jq -r 'select(.crash_state == "tool\n") | .id')
inflates=$("$NIGHTJAR" bugs --json | jq -r 'select(.crash_state == "inflates\n") | .id')
is "by a line that is named" "$(bug "$reads" .owner_origin)" CODEOWNERS:2
is "bugs of one owner" "$("$NIGHTJAR" bugs --owner ann@example.org --json | wc -l)" 2
is "and of none" "$("$NIGHTJAR" bugs --owner none --json | jq -r .crash_state | xargs)" inlined
has "the table has them, where they fit" <(COLUMNS=120 "$NIGHTJAR" bugs) "@org/parsers ann@"
ok "a hand" "$NIGHTJAR" bugs owner "$tool" bob --reason "wrote it"
sed -i 's/@org\/all/@org\/others/; s/@zlib/@inflate/' .github/CODEOWNERS
ok "rules that changed" "$NIGHTJAR" triage --reports in
is "are asked anew" "$(bug "$inflates" .owner)" @inflate
is "but have not the last word" "$(bug "$tool" '.owner + " " + .owner_origin')" "bob hand"
is "with who, and why" "$(history_of "$tool" '.kind == "bug.owner" and .to == "bob"' '.detail.reason')" "wrote it"
ok "until the hand" "$NIGHTJAR" bugs owner --clear "$tool"
is "is taken back" "$(bug "$tool" .owner)" @org/others

# --- due ---
is "a bug is due by its severity" "$(bug "$reads" '((.due | fromdate) - (.filed | fromdate)) / 86400')" \
  "$(jq -n --arg s "$(bug "$reads" .severity)" '{critical: 7, high: 14, medium: 28, low: 90}[$s]')"
is "none is overdue" "$("$NIGHTJAR" bugs --overdue --json | wc -l)" 0
is "in 15 days one is" "$(later 15 "$NIGHTJAR" bugs --overdue --json | jq -r .id)" "$reads"
exits 0 "the digest of that day" later 14 "$NIGHTJAR" digest --since 48h
has "says so" <(later 15 "$NIGHTJAR" digest --since 48h) "$reads overdue, high"
has "counts them" <(later 15 "$NIGHTJAR" digest --since 48h) "1 overdue"
has "and show does" <(later 15 "$NIGHTJAR" show "$reads") "overdue for"
printf 'slo:\n  deadline: {high: 2d}\n' >>nightjar.yaml
ok "other deadlines" "$NIGHTJAR" triage --reports in
is "count at once" "$(later 3 "$NIGHTJAR" bugs --overdue --json | jq -r .id)" "$reads"

# --- looked at, claimed ---
is "nobody has looked" "$(bug "$reads" .acknowledged)" null
ok "somebody has" "$NIGHTJAR" bugs ack "$reads"
is "so it is open" "$(bug "$reads" '.state + " " + (.acknowledged | type)')" "open string"
ok "a fix is on its way" "$NIGHTJAR" bugs state "$reads" fixing
is "since now" "$(bug "$reads" '.state + " " + (.claimed | type)')" "fixing string"
has "the timeline says how long it took" <("$NIGHTJAR" timeline "$reads" --markdown) "until claimed"

# --- accepted: with a reason, until a day ---
exits 2 "wontfix wants both" "$NIGHTJAR" bugs state "$reads" wontfix
has "and says so" "$ERR" "it needs a reason and a time"
exits 2 "a time that is over" "$NIGHTJAR" bugs state "$reads" wontfix --reason x --until 2020-01-01
exits 2 "one that is none" "$NIGHTJAR" bugs state "$reads" wontfix --reason x --until soon
exits 2 "an end of what does not end" "$NIGHTJAR" bugs state "$reads" open --until 90d
ok "for thirty days" "$NIGHTJAR" bugs state "$reads" wontfix --reason "goes with 2.0" --until 30d
has "as show says" <("$NIGHTJAR" show "$reads") "wontfix until"
is "the clock goes on" "$(bug "$reads" '.due | type')" string
ok "after a week" later 7 "$NIGHTJAR" build scan
is "nothing has changed" "$(bug "$reads" .state)" wontfix
ok "after a month" later 31 "$NIGHTJAR" build scan
is "it is open again" "$(bug "$reads" '.state + " " + (.until | tostring)')" "open null"
is "by itself, with a reason" "$(history_of "$reads" '.to == "open"' '.actor + ": " + .detail.reason' | tail -1 | cut -c1-28)" \
  "nightjar: wontfix until $(date -u -d +30days +%Y)"

# --- ignored: until more crashes, until it is worse ---
ok "ignored for two more crashes" "$NIGHTJAR" bugs state "$tool" ignored --until-crashes 2
for i in 1 2; do { report ../tools/main.c tool READ; echo "pid $i"; } >"in/more$i"; done
ok "one comes" "$NIGHTJAR" triage --reports in/more1
is "no matter" "$(bug "$tool" .state)" ignored
ok "and another" "$NIGHTJAR" triage --reports in/more2
is "too many" "$(bug "$tool" .state)" open
is "says why" "$(history_of "$tool" '.from == "ignored"' .detail.reason)" "ignored until it had 3 crashes"
ok "ignored as it is" "$NIGHTJAR" bugs state "$inflates" ignored --until-worse
ok "a severity that falls" "$NIGHTJAR" bugs severity "$inflates" low --reason "a tool"
is "no matter either" "$("$NIGHTJAR" build scan >"$OUT"; bug "$inflates" .state)" ignored
ok "one that rises" "$NIGHTJAR" bugs severity "$inflates" critical --reason "it is reached from the net"
is "brings it back" "$("$NIGHTJAR" build scan >"$OUT"; bug "$inflates" .state)" open

# --- beside a target ---
mkdir out
printf 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { if (n) __builtin_trap(); (void)d; return 0; }\n' >t.c
ok "a target" clang-14 -g -fsanitize=fuzzer,address -o out/t t.c
printf '# who\n*\nper-file a=b@c\ndora@example.org\n' >out/t.owners
printf x >crash
rm -r .github
ok "of which no path is anybody's" "$NIGHTJAR" triage crash --target t -- out/t @@
is "has owners of its own" "$("$NIGHTJAR" bugs --target t --json | jq -r '.owner + " " + .owner_origin')" \
  "dora@example.org t.owners"

ok "the state is whole" "$NIGHTJAR" db check
finish
