/* http/classify.c -- the tables that decide about retries.
 *
 * Statuses. 401 403 407 are AUTH, 429 RATE_LIMITED, other 4xx HTTP_CLIENT, 5xx HTTP_SERVER.
 * Which of the last two are worth another try is up to errand_result_transient (408 425; 500
 * 502 503 504 522 524).
 *
 * Curl's codes. A lost, refused or broken connection is NETWORK. A peer that does not speak HTTP is
 * PROTOCOL, a certificate that is not trusted is AUTH: another try would fail alike. With our
 * options CURLE_OPERATION_TIMEDOUT only means the connect timeout: a TIMEOUT of a request that was
 * not sent.
 *
 * Retry-After (RFC 9110, 10.2.3) is read strictly: "1.5", "-1", "10s" or a date in a time zone is
 * ignored. The shape of a date is compared character by character before curl_getdate, which would
 * take nearly anything. A server's clock may be wrong: the wait is the distance from its own Date
 * header. */
#include "http/classify.h"
#include "http/sanitize.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <time.h>

bool er_method_idempotent(const char *method)
{
    static const char *const names[] = { "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(method, names[i])) return true;
    }
    return false;
}

bool er_reply_is_bare(const char *method, int status)
{
    return !strcmp(method, "HEAD") || status == 204 || status == 304;
}

bool er_method_takes_content(const char *method)
{
    return !strcmp(method, "POST") || !strcmp(method, "PUT") || !strcmp(method, "PATCH");
}

errand_kind er_status_kind(int status)
{
    if (status == 401 || status == 403 || status == 407) return ERRAND_KIND_AUTH;
    if (status == 429) return ERRAND_KIND_RATE_LIMITED;
    if (status >= 400 && status < 500) return ERRAND_KIND_HTTP_CLIENT;
    if (status >= 500 && status < 600) return ERRAND_KIND_HTTP_SERVER;
    return ERRAND_KIND_PROTOCOL;
}

bool er_status_not_begun(int status) { return status == 425 || status == 429; }

static const struct {
    int code;
    er_fault fault;
} faults[] = {
    { CURLE_COULDNT_RESOLVE_HOST, { ERRAND_KIND_NETWORK, "resolve", 0, 2 } },
    { CURLE_COULDNT_RESOLVE_PROXY, { ERRAND_KIND_NETWORK, "resolve", 0, 2 } },
    { CURLE_COULDNT_CONNECT, { ERRAND_KIND_NETWORK, "connect", 0, 0 } },
    { CURLE_INTERFACE_FAILED, { ERRAND_KIND_NETWORK, "connect", 0, 0 } },
    { CURLE_PROXY, { ERRAND_KIND_NETWORK, "connect", 0, 0 } },
    { CURLE_SSL_CONNECT_ERROR, { ERRAND_KIND_NETWORK, "tls", 0, 0 } },
    { CURLE_PEER_FAILED_VERIFICATION, { ERRAND_KIND_AUTH, "tls", 0, 0 } },
    { CURLE_SSL_CERTPROBLEM, { ERRAND_KIND_AUTH, "tls", 0, 0 } },
    { CURLE_SSL_ISSUER_ERROR, { ERRAND_KIND_AUTH, "tls", 0, 0 } },
    { CURLE_SSL_PINNEDPUBKEYNOTMATCH, { ERRAND_KIND_AUTH, "tls", 0, 0 } },
    { CURLE_SSL_INVALIDCERTSTATUS, { ERRAND_KIND_AUTH, "tls", 0, 0 } },
    { CURLE_SSL_CLIENTCERT, { ERRAND_KIND_AUTH, "tls", 0, 0 } },
    { CURLE_SSL_ENGINE_NOTFOUND, { ERRAND_KIND_PROTOCOL, "tls", 0, 0 } },
    { CURLE_SSL_ENGINE_SETFAILED, { ERRAND_KIND_PROTOCOL, "tls", 0, 0 } },
    { CURLE_SSL_ENGINE_INITFAILED, { ERRAND_KIND_PROTOCOL, "tls", 0, 0 } },
    { CURLE_SSL_CIPHER, { ERRAND_KIND_PROTOCOL, "tls", 0, 0 } },
    { CURLE_USE_SSL_FAILED, { ERRAND_KIND_PROTOCOL, "tls", 0, 0 } },
    { CURLE_SSL_CACERT_BADFILE, { ERRAND_KIND_PROTOCOL, "tls", 0, 0 } },
    { CURLE_SSL_SHUTDOWN_FAILED, { ERRAND_KIND_PROTOCOL, "tls", 0, 0 } },
    { CURLE_SSL_CRL_BADFILE, { ERRAND_KIND_PROTOCOL, "tls", 0, 0 } },
    /* this and the next two of a caller's own handle */
    { CURLE_LOGIN_DENIED, { ERRAND_KIND_AUTH, NULL, 0, 0 } },
    { CURLE_REMOTE_ACCESS_DENIED, { ERRAND_KIND_AUTH, NULL, 0, 0 } },
    { CURLE_FTP_ACCEPT_TIMEOUT, { ERRAND_KIND_TIMEOUT, NULL, 0, 0 } },
    { CURLE_OPERATION_TIMEDOUT, { ERRAND_KIND_TIMEOUT, NULL, ETIMEDOUT, 0 } },
    { CURLE_SEND_ERROR, { ERRAND_KIND_NETWORK, NULL, 0, 0 } },
    { CURLE_SEND_FAIL_REWIND, { ERRAND_KIND_NETWORK, NULL, 0, 0 } },
    /* with HTTP/2 also before the first byte */
    { CURLE_PARTIAL_FILE, { ERRAND_KIND_NETWORK, NULL, 0, 0 } },
    { CURLE_GOT_NOTHING, { ERRAND_KIND_NETWORK, "first byte", 0, 0 } },
    { CURLE_RECV_ERROR, { ERRAND_KIND_NETWORK, NULL, 0, 0 } },
    { CURLE_HTTP2, { ERRAND_KIND_NETWORK, NULL, 0, 0 } },
    { CURLE_HTTP2_STREAM, { ERRAND_KIND_NETWORK, NULL, 0, 0 } },
    { CURLE_HTTP3, { ERRAND_KIND_NETWORK, NULL, 0, 0 } },
    { CURLE_QUIC_CONNECT_ERROR, { ERRAND_KIND_NETWORK, NULL, 0, 0 } },
    { CURLE_BAD_CONTENT_ENCODING, { ERRAND_KIND_PROTOCOL, "body", 0, 0 } },
    /* also a reply without a status line */
    { CURLE_UNSUPPORTED_PROTOCOL, { ERRAND_KIND_PROTOCOL, NULL, 0, 0 } },
    { CURLE_WEIRD_SERVER_REPLY, { ERRAND_KIND_PROTOCOL, NULL, 0, 0 } },
    { CURLE_TOO_MANY_REDIRECTS, { ERRAND_KIND_PROTOCOL, NULL, 0, 0 } },
    /* CURLE_TOO_LARGE, libcurl 8.6: headers without end */
    { 100, { ERRAND_KIND_PROTOCOL, NULL, 0, 0 } },
    { CURLE_FILESIZE_EXCEEDED, { ERRAND_KIND_RESOURCE, "body", 0, 0 } },
    { CURLE_URL_MALFORMAT, { ERRAND_KIND_VALIDATION, NULL, 0, 0 } },
    { CURLE_OUT_OF_MEMORY, { ERRAND_KIND_RESOURCE, NULL, ENOMEM, 0 } },
    { CURLE_FAILED_INIT, { ERRAND_KIND_INTERNAL, NULL, 0, 0 } },
    { CURLE_BAD_FUNCTION_ARGUMENT, { ERRAND_KIND_INTERNAL, NULL, 0, 0 } },
    { CURLE_UNKNOWN_OPTION, { ERRAND_KIND_INTERNAL, NULL, 0, 0 } },
    { CURLE_NOT_BUILT_IN, { ERRAND_KIND_INTERNAL, NULL, 0, 0 } },
};

