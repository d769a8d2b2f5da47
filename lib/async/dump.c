/* async/dump.c -- a pool's figures, the list of all that lives in it, and the log line for a
 * failure that was never retrieved.
 *
 * A dump takes one lock after the other, never two: the pool's for tasks (queue, workers, put
 * aside), the timers' for what sleeps, those of the lists of all else (live.c). Under each it only
 * takes counts on what it finds. Then, without a lock, each describes itself by the method of its
 * kind, which takes the locks it needs, and is released. What ends in between is left out; what
 * begins in between may be, too. */
#include "async/dump.h"

#include "async/context.h"
#include "async/pool.h"
#include "async/runq.h"
#include "async/sleep.h"
#include "async/stats.h"
#include "async/task.h"

#include "base/bytes.h"
#include "base/options.h"
#include "log/escape.h"
#include "log/producer.h"

#include <errno.h>
#include <stdlib.h>
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
    errand_pool_stats s = {
        .queued = pool->waiting,
        .running = pool->busy + pool->lent - pool->housed + pool->guests,
        .done = sums[ER_DONE],
        .failed = sums[ER_FAILED],
        .cancelled = sums[ER_CANCELLED],
        .abandoned = abandoned > 0 ? (uint64_t)abandoned : 0,
        .longest_wait_ns = er_load_relaxed(&pool->longest_wait_ns)
    };
    er_pool_unlock(pool);
    s.wait_p50_ns = (int64_t)er_histogram_at(&pool->waits, 0.5);
    s.wait_p99_ns = (int64_t)er_histogram_at(&pool->waits, 0.99);
    s.run_p50_ns = (int64_t)er_histogram_at(&pool->runs, 0.5);
    s.run_p99_ns = (int64_t)er_histogram_at(&pool->runs, 0.99);
    er_pool_release(pool);
    return er_options_give(out, size, &s, sizeof s);
}

/* ---- what is alive: found and counted, under one lock after the other ---- */

typedef enum place {
    LISTED,
    ASLEEP,
    ON_WORKER,
    NESTED,
    IN_CALLER,
    ASIDE,
    QUEUED,
    QUEUED_FIRST,
    NO_ROOM
} place;

typedef struct sight {
    er_cell *cell; /* a task, or what sleeps; NULL: */
    er_live *live; /* something else */
    const er_live_kind *kind;
    const void *site;
    int64_t since_ns;
    place place;
    unsigned worker;
} sight;

typedef struct listing {
    er_bytes sights, lines, text;
    size_t missing; /* for want of memory */
} listing;

/* false: there is no memory, and it is not counted */
static bool see(listing *l, const sight *seen)
{
    er_bytes_add(&l->sights, seen, sizeof *seen);
    if (l->sights.error) l->missing++;
    return !l->sights.error;
}

static void see_task(listing *l, er_task *task, sight seen)
{
    seen.cell = &task->cell;
    seen.site = task->site;
    if (see(l, &seen)) er_cell_keep(&task->cell);
}

static void see_tasks(listing *l, errand_pool *pool) /* under its lock */
{
    int64_t now_ms = er_coarse_ns() / ER_MS;
    er_list_each(n, &pool->all) {
        er_worker *w = er_of(n, er_worker, node);
        sight seen = {
            .place = ON_WORKER, .worker = w->number, .since_ns = er_load_relaxed(&w->began_ns)
        };
        if (w->task) see_task(l, w->task, seen);
    }
    er_list_each(n, &pool->guest_list) {
        const er_guest *guest = er_of(n, er_guest, node);
        see_task(l, guest->task, (sight){ .place = IN_CALLER, .since_ns = guest->began_ns });
    }
    er_list_each(n, &pool->aside) {
        er_task *task = er_of(n, er_task, aside);
        int64_t since_ms = now_ms - (uint32_t)((uint32_t)now_ms - task->aside_ms);
        see_task(l, task, (sight){ .place = ASIDE, .since_ns = since_ms * ER_MS });
    }
    const er_list *lists[] = { &pool->urgent, &pool->tasks };
    for (int i = 0; i < 2; i++) {
        er_list_each(n, lists[i]) {
            er_task *task = er_job_task(er_of(n, er_job, link));
            if (task)
                see_task(l, task,
                         (sight){ .place = i ? QUEUED : QUEUED_FIRST, .since_ns = task->stamp });
        }
    }
    er_list_each(n, &pool->submitters) {
        er_task *task = er_of(n, er_watcher, node)->task;
        if (task) see_task(l, task, (sight){ .place = NO_ROOM, .since_ns = task->stamp });
    }
}

