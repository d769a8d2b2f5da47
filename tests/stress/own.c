/* tests/stress/own.c -- own handles on a session's threads (errand_perform): each is freed once,
 * however it ends. */
#include "stress/server.h"
#include "stress/web.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct own {
    entry *entry;
    ask *ask;
    char *at;
    size_t size;
} own;

static size_t take(char *at, size_t one, size_t n, void *arg)
{
    own *o = arg;
    ledger_enter(o->entry);
    char *more = realloc(o->at, o->size + one * n);
    if (more) {
        memcpy(more + o->size, at, one * n);
        o->at = more;
        o->size += one * n;
    }
    ledger_leave(o->entry);
    return more ? one * n : 0;
}

static void let_go(void *easy)
{
    own *o = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&o);
    ledger_freed(o->entry);
    curl_easy_cleanup(easy);
    free(o->at);
    free(o);
}

static errand_result look(errand_result in, void *arg)
{
    page p;
    ledger_enter(arg);
    ledger_leave(arg);
    if (in.free != let_go) return in;
    own *o = NULL;
    curl_easy_getinfo(in.value, CURLINFO_PRIVATE, (char **)&o);
    bool good = o->size >= PAGE_LEAST && page_read(&p, o->at, o->size, false);
    HOLDS(in.error || !good || (p.ask == o->ask->number && (!p.whole || o->size == p.size)),
          "a handle of ask %u was given another's page, or less of it", o->ask->number);
    if (in.error) return in;
    errand_result_free(&in);
    return ledger_value(0);
}

errand_future *ask_lane(scene *s)
{
    char url[96];
    const session *of = web_use(s);
    if (!of) return NULL;
    ask *a = ask_new(&s->d);
    own *o = a ? calloc(1, sizeof *o) : NULL;
    CURL *easy = o ? curl_easy_init() : NULL;
    if (!easy) {
        free(o);
        web_used();
        return NULL;
    }
    *o = (own){ .entry = ledger_add(ENTRY_ARG, a->number), .ask = a };
    a->by_lane = true;
    a->method = dice_one_in(&s->d, 3) ? "POST" : "GET";
    snprintf(url, sizeof url, "http://127.0.0.1:%u/p/%u/0", server_port(dice_below(&s->d, SERVERS)),
             a->number);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, o);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, o);
    if (strcmp(a->method, "GET") != 0) curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, "a=b");
    errand_future *f = errand_perform(of->http, easy, let_go);
    web_used();
    return errand_then(f, look, ledger_add(ENTRY_THEN, a->number));
}
