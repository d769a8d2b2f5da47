/* http/dns_cache.c -- removes from curl's cache of names what was put into it.
 *
 *   x --use--> add, unless curl has them --> x released --> the oldest unused beyond MOST: remove
 *
 * What CURLOPT_RESOLVE adds stays in the cache of the multi handle forever (with a time limit it
 * would go too early: a transfer that connects again, because its kept connection was dead, still
 * needs it), and curl walks through all of that cache at the end of each transfer. So only the few
 * that were used last stay, and each spot in the list holds its route, so that the scheduler does
 * not evict it before curl has removed it. The removals go out with the next lines that are sent.
 *
 * The lane's thread alone. */
#include "http/dns_cache.h"

#include <errno.h>
#include <string.h>

enum { MOST = 64 };

void er_dns_cache_init(er_dns_cache *known, er_scheduler *scheduler)
{
    known->scheduler = scheduler;
    er_list_init(&known->spots);
}

static void forget(er_dns_cache *known, er_spot *spot)
{
    spot->cached_serial = 0;
    er_list_remove(&spot->known);
    known->n--;
    er_lock_take(&known->scheduler->lock);
    er_scheduler_leave(known->scheduler, spot->route);
    er_lock_give(&known->scheduler->lock);
}

static int add_line(struct curl_slist **lines, er_bytes *line)
{
    struct curl_slist *longer = line->error ? NULL : curl_slist_append(*lines, line->at);
    er_bytes_free(line);
    if (!longer) return ENOMEM;
    *lines = longer;
    return 0;
}

static er_spot *oldest_unused(const er_dns_cache *known)
{
    er_list_each(at, &known->spots) {
        er_spot *spot = er_of(at, er_spot, known);
        if (!spot->users) return spot;
    }
    return NULL;
}

/* Another origin has the same host and port: http and https. curl's cache has one entry for both.
 * */
static bool has_twin(const er_dns_cache *known, const er_spot *spot)
{
    er_list_each(at, &known->spots) {
        const er_spot *other = er_of(at, er_spot, known);
        if (other != spot && other->route->port == spot->route->port &&
            !strcmp(other->route->host, spot->route->host)) {
            return true;
        }
    }
    return false;
}

static int forget_some(er_dns_cache *known, struct curl_slist **lines)
{
    int error = 0;
    er_spot *spot;
    while (!error && known->n > MOST && (spot = oldest_unused(known))) {
        if (!has_twin(known, spot)) {
            er_bytes line = { 0 };
            er_bytes_format(&line, "-%s:%u", spot->route->host, spot->route->port);
            error = add_line(lines, &line);
        }
        if (!error) forget(known, spot);
    }
    return error;
}

int er_dns_cache_use(er_dns_cache *known, const er_exchange *x, struct curl_slist **lines)
{
    er_spot *spot = x->turn.spot;
    const er_route *route = spot->route;
    spot->users++;
    if (er_listed(&spot->known)) {
        er_list_remove(&spot->known);
    } else {
        er_lock_take(&known->scheduler->lock);
        spot->route->users++;
        er_lock_give(&known->scheduler->lock);
        known->n++;
    }
    er_list_push(&known->spots, &spot->known);
    if (spot->cached_serial == x->found->serial) return 0;
    int error = forget_some(known, lines);
    if (error) return error;
    er_bytes line = { 0 };
    er_bytes_format(&line, "%s:%u:%s", route->host, route->port, x->found->addresses.text);
    return add_line(lines, &line);
}

void er_dns_cache_taken(const er_exchange *x) { x->turn.spot->cached_serial = x->found->serial; }

void er_dns_cache_release(er_spot *spot) { spot->users--; }

void er_dns_cache_forget(er_dns_cache *known)
{
    er_node *node;
    while ((node = er_list_first(&known->spots))) forget(known, er_of(node, er_spot, known));
}
