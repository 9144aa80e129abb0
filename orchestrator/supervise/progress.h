/*
 * What a person sees while fuzzing goes on: on a terminal a few lines that are redrawn in
 * place, elsewhere one line a minute. Rendering is pure; the printer keeps the terminal's
 * cursor and the clock.
 *
 * Threat: names and reasons may carry a target's bytes; nothing reaches the terminal
 * unescaped.
 */
#ifndef ORCHESTRATOR_SUPERVISE_PROGRESS_H
#define ORCHESTRATOR_SUPERVISE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "orchestrator/supervise/state.h"

enum {
    PROGRESS_COLUMNS = 80,
    PROGRESS_ROWS_MAX = 12,       /* workers shown */
    PROGRESS_DRAW_MS = 500,       /* between two redraws of a terminal */
    PROGRESS_LINE_MS = 60 * 1000, /* between two lines elsewhere */
};

struct progress_row {
    const char *name; /* borrowed, as all here */
    enum worker_state state;
    double execs_per_sec;
    int64_t edges, corpus, finds;
    const char *reason; /* "" or why it is in its state */
};

struct progress {
    const char *phase; /* "fuzzing" "stopping" "triaging" */
    int64_t elapsed_ms;
    int64_t limit_ms; /* of the phase; 0: none */
    int workers[WORKER_STATES];
    double execs_per_sec;
    int64_t execs, edges, corpus;
    int64_t crashes; /* files that reached the ledger */
    int64_t fresh;   /* of them, bytes not seen before */
    int64_t new_bugs, bugs;
    int64_t queued, triaging, minimizing;
    const struct progress_row *rows;
    size_t n_rows;
};

/* The block for a terminal: lines of at most `columns` columns, each with its newline.
 * Appends. */
void progress_block(struct buf *out, const struct progress *progress, int columns);

/* One line without a newline. Appends. */
void progress_line(struct buf *out, const struct progress *progress);

/* 950, 1234, 56.7k, 1.23M, 4.5G. */
void progress_count(char *out, size_t size, double value);

/* --- the printer --- */

struct progress_printer {
    FILE *out;
    bool live;     /* out is a terminal */
    int drawn;     /* lines of the block that stand on it */
    int64_t at_ms; /* of the last output; 0: none yet */
};

/* Show, if it is time (`force`: in any case). */
void progress_show(struct progress_printer *printer, const struct progress *progress,
                   bool force);

/* A line of its own, which stays. */
void progress_say(struct progress_printer *printer, const char *text);

/* Take the block away. */
void progress_end(struct progress_printer *printer);

#endif
