#!/bin/bash
# One input has one severity, however often it is triaged: the kinds of native.c, without a sanitizer and with
# AddressSanitizer. Twice each; SOAK=1: ten times, and with UBSan beside it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

times=2
targets='plain asan'
if [ "${SOAK:-0}" = 1 ]; then
  times=10
  targets='plain asan both'
fi
mkdir in
for key in r w R W N c 0 p j s d a h f g z u; do
  printf '%s' "$key" >"in/$key"
done

verdicts() { # TARGET: what each input is
  rm -rf .nightjar
  "$NIGHTJAR" triage --minimize no in -- "./$1" @@ >>triage.log 2>&1 || diag "triage of $1 ends with $?"
  sqlite3 .nightjar/nightjar.db "SELECT p.path, b.severity, b.severity_score, b.class, r.major FROM crash_path p
    JOIN crash r ON r.id = p.crash LEFT JOIN bug b ON b.id = r.bug ORDER BY p.path"
}

build() { # NAME COMPILER FLAG...
  "$2" -g -w "${@:3}" -o "$1" "$HERE/native.c" 2>cc.log || {
    fail "the test's target compiles" "$(cat cc.log)"
    finish
  }
}

build plain gcc -O2
build asan clang-14 -O1 -fsanitize=address
build both gcc -O1 -fsanitize=address,undefined
for target in $targets; do
  for ((i = 1; i <= times; i++)); do
    verdicts "$target" >"$target.$i"
  done
  ok "$target: all inputs but a few crash" test "$(grep -c '|[0-4]|[0-9.]*|' "$target.1")" -ge 14
  is "$target: severity, score, class and signature of $(wc -l <"$target.1") inputs are the same $times times" \
    "$(cat "$target".[0-9]* | sort | uniq -c | awk -v n="$times" '$1 != n')" ""
done
finish
