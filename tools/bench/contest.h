/* contest.h -- one measure: every side in turn, and what came of it. */
#ifndef BENCH_CONTEST_H
#define BENCH_CONTEST_H

#include "record.h"

void contest(const measure *m, size_t pairs, tally *t);

#endif
