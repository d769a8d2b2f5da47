/* World: a raw server, a pool and a session, with helpers for the tests here. */
#ifndef TESTS_HTTP_HARNESS_H
#define TESTS_HTTP_HARNESS_H

#include <check.h>
#include <errand-http.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raw_server.h"

struct harness {
    struct raw_server *server;
    errand_pool *pool;
    errand_http *http;
    char texts[8][300]; /* of harness_url, in turn */
    unsigned next;
    atomic_llong clock_ns; /* the time of harness_open_clocked's pool */
    errand_clock clock;
};

/* opts may be NULL; without a base_url relative urls go to the server. */
void harness_open(struct harness *w, raw_handler *handler, void *arg, const errand_http_opts *opts);
/* a server that runs already */
void harness_open_on(struct harness *w, struct raw_server *server, const errand_http_opts *opts);
void harness_close(struct harness *w); /* and checks that everything ends well */

/* The same with a pool whose clock stands still until the test turns it. */
void harness_open_clocked(struct harness *w, raw_handler *handler, void *arg,
                          const errand_http_opts *opts);
void harness_open_clocked_on(struct harness *w, struct raw_server *server,
                             const errand_http_opts *opts);
void harness_turn(struct harness *w, int64_t ms);

const char *harness_url(struct harness *w, const char *path); /* absolute */

errand_result harness_get(struct harness *w, const char *path);
errand_result harness_send(struct harness *w, errand_request request);

/* Returns when *count has reached n. */
void until(atomic_uint *count, unsigned n);

/* The handler's side of it: waits without a timeout until *count has reached n. False: stop. */
bool hold_until(struct raw_conn *conn, atomic_uint *count, unsigned n);

/* The handler for replies that are always the same: arg is the text. One request, then the
 * connection is closed. */
void say_once(struct raw_conn *conn, void *arg);
void say_always(struct raw_conn *conn, void *arg); /* to every request of a connection that stays */

unsigned storm(unsigned n); /* n times ERRAND_TEST_SCALE, at least 1 */

#define ck_message_has(r, part)                                                                    \
    ck_assert_msg(strstr(errand_result_message(r), (part)), "\"%s\" does not have \"%s\"",         \
                  errand_result_message(r), (part))
#define ck_body_eq(r, text)                                                                        \
    ck_assert_str_eq((const char *)errand_response_body((r)->value).at, (text))
#define ck_well(r) ck_assert_msg(!(r)->error, "%s", errand_result_message(r))

Suite *classify_suite(void);
Suite *quotas_suite(void);
Suite *refusals_suite(void);
Suite *replies_suite(void);
Suite *redirects_suite(void);
Suite *urls_suite(void);
Suite *params_suite(void);
Suite *ready_suite(void);
Suite *charsets_suite(void);
Suite *links_suite(void);
Suite *cookies_suite(void);
Suite *peers_suite(void);
Suite *resolver_suite(void);
Suite *statuses_suite(void);
Suite *url_fuzz_suite(void);
Suite *failures_suite(void);
Suite *cancels_suite(void);
Suite *session_suite(void);
Suite *lines_suite(void);
Suite *names_suite(void);
Suite *routes_suite(void);
Suite *bearer_suite(void);
Suite *limits_suite(void);
Suite *retries_suite(void);
Suite *files_suite(void);
Suite *json_suite(void);
Suite *table_suite(void);
Suite *hostile_suite(void);
Suite *flows_suite(void);
Suite *decoder_suite(void);
Suite *bodies_suite(void);
Suite *middleware_suite(void);
Suite *storms_suite(void);
Suite *phases_suite(void);
Suite *lanes_suite(void);
Suite *forks_suite(void);
Suite *dump_suite(void);
Suite *tls_suite(void);

#endif
