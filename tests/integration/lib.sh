# shellcheck shell=bash
# What every integration test stands on. A test is `tests/integration/NN-name.sh NIGHTJAR`, begins
# with `. "$(dirname "$0")/lib.sh"`, runs in an empty folder of its own ($WORK, removed at the end)
# and ends with `finish`. It speaks TAP; a wait is always `retry`, never `sleep` alone.
#
#   ok TEXT COMMAND...        passes when the command succeeds; else its output is shown
#   not TEXT COMMAND...       passes when it fails
#   exits N TEXT COMMAND...   passes when it exits with N; leaves its outputs in $OUT and $ERR
#   is TEXT GOT WANTED        passes when both are the same text
#   has TEXT FILE STRING      passes when the file holds the string (fixed, not a pattern)
#   hasnt TEXT FILE STRING    the reverse
#   skip TEXT REASON          a visible skip; the reason is what a person would have to change
#   fail TEXT [LINE...]       a failure found by the test itself
#   diag LINE...              a TAP comment
#   retry SECONDS COMMAND...  repeats the command until it succeeds; fails when the time is up
#   start COMMAND...          runs it in the background in a session of its own; sets $STARTED
#   serve NAME PATH COMMAND...  starts a server on a free port, which PORT stands for, until it answers PATH: $PORT
#   receiver FOLDER [ANSWER]  starts receiver.py, which keeps what it is sent in FOLDER: $PORT, $RECEIVER
#   stop PID [SIGNAL]         signals what start began, waits for it, returns its exit status
#   calls COMMAND...          counts the calls by which the command changes files (killer.c) in $CALLS; its exit status
#   killed COMMAND...         kills it at one of so many, by chance; passes when that hit it before its end
#   keep_mount PATH           unmounts it at the end
#   processes STRING          the pids whose command line holds it, one a line
#   segments                  prints the ids of SysV segments that nobody is attached to
#   new_segments IDS          prints those that are not among what `segments` printed before
#   as_user COMMAND...        runs it as an ordinary user ($AS_UID) when the test runs as root
set -u
export LC_ALL=C.UTF-8
unset NO_COLOR
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
NIGHTJAR=$(realpath "${1:?usage: $0 NIGHTJAR}")
[ -x "$NIGHTJAR" ] || { echo "Bail out! $NIGHTJAR is not a program: make it first"; exit 2; }
WORK=$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/nightjar-test.XXXXXX")")
chmod 755 "$WORK" # the uid that a sandbox drops to has to pass through
OUT=$WORK.out
ERR=$WORK.err
AS_UID=65534
STARTED=
tests=0
bad=0
started=()
mounts=()
export HERE TOP NIGHTJAR

