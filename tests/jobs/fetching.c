#include "jobs/fetching.h"

#include "jobs/files.h"
#include "jobs/json_scan.h"
#include "raw_server.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

outcome came;

static struct raw_server *server;
static errand_pool *pool;
static errand_http *http;
static const char *results;
static int out = -1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char path[128];
    unsigned n;
} seen[4096];
static size_t n_seen;

static unsigned note(const char *path, unsigned more)
{
    pthread_mutex_lock(&lock);
    size_t i = 0;
    while (i < n_seen && strcmp(seen[i].path, path)) i++;
    if (i == n_seen && n_seen < sizeof seen / sizeof *seen)
        snprintf(seen[n_seen++].path, sizeof seen[0].path, "%s", path);
    unsigned n = seen[i].n += more;
    pthread_mutex_unlock(&lock);
    return n;
}

unsigned fetching_requests(const char *path) { return note(path, 0); }

static const char big[100 << 10] = { [0 ... sizeof big - 1] = 'x' };
static const char split[(64 << 10) + 1] = {
    /* a character across the limit */
    [0 ...(64 << 10) - 2] = 'y',
    [(64 << 10) - 1] = '\xc3',
    [64 << 10] = '\xa9',
};
#define TEXT(s) (s), sizeof(s) - 1
const body bodies[] = {
    { "pretty", "application/json", 200,
      TEXT("{\n  \"a\" : [ 1,\r\n 2.50 ],\n \"s\": \"x y\"\n}\n") },
    { "digits", "application/json; charset=utf-8", 200,
      TEXT("{\"n\":123456789012345678901234567890,\"f\":1.00}") },
    { "problem", "application/problem+json", 404, TEXT("{\"title\":\"gone\"}") },
    { "scalar", "application/json", 200, TEXT(" 12 ") },
    { "plain_scalar", "text/plain", 200, TEXT("12") },
    { "mistyped", "text/html", 200, TEXT("{\"a\":1}") },
    { "broken", "application/json", 200, TEXT("{\"a\":") },
    { "nan", "application/json", 200, TEXT("{\"a\":NaN}") },
    { "control", "application/json", 200, TEXT("{\"a\":\"x\ny\"}") },
    { "text", "text/plain", 200, TEXT("caf\xc3\xa9 \"quoted\"\n\x01") },
    { "latin", "text/plain", 200, TEXT("caf\xe9") },
    { "nul", "application/octet-stream", 200, TEXT("a\0b") },
    { "empty", "text/plain", 200, TEXT("") },
    { "untyped", NULL, 200, TEXT("[1]") },
    { "big_error", "text/plain", 400, big, sizeof big },
    { "split_error", "text/plain", 400, split, sizeof split },
    { "quote", "application/problem+json", 403, TEXT("{\"title\":\"no sesame-key\"}") },
    { "quota", "application/json", 429, TEXT("{\"error\":{\"type\":\"Insufficient_Quota\"}}") },
    { "billing", "application/json", 400, TEXT("{\"message\":\"No billing account\"}") },
    { "no_quota", "text/plain", 400, TEXT("quota") },
    { NULL, NULL, 0, NULL, 0 },
};

static bool send_body(struct raw_conn *conn, const char *name)
{
    const body *b = bodies;
    while (b->name && strcmp(b->name, name)) b++;
    if (!b->name) return raw_reply(conn, 404, "text/plain", "no such body");
    return raw_say(conn, "HTTP/1.1 %d X\r\n%s%s%sContent-Length: %zu\r\n\r\n", b->status,
                   b->type ? "Content-Type: " : "", b->type ? b->type : "", b->type ? "\r\n" : "",
                   b->size) &&
           raw_send(conn, b->at, b->size);
}

typedef void asked_fn(const char *target);

/* atomic: a connection of a run that has ended may still be served */
static const served *_Atomic served_list;
static asked_fn *_Atomic served_asked;

void fetching_serves(const served *list) { served_list = list; }
void fetching_calls(void (*asked)(const char *target)) { served_asked = asked; }

