/* errand's side of the web. */
#include "web.h"

#include <errand-http.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { AT_ONCE = 64 }; /* replies checked in a row */

typedef struct web {
    const web_plan *plan;
    errand_pool *pool;
    errand_http *http;
    errand_future **hanging;
} web;

static void *open_web(const web_plan *plan)
{
    web *w = calloc(1, sizeof *w);
    if (w == NULL) return NULL;
    const errand_http_opts opts = {
        .lanes = plan->lanes,
        .per_lane = plan->in_flight / plan->lanes,
        .limit = plan->in_flight,
        .limit_per_host = plan->in_flight,
        .user_agent = "", /* so that each side sends the same bytes */
        .no_compression = 1
    };
    w->plan = plan;
    w->pool = errand_pool_new(NULL);
    w->http = errand_http_new(w->pool, &opts);
    return w->http != NULL ? w : NULL;
}

static void look(errand_future *f)
{
    errand_result r = errand_await(f);
    const errand_response *reply = r.value;
    if (r.error != 0 || errand_response_status(reply) != 200 ||
        errand_response_body(reply).size == 0 ||
        errand_response_header(reply, "Content-Type", 0) == NULL) {
        fprintf(stderr, "bench: errand: %s\n", errand_result_message(&r));
        exit(1);
    }
    errand_result_free(&r);
}

static void get(void *at, size_t n)
{
    const web *w = at;
    const size_t most = w->plan->most < n ? w->plan->most : n;
    errand_future **futures = calloc(most, sizeof *futures);
    if (futures == NULL) exit(1);
    for (size_t sent = 0, looked = 0; looked < n;) {
        for (; sent < n && sent < looked + most; sent++)
            futures[sent % most] = errand_get(w->http, w->plan->url);
        /* the newest of some first: the others have ended by then, so it waits once for them
         * all, as the peers' loops do */
        const size_t upto = looked + AT_ONCE < n ? looked + AT_ONCE : n;
        for (size_t i = upto; i-- > looked;) look(futures[i % most]);
        looked = upto;
    }
    free(futures);
}

static void hang(void *at, size_t n)
{
    web *w = at;
    w->hanging = calloc(n, sizeof *w->hanging);
    if (w->hanging == NULL) exit(1);
    for (size_t i = 0; i < n; i++) w->hanging[i] = errand_get(w->http, w->plan->url);
}

static void cancel(void *at, size_t i)
{
    const web *w = at;
    errand_cancel(w->hanging[i]);
    errand_result r = errand_await(w->hanging[i]);
    if (errand_result_kind(&r) != ERRAND_KIND_CANCELLED) {
        fprintf(stderr, "bench: errand: %s\n", errand_result_message(&r));
        exit(1);
    }
    errand_result_free(&r);
}

static void line(char *text, size_t size, const web_plan *plan, size_t i)
{
    snprintf(text, size, "{\"id\":%zu,\"url\":\"%s?%zu\"%s}\n", i, plan->url, i,
             plan->posts ? ",\"method\":\"POST\"" : "");
}

static const char *run(const web_plan *plan, const char *list, const char *to, const char *out)
{
    static char text[300];
    /* libtool's script costs time of its own */
    const bool built = access("tools/errand/.libs/errand", X_OK) == 0;
    snprintf(text, sizeof text, "%s run -q --progress never -j %u --limit-per-host %u %s %s%s",
             built ? "LD_LIBRARY_PATH=lib/.libs tools/errand/.libs/errand" : "tools/errand/errand",
             plan->in_flight, plan->in_flight, list, to, out);
    return text;
}

static const char *command(const web_plan *plan, const char *list, const char *out)
{
    return run(plan, list, plan->journal ? "--fresh -o " : ">", out);
}

static const char *to_stdout(const web_plan *plan, const char *list, const char *out)
{
    return run(plan, list, ">", out);
}

const web_side web_errand = {
    .open = open_web, .get = get, .hang = hang, .cancel = cancel, .line = line, .command = command
};
const web_side web_errand_stdout = { .line = line, .command = to_stdout };
const bench_side bench_no_journal = { .name = "errand-no-journal", .web = &web_errand_stdout };
