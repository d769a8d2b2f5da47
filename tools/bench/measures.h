/* measures.h -- the list of everything that is measured, with its goals. */
#ifndef BENCH_MEASURES_H
#define BENCH_MEASURES_H

#include "loads.h"

typedef enum line_figure { COST, P99, P999, CPU, ARM, CANCEL, EACH, PEAK } line_figure;
typedef enum line_goal { NO_GOAL, RATIO_AT_MOST, FIGURE_AT_MOST } line_goal;

typedef struct measure_line {
    const char *name; /* NULL: no more */
    const char *unit;
    line_figure figure;
    line_goal of;
    double goal;
} measure_line;

typedef struct measure {
    load_fn *load;
    load_size size;
    load_size other;     /* n is not 0: errand itself at this size is what it is compared with */
    bool alone;          /* no peers */
    const char *against; /* the one peer that the goal is about; NULL: the best */
    measure_line lines[5];
} measure;

extern const measure bench_measures[];
extern const size_t bench_measures_n;

#endif
