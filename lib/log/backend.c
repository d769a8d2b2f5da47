/* log/backend.c -- the thread that takes records out of the ring and writes them to the sinks.
 *
 *     ring --batch--> line --pieces--> each sink's buffer --write--> descriptor
 *
 * It writes all there is, then naps a little, so that a steady writer never pays for waking it; if nothing has come by
 * then it sleeps until somebody finds it asleep. It decides that under the lock, so no line can slip between.
 *
 * Lost lines travel with the record that comes after them. If none comes, the backend takes their counts once the ring
 * is empty. Either way they are told at their place, to each sink the number it would have got.
 *
 * The end. close lets it write the rest and joins it. A close that ran out of time leaves the log to it (abandoned):
 * if the write it is stuck in ever returns, it tells what is still in the ring as lost and frees everything. It never
 * ends while a writer waits for room: those are called when the log closes, and the last wakes it. */
#include "log/log.h"
#include "base/atomic.h"
#include "base/clock.h"

#include <errno.h>

#define NAP_NS   (2 * ER_MS)
#define AGAIN_NS (100 * ER_MS) /* until a writer tries again to start the thread */

void er_log_destroy(errand_log *log)
{
    size_t sinks = er_load_acquire(&log->sinks_open); /* acquire: what their opener wrote */
    for (size_t i = 0; i < sinks; i++) er_sink_close(&log->sinks[i]);
    er_ring_close(&log->ring);
    er_free(log->name);
    er_free(log);
}

/* ---- waking ---- */

static void call(er_list *ready, er_log_waiter *w) /* under the lock */
{
    er_list_remove(&w->node);
    w->called = true;
    er_list_push(ready, &w->node);
}

void er_log_call(er_list *ready, er_list *waiting, uint64_t told)
{
    er_node *next;
    for (er_node *node = waiting->head.next; node != &waiting->head; node = next) {
        next = node->next;
        if (er_of(node, er_log_waiter, node)->target <= told) call(ready, er_of(node, er_log_waiter, node));
    }
}

void er_log_wake(er_list *ready) /* without the lock; a waiter may be gone as soon as it is woken */
{
    for (er_node *node; (node = er_list_pop(ready));) {
        er_unpark(&er_of(node, er_log_waiter, node)->parker, ER_LOG_CALLED);
    }
}

/* ---- the backend ---- */

static void add_piece(void *arg, const char *at, size_t size)
{
    errand_log *log = arg;
    size_t sinks = er_load_acquire(&log->sinks_open);
    for (size_t i = 0; i < sinks; i++) {
        if (log->sinks[i].open) er_sink_add(&log->sinks[i], at, size);
    }
}

static void write_line(errand_log *log, const er_log_record *r, const char *message, size_t size, bool *failed)
{
    /* acquire, at each line: a sink that was there before the line was said gets it */
    size_t sinks = er_load_acquire(&log->sinks_open);
    for (size_t i = 0; i < sinks; i++) {
        if (r->level >= log->sinks[i].level) er_sink_begin(&log->sinks[i], failed);
    }
    er_line_write(&log->line, r->wall_ns, log->name, r->level, r->site, message, size);
    for (size_t i = 0; i < sinks; i++) {
        if (log->sinks[i].open) er_sink_end(&log->sinks[i]);
    }
}

/* Each sink is told of those it would have got. Returns how many there were, and forgets them. */
static uint64_t write_gap(errand_log *log, er_log_counts *lost)
{
    uint64_t all = 0;
    size_t sinks = er_load_acquire(&log->sinks_open);
    for (size_t i = 0; i < sinks && lost->any; i++) {
        uint64_t n = 0;
        for (size_t level = 0; level < ER_LOG_LEVELS; level++) {
            if ((int)level >= log->sinks[i].level) n += lost->of[level];
        }
        if (n) er_sink_gap(&log->sinks[i], n);
    }
    for (size_t level = 0; level < ER_LOG_LEVELS; level++) all += lost->of[level];
    *lost = (er_log_counts){ 0 };
    return all;
}

