/* side.h -- what a side, errand or a peer, can do. Each is written as its own
 * users would write it. */
#ifndef BENCH_SIDE_H
#define BENCH_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void bench_task(void);

typedef struct bench_side {
    const char *name;
    bool yardstick; /* printed, but no peer to be compared with */

    /* A pool with `workers` threads and room for `queue` tasks; NULL: it cannot. run submits n
     * tasks, each with a future, and awaits them all; any thread may call it. */
    void *(*open)(unsigned workers, size_t queue);
    void (*run)(void *pool, size_t n, bench_task *task);

    /* Timers; NULL: has none. arm makes and arms n; cancel cancels and releases them: nothing
     * is to come any more. */
    void *(*timers_open)(size_t n);
    void (*arm)(void *timers, const int64_t *ms, size_t n);
    void (*cancel)(void *timers, size_t n);
    void (*sleep)(void *timers, int64_t ms);

    /* A semaphore; NULL: has none that is to be compared. pass takes and gives back n times, and
     * says how often it could. */
    void *(*open_gate)(unsigned permits);
    size_t (*pass)(void *gate, size_t n);

    /* A log to a file that holds its callers up when it is full and has a thread of its own;
     * NULL: has none. say makes n calls with an int, a double, a string and an int; say_below
     * the same below its level. close: all is written. */
    void *(*log_open)(const char *path);
    void (*log_say)(void *log, size_t n);
    void (*log_say_below)(void *log, size_t n);
    void (*log_close)(void *log);

    const struct web_side *web; /* web.h; NULL: sends no requests */

    /* Eight things that are lent one at a time; NULL: has nothing that is to be compared. borrow
     * borrows and returns one n times, and says how often it could. */
    void *(*open_stock)(void);
    size_t (*borrow)(void *stock, size_t n);
} bench_side;

void *bench_open_gate(unsigned permits); /* errand's */
size_t bench_pass(void *gate, size_t n);
void *bench_open_stock(void); /* errand's */
size_t bench_borrow(void *stock, size_t n);
void *bench_open_posix_stock(void);
size_t bench_borrow_posix(void *stock, size_t n);

extern const bench_side bench_errand, bench_parkers, bench_posix;
extern const bench_side bench_spdlog, bench_loop;
extern const bench_side bench_multi, bench_easy, bench_curl, bench_no_journal;
extern const bench_side bench_uv, bench_uv_array, bench_glib, bench_asio, bench_tbb;

#ifdef __cplusplus
}
#endif
#endif
