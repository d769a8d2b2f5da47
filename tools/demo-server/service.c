/*
 * One thread serves everything: main's loop polls libmicrohttpd's epoll descriptor and calls
 * service_run. An exchange that has to wait (slow work, slow bodies) is suspended and put into
 * the heap of wakes, which resumes it; so a thousand waiting connections cost a thousand small
 * structs and no thread, and no table needs a lock.
 *
 *     request --> exchange: body gathered --> exchange_decide: route, validate, draw the fate, work
 *             --> reply --> [suspended until the work is ready]
 *             --> conclude: send it, spoil it, or close the connection
 *
 * libmicrohttpd calls `handle` several times for one request: at its headers, for each piece of
 * its body, at its end, and again when a suspended connection is resumed. */
#include "service.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "exchange.h"

enum { CONNECTIONS_MOST = 4096, IDLE_SECONDS = 300, SPARE_FDS = 32 };

static bool suspend(struct exchange *exchange, int64_t until)
{
    if (wakes_add(&exchange->service->wakes, &exchange->wake, until)) {
        return false;
    }
    MHD_suspend_connection(exchange->connection);
    return true;
}

static bool pause_body(void *arg, int64_t until) { return suspend(arg, until); }

static void log_line(const struct exchange *exchange, unsigned status)
{
    if (!exchange->service->options->verbose || exchange->service->options->quiet) {
        return;
    }
    double ms = (double)(wakes_now() - exchange->since) / 1e6;
    char said[16] = "-";
    if (status) {
        snprintf(said, sizeof said, "%u", status);
    }
    if (*exchange->video_id) {
        fprintf(stderr, "%s %s %s n=%llu fate=%s %.1f ms\n", exchange->line, said,
                exchange->video_id, (unsigned long long)exchange->n, fate_name(exchange->fate), ms);
    } else {
        fprintf(stderr, "%s %s %.1f ms\n", exchange->line, said, ms);
    }
}

/* Closes the connection where MHD_NO is returned. */
static enum MHD_Result conclude(struct exchange *exchange)
{
    struct reply *reply = &exchange->reply;
    const struct options *options = exchange->service->options;
    struct manner manner = {
        .pause = pause_body, .arg = exchange, .cut = exchange->fate == FATE_DROP_MIDDLE
    };
    if (exchange->fate == FATE_DROP_UNPROCESSED || exchange->fate == FATE_DROP_BEFORE) {
        log_line(exchange, 0);
        return MHD_NO;
    }
    if (exchange->fate == FATE_SLOW_BODY) {
        manner.slow_ns = options->slow_ms * 1000000;
    } else if (exchange->fate == FATE_WRONG_TYPE) {
        reply_page(reply);
    }
    if (*exchange->quota) {
        memcpy(reply->quota, exchange->quota, sizeof reply->quota);
        snprintf(reply->policy, sizeof reply->policy, "\"demo\";q=%ld;w=%ld", options->quota,
                 options->quota_s);
    }
    unsigned status = reply->status;
    struct MHD_Response *response = reply_response(reply, &manner, options->retry_after);
    if (!response) {
        return MHD_NO;
    }
    enum MHD_Result queued = MHD_queue_response(exchange->connection, status, response);
    MHD_destroy_response(response);
    log_line(exchange, status);
    return queued;
}

/* A body that is too large is read to its end, so that the client can see why it is refused. */
static bool gather(struct exchange *exchange, const char *data, size_t length)
{
    if (exchange->too_large || length > BODY_MOST - exchange->length) {
        exchange->too_large = true;
        return true;
    }
    if (exchange->length + length > exchange->room) {
        size_t room = 2 * (exchange->length + length);
        char *body = realloc(exchange->body, room);
        if (!body) {
            return false;
        }
        exchange->body = body;
        exchange->room = room;
    }
    memcpy(exchange->body + exchange->length, data, length);
    exchange->length += length;
    return true;
}

