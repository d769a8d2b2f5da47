/* First rounds choose the best peer; then errand and it take turns. */
#include "contest.h"
#include "trial.h"
#ifdef BENCH_WEB
#include "web.h"
#endif

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
#ifdef BENCH_WEB
#define WEB(side) &(side)
#else
#define WEB(side) NULL
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
    { "libuv", OF_TASKS_AND_TIMERS, UV(bench_uv) },
    { "libuv-array", OF_TASKS, UV(bench_uv_array) },
    { "asio", OF_TASKS_AND_TIMERS, ASIO(bench_asio) },
    { "tbb", OF_TASKS, TBB(bench_tbb) },
    { "glib", OF_TASKS, GLIB(bench_glib) },
    { "bare-parkers", OF_TRIPS, &bench_parkers },
    { "glibc", OF_GATES, &bench_posix },
    { "spdlog", OF_LOGS, SPDLOG(bench_spdlog) },
    { "bare-loop", OF_LOOPS, &bench_loop },
    { "curl-multi", OF_WEB, WEB(bench_multi) },
    { "curl-easy", OF_WEB, WEB(bench_easy) },
    { "curl", OF_WEB, WEB(bench_curl) },
    { "errand-no-journal", OF_WEB, WEB(bench_no_journal) },
};

#ifdef BENCH_WEB
/* before the trials, which are forks */
static bool web_ready(void) { return web_server() != NULL; }
static bool web_can(const bench_side *side, load_fn *load)
{
    if (load == load_web_posts) return side == &bench_no_journal;
    if (load == load_web_batch || load == load_web_journal) return side == &bench_curl;
    return load != load_web_cancel && side->web->get != NULL;
}
#else
static bool web_ready(void) { return false; }
static bool web_can(const bench_side *side, load_fn *load) { return side == NULL && load == NULL; }
#endif

static bool of_web(const measure *m) { return strncmp(m->lines[0].name, "http/", 5) == 0; }

static bool serves(const measure *m, const bench_peer *peer)
{
    const bool timers = m->load == load_timers || m->load == load_late ||
                        m->load == load_timer_size;
    const bool calls = m->load == load_log_latency || m->load == load_log_disabled;
    const bool log = calls || m->load == load_log_throughput || m->load == load_log_idle;
    switch (peer->kind) {
    case OF_TASKS_AND_TIMERS:
        if (timers) return true;
        break;
    case OF_TASKS: break;
    case OF_TRIPS: return m->load == load_trips || m->load == load_trips_idle;
    case OF_GATES: return m->load == load_gate || m->load == load_lease;
    case OF_LOGS: return log;
    case OF_LOOPS: return calls;
    case OF_WEB: return of_web(m) && (peer->side == NULL || web_can(peer->side, m->load));
    }
    return !timers && !log && !of_web(m) && m->load != load_gate && m->load != load_lease;
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
            if (round > 0 &&
                (r->done[i] == 0 || (r->first[i][0].cost > near && m->against == NULL)))
                continue;
            if (trial(side, m->load, &m->size, &r->first[i][r->done[i]])) r->done[i]++;
            else t->failed++;
            if (round == 0 && r->done[i] > 0 && !side->yardstick &&
                (least <= 0 || r->first[i][0].cost < least))
                least = r->first[i][0].cost;
        }
    }
    for (int i = 0; i < PEERS; i++) {
        if (r->done[i] == 0 || bench_peers[i].side->yardstick) continue;
        if (m->against != NULL && strcmp(m->against, bench_peers[i].name) != 0) continue;
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
    if (of_web(m) && !web_ready()) return;
    memset(&r, 0, sizeof r);
    find_best(m, &r, t);
    const bool other = m->other.n > 0,
               paired = other || (r.best_peer >= 0 && m->lines[0].of != FIGURE_AT_MOST);
    const bench_side *against = NULL;
    if (other) against = &bench_errand;
    else if (paired) against = bench_peers[r.best_peer].side;
    const load_size *size = other ? &m->other : &m->size;
    for (r.pairs = 0; r.pairs < pairs; r.pairs++) {
        bool done = true;
        for (int turn = 0; turn < 2 && done; turn++) {
            if ((turn == 0) == (r.pairs % 2 == 0))
                done = trial(&bench_errand, m->load, &m->size, &r.errand[r.pairs]);
            else if (paired) done = trial(against, m->load, size, &r.best[r.pairs]);
        }
        if (!done) {
            record_write_failure(m, t);
            return;
        }
    }
    record_write(m, &r, t);
}
