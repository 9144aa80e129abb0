#!/bin/bash
# shellcheck disable=SC2317,SC2016,SC2054 # called by name; $ of an inner shell; setpriv's list
# The sandbox against a hostile program: every rung, as root and as an ordinary user, and where a rung
# cannot work. What must fail inside is first shown to succeed outside.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# --- a place that an ordinary user may enter ----------------------------------------------------------
chmod 755 "$WORK"
mkdir bin state other own drops
cp "$NIGHTJAR" bin/nightjar
BOX=$WORK/bin/nightjar
HOSTILE=$WORK/bin/hostile
cc=$(command -v gcc || command -v clang-14 || command -v clang)
"$cc" -O1 -D_GNU_SOURCE -o "$HOSTILE" "$HERE/hostile.c" || { echo "Bail out! hostile.c does not compile"; exit 2; }
echo secret >state/nightjar.db
echo seed >other/seed
chmod -R a+rX bin state other
chmod 777 drops
export TMPDIR=$WORK/tmp
mkdir -m 1777 "$TMPDIR"
OUR_UID=$(id -u)
am_root() { [ "$OUR_UID" -eq 0 ]; }
free() { flock -n "$1" true; } # nobody holds the lock
held() { ! free "$1"; }
is_gone() { [ ! -d "/proc/$1" ]; }
segments() { awk -v size="$1" '$4 == size' /proc/sysvipc/shm; }
has_segment() { [ -n "$(segments "$1")" ]; }

# one attempt by $WHO in a worker's sandbox: hostile's folder readable, one folder writable, the state hidden
try() { # ATTEMPT [ARGUMENT]
  "${as_words[@]}" "$BOX" sandbox-init --rung "$RUNG" --write "$OWN" --cwd "$OWN" --hide "$WORK/state" -- \
    "$HOSTILE" "$1" ${2:+"+$2"}
}

# --- what stands outside ------------------------------------------------------------------------------
"$HOSTILE" serve "$WORK/drops/socket" >port &
started+=($!)
retry 5 test -s port
PORT=$(cat port)
mkfifo pipe
"$HOSTILE" stand >pipe &
started+=($!)
STAND=$!
exec 9<pipe # the reader of a worker's answers

# --- outside, everything succeeds ---------------------------------------------------------------------
ok "outside: a database can be read" "$HOSTILE" read "$WORK/state/nightjar.db"
ok "outside: a corpus can be read" "$HOSTILE" read "$WORK/other/seed"
ok "outside: a file can be written" "$HOSTILE" write "$WORK/drops/x"
ok "outside: and changed" "$HOSTILE" change "$WORK/drops/x"
ok "outside: and unlinked" "$HOSTILE" unlink "$WORK/drops/x"
ok "outside: TCP connects" "$HOSTILE" tcp "$PORT"
ok "outside: UDP is answered" "$HOSTILE" udp "$PORT"
ok "outside: an abstract socket connects" "$HOSTILE" unix "@$WORK/drops/socket"
ok "outside: a named socket connects" "$HOSTILE" unix "$WORK/drops/socket"
if am_root; then
  ok "outside: root reads /etc/shadow" "$HOSTILE" read /etc/shadow
  ok "outside: root peeks into a keeper" "$HOSTILE" peek "$STAND"
  ok "outside: root forges a keeper's answers" "$HOSTILE" forge "$STAND"
  ok "outside: root is root" "$HOSTILE" root
fi
run "$HOSTILE" outlive "$WORK/drops/lock"
ok "outside: a grandchild outlives" held "$WORK/drops/lock"
fuser -s -k -KILL "$WORK/drops/lock" 2>/dev/null || pkill -KILL -f "$HOSTILE outlive"
retry 5 free "$WORK/drops/lock"
(cd drops && run "$HOSTILE" fill 40)
is "outside: a folder can be filled" "$(du -m --apparent-size drops/fill-0 | cut -f1)" 40
rm drops/fill-0

