/* figures.h -- time, and what many figures say together. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stddef.h>
#include <stdint.h>

int64_t figures_now(void); /* ns, monotonic */
int64_t figures_cpu(void); /* ns of processor that this process has used, all threads */

double figures_at(double *figures, size_t n, double part); /* sorts them; part 0.5 is the median */

#endif
