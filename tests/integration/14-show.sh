#!/bin/bash
# `nightjar show` as somebody sees it who has never met the program: what happened, where, what cures
# it; and that nothing which a target can name reaches the terminal or a ticket as it came.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# --- a real use after free, two functions deep ---
cat >list.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct node { char name[16]; struct node *next; };
static struct node *list;
__attribute__((noinline)) static void drop(struct node *node) {
  free(node);
}
__attribute__((noinline)) static void add(const char *name) {
  struct node *node = calloc(1, sizeof(*node));
  strncpy(node->name, name, sizeof(node->name) - 1);
  node->next = list;
  list = node;
}
__attribute__((noinline)) static int sum(void) {
  int n = 0;
  for (const struct node *node = list; node != NULL; node = node->next)
    n += node->name[0];
  return n;
}
int main(int argc, char **argv) {
  char text[4096];
  FILE *f = fopen(argv[1], "rb");
  size_t n = f == NULL ? 0 : fread(text, 1, sizeof(text), f);
  for (size_t i = 0; i < n; i++) {
    if (text[i] == '+') add("x");
    if (text[i] == '-' && list != NULL) drop(list);
    if (text[i] == '=') printf("%d\n", sum());
  }
  return 0;
}
C
clang-14 -g -O1 -w -fsanitize=address -o list list.c 2>cc.log || {
  fail "the test's target compiles" "$(cat cc.log)"
  finish
}
mkdir in
printf 'a + then a - and a = of \033[31m bytes' >in/one
printf '++-=' >in/two
exits 0 "it is triaged" "$NIGHTJAR" triage in -- ./list @@
exits 0 "show" "$NIGHTJAR" show NJ-1
cp "$OUT" page
has "names the faulty function and its line" page "where            sum, $WORK/list.c:18"
tr '\n' ' ' <page | tr -s ' ' >flat
has "what happened" flat "sum() reads 1 byte at the start of a 24-byte heap block that drop() had freed before at list.c:7; add() had allocated it at list.c:10."
has "what kind of change cures it" flat "Kind of fix Decide who owns the block"
has "the line itself, marked" page ">   18      n += node->name[0];"
has "what counts in the stack" page "* #0  sum "
has "why a frame was dropped" page "(dropped: main: the program's frame around everything)"
has "where it was freed" page "Freed at"
has "by whom" flat " drop $WORK/list.c:7"
has "the reproducer's bytes" page "00000000  2b 2d 3d                                          |+-=|"
has "how often it crashes" page "3 of 3 runs, at least 44 % with 95 % confidence"
has "how to run it" page "nightjar repro NJ-1 --gdb"
has "why it is that bad" page "- heap memory was used after it was freed"
has "why it is one bug" page " of the stack: sum"
has "its variants" page "crashes  stacks  found"
has "what happened to it" page "bug.minimize"
hasnt "no colours without a terminal" page "$(printf '\033')"
exits 0 "colours on a terminal" script -qec "'$NIGHTJAR' show NJ-1" /dev/null
has "are there" "$OUT" "$(printf '\033[1mNJ-1')"
NO_COLOR=1 exits 0 "none with NO_COLOR" script -qec "'$NIGHTJAR' show NJ-1" /dev/null
hasnt "indeed" "$OUT" "$(printf '\033')"
exits 0 "a narrow terminal" script -qec "stty cols 80; '$NIGHTJAR' show NJ-1" /dev/null
is "cuts nothing but what is to be pasted" "$(tr -d '\r' <"$OUT" | sed 's/\x1b\[[0-9;]*m//g' | awk 'length($0) > 80 && !/_OPTIONS=/' | wc -l)" 0
has "and tells each rule" "$OUT" "the program's frame around everything"
exits 0 "fewer bytes on demand" "$NIGHTJAR" show NJ-1 --hex 2
has "say how many there are" "$OUT" "1 further bytes: nightjar show NJ-1 --hex 3 shows all."
exits 0 "as JSON" "$NIGHTJAR" show NJ-1 --json
is "one object with all of it" "$(jq -r '[.id, .record.frames[0].function, .record.memory.size, (.variants | length), (.similar | length), .timeline[0].kind, (.what | startswith("sum() reads")), (.fix | length > 20)] | @csv' "$OUT")" \
  '"NJ-1","sum",24,1,0,"bug.new",true,true'