# --- inside, nothing does -----------------------------------------------------------------------------
attempts() { # NAME: as WHO in RUNG
  local name=$1
  exits 0 "$name: its own folder can be written" try write "$OWN/x"
  exits 0 "$name: and a file in it removed" try unlink "$OWN/x"
  exits 1 "$name: /etc/shadow cannot be read" try read /etc/shadow
  exits 1 "$name: the database cannot be read" try read "$WORK/state/nightjar.db"
  exits 1 "$name: another corpus cannot be read" try read "$WORK/other/seed"
  exits 1 "$name: nor listed" try list "$WORK/other"
  exits 1 "$name: nor a home folder" try list /root
  exits 1 "$name: nor what lies beside its folders" try read "$WORK/port"
  echo keep >drops/keep
  chmod 666 drops/keep
  exits 1 "$name: a file outside cannot be written" try write "$WORK/drops/new"
  exits 1 "$name: nor changed, renamed, linked" try change "$WORK/drops/keep"
  exits 1 "$name: nor unlinked" try unlink "$WORK/drops/keep"
  exits 1 "$name: nor /dev/null" try unlink /dev/null
  exits 1 "$name: its own program cannot be changed" try change "$HOSTILE"
  is "$name: the file outside is as it was" "$(cat drops/keep; stat -c %a drops/keep)" "keep
666"
  exits 1 "$name: no disk can be opened" try disk
  exits 1 "$name: no TCP" try tcp "$PORT"
  exits 1 "$name: no UDP" try udp "$PORT"
  exits 1 "$name: no abstract socket" try unix "@$WORK/drops/socket"
  exits 1 "$name: no named socket" try unix "$WORK/drops/socket"
  exits 1 "$name: no odd sockets" try families
  exits 1 "$name: a keeper's memory is out of reach" try peek "$STAND"
  exits 1 "$name: its answers cannot be forged" try forge "$STAND"
  exits 1 "$name: it cannot be signalled" try kill "$STAND"
  exits 1 "$name: nor sideways" try kill-sideways "$STAND"
  exits 1 "$name: no way back to root" try root
  exits 1 "$name: no new namespaces" try namespace
  exits 139 "$name: a fault is reported as such" try segv
}

# The end of a worker, in all ways: its own, and by kill -9 of its front, of its parent, of its reaper.
endings() { # NAME
  local name=$1 lock=$OWN/lock front victim
  run try outlive "$lock"
  ok "$name: a grandchild does not outlive the end" free "$lock"
  for victim in front parent reaper; do
    [ "$victim-$RUNG" != reaper-bwrap ] || continue # there the kernel is the reaper
    rm -f "$lock" front
    start bash -c '"$@" & echo $! >front; wait' sh "${as_words[@]}" \
      "$BOX" sandbox-init --rung "$RUNG" --write "$OWN" --cwd "$OWN" -- "$HOSTILE" stay "+$lock"
    retry 10 test -e "$lock"
    retry 10 held "$lock"
    front=$(cat front)
    case $victim in
    front) kill -KILL "$front" ;;
    parent) kill -KILL "$STARTED" ;;
    reaper) kill -KILL "$(pgrep -P "$front" | head -n 1)" ;;
    esac
    ok "$name: kill -9 of its $victim ends it" retry 10 free "$lock"
    ok "$name: and its front" retry 10 is_gone "$front"
    stop "$STARTED" KILL
    ok "$name: and leaves no work folder" retry 5 no_work_folder
  done
}
no_work_folder() { ! compgen -G "$TMPDIR/nightjar-box.*" >/dev/null; }

limits() { # NAME
  local name=$1
  not "$name: the private folder cannot be filled" \
    "${as_words[@]}" "$BOX" sandbox-init --rung "$RUNG" --tmp-bytes 8M -- "$HOSTILE" fill 64
  exits 125 "$name: too many processes are ended" \
    "${as_words[@]}" "$BOX" sandbox-init --rung "$RUNG" --processes 50 -- "$HOSTILE" bomb
  has "$name: and it is said" "$ERR" "nightjar sandbox: the command had too many processes, and was ended"
  # the kernel's own limit lies just above: small enough to stop what doubles, in a sandbox that counts alone
  run "${as_words[@]}" "$BOX" sandbox-init --rung "$RUNG" --processes 50 -- /bin/bash -c 'ulimit -u'
  ok "$name: the kernel limits them as well" test "$(cat "$OUT")" -ge 100 -a "$(cat "$OUT")" -lt 20000
}

