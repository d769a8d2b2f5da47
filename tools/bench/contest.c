/* First rounds choose the best peer; then errand and it take turns. */
#include "contest.h"
#include "trial.h"

#include <string.h>

#ifdef BENCH_UV
#define UV(side) &(side)
#else
#define UV(side) NULL
#endif
#ifdef BENCH_ASIO
#define ASIO(side) &(side)
#else
#define ASIO(side) NULL
#endif
#ifdef BENCH_TBB
#define TBB(side) &(side)
#else
#define TBB(side) NULL
#endif
#ifdef BENCH_GLIB
#define GLIB(side) &(side)
#else
#define GLIB(side) NULL
#endif

#ifdef BENCH_SPDLOG
#define SPDLOG(side) &(side)
#else
#define SPDLOG(side) NULL
#endif

const bench_peer bench_peers[PEERS] = {
    { "libuv", true, false, UV(bench_uv) },
    { "libuv-array", false, false, UV(bench_uv_array) },
    { "asio", true, false, ASIO(bench_asio) },
    { "tbb", false, false, TBB(bench_tbb) },
    { "glib", false, false, GLIB(bench_glib) },
    { "bare-parkers", false, false, &bench_parkers },
    { "glibc", false, false, &bench_posix },
    { "spdlog", false, true, SPDLOG(bench_spdlog) },
    { "bare-loop", false, true, &bench_loop },
};

static bool serves(const measure *m, const bench_peer *peer)
{
    const bool log = m->load == load_log_latency || m->load == load_log_throughput || m->load == load_log_disabled ||
                     m->load == load_log_idle;
    if (log != peer->logs) return false;
    if (log) return peer->side != &bench_loop || m->load == load_log_latency || m->load == load_log_disabled;
    if (m->load == load_timers || m->load == load_late || m->load == load_timer_size) return peer->timers;
    if (m->load == load_gate || peer->side == &bench_posix) return m->load == load_gate && peer->side == &bench_posix;
    return peer->side != &bench_parkers || m->load == load_trips || m->load == load_trips_idle;
}

/* All peers once, then those within twice the best again: a single run may have been unlucky. */
static void find_best(const measure *m, record *r, tally *t)
{
    r->best_peer = -1;
    if (m->alone || m->other.n > 0) return;
    double least = 0;
    for (int round = 0; round < FIRST; round++) {
        const double near = 2 * least;
        for (int i = 0; i < PEERS; i++) {
            const bench_side *side = bench_peers[i].side;
            r->tried[i] = serves(m, &bench_peers[i]);
            if (side == NULL || !r->tried[i]) continue;
            if (round > 0 && (r->done[i] == 0 || r->first[i][0].cost > near)) continue;
            if (trial(side, m->load, &m->size, &r->first[i][r->done[i]])) r->done[i]++;
            else t->failed++;
            if (round == 0 && r->done[i] > 0 && !side->yardstick && (least <= 0 || r->first[i][0].cost < least))
                least = r->first[i][0].cost;
        }
    }
    for (int i = 0; i < PEERS; i++) {
        if (r->done[i] == 0 || bench_peers[i].side->yardstick) continue;
        const double cost = record_median(r->first[i], r->done[i], COST);
        if (r->best_peer < 0 || cost < least) {
            r->best_peer = i;
            least = cost;
        }
    }
}

void contest(const measure *m, size_t pairs, tally *t)
{
    static record r;
    memset(&r, 0, sizeof r);
    find_best(m, &r, t);
    const bool other = m->other.n > 0, paired = other || (r.best_peer >= 0 && m->lines[0].of != FIGURE_AT_MOST);
    const bench_side *against = other ? &bench_errand : paired ? bench_peers[r.best_peer].side : NULL;
    const load_size *size = other ? &m->other : &m->size;
    for (r.pairs = 0; r.pairs < pairs; r.pairs++) {
        bool done = true;
        for (int turn = 0; turn < 2 && done; turn++) {
            if ((turn == 0) == (r.pairs % 2 == 0)) done = trial(&bench_errand, m->load, &m->size, &r.errand[r.pairs]);
            else if (paired) done = trial(against, m->load, size, &r.best[r.pairs]);
        }
        if (!done) {
            record_write_failure(m, t);
            return;
        }
    }
    record_write(m, &r, t);
}
