#!/bin/bash
# `slo`: what open bugs cost as days pass, and that fixing refills; the numbers that are published are the same.
. "$(dirname "$0")/lib.sh"

command -v faketime >/dev/null || { skip "slo" "faketime is not installed: scripts/bootstrap test"; finish; }
report() { # FUNCTION ACCESS
  printf '==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000011\n%s of size 1 at 0x602000000011 thread T0\n    #0 0x1 in %s /a.c:1\n' "$2" "$1"
}
report writes WRITE >one
report reads READ >two
ok "a bug" "$NIGHTJAR" triage --reports one
ok "and another" "$NIGHTJAR" triage --reports two
later() { # DAYS COMMAND...
  local days=$1
  shift
  FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f "+${days}d" "$@"
}

exits 0 "nothing is spent at the beginning" "$NIGHTJAR" slo
has "of 294 points" "$OUT" "of 294.0 points spent in 28 days"
exits 0 "after ten days" later 10 "$NIGHTJAR" slo --json
is "a high and a medium one have cost 7 a day" "$(jq -c '[.budget.points_per_day, (.budget.spent | round), .budget.worst[0].severity]' "$OUT")" '[7,70,"high"]'
exits 0 "after twenty" later 20 "$NIGHTJAR" slo
has "the deadline of the high one is missed" "$OUT" "high     0 of 1 within 14 d; 1 open, the oldest for 20 d"
has "what would refill it is said" "$OUT" "NJ-1 high: 5.0 a day, open for 20 d"

ok "the high one is fixed on the tenth day" later 10 "$NIGHTJAR" bugs state NJ-1 fixed
exits 0 "then on the twentieth" later 20 "$NIGHTJAR" slo --json
is "it has cost 50, the other 40" "$(jq '.budget.spent | round' "$OUT")" 90
is "in time" "$(jq -c .patches.high "$OUT")" '{"due":1,"met":1}'
later 20 "$NIGHTJAR" push metrics --print >text
is "the published numbers are the same" "$(awk '$1 == "nightjar_breach_spent_points" { printf "%.0f", $2 }' text)" 90

printf 'slo: {tolerated: {critical: 0, high: 0, medium: 1, low: 0}, deadline: {medium: 5d}}\n' >nightjar.yaml
exits 4 "a smaller budget is exhausted" later 20 "$NIGHTJAR" slo
has "and says so" "$OUT" "breach budget      exhausted: 90.0 of 10.0 points spent"

# --- services ---

cat >nightjar.yaml <<'Y'
slo:
  services:
    - {name: images, targets: [png*], tolerated: {critical: 0, high: 0, medium: 0, low: 0}}
    - {name: texts, targets: [rep*], tolerated: {medium: 1}}
Y
exits 0 "each service has a budget of its own" later 20 "$NIGHTJAR" slo --json
is "of its targets' bugs" "$(jq -c '[.services[] | [.service, .state, (.budget.points | round), (.budget.spent | round)]]' "$OUT")" \
  '[["images","ok",0,0],["texts","ok",294,90],["other","ok",294,0]]'
is "which are the whole together" "$(jq -c '[.budget.points, .budget.spent] | map(round)' "$OUT")" '[588,90]'
later 20 "$NIGHTJAR" push metrics --print >text
is "so are the published numbers" "$(awk '/^nightjar_breach_spent_points/ { n += $2 } END { printf "%.0f", n }' text)" 90
sed -i 's/rep\*/xml/; s/png\*/rep*/' nightjar.yaml
exits 4 "one that tolerates nothing is exhausted by one bug" later 20 "$NIGHTJAR" slo
has "whatever is left elsewhere" "$OUT" "exhausted images: 90.0 of 0.0 points, 2.0 a day"
exits 2 "slo takes no arguments" "$NIGHTJAR" slo now
finish