# A triage worker in its sandbox, and a target in another within: the target is of the worker's uid.
within() { # OUTER INNER ATTEMPT [ARGUMENT]; no argument: the worker's number
  "${as_words[@]}" "$BOX" sandbox-init --rung "$1" --nested --read "$WORK/bin" --write "$OWN" --cwd "$OWN" \
    --hide "$WORK/state" -- /bin/bash -c '
      bin=$1 inner=$2 attempt=$3
      printf x >mine
      "$bin/hostile" stand >answers &
      argument=${4:-$!}
      [ "$argument" != mine ] || argument=$PWD/mine
      "$bin/nightjar" sandbox-init --rung "$inner" -- "$bin/hostile" "$attempt" "+$argument"
      status=$?
      kill -KILL $!
      [ ! -s answers ] || status=0
      exit $status' worker "$WORK/bin" "${@:2}"
}
nested() { # NAME OUTER INNER
  local name="$1, $3 within $2" attempt
  for attempt in peek forge kill kill-sideways namespace; do
    exits 1 "$name: no $attempt" within "$2" "$3" "$attempt"
  done
  exits 1 "$name: no reading of the worker's files" within "$2" "$3" read mine
  exits 1 "$name: nor of the database" within "$2" "$3" read "$WORK/state/nightjar.db"
  exits 1 "$name: no TCP" within "$2" "$3" tcp "$PORT"
}

for WHO in root user; do
  if [ "$WHO" = root ] && ! am_root; then
    skip "the sandbox as root" "run the tests as root"
    continue
  fi
  OWN=$WORK/own-$WHO
  mkdir "$OWN"
  as_words=(env)
  if [ "$WHO" = root ]; then
    chown 65530:65530 "$OWN"
  elif am_root; then
    chown "$AS_UID:$AS_UID" "$OWN"
    as_words=(setpriv --reuid "$AS_UID" --regid "$AS_UID" --clear-groups --inh-caps=-all env HOME=/nonexistent)
  fi
  exits 0 "$WHO: without the inner sandbox the worker can be signalled" within bwrap none kill
  exits 0 "$WHO: and its files be read" within bwrap none read mine
  nested "$WHO" bwrap bwrap
  nested "$WHO" bwrap landlock
  nested "$WHO" landlock landlock
  for RUNG in bwrap landlock none; do
    if [ "$RUNG" != none ]; then
      exits 0 "$WHO, $RUNG: works here" "${as_words[@]}" "$BOX" sandbox-init --choose "$RUNG"
      attempts "$WHO, $RUNG"
      limits "$WHO, $RUNG"
    fi
    endings "$WHO, $RUNG"
    size=$((1000003 + RANDOM))
    exits 0 "$WHO, $RUNG: a segment can be made" try segment "$size"
    not "$WHO, $RUNG: and is gone with it" has_segment "$size"
  done
done
ok "the keeper was never signalled" kill -0 "$STAND"
is "nothing stands in its pipe" "$(timeout 0.2 head -n 1 <&9)" ""
kill -USR2 "$STAND"
is "though it would be seen" "$(timeout 5 head -n 1 <&9)" "signalled"

# --- where a rung cannot work -------------------------------------------------------------------------
choice() { # COMMAND...: what --choose says, its reason below
  run "$@" "$BOX" sandbox-init --choose auto
}
user=(env)
am_root && user=(setpriv --reuid "$AS_UID" --regid "$AS_UID" --clear-groups --inh-caps=-all env HOME=/nonexistent)
choice "${user[@]}"
is "an ordinary user gets bubblewrap" "$(head -n 1 "$OUT")" bwrap
is "and no excuse" "$(sed -n 2p "$OUT")" ""
choice "${user[@]}" PATH="$WORK/bin"
is "without bubblewrap: Landlock" "$(head -n 1 "$OUT")" landlock
is "and how to get it" "$(sed -n 2p "$OUT")" "bwrap: bubblewrap is not installed (apt install bubblewrap)"
exits 125 "without both: nothing" "${user[@]}" PATH="$WORK/bin" "$HOSTILE" without-landlock "$BOX" sandbox-init --choose auto
has "and what to do" "$ERR" "no sandbox works here: bwrap: bubblewrap is not installed (apt install bubblewrap); landlock: this kernel"
has "or to say" "$ERR" "or say --sandbox none if you trust the targets and their inputs"
exits 125 "a rung that was asked for by name must work" "${user[@]}" "$HOSTILE" without-landlock "$BOX" sandbox-init --choose landlock
hasnt "and no other is taken" "$OUT" bwrap

