#include "triage/shrink/strategy.h"

const struct strategy *const strategies[] = {&strategy_ends,
                                             &strategy_trees,
                                             &strategy_lines,
                                             &strategy_brackets,
                                             &strategy_blocks,
                                             &strategy_lengths,
                                             &strategy_elements,
                                             &strategy_repeats,
                                             &strategy_tokens,
                                             &strategy_windows,
                                             &strategy_dull,
                                             &strategy_numbers,
                                             NULL};
