#!/bin/bash
# nightjar fuzzes its own parsers with itself, with both engines: what reads hostile bytes must stay clean.
# SOAK=1: for half an hour, with cmplog and the sanitizer build.
# shellcheck disable=SC2317 # a function is called by run
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

variants=(afl libfuzzer)
time=20s
if [ "${SOAK:-0}" = 1 ]; then
  variants=(afl cmplog address libfuzzer)
  time=30m
fi

mkdir -p targets
build() {
  JOBS=2 "$TOP/scripts/build-target" nightjar-parse targets "${variants[@]}" &&
    JOBS=2 "$TOP/scripts/build-target" nightjar-inputs targets "${variants[@]}"
}
run build || {
  fail "the harnesses of nightjar's own parsers build" "$(cat "$OUT" "$ERR")"
  finish
}
for variant in afl libfuzzer; do
  for target in nightjar-parse nightjar-inputs; do
    [ -x "targets/$variant/$target" ] || fail "$target is built for $variant" "$(cat "$OUT")"
  done
done

# seeds first: what stops at a seed would fuzz nothing
for target in nightjar-parse nightjar-inputs; do
  ok "$target reads its seeds" timeout 60 "targets/libfuzzer/$target" "$TOP/corpora/$target/seeds"/*
done

exits 0 "nightjar fuzzes them with both engines" "$NIGHTJAR" fuzz targets --for "$time" --jobs 4 --minimize no
"$NIGHTJAR" status --json >status.json
is "every worker has fuzzed" "$(jq -r 'select(.worker != null and (.executions // 0) > 0) | .worker' status.json | sort -u | wc -l)" 4
"$NIGHTJAR" bugs --json >bugs.json
if [ -s bugs.json ]; then
  while read -r id; do
    fail "no bug in nightjar's own parsers: $id" "$("$NIGHTJAR" show "$id" 2>&1)"
  done < <(jq -r .id bugs.json)
else
  pass "no bug in nightjar's own parsers"
fi
finish
