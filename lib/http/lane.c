/* http/lane.c -- one thread, many transfers.
 *
 *   add --> inbox --wake--> take --> curl <--> poller
 *                                     +--> complete --> over(result), or again(redirect) --> line
 *                                            +--> the slot is free: the next comes in here
 *   leave --> leaving --wake--> removed from curl --> over(result)
 *
 * The thread is a service of the pool: started with the first exchange, it ends by itself when
 * nothing has run for keepalive_ms, and closes its connections. What comes while it ends
 * (ENDING) waits in the inbox, and gone() starts the next one. So an idle session has neither
 * threads nor connections. Until the thread runs, a cancel or the timer ends what is in the
 * inbox, as if it were in the line.
 *
 * Wake-ups: before the thread sleeps it checks once more, under the lock, and clears `awake`; the
 * next thread that brings something wakes it, under the lock too, as the poller lives no longer
 * than the thread; it is a write that never blocks.
 *
 * curl reports the descriptors and the time it waits for (its socket interface); only transfers
 * with events are called. Easy handles are kept, set up, for the next exchange, except one that
 * failed or sent twice: it remembers its error and retries. libcurl before 8.1 keeps a pointer into
 * the last exchange's headers and writes to it: there each exchange gets a duplicate, and the TLS
 * sessions are kept in a CURLSH that no other thread uses.
 *
 * A lane calls no user code and waits for no disk: tasks do, while a transfer
 * is paused (stream.h). */
#include "http/lane.h"

#include "base/clock.h"
#include "async/current.h"
#include "async/service.h"
#include "http/classify.h"
#include "http/outcome.h"

#include <errno.h>

enum { EVENTS = 64, NAP_MS = 60000 };

static void wake(er_lane *lane) /* under its lock */
{
    if (lane->awake || !lane->there) return; /* before it has a poller the thread checks all */
    lane->awake = true;
    er_poller_wake(&lane->sockets.poller);
}

/* ---- from outside ---- */

static void come(er_lane *lane, er_exchange *x, er_seat seat) /* under its lock */
{
    er_store(&x->at, lane);
    x->seat = seat;
}

static void part(er_exchange *x) /* under the lock of its lane */
{
    x->seat = ER_SEAT_LEFT;
    er_store(&x->at, NULL);
}

/* Under its lock: then it stays so. By the time a caller that has read x->lane takes the lock, x
 * may be elsewhere or over. */
static bool is_here(const er_lane *lane, const er_exchange *x) { return er_load(&x->at) == lane; }

static void cannot_begin(er_lane *lane, int error) /* no thread could be started; `off` is next */
{
    er_list refused;
    er_lock_take(&lane->lock);
    lane->state = ER_LANE_OFF;
    er_list_take_all(&refused, &lane->inbox);
    er_list_each(node, &refused) part(er_of(node, er_exchange, queued));
    er_lock_give(&lane->lock);
    lane->refuse(lane, &refused, error);
}

static bool start(er_lane *lane)
{
    int error = er_service_start(lane->pool, &lane->service);
    if (error) cannot_begin(lane, error);
    return !error;
}

static bool take_back(er_lane *lane, er_exchange *x) /* under its lock */
{
    if (!is_here(lane, x) || x->seat != ER_SEAT_INBOX || lane->begun) return false;
    er_list_remove(&x->queued);
    part(x);
    return true;
}

bool er_lane_add(er_lane *lane, er_exchange *x)
{
    er_lock_take(&lane->lock);
    come(lane, x, ER_SEAT_INBOX);
    er_list_push(&lane->inbox, &x->queued);
    /* cancelled on its way here, where er_lane_leave did not find it */
    if (er_exchange_cancelled(x) && take_back(lane, x)) {
        er_lock_give(&lane->lock);
        er_list one;
        er_list_init(&one);
        er_list_push(&one, &x->queued);
        lane->refuse(lane, &one, ECANCELED);
        return false;
    }
    bool starts = lane->state == ER_LANE_OFF;
    if (starts) {
        lane->state = ER_LANE_ON;
        lane->stop = 0;
    } else {
        wake(lane);
    }
    er_lock_give(&lane->lock);
    if (!starts) return true;
    lane->on(lane);
    bool begins = start(lane);
    if (!begins) lane->off(lane);
    return begins;
}