cleanup() {
  local pid path
  [ "$BASHPID" -eq $$ ] || return # a child that was signalled before its exec
  for pid in "${started[@]}"; do
    kill -KILL -- "-$pid" 2>/dev/null
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  cd /
  for path in "${mounts[@]}"; do
    umount -l "$path" 2>/dev/null
  done
  chmod -R u+rwx "$WORK" 2>/dev/null
  rm -rf "$WORK" "$OUT" "$ERR"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$WORK" || exit 2

diag() {
  printf '%s\n' "$@" | LC_ALL=C tr -d '\000-\010\013-\037' | sed 's/^/# /'
}

pass() {
  tests=$((tests + 1))
  echo "ok $tests - $1"
}

fail() {
  tests=$((tests + 1))
  bad=$((bad + 1))
  echo "not ok $tests - $1"
  shift
  [ $# -eq 0 ] || diag "$@"
}

skip() {
  tests=$((tests + 1))
  echo "ok $tests - $1 # SKIP $2"
}

# the last lines of what the last command printed
show_output() {
  diag "standard output:" "$(tail -n 15 "$OUT")" "standard error:" "$(tail -n 15 "$ERR")"
}

run() {
  "$@" >"$OUT" 2>"$ERR" </dev/null
}

ok() {
  local text=$1 status
  shift
  if run "$@"; then
    pass "$text"
  else
    status=$?
    fail "$text" "status $status from: $*"
    show_output
  fi
}

not() {
  local text=$1
  shift
  if run "$@"; then
    fail "$text" "it succeeded: $*"
    show_output
  else
    pass "$text"
  fi
}

exits() {
  local wanted=$1 text=$2 status=0
  shift 2
  run "$@" || status=$?
  if [ "$status" -eq "$wanted" ]; then
    pass "$text"
  else
    fail "$text" "status $status, not $wanted, from: $*"
    show_output
  fi
}

is() {
  if [ "$2" = "$3" ]; then
    pass "$1"
  else
    fail "$1" "got:    $2" "wanted: $3"
  fi
}

has() {
  if grep -qF -- "$3" "$2"; then
    pass "$1"
  else
    fail "$1" "'$3' is not in $2:" "$(tail -n 30 "$2")"
  fi
}

hasnt() {
  if grep -qF -- "$3" "$2"; then
    fail "$1" "'$3' is in $2:" "$(grep -F -m 5 -- "$3" "$2")"
  else
    pass "$1"
  fi
}

retry() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

start() {
  setsid "$@" &
  STARTED=$!
  started+=("$STARTED")
  retry 5 leads_session "$STARTED" # a signal before that would reach a copy of this shell
}

leads_session() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  stat=${stat##*) }
  # shellcheck disable=SC2086 # fields: state ppid pgrp session ...
  set -- "$1" $stat
  [ "$1" = "$5" ]
}

gone() {
  ! kill -0 "$1" 2>/dev/null
}

serve() {
  local name=$1 ready=$2 try
  shift 2
  for try in 1 2 3 4 5; do
    PORT=$((20000 + (RANDOM + try) % 20000))
    start "${@//PORT/$PORT}" >"$name.log" 2>&1
    retry 10 curl -sf -o /dev/null "http://127.0.0.1:$PORT$ready" && return
  done
  fail "$name starts" "$(tail -n 5 "$name.log")"
  finish
}

receiver() {
  mkdir -p "$1"
  rm -f "$1/port"
  start python3 "$HERE/receiver.py" "$@"
  # shellcheck disable=SC2034 # for the test
  RECEIVER=$STARTED
  retry 10 test -s "$1/port"
  PORT=$(cat "$1/port")
}

stop() {
  kill "-${2:-TERM}" "$1" 2>/dev/null
  wait "$1" 2>/dev/null
}

need_killer() {
  [ -e "$WORK/killer.so" ] ||
    ${CC:-cc} -D_GNU_SOURCE -O1 -shared -fPIC -o "$WORK/killer.so" "$HERE/killer.c" || fail "killer.c compiles"
}

calls() {
  local status=0
  need_killer
  LD_PRELOAD=$WORK/killer.so KILL_COUNT=$WORK/killer.count "$@" || status=$?
  CALLS=$(cat "$WORK/killer.count")
  return "$status"
}

killed() {
  local status=0
  need_killer
  { LD_PRELOAD=$WORK/killer.so KILL_AT=$((1 + (RANDOM * 32768 + RANDOM) % CALLS)) "$@"; } >"$OUT" 2>&1 || status=$?
  [ "$status" -eq 137 ]
}

segments() {
  awk 'NR > 1 && $7 == 0 { print $2 }' /proc/sysvipc/shm
}

new_segments() {
  segments | grep -vxF -- "$1"
}

keep_mount() {
  mounts+=("$1")
}

# what pgrep -f does, which is not on every machine
processes() {
  local dir words
  for dir in /proc/[0-9]*; do
    { mapfile -d '' -t words <"$dir/cmdline"; } 2>/dev/null || continue # starts nothing: who waits must be quick
    case "${words[*]} " in
      *"$1"*"${2:-}"*) [ "${dir#/proc/}" -eq $$ ] || [ "${dir#/proc/}" -eq "$BASHPID" ] || echo "${dir#/proc/}" ;;
    esac
  done
}

as_user() {
  if [ "$(id -u)" -ne 0 ]; then
    "$@"
  else
    setpriv --reuid "$AS_UID" --regid "$AS_UID" --clear-groups --inh-caps=-all env HOME=/nonexistent "$@"
  fi
}

finish() {
  echo "1..$tests"
  [ "$bad" -eq 0 ] && [ "$tests" -gt 0 ]
  exit
}
