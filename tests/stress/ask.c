/* tests/stress/ask.c -- see ask.h. A request of any method, with a body of any kind, to a server,
 * to a closed port, or to an invalid url; and its checks: a success has a whole page of its own, a
 * failure has saved nothing, one that was never sent was never seen.
 *
 * Which failure it is, is not checked: tests/http/table.c does that. It only has to fit what the
 * servers saw. */
#include "stress/ask.h"

#include "stress/scarcity.h"
#include "stress/server.h"
#include "stress/web.h"

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UPLOAD_MOST = 300000 };

ask asks[ASKS];
static unsigned made; /* atomic */
static const char old_text[] = "this was here before\n";
static char uploads[UPLOAD_MOST + 32]; /* any 31 bytes on are another ask's */

char upload_byte(const ask *a, size_t i)
{
    return (char)('A' + (a->number % 31 + i % UPLOAD_MOST) % 26);
}

void asks_open(void)
{
    memset(asks, 0, sizeof asks);
    __atomic_store_n(&made, 0, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < sizeof uploads; i++) uploads[i] = (char)('A' + i % 26);
}

unsigned asks_made(void)
{
    unsigned n = __atomic_load_n(&made, __ATOMIC_SEQ_CST);
    return n < ASKS ? n : ASKS;
}

ask *ask_new(dice *d)
{
    unsigned n = asks_made() < ASKS ? __atomic_fetch_add(&made, 1, __ATOMIC_SEQ_CST) : ASKS;
    if (n >= ASKS) return NULL;
    asks[n].number = n;
    asks[n].seed = dice_seed(d);
    return &asks[n];
}

/* ---- what is sent ---- */

typedef struct parts { /* of a request: they live until it is sent */
    char url[96], path[96], file[96], key[32], headers[2][64];
    const char *lines[4];
    errand_form_field fields[3];
    json_object *json;
} parts;

static void path_of(char *to, size_t size, const ask *a, const char *what)
{
    snprintf(to, size, "%s/%s-%u", web_folder, what, a->number);
}

static void write_file(const char *path, const char *at, size_t size)
{
    FILE *f = fopen(path, "w");
    HOLDS(f && fwrite(at, 1, size, f) == size && !fclose(f), "%s cannot be written", path);
}

static int give_body(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    entry *e = arg;
    ask *a = &asks[e->seed];
    dice d = dice_of(a->seed, 500 + ledger_enter(e));
    HOLDS(!offset || offset == a->offset,
          "body_fn of ask %u is asked for byte %llu, and %llu is next", a->number,
          (unsigned long long)offset, (unsigned long long)a->offset);
    size_t n = a->upload - (size_t)offset;
    if (n > size) n = size;
    if (n > a->piece) n = a->piece;
    for (size_t i = 0; i < n; i++) ((char *)buffer)[i] = upload_byte(a, (size_t)offset + i);
    a->offset = offset + n;
    if (dice_one_in(&d, 6)) nap();
    bool fails = a->breaks_at && offset + n >= a->breaks_at;
    ledger_leave(e);
    *got = n;
    return fails ? EIO : 0;
}

static size_t some_size(dice *d)
{
    return dice_one_in(d, 12) ? dice_below(d, UPLOAD_MOST)
                              : dice_below(d, dice_one_in(d, 3) ? 20000 : 300);
}

static void add_form(ask *a, errand_request *r, parts *p, dice *d)
{
    p->fields[0] = (errand_form_field){ .name = "name", .value = "a value" };
    p->fields[1] =
        (errand_form_field){ .name = "bytes", .bytes = { uploads, some_size(d) % 3000 } };
    if (dice_one_in(d, 2)) {
        path_of(p->file, sizeof p->file, a, "part");
        write_file(p->file, uploads, 1000);
        p->fields[1] = (errand_form_field){ .name = "file", .file = p->file };
    }
    r->form = p->fields;
}