bool er_lane_begun(er_lane *lane)
{
    er_lock_take(&lane->lock);
    bool begun = lane->begun;
    er_lock_give(&lane->lock);
    return begun;
}

bool er_lane_leave(er_lane *lane, er_exchange *x)
{
    er_lock_take(&lane->lock);
    bool back = take_back(lane, x);
    if (!back && is_here(lane, x) && x->seat == ER_SEAT_TAKEN && !er_listed(&x->leaving)) {
        er_list_push(&lane->leaving, &x->leaving);
        wake(lane);
    }
    er_lock_give(&lane->lock);
    return back;
}

/* If x is at this lane, all of that changes under its lock. Else x is on its way, has left, or is
 * at another lane by now. */
er_limit er_lane_late(er_lane *lane, er_exchange *x, int64_t now_ns, int64_t *next_ns)
{
    er_limit late = ER_LIMIT_NONE;
    *next_ns = now_ns + ER_MS;
    er_lock_take(&lane->lock);
    if (is_here(lane, x)) {
        *next_ns = INT64_MAX;
        if (!lane->begun && x->seat == ER_SEAT_INBOX)
            late = er_exchange_overdue(x, now_ns, next_ns);
        if (late) take_back(lane, x);
    }
    er_lock_give(&lane->lock);
    return late;
}