/* Tasks that run in place on the stack of the one that awaits them. They are appended, so each is
 * visited in its turn. */
static void see_nested(listing *l)
{
    for (size_t at = 0; at < l->sights.size; at += sizeof(sight)) {
        sight seen;
        memcpy(&seen, l->sights.at + at, sizeof seen);
        if (seen.place != ON_WORKER && seen.place != NESTED) return;
        er_task *task = er_of(seen.cell, er_task, cell);
        er_cell *nested = er_task_nested(task);
        if (!nested) continue;
        seen.place = NESTED;
        see_task(l, er_of(nested, er_task, cell), seen);
        er_cell_release(nested);
    }
}

static void see_sleeper(er_timer *timer, void *arg)
{
    er_cell *cell = er_sleeper_of(timer);
    if (!cell) return;
    sight seen = { .cell = cell,
                   .site = cell->begun.live.site,
                   .since_ns = cell->begun.since_ns,
                   .place = ASLEEP };
    if (see(arg, &seen)) er_cell_keep(cell);
}

static void see_live(er_live *live, void *arg)
{
    sight seen = { .live = live, .kind = live->kind, .site = live->site, .place = LISTED };
    listing *l = arg;
    if (er_bytes_reserve(&l->sights, sizeof seen)) {
        l->missing++;
        return;
    }
    seen.since_ns = live->kind->keep(live);
    see(l, &seen);
}

/* ---- described, without a lock ---- */

typedef struct line {
    int64_t since_ns;
    size_t at, size; /* of its text */
    const void *site;
} line;

static void say_place(const sight *seen, er_description *d)
{
    static const char *const words[] = {
        [IN_CALLER] = "in the thread that submitted it",
        [ASIDE] = "holds no worker",
        [QUEUED] = "queued",
        [QUEUED_FIRST] = "queued first",
        [NO_ROOM] = "not queued, waits for room"
    };
    if (seen->place == ON_WORKER) er_describe(d, "on worker %u", seen->worker);
    else if (seen->place == NESTED)
        er_describe(d, "on worker %u, run by the task that awaits it", seen->worker);
    else if (seen->place >= IN_CALLER) er_describe(d, "%s", words[seen->place]);
}

static void put_column(er_text *to, const char *text, size_t width)
{
    size_t begin = to->size;
    er_escape_text(to, text, strlen(text));
    if (to->size - begin < width) er_text_pad(to, ' ', width - (to->size - begin));
    er_text_put(to, ' ');
}

static void put_line(er_text *to, const er_description *d, int64_t now)
{
    char age[24];
    int64_t ms = (now - d->since_ns) / ER_MS;
    snprintf(age, sizeof age, "%12lld", (long long)(ms > 0 ? ms : 0));
    er_text_clear(to);
    put_column(to, age, 12);
    put_column(to, d->what, 10);
    put_column(to, d->name ? d->name : "-", 20);
    er_escape_text(to, d->state, strlen(d->state));
    if (d->key) {
        er_text_say(to, ", key ");
        er_escape_text(to, d->key, strlen(d->key));
    }
    if (d->cancelled) {
        er_text_say(to, ", cancelled: ");
        er_text_say(to, errand_reason_name(d->cancelled));
    }
    er_text_say(to, ", submitted at ");
    er_text_end(to);
}

static void describe(listing *l, const sight *seen, er_text *scratch, int64_t now)
{
    er_description d = { .since_ns = seen->since_ns };
    say_place(seen, &d);
    if (seen->cell) er_cell_describe(seen->cell, &d);
    else seen->kind->describe(seen->live, &d);
    if (d.what) {
        put_line(scratch, &d, now);
        line one = {
            .since_ns = d.since_ns, .at = l->text.size, .size = scratch->size, .site = seen->site
        };
        er_bytes_add(&l->text, scratch->at, scratch->size);
        if (!l->text.error) er_bytes_add(&l->lines, &one, sizeof one);
        if (l->text.error || l->lines.error) l->missing++;
    }
    if (seen->cell) er_cell_release(seen->cell);
    else seen->kind->release(seen->live);
}

