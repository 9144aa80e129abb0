#include "triage/rate.h"

#include <math.h>
#include <stdio.h>

/* The 97.5 % quantile of the normal distribution: 2.5 % lie beyond each end. */
static const double z = 1.959963984540054;

struct rate
rate_of(int k, int n)
{
    if (n <= 0) {
        return (struct rate){0.0, 1.0};
    }
    double p = (double)k / n;
    double scale = 1.0 + z * z / n;
    double middle = (p + z * z / (2.0 * n)) / scale;
    double half = z / scale * sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n));

    /* the ends are exact there; rounding would give 1e-17 */
    return (struct rate){k == 0 ? 0.0 : middle - half, k == n ? 1.0 : middle + half};
}

void
rate_show(char *out, size_t size, int k, int n)
{
    const struct rate rate = rate_of(k, n);
    int low = (int)lround(rate.low * 100.0);
    int high = (int)lround(rate.high * 100.0);

    if (n <= 0) {
        (void)snprintf(out, size, "never run");
    } else if (k == n) {
        (void)snprintf(out, size, "%d of %d run%s, at least %d %% with 95 %% confidence",
                       k, n, n == 1 ? "" : "s", low);
    } else if (k == 0) {
        (void)snprintf(out, size, "0 of %d run%s, at most %d %% with 95 %% confidence", n,
                       n == 1 ? "" : "s", high);
    } else {
        (void)snprintf(out, size, "%d of %d runs, %d %% to %d %% with 95 %% confidence",
                       k, n, low, high);
    }
}