void er_lane_look(er_lane *lane)
{
    er_lock_take(&lane->lock);
    lane->look = true;
    wake(lane);
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

/* ---- seats ---- */

/* A new handle, or a spare one as it was set up. */
static er_handle *take_handle(er_lane *lane)
{
    er_node *node = er_list_pop(&lane->spares);
    er_handle *handle = node ? er_of(node, er_handle, spare) : er_handle_new(lane->defaults);
    bool fresh = !node, renews = lane->defaults->curl < ER_CURL_FORGETS_HEADERS;
    int error = handle ? 0 : ENOMEM;
    if (!error && fresh) error = er_sockets_count(&lane->sockets, handle);
    if (!error && !fresh && renews) error = er_handle_renew(handle);
    CURLSH *share = lane->defaults->cookies ? er_cookies_share(lane->defaults->cookies) : lane->tls;
    bool shares = share && (fresh || renews);
    if (!error && shares && curl_easy_setopt(handle->easy, CURLOPT_SHARE, share)) error = ENOMEM;
    if (!error) {
        handle->known = &lane->known;
        return handle;
    }
    if (handle) er_handle_free(handle);
    return NULL;
}

static void give_handle(er_lane *lane, er_handle *handle)
{
    er_sockets_release(&lane->sockets, handle);
    er_handle_clear(handle);
    if (handle->spent) er_handle_free(handle);
    else er_list_push_front(&lane->spares, &handle->spare);
}

static void leave_seat(er_lane *lane, er_exchange *x)
{
    er_lock_take(&lane->lock);
    part(x);
    if (er_listed(&x->leaving)) er_list_remove(&x->leaving);
    er_lock_give(&lane->lock);
    er_list_remove(&x->queued);
    er_handle *handle = x->handle;
    x->handle = NULL;
    if (handle) give_handle(lane, handle);
    lane->left = true;
}

static void end(er_lane *lane, er_exchange *x, errand_result r)
{
    leave_seat(lane, x);
    x->over(x, r);
}

static void unseat(er_lane *lane, er_exchange *x, er_limit limit)
{
    /* while its connection is there */
    errand_result r = limit ? er_outcome_late(x, limit) : er_outcome_stopped(x);
    curl_multi_remove_handle(lane->multi, x->handle->easy);
    lane->running--;
    x->broken_off = x->handle->spent = true;
    end(lane, x, r);
}

static void complete(er_lane *lane, er_exchange *x, CURLcode code);

static void cut(er_lane *lane, er_exchange *x, CURLcode code)
{
    curl_multi_remove_handle(lane->multi, x->handle->easy);
    lane->running--;
    x->handle->spent = true;
    complete(lane, x, code);
}

/* Resumes a paused transfer. False: it has ended. */
static bool goes_on(er_lane *lane, er_exchange *x)
{
    CURLcode code = er_exchange_go_on(x);
    if (code) cut(lane, x, code);
    return !code;
}

static void look_at(er_lane *lane, er_exchange *x)
{
    int64_t now = er_pool_now(lane->pool), next = INT64_MAX;
    er_limit over = er_exchange_overdue(x, now, &next);
    x->unarmed = !over && next == INT64_MAX;
    if (over == ER_LIMIT_DRAIN) cut(lane, x, CURLE_OK);
    else if (over) unseat(lane, x, over);
    else er_exchange_arm(x, next);
}

static void seat(er_lane *lane, er_exchange *x)
{
    er_list_push(&lane->seated, &x->queued);
    if (er_exchange_cancelled(x)) {
        end(lane, x, er_outcome_stopped(x));
        return;
    }
    er_handle *handle = lane->multi ? take_handle(lane) : NULL;
    int error = handle ? er_exchange_begin(x, handle) : ENOMEM;
    if (!error && curl_multi_add_handle(lane->multi, handle->easy)) error = ENOMEM;
    if (error) {
        end(lane, x, er_outcome_failed(x, error, NULL));
        return;
    }
    lane->running++;
    lane->due_ns = 0; /* curl sets it itself; 8.10.0 to 8.11.0 not always */
    if (er_swap(&x->look, 0)) look_at(lane, x);
}

/* Its sink has a body to finish: the seat and the slot are free meanwhile. */
static void finish(er_lane *lane, er_exchange *x, errand_result r)
{
    x->result = r;
    leave_seat(lane, x);
    lane->rest(x);
    int said = x->sink->finish(x->sink, x->result.value);
    if (said == ER_FLOW_WAIT) return; /* x may be over already */
    if (said) {
        errand_result_free(&x->result);
        x->result = er_outcome_failed(x, said, NULL);
    }
    x->over(x, x->result);
}

static void complete(er_lane *lane, er_exchange *x, CURLcode code)
{
    er_origin origin;
    errand_result failure;
    if (x->stays) code = CURLE_OK; /* it is whole */
    if (code || x->resent || x->stays) x->handle->spent = true;
    if (!x->follows) { /* else how its body ended does not matter */
        bool empty = x->request->save_to && er_exchange_is_success(x) &&
                     !er_reply_is_bare(x->hop.method, x->response->status);
        bool keeps = x->keeps || empty; /* an empty file has not been begun */
        errand_result r = er_outcome_ended(x, code);
        if (keeps && !r.error) finish(lane, x, r);
        else end(lane, x, r);
    } else if (er_redirect(x, &origin, &failure)) {
        end(lane, x, failure);
    } else {
        leave_seat(lane, x);
        lane->again(x, &origin);
    }
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
        er_handle *handle = (er_handle *)(void *)at;
        curl_multi_remove_handle(lane->multi, easy);
        lane->running--;
        complete(lane, handle->x, code);
    }
}

/* ---- what comes from outside ---- */

static void look_at_all(er_lane *lane)
{
    for (er_node *node = lane->seated.head.next, *next; node != &lane->seated.head; node = next) {
        er_exchange *x = er_of(node, er_exchange, queued);
        next = node->next;
        if (er_swap(&x->resumed, 0) && !goes_on(lane, x)) continue;
        if (er_swap(&x->look, 0)) look_at(lane, x);
    }
    er_sockets_give_back(&lane->sockets, &lane->berth);
}

static void unseat_all(er_lane *lane)
{
    er_node *node;
    while ((node = er_list_first(&lane->seated))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        er_exchange_cancel(x, ERRAND_BY_SHUTDOWN);
        unseat(lane, x, ER_LIMIT_NONE);
    }
}

