#!/bin/bash
# The gate of a change on a small repository of a RIFF reader with five old bugs and a flaky one:
# harmless changes pass, a bug that is brought in fails, is known, is fixed, comes back, is waived.
# The long form also kills writers of the state and carries 10,000 inputs.
. "$(dirname "$0")/lib.sh"

FOR=3s
[ -n "${SOAK:-}" ] && FOR=20s
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GITHUB_TOKEN=never-to-be-seen-by-a-target NIGHTJAR_TOKEN=never-to-be-seen-by-another

le() { printf '%b' "\\x$(printf %x "$1")\\0\\0\\0"; }
riff() { printf 'RIFF\0\0\0\0WAVE'; }
chunk() { printf '%s' "$1" && le "$2"; }

# build NAME: the repository as it is now
build() {
  mkdir -p "$1" && cp seeds.zip "$1/riff_seed_corpus.zip" &&
    clang-14 -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer,address -o "$1/riff" repo/riff.c repo/chunks.c repo/fuzz.c
}

commit() {
  git -C repo add -A && git -C repo commit -qm "$1"
}

# Several runs at a time, each with a state of its own: ci NAME OPTION..., then ended NAME STATUS TEXT.
ci() {
  local name=$1
  shift
  # shellcheck disable=SC2086 # words
  ${WITH:-} "$NIGHTJAR" --state "state-$name" ci --for "$FOR" --jobs 1 --report-dir "reports-$name" "$@" \
    >"$name.out" 2>"$name.err" </dev/null &
  pids[$name]=$!
}
declare -A pids

ended() {
  local status=0
  wait "${pids[$1]}" || status=$?
  if [ "$status" -eq "$2" ]; then
    pass "$3"
  else
    fail "$3" "status $status, not $2" "$(tail -n 15 "$1.out")" "$(tail -n 5 "$1.err")"
  fi
}

verdict() {
  jq -r "$2" "reports-$1/verdict.json"
}

