#!/bin/bash
# Each kind of event that somebody is told of happens once, for real, and reaches a webhook, whose signature is
# verified, and a chat. Then the webhook is away for ten minutes while bugs change and senders are killed.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2317 # functions are called by retry and the like
. "$(dirname "$0")/lib.sh"

command -v faketime >/dev/null || { skip "events" "faketime is not installed: scripts/bootstrap test"; finish; }
cat >crash.c <<'C'
#include <stdio.h>
#include <stdlib.h>
const char version[] = VERSION;
#ifndef SHIPPED
__attribute__((noinline)) static void put(char *heap, int at) { heap[at] = 1; }
#else
static void put(char *heap, int at) { abort(); }
#endif
__attribute__((noinline)) static int get(char *heap, int at) { return heap[at]; }
int
main(int argc, char **argv)
{
    FILE *file = fopen(argv[argc - 1], "rb");
    char *heap = malloc(8);
    int c = fgetc(file);
    return c == 'W' ? (put(heap, version[0] == 'f' ? 7 : 8), 0) : c == 'R' ? get(heap, 9) : 0;
}
C
build() { clang-14 -g -O0 -fsanitize=address -Wl,--build-id -DVERSION="\"$1\"" -o crash crash.c; }
build bad || { fail "compile the target"; finish; }
mkdir write read old
printf W >write/1
printf R >read/1
printf 'R, later' >old/1

bodies() { find "$1" -name '*.body' | wc -l; }
receiver hook
hook=$RECEIVER
hook_url=http://127.0.0.1:$PORT/
receiver chat
export HOOK_SECRET=whsec_bmlnaHRqYXI=
cat >nightjar.yaml <<Y
notify:
  - {name: hook, kind: webhook, url: "$hook_url", secret_env: [HOOK_SECRET]}
  - {name: chat, kind: slack, url: "http://127.0.0.1:$PORT/"}
Y
cat >verify.py <<'P'
"""verify.py FOLDER: how many requests there are not signed as Standard Webhooks says."""
import base64, glob, hashlib, hmac, sys
bad = 0
for path in glob.glob(sys.argv[1] + "/*.head"):
    lines = open(path).read().splitlines()[1:]
    head = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if ": " in line)}
    text = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + open(path[:-4] + "body", "rb").read()
    code = hmac.new(base64.b64decode("bmlnaHRqYXI="), text, hashlib.sha256).digest()
    bad += head.get("webhook-signature") != "v1," + base64.b64encode(code).decode()
print(bad)
P

