/* try_reply.c -- in the manner of curl -v: "*" is about the way, "<" is the head of the reply. */
#include "try_reply.h"

#include "json_text.h"
#include "request_text.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the way ---- */

/* How long each phase took: they are counted from the start of the attempt. */
static void put_times(const errand_timings *t)
{
    const struct {
        const char *name;
        double at;
    } phases[] = { { "queue", t->queue },
                   { "resolve", t->resolve },
                   { "connect", t->connect },
                   { "tls", t->tls },
                   { "first byte", t->first_byte } };
    double before = 0;
    fputs("* times: ", stderr);
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        if (phases[i].at < 0) continue;
        fprintf(stderr, "%s %.1f ms, ", phases[i].name, phases[i].at - before);
        before = phases[i].at;
    }
    fprintf(stderr, "in all %.1f ms\n", t->total);
}

static void put_connection(const errand_response *response, const try_address *address)
{
    errand_transfer_metrics m = { 0 };
    if (address->port) {
        bool six = strchr(address->text, ':');
        fprintf(stderr, six ? "* address: [%s]:%u\n" : "* address: %s:%u\n", address->text,
                address->port);
    }
    if (!response || errand_response_metrics(response, &m)) return;
    fprintf(stderr, "* connection: %s%s", m.reused ? "kept" : "new",
            m.resent ? ", sent again on it" : "");
    if (m.http) fprintf(stderr, ", HTTP/%u.%u", m.http / 10, m.http % 10);
    fprintf(stderr, ", %" PRIu64 " bytes sent, %" PRIu64 " received\n", m.sent, m.received);
}

static void put_redirects(const errand_response *response)
{
    const char *url;
    int status;
    for (size_t i = 0; response && (status = errand_response_redirect(response, i, &url)); i++) {
        char *plain = errand_redact_urls(url);
        fprintf(stderr, "* redirect: %d from %s\n", status, plain ? plain : "?");
        free(plain);
    }
}

static void put_attempts(const errand_result *r)
{
    errand_attempt one;
    if (errand_result_attempts(r) < 2) return;
    for (size_t i = 0; !errand_result_attempt(r, i, &one); i++) {
        char code[64] = "ok";
        if (one.error) errand_error_name(one.error, code, sizeof code);
        fprintf(stderr, "* attempt %u: %s after %" PRId64 " ms", one.number, code, one.took_ms);
        if (one.then_waited_ms >= 0)
            fprintf(stderr, ", then a wait of %" PRId64 " ms", one.then_waited_ms);
        fputc('\n', stderr);
    }
}

/* ---- the reply ---- */

static void put_head(const errand_response *response, bool secrets)
{
    const char *name, *value;
    errand_transfer_metrics m = { 0 };
    errand_response_metrics(response, &m);
    if (m.http) fprintf(stderr, "< HTTP/%u.%u ", m.http / 10, m.http % 10);
    else fputs("< ", stderr);
    fprintf(stderr, "%d %s\n", errand_response_status(response), errand_response_reason(response));
    for (size_t i = 0; !errand_response_each_header(response, i, &name, &value); i++) {
        bool secret = !secrets && errand_header_is_secret(name);
        char *plain = secrets || secret ? NULL : errand_redact_urls(value);
        const char *shown = plain ? plain : value;
        if (secret) shown = "*";
        fputs("< ", stderr);
        harmless_text(stderr, name, strlen(name));
        fputs(": ", stderr);
        harmless_text(stderr, shown, strlen(shown));
        fputc('\n', stderr);
        free(plain);
    }
    fputs("<\n", stderr);
}

static bool put_json(const errand_response *response)
{
    errand_bytes body = errand_response_body(response);
    struct json_object *parsed = NULL;
    const char *why, *first = body.at;
    if (!body.size || errand_response_json(response, &parsed, &why)) return false;
    json_object_put(parsed);
    if (*why && !strchr("{[", *first))
        return false; /* it is not called JSON, and does not look so */
    char *text = json_text_indent(body.at, body.size);
    if (!text) return false;
    harmless_text(stdout, text, strlen(text));
    free(text);
    return true;
}