# sed on the sources, which must change something
edit() {
  local before
  before=$(cat repo/*.c)
  sed -i "$@"
  [ "$before" != "$(cat repo/*.c)" ] || fail "the edit changes something" "$*"
}

# --- a repository with a past ---
mkdir repo seeds old
cp "$HERE"/ci/*.[ch] repo/
{ riff; chunk 'fmt ' 16; printf '\1\0\2\0\1\1\1\1\1\1\1\1\4\0\20\0'; chunk fact 4; printf '\1\1\0\0'
  chunk 'cue ' 28; printf '\1\0\0\0aaaaaaaaaaaaaaaaaaaaaaaa'; chunk LIST 8; printf INFOtext; chunk smpl 2; printf xx
  chunk bext 8; printf abcdefgh; } >seeds/good
{ riff; chunk fact 4; printf '\1\1\0\0'; } >old/fact
{ riff; chunk 'cue ' 4; printf '\20\0\0\0'; } >old/cue
{ riff; chunk LIST 60; printf 'INFO%056d' 0; } >old/list
{ riff; chunk smpl 1; printf x; } >old/smpl
{ riff; chunk bext 8; printf bbbbbbbb; } >old/bext
{ riff; chunk slnt 4; printf '\5\0\0\0'; } >old/slnt
(cd seeds && zip -q ../seeds.zip good)
cat >repo/nightjar.yaml <<'Y'
gate:
  fail_on: medium
  control: {min_execs: 1}
Y
git init -q repo
commit 'a reader'
build out-main || { fail "build the target"; finish; }
cp repo/nightjar.yaml policy.yaml
ok "old findings are known" "$NIGHTJAR" --state state-main triage --minimize no --runs 20 --target riff old -- "$WORK/out-main/riff"
is "five bugs and a flaky one" "$("$NIGHTJAR" --state state-main bugs --json | wc -l)" 6
ci main --policy-from policy.yaml --state-from cache --state-to cache out-main
ended main 0 "the base branch passes, and leaves its state"
has "a cold start is said" main.out "a cold start"
is "the last line is a machine's" "$(tail -n 1 main.out | jq -r '.verdict, .pre_existing' | xargs)" "pass 6"

# --- changes, side by side ---
printf '\n/* the end */\n' >>repo/fuzz.c
build out-comment
edit 's/chunk_list/list_info/g; s/^int$/\n\nint/' repo/*.c
sed -i 's/chunk_list/list_info/g' repo/riff.h
edit 's/trusts the count/believes the count/; s/wave->n_cues = riff_u32(data);/unsigned count = riff_u32(data);\n    wave->n_cues = count;/' repo/chunks.c
build out-harmless
git -C repo checkout -q .
edit 's/    wave->channels = data\[2\];/    char *tail = malloc(8);\n    tail[data[2] + 6] = 1;\n    wave->bits += (unsigned char)tail[7];\n    free(tail);\n    wave->channels = data[2];/' repo/chunks.c
cat >repo/nightjar.yaml <<'Y'
severity: [{type: .*, severity: info, reason: nothing matters}]
gate:
  fail_on: {new: critical, regressed: never}
  waivers: [{bug: NJ-7, owner: me, reason: mine, expires: 2026-12-01}]
Y
build out-bad
git -C repo diff >bad.diff
sed 's/^    struct wave wave/    for (;;) { }\n&/' repo/fuzz.c >hang.c
mkdir out-hung out-broken
clang-14 -g -fsanitize=fuzzer,address -Irepo -o out-hung/riff repo/riff.c repo/chunks.c hang.c
printf '[libfuzzer]\ntimeout = 1\n' >out-hung/riff.options
printf 'no program' >out-broken/riff

# --- what programs see, of a build that is replayed, fuzzed and compared ---
spy() { # FOLDER FLAG...
  local folder=$1
  shift
  mkdir -p "$folder" && cp spy.zip "$folder/spy_seed_corpus.zip" &&
    clang-14 -g -O1 -D_GNU_SOURCE -fsanitize=fuzzer,address "$@" -o "$folder/spy" "$HERE/ci/spy.c"
}
mkdir spies && printf K >spies/known && printf N >spies/new && (cd spies && zip -q ../spy.zip new)
if ! spy spy-base || ! spy spy-head -DCHANGE; then
  fail "build what looks for secrets"
fi
not "the secret is found where it is" ./spy-head/spy -runs=0
has "by its name" "$ERR" "a secret in environ"
ok "its known bug" env -u GITHUB_TOKEN -u NIGHTJAR_TOKEN "$NIGHTJAR" --state state-spy triage --minimize no --target spy spies/known -- "$WORK/spy-base/spy"
ci spy --policy-from policy.yaml --base spy-base --all-targets spy-head

common=(--policy-from policy.yaml --state-from cache)
cp -r cache half && truncate -s 20 half/index
ci half --policy-from policy.yaml --state-from half --base out-main out-comment
ci comment "${common[@]}" out-comment
ci harmless "${common[@]}" out-harmless
ci bad "${common[@]}" --diff bad.diff out-bad
ci hung "${common[@]}" out-hung
ci broken "${common[@]}" out-broken
ci stranger "${common[@]}" --untrusted --state-to cache2 out-harmless
ended comment 0 "a comment passes"
is "in no time: the code is the same" "$(verdict comment .executions)" 0
ended half 0 "half a state breaks nothing"
has "and is said to be a cold start" half.out "a cold start"
ended harmless 0 "moved lines, another name and a refactoring pass"
ended bad 1 "a bug that is brought in fails, whatever policy the change brings along"
is "it is new" "$(tail -n 1 bad.out | jq -r '.new, .blocking' | xargs)" "1 1"
has "and in the file of the change" bad.out "at repo/chunks.c:"
has "which the diff names" bad.diff chunks.c
is "after the seeds that reach it" "$(jq -r '.targets[0].seeds' reports-bad/verdict.json | sed -E 's/^[1-9][0-9]* of [0-9]+/N/')" \
  "N seeds reach what the change touches, or crash, and go first"
is "with what reproduces it" "$(find reports-bad/artifacts -name repro.sh | wc -l)" 1
ended hung 3 "a harness that hangs proves nothing"
ended broken 3 "nor does one that is broken"
is "and says so" "$(verdict broken .verdict)" inconclusive

ended spy 1 "a program that looks for secrets and descriptors"
is "was replayed, fuzzed, and compared with its base build" "$(jq -r '[.targets[0].replays > 0, .executions > 0,
  (.findings[] | select(.finding == "new") | .base.n > 0)] | map(tostring) | join(" ")' reports-spy/verdict.json)" "true true true"
is "and never saw one" "$(jq -r '.findings[].crash_state' reports-spy/verdict.json | grep -o '[a-z]*_bug\|saw_a_[a-z]*' | sort | xargs)" "change_bug known_bug"

# --- a stranger's change ---
ended stranger 0 "a stranger's change passes"
hasnt "is told nothing of what is known" stranger.out chunk_cue
hasnt "nor in a report" reports-stranger/verdict.json chunk_cue
not "and leaves no state" test -e cache2
for input in old/*; do
  sha256sum <"$input" | cut -d ' ' -f 1
done >open-inputs
is "its programs may see no input of an open bug" \
  "$(find state-stranger/blobs -type f -printf '%f\n' 2>/dev/null | grep -cxFf open-inputs; sqlite3 state-stranger/nightjar.db \
    'SELECT sha256 FROM blob WHERE data IS NOT NULL' | grep -cxFf open-inputs)" $'0\n0'

# --- it is merged all the same, and known tomorrow ---
mv repo/nightjar.yaml own.yaml && cp policy.yaml repo/nightjar.yaml && commit 'take channels from a block'
bug=$(tail -n +1 bad.out | awk '$1 == "!" {print $2}')
ci merged "${common[@]}" --state-to cache out-bad
ended merged 1 "the base branch fails, too"
edit 's/believes/b/; s/trusts the count/counts/; s/return -1;/return - 1 - 0 * (int)wave->rate;/' repo/chunks.c
build out-tomorrow
git -C repo checkout -q .
edit 's/malloc(8)/malloc(300)/' repo/chunks.c
commit "$(printf 'room for all channels\n\nNightjar-Fixes: %s' "$bug")"
fixed=$(git -C repo rev-parse HEAD)
build out-fixed
export ADMIN_TOKEN=never-to-be-seen-0123456789abcdef
cat policy.yaml - <<'Y' | sed "s/TOKEN_HASH/$(printf %s "$ADMIN_TOKEN" | sha256sum | cut -d ' ' -f 1)/" >frozen.yaml
  budget: {on_exhausted: freeze, allowed_signers: signers, override_tokens: [{owner: ben, sha256: TOKEN_HASH}]}
slo:
  tolerated: {critical: 0, high: 0, medium: 0, low: 1}
  deadline: {low: 1s}
Y
# of a service that has the target, and of one that has not
sed 's/  tolerated: .*/  services: [{name: sound, targets: ["ri*"], tolerated: {critical: 0, high: 0, medium: 0, low: 1}}]/' frozen.yaml >sound.yaml
sed 's/ri\*/zip/' sound.yaml >zip.yaml
in_repo="env GIT_DIR=$WORK/repo/.git GIT_WORK_TREE=$WORK/repo"
ci tomorrow "${common[@]}" out-tomorrow
cp -r cache cache-before
WITH=$in_repo ci sound --all-targets --state-from cache-before --policy-from sound.yaml --base-commit HEAD~1 out-tomorrow
WITH=$in_repo ci zip --all-targets --state-from cache-before --policy-from zip.yaml --base-commit HEAD~1 out-tomorrow
WITH=$in_repo ci fixed --state-from cache --state-to cache --policy-from frozen.yaml --base-commit HEAD~1 out-fixed
ended tomorrow 0 "tomorrow it is known and fails nobody"
is "as what was there before" "$(jq -r --arg bug "$bug" 'select(.id == $bug) | .state' <("$NIGHTJAR" --state state-tomorrow bugs --json))" new
ended sound 4 "a service's exhausted budget freezes what it touches"
has "and says which" sound.out "the breach budget of sound is exhausted"
ended zip 0 "another's does not"
ended fixed 0 "the fix passes"
has "and closes it" fixed.out "$bug is fixed"
has "though the budget is frozen: it is proven to fix" fixed.out "the change passes: it fixes $bug"

# --- the budget is spent: builds that are the same take no time ---
frozen() { # NAME BASE OPTION...
  WITH=$in_repo ci "$1" --state-from cache --policy-from frozen.yaml --base out-fixed --base-commit "$2" "${@:3}" out-fixed
}
ssh-keygen -q -t ed25519 -N '' -f key
printf 'ana@example.org %s\n' "$(cat key.pub)" >repo/signers
commit 'who may override'
base=$(git -C repo rev-parse HEAD)
echo '/* more */' >>repo/fuzz.c
commit 'more of it'
frozen frozen "$base"
ended frozen 4 "an exhausted budget keeps a change out"
frozen token "$base" --override 'the fair is today' --token-env ADMIN_TOKEN
ended token 0 "but one of somebody who has a token for it"
has "by whom and why is said" token.out "ben overrides: the fair is today"
is "and kept" "$(sqlite3 state-token/nightjar.db "SELECT actor, detail ->> '\$.reason' FROM event WHERE kind = 'gate.override'")" \
  "ben|the fair is today"
WRONG_TOKEN=0123456789abcdef0123456789abcdef frozen stolen "$base" --override 'let me' --token-env WRONG_TOKEN
ended stolen 4 "another token does not do"
has "which is said" stolen.out "the token to override with is none of"
is "and says so" "$(verdict frozen .verdict)" budget_exhausted
printf 'mallory %s\n' "$(cat key.pub)" >repo/signers
git -C repo -c gpg.format=ssh -c user.signingKey="$WORK/key" commit -q -a -S -m "$(printf 'x\n\nNightjar-Override: the fair is tomorrow')"
frozen override "$base"
ended override 0 "but a signed override of somebody whom the base branch names"
signed=$(git -C repo rev-parse HEAD)
git -C repo checkout -q --detach "$base" && git -C repo merge -q --no-ff -m 'as CI merges it' "$signed"
frozen by-merge "$base"
ended by-merge 0 "also where CI checks out its merge into the base"
echo '/* and what nobody signed */' >>repo/fuzz.c
git -C repo commit -q -a --amend --no-edit
frozen smuggled "$base"
ended smuggled 4 "but nothing else within that merge"
git -C repo checkout -q - && git -C repo reset -q --hard "$signed"
git -C repo reset -q --hard HEAD~1
git -C repo commit -q --allow-empty -m "$(printf 'x\n\nNightjar-Override: trust me\nNightjar-Fixes: NJ-1')"
frozen claim "$base"
ended claim 4 "words alone are no proof"
has "which is said" claim.out "it says that it fixes NJ-1, which was not open or is not clean"
base=$(git -C repo rev-parse HEAD)
git -C repo checkout -q HEAD~2 -- fuzz.c && commit 'back to what it was'
frozen revert "$base"
ended revert 0 "and a revert passes"
has "who is named" override.out "ana@example.org overrides: the fair is tomorrow"
is "and kept, with an end" "$(sqlite3 state-override/nightjar.db \
  "SELECT actor, detail ->> '\$.expires' > '2026' FROM event WHERE kind = 'gate.override'")" "ana@example.org|1"
git -C repo reset -q --hard "$fixed"

# --- it comes back, is waived, and the waiver ends ---
git -C repo revert --no-edit HEAD >/dev/null
edit 's/wave->rate = riff_u32(data + 4);/wave->rate = riff_u32(data + 4) + 1;/' repo/chunks.c # another build
build out-back
sed "\$a\\  waivers: [{bug: $bug, owner: ana, reason: the reader is replaced, expires: $(date -u -d '+30 days' +%F)}]" policy.yaml >waived.yaml
ci back "${common[@]}" out-back
ci waived --state-from cache --policy-from waived.yaml out-back
LIBFAKE=
# a program with a sanitizer does not start with another library before its own
faketime -f +60d "$NIGHTJAR" help >/dev/null 2>&1 && LIBFAKE="env DONT_FAKE_MONOTONIC=1 faketime -f +60d"
ended back 1 "what was fixed and shows again fails"
is "as regressed" "$(tail -n 1 back.out | jq -r .regressed)" 1
ended waived 0 "a waiver lets it pass"
has "in the words of its owner" waived.out "waived by ana"
if [ -n "$LIBFAKE" ]; then
  cp -r state-waived state-late
  WITH=$LIBFAKE ci late --policy-from waived.yaml out-back
  ended late 1 "until it ends"
  has "which is said" late.out "the waiver of ana ended"
else
  skip "until it ends" "faketime is not installed, or does not go with a sanitizer"
fi

exits 0 "a workflow to begin with" "$NIGHTJAR" ci --print gitlab
has "calls it" "$OUT" "nightjar ci "
exits 1 "as a step of CIFuzz would: what does not run is an error" \
  env OUT="$WORK/out-broken" FUZZ_SECONDS=2 "$NIGHTJAR" --state state-step ci --exit-style cifuzz --report-dir reports-step
exits 2 "a wrong option is a usage error" "$NIGHTJAR" ci --on-inconclusive maybe out-main
exits 0 "help" "$NIGHTJAR" ci --help
has "has an example" "$OUT" "nightjar ci --for 10m"
exits 0 "the state is whole" "$NIGHTJAR" --state state-fixed db check
finish