/* False: it is not in the list; else *more, whether the connection stays. */
static bool serves(struct raw_conn *conn, const struct raw_request *request, bool *more)
{
    char target[128] = "";
    sscanf(request->text, "%*s %127[^ ]", target);
    for (const served *s = served_list; s && s->target; s++) {
        if (strcmp(s->target, target) != 0) continue;
        note(target, 1);
        asked_fn *asked = served_asked;
        if (asked) asked(target);
        bool head = !strncmp(request->text, "HEAD ", 5);
        *more = raw_say(conn, "HTTP/1.1 %sContent-Length: %zu\r\n\r\n%s", s->head, strlen(s->body),
                        head ? "" : s->body);
        return true;
    }
    return false;
}

static bool answer(struct raw_conn *conn, const struct raw_request *request, const char *path)
{
    static const char good[] = "{\"ok\": true}";
    unsigned n = note(path, 1), number = 0, ms = 0, times = 0;
    if (!strcmp(path, "/hang")) return raw_wait_gone(conn) && false;
    if (!strcmp(path, "/half"))
        return raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") && false;
    if (!strcmp(path, "/headers"))
        return raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Request-ID: r-1\r\n"
                             "X-RateLimit-Remaining: 9\r\nServer: test\r\nSet-Cookie: a=b\r\n"
                             "Vary: Accept\r\nset-cookie: c=d\r\nVARY: Origin\r\n"
                             "Location: /next?token=t&page=2\r\nX-Latin: caf\xe9\r\n"
                             "X-Auth-Token: t\r\nContent-Length: 2\r\n\r\nhi");
    if (!strcmp(path, "/echo")) return raw_reply(conn, 200, "text/plain", request->text);
    if (!strncmp(path, "/body/", 6)) return send_body(conn, path + 6);
    if (sscanf(path, "/tokens/%u", &number) == 1) {
        char usage[64];
        snprintf(usage, sizeof usage, "{\"usage\":{\"total_tokens\":%u}}", number);
        return raw_reply(conn, 200, "application/json", usage);
    }
    if (sscanf(path, "/late/%u", &number) == 1 && !raw_pause(conn, (int)number)) return false;
    if (sscanf(path, "/status/%u", &number) == 1 ||
        (sscanf(path, "/flaky/%u", &number) == 1 && n <= number)) {
        if (path[1] == 'f') number = 503;
        return raw_say(
            conn,
            "HTTP/1.1 %u X\r\nContent-Type: application/json\r\nRetry-After: 0\r\nContent-Length: "
            "14\r\n\r\n{\"status\":%u}",
            number, number);
    }
    if (sscanf(path, "/busy/%u/%u/%u", &number, &ms, &times) == 3 && n <= times)
        return raw_say(conn, "HTTP/1.1 %u X\r\nRetry-After-Ms: %u\r\nContent-Length: 0\r\n\r\n",
                       number, ms);
    if (sscanf(path, "/quota/%u/%u", &number, &ms) == 2)
        return raw_say(conn,
                       "HTTP/1.1 200 X\r\nRateLimit: \"a\";r=%u;t=%u\r\n"
                       "RateLimit-Policy: \"a\";q=100;w=600\r\nContent-Length: 0\r\n\r\n",
                       number, ms);
    return raw_reply(conn, 200, "application/json", good);
}

static void serve(struct raw_conn *conn, void *arg)
{
    (void)arg;
    struct raw_request request;
    for (bool more = true; more && raw_read_request(conn, &request);) {
        char path[128] = "";
        sscanf(request.text, "%*s %127[^ ?]", path);
        if (!serves(conn, &request, &more)) more = answer(conn, &request, path);
        raw_request_free(&request);
    }
}

void fetching_start(unsigned workers)
{
    fetching_serves(NULL);
    fetching_calls(NULL);
    ck_assert_int_eq(raw_server_start(&server, serve, NULL), 0);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = workers });
    ck_assert_ptr_nonnull(pool);
    http = errand_http_new(pool, &(errand_http_opts){ .base_url = fetching_url() });
    ck_assert_ptr_nonnull(http);
}

static void forget(void)
{
    for (size_t i = 0; i < came.n; i++) free(came.lines[i]);
    free(came.lines);
    free(came.order);
    memset(&came, 0, sizeof came);
}

