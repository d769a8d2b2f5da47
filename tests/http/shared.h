/* Shared: a session for HTTP/2 and a server that speaks it, over TLS with a
 * certificate of its own. */
#ifndef TESTS_HTTP_SHARED_H
#define TESTS_HTTP_SHARED_H

#include "harness.h"

#include "h2_server.h"
#include "tls.h"

struct shared {
    struct tls_files files;
    struct h2_server h2; /* set up before shared_open */
    struct harness w;
};

bool shared_can(void); /* this libcurl speaks HTTP/2 */

void shared_open(struct shared *s, h2_handler *asked, bool clocked, errand_http_opts opts);
void shared_close(struct shared *s);

errand_http_stats stats_of(struct shared *s);
errand_transfer_metrics facts_of(const errand_result *r);
void ends_well(errand_future *f); /* with "yes", over HTTP/2 */
errand_future *post(struct shared *s, const char *key);
void until_open(struct raw_server *server, unsigned n); /* exactly n connections */

enum { BIG = 1 << 20 };
extern char big[BIG]; /* a body */

void say_yes(struct h2_stream *stream, void *arg);
/* arg: the first *arg requests get no reply; NULL: all do */
void say_yes_when_released(struct h2_stream *stream, void *arg);

Suite *http2_suite(void);
Suite *streams_suite(void);

#endif
