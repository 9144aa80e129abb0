#!/bin/bash
# Issues in GitHub, GitLab and Jira, as a fake of them sees it: one issue a bug, whatever dies, fails or is done by
# persons in between; nothing lost, nothing doubled, nothing told that is not for all to read.
# shellcheck disable=SC2317 # functions that `retry` calls
. "$(dirname "$0")/lib.sh"

report() { # FUNCTION... : a report each, whose bug is of severity high
  local function
  mkdir -p reports
  for function in "$@"; do
    printf '==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000018 at pc 0x1 bp 0x2 sp 0x3\nWRITE of size 1 at 0x602000000018 thread T0\n    #0 0x4 in %s /src/%s.c:3:4\n    #1 0x5 in main /src/main.c:19:5\n\nSUMMARY: AddressSanitizer: heap-buffer-overflow\n' \
      "$function" "$function" >"reports/$function"
  done
  run "$NIGHTJAR" triage --reports "${@/#/reports/}"
}
server() {
  mkdir -p "$1"
  start python3 "$HERE/trackers.py" "$1"
  SERVER=$1
  retry 10 test -s "$1/port"
  URL=http://127.0.0.1:$(cat "$1/port")
}
config() { # KIND PROJECT [LINE...]
  printf 'notify:\n  - name: tracker\n    kind: %s\n    url: %s\n    project: %s\n    token_env: TRACKER_TOKEN\n' "$1" "$URL" "$2" >nightjar.yaml
  [ $# -lt 3 ] || printf '    %s\n' "${@:3}" >>nightjar.yaml
}
issues() { jq -r "$1" "$SERVER/issues.json"; }
human() { curl -sf -X PUT -d "$1" "$URL/_human" >/dev/null; }
send() { "$NIGHTJAR" outbox send --sink tracker; }
waiting() { "$NIGHTJAR" outbox --json --sink tracker | jq -r '[.state, .subject_id] | join(" ")' | xargs; }
once() { run "$NIGHTJAR" outbox retry --all && run send; }
again() { retry 20 once; } # at once, where a sender would wait for the server
export TRACKER_TOKEN=s3cret

# --- GitHub: a bug's life ---

server github
config github owner/name 'labels: [fuzzing]'
cp "$HERE/crash.c" good.c
sed -i 's/FAULT(read_one, .*/FAULT(read_one, (void)p)/' good.c
version=0
build() { # SOURCE: no two builds are the same
  version=$((version + 1))
  (cat "$1" && echo "int version_$version;") >build.c
  clang-14 -g -O1 -w -fsanitize=address -o crash build.c
}
build "$HERE/crash.c" || { fail "compile the target"; finish; }
mkdir in && printf r1 >in/r
ok "a bug is found" "$NIGHTJAR" triage in -- "$PWD/crash" @@
is "and has an issue" "$(issues '.[] | [.number, .title, (.labels | join("+"))] | join(" ")')" \
  "1 NJ-1: Heap-buffer-overflow READ 1 in read_one nightjar+severity-medium+fuzzing"
is "with a hidden mark" "$(issues '.[].body' | grep -cE '^<!-- nightjar:[0-9a-f]{40}: -->$')" 1
has "and its stack" "$SERVER/issues.json" "#0  read_one at "
ok "a person decides about its severity" "$NIGHTJAR" bugs severity NJ-1 high --reason "it is reached from the network"
human '{"number": 1, "labels": ["nightjar", "severity-medium", "fuzzing", "mine"]}'
ok "and it is told" send
is "in the labels, of which others stay" "$(issues '.[].labels | join("+")')" "nightjar+severity-high+fuzzing+mine"
is "and in a comment" "$(issues '.[].comments[]' | head -1)" "NJ-1: Its severity was decided anew. (high)"
ok "it is fixed" build good.c
run "$NIGHTJAR" verify --all
ok "which is told" send
is "the issue is closed" "$(issues '.[] | [.state, .reason, (.comments | length)] | join(" ")')" "closed completed 2"
build "$HERE/crash.c"
run "$NIGHTJAR" verify --all
ok "it is back" send
is "the issue is open again, with a word" "$(issues '.[] | [.state, .comments[2]] | join(" ")' | head -1)" "open NJ-1: It was fixed, and crashes again. (high)"
build good.c
run "$NIGHTJAR" verify --all
human '{"number": 1, "state": "closed", "reason": "not_planned"}'
ok "a person closes it as not planned, and it is fixed" send
build "$HERE/crash.c"
run "$NIGHTJAR" verify --all
ok "it is back once more" send
is "but the person's word stands" "$(issues '.[] | [.state, .reason, (.comments | length)] | join(" ")')" "closed not_planned 5"
human '{"number": 1, "delete": true}'
ok "a person deletes it, and its state changes" "$NIGHTJAR" bugs state NJ-1 fixing
ok "which is told to nobody" send
is "and makes no new issue" "$(issues length)" 0
is "the history has it" "$("$NIGHTJAR" timeline NJ-1 --json | jq -r 'select(.kind == "bug.issue") | .to' | xargs)" "filed closed filed gone"
stop "$STARTED"

# --- a server that fails, a sender that is killed ---

rm -rf .nightjar
server failing
config github owner/name
echo 3 >failing/fail
report alpha beta
is "with a server that answers 500 both wait" "$(waiting)" "pending 1 pending 2"
ok "later" again
is "each has one issue" "$(issues '.[].title' | sed 's/^NJ-[12]: //' | sort)" "$(printf 'Heap-buffer-overflow WRITE 1 in %s\n' alpha beta)"
touch failing/stall
run "$NIGHTJAR" bugs state NJ-1 fixing
run "$NIGHTJAR" bugs state NJ-1 fixed
start "$NIGHTJAR" outbox send --sink tracker
ok "a comment is made and the sender never learns it" retry 10 test -e failing/stalled
stop "$STARTED" KILL
rm -f failing/stalled
ok "the next sender" send
is "makes no second one, and keeps the order" "$(issues '.[] | select(.title | startswith("NJ-1")) | .comments[] | split(" (")[0]')" \
  "$(printf 'NJ-1: Somebody works on a fix.\nNJ-1: A newer build does not crash any more: the fix is verified.')"
touch failing/stall
mkdir late && sed 's/alpha/delta/g' reports/alpha >late/delta
start "$NIGHTJAR" triage --reports late
ok "an issue is made and the sender never learns it" retry 10 test -e failing/stalled
for pid in $(processes "outbox send --sink=tracker"); do kill -KILL "$pid"; done
stop "$STARTED" KILL
ok "the next sender" again
is "finds it by its mark" "$(issues '.[].title' | grep -c delta)" 1
touch failing/readers
run "$NIGHTJAR" bugs state NJ-2 fixing
exits 3 "a proxy's page is no answer" send
is "the message waits" "$(waiting)" "pending 2"
rm failing/readers
touch failing/limit
run "$NIGHTJAR" outbox retry --all
exits 3 "so is no word of a server that takes no more requests" send
is "for half an hour" "$("$NIGHTJAR" outbox --json --sink tracker | jq -r '(.next_try | fromdate) - now > 1500')" true
rm failing/limit
export TRACKER_TOKEN=wrong
run "$NIGHTJAR" outbox retry --all
exits 3 "a wrong token is refused" send
is "and the message waits" "$(waiting)" "pending 2"
"$NIGHTJAR" outbox --json >>"$ERR"
hasnt "the token is in no message" "$ERR" wrong
export TRACKER_TOKEN=s3cret
ok "with the right one" again
is "all is told" "$(waiting)" ""
ok "the database is whole" "$NIGHTJAR" db check
stop "$STARTED"

# --- where all can read it ---

rm -rf .nightjar reports
server public
touch public/public
config github owner/name
report secret
exits 2 "a public repository gets nothing" send
has "and the cure is named" "$ERR" "can be read by all: take a private one, or say \`confidential: no\`"
is "it has no issue" "$(issues length)" 0
config github owner/name 'confidential: no' 'embargo: 1d'
ok "said so, it is filed" send
is "without details" "$(issues '.[].title' | sed 's/until.*//')" "NJ-1: a bug of severity high; its details are withheld "
hasnt "of any kind" "$SERVER/issues.json" secret
ok "two days later" env FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f +2d "$NIGHTJAR" outbox send --sink tracker
is "the embargo is over" "$(issues '.[].title')" "NJ-1: Heap-buffer-overflow WRITE 1 in secret"
is "in the same issue" "$(issues length)" 1

# --- GitLab, a flood ---

rm -rf .nightjar reports
server gitlab
printf 's3cret\n' >token
config gitlab group/name 'per_day: 2'
sed -i 's/token_env: .*/token_file: token/' nightjar.yaml
report one two three four
is "two a day have an issue, the others one digest" "$(issues '.[].title' | sed 's/ of 2.*//; s/:.*//')" "$(printf 'NJ-1\nNJ-2\nnightjar')"
is "all confidential" "$(issues '[.[].confidential] | all')" true
is "the digest names the others" "$(issues '.[2].body' | grep '^- ')" "$(printf -- '- NJ-3\n- NJ-4')"
run "$NIGHTJAR" bugs state NJ-1 fixed
ok "a fix" send
is "closes its issue" "$(issues '.[0].state')" closed
is "there is still one digest" "$(issues length)" 3

# --- Jira ---

rm -rf .nightjar reports
server jira
config jira SEC 'user: me' 'security_level: Engineers'
report '{noformat}x|y[~all]'
is "an issue, as the project wants it" "$(issues '.[] | [.project, .kind, .confidential, .labels[0]] | join(" ")')" "SEC Bug Engineers nightjar"
is "its text ends its block once" "$(issues '.[].body' | grep -o '{noformat}' | wc -l)" 2
run "$NIGHTJAR" bugs severity NJ-1 critical --reason "it is shipped"
run "$NIGHTJAR" bugs state NJ-1 fixed
ok "a fix" send
is "is a transition" "$(issues '.[] | [.state, .labels[1], (.comments | length)] | join(" ")')" "closed severity-critical 2"
is "the mark is a label" "$(issues '.[].labels[]' | grep -cE '^nightjar-[0-9a-f]{40}-$')" 1

# --- settings ---

config github owner/name
sed -i '/token_env/d' nightjar.yaml
exits 2 "a tracker without a token" send
has "is a mistake in the file" "$ERR" "notify: 'tracker': github needs project:, and token_env: or token_file:"
config github owner/name
unset TRACKER_TOKEN
run "$NIGHTJAR" bugs state NJ-1 open
exits 2 "a variable that is not set" send
has "is named, with the place" "$ERR" "nightjar.yaml:2: notify: tracker: the environment has no token in 'TRACKER_TOKEN'"
finish