void fetching_stop(void)
{
    ck_assert_int_eq(errand_http_close(http, 5000), 0);
    ck_assert_int_eq(errand_pool_close(pool, 5000), 0);
    raw_server_stop(server);
    forget();
    files_remove();
}

const char *fetching_url(void) { return raw_server_url(server); }
errand_pool *fetching_pool(void) { return pool; }
errand_http *fetching_http(void) { return http; }

static void complain(const char *message, void *arg)
{
    (void)arg;
    size_t n = came.n_complaints++; /* calls do not overlap */
    if (n < 64) snprintf(came.complaints[n], sizeof came.complaints[n], "%s", message);
}

errand_jobs *fetching_begin(const char *const *files, const errand_jobs_opts *opts)
{
    forget();
    errand_jobs_opts o = opts ? *opts : (errand_jobs_opts){ 0 };
    o.files = files;
    if (!o.out) {
        results = files_path("results.jsonl");
        out = open(results, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ck_assert_int_ge(out, 0);
        o.out = out;
    }
    if (!o.on_error) o.on_error = complain;
    errand_jobs *jobs = errand_jobs_new(pool, http, &o);
    ck_assert_msg(jobs, "%s", came.n_complaints ? came.complaints[0] : strerror(errno));
    return jobs;
}

static er_span member(er_span object, const char *name)
{
    er_span key, value;
    size_t cursor = 0, n = strlen(name);
    while (er_json_member(object, &cursor, &key, &value)) {
        if (key.size == n + 2 && !memcmp(key.at + 1, name, n)) return value;
    }
    return (er_span){ NULL, 0 };
}

static void take_line(const char *text, size_t size)
{
    er_span line = { text, size };
    size_t where;
    const char *why;
    ck_assert_msg(!er_json_check(line, &where, &why), "%s at %zu: %.*s", why, where, (int)size,
                  text);
    size_t seq = strtoul(member(line, "seq").at, NULL, 10);
    ck_assert_uint_ge(seq, 1);
    ck_assert_uint_le(seq, came.n);
    ck_assert_msg(!came.lines[seq - 1], "two lines for %zu", seq);
    came.lines[seq - 1] = er_copy_bytes(text, size);
}

void fetching_collect(errand_jobs *jobs)
{
    ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
    ck_assert_int_eq(errand_jobs_stats_get(jobs, &came.stats), 0);
    errand_jobs_free(jobs);
    if (out < 0) return;
    close(out);
    out = -1;
    size_t size;
    char *text = files_read(results, &size);
    ck_assert_msg(!size || text[size - 1] == '\n', "a torn line");
    for (size_t i = 0; i < size; i++) came.n += text[i] == '\n';
    came.lines = calloc(came.n + 1, sizeof *came.lines);
    came.order = calloc(came.n + 1, sizeof *came.order);
    size_t n = 0;
    for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
        take_line(at, (size_t)(end - at));
        came.order[n++] = strtoul(at + strlen("{\"seq\":"), NULL, 10);
    }
    free(text);
    ck_assert_uint_eq(came.stats.total_processed, came.n);
    ck_assert_uint_eq(came.stats.successful + came.stats.failed, came.n);
    ck_assert_uint_eq(came.stats.in_flight, 0);
    ck_assert_uint_eq(came.stats.retrying, 0);
}

void fetching_run(const char *input, const errand_jobs_opts *opts)
{
    const char *files[] = { files_text("jobs.jsonl", input), NULL };
    fetching_collect(fetching_begin(files, opts));
}

const char *came_with(size_t seq, const char *path)
{
    static char kept[8][1024];
    static unsigned turn;
    ck_assert_uint_le(seq, came.n);
    er_span at = { came.lines[seq - 1], strlen(came.lines[seq - 1]) };
    char name[64];
    for (const char *part = path; part; part = strchr(part, '.') ? strchr(part, '.') + 1 : NULL) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(part, "."), part);
        at = at.at[0] == '{' ? member(at, name) : (er_span){ NULL, 0 };
        if (!at.at) return NULL;
    }
    char *copy = kept[turn++ % 8];
    snprintf(copy, sizeof kept[0], "%.*s", (int)(at.size < 1000 ? at.size : 1000), at.at);
    return copy;
}