if am_root; then
  # Docker mounts over parts of /proc; then no user namespace may mount a /proc of its own
  masked=(unshare -m sh -c 'mount --bind /proc/sys /proc/sys && exec "$@"' sh)
  choice "${masked[@]}" "${user[@]}"
  is "a masked /proc: Landlock" "$(head -n 1 "$OUT")" landlock
  is "and why" "$(sed -n 2p "$OUT")" \
    "bwrap: /proc is masked here (in Docker: --security-opt systempaths=unconfined, in Podman: --security-opt unmask=ALL)"
  # settings of a user namespace of our own, never the machine's
  forbidden=("$HOSTILE" without-namespaces)
  choice "${forbidden[@]}" "${user[@]}"
  is "no user namespaces: Landlock" "$(head -n 1 "$OUT")" landlock
  has "and why" "$OUT" "(sysctl user.max_user_namespaces=10000)"
  # root as Docker makes it
  docker=(setpriv --bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_raw,+mknod,+setfcap
    --inh-caps=-all)
  choice "${docker[@]}"
  is "root without CAP_SYS_ADMIN gets bubblewrap in a user namespace" "$(head -n 1 "$OUT")" bwrap
  choice "${forbidden[@]}" "${docker[@]}"
  is "where that is forbidden: Landlock" "$(head -n 1 "$OUT")" landlock
  has "and why" "$OUT" "bwrap: namespaces cannot be made here (sysctl user.max_user_namespaces=10000)"
  docker=("${masked[@]}" "${docker[@]}")
  choice "${docker[@]}"
  is "and so where /proc is masked" "$(head -n 1 "$OUT")" landlock
  OWN=$WORK/own-user RUNG=auto
  as_words=("${masked[@]}" "${user[@]}")
  attempts "masked /proc"
  OWN=$WORK/own-root
  as_words=("${docker[@]}")
  attempts "root in Docker"
  exits 125 "root that cannot drop its uid gets none" setpriv --bounding-set=-setuid --inh-caps=-all \
    "$BOX" sandbox-init --choose auto
  has "and is told" "$ERR" "root without CAP_SETUID, CAP_SETGID and CAP_KILL cannot drop its uid"
  exits 125 "nor where the uid is not mapped" unshare -r "$BOX" sandbox-init --choose auto
  has "and is told" "$ERR" "NIGHTJAR_SANDBOX_UID"
  exits 0 "root of a user's own namespace is that user" "${user[@]}" unshare -r "$BOX" sandbox-init --rung bwrap -- /bin/sh -c 'test $(id -u) != 0'

  # a program below a folder that nobody else may enter
  mkdir -m 700 private
  mkdir private/target
  cp "$HOSTILE" private/target/
  exits 0 "bubblewrap by root reaches a program below a private folder" \
    "$BOX" sandbox-init --rung bwrap -- "$WORK/private/target/hostile" write x
  exits 125 "Landlock cannot" "$BOX" sandbox-init --rung landlock -- "$WORK/private/target/hostile" write x
  has "and says so" "$ERR" "'$WORK/private' cannot be entered by uid 65530, which root becomes in the sandbox: chmod o+x"
  chmod 700 private/target/hostile
  exits 125 "nobody reaches a private file" "$BOX" sandbox-init --rung bwrap -- "$WORK/private/target/hostile" write x
  has "and it says so" "$ERR" "'$WORK/private/target/hostile' cannot be read by uid 65530"
  has "with the cure" "$ERR" "chmod o+rX $WORK/private/target/hostile"
  # what the environment tells the dynamic linker must not reach what still is root
  cat >evil.c <<'C'
#include <stdio.h>
#include <unistd.h>
__attribute__((constructor)) static void load(void) { dprintf(2, "loaded as %d\n", (int)geteuid()); }
C
  "$cc" -shared -fPIC -o bin/evil.so evil.c
  exits 0 "LD_PRELOAD works" env LD_PRELOAD="$WORK/bin/evil.so" true
  for RUNG in bwrap landlock; do
    # the linker of the verb itself is out of the question: proc_spawn() starts the front without exec
    run "$BOX" sandbox-init --rung "$RUNG" --read "$WORK/bin" --env LD_PRELOAD="$WORK/bin/evil.so" -- /bin/true
    has "$RUNG: LD_PRELOAD reaches the command" "$ERR" "loaded as 65530"
    hasnt "$RUNG: and nothing that still is root" "$ERR" "loaded as 0"
  done
else
  skip "masked /proc, Docker's root" "run the tests as root"
fi
finish
