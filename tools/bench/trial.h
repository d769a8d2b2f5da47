/* trial.h -- one side under one load, once, in a process of its own. */
#ifndef BENCH_TRIAL_H
#define BENCH_TRIAL_H

#include "loads.h"

/* False: the side cannot, or failed, or did not end within two minutes (then
 * its process is killed). */
bool trial(const bench_side *side, load_fn *load, const load_size *size, load_run *run);

#endif
