/* curl_multi in one thread, as its documentation shows it: as many handles as transfers, each
 * used again and again. */
#include "web.h"
#include "web_reply.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct web {
    const web_plan *plan;
    CURLM *multi;
    CURL **all;
} web;

static void *open_web(const web_plan *plan)
{
    web *w = calloc(1, sizeof *w);
    if (w == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) return NULL;
    w->plan = plan;
    w->multi = curl_multi_init();
    w->all = calloc(plan->in_flight, sizeof *w->all);
    if (w->multi == NULL || w->all == NULL) return NULL;
    curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)plan->in_flight);
    for (unsigned i = 0; i < plan->in_flight; i++) w->all[i] = web_easy_new();
    return w;
}

static void begin(const web *w, CURL *easy)
{
    web_reply *reply = calloc(1, sizeof *reply);
    if (reply == NULL) exit(1);
    web_easy_aim(easy, w->plan->url, reply);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, reply);
    curl_multi_add_handle(w->multi, easy);
}

static void get(void *at, size_t n)
{
    web *w = at;
    size_t begun = 0, ended = 0;
    for (; begun < w->plan->in_flight && begun < n; begun++) begin(w, w->all[begun]);
    while (ended < n) {
        int running, left;
        curl_multi_perform(w->multi, &running);
        for (CURLMsg *m; (m = curl_multi_info_read(w->multi, &left)) != NULL;) {
            CURL *easy = m->easy_handle;
            const CURLcode code = m->data.result;
            char *reply = NULL;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, &reply);
            curl_multi_remove_handle(w->multi, easy);
            web_reply_look(easy, code, (web_reply *)(void *)reply);
            ended++;
            if (begun < n) {
                begin(w, easy);
                begun++;
            }
        }
        if (ended < n) curl_multi_poll(w->multi, NULL, 0, 1000, NULL);
    }
}

static const web_side requests = { .open = open_web, .get = get };
const bench_side bench_multi = { .name = "curl-multi", .web = &requests };
