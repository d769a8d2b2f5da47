/* tests/stress/answer.c -- the replies of a server: valid ones in all framings and codings, fast
 * and slow; and invalid ones.
 *
 * The choice follows from the ask's seed and how often it was read. A page that must not pass for a
 * success says so itself (page.c), however much of it arrives. */
#include "stress/server.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef enum framing { BY_LENGTH, BY_CHUNKS, BY_END } framing;
typedef enum fault { NO_FAULT, CUT_BY_END, CUT_BY_RESET, CUT_BY_SILENCE } fault;

typedef struct reply {
    unsigned status;
    const char *before, *more; /* interim replies; header lines */
    framing framing;
    fault fault;
    bool broken; /* it must not pass for a success */
    bool gzip;
    bool hangs_up; /* the connection ends with it */
} reply;

/* ---- a reply's bytes ---- */

static void add_gzip(er_bytes *to, const char *at, size_t size)
{
    char out[4096];
    z_stream z = { .next_in = (Bytef *)(uintptr_t)at, .avail_in = (uInt)size };
    int said = Z_OK;
    HOLDS(deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
              Z_OK,
          "no deflate");
    while (said == Z_OK) {
        z.next_out = (Bytef *)out;
        z.avail_out = sizeof out;
        said = deflate(&z, Z_FINISH);
        er_bytes_add(to, out, sizeof out - z.avail_out);
    }
    deflateEnd(&z);
}

static void add_chunks(er_bytes *to, const char *at, size_t size, dice *d)
{
    for (size_t i = 0, n; i < size; i += n) {
        n = 1 + dice_below(d, size > 8192 ? 16384 : 700);
        if (n > size - i) n = size - i;
        er_bytes_format(to, "%zx%s\r\n", n, dice_one_in(d, 8) ? ";extension=1" : "");
        er_bytes_add(to, at + i, n);
        er_bytes_text(to, "\r\n");
    }
    er_bytes_text(to, dice_one_in(d, 4) ? "0\r\nX-Trailer: t\r\n\r\n" : "0\r\n\r\n");
}

static void add_page(er_bytes *to, const head *h, const reply *r, dice *d)
{
    page p = { .ask = h->of->number, .status = r->status, .whole = !r->fault && !r->broken };
    p.size = PAGE_LEAST + dice_below(d, dice_one_in(d, 40)  ? 400000
                                        : dice_one_in(d, 8) ? 60000
                                                            : 2000);
    char *text = malloc(p.size);
    HOLDS(text, "no memory");
    page_write(text, &p);
    if (r->gzip) add_gzip(to, text, p.size);
    else er_bytes_add(to, text, p.size);
    free(text);
}

static void add_reply(er_bytes *to, const head *h, const reply *r, dice *d)
{
    er_bytes body = { 0 };
    const char *nl = dice_one_in(d, 16) ? "\n" : "\r\n";
    bool old = r->framing != BY_CHUNKS && dice_one_in(d, 10);
    add_page(&body, h, r, d);
    if (r->before) er_bytes_text(to, r->before);
    er_bytes_format(to, "HTTP/1.%d %u Said so%s", !old, r->status, nl);
    if (r->more) er_bytes_text(to, r->more);
    if (r->gzip) er_bytes_format(to, "Content-Encoding: gzip%s", nl);
    if (r->hangs_up || r->framing == BY_END) er_bytes_format(to, "Connection: close%s", nl);
    if (r->framing == BY_CHUNKS) er_bytes_format(to, "Transfer-Encoding: chunked%s", nl);
    if (r->framing == BY_LENGTH) er_bytes_format(to, "Content-Length: %zu%s", body.size, nl);
    er_bytes_format(to, "Content-Type: %s%s%s",
                    dice_one_in(d, 4) ? "text/plain" : "application/json", nl, nl);
    if (!h->is_head && r->framing == BY_CHUNKS) add_chunks(to, body.at, body.size, d);
    else if (!h->is_head) er_bytes_add(to, body.at, body.size);
    er_bytes_free(&body);
}

/* ---- sending it ---- */

static bool send_slowly(struct raw_conn *conn, const char *at, size_t size, dice *d)
{
    if (dice_below(d, 5)) return raw_send(conn, at, size);
    return raw_drip(conn, at, size, size / (2 + dice_below(d, 6)) + 1, (int)dice_below(d, 3));
}

