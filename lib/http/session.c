/* http/session.c -- a session is counted.
 *
 * The caller's handle counts, every exchange until it is resolved, every run of a policy, every
 * lane that is on. So futures may outlive the handle, and the last one to go frees it; the pool's
 * memory is kept as long. errand_http_close waits until counts are zero (client.c), and is woken
 * whenever one decreases. */
#include "http/session.h"

#include "base/atomic.h"
#include "async/cell.h"
#include "http/stage.h"

void er_session_hold(errand_http *http) { er_add(&http->count, 1); }

void er_session_let_go(errand_http *http)
{
    if (er_sub(&http->count, 1) != 1) return;
    errand_policy_free(http->policy);
    er_pool_release(http->pool);
    er_free(http->defaults.base_url);
    er_free(http->defaults.user_agent);
    curl_slist_free_all(http->defaults.headers);
    curl_slist_free_all(http->defaults.greeting);
    curl_slist_free_all(http->defaults.secrets);
    er_transport_free(&http->defaults.transport);
    er_cookies_free(http->defaults.cookies);
    er_free(http->defaults.cookie);
    er_stages_drop(http->defaults.stages);
    er_free(http->nexts);
    er_resolver_close(http->resolver);
    er_fixed_hosts_free(http->fixed_hosts);
    er_scheduler_free(&http->scheduler);
    er_free(http);
}

void er_session_more(errand_http *http, size_t *n)
{
    er_session_hold(http);
    er_add(n, 1);
}

void er_session_fewer(errand_http *http, size_t *n)
{
    er_sub(n, 1);
    if (er_load(&http->closing)) er_unpark(&http->closer, 1); /* close sets it before it reads *n */
}

void er_session_less(errand_http *http, size_t *n)
{
    er_session_fewer(http, n);
    er_session_let_go(http);
}

bool er_session_run_begin(errand_http *http)
{
    er_session_more(http, &http->runs);
    if (!er_load(&http->closing)) return true;
    er_session_less(http, &http->runs);
    return false;
}

void er_session_run_list(errand_http *http, er_session_run *run, errand_future *f)
{
    errand_canceller *stop = errand_canceller_of(f);
    er_lock_take(&http->scheduler.lock);
    if (!run->ended) {
        er_list_push(&http->running, &run->node);
        run->stop = stop;
        stop = NULL;
    }
    er_lock_give(&http->scheduler.lock);
    errand_canceller_free(stop);
}

void er_session_run_end(errand_http *http, er_session_run *run)
{
    er_lock_take(&http->scheduler.lock);
    errand_canceller *stop = run->stop;
    run->stop = NULL;
    run->ended = true;
    if (er_listed(&run->node)) er_list_remove(&run->node);
    er_lock_give(&http->scheduler.lock);
    errand_canceller_free(stop);
}

void er_session_runs_cancel(errand_http *http)
{
    er_node *node;
    er_lock_take(&http->scheduler.lock);
    while ((node = er_list_pop(&http->running))) {
        er_session_run *run = er_of(node, er_session_run, node);
        errand_canceller *stop = run->stop;
        run->stop = NULL;
        er_lock_give(&http->scheduler.lock);
        er_cell_cancel((errand_future *)(void *)stop, ERRAND_BY_SHUTDOWN);
        errand_canceller_free(stop);
        er_lock_take(&http->scheduler.lock);
    }
    er_lock_give(&http->scheduler.lock);
}