static void put_body(const errand_response *response)
{
    errand_bytes body = errand_response_body(response);
    if (!body.size || put_json(response)) return;
    bool terminal = isatty(STDOUT_FILENO);
    size_t size = 0;
    char *text = errand_response_text(response, &size);
    if (text) {
        harmless_text(stdout, text, size);
        if (terminal && size && text[size - 1] != '\n') fputc('\n', stdout);
    } else if (terminal) {
        const char *type = errand_response_header(response, "Content-Type", 0);
        fprintf(stderr, "* body: %zu bytes of %.80s; they are not text: send them to a file\n",
                body.size, type ? type : "an unknown type");
    } else {
        fwrite(body.at, 1, body.size, stdout);
    }
    free(text);
}

static void put_error(const errand_result *r)
{
    char code[64];
    const char *phase = errand_result_phase(r);
    errand_error_name(r->error, code, sizeof code);
    fprintf(stderr, "* failed: %s, %s", code, errand_kind_name(errand_result_kind(r)));
    if (*phase) fprintf(stderr, ", phase %s", phase);
    fputs(": ", stderr);
    const char *message = errand_result_message(r);
    harmless_text(stderr, message, strlen(message));
    fputc('\n', stderr);
    if (errand_result_retry_after(r) >= 0)
        fprintf(stderr, "* the server asks for a wait of %.10g s\n",
                (double)errand_result_retry_after(r) / 1000);
}

void try_reply(const errand_result *r, const try_address *address, bool secrets)
{
    bool answered = r->value && (!r->error || (r->error >= ERRAND_HTTP && r->error < ERRAND_CURL));
    const errand_response *response = answered ? r->value : NULL;
    errand_timings t = { 0 };
    put_attempts(r);
    put_connection(response, address);
    put_redirects(response);
    if (!errand_result_timings(r, &t)) put_times(&t);
    if (response) put_head(response, secrets);
    if (response) put_body(response);
    fflush(stdout);
    if (r->error) put_error(r);
}

/* ---- a run ---- */

static bool is_listed(const errand_result *r, const run_options *o) /* by --retry-on */
{
    int status = r->error >= ERRAND_HTTP && r->error < ERRAND_CURL ? r->error - ERRAND_HTTP : 0;
    bool listed = status >= STATUS_LEAST && status <= STATUS_MOST &&
                  o->retry_on.statuses[status - STATUS_LEAST];
    return listed || (o->retry_on.kinds >> errand_result_kind(r) & 1);
}

/* It may pass: a run would try it again, were it harmless. */
static bool is_passing(const errand_result *r, const run_options *o)
{
    const unsigned passing = 1u << ERRAND_KIND_NETWORK | 1u << ERRAND_KIND_TIMEOUT |
                             1u << ERRAND_KIND_HTTP_SERVER | 1u << ERRAND_KIND_RATE_LIMITED;
    if (o->retry_on.given) return is_listed(r, o);
    if (!errand_result_may_have_run(r)) return errand_result_transient(r);
    return passing >> errand_result_kind(r) & 1;
}

void try_outlook(const errand_result *r, const errand_jobs_line *line, const run_options *o)
{
    unsigned made = errand_result_attempts(r), left = made <= line->retries ? line->retries : 0;
    if (!r->error) return;
    if (left && made) left -= made - 1;
    fputs("* errand run ", stderr);
    if (!is_passing(r, o))
        fprintf(stderr, "would not try it again: %s\n",
                o->retry_on.given ? "--retry-on does not list it" : "it would fail alike");
    else if (!line->retries) fputs("would not try it again: it has no retries\n", stderr);
    else if (!left) fputs("would not try it again: its retries are used up\n", stderr);
    else if (errand_result_may_have_run(r))
        fprintf(stderr,
                "would not try it again: the server may have done it, and a %s without an "
                "idempotency key is not harmless to repeat\n",
                line->method);
    else
        fprintf(stderr, "would try it again, up to %u %s more\n", left,
                left == 1 ? "time" : "times");
}
