/* async/dump.c -- a pool's figures, the list of all that lives in it, and the log line for a failure that no caller has
 * looked at. */
#include "async/dump.h"

#include "async/context.h"
#include "async/pool.h"
#include "async/runq.h"
#include "async/stats.h"

#include "base/bytes.h"
#include "base/options.h"
#include "log/producer.h"

#include <errno.h>
#include <string.h>

int errand_pool_stats_sized(errand_pool *pool, errand_pool_stats *out, size_t size)
{
    if (!pool || !out) return EINVAL;
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    uint64_t sums[3];
    er_pool_keep(pool); /* another thread may close it meanwhile */
    er_pool_lock(pool);
    for (int i = 0; i < 3; i++) {
        sums[i] = er_load_relaxed(&pool->outcomes[i]);
        er_list_each(n, &pool->all) {
            sums[i] += er_load_relaxed(&er_of(n, er_worker, node)->outcomes[i]);
        }
    }
    int64_t abandoned = er_load_relaxed(&pool->ref.abandoned);
    errand_pool_stats s = { .queued = pool->waiting,
                            .running = pool->busy + pool->lent - pool->housed,
                            .done = sums[ER_DONE],
                            .failed = sums[ER_FAILED],
                            .cancelled = sums[ER_CANCELLED],
                            .abandoned = abandoned > 0 ? (uint64_t)abandoned : 0,
                            .longest_wait_ns = er_load_relaxed(&pool->longest_wait_ns) };
    er_pool_unlock(pool);
    s.wait_p50_ns = (int64_t)er_histogram_at(&pool->waits, 0.5);
    s.wait_p99_ns = (int64_t)er_histogram_at(&pool->waits, 0.99);
    s.run_p50_ns = (int64_t)er_histogram_at(&pool->runs, 0.5);
    s.run_p99_ns = (int64_t)er_histogram_at(&pool->runs, 0.99);
    er_pool_release(pool);
    return er_options_give(out, size, &s, sizeof s);
}

/* ---- what is alive ---- */

/* Symbols are looked up when the pool's lock has been given: the loader's lock may be held by somebody who waits for this pool. */
typedef struct mark { /* where one is to stand in the text */
    size_t at;
    const void *site;
} mark;

typedef struct listing {
    er_bytes text, marks;
} listing;

static void end_line(listing *l, const void *site)
{
    er_bytes_text(&l->text, ", submitted at ");
    er_bytes_add(&l->marks, &(mark){ l->text.size, site }, sizeof(mark));
    er_bytes_text(&l->text, "\n");
}

static er_bytes with_symbols(listing *l)
{
    er_bytes text = { .error = l->text.error ? l->text.error : l->marks.error };
    size_t done = 0;
    for (size_t i = 0; i < l->marks.size; i += sizeof(mark)) {
        mark m;
        char symbol[96];
        memcpy(&m, l->marks.at + i, sizeof m);
        er_bytes_add(&text, l->text.at + done, m.at - done);
        er_bytes_text(&text, er_symbol(m.site, symbol, sizeof symbol));
        done = m.at;
    }
    if (l->text.at) er_bytes_add(&text, l->text.at + done, l->text.size - done);
    er_bytes_free(&l->text);
    er_bytes_free(&l->marks);
    return text;
}

static void tell_task(listing *l, er_task *task, const char *state, int64_t for_ns)
{
    const char *doing = "", *what = "";
    er_cell_lock(&task->cell);
    const er_cell *input = task->flags & ER_FOLLOWS ? task->input : NULL; /* as long as the bit is held it stays */
    if (input) {
        doing = task->queued == ER_ASIDE ? " " : ", follows ";
    } else if (task->blocked) {
        input = task->blocked->input;
        doing = input ? ", awaits " : ", waits";
        if (task->blocked->room) {
            doing = ", waits for room in the queue of ";
            what = er_pool_ref_of(task->blocked->room)->name;
        }
    }
    const char *name = input ? er_cell_label(input).name : NULL;
    if (input) what = name ? name : "a future";
    er_cell_unlock(&task->cell);
    errand_reason told = er_cell_told(&task->cell);
    const char *key = er_context_key(task->context);
    er_bytes_format(&l->text, "  %s: %s%s%s, since %.3f s%s%s%s%s", task->name ? task->name : "(no name)", state, doing, what,
                    (double)for_ns / 1e9, told ? ", told to end: " : "", told ? errand_reason_name(told) : "",
                    key ? ", key " : "", key ? key : "");
    end_line(l, task->site);
}

static void tell_tasks(listing *l, const errand_pool *pool, int64_t now) /* under its lock */
{
    er_list_each(n, &pool->all) {
        er_worker *w = er_of(n, er_worker, node);
        char state[48];
        snprintf(state, sizeof state, "on worker %u", w->number);
        if (w->task) tell_task(l, w->task, state, now - er_load_relaxed(&w->began_ns));
    }
    er_list_each(n, &pool->aside) {
        er_task *task = er_of(n, er_task, aside);
        tell_task(l, task, "holds no worker, waits for", (int64_t)((uint32_t)(now / ER_MS) - task->aside_ms) * ER_MS);
    }
    er_list_each(n, &pool->idle) {
        const er_idle *idle = er_of(n, er_idle, node);
        idle->tell(idle, &l->text);
        end_line(l, idle->site);
    }
    const er_list *lists[] = { &pool->urgent, &pool->tasks };
    for (int i = 0; i < 2; i++) {
        er_list_each(n, lists[i]) {
            er_task *task = er_job_task(er_of(n, er_job, link));
            if (task) tell_task(l, task, i ? "queued" : "queued first", now - task->stamp);
        }
    }
}

int errand_pool_dump(errand_pool *pool, FILE *to)
{
    if (!pool || !to) return EINVAL;
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    listing l = { 0 };
    er_pool_keep(pool); /* another thread may close it meanwhile */
    size_t asleep = er_timers_asleep(pool->ref.timers);
    er_pool_lock(pool); /* memory is taken under it: this is for people, not for speed */
    er_bytes_format(&l.text, "pool %s: %u running, %u of them waiting, %u queued, %zu asleep, %u threads, %u service\n",
                    pool->ref.name, pool->busy + pool->lent - pool->housed, pool->lent, pool->waiting, asleep,
                    pool->threads, pool->services);
    tell_tasks(&l, pool, er_coarse_ns());
    er_pool_unlock(pool);
    er_pool_release(pool);
    er_bytes text = with_symbols(&l);
    int error = text.error;
    if (!error && fwrite(text.at, 1, text.size, to) != text.size) error = EIO;
    er_bytes_free(&text);
    return error;
}

/* ---- what nobody looked at ---- */

void er_pool_unheard(errand_pool *pool, const errand_result *r, const char *name, const void *site)
{
    if (!r->error || er_result_cancelled(r) || er_pool_dead(pool) || !er_pool_log(pool)) return;
    bool told = false;
    if (site) {
        er_pool_lock(pool);
        const void **home = &pool->sites[((uintptr_t)site >> 2) % ER_SITES], **slot = home;
        for (unsigned i = 0; i < ER_SITES && *slot && *slot != site; i++)
            slot = slot + 1 < pool->sites + ER_SITES ? slot + 1 : pool->sites;
        told = *slot == site;
        *slot = site; /* all places taken: the one it was looked for first is given up */
        er_pool_unlock(pool);
    }
    if (told) return;
    char symbol[96];
    er_symbol(site, symbol, sizeof symbol);
    er_log_warn(er_pool_log(pool), "nobody looked at this failure: %s: %s (submitted at %s)", name ? name : "(no name)",
                errand_result_message(r), symbol);
}