static void add_body(ask *a, errand_request *r, parts *p, dice *d)
{
    unsigned how = dice_below(d, 7);
    a->upload = some_size(d);
    if (how == 0) return;
    a->uploads = how > 2;
    if (how == 1) {
        p->json = json_object_new_string("some \"JSON\"");
        r->json = p->json;
    } else if (how == 2) {
        add_form(a, r, p, d);
    } else if (how == 3) {
        r->body = (errand_bytes){ uploads + a->number % 31, a->upload };
    } else if (how == 4) {
        path_of(p->file, sizeof p->file, a, "body");
        write_file(p->file, uploads + a->number % 31, a->upload);
        r->body_file = p->file;
    } else {
        r->body_fn = give_body;
        a->piece = 1 + dice_below(d, 40000);
        if (dice_one_in(d, 8)) a->breaks_at = 1 + dice_below(d, (unsigned)a->upload + 1);
        r->body_size = dice_one_in(d, 2) ? (int64_t)a->upload : 0;
    }
}

static void add_url(ask *a, errand_request *r, parts *p, dice *d)
{
    static const char *const hosts[] = { "127.0.0.1", "localhost", "127.0.0.1" };
    static const char *const nowhere[] = { "http://127.0.0.1:1/p/%u/0",
                                           "http://nowhere.invalid/p/%u/0", "http://[/p/%u/0",
                                           "ftp://a/p/%u/0" };
    unsigned port = server_port(dice_below(d, SERVERS));
    snprintf(a->host, sizeof a->host, "127.0.0.1:%u", server_port(0));
    switch (dice_below(d, 12)) {
    case 0: snprintf(p->url, sizeof p->url, nowhere[dice_below(d, 4)], a->number); break;
    case 1:
    case 2:
    case 3:
    case 4:
        snprintf(a->host, sizeof a->host, "%s:%u", hosts[dice_below(d, 3)], port);
        snprintf(p->url, sizeof p->url, "http://%s/p/%u/0?secret=%u#there", a->host, a->number,
                 a->number);
        break;
    default: snprintf(p->url, sizeof p->url, "/p/%u/0", a->number);
    }
    r->url = p->url;
}

static void add_headers(ask *a, errand_request *r, parts *p, dice *d)
{
    unsigned n = 0;
    a->secret = dice_one_in(d, 3);
    if (a->secret) {
        snprintf(p->headers[0], sizeof p->headers[0], "Authorization: secret %u", a->number);
        p->lines[n++] = p->headers[0];
    }
    if (dice_one_in(d, 8)) p->lines[n++] = "Expect: 100-continue";
    if (dice_one_in(d, 4)) p->lines[n++] = "X-Empty;";
    if (n) r->headers = p->lines;
}

static void touch(void *easy, void *arg)
{
    (void)easy;
    __atomic_add_fetch((unsigned *)arg, 1, __ATOMIC_RELAXED);
}

static void add_rest(errand_request *r, dice *d)
{
    static unsigned touches;
    r->repeat = dice_one_in(d, 2) ? 0 : dice_below(d, 3);
    r->any_status = dice_one_in(d, 4);
    if (dice_one_in(d, 4)) r->total_ms = dice_one_in(d, 12) ? ERRAND_ZERO : 1 + dice_below(d, 60);
    if (dice_one_in(d, 12)) r->connect_ms = 1 + dice_below(d, 10);
    if (dice_one_in(d, 12)) r->sock_connect_ms = 1 + dice_below(d, 10);
    if (dice_one_in(d, 8)) r->sock_read_ms = 1 + dice_below(d, 10);
    if (dice_one_in(d, 8)) r->max_body = 1 + dice_below(d, 3000);
    if (dice_one_in(d, 16)) r->setup = touch, r->setup_arg = &touches;
}

static bool is_idempotent(const char *method)
{
    static const char *const not [] = { "POST", "PATCH", "BREW" };
    for (size_t i = 0; i < 3; i++) {
        if (!strcmp(method, not [i])) return false;
    }
    return true;
}

static void add_target(ask *a, errand_request *r, parts *p, dice *d)
{
    a->stream = dice_one_in(d, 6);
    r->stream = a->stream;
    if (a->stream || a->head || dice_below(d, 5)) return;
    path_of(p->path, sizeof p->path, a, "saved");
    a->saves = dice_one_in(d, 3) ? SAVES_OVER : SAVES_NEW;
    if (a->saves == SAVES_OVER) write_file(p->path, old_text, sizeof old_text - 1);
    r->save_to = p->path;
}