static struct exchange *exchange_new(struct service *service, struct MHD_Connection *connection,
                                     const char *method, const char *path)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange) {
        return NULL;
    }
    exchange->service = service;
    exchange->connection = connection;
    exchange->since = wakes_now();
    snprintf(exchange->line, sizeof exchange->line, "%.20s %.200s", method, path);
    return exchange;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *length, void **context)
{
    (void)version;
    struct exchange *exchange = *context;
    if (!exchange) {
        *context = exchange_new(arg, connection, method, path);
        return *context ? MHD_YES : MHD_NO;
    }
    if (*length) {
        bool gathered = gather(exchange, data, *length);
        *length = 0;
        return gathered ? MHD_YES : MHD_NO;
    }
    if (!exchange->decided) {
        exchange->decided = true;
        exchange_decide(exchange, path, method);
        if (exchange->ready_at > wakes_now() && suspend(exchange, exchange->ready_at)) {
            return MHD_YES;
        }
    }
    return conclude(exchange);
}

static void completed(void *arg, struct MHD_Connection *connection, void **context,
                      enum MHD_RequestTerminationCode why)
{
    (void)arg, (void)connection, (void)why;
    struct exchange *exchange = *context;
    if (exchange) {
        wakes_remove(&exchange->service->wakes, &exchange->wake);
        reply_free(&exchange->reply);
        free(exchange->body);
        free(exchange);
        *context = NULL;
    }
}

/* As many connections as the limit of descriptors allows; raises the soft limit to the hard one. */
static unsigned connections_most(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) {
        return CONNECTIONS_MOST / 8;
    }
    if (limit.rlim_cur < limit.rlim_max && limit.rlim_cur < CONNECTIONS_MOST + SPARE_FDS) {
        limit.rlim_cur = limit.rlim_max < CONNECTIONS_MOST + SPARE_FDS
                             ? limit.rlim_max
                             : CONNECTIONS_MOST + SPARE_FDS;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= CONNECTIONS_MOST + SPARE_FDS) {
        return CONNECTIONS_MOST;
    }
    return limit.rlim_cur > 2 * SPARE_FDS ? (unsigned)limit.rlim_cur - SPARE_FDS : SPARE_FDS;
}

struct service *service_start(const struct options *options, int listener, uint16_t port)
{
    struct service *service = calloc(1, sizeof *service);
    if (!service || !(service->videos = videos_new(options, port))) {
        free(service);
        close(listener);
        errno = ENOMEM;
        return NULL;
    }
    service->options = options;
    service->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, service,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT, connections_most(),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_NOTIFY_COMPLETED,
        completed, service, MHD_OPTION_END);
    if (!service->daemon) {
        int error = errno;
        close(listener);
        videos_free(service->videos);
        free(service);
        errno = error;
        return NULL;
    }
    return service;
}

int service_fd(const struct service *service)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(service->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return info->epoll_fd;
}

int service_timeout(struct service *service)
{
    int timeout = wakes_timeout(&service->wakes, wakes_now());
    MHD_UNSIGNED_LONG_LONG ms;
    if (MHD_get_timeout(service->daemon, &ms) == MHD_YES &&
        (timeout < 0 || ms < (unsigned)timeout)) {
        timeout = ms > IDLE_SECONDS * 1000 ? IDLE_SECONDS * 1000 : (int)ms;
    }
    return timeout;
}

void service_run(struct service *service)
{
    int64_t now = wakes_now();
    for (struct wake *wake; (wake = wakes_pop(&service->wakes, now));) {
        MHD_resume_connection(((struct exchange *)wake)->connection);
    }
    MHD_run(service->daemon);
}

void service_stop(struct service *service)
{
    /* libmicrohttpd wants no connection suspended when it is stopped. */
    for (struct wake *wake; (wake = wakes_pop(&service->wakes, INT64_MAX));) {
        MHD_resume_connection(((struct exchange *)wake)->connection);
    }
    MHD_stop_daemon(service->daemon);
    if (!service->options->quiet) {
        uint64_t faults = 0;
        for (int fate = 0; fate < FATES; fate++) {
            faults += service->faults[fate];
        }
        fprintf(stderr, "demo-server: %llu requests, %llu met a fault, %llu were rejected\n",
                (unsigned long long)service->requests, (unsigned long long)faults,
                (unsigned long long)service->rejected);
    }
    videos_free(service->videos);
    wakes_free(&service->wakes);
    free(service);
}
