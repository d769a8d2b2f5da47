/* bare.h -- what no public header tells. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stddef.h>

size_t bench_timer_size(void);

#endif