/* Seats newcomers, ends those that leave. Returns lane->stop. */
static unsigned take_in(er_lane *lane)
{
    er_list inbox;
    er_lock_take(&lane->lock);
    lane->awake = true;
    unsigned stop = lane->stop;
    bool look = lane->look, leaving = !er_list_empty(&lane->leaving);
    lane->look = false;
    er_list_take_all(&inbox, &lane->inbox);
    er_list_each(node, &inbox) {
        er_of(node, er_exchange, queued)->seat = ER_SEAT_TAKEN;
    }
    er_lock_give(&lane->lock);
    er_node *node;
    while ((node = er_list_pop(&inbox))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        if (stop == 2) er_exchange_cancel(x, ERRAND_BY_SHUTDOWN);
        seat(lane, x);
    }
    while (leaving) {
        er_lock_take(&lane->lock);
        node = er_list_pop(&lane->leaving);
        er_lock_give(&lane->lock);
        if (!node) break;
        unseat(lane, er_of(node, er_exchange, leaving), ER_LIMIT_NONE);
    }
    if (look && lane->multi) look_at_all(lane);
    if (stop == 2) unseat_all(lane);
    return stop;
}

/* Grants the slots that have become free; exchanges that get one on this lane are seated right
 * here. */
static void hand_on(er_lane *lane)
{
    while (lane->left || lane->sockets.closed) {
        er_list mine;
        er_node *node;
        lane->left = lane->sockets.closed = false;
        er_list_init(&mine);
        lane->go(lane, &mine);
        while ((node = er_list_pop(&mine))) {
            er_exchange *x = er_of(node, er_exchange, queued);
            er_lock_take(&lane->lock);
            come(lane, x, ER_SEAT_TAKEN);
            er_lock_give(&lane->lock);
            seat(lane, x);
        }
    }
}

/* ---- curl and time ---- */

static int set_due(CURLM *multi, long ms, void *arg)
{
    er_lane *lane = arg;
    (void)multi;
    if (ms > 0)
        lane->due_ns = er_deadline(er_now_ns(), ms + 1); /* too early: 8.10.0 to 8.11.0 go silent */
    else lane->due_ns = ms ? INT64_MAX : 0;
    return 0;
}

static void act(er_lane *lane, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(lane->multi, fd, what, &running);
    er_end_in_child(); /* the request's setup may have set callbacks that fork */
}

/* Lets curl do what is due, until nothing is. */
static void drive(er_lane *lane)
{
    for (;;) {
        if (lane->defaults->curl < ER_CURL_TRIES_NEXT) er_sockets_nudge(&lane->sockets);
        take_completed(lane);
        hand_on(lane);
        if (lane->due_ns && (lane->due_ns == INT64_MAX || lane->due_ns > er_now_ns())) return;
        lane->due_ns = INT64_MAX;
        act(lane, CURL_SOCKET_TIMEOUT, 0);
    }
}

/* ms to sleep; 0: it has been idle for keepalive_ms, or is idle and was stopped. */
static int64_t patience(er_lane *lane, unsigned stop)
{
    int64_t now = er_now_ns(), reap = er_sockets_reap(&lane->sockets),
            until = reap < lane->due_ns ? reap : lane->due_ns;
    int64_t ms = er_ms_until(now, until);
    if (ms > NAP_MS) ms = NAP_MS;
    if (lane->running) {
        lane->idle_since_ns = 0;
        return ms ? ms : 1;
    }
    if (stop || !lane->multi) return 0;
    if (!lane->idle_since_ns) lane->idle_since_ns = now;
    int64_t left = er_ms_until(now, er_deadline(lane->idle_since_ns, lane->sockets.keepalive_ms));
    if (left < ms) return left;
    return ms ? ms : 1;
}

