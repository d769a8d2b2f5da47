/* bench: what errand costs beside its peers, one JSON line a figure. Every figure is a cost.
 *
 *   bench [--quick] [--rounds N] [NAME...]    NAME: the beginning of measures: pool, pool/burst
 *
 * Every trial is a process of its own: two unmeasured rounds of the load, then a measured one.
 * Peers are first tried alone, those near the best three times; the cheapest, the best peer, is
 * then run in pairs with errand, in alternating order: 7 pairs, 3 when quick. `ratio` is the median
 * of the pairs' ratios, `iqr` their interquartile range. "errand" and the best peer's value are
 * medians of the pairs, the other peers' values of the first rounds. A goal is an upper bound for
 * `ratio`, or for "errand" where "goal_on" says so; then only errand is repeated. cpu_errand and
 * cpu_peer are ms of processor in the measured part, all threads. A peer that configure did not
 * find is "missing", one that could not do it "failed".
 *
 * Each side queues the same tasks, a future each, awaited by the submitting thread:
 *   libuv        uv_queue_work, a request on the heap for each, awaited when its callback has run
 *   asio, tbb    a std::future for each
 *   glib         GThreadPool, with the lightest future that can be written with GLib
 *   spdlog       logs only: async, one thread, a queue of 8,192 that blocks when full, one pattern
 *   libuv-array  no peer: uv_queue_work without futures, all requests in one array
 *   bare-parkers no peer: two threads that wake each other and do nothing else
 *   bare-loop    no peer: the clock and the loop around the timed calls, without the calls
 * HTTP: every side sends the same request, byte for byte, and keeps status, headers and body; in
 * the batch each command sends what it always sends. Timers are made, armed, cancelled and released
 * while the clock runs; errand's is an errand_sleep, the peers' are in an array that exists
 * already. Semaphores: errand's try and give beside glibc's sem_trywait and sem_post; leases beside
 * a semaphore and a mutex over an array. */
#include "contest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* with whole words: burst-2 does not begin burst-256 */
static bool begins(const char *name, const char *with)
{
    const size_t n = strlen(with);
    return strncmp(name, with, n) == 0 && !isalnum((unsigned char)name[n]);
}

static bool wanted(const measure *m, char *const names[], size_t n)
{
    if (n == 0) return true;
    for (size_t i = 0; i < n; i++)
        for (const measure_line *line = m->lines; line->name != NULL; line++)
            if (begins(line->name, names[i])) return true;
    return false;
}

static int usage(void)
{
    fprintf(stderr, "usage: bench [--quick] [--rounds N] [NAME...]\nmeasures:\n");
    for (size_t i = 0; i < bench_measures_n; i++)
        for (const measure_line *line = bench_measures[i].lines; line->name != NULL; line++)
            fprintf(stderr, "  %s\n", line->name);
    return 2;
}

int main(int argc, char **argv)
{
    size_t pairs = 7, taken = 0;
    tally t = { 0, 0, 0 };
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        char *end = NULL;
        if (strcmp(argv[at], "--quick") == 0) {
            pairs = 3;
        } else if (strcmp(argv[at], "--rounds") == 0 && at + 1 < argc) {
            pairs = strtoul(argv[++at], &end, 10);
            if (*end != '\0' || pairs < 1 || pairs > MAX_PAIRS) {
                fprintf(stderr, "bench: --rounds wants 1 to %d, not %s\n", MAX_PAIRS, argv[at]);
                return 2;
            }
        } else {
            return usage();
        }
    }
    for (size_t i = 0; i < bench_measures_n; i++) {
        if (!wanted(&bench_measures[i], argv + at, (size_t)(argc - at))) continue;
        contest(&bench_measures[i], pairs, &t);
        taken++;
    }
    if (taken == 0) {
        fprintf(stderr, "bench: no measure has such a name\n");
        return usage();
    }
    fprintf(stderr, "bench: %zu lines, %zu goals missed, %zu runs failed\n", t.lines, t.missed,
            t.failed);
    return t.failed > 0;
}
