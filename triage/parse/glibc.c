/*
 * What glibc prints before it aborts: fortified functions, the stack guard, malloc's
 * checks; and Scudo, Android's malloc. Under a sanitizer its report follows and brings
 * the stack; without one this line is all there is.
 */
#include "triage/parse/parser.h"

static const struct {
    const char *text;
    unsigned fact;
} words_of_glibc[] = {
    {"*** stack smashing detected ***", FACT_STACK_GUARD},
    {"*** buffer overflow detected ***", FACT_FORTIFY},
    {"*** longjmp causes uninitialized stack frame ***", FACT_FORTIFY},
    {"*** %n in writable segment", FACT_FORTIFY},
    {"*** invalid %N$ use detected ***", FACT_FORTIFY},
    {"double free or corruption (", FACT_HEAP_CHECK},
    {"free(): ", FACT_HEAP_CHECK},
    {"malloc(): ", FACT_HEAP_CHECK},
    {"realloc(): ", FACT_HEAP_CHECK},
    {"munmap_chunk(): ", FACT_HEAP_CHECK},
    {"mremap_chunk(): ", FACT_HEAP_CHECK},
    {"corrupted size vs. prev_size", FACT_HEAP_CHECK},
    {"corrupted double-linked list", FACT_HEAP_CHECK},
    {"malloc_consolidate(): ", FACT_HEAP_CHECK},
    {"Scudo ERROR: ", FACT_HEAP_CHECK},
};

static enum line_verdict
glibc_line(struct parser *p, struct span line)
{
    struct span text = line;

    (void)span_eat_blanks(&text);
    for (size_t i = 0; i < COUNT(words_of_glibc); i++) {
        if (!span_starts(text, words_of_glibc[i].text)) {
            continue;
        }
        p->facts |= words_of_glibc[i].fact;
        /* ": terminated" differs between releases; the name of the program must not count
         */
        size_t stars = span_find(span_from(text, 3), "***");
        text = stars == SPAN_NONE ? text : span_to(text, stars + 6);
        if (parser_hearsay(p, line, "Abrt", text)) {
            p->facts |= FACT_HARMLESS_SIGNAL;
        }
        break;
    }
    return LINE_GO_ON;
}

const struct parser_ops parser_glibc = {
    .name = "glibc",
    .words = (const char *const[]){"*** ", "double free or corruption", "free(): ",
                                   "alloc(): ", "map_chunk(): ", "corrupted size vs.",
                                   "corrupted double-linked",
                                   "consolidate(): ", "Scudo ERROR: ", NULL},
    .line = glibc_line,
};