/* Sleeps until something comes. False: the lane ends. */
static bool doze(er_lane *lane, unsigned stop)
{
    int64_t ms = patience(lane, stop);
    bool freed = lane->sockets.closed;
    er_lock_take(&lane->lock);
    bool news = freed || !er_list_empty(&lane->inbox) || !er_list_empty(&lane->leaving) ||
                lane->stop != stop || lane->look;
    bool ends = !news && !ms;
    if (ends) lane->state = ER_LANE_ENDING;
    else if (!news) lane->awake = false;
    er_lock_give(&lane->lock);
    if (ends || news) return !ends;
    er_event events[EVENTS];
    int n = er_poller_wait(&lane->sockets.poller, events, EVENTS, (int)ms);
    for (int i = 0; i < n; i++) {
        int what = er_sockets_event(&lane->sockets, events[i]);
        if (what) act(lane, events[i].fd, what);
    }
    return true;
}

/* ---- its thread ---- */

static CURLM *open_multi(er_lane *lane)
{
    if (er_sockets_open(&lane->sockets)) return NULL;
    CURLM *multi = curl_multi_init();
    if (!multi) {
        er_sockets_close(&lane->sockets);
        return NULL;
    }
    bool shares = lane->defaults->curl < ER_CURL_FORGETS_HEADERS && !lane->defaults->cookies;
    lane->tls = shares ? curl_share_init() : NULL;
    curl_share_setopt(lane->tls, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    er_sockets_serve(&lane->sockets, multi);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_due);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, lane);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 65536L); /* the scheduler limits them */
    return multi;
}

static void close_multi(er_lane *lane)
{
    er_node *node;
    while ((node = er_list_pop(&lane->spares))) er_handle_free(er_of(node, er_handle, spare));
    if (!lane->multi) return;
    curl_multi_cleanup(lane->multi); /* closes connections, by close_socket */
    curl_share_cleanup(lane->tls);
    er_sockets_close(&lane->sockets);
    er_dns_cache_forget(&lane->known);
    lane->multi = NULL;
}

static void run(er_service *self)
{
    er_lane *lane = er_of(self, er_lane, service);
    lane->due_ns = INT64_MAX;
    lane->idle_since_ns = 0;
    lane->multi = open_multi(lane);
    er_lock_take(&lane->lock);
    lane->begun = true;
    lane->there = lane->multi != NULL;
    lane->awake = true;
    er_lock_give(&lane->lock);
    unsigned stop;
    do {
        stop = take_in(lane);
        if (lane->multi) drive(lane);
        else hand_on(lane); /* all that came has failed */
    } while (doze(lane, stop));
    er_lock_take(&lane->lock);
    lane->there = false;
    er_lock_give(&lane->lock);
    close_multi(lane);
    lane->go(lane, NULL); /* its connections are free for others */
}

static void order_to_stop(er_service *self, bool now)
{
    er_lane_stop(er_of(self, er_lane, service), now);
}

static void gone(er_service *self)
{
    er_lane *lane = er_of(self, er_lane, service);
    er_lock_take(&lane->lock);
    bool again = !er_list_empty(&lane->inbox);
    lane->state = again ? ER_LANE_ON : ER_LANE_OFF;
    lane->begun = false;
    lane->stop = 0;
    er_lock_give(&lane->lock);
    if (again && start(lane)) return;
    if (again) lane->go(lane, NULL); /* what was in the inbox has been refused */
    lane->off(lane);
}

void er_lane_init(er_lane *lane, errand_pool *pool, errand_http *http, er_scheduler *scheduler,
                  const er_defaults *defaults)
{
    lane->service =
        (er_service){ .name = "errand-http", .run = run, .stop = order_to_stop, .gone = gone };
    lane->pool = pool;
    lane->http = http;
    lane->defaults = defaults;
    lane->sockets.scheduler = scheduler;
    lane->sockets.keepalive_ms = defaults->keepalive_ms;
    lane->sockets.connection_ms = defaults->connection_ms;
    er_dns_cache_init(&lane->known, scheduler);
    er_list_init(&lane->inbox);
    er_list_init(&lane->leaving);
    er_list_init(&lane->seated);
    er_list_init(&lane->spares);
}
