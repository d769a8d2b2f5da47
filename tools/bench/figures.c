/* Order statistics with linear interpolation; the two clocks. */
#include "figures.h"

#include <stdlib.h>
#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t figures_now(void) { return read_clock(CLOCK_MONOTONIC); }
int64_t figures_cpu(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double figures_at(double *figures, size_t n, double part)
{
    if (n == 0) return 0;
    qsort(figures, n, sizeof *figures, by_size);
    const double where = part * (double)(n - 1);
    const size_t below = (size_t)where;
    if (below + 1 >= n) return figures[n - 1];
    return figures[below] + (where - (double)below) * (figures[below + 1] - figures[below]);
}