er_fault er_curl_fault(int code, const char *words)
{
    if (strstr(words, "chunked-encod"))
        return (er_fault){ ERRAND_KIND_PROTOCOL, "body", 0, 0 }; /* under several codes */
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (faults[i].code == code) return faults[i].fault;
    }
    return (er_fault){ ERRAND_KIND_UNKNOWN, NULL, 0, 0 };
}

/* Digits alone, times unit; saturates. -1: something else. */
static int64_t digits(const char *text, int64_t unit)
{
    int64_t n = 0;
    if (!*text) return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return -1;
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *text - '0', &n))
            n = INT64_MAX / 10;
    }
    return __builtin_mul_overflow(n, unit, &n) || n == INT64_MAX ? INT64_MAX - 1 : n;
}

/* 0 in a shape is a digit, _ a digit or a space; w a weekday, W one in full, m a month; the
 * rest stands for itself. */
static bool shaped(const char *text, const char *shape)
{
    static const char *const days[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday" };
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (; *shape; shape++) {
        size_t taken = 0;
        if (*shape == 'w' || *shape == 'W') {
            for (size_t i = 0; i < 7 && !taken; i++) {
                size_t n = *shape == 'w' ? 3 : strlen(days[i]);
                if (!strncmp(text, days[i], n)) taken = n;
            }
        } else if (*shape == 'm') {
            for (size_t i = 0; i < 12 && !taken; i++) {
                if (!strncmp(text, months + 3 * i, 3)) taken = 3;
            }
        } else if (*shape == '0' || *shape == '_') {
            taken = (*text >= '0' && *text <= '9') || (*shape == '_' && *text == ' ');
        } else {
            taken = *text == *shape;
        }
        if (!taken) return false;
        text += taken;
    }
    return !*text;
}

bool er_http_date(const char *text, int64_t *seconds)
{
    if (!shaped(text, "w, 00 m 0000 00:00:00 GMT") && /* IMF-fixdate */
        !shaped(text, "W, 00-m-00 00:00:00 GMT") &&   /* RFC 850     */
        !shaped(text, "w m _0 00:00:00 0000")) {      /* asctime     */
        return false;
    }
    time_t t = curl_getdate(text, NULL);
    if (t == (time_t)-1) return false;
    *seconds = (int64_t)t;
    return true;
}

int64_t er_retry_after(const char *value, const char *date, int64_t wall_seconds)
{
    int64_t ms = digits(value, 1000);
    if (ms >= 0) return ms;
    int64_t at, now;
    if (!er_http_date(value, &at)) return -1;
    if (!date || !er_http_date(date, &now)) now = wall_seconds;
    return at <= now ? 0 : (at - now) * 1000;
}

int64_t er_retry_after_ms(const char *value) { return digits(value, 1); }

bool er_is_json_type(const char *type)
{
    if (!type) return false;
    size_t size = strcspn(type, "; \t");
    if (size == 16 && er_alike(type, "application/json", 16)) return true;
    return size > 5 && memchr(type, '/', size) && er_alike(type + size - 5, "+json", 5);
}
