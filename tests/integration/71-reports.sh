#!/bin/bash
# What the gate writes, as its readers check it: SARIF by Microsoft's validator, JUnit by schemas, GitLab's and GitHub's
# formats by what their documentation says. From real crashes, and from reports full of what a reader would obey.
. "$(dirname "$0")/lib.sh"

mkdir -p repo/src repo/in && cd repo || exit 2
cat >src/parse.c <<'C'
#include <stdio.h>
#include <stdlib.h>
__attribute__((noinline)) void
put_item(char *heap, int at)
{
    heap[at] = 1;
}
__attribute__((noinline)) int
old_item(char *heap, int at)
{
    free(heap);
    return heap[at];
}
int
main(int argc, char **argv)
{
    FILE *file = fopen(argv[argc - 1], "rb");
    int c = file == NULL ? EOF : fgetc(file);
    char *heap = malloc(8);
    if (c == 'W') {
        put_item(heap, 8);
    }
    c = c == 'F' ? old_item(heap, 1) : 0;
    free(heap);
    return c;
}
C
clang-14 -g -O0 -fsanitize=address -fdebug-prefix-map="$PWD=/src/project" -o crash src/parse.c ||
  { fail "compile the target"; finish; }
printf Wide >in/w
printf Freed >in/f
ok "two bugs" "$NIGHTJAR" triage in -- "$PWD/crash" @@
exits 1 "fail the gate" "$NIGHTJAR" gate --report-dir out
hasnt "the terminal is told no workflow command" "$OUT" "::"

results() { jq -c '.runs[0].results[]' out/nightjar.sarif; }
valid_sarif() { # TEXT: Microsoft's rules and GitHub's; nightjar has no page on the web that SARIF2005 asks for
  local text=$1
  if ! command -v sarif-multitool >/dev/null; then
    skip "$text" "no sarif-multitool: scripts/bootstrap test, with npm's registry in reach"
    return
  fi
  DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 HOME=$WORK sarif-multitool validate out/nightjar.sarif \
    --rule-kind 'Sarif;Ghas' --level 'Error;Warning' --output checked.sarif --log ForceOverwrite >"$OUT" 2>&1
  is "$text" "$(jq -r '.runs[].results[] | select(.ruleId != "SARIF2005") | .ruleId + ": " + (.message.text // (.message.arguments | join(" ")))' checked.sarif)" ""
  is "by all rules" "$(jq '[.runs[].invocations[].executionSuccessful] | all' checked.sarif)" true
}
valid_junit() { # TEXT
  local flavour
  for flavour in gitlab jenkins; do
    ok "$1, as $flavour takes it" xmllint --noout --nonet --schema "$HERE/junit-$flavour.xsd" "out/junit-$flavour.xml"
  done
}

# --- SARIF ---

valid_sarif "SARIF is valid"
is "it holds both bugs" "$(results | wc -l)" 2
is "a built path is found in the sources" "$(results | jq -r '.locations[0].physicalLocation.artifactLocation.uri' | sort -u)" src/parse.c
is "with the line that crashes" "$(results | jq -r 'select(.ruleId | startswith("heap-buffer")) | .locations[0].physicalLocation.region.startLine')" 6
is "no URI is absolute" "$(jq -r '.. | .uri? // empty' out/nightjar.sarif | grep -cE '^(/|[a-z]+:)')" 0
is "a rule says class, access and severity" "$(results | jq -r .ruleId | sort | xargs)" "heap-buffer-overflow-write-high heap-use-after-free-read-high"
is "and has GitHub's number and a CWE" "$(jq -r '.runs[0].tool.driver.rules[].properties | select(."security-severity" == "8.0") | .tags[2]' out/nightjar.sarif | sort | xargs)" "external/cwe/cwe-122 external/cwe/cwe-416"
is "the flow ends where it crashes" "$(results | jq -r '.codeFlows[0].threadFlows[0].locations[-1].location.logicalLocations[0].fullyQualifiedName' | sort | xargs)" "old_item put_item"
is "who freed it is related" "$(results | jq -r '.relatedLocations[]?.message.text' | sort -u | xargs)" "where the memory was allocated where the memory was freed"
results | jq -r '.partialFingerprints.primaryLocationLineHash' | sort >prints
jq -r '.[].fingerprint' out/gl-code-quality-report.json | sort >quality
exits 1 "the gate again" "$NIGHTJAR" gate --report-dir out
is "has the same fingerprints" "$(results | jq -r '.partialFingerprints.primaryLocationLineHash' | sort)" "$(cat prints)"
ok "another state folder, another order" "$NIGHTJAR" --state other triage in/f in/w -- "$PWD/crash" @@
exits 1 "and another gate" "$NIGHTJAR" --state other gate --report-dir out
is "have them, too" "$(results | jq -r '.partialFingerprints.primaryLocationLineHash' | sort)" "$(cat prints)"
is "in Code Quality as well" "$(jq -r '.[].fingerprint' out/gl-code-quality-report.json | sort)" "$(cat quality)"
ok "a bug is accepted" "$NIGHTJAR" bugs state NJ-1 wontfix --reason "a test" --until 90d
exits 1 "and the gate" "$NIGHTJAR" gate --report-dir out
is "shows open ones alone" "$(results | wc -l)" 1