# What happens, the event's type, what it leads to, what people read.
later() { # DAYS COMMAND...
  FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f "+$1d" "${@:2}"
}
triage() { "$NIGHTJAR" triage "$@" -- "$WORK/crash" @@; }
bug() { "$NIGHTJAR" bugs "$@"; }
verify() { build "$1" && "$NIGHTJAR" verify crash; }
minutes() { # CAUSE: of the last two hours
  sqlite3 .nightjar/nightjar.db "DELETE FROM control; WITH RECURSIVE m(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM m WHERE i < 120)
    INSERT INTO control SELECT 1, unixepoch() / 60 - 121 + i, 1, '$1', 60000, 0 FROM m"
  "$NIGHTJAR" slo note
}
budget() { # HIGH: so many high bugs are tolerated for a day
  sed -i '/^slo:/d' nightjar.yaml
  echo "slo: {tolerated: {critical: 0, high: $1, medium: 0, low: 0}, deadline: {high: 1d, medium: 1d}}" >>nightjar.yaml
  "${@:2}" "$NIGHTJAR" slo note
}
disk() { # BUDGET
  sed -i '/^disk:/d' nightjar.yaml
  echo "disk: {budget: $1}" >>nightjar.yaml
  mkdir -p .nightjar/fuzz/crash && head -c 1M /dev/zero >.nightjar/fuzz/crash/queue
  "$NIGHTJAR" disk --relieve
}
cover() { # INPUTS...
  mkdir -p out
  grep -q '^out:' nightjar.yaml || echo 'out: [out]' >>nightjar.yaml
  clang-14 -g -O0 -fprofile-instr-generate -fcoverage-mapping "${@:2}" -o out/cov cover.c "$TOP/harnesses/standalone.c" 2>cc.log
  "$NIGHTJAR" coverage cov --corpus "$1"
}
cat >cover.c <<'C'
static volatile int sink;
int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) {
#ifndef BROKEN
    for (unsigned long i = 0; i < n; i++) {
        if (d[i] == 'a') {
            sink += 1;
            sink *= 2;
            sink ^= 3;
            sink -= 4;
            sink += 1;
            sink *= 2;
            sink ^= 3;
        }
    }
#endif
    return (void)d, (void)n, 0;
}
C
mkdir corpus
printf aaa >corpus/1
quarantine() {
  mkdir -p broken
  echo 'int gone(void) { return 1; }' >gone.c
  clang-14 -shared -fPIC -o libgone.so gone.c
  clang-14 -g -fsanitize=address,fuzzer -Wl,--no-as-needed -L. -lgone -o broken/lib cover.c
  rm libgone.so
  "$NIGHTJAR" fuzz broken/ --for 10s --jobs 1
}
release() {
  sed -i '/^targets:/,$d' nightjar.yaml
  clang-14 -g -O0 -DVERSION='"shipped"' -DSHIPPED -o shipped crash.c
  printf 'targets:\n  - name: crash\n    args: ["@@"]\n    builds: {release: "%s/shipped"}\n' "$WORK" >>nightjar.yaml
  "$NIGHTJAR" triage --target crash
  "$NIGHTJAR" slo note
}

tell() { # WHAT TYPE TO TEXT COMMAND...
  local hooks chats type=$2 to=$3 text=$4 got=() i
  hooks=$(bodies hook)
  chats=$(bodies chat)
  "${@:5}" >happened 2>&1
  "$NIGHTJAR" outbox send >>happened 2>&1
  for ((i = hooks + 1; i <= $(bodies hook); i++)); do
    got+=("$(jq -r --arg type "$type" --arg to "$to" 'select(.type == $type and .to == $to) | .text' "hook/$i.body")")
  done
  got=("$(printf '%s\n' "${got[@]}" | sed '/^$/d')")
  is "$1: the webhook is told" "${got[0]}" "$text"
  [ "${got[0]}" = "$text" ] || diag "$(tail -n 20 happened)"
  got=()
  for ((i = chats + 1; i <= $(bodies chat); i++)); do
    got+=("$(jq -r '.text == (.blocks[0].text.text | sub("^:[a-z_]+: "; "")) | tostring' "chat/$i.body") $(jq -r .text "chat/$i.body")")
  done
  is "$1: so is the chat" "$(printf '%s\n' "${got[@]}" | grep -cxF "true $text")" 1
}
W='Heap-buffer-overflow WRITE 1 in put (crash)'
R='Heap-buffer-overflow READ 1 in get (crash)'
tell "a bug" bug.new new "NJ-1 is new: high, $W" triage write
tell "another" bug.new new "NJ-2 is new: medium, $R" triage read
tell "a severity that rises" bug.severity critical "NJ-1 is more severe than it was (high): critical, $W" \
  bug severity NJ-1 critical --reason "it is reached from the net"