static void compose(ask *a, errand_request *r, parts *p, const session *of, scene *s)
{
    static const char *const methods[] = { "GET",  "GET", "GET",   "HEAD",   "POST",    "POST",
                                           "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW" };
    dice *d = &s->d;
    a->method = r->method = methods[dice_below(d, 12)];
    a->head = !strcmp(a->method, "HEAD");
    add_url(a, r, p, d);
    add_headers(a, r, p, d);
    add_rest(r, d);
    add_target(a, r, p, d);
    a->any_status = r->any_status;
    if (!a->head && (!strcmp(a->method, "POST") || dice_one_in(d, 3))) add_body(a, r, p, d);
    bool keyed = dice_one_in(d, 3);
    if (keyed) {
        snprintf(p->key, sizeof p->key, "key-%u", a->number);
        r->idempotency_key = p->key;
    }
    manner m = web_manner(s);
    r->policy = m.policy;
    if (!m.policy) m = of->manner;
    a->by_policy = m.policy != NULL;
    bool again = r->repeat == ERRAND_REPEAT_ALWAYS ||
                 (m.policy && m.repeat == ERRAND_REPEAT_ALWAYS);
    a->once = r->repeat == ERRAND_REPEAT_NEVER || (!is_idempotent(a->method) && !keyed && !again);
    if (!r->body_fn && dice_below(d, 8)) return;
    entry *e = ledger_add(ENTRY_ARG, a->number);
    r->body_arg = e;
    r->body_free = ledger_freed;
}

errand_future *ask_some(scene *s, ask **out)
{
    parts p = { 0 };
    errand_request r = { 0 };
    const session *of = web_use(s);
    *out = NULL;
    if (!of) return NULL;
    ask *a = s->simple && of->manner.holds ? NULL : ask_new(&s->d);
    errand_future *f = NULL;
    if (a) {
        compose(a, &r, &p, of, s);
        f = errand_send(of->http, &r);
        __atomic_store_n(&a->in_time, !__atomic_load_n(&of->closing, __ATOMIC_SEQ_CST),
                         __ATOMIC_SEQ_CST);
        *out = a;
        json_object_put(p.json);
    }
    web_used();
    return f;
}

/* ---- results ---- */

static void look_at_page(const ask *a, const errand_response *response, errand_bytes body, bool all)
{
    page p;
    bool may_be_empty = a->head || !all || __atomic_load_n(&a->empties, __ATOMIC_SEQ_CST);
    if (!body.size && (may_be_empty || errand_response_status(response) == 408))
        return; /* it came without a request */
    bool good = page_read(&p, body.at, body.size, all);
    HOLDS(good, "ask %u was given %zu bytes that are no page (%d): %.300s", a->number, body.size,
          errand_response_status(response), (const char *)body.at);
    if (body.size < PAGE_LEAST) return;
    HOLDS(p.ask == a->number && (int)p.status == errand_response_status(response),
          "ask %u was given %u's page of %u, as %d", a->number, p.ask, p.status,
          errand_response_status(response));
    HOLDS(!all || p.whole, "ask %u was given a page that was broken: %.100s", a->number,
          (const char *)body.at);
}

static void read_json(const errand_response *response)
{
    json_object *object = NULL;
    const char *why;
    if (errand_response_json(response, &object, &why) == 0) json_object_put(object);
}

static void read_stream(const ask *a, errand_response *response, dice *d)
{
    size_t size = 0;
    int64_t got = 0;
    bool spared = scarcity_spare(true);
    char *all = malloc(PAGE_MOST);
    scarcity_spare(spared);
    HOLDS(all, "no memory");
    for (unsigned n = dice_below(d, 3) ? 200 : dice_below(d, 4); n; n--) {
        got = errand_body_read(response, all + size, 1 + dice_below(d, 20000), dice_below(d, 20));
        if (got == -ETIMEDOUT) continue;
        if (got <= 0) break;
        size += (size_t)got;
        HOLDS(size < PAGE_MOST - 20000, "a stream has no end");
        if (dice_one_in(d, 8)) nap();
    }
    const errand_result *failure = errand_body_failure(response);
    HOLDS(got >= 0 || got == -ETIMEDOUT || got == -ECANCELED || (failure && failure->error == -got),
          "a stream broke off with %d, and says %d", (int)-got, failure ? failure->error : 0);
    if (failure) HOLDS(*errand_result_message(failure), "no message");
    look_at_page(a, response, (errand_bytes){ all, size }, got == 0 && size);
    free(all);
}