static bool send_reply(struct raw_conn *conn, const head *h, reply r, dice *d)
{
    er_bytes all = { 0 };
    if (r.fault == CUT_BY_END && r.framing == BY_END && !r.gzip)
        r.fault = CUT_BY_RESET; /* else the cut would be its end */
    /* a coded body of nothing is whole */
    if (r.fault == CUT_BY_END) __atomic_add_fetch(&h->of->empties, 1, __ATOMIC_SEQ_CST);
    add_reply(&all, h, &r, d);
    HOLDS(!all.error, "no memory");
    /* the loss of the last byte after the last chunk goes unnoticed */
    size_t most = all.size - (r.framing == BY_CHUNKS);
    size_t size = r.fault ? dice_below(d, (unsigned)most) : all.size;
    bool sent = send_slowly(conn, all.at, size, d);
    er_bytes_free(&all);
    if (!sent) return false;
    if (r.fault == CUT_BY_RESET) raw_reset(conn);
    if (r.fault == CUT_BY_SILENCE) (void)raw_wait_gone(conn);
    return !r.fault && !r.hangs_up && r.framing != BY_END &&
           !dice_one_in(d, 12); /* some hang up unannounced */
}

static reply some_reply(const head *h, unsigned status, dice *d)
{
    reply r = {
        .status = status, .framing = dice_below(d, 3), .gzip = h->takes_gzip && dice_one_in(d, 3)
    };
    if (r.framing == BY_END && !dice_one_in(d, 3)) r.framing = BY_LENGTH;
    r.hangs_up = dice_one_in(d, 12);
    return r;
}

/* ---- redirects ---- */

static bool keeps_method(const head *h, unsigned status)
{
    if (status == 307 || status == 308) return true;
    return status == 303 ? h->is_head || !strcmp(h->method, "GET") : strcmp(h->method, "POST") != 0;
}

static bool lead_on(struct raw_conn *conn, const head *h, dice *d)
{
    static const unsigned statuses[] = { 301, 302, 303, 307, 308 };
    char line[200], *at = line;
    reply r = some_reply(h, statuses[dice_below(d, 5)], d);
    unsigned hop = h->hop + !dice_one_in(d, 4), number = h->of->number,
             port = server_port(dice_below(d, SERVERS));
    if (hop == HOPS) hop--;
    switch (dice_below(d, 8)) {
    case 0:
        /* no server listens there */
        snprintf(line, sizeof line, "Location: http://127.0.0.1:1/p/%u/%u\r\n", number, hop);
        break;
    case 1:
        snprintf(line, sizeof line, "Location: http://localhost:%u/p/%u/%u\r\n", port, number, hop);
        break;
    case 2:
    case 3:
        snprintf(line, sizeof line, "Location: http://127.0.0.1:%u/p/%u/%u#there\r\n", port, number,
                 hop);
        break;
    default: snprintf(line, sizeof line, "Location: /p/%u/%u\r\n", number, hop);
    }
    if (keeps_method(h, r.status)) __atomic_add_fetch(&h->of->again[h->hop], 1, __ATOMIC_SEQ_CST);
    r.more = at;
    return send_reply(conn, h, r, d);
}

static bool lead_astray(struct raw_conn *conn, const head *h, dice *d)
{
    static const char *const more[] = {
        "Location:\r\n",
        "Location: ftp://127.0.0.1/\r\n",
        "Location: http://[\r\n",
        "Location: #here\r\n",
        "Location: /p/0/0\r\nLocation: /p/0/1\r\n",
        "",
        "Location: http://nowhere.invalid/\r\n",
        "Location: http://127.0.0.1:99999/\r\n"
    };
    reply r = some_reply(h, dice_one_in(d, 2) ? 302 : 307, d);
    r.more = more[dice_below(d, 8)];
    /* the others are no urls, or not of http */
    bool followed = strstr(r.more, "#here") || strstr(r.more, "nowhere");
    if (followed && keeps_method(h, r.status))
        __atomic_add_fetch(&h->of->again[h->hop], 1, __ATOMIC_SEQ_CST);
    return send_reply(conn, h, r, d);
}

/* ---- invalid replies ---- */

