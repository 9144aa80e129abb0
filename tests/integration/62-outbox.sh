#!/bin/bash
# What happens is told: by webhook with a signature and to a chat; a receiver that is down, hangs or refuses loses
# nothing, is not told twice without the same id, and keeps no other waiting.
. "$(dirname "$0")/lib.sh"

cat >crash.c <<'C'
#include <stdio.h>
#include <stdlib.h>
__attribute__((noinline)) static void put(char *heap, int at) { heap[at] = 1; }
__attribute__((noinline)) static int get(char *heap, int at) { return heap[at]; }
int
main(int argc, char **argv)
{
    FILE *file = fopen(argv[argc - 1], "rb");
    char *heap = malloc(8);
    return fgetc(file) == 'W' ? (put(heap, 8), 0) : get(heap, 9);
}
C
clang-14 -g -O0 -fsanitize=address -o crash crash.c || { fail "compile the target"; finish; }
mkdir write read
printf W >write/1
printf R >read/1

bodies() { find "$1" -name '*.body' | wc -l; }

receiver ops
ops=$RECEIVER
ops_url=http://127.0.0.1:$PORT
receiver chat
# shellcheck disable=SC2016 # a key, not a variable
export OPS_SECRET=whsec_bmlnaHRqYXI= OPS_OLD=before
cat >nightjar.yaml <<Y
notify:
  - name: ops
    kind: webhook
    url: $ops_url/hook
    secret_env: [OPS_SECRET, OPS_OLD]
  - {name: chat, kind: slack, url: "http://127.0.0.1:$PORT/", severity: high}
Y

ok "a heap write is found, and told" "$NIGHTJAR" triage write -- "$WORK/crash" @@
is "the webhook got one message" "$(bodies ops)" 1
is "about the new bug" "$(jq -r '.type, .subject_id, .bug.id, .bug.severity' ops/1.body | xargs)" "bug.new 1 NJ-1 high"
has "in words, too" ops/1.body 'NJ-1 is new: high, Heap-buffer-overflow WRITE 1 in put (crash)'
cat >verify.py <<'P'
import base64, hashlib, hmac, sys
head = dict(line.split(": ", 1) for line in open(sys.argv[1]).read().splitlines()[1:] if ": " in line)
head = {key.lower(): value for key, value in head.items()}
text = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + open(sys.argv[2], "rb").read()
wanted = " ".join("v1," + base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()
                  for secret in (base64.b64decode("bmlnaHRqYXI="), b"before"))
sys.exit(0 if head["webhook-signature"] == wanted else "signature: " + head["webhook-signature"])
P
ok "signed by both secrets" python3 verify.py ops/1.head ops/1.body
has "the chat got its line" chat/1.body ':red_circle: NJ-1 is new: high'
exits 0 "again" "$NIGHTJAR" outbox send
is "tells nobody twice" "$(bodies ops) $(bodies chat)" "1 1"

# --- a receiver that is down, a sender that is killed ---

stop "$ops"
ok "a heap read is found while the receiver is down" "$NIGHTJAR" triage read -- "$WORK/crash" @@
ok "and another bug changes" "$NIGHTJAR" bugs state NJ-1 fixing
exits 3 "it cannot be told now" "$NIGHTJAR" outbox send
has "which is said with its cause" "$ERR" "ops: not all could be told now: "
is "both wait" "$("$NIGHTJAR" outbox --json --sink ops | jq -r '[.state, .subject_id] | join(" ")' | xargs)" "pending 2 pending 1"
is "the chat is not kept waiting: a medium bug is not for it" "$(bodies chat)" 2
receiver silent hang
sed -i "s,$ops_url,http://127.0.0.1:$PORT," nightjar.yaml
ok "try again" "$NIGHTJAR" outbox retry --all
start "$NIGHTJAR" outbox send --sink ops
sender=$STARTED
# shellcheck disable=SC2317 # called by retry
reached() { [ "$(bodies silent)" -gt 0 ]; }
ok "the receiver got it and never answers" retry 10 reached
exits 3 "a second sender would mix the order" "$NIGHTJAR" outbox send --sink ops
has "and says so" "$ERR" "another process delivers to 'ops' already"
stop "$sender" KILL
first=$(sed -n 's/^webhook-id: //p' silent/1.head)
stop "$RECEIVER"
rm -rf ops
receiver ops
sed -i "s,http://127.0.0.1:[0-9]*/hook,http://127.0.0.1:$PORT/hook," nightjar.yaml
exits 0 "after the sender's death all is told" "$NIGHTJAR" outbox send --sink ops
is "in order" "$(cat ops/1.body ops/2.body | jq -r '"\(.type) \(.subject_id)"' | xargs)" "bug.new 2 bug.state 1"
is "with the id of the first try" "$(sed -n 's/^webhook-id: //p' ops/1.head)" "$first"

