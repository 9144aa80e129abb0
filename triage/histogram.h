/*
 * Distributions that survive everything: counters of the store (store_counters()), one
 * for each bucket and one for the sum. Bounds never change once released: what is counted
 * cannot be sorted anew.
 *
 *   NAME_bucket  the labels and le: the bucket's upper bound as text, "+Inf" for the
 * last; each value is counted once (not cumulated) NAME_sum     the labels; in units of 1
 * / per_unit
 */
#ifndef TRIAGE_HISTOGRAM_H
#define TRIAGE_HISTOGRAM_H

#include <stddef.h>

enum { HISTOGRAM_BOUNDS_MAX = 16, HISTOGRAM_LE_MAX = 24 };

struct histogram {
    const char *name;     /* of its counters */
    const double *bounds; /* upper, ascending; seconds, or a ratio */
    size_t n;             /* bounds; there is one bucket more */
    double per_unit;      /* the sum is kept in integers: 1000 for milliseconds */
};

extern const struct histogram histogram_detection; /* severity, clock: campaign cpu
                                                      pipeline introduced */
extern const struct histogram histogram_fix;       /* severity */
extern const struct histogram histogram_triage;    /* step: ingest triage minimize */
extern const struct histogram histogram_minimize;  /* target; bytes now / bytes before */
extern const struct histogram histogram_gate;      /* verdict */

/* Of n: one for each of the above. */
const struct histogram *histogram_at(size_t i); /* NULL behind the last */

/* The bucket of a value; n for the last. */
size_t histogram_bucket(const struct histogram *histogram, double value);

/* The upper bound of a bucket as text, as metrics have it. */
void histogram_le(const struct histogram *histogram, size_t bucket,
                  char out[HISTOGRAM_LE_MAX]);

#endif