static bool say_garbage(struct raw_conn *conn, dice *d)
{
    static const char *const all[] = {
        "\r\n\r\n",
        "hello",
        "HTTP/1.1",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\nX: y\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "220 mail ready\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        " HTTP/1.1 200 OK\r\n\r\n"
    };
    char noise[600];
    if (dice_one_in(d, 2)) return raw_say(conn, "%s", all[dice_below(d, 9)]) && false;
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)dice_below(d, 256);
    return raw_send(conn, noise, 1 + dice_below(d, sizeof noise)) && false;
}

static bool misframe(struct raw_conn *conn, const head *h, dice *d)
{
    static const char *const more[] = {
        "Content-Length: 7\r\nContent-Length: 8\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: x\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: zip\r\n",
        "Content-Encoding: strange\r\n"
    };
    reply r = some_reply(h, 200, d);
    r.more = more[dice_below(d, 6)];
    bool coded = strstr(r.more, "strange");
    r.broken = !coded || h->takes_gzip; /* without Accept-Encoding the body is not decoded */
    r.hangs_up = true;
    r.gzip = false;
    r.framing = coded ? BY_LENGTH : BY_END;
    return send_reply(conn, h, r, d);
}

static bool break_chunks(struct raw_conn *conn, const head *h, dice *d)
{
    static const char *const chunks[] = {
        "zz\r\n", "-5\r\nhello\r\n", "ffffffffffffffffff\r\nhello", "5\r\nhelloX\r\n", "5 5\r\nhel"
    };
    (void)h;
    return raw_say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s",
                   chunks[dice_below(d, 5)]) &&
           false;
}

static bool break_gzip(struct raw_conn *conn, const head *h, dice *d)
{
    reply r = some_reply(h, dice_one_in(d, 4) ? 500 : 200, d);
    r.gzip = false;
    r.broken = h->takes_gzip;
    r.more = "Content-Encoding: gzip\r\n"; /* it is none */
    return send_reply(conn, h, r, d);
}

static bool say_much(struct raw_conn *conn, const head *h, dice *d)
{
    er_bytes lines = { 0 };
    unsigned n = dice_one_in(d, 3) ? 700 : 60; /* of some 500 bytes; 256 KiB are too many */
    for (unsigned i = 0; i < n; i++) er_bytes_format(&lines, "X-%u: %0500u\r\n", i, i);
    reply r = some_reply(h, 200, d);
    HOLDS(!lines.error, "no memory");
    r.more = lines.at;
    r.broken = n == 700;
    bool goes_on = send_reply(conn, h, r, d);
    er_bytes_free(&lines);
    return goes_on;
}

static bool say_in_between(struct raw_conn *conn, const head *h, dice *d)
{
    static const char *const one[] = { "HTTP/1.1 100 Continue\r\n\r\n",
                                       "HTTP/1.1 102 Processing\r\n\r\n",
                                       "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" };
    er_bytes before = { 0 };
    unsigned n = 1 + dice_below(d, dice_one_in(d, 4) ? 200 : 4);
    for (unsigned i = 0; i < n; i++) er_bytes_text(&before, one[dice_below(d, 3)]);
    reply r = some_reply(h, 200, d);
    r.before = before.at;
    HOLDS(!before.error, "no memory");
    bool goes_on = send_reply(conn, h, r, d);
    er_bytes_free(&before);
    return goes_on;
}

static bool fold(struct raw_conn *conn, const head *h, dice *d) /* the first line */
{
    reply r = some_reply(h, 200, d);
    r.more = dice_one_in(d, 2) ? " folded: x\r\n" : "\tfolded\r\n more of it\r\n";
    return send_reply(conn, h, r, d);
}

/* ---- valid replies ---- */

static bool say_empty(struct raw_conn *conn, const head *h, dice *d)
{
    static const unsigned statuses[] = { 204, 304, 200, 201, 101 };
    unsigned status = statuses[dice_below(d, 5)];
    __atomic_add_fetch(&h->of->empties, 1, __ATOMIC_SEQ_CST);
    bool sent = raw_say(conn, "HTTP/1.1 %u Nothing\r\n%s\r\n", status,
                        status == 200 || status == 201 ? "Content-Length: 0\r\n" : "");
    return sent && !dice_one_in(d, 8) && status != 101;
}

