#!/bin/bash
# The gate's exit statuses and verdict.json, show, bugs and status as a person and a machine read them.
. "$(dirname "$0")/lib.sh"

cat >crash.c <<'C'
#include <stdio.h>
#include <stdlib.h>
__attribute__((noinline)) static void
store_tail(char *heap, int at)
{
    heap[at] = 1;
}
int
main(int argc, char **argv)
{
    FILE *file = fopen(argv[argc - 1], "rb");
    int c = file == NULL ? EOF : fgetc(file);
    char *heap = malloc(8);
    int *null = NULL;
    if (c == 'W') {
        store_tail(heap, 8);
    }
    if (c == 'N') {
        return *(volatile int *)null;
    }
    free(heap);
    return 0;
}
C
clang-14 -g -O0 -fsanitize=address -o crash crash.c || { fail "compile the target"; finish; }
mkdir clean write null
printf C >clean/1
printf 'Wrong' >write/1
printf 'N' >null/1

exits 3 "gate without a store says that it could not decide" "$NIGHTJAR" gate
has "and names the cure" "$ERR" nightjar

ok "a clean input is triaged" "$NIGHTJAR" triage clean -- "$WORK/crash" @@
exits 0 "the gate passes when what was triaged shows no bug" "$NIGHTJAR" gate
is "verdict.json says pass" "$(jq -r .verdict .nightjar/reports/verdict.json)" pass

ok "a null read is triaged" "$NIGHTJAR" triage null -- "$WORK/crash" @@
exits 0 "a low bug passes --fail-on high" "$NIGHTJAR" gate --fail-on high
ok "a heap write is triaged" "$NIGHTJAR" triage write -- "$WORK/crash" @@
exits 1 "a heap write fails --fail-on high" "$NIGHTJAR" gate --fail-on high --report-dir out
is "verdict.json stands in --report-dir" "$(jq -r '.verdict, .exit_status' out/verdict.json | xargs)" "fail 1"
is "and lists what blocks" "$(jq -r '.blocking | length' out/verdict.json)" 1
exits 2 "a wrong level is a usage error" "$NIGHTJAR" gate --fail-on hihg
has "with a suggestion" "$ERR" high

exits 0 "bugs lists worst first" "$NIGHTJAR" bugs
is "no line is wider than 80 columns" "$(awk 'length > 80' "$OUT" | wc -l)" 0
is "the write stands first" "$(awk 'NR == 2 {print $1}' "$OUT")" "$("$NIGHTJAR" bugs --json | jq -r .id | head -1)"
id=$("$NIGHTJAR" bugs --json | jq -r .id | head -1)
exits 0 "show explains it" "$NIGHTJAR" show "$id"
has "the function" "$OUT" store_tail
has "the source line" "$OUT" 'heap[at] = 1;'
has "why this severity" "$OUT" "Why this severity"
has "why this group" "$OUT" "Why this group"
has "how to reproduce it" "$OUT" "nightjar repro $id"
exits 3 "show of an unknown bug says so" "$NIGHTJAR" show NJ-99
exits 2 "show of a wrong id says what an id looks like" "$NIGHTJAR" show xyz
exits 0 "status" "$NIGHTJAR" status --json
is "every line of --json is JSON" "$(jq -c . "$OUT" | wc -l)" "$(wc -l <"$OUT")"
is "bugs --crashes has one line a path" "$("$NIGHTJAR" bugs --crashes --json | wc -l)" 3

finish
