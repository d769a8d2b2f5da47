/*
 * The routes and what is done for each: check the request, count it, draw its fate, and unless that
 * is a refusal do the work. A wrong request is refused before any fate is drawn, so that the client
 * sees its own error and not a fault.
 */
#include "exchange.h"

#include <stdio.h>
#include <string.h>

enum { KEY_MOST = 255 };

static void reject(struct exchange *exchange) { exchange->service->rejected++; }

/* Notes the fate of this request, the n-th at its endpoint for this video. */
static void draw_fate(struct exchange *exchange, enum endpoint endpoint, const struct video *video)
{
    struct service *service = exchange->service;
    struct lot lot = { .seed = service->options->seed,
                       .endpoint = endpoint,
                       .video_id = video->id,
                       .n = video->asked[endpoint] };
    exchange->n = lot.n;
    snprintf(exchange->video_id, sizeof exchange->video_id, "%s", video->id);
    exchange->fate = lot_fate(&lot, service->options->shares);
    service->faults[exchange->fate]++;
    if (exchange->fate == FATE_FAIL_503) {
        reply_problem(&exchange->reply, 503, NULL, "overloaded, nothing was done");
    } else if (exchange->fate == FATE_FAIL_429) {
        reply_problem(&exchange->reply, 429, NULL, "too many requests, nothing was done");
        exchange->reply.retry_after =
            lot_bits(&lot, DRAW_HTTP_DATE) & 1 ? RETRY_DATE : RETRY_SECONDS;
    }
}

static bool refused(enum fate fate)
{
    return fate == FATE_FAIL_503 || fate == FATE_FAIL_429 || fate == FATE_DROP_UNPROCESSED;
}

static void take_order(struct exchange *exchange, enum endpoint endpoint)
{
    struct service *service = exchange->service;
    struct MHD_Connection *connection = exchange->connection;
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type");
    const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Idempotency-Key");
    if (text && (!*text || strlen(text) > KEY_MOST)) {
        reply_problem(&exchange->reply, 400, "Idempotency-Key", "it must have 1 to %d characters",
                      KEY_MOST);
        reject(exchange);
        return;
    }
    struct order order;
    if (!order_read(&order, type, exchange->body, exchange->length, &exchange->reply)) {
        reject(exchange);
        return;
    }
    struct arrival arrival = { .endpoint = endpoint, .order = &order };
    if (!videos_arrive(service->videos, &arrival, text, &exchange->reply)) {
        reject(exchange);
    } else {
        draw_fate(exchange, endpoint, arrival.video);
        if (!refused(exchange->fate)) {
            videos_process(service->videos, &arrival, &exchange->reply, &exchange->ready_at);
        }
    }
    order_free(&order);
}

static void take_generate(struct exchange *exchange, const char *id)
{
    (void)id;
    take_order(exchange, ENDPOINT_GENERATE);
}

static void take_submit(struct exchange *exchange, const char *id)
{
    (void)id;
    take_order(exchange, ENDPOINT_SUBMIT);
}

static void not_found(struct exchange *exchange, const char *what)
{
    reply_problem(&exchange->reply, 404, NULL, "%s", what);
    reject(exchange);
}

static void take_poll(struct exchange *exchange, const char *id)
{
    struct operation *operation = operations_find(exchange->service->videos, id);
    if (!operation) {
        not_found(exchange, "no such operation");
        return;
    }
    struct video *video = operation_video(operation);
    video->asked[ENDPOINT_POLL]++;
    draw_fate(exchange, ENDPOINT_POLL, video);
    if (!refused(exchange->fate)) {
        operation_poll(exchange->service->videos, operation, &exchange->reply);
    }
}

static void take_content(struct exchange *exchange, const char *id)
{
    struct video *video = videos_find(exchange->service->videos, id);
    if (!video || !video->processed) {
        not_found(exchange, "no such video was made");
        return;
    }
    video->asked[ENDPOINT_CONTENT]++;
    draw_fate(exchange, ENDPOINT_CONTENT, video);
    if (!refused(exchange->fate)) {
        video_content(exchange->service->videos, video, &exchange->reply);
    }
}

static struct json_object *service_stats(const struct service *service, bool each)
{
    struct json_object *stats = json_object_new_object(), *faults = json_object_new_object();
    json_object_object_add(stats, "seed", json_object_new_uint64(service->options->seed));
    json_object_object_add(stats, "requests", json_object_new_uint64(service->requests));
    json_object_object_add(stats, "rejected", json_object_new_uint64(service->rejected));
    for (int fate = 0; fate < FATES; fate++) {
        json_object_object_add(faults, fate_name((enum fate)fate),
                               json_object_new_uint64(service->faults[fate]));
    }
    json_object_object_add(stats, "faults", faults);
    videos_stats(service->videos, stats, each);
    return stats;
}