static bool ask_to_wait(struct raw_conn *conn, const head *h, dice *d)
{
    static const char *const more[] = {
        "Retry-After: 0\r\n",
        "Retry-After: 0\r\n",
        "Retry-After: 1\r\n",
        "Retry-After: soon\r\n",
        "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
        ""
    };
    static const unsigned statuses[] = { 429, 503, 503, 202, 408, 425 };
    reply r = some_reply(h, statuses[dice_below(d, 6)], d);
    r.more = more[dice_below(d, 6)];
    if (r.status == 202) __atomic_add_fetch(&h->of->led_on, 1, __ATOMIC_SEQ_CST);
    /* refused, not begun */
    if (r.status == 425 || r.status == 429)
        __atomic_add_fetch(&h->of->again[h->hop], 1, __ATOMIC_SEQ_CST);
    return send_reply(conn, h, r, d);
}

static bool refuse_expectation(struct raw_conn *conn, head *h, dice *d)
{
    reply r = some_reply(h, 417, d);
    if (h->expects) __atomic_add_fetch(&h->of->again[h->hop], 1, __ATOMIC_SEQ_CST);
    else if (!server_read_body(conn, h)) return false;
    r.hangs_up |= !h->read;
    return send_reply(conn, h, r, d);
}

static bool answer_too_early(struct raw_conn *conn, head *h, dice *d)
{
    static const unsigned statuses[] = { 200, 200, 413, 500, 401 };
    reply r = some_reply(h, statuses[dice_below(d, 5)], d);
    bool reads = dice_one_in(d, 2);
    r.hangs_up |= !reads && !h->read;
    h->expects = false; /* no "100 Continue" after that */
    return send_reply(conn, h, r, d) && (!reads || server_read_body(conn, h));
}

static bool say_late(struct raw_conn *conn, const head *h, dice *d) /* without a request */
{
    reply r = some_reply(h, 200, d);
    if (!send_reply(conn, h, r, d)) return false;
    if (dice_one_in(d, 2) && !raw_pause(conn, (int)dice_below(d, 3))) return false;
    return raw_say(
               conn,
               "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") &&
           false;
}

static bool answer_well(struct raw_conn *conn, const head *h, dice *d)
{
    static const unsigned statuses[] = {
        200, 200, 200, 200, 200, 201, 206, 404, 400, 500, 502, 599
    };
    reply r = some_reply(h, statuses[dice_below(d, 12)], d);
    return send_reply(conn, h, r, d);
}

static bool cut_short(struct raw_conn *conn, const head *h, dice *d)
{
    reply r = some_reply(h, dice_one_in(d, 4) ? 503 : 200, d);
    r.fault = 1 + dice_below(d, 3);
    return send_reply(conn, h, r, d);
}

static bool hang_up(struct raw_conn *conn, dice *d)
{
    if (dice_one_in(d, 2)) raw_reset(conn);
    return false;
}

bool answer(struct raw_conn *conn, head *h)
{
    dice d = dice_of(h->of->seed, 1000 + __atomic_fetch_add(&h->of->sights, 1, __ATOMIC_SEQ_CST));
    unsigned what = dice_below(&d, 48);
    if (what == 0) return refuse_expectation(conn, h, &d);
    if (what == 1) return answer_too_early(conn, h, &d);
    if (what == 2) return hang_up(conn, &d);
    if (!server_read_body(conn, h)) return false;
    switch (what) {
    case 3: return hang_up(conn, &d);
    case 4: return raw_wait_gone(conn) && false;
    case 5: return say_garbage(conn, &d);
    case 6:
    case 7:
    case 8:
    case 9: return lead_on(conn, h, &d);
    case 10: return lead_astray(conn, h, &d);
    case 11: return say_in_between(conn, h, &d);
    case 12: return say_empty(conn, h, &d);
    case 13:
    case 14:
    case 15: return ask_to_wait(conn, h, &d);
    case 16: return fold(conn, h, &d);
    case 17: return say_much(conn, h, &d);
    case 18: return misframe(conn, h, &d);
    case 19: return break_chunks(conn, h, &d);
    case 20: return break_gzip(conn, h, &d);
    case 21:
    case 22: return cut_short(conn, h, &d);
    case 23: return say_late(conn, h, &d);
    default: return answer_well(conn, h, &d);
    }
}
