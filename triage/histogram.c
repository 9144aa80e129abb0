#include "triage/histogram.h"

#include <stdio.h>

#include "base/auto.h"

enum { MILLI = 1000, MICRO = 1000000 };

/* A minute to 90 days, the longest deadline. */
static const double days[] = {60,     300,    900,     3600,    14400,  86400,
                              259200, 604800, 1209600, 2592000, 7776000};
static const double steps[] = {0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600};
static const double ratios[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1};

const struct histogram histogram_detection = {"bug_detection", days, COUNT(days), MILLI};
const struct histogram histogram_fix = {"bug_fix", days, COUNT(days), MILLI};
const struct histogram histogram_triage = {"triage_duration", steps, COUNT(steps), MILLI};
const struct histogram histogram_minimize = {"minimize_ratio", ratios, COUNT(ratios),
                                             MICRO};
const struct histogram histogram_gate = {"gate_duration", steps, COUNT(steps), MILLI};

const struct histogram *
histogram_at(size_t i)
{
    static const struct histogram *const all[] = {&histogram_detection, &histogram_fix,
                                                  &histogram_triage, &histogram_minimize,
                                                  &histogram_gate};

    return i < COUNT(all) ? all[i] : NULL;
}

size_t
histogram_bucket(const struct histogram *histogram, double value)
{
    size_t i = 0;

    while (i < histogram->n && value > histogram->bounds[i]) {
        i++;
    }
    return i;
}

void
histogram_le(const struct histogram *histogram, size_t bucket, char out[HISTOGRAM_LE_MAX])
{
    if (bucket >= histogram->n) {
        (void)snprintf(out, HISTOGRAM_LE_MAX, "+Inf");
    } else {
        (void)snprintf(out, HISTOGRAM_LE_MAX, "%.10g", histogram->bounds[bucket]);
    }
}
