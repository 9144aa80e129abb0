/*
 * Which edges of a libFuzzer build lie in functions that a change touches.
 *
 * The build's section __sancov_pcs has an address for each edge, in the order in which
 * libFuzzer counts them (LLVM: SanitizerCoverage.cpp, FuzzerTracePC.cpp), so that an
 * input's features tell its edges. llvm-symbolizer tells the function of each address,
 * with those that were inlined. A function reaches from its first line to the next one's;
 * lines before the first function of a file (types, macros) are every function's of it.
 *
 * Threat: the program is hostile. It is read with all offsets checked, and symbolized in
 * a sandbox; it can only order its own seeds worse.
 */
#ifndef ORCHESTRATOR_GATE_EDGES_H
#define ORCHESTRATOR_GATE_EDGES_H

#include "orchestrator/gate/affected.h"
#include "triage/sandbox.h"

enum { EDGES_MAX = 1 << 18 };

struct edges {
    bool *changed; /* of each edge */
    size_t n;
    size_t n_changed;
};
void edges_clear(struct edges *edges);
AUTO_DEFINE_CLEAR(struct edges, edges_clear)

/* The addresses of a program's edges, *n of them, new. -ENODATA: it has no such table, or
 * more than EDGES_MAX, or one that its counters do not match. */
int edges_addresses(const char *program, uint64_t **out, size_t *n, struct err *err);

/* -ENODATA as above; -ENOENT: no llvm-symbolizer. */
int edges_of_change(const char *program, const struct change *change,
                    enum sandbox_rung rung, struct edges *out, struct err *err);

/* What llvm-symbolizer --verbose says of n addresses, text[0..len): whose edge is the
 * change's. -EBADMSG: it says something of more or fewer. */
int edges_read(const char *text, size_t len, const struct change *change, size_t n,
               struct edges *out, struct err *err);

#endif
