#!/bin/bash
# nightjar fuzzes its own parsers with itself: what reads hostile bytes must stay clean, with both engines.
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
  local target
  for target in nightjar-parse nightjar-inputs; do
    "$TOP/scripts/build-target" "$target" targets "${variants[@]}" || return
  done
}
run build || {
  fail "the harnesses of nightjar's own parsers build" "$(cat "$OUT" "$ERR")"
  finish
}
for program in {afl,libfuzzer}/nightjar-{parse,inputs}; do
  [ -x "targets/$program" ] || fail "$program is built" "$(cat "$OUT")"
done

# seeds first: what stops at a seed would fuzz nothing
for target in nightjar-parse nightjar-inputs; do
  ok "$target reads its seeds" timeout 60 "targets/libfuzzer/$target" "$TOP/corpora/$target/seeds"/*
done

exits 0 "nightjar fuzzes them" "$NIGHTJAR" fuzz targets --for "$time" --jobs 4 --minimize no
"$NIGHTJAR" status --json >status.json
fuzzed() { # ENGINE TARGET
  [ "$(jq -s "map(select(.engine == \"$1\" and .target == \"$2\") | .executions) | add // 0" status.json)" -gt 0 ]
}
ok "AFL++ has fuzzed the report parser" fuzzed aflpp nightjar-parse
ok "libFuzzer has fuzzed the report parser" fuzzed libfuzzer nightjar-parse
ok "AFL++ has fuzzed the other parsers" fuzzed aflpp nightjar-inputs
ok "libFuzzer has fuzzed the other parsers" fuzzed libfuzzer nightjar-inputs
"$NIGHTJAR" bugs --json >bugs.json
if [ -s bugs.json ]; then
  while read -r id; do # with the input: what comes once in millions of runs may not come again
    "$NIGHTJAR" repro "$id" --export "export-$id" >/dev/null 2>&1
    fail "no bug in nightjar's own parsers: $id" "$("$NIGHTJAR" show "$id" 2>&1)" \
      "$(base64 "export-$id/input" 2>&1)"
  done < <(jq -r .id bugs.json)
else
  pass "no bug in nightjar's own parsers"
fi
finish