tell "and one that falls" bug.severity high "NJ-1 is less severe than it was (critical): high, $W" bug severity NJ-1 --clear
tell "a claim" bug.state fixing "NJ-1 is fixing: high, $W" bug state NJ-1 fixing
tell "a fix" bug.state fixed "NJ-1 is fixed: high, $W" verify fixed
tell "that is gone" bug.state regressed "NJ-1 is back: high, $W" verify again
tell "a risk that is accepted" bug.state wontfix "NJ-2 is wontfix: medium, $R" bug state NJ-2 wontfix --until 2d --reason "old"
tell "until then" bug.state open "NJ-2 is open: medium, $R" later 3 "$NIGHTJAR" slo note
tell "a deadline" bug.deadline missed "NJ-2 is not fixed in time: medium, $R" budget 1000 later 2
tell "a budget that is spent" budget.state exhausted "breach budget is exhausted" budget 1 later 2
tell "a larger budget" budget.state ok "breach budget is more than half left" budget 1000
tell "a target that is down" target.outage outage "target crash is not being fuzzed" minutes stalled
tell "and up again" target.outage ok "target crash is fuzzed again" minutes ""
tell "a disk that is full" target.disk full "target crash is held, for its disk is full" disk 64K
tell "and has room again" target.disk ok "target crash has room on the disk again" disk 1G
ok "coverage" cover corpus
tell "that drops" target.coverage dropped "target cov reaches less than it did" cover corpus -DBROKEN
tell "and is back" target.coverage ok "target cov reaches what it did again" cover corpus
tell "a worker that cannot work" worker.state quarantined \
  "worker lib-libfuzzer-1 is given up, for it fails again and again" quarantine
tell "what is shipped" bug.incident incident "NJ-1 is in what is shipped: critical, $W" release
printf '#!/nowhere\n' >crash
tell "a program that is gone" target.replay broken "target crash cannot be replayed, so its crashes are not judged" triage old
is "every message is signed" "$(python3 verify.py hook)" 0

# --- away for ten minutes ---

at() { # MINUTES COMMAND...
  FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f "+$1m" "${@:2}"
}
rm chat/*.body
sed -i '/name: chat/d' nightjar.yaml
stop "$hook"
rm -rf hook
before=$(sqlite3 .nightjar/nightjar.db "SELECT max(id) FROM event")
for minute in 1 2 3 4 5 6 7 8 9 10; do
  state=fixing
  [ $((minute % 2)) = 0 ] && state=open
  for id in NJ-1 NJ-2; do at "$minute" "$NIGHTJAR" bugs state "$id" $state; done >changes 2>&1
  url=$hook_url
  if [ $((minute % 3)) = 0 ]; then
    receiver "deaf$minute" hang
    url=http://127.0.0.1:$PORT/
  fi
  sed -i "s,url: \"[^\"]*\",url: \"$url\"," nightjar.yaml
  start faketime -f "+${minute}m" "$NIGHTJAR" outbox send --sink hook >send.out 2>&1
  sender=$STARTED
  reached() { [ "$(bodies "deaf$minute" 2>/dev/null)" -gt 0 ] || ! kill -0 "$sender" 2>/dev/null; }
  retry 10 reached
  kill -KILL -- "-$sender" 2>/dev/null
  stop "$sender" KILL
done
ok "senders were killed while the receiver had the message" test "$(find deaf* -name '*.body' | wc -l)" -eq 3
receiver hook
sed -i "s,url: \"[^\"]*\",url: \"http://127.0.0.1:$PORT/\"," nightjar.yaml
drained() { at 120 "$NIGHTJAR" outbox send --sink hook >"$OUT" 2>"$ERR"; }
ok "then it is back" retry 20 drained
ids() { sed -n 's/^webhook-id: //p' "$@"; }
for n in $(seq "$(bodies hook)"); do
  jq -r --arg id "$(sed -n 's/^webhook-id: msg_[0-9a-f]*_//p' "hook/$n.head")" '"\(.subject_id) \($id)"' "hook/$n.body"
done >arrived
is "nothing is lost" "$(cut -d' ' -f2 arrived | sort -nu | xargs)" \
  "$(sqlite3 .nightjar/nightjar.db "SELECT id FROM event WHERE id > $before AND subject = 'bug' AND kind = 'bug.state' ORDER BY id" | xargs)"
is "nothing is told twice" "$(cut -d' ' -f2 arrived | sort | uniq -d)" ""
is "nothing changed places within a bug" "$(sort -s -k1,1n arrived | sort -k1,1n -k2,2n -c 2>&1)" ""
is "what it had before it was away has the same ids" "$(ids deaf*/*.head | sort -u | grep -cvxFf <(ids hook/*.head))" 0
is "all of it is signed" "$(python3 verify.py hook)" 0
ok "the database is whole" "$NIGHTJAR" db check
finish