static const er_log_record *next_record(errand_log *log, er_log_counts *lost, const char **message, size_t *size)
{
    const er_log_record *r = er_ring_next(&log->ring, size);
    if (!r) return NULL;
    *message = (const char *)(r + 1);
    *size -= sizeof *r;
    if (r->lost_before) {
        const er_log_counts *before = (const er_log_counts *)(const void *)*message;
        for (size_t i = 0; i < ER_LOG_LEVELS; i++) lost->of[i] += before->of[i];
        lost->any = true;
        *message += sizeof *before;
        *size -= sizeof *before;
    }
    return r;
}

/* Writes a batch, after the lines lost before it. Returns how many lines were told. */
static uint64_t write_batch(errand_log *log, er_log_counts *lost)
{
    uint64_t told = lost->any ? write_gap(log, lost) : 0;
    size_t lines = 0, size, failed = 0;
    const char *message;
    const er_log_record *r;
    while (lines < ER_LOG_BATCH && (r = next_record(log, lost, &message, &size))) {
        if (lost->any) told += write_gap(log, lost);
        log->line_failed[lines] = false;
        write_line(log, r, message, size, &log->line_failed[lines]);
        lines++;
    }
    uint64_t failures = 0;
    size_t sinks = er_load_acquire(&log->sinks_open);
    for (size_t i = 0; i < sinks; i++) {
        er_sink_write(&log->sinks[i]);
        failures += log->sinks[i].failures;
    }
    for (size_t i = 0; i < lines; i++) failed += log->line_failed[i];
    er_store(&log->failures, failures);
    er_add(&log->failed, failed);
    er_add(&log->written, lines);
    return told + lines;
}

/* After close has given up: what is still in the ring is lost. */
static void discard(errand_log *log, er_log_counts *lost)
{
    size_t size;
    const char *message;
    for (const er_log_record *r; (r = next_record(log, lost, &message, &size));) {
        lost->of[r->level]++;
        lost->any = true;
    }
}

static void finish(errand_log *log)
{
    size_t sinks = er_load_acquire(&log->sinks_open);
    for (size_t i = 0; i < sinks; i++) er_sink_last(&log->sinks[i]);
    er_lock_take(&log->lock);
    log->finished = true;
    bool abandoned = log->abandoned;
    er_lock_give(&log->lock);
    if (abandoned) er_log_destroy(log);
    else er_unpark(&log->closer, ER_LOG_CALLED); /* the closer joins this thread before it frees */
}

static void run_backend(void *arg)
{
    errand_log *log = arg;
    er_line_init(&log->line, add_piece, log);
    er_log_counts lost = { 0 };
    bool given_up = false;
    for (;;) {
        if (given_up) discard(log, &lost);
        uint64_t told = write_batch(log, &lost);

        er_list ready;
        er_list_init(&ready);
        er_lock_take(&log->lock);
        er_ring_release(&log->ring);
        log->told += told;
        bool quiet = !er_ring_more(&log->ring);
        if (quiet && log->lost.any) {
            lost = log->lost;
            log->lost = (er_log_counts){ 0 };
            quiet = false;
        }
        er_log_call(&ready, &log->for_room, UINT64_MAX);
        er_log_call(&ready, &log->for_told, log->told);
        given_up = log->abandoned;
        bool end = quiet && log->closing && !log->blocked;
        if (quiet && !end) log->sleep = told ? ER_LOG_NAPPING : ER_LOG_ASLEEP;
        er_lock_give(&log->lock);
        er_log_wake(&ready);
        if (end) break;
        if (!quiet) continue;

        er_park(&log->parker, ER_LOG_CALLED, told ? er_now_ns() + NAP_NS : INT64_MAX);
        er_lock_take(&log->lock);
        log->sleep = ER_LOG_AWAKE;
        er_parker_clear(&log->parker, ER_LOG_CALLED);
        er_lock_give(&log->lock);
    }
    finish(log);
}

int er_log_start(errand_log *log)
{
    er_thread thread;
    int error = er_thread_start(&thread, run_backend, log, "errand-log", 0);
    er_list ready;
    er_list_init(&ready);
    er_lock_take(&log->lock);
    if (!error) log->thread = thread;
    log->state = error ? ER_LOG_NONE : ER_LOG_RUNNING;
    log->start_again_ns = error ? er_now_ns() + AGAIN_NS : 0;
    if (error) {
        er_log_call(&ready, &log->for_room, UINT64_MAX);
        er_log_call(&ready, &log->for_told, UINT64_MAX);
    }
    er_lock_give(&log->lock);
    er_log_wake(&ready);
    return error;
}