exits 0 "a severity by hand" "$NIGHTJAR" bugs severity NJ-1 low --reason "the test tool only"
exits 0 "is shown" "$NIGHTJAR" show NJ-1
has "as what counts" "$OUT" "severity         low"
has "with who and why" <(tr '\n' ' ' <"$OUT" | tr -s ' ') ": the test tool only (computed: high, 7.6)"
has "and when" "$OUT" "bug.severity"
touch -d 2001-01-01 list
exits 0 "a source that is newer than the program" "$NIGHTJAR" show NJ-1
has "is told" "$OUT" "The file was changed after the program was built: lines may have moved."
touch -d 2001-01-01 list.c
hasnt "is not, when it is older" <("$NIGHTJAR" show NJ-1) "lines may have moved"

# --- a report whose names want to be obeyed ---
name=$'ev\xe2\x80\xae\xe2\x80\x8bil\033]0;x\007<script>alert(1)</script>|`````@everyone #1 ![i](http://e.x)'
{
  printf '==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000011 at pc 0x1\n'
  printf 'READ of size 4 at 0x602000000011 thread T0\n'
  printf '    #0 0x1 in %s /src/%s.c:3:4\n    #1 0x2 in caller /src/b.c:1:2\n' "$name" "$name"
} >report
printf '    #2 0x3 in %s /src/long.c:1:2\n' "$(printf 'ns::%.0s' {1..150})end" >>report
exits 0 "a hostile report" "$NIGHTJAR" --state odd triage --reports report
exits 0 "is shown" "$NIGHTJAR" --state odd show NJ-1
is "without a control byte" "$(LC_ALL=C tr -d '\n\t -~\200-\377' <"$OUT" | wc -c)" 0
hasnt "and nothing that reorders text" "$OUT" $'\xe2\x80\xae'
hasnt "or hides" "$OUT" $'\xe2\x80\x8b'
has "but as what it is" "$OUT" '\xe2\x80\xae\xe2\x80\x8bil'
has "long names are whole" "$OUT" "$(printf 'ns::%.0s' {1..120})"
hasnt "it never ran" "$OUT" " runs"
has "which is said" "$OUT" "never run: it stems from a report's text"
hasnt "and there is nothing to run" "$OUT" "nightjar repro"
has "but a text" "$OUT" "nightjar show NJ-1 --report"
exits 0 "as Markdown" "$NIGHTJAR" --state odd show NJ-1 --markdown
cp "$OUT" ticket.md
is "without a control byte too" "$(LC_ALL=C tr -d '\n -~\200-\377' <ticket.md | wc -c)" 0
if command -v cmark-gfm >/dev/null; then
  cmark-gfm --unsafe -e table -e strikethrough -e autolink ticket.md >ticket.html
  hasnt "no element of its own" ticket.html "<script"
  hasnt "no link" ticket.html "<a "
  hasnt "no image" ticket.html "<img"
  is "each block is closed" "$(grep -c '<pre>' ticket.html)" "$(grep -c '</pre>' ticket.html)"
  is "the sections are there" "$(grep -c '<h3>' ticket.html)" "$(grep -c '^### ' ticket.md)"
  # outside of code nobody is called and no issue is referred to
  is "nobody is mentioned" "$(sed '/<pre>/,/<\/pre>/d' ticket.html | grep -c '@everyone\|#1\b')" 0
else
  skip "the ticket is rendered" "apt-get install cmark-gfm"
fi
exits 0 "the table of bugs" "$NIGHTJAR" --state odd bugs
hasnt "is as careful" "$OUT" $'\xe2\x80\xae'
exits 3 "no such bug" "$NIGHTJAR" show NJ-9
exits 2 "no such id" "$NIGHTJAR" show nonsense
finish