static int by_since(const void *a, const void *b)
{
    const line *one = a, *other = b;
    if (one->since_ns != other->since_ns) return one->since_ns < other->since_ns ? -1 : 1;
    return one->at < other->at ? -1 : one->at > other->at;
}

static void describe_all(listing *l)
{
    er_text scratch = { .at = NULL };
    int64_t now = er_coarse_ns();
    bool can = er_text_open(&scratch, 512, 2048) == 0;
    for (size_t at = 0; at < l->sights.size; at += sizeof(sight)) {
        sight seen;
        memcpy(&seen, l->sights.at + at, sizeof seen);
        if (can) {
            describe(l, &seen, &scratch, now);
            continue;
        }
        l->missing++;
        if (seen.cell) er_cell_release(seen.cell);
        else seen.kind->release(seen.live);
    }
    if (can) er_text_close(&scratch);
    er_bytes_free(&l->sights);
    if (l->lines.size) qsort(l->lines.at, l->lines.size / sizeof(line), sizeof(line), by_since);
}

/* Symbols are looked up here, without a lock: the loader's may be held by a thread that
 * waits for this pool. */
static int write_all(const listing *l, FILE *to)
{
    bool well = true;
    for (size_t at = 0; well && at < l->lines.size; at += sizeof(line)) {
        line one;
        char symbol[96];
        memcpy(&one, l->lines.at + at, sizeof one);
        well = fwrite(l->text.at + one.at, 1, one.size, to) == one.size &&
               fprintf(to, "%s\n", er_symbol(one.site, symbol, sizeof symbol)) >= 0;
    }
    if (well && l->missing)
        well = fprintf(to, "and %zu more, for which there is no memory\n", l->missing) >= 0;
    if (!well) return EIO;
    return l->missing ? ENOMEM : 0;
}

int errand_pool_dump(errand_pool *pool, FILE *to)
{
    if (!pool || !to) return EINVAL;
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    listing l = { .missing = 0 };
    char head[256];
    er_pool_keep(pool); /* another thread may close it meanwhile */
    size_t asleep = er_timers_asleep(pool->ref.timers);
    er_pool_lock(pool); /* memory is taken under it: this is for people, not for speed */
    er_format_plain(head, sizeof head,
                    "%u running, %u of them waiting, %u queued, %zu asleep, %u threads, %u service",
                    pool->busy + pool->lent - pool->housed + pool->guests, pool->lent,
                    pool->waiting, asleep, pool->threads, pool->services);
    see_tasks(&l, pool);
    er_pool_unlock(pool);
    see_nested(&l);
    er_timers_each(pool->ref.timers, see_sleeper, &l);
    er_live_each(pool, see_live, &l);
    size_t seen = l.sights.size / sizeof(sight) + l.missing;
    describe_all(&l);
    int error =
        fprintf(to, "pool %s: %s, %zu operations\n", pool->ref.name, head, seen) < 0 ? EIO : 0;
    const char *titles = "      for ms what       name                 where, waits for\n";
    if (!error && seen) error = fputs(titles, to) < 0 ? EIO : 0;
    if (!error) error = write_all(&l, to);
    er_bytes_free(&l.lines);
    er_bytes_free(&l.text);
    er_pool_release(pool);
    return error;
}

/* ---- failures that were never retrieved ---- */

void er_pool_unretrieved(errand_pool *pool, const errand_result *r, const char *name,
                         const void *site)
{
    if (!r->error || er_result_cancelled(r) || er_pool_dead(pool) || !er_pool_log(pool)) return;
    bool logged = false;
    if (site) {
        er_pool_lock(pool);
        const void **home = &pool->sites[((uintptr_t)site >> 2) % ER_SITES], **slot = home;
        for (unsigned i = 0; i < ER_SITES && *slot && *slot != site; i++)
            slot = slot + 1 < pool->sites + ER_SITES ? slot + 1 : pool->sites;
        logged = *slot == site;
        *slot = site; /* no place left: replaces the one at `home` */
        er_pool_unlock(pool);
    }
    if (logged) return;
    char symbol[96];
    er_symbol(site, symbol, sizeof symbol);
    er_log_warn(er_pool_log(pool), "failure never retrieved: %s: %s (submitted at %s)",
                name ? name : "(no name)", errand_result_message(r), symbol);
}
