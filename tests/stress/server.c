/* tests/stress/server.c -- see server.h. A connection's thread reads the head of each request,
 * finds its ask, counts it, and leaves the rest to answer.c, which may read the body or not. What
 * is read must be what the program sent: its ask, its method, its body's bytes, and no secret of
 * another host. */
#include "stress/server.h"

#include "stress/scarcity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_MOST = 16384 };

static struct raw_server *servers[SERVERS];
static unsigned ports[SERVERS]; /* one may name another that has stopped */

unsigned server_port(unsigned i) { return ports[i]; }

static const char *value_of(const char *text, const char *name)
{
    size_t size = strlen(name);
    for (const char *line = text; (line = strstr(line, "\r\n"));) {
        line += 2;
        if (!strncasecmp(line, name, size) && line[size] == ':')
            return line + size + 1 + strspn(line + size + 1, " ");
    }
    return NULL;
}

static void take_note(head *h, const char *text)
{
    ask *a = h->of;
    unsigned n = __atomic_add_fetch(&a->seen[h->hop], h->is_own, __ATOMIC_SEQ_CST);
    unsigned most = 1 + __atomic_load_n(&a->again[h->hop], __ATOMIC_SEQ_CST) +
                    __atomic_load_n(&a->led_on, __ATOMIC_SEQ_CST);
    HOLDS(!a->once || !h->is_own || n <= most,
          "%s of ask %u was sent %u times to hop %u, where %u are right", a->method, a->number, n,
          h->hop, most);
    HOLDS(!a->secret || !value_of(text, "Authorization") || !strcmp(h->host, a->host),
          "the secret of ask %u, which is for %s, goes to %s", a->number, a->host, h->host);
}

static void parse(head *h, const char *text)
{
    unsigned number;
    char path[64];
    const char *value;
    *h = (head){ 0 };
    HOLDS(sscanf(text, "%15s %63s HTTP/1.1\r\n", h->method, path) == 2 &&
              sscanf(path, "/p/%u/%u", &number, &h->hop) == 2 && number < asks_made() &&
              h->hop < HOPS,
          "a server read what was not sent: %.200s", text);
    h->of = &asks[number];
    h->is_own = !strcmp(h->method, h->of->method);
    h->is_head = !strcmp(h->method, "HEAD");
    if ((value = value_of(text, "Content-Length"))) h->length = strtoul(value, NULL, 10);
    if ((value = value_of(text, "Transfer-Encoding")))
        h->chunked = !strncasecmp(value, "chunked", 7);
    if ((value = value_of(text, "Expect"))) h->expects = !strncasecmp(value, "100-continue", 12);
    if ((value = value_of(text, "Accept-Encoding"))) h->takes_gzip = strstr(value, "gzip") != NULL;
    if ((value = value_of(text, "Host"))) sscanf(value, "%63[^\r]", h->host);
    h->read = !h->chunked && !h->length;
    take_note(h, text);
}

static bool read_head(struct raw_conn *conn, head *h)
{
    char text[HEAD_MOST];
    size_t n = 0;
    for (; n < sizeof text - 1; n++) {
        if (!raw_read_bytes(conn, text + n, 1)) return false;
        if (n >= 3 && !memcmp(text + n - 3, "\r\n\r\n", 4)) break;
    }
    text[++n] = '\0';
    parse(h, text);
    return true;
}

/* ---- bodies ---- */

static bool read_part(struct raw_conn *conn, const head *h, size_t from, size_t size)
{
    char bytes[4096];
    bool known = h->is_own && h->of->uploads;
    for (size_t i = 0, n; i < size; i += n) {
        n = size - i < sizeof bytes ? size - i : sizeof bytes;
        if (!raw_read_bytes(conn, bytes, n)) return false;
        for (size_t k = 0; k < n && known; k++)
            HOLDS(bytes[k] == upload_byte(h->of, from + i + k),
                  "byte %zu of the body of ask %u is wrong", from + i + k, h->of->number);
    }
    return true;
}

static bool read_chunks(struct raw_conn *conn, const head *h, size_t *all)
{
    for (;;) {
        char line[32], crlf[2];
        size_t n = 0;
        for (; n < sizeof line - 1; n++) {
            if (!raw_read_bytes(conn, line + n, 1)) return false;
            if (line[n] == '\n') break;
        }
        line[n] = '\0';
        size_t size = strtoul(line, NULL, 16);
        if (!read_part(conn, h, *all, size) || !raw_read_bytes(conn, crlf, 2)) return false;
        *all += size;
        if (!size) return true;
    }
}

bool server_read_body(struct raw_conn *conn, head *h)
{
    size_t all = h->length;
    if (h->read) return true;
    h->read = true;
    if (h->expects && !raw_say(conn, "HTTP/1.1 100 Continue\r\n\r\n")) return false;
    if (h->chunked) all = 0;
    if (h->chunked ? !read_chunks(conn, h, &all) : !read_part(conn, h, 0, all)) return false;
    HOLDS(!h->is_own || !h->of->uploads || all == h->of->upload,
          "the body of ask %u (%s, hop %u%s%s%s) has %zu bytes, not %zu", h->of->number, h->method,
          h->hop, h->chunked ? ", chunked" : "", h->expects ? ", expects" : "",
          h->of->breaks_at ? ", breaks" : "", all, h->of->upload);
    return true;
}

/* ---- */

static void serve(struct raw_conn *conn, void *none)
{
    head h;
    (void)none;
    scarcity_spare(true);
    while (read_head(conn, &h) && answer(conn, &h)) continue;
}

void servers_open(void)
{
    for (unsigned i = 0; i < SERVERS; i++) {
        HOLDS(raw_server_start(&servers[i], serve, NULL) == 0, "no server");
        ports[i] = raw_server_port(servers[i]);
    }
}

void servers_close(void)
{
    for (unsigned i = 0; i < SERVERS; i++) raw_server_stop(servers[i]);
}
