/* bare.h -- the size of a timer, which no public header shows. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stddef.h>

size_t bench_timer_size(void);

#endif
