/* http/classify.h -- what an end means: kind, phase, worth another try, how long to
 * wait. Pure functions. */
#ifndef ER_CLASSIFY_H
#define ER_CLASSIFY_H

#include "base/os.h"

#include <errand/result.h>

/* POST, PUT, PATCH: without content they send a length of 0 (RFC 9110, 8.6). */
bool er_method_takes_content(const char *method);

/* A request of this method may be done twice without harm (RFC 9110, 9.2.2). */
bool er_method_idempotent(const char *method);

/* Such a reply has no body, not even an empty one, whatever its headers say (RFC 9112, 6.3). */
bool er_reply_is_bare(const char *method, int status);

/* A status of 400 and more. */
errand_kind er_status_kind(int status);

/* With this status a server refuses a request before it begins the work (RFC 8470, 5.2; RFC 6585,
 * 4). */
bool er_status_not_begun(int status);

/* What a CURLcode is. */
typedef struct er_fault {
    errand_kind kind;
    const char *phase; /* a literal; NULL: does not follow from the code */
    int error;         /* an errno to report instead; 0: ERRAND_CURL + code */
    uint8_t attempts_most;
} er_fault;
/* words: curl's message; it uses code 56 for a lost connection and for a malformed chunked body
 * alike. */
er_fault er_curl_fault(int code, const char *words);

/* A Content-Type that says JSON: application/json, or anything +json (RFC 6839). NULL does not. */
bool er_is_json_type(const char *type);

/* The ms of a Retry-After: digits or one of the three HTTP-dates, nothing else. A date counts
 * from the reply's own Date, or if there is none, from wall_seconds. -1: not understood; a time
 * that has passed is 0. */
int64_t er_retry_after(const char *value, const char *date, int64_t wall_seconds);
/* One of the three HTTP-dates, in seconds since 1970. */
bool er_http_date(const char *text, int64_t *seconds);
int64_t er_retry_after_ms(const char *value); /* of a retry-after-ms header */

#endif