# --- the others ---

valid_junit "JUnit is valid"
is "a bug that blocks is a failure" "$(xmllint --xpath 'count(//testsuite[@name="crash"]/testcase/failure)' out/junit-gitlab.xml)" 1
is "and has its file" "$(xmllint --xpath 'string(//testcase[failure]/@file)' out/junit-gitlab.xml | tail -1)" src/parse.c
is "Code Quality has GitLab's words" "$(jq -r '.[] | [.severity, .location.path, .location.lines.begin > 0] | join(" ")' out/gl-code-quality-report.json)" "critical src/parse.c true"
is "an annotation stands at the line" "$(grep -cE '^::error file=src/parse.c,line=[0-9]+,title=NJ-[0-9]+%3A ' out/annotations.txt)" 1
has "the summary has the stack" out/summary.md "#1  main at"

# --- artifacts ---

id=$(jq -r '.findings[0].id' out/verdict.json)
is "a finding has artifacts" "$(jq -r '.findings[0].artifacts' out/verdict.json) $(cd out/artifacts && echo *)" "artifacts/$id $id"
not "which reproduce it" sh "out/artifacts/$id/repro.sh" "$PWD/crash"
has "as itself" "$ERR" AddressSanitizer
is "with the build's id" "$(sed -n 's/^build-id *//p' "out/artifacts/$id/BUILD")" "$(readelf -n crash | sed -n 's/.*Build ID: //p')"
mkdir out/artifacts/NJ-99 out/artifacts/mine
exits 1 "the next gate" "$NIGHTJAR" --state other gate --report-dir out
is "leaves none of the last one's, and what is not its own" "$(cd out/artifacts && echo *)" "NJ-1 NJ-2 mine"

# --- hostile text ---

mkdir reports
printf '==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000018 at pc 0x1 bp 0x2 sp 0x3\nWRITE of size 1 at 0x602000000018 thread T0\n    #0 0x4 in f<script>\033[31m|@me|\xff\xfe::error::pwn##[set-env]%%0A&]]> /src/project/src/a,b:c.c:3:4\n    #1 0x5 in main /src/project/src/parse.c:19:5\n\nSUMMARY: AddressSanitizer: heap-buffer-overflow\n' >reports/1
ok "a report full of commands" "$NIGHTJAR" --state hostile triage --reports reports
exits 1 "and its gate" "$NIGHTJAR" --state hostile gate --report-dir out
valid_sarif "SARIF stays valid"
valid_junit "JUnit stays valid"
is "no annotation but ours" "$(grep -vcE '^::(error|warning) (file=[^:,]*,line=[0-9]+,)?title=[^:,]*::' out/annotations.txt)" 0
is "no old command in it" "$(grep -c '##' out/annotations.txt)" 0
hasnt "none on the terminal" "$OUT" "##["
is "no control byte anywhere" "$(cat out/* | LC_ALL=C tr -d '\n' | LC_ALL=C grep -c '[[:cntrl:]]')" 0
is "the summary is no HTML" "$(cmark-gfm --unsafe -e autolink -e table out/summary.md | grep -cE '<script|<a |<img')" 0

# --- nothing, and what cannot be written ---

mkdir none
printf Clean >none/1
ok "an input that is clean" "$NIGHTJAR" --state clean triage none -- "$PWD/crash" @@
exits 0 "passes" "$NIGHTJAR" --state clean gate --report-dir out
valid_sarif "SARIF of nothing is valid"
is "and closes what was open" "$(jq -c '.runs[0].results' out/nightjar.sarif)" "[]"
valid_junit "JUnit of nothing is valid"
is "Code Quality is empty" "$(cat out/gl-code-quality-report.json)" "[]"
mkdir -p taken/nightjar.sarif/x
exits 3 "a report that cannot be written is no verdict" "$NIGHTJAR" --state clean gate --report-dir taken
has "and is named" "$ERR" "nightjar.sarif"
ok "while the others are" test -s taken/summary.md
finish