# --- one that refuses ---

receiver refusing 400
sed -i "s,http://127.0.0.1:[0-9]*/hook,http://127.0.0.1:$PORT/hook," nightjar.yaml
ok "a decision" "$NIGHTJAR" bugs state NJ-1 ignored
exits 3 "a receiver that refuses" "$NIGHTJAR" outbox send --sink ops
is "makes it a dead letter" "$("$NIGHTJAR" outbox --json --sink ops | jq -r '"\(.state) \(.tries) \(.error)"')" "dead 1 HTTP status 400: {}"
exits 0 "which is dropped by hand" "$NIGHTJAR" outbox drop --all
is "and gone" "$("$NIGHTJAR" outbox --json --sink ops | wc -l)" 0
exits 2 "retry wants to know what" "$NIGHTJAR" outbox retry
exits 3 "a message that is not there" "$NIGHTJAR" outbox retry 999
ok "the database is whole" "$NIGHTJAR" db check

# --- while a campaign runs ---

rm -rf ops
receiver ops
sed -i "s,http://127.0.0.1:[0-9]*/hook,http://127.0.0.1:$PORT/hook," nightjar.yaml
receiver hung hang
printf 'metrics: {every: 1s, textfile: now.prom, otlp: "http://127.0.0.1:1/", remote_write: "http://127.0.0.1:%s/"}\n' "$PORT" >>nightjar.yaml
cat >fuzz.c <<'C'
#include <stddef.h>
#include <stdint.h>
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char small[4] = {0};
    volatile size_t at = size > 2 && data[0] == 'F' ? 9 : 0;
    small[at] = 1;
    return 0;
}
C
clang-14 -g -O0 -fsanitize=address,fuzzer -o fuzz fuzz.c || { fail "compile the fuzz target"; finish; }
mkdir seeds
printf 'FUZZ' >seeds/1
start "$NIGHTJAR" fuzz "$WORK/fuzz" seeds --for 20s >fuzz.out 2>fuzz.err
campaign=$STARTED
# shellcheck disable=SC2317 # called by retry
told() { cat ops/*.body 2>/dev/null | grep -q 'bug.new.*Stack-buffer-overflow'; }
ok "a new bug is told at once" retry 20 told
# shellcheck disable=SC2317 # called by retry
numbered() { grep -q '^nightjar_worker_executions_total{target="fuzz",engine="libfuzzer"} [1-9]' now.prom; }
ok "numbers are sent all the time" retry 20 numbered
for pid in $(processes "outbox send --sink=ops"); do kill -KILL "$pid"; done
# shellcheck disable=SC2317 # called by retry
sends() { [ -n "$(processes "outbox send --sink=ops")" ]; }
ok "a sender that is killed comes back" retry 20 sends
stop "$campaign" INT
has "a receiver that takes nothing is named" fuzz.err "otlp: cannot be told now; it is tried again"
is "no sender is left" "$(processes "--state $WORK/.nightjar" | wc -l)" 0
ok "the database is whole" "$NIGHTJAR" db check

# --- settings ---

unset OPS_SECRET
ok "another decision" "$NIGHTJAR" bugs state NJ-1 open
exits 2 "a secret that is not there" "$NIGHTJAR" outbox send --sink ops
has "is named with the place" "$ERR" "nightjar.yaml:2: notify: ops: the environment has no secret in 'OPS_SECRET'"
sed -i 's/webhook/webhok/' nightjar.yaml
exits 2 "a kind that nobody knows" "$NIGHTJAR" outbox send
has "is named, too" "$ERR" "there is no 'webhok', only webhook, slack, github, gitlab, jira"
finish
