/*
 * A strategy: a way to think of smaller inputs. One file and one row in the table of
 * strategy.c. It goes once through the best input so far, from the back to the front at
 * one grain (the number of bytes that it tries to take away at a time; the search halves
 * it), and says what it would change; how the candidate is made from that, with its
 * lengths and checksums, and whether it is taken, is not its business.
 *
 * Candidates are asked for on the assumption that none before succeeds. When one does,
 * what came after it is forgotten, and the strategy goes on from the cursor as it was
 * after that candidate, on a new sketch: so a cursor holds only places that a change
 * behind it does not move.
 */
#ifndef TRIAGE_SHRINK_STRATEGY_H
#define TRIAGE_SHRINK_STRATEGY_H

#include "triage/shrink/layout.h"

struct sketch {
    struct buf bytes; /* the best so far */
    struct layout layout;
    bool text; /* nearly all of it can be printed */
    /* Nothing more came of what is likely: what is not, at many runs for a byte, has its
     * turn. */
    bool desperate;
};

struct cursor {
    size_t at;    /* begins with the length of the input */
    size_t again; /* further tries at this place; begins with 0 */
    size_t stage; /* of a pass that goes through the input several times; begins with 0 */
};

struct step {
    struct edit edit;
    /* Where to go on when it is taken. The search sets it to where the edit ends up at
     * the same stage, unless the strategy did. */
    struct cursor taken;
    bool taken_set;
    bool sure; /* the guesses are no mere guesses: it is not tried without them */
};

static inline void
step_clear(struct step *step)
{
    edit_clear(&step->edit);
}
AUTO_DEFINE_CLEAR(struct step, step_clear)

enum strategy_phase {
    STRATEGY_DELETE, /* makes it shorter; at every grain */
    STRATEGY_PLAIN, /* keeps its length, or nearly, and makes it duller; when nothing more
                       can go */
};

struct strategy {
    enum strategy_phase phase;
    bool text_only;
    /* The next candidate; false at the end of the pass. What it notes about the sketch
     * stands in *plan, made at need (NULL at first, and after each success), freed with
     * mem_free(). */
    bool (*next)(const struct sketch *sketch, size_t grain, struct cursor *cursor,
                 void **plan, struct step *step);
};

enum { STRATEGIES_MAX = 16 };

extern const struct strategy *const strategies[]; /* in the order of a round; NULL ends */

extern const struct strategy strategy_ends, strategy_trees, strategy_blocks,
    strategy_lengths, strategy_elements, strategy_repeats, strategy_lines,
    strategy_brackets, strategy_tokens, strategy_windows, strategy_dull, strategy_numbers;

#endif
