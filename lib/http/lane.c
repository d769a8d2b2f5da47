/* http/lane.c -- one thread, many transfers.
 *
 *   add --> inbox --wake--> take --> curl_multi_perform <--> curl_multi_poll        leave --> leaving --wake--> take
 *                                          |                                                             |
 *                                          +--> complete --> over(result) <-- removed from curl <--------+
 *
 * The thread is a resident of the pool: started with the first exchange, it ends by itself when nothing has run for
 * keepalive_ms, and takes its connections with it: libcurl cannot close a single idle one. What comes while it ends
 * (ENDING) waits in the inbox, and the resident's last word starts the next one. So nothing is lost between two
 * threads, and an idle session holds neither threads nor connections.
 *
 * Wake-ups: before the thread sleeps it looks once more, under the lock, and says that it is not awake; who brings
 * something to a lane that is not awake wakes it, once. The wake-up is sent under the lock, for the multi handle lives
 * only as long as the thread does; it is a write to a pipe that never blocks.
 *
 * Easy handles are kept for the next exchange; curl_easy_reset leaves nothing of the last one behind.
 *
 * Nothing here calls anybody's code; what is slow on it is writing, syncing and renaming a save_to file. */
#include "http/lane.h"

#include "base/clock.h"
#include "http/outcome.h"

#include <errno.h>

static void wake(er_lane *lane) /* under its lock */
{
    if (lane->awake || !lane->multi) return; /* a thread that has no multi yet looks at everything first */
    lane->awake = true;
    curl_multi_wakeup(lane->multi);
}

/* ---- from outside ---- */

static int start(er_lane *lane, er_list *refused)
{
    int error = er_pool_reside(lane->pool, &lane->resident);
    if (!error) return 0;
    er_lock_take(&lane->lock);
    lane->state = ER_LANE_OFF;
    er_list_take_all(refused, &lane->inbox);
    er_lock_give(&lane->lock);
    lane->off(lane);
    return error;
}

int er_lane_add(er_lane *lane, er_exchange *x, er_list *refused)
{
    er_list_init(refused);
    er_lock_take(&lane->lock);
    x->seat = ER_SEAT_INBOX;
    er_list_push(&lane->inbox, &x->queued);
    bool starts = lane->state == ER_LANE_OFF;
    if (starts) {
        lane->state = ER_LANE_ON;
        lane->stop = 0;
    } else {
        wake(lane);
    }
    er_lock_give(&lane->lock);
    if (!starts) return 0;
    lane->on(lane);
    return start(lane, refused);
}

void er_lane_leave(er_lane *lane, er_exchange *x)
{
    er_lock_take(&lane->lock);
    if (x->seat == ER_SEAT_TAKEN && !er_listed(&x->leaving)) {
        er_list_push(&lane->leaving, &x->leaving);
        wake(lane);
    }
    er_lock_give(&lane->lock);
}

void er_lane_stop(er_lane *lane, bool now)
{
    er_lock_take(&lane->lock);
    unsigned stop = now ? 2 : 1;
    if (lane->stop < stop) {
        lane->stop = stop;
        wake(lane);
    }
    er_lock_give(&lane->lock);
}

/* ---- its thread ---- */

static CURL *take_handle(er_lane *lane) { return lane->n_spares ? lane->spares[--lane->n_spares] : curl_easy_init(); }

static void give_handle(er_lane *lane, CURL *easy)
{
    if (lane->n_spares < ER_LANE_SPARES) {
        curl_easy_reset(easy);
        lane->spares[lane->n_spares++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

static void leave_seat(er_lane *lane, er_exchange *x, errand_result r)
{
    er_lock_take(&lane->lock);
    x->seat = ER_SEAT_LEFT;
    if (er_listed(&x->leaving)) er_list_remove(&x->leaving);
    er_lock_give(&lane->lock);
    er_list_remove(&x->queued);
    CURL *easy = x->easy;
    x->easy = NULL;
    if (easy) give_handle(lane, easy);
    x->over(x, r);
}

static void seat(er_lane *lane, er_exchange *x)
{
    er_list_push(&lane->seated, &x->queued);
    if (er_exchange_told(x)) {
        leave_seat(lane, x, er_outcome_stopped(x));
        return;
    }
    CURL *easy = lane->multi ? take_handle(lane) : NULL;
    int error = easy ? er_exchange_begin(x, easy) : ENOMEM;
    if (!error && curl_multi_add_handle(lane->multi, easy)) error = ENOMEM;
    if (error) leave_seat(lane, x, er_outcome_failed(x, error, NULL));
    else lane->running++;
}

static void unseat(er_lane *lane, er_exchange *x)
{
    curl_multi_remove_handle(lane->multi, x->easy);
    lane->running--;
    leave_seat(lane, x, er_outcome_stopped(x));
}

static void take_completed(er_lane *lane)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(lane->multi, &left))) {
        if (message->msg != CURLMSG_DONE) continue;
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result; /* the message goes with the handle */
        char *at = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &at);
        er_exchange *x = (er_exchange *)(void *)at;
        curl_multi_remove_handle(lane->multi, easy);
        lane->running--;
        leave_seat(lane, x, er_outcome_ended(x, code));
    }
}

