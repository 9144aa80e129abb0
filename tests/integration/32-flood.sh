#!/bin/bash
# A flood of crashes through the store itself (tests/bench/store): nothing is lost, nothing counted
# twice, surplus inputs go, what is asked is answered. SOAK=1: 50,000 crashes.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

if [ "${SOAK:-}" = 1 ]; then
  crashes=50000 bugs=2500
else
  crashes=4096 bugs=60
fi
ok "$crashes crashes of $bugs bugs are filed" env CRASHES="$crashes" BUGS="$bugs" STATE="$WORK/state" \
  "$TOP/tests/bench/store/run" "$NIGHTJAR"
sql() { sqlite3 state/nightjar.db "$1"; }
json() { "$NIGHTJAR" --state state "$@" --json; }

is "each is a crash of a bug" "$(sql "SELECT count(*) FROM crash WHERE state = 'triaged' AND bug IS NOT NULL")" "$crashes"
is "and listed under its path" "$(json bugs --crashes | wc -l)" "$crashes"
is "the bugs count as many" "$(json bugs | jq .crashes | awk '{ n += $1 } END { print n }')" "$crashes"
# by where its first frame lies: a state leaves long numbers out
is "no bug was found twice" "$(sql "SELECT count(*) FROM (SELECT count(DISTINCT c.bug) AS n FROM record r
  JOIN crash c ON c.id = r.crash GROUP BY json_extract(r.json, '\$.frames[0].offset') HAVING n > 1)")" 0
found=$(json bugs | wc -l)
is "none is missing that a crash showed" "$([ "$found" -gt $((bugs / 2)) ] && [ "$found" -le "$bugs" ] && echo yes)" yes
is "surplus inputs went" \
  "$([ "$(sql "SELECT count(*) FROM blob WHERE state = 'dropped'")" -gt $((crashes / 8)) ] && echo yes)" yes
is "and their bytes, in rows and in files" \
  "$(($(find state/blobs -type f -name '????????*' | wc -l) + $(sql "SELECT count(*) FROM blob WHERE data IS NOT NULL")))" \
  "$(sql "SELECT count(*) FROM blob WHERE state = 'present'")"
is "no bug keeps more than its examples" \
  "$(sql "SELECT count(*) FROM (SELECT count(*) AS n FROM crash c JOIN blob b ON b.id = c.blob
    WHERE b.state = 'present' GROUP BY c.bug HAVING n > 128)")" 0
exits 0 "the database is sound" "$NIGHTJAR" --state state db check --deep
finish
