#include "shared.h"

#include <curl/curl.h>
#include <time.h>

bool shared_can(void) { return curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTP2; }

char big[BIG];

void shared_open(struct shared *s, h2_handler *asked, bool clocked, errand_http_opts opts)
{
    struct raw_server *server;
    for (size_t i = 0; i < BIG; i++) big[i] = (char)('a' + i % 23);
    ck_assert_int_eq(tls_files_make(&s->files), 0);
    s->h2.asked = asked;
    ck_assert_int_eq(tls_server_start_alpn(&server, h2_serve, &s->h2, s->files.good, "h2"), 0);
    opts.ca_file = s->files.ca;
    opts.http2 = 1;
    (clocked ? harness_open_clocked_on : harness_open_on)(&s->w, server, &opts);
}

void shared_close(struct shared *s)
{
    harness_close(&s->w);
    tls_files_remove(&s->files);
}

errand_http_stats stats_of(struct shared *s)
{
    errand_http_stats stats;
    ck_assert_int_eq(errand_http_stats_get(s->w.http, &stats), 0);
    return stats;
}

errand_transfer_metrics facts_of(const errand_result *r)
{
    errand_transfer_metrics metrics;
    ck_assert_int_eq(errand_response_metrics(r->value, &metrics), 0);
    return metrics;
}

void ends_well(errand_future *f)
{
    errand_result r = errand_await(f);
    ck_well(&r);
    ck_body_eq(&r, "yes");
    ck_assert_uint_eq(facts_of(&r).http, 20);
    errand_result_free(&r);
}

errand_future *post(struct shared *s, const char *key)
{
    return errand_send(
        s->w.http,
        &(errand_request){
            .url = "/", .method = "POST", .body = { "pay", 3 }, .idempotency_key = key });
}

void until_open(struct raw_server *server, unsigned n)
{
    while (raw_server_open(server) != n) nanosleep(&(struct timespec){ 0, 200000 }, NULL);
}

void say_yes(struct h2_stream *stream, void *arg)
{
    (void)arg;
    h2_reply(stream, 200, "yes", 3);
}

void say_yes_when_released(struct h2_stream *stream, void *arg)
{
    if (h2_released(stream) && (!arg || h2_number(stream) > *(unsigned *)arg))
        h2_reply(stream, 200, "yes", 3);
}