static void unseat_all(er_lane *lane)
{
    er_node *node;
    while ((node = er_list_first(&lane->seated))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        er_exchange_tell(x, ERRAND_BY_SHUTDOWN);
        unseat(lane, x);
    }
}

/* What has come: seats newcomers, ends those that are to leave. Returns the order to stop. */
static unsigned take_in(er_lane *lane)
{
    er_list inbox;
    er_lock_take(&lane->lock);
    lane->awake = true;
    unsigned stop = lane->stop;
    er_list_take_all(&inbox, &lane->inbox);
    for (er_node *node = inbox.head.next; node != &inbox.head; node = node->next) {
        er_exchange *x = er_of(node, er_exchange, queued);
        x->seat = ER_SEAT_TAKEN;
    }
    er_lock_give(&lane->lock);
    er_node *node;
    while ((node = er_list_pop(&inbox))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        if (stop == 2) er_exchange_tell(x, ERRAND_BY_SHUTDOWN);
        seat(lane, x);
    }
    for (;;) {
        er_lock_take(&lane->lock);
        node = er_list_pop(&lane->leaving);
        er_lock_give(&lane->lock);
        if (!node) break;
        unseat(lane, er_of(node, er_exchange, leaving));
    }
    if (stop == 2) unseat_all(lane);
    return stop;
}

/* ms to sleep; 0: it has been idle for long enough, or was told to end when it is. */
static int64_t patience(er_lane *lane, unsigned stop)
{
    if (lane->running) {
        lane->idle_since_ns = 0;
        return 60000; /* curl itself shortens that to its next deadline */
    }
    if (stop || !lane->multi) return 0;
    int64_t now = er_now_ns();
    if (!lane->idle_since_ns) lane->idle_since_ns = now;
    int64_t left = er_ms_until(now, er_deadline(lane->idle_since_ns, lane->keepalive_ms));
    return left > 60000 ? 60000 : left;
}

/* Sleeps until something comes. False: the lane ends. */
static bool doze(er_lane *lane, unsigned stop)
{
    int64_t ms = patience(lane, stop);
    er_lock_take(&lane->lock);
    bool news = !er_list_empty(&lane->inbox) || !er_list_empty(&lane->leaving) || lane->stop != stop;
    bool ends = !news && !ms;
    if (ends) lane->state = ER_LANE_ENDING;
    else if (!news) lane->awake = false;
    er_lock_give(&lane->lock);
    if (ends || news) return !ends;
    CURLMcode code = curl_multi_poll(lane->multi, NULL, 0, (int)ms, NULL);
    if (code) { /* no memory for its list of sockets, or worse: do not spin */
        er_parker nap = { 0 };
        er_park(&nap, 1, er_deadline(er_now_ns(), 10));
    }
    return true;
}

static void run(er_resident *self)
{
    er_lane *lane = er_of(self, er_lane, resident);
    CURLM *multi = curl_multi_init();
    if (multi) curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, lane->most_connections);
    er_lock_take(&lane->lock);
    lane->multi = multi;
    lane->awake = true;
    er_lock_give(&lane->lock);
    lane->idle_since_ns = 0;
    unsigned stop;
    do {
        stop = take_in(lane);
        if (!multi) continue; /* all that came has failed */
        int running;
        curl_multi_perform(multi, &running);
        take_completed(lane);
    } while (doze(lane, stop));
    er_lock_take(&lane->lock);
    lane->multi = NULL;
    er_lock_give(&lane->lock);
    while (lane->n_spares) curl_easy_cleanup(lane->spares[--lane->n_spares]);
    curl_multi_cleanup(multi);
}

static void order_to_stop(er_resident *self, bool now) { er_lane_stop(er_of(self, er_lane, resident), now); }

static void gone(er_resident *self)
{
    er_lane *lane = er_of(self, er_lane, resident);
    er_lock_take(&lane->lock);
    bool again = !er_list_empty(&lane->inbox);
    lane->state = again ? ER_LANE_ON : ER_LANE_OFF;
    lane->stop = 0;
    er_lock_give(&lane->lock);
    if (!again) {
        lane->off(lane);
        return;
    }
    er_list refused;
    int error = er_pool_reside(lane->pool, &lane->resident);
    if (!error) return;
    er_lock_take(&lane->lock);
    lane->state = ER_LANE_OFF;
    er_list_take_all(&refused, &lane->inbox);
    er_lock_give(&lane->lock);
    er_node *node;
    while ((node = er_list_pop(&refused))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        x->over(x, er_outcome_failed(x, error, "no thread for transfers"));
    }
    lane->off(lane);
}

void er_lane_init(er_lane *lane, errand_pool *pool, errand_http *http)
{
    lane->resident = (er_resident){ .name = "errand-http", .run = run, .stop = order_to_stop, .gone = gone };
    lane->pool = pool;
    lane->http = http;
    er_list_init(&lane->inbox);
    er_list_init(&lane->leaving);
    er_list_init(&lane->seated);
}
