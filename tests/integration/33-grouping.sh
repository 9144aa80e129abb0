#!/bin/bash
# Crashes of known bugs fall into groups as they should: a part of tests/bench/dedup, two builds.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

only=oneframe,onefunc,paths,kinds,stale,alloc
builds=clang14-O1,gcc-O2
if [ "${SOAK:-0}" = 1 ]; then
  only=
  builds=clang14-O1,gcc-O2,moved
fi
exits 0 "the programs are built, crashed and grouped" "$TOP/tests/bench/dedup/run" "$NIGHTJAR" \
  --sets programs --only "$only" --builds "$builds" --per-label 2 --no-keys --json --work "$WORK/bench"
cp "$OUT" scores.json
score() { jq -r ".rows[-1] | $1" scores.json; }
is "there are crashes of many bugs" "$(jq -r '.crashes >= 60 and .rows[-1].bugs >= 20' scores.json)" true
is "no bug is hidden" "$(score '.hidden | join(" ")')" ""
is "who is together belongs together" "$(score '.pair_p >= 0.99 and .b3_p >= 0.99')" true
is "who belongs together is together" "$(score '.pair_r >= 0.93 and .b3_r >= 0.93')" true
is "the same input is in the same bug in both builds" "$(score '.stable >= 0.98')" true
is "the first 1.3 N rows show all N bugs" \
  "$(jq -r '.until != null and .until <= 1.3 * .rows[-1].bugs' scores.json)" true
exits 0 "the database is sound" "$NIGHTJAR" db check --state "$WORK/bench/programs/state"
finish