static void look_at_success(ask *a, const errand_result *r, dice *d)
{
    errand_response *response = r->value;
    int status = errand_response_status(response);
    errand_transfer_metrics metrics;
    bool bare = a->head || status == 204, file = a->saves && !bare && status >= 200 && status < 300;
    HOLDS(status >= 200 && (status < 400 || a->any_status), "status %d is no success", status);
    HOLDS(errand_response_metrics(response, &metrics) == 0, "no metrics");
    if (file) a->saved = true;
    if (bare) a->not_saved = !a->by_policy;
    if (a->stream) read_stream(a, response, d);
    else if (!file) look_at_page(a, response, errand_response_body(response), true);
    if (!a->stream && dice_one_in(d, 4)) read_json(response);
}

static void look_at_failure(ask *a, const errand_result *r, bool ours)
{
    HOLDS(*errand_result_message(r), "no message");
    if (r->error >= ERRAND_HTTP && r->error < ERRAND_CURL && r->value) {
        HOLDS(errand_response_status(r->value) == r->error - ERRAND_HTTP,
              "an error says %d, its response %d", r->error - ERRAND_HTTP,
              errand_response_status(r->value));
        look_at_page(a, r->value, errand_response_body(r->value), false);
    }
    if (!ours) return;
    a->never = !errand_result_may_have_run(r);
    a->not_saved = !a->by_policy;
}

void ask_look(ask *a, const errand_result *r, scene *s)
{
    errand_timings timings;
    dice *d = &s->d;
    /* else the result may be that of a then-function without memory, or of a middleware, and the
     * request continues */
    bool timed = errand_result_timings(r, &timings) == 0,
         tangled = __atomic_load_n(&a->led_on, __ATOMIC_SEQ_CST);
    if (r->error) look_at_failure(a, r, timed && !tangled);
    else if (r->free != ledger_freed && r->value) look_at_success(a, r, d);
    if (dice_one_in(d, 4)) json_object_put(errand_result_json(r, NULL));
}

errand_result ask_then(errand_result in, void *arg)
{
    entry *e = arg;
    ask *a = &asks[e->seed];
    scene s = { dice_of(a->seed, ledger_enter(e)), 0, true, on_worker() };
    ask_look(a, &in, &s);
    ledger_leave(e);
    if (in.error) return in;
    errand_result_free(&in);
    return ledger_value(0);
}

/* ---- the end ---- */

static void check_file(const ask *a)
{
    char path[96], *text = malloc(PAGE_MOST);
    page p;
    HOLDS(text, "no memory");
    path_of(path, sizeof path, a, "saved");
    FILE *f = fopen(path, "r");
    size_t size = f ? fread(text, 1, PAGE_MOST, f) : 0;
    bool old =
        a->saves == SAVES_OVER ? size == sizeof old_text - 1 && !memcmp(text, old_text, size) : !f;
    bool new = f && ((!size && a->empties) ||
                     (page_read(&p, text, size, true) && p.whole && p.ask == a->number));
    HOLDS(old || new, "%s holds %zu bytes that are no page: %.200s", path, size, text);
    HOLDS(!a->saved || new, "ask %u has ended well and saved nothing", a->number);
    HOLDS(!a->not_saved || old, "ask %u has failed and saved something", a->number);
    if (f) fclose(f);
    (void)unlink(path);
    free(text);
}

static void check_ask(const ask *a)
{
    char path[96];
    for (unsigned hop = 0; hop < HOPS && a->never && a->once && !a->led_on; hop++)
        HOLDS(a->seen[hop] <= a->again[hop], "ask %u (%s) cannot have run, and hop %u saw it",
              a->number, a->method, hop);
    if (a->saves) check_file(a);
    path_of(path, sizeof path, a, "body");
    (void)unlink(path);
    path_of(path, sizeof path, a, "part");
    (void)unlink(path);
}

void asks_check(void)
{
    unsigned n = asks_made();
    for (unsigned i = 0; i < n; i++) check_ask(&asks[i]);
}