static void take_stats(struct exchange *exchange, const char *id)
{
    (void)id;
    reply_json(&exchange->reply, 200, service_stats(exchange->service, true));
}

static void take_stats_of_one(struct exchange *exchange, const char *id)
{
    struct video *video = videos_find(exchange->service->videos, id);
    if (video) {
        reply_json(&exchange->reply, 200, video_stats(video));
    } else {
        not_found(exchange, "no such video was ordered");
    }
}

static void take_health(struct exchange *exchange, const char *id)
{
    (void)id;
    struct json_object *health = json_object_new_object();
    json_object_object_add(health, "status", json_object_new_string("ok"));
    reply_json(&exchange->reply, 200, health);
}

static void take_events(struct exchange *exchange, const char *id)
{
    (void)id;
    reply_events(&exchange->reply, 5);
    exchange->fate = FATE_SLOW_BODY; /* one after the other, as a server that works sends them */
}

static void take_upload(struct exchange *exchange, const char *id)
{
    (void)id;
    const char *type =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Content-Type");
    struct json_object *upload = json_object_new_object();
    json_object_object_add(upload, "bytes", json_object_new_uint64(exchange->length));
    json_object_object_add(upload, "type", type ? json_object_new_string(type) : NULL);
    reply_json(&exchange->reply, 201, upload);
}

/* A path of a route has at most one part that varies, which is `*`. */
static const struct route {
    const char *before, *after; /* after: NULL when nothing varies */
    const char *method, *allow;
    void (*take)(struct exchange *exchange, const char *id);
} routes[] = {
    { "/generate", NULL, "POST", "POST", take_generate },
    { "/videos", NULL, "POST", "POST", take_submit },
    { "/operations/", "", "GET", "GET, HEAD", take_poll },
    { "/videos/", "/content", "GET", "GET, HEAD", take_content },
    { "/stats", NULL, "GET", "GET, HEAD", take_stats },
    { "/stats/", "", "GET", "GET, HEAD", take_stats_of_one },
    { "/healthz", NULL, "GET", "GET, HEAD", take_health },
    { "/events", NULL, "GET", "GET, HEAD", take_events },
    { "/uploads", NULL, "POST", "POST", take_upload },
};

static bool matches(const struct route *route, const char *path, char id[VIDEO_ID_MOST + 1])
{
    if (!route->after) {
        return !strcmp(path, route->before);
    }
    size_t before = strlen(route->before), after = strlen(route->after), length = strlen(path);
    if (length <= before + after || length - before - after > VIDEO_ID_MOST ||
        strncmp(path, route->before, before) != 0 ||
        strcmp(path + length - after, route->after) != 0) {
        return false;
    }
    memcpy(id, path + before, length - before - after);
    id[length - before - after] = '\0';
    return video_id_is_good(id);
}

/* Counts it in the window of time. False: it is beyond the quota. */
static bool within_quota(struct exchange *exchange)
{
    struct service *service = exchange->service;
    const struct options *options = service->options;
    int64_t now = wakes_now(), second = 1000000000;
    if (now >= service->quota_until) {
        service->quota_until = now + options->quota_s * second;
        service->quota_used = 0;
    }
    bool within = service->quota_used < options->quota;
    service->quota_used += within;
    snprintf(exchange->quota, sizeof exchange->quota, "\"demo\";r=%ld;t=%lld",
             options->quota - service->quota_used,
             (long long)((service->quota_until - now + second - 1) / second));
    return within;
}

void exchange_decide(struct exchange *exchange, const char *path, const char *method)
{
    char id[VIDEO_ID_MOST + 1] = "";
    exchange->service->requests++;
    exchange->fate = FATE_NONE;
    if (exchange->too_large) {
        reply_problem(&exchange->reply, 413, "body", "the body is larger than %d bytes", BODY_MOST);
        reject(exchange);
        return;
    }
    if (exchange->service->options->quota && strncmp(path, "/stats", 6) != 0 &&
        !within_quota(exchange)) {
        reply_problem(&exchange->reply, 429, NULL, "the quota is used up, nothing was done");
        reject(exchange);
        return;
    }
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *route = &routes[i];
        if (!matches(route, path, id)) {
            continue;
        }
        if (!strcmp(method, route->method) ||
            (!strcmp(method, "HEAD") && !strcmp(route->method, "GET"))) {
            route->take(exchange, id);
        } else {
            reply_problem(&exchange->reply, 405, NULL, "%.20s is not allowed here, only %s", method,
                          route->allow);
            exchange->reply.allow = route->allow;
            reject(exchange);
        }
        return;
    }
    not_found(exchange, "no such path");
}
