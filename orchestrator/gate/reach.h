/*
 * Which seeds of a target a campaign begins with: those whose run reaches what a change
 * touches (edges.h), or ends in a crash, told by libFuzzer's own merge
 * (corpus/measure.h). Where that cannot be told (no libFuzzer build, no debug
 * information, no bubblewrap), those that came last.
 *
 * Engines then load them before all others (engine/engine.h), so that they are run first,
 * and stand for what others only reach as well.
 */
#ifndef ORCHESTRATOR_GATE_REACH_H
#define ORCHESTRATOR_GATE_REACH_H

#include "orchestrator/gate/affected.h"
#include "triage/sandbox.h"

enum {
    REACH_INPUTS_MAX = 4096, /* that are run: the smallest */
    REACH_NEWEST_MAX = 64,   /* that begin where nothing is known of what they reach */
};

struct reach_call { /* borrowed */
    const char *state;
    struct target *target;
    const struct change *change;
    enum sandbox_rung rung;
    int jobs; /* inputs that are run at a time; 0: cores */
};

/* Unpacks the target's seeds, as the campaign will, and sets target->first. *words (new)
 * says what goes first, and why. */
int reach(const struct reach_call *call, char **words, struct err *err);

#endif
