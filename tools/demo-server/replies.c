/*
 * A well-behaved body is handed to libmicrohttpd whole. A cut or slow one is given piece by
 * piece through a callback that announces the whole length first: so a cut one ends before its
 * Content-Length, and a slow one suspends its connection between the pieces, holding no thread. */
#include "replies.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wakes.h"

enum { PIECES = 16 };

struct body {
    char *bytes;
    size_t length, upto; /* the connection is closed there when it is less than the length */
    size_t piece;
    int64_t step, due; /* time from piece to piece, and of the next one; 0: not begun */
    bool (*pause)(void *arg, int64_t until);
    void *arg;
};

void reply_json(struct reply *reply, unsigned status, struct json_object *document)
{
    size_t length = 0;
    const char *text =
        json_object_to_json_string_length(document, JSON_C_TO_STRING_NOSLASHESCAPE, &length);
    reply->status = status;
    reply->type = status >= 400 ? "application/problem+json" : "application/json";
    reply->body = document && text ? malloc(length + 2) : NULL;
    if (reply->body) {
        memcpy(reply->body, text, length);
        memcpy(reply->body + length, "\n", 2);
        reply->length = length + 1;
    }
    json_object_put(document);
}

void reply_problem(struct reply *reply, unsigned status, const char *field, const char *format, ...)
{
    char detail[256];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    struct json_object *problem = json_object_new_object();
    json_object_object_add(problem, "type", json_object_new_string("about:blank"));
    json_object_object_add(problem, "title",
                           json_object_new_string(MHD_get_reason_phrase_for(status)));
    json_object_object_add(problem, "status", json_object_new_int((int)status));
    json_object_object_add(problem, "detail", json_object_new_string(detail));
    if (field) {
        json_object_object_add(problem, "field", json_object_new_string(field));
    }
    reply_json(reply, status, problem);
}

void reply_events(struct reply *reply, unsigned n)
{
    const size_t room = n * 64;
    reply->status = 200;
    reply->type = "text/event-stream";
    reply->body = malloc(room);
    reply->length = 0;
    for (unsigned i = 1; reply->body && i <= n; i++) {
        reply->length +=
            (size_t)snprintf(reply->body + reply->length, room - reply->length,
                             "event: progress\nid: %u\ndata: %u%%\n\n", i, 100 * i / n);
    }
}

void reply_page(struct reply *reply)
{
    static const char page[] =
        "<!DOCTYPE html>\n<title>Back soon</title>\n<p>We are working on our service.</p>\n";
    free(reply->body);
    reply->body = strdup(page);
    reply->length = sizeof page - 1;
    reply->type = "text/html";
}

void reply_free(struct reply *reply)
{
    free(reply->body);
    *reply = (struct reply){ 0 };
}

static ssize_t body_read(void *arg, uint64_t position, char *to, size_t most)
{
    struct body *body = arg;
    if (position >= body->upto) {
        return body->upto < body->length ? MHD_CONTENT_READER_END_WITH_ERROR
                                         : MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (body->step) {
        int64_t now = wakes_now();
        if (!body->due) {
            body->due = now + body->step;
        }
        if (now < body->due && body->pause(body->arg, body->due)) {
            return 0;
        }
        body->due += body->step;
    }
    size_t length = body->upto - (size_t)position;
    length = length > body->piece ? body->piece : length;
    length = length > most ? most : length;
    memcpy(to, body->bytes + position, length);
    return (ssize_t)length;
}

static void body_free(void *arg)
{
    struct body *body = arg;
    free(body->bytes);
    free(body);
}

static struct MHD_Response *piecewise(struct reply *reply, const struct manner *manner)
{
    struct body *body = malloc(sizeof *body);
    if (!body) {
        return NULL;
    }
    *body = (struct body){ .bytes = reply->body,
                           .length = reply->length,
                           .upto = manner->cut ? reply->length / 2 : reply->length,
                           .piece = reply->length,
                           .pause = manner->pause,
                           .arg = manner->arg };
    if (manner->slow_ns) {
        body->piece = (reply->length + PIECES - 1) / PIECES;
        body->step = manner->slow_ns / PIECES;
    }
    struct MHD_Response *response =
        MHD_create_response_from_callback(reply->length, body->piece, body_read, body, body_free);
    if (!response) {
        free(body);
        return NULL;
    }
    reply->body = NULL;
    return response;
}

/* Retry-After in one of the two forms that HTTP knows. The date has whole
 * seconds, as the Date header. */
static bool add_retry_after(struct MHD_Response *response, const struct reply *reply, long seconds)
{
    char value[64];
    if (reply->retry_after == RETRY_DATE) {
        time_t at = time(NULL) + (time_t)seconds;
        struct tm tm;
        gmtime_r(&at, &tm);
        /* the C locale: main sets no other */
        strftime(value, sizeof value, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    } else {
        snprintf(value, sizeof value, "%ld", seconds);
    }
    return MHD_add_response_header(response, "Retry-After", value) == MHD_YES;
}

struct MHD_Response *reply_response(struct reply *reply, const struct manner *manner,
                                    long retry_after)
{
    if (!reply->body) {
        return NULL;
    }
    struct MHD_Response *response;
    if (manner->cut || manner->slow_ns) {
        response = piecewise(reply, manner);
    } else {
        response =
            MHD_create_response_from_buffer(reply->length, reply->body, MHD_RESPMEM_MUST_FREE);
        reply->body = response ? NULL : reply->body;
    }
    if (!response) {
        return NULL;
    }
    if (MHD_add_response_header(response, "Content-Type", reply->type) == MHD_YES &&
        (!reply->allow || MHD_add_response_header(response, "Allow", reply->allow) == MHD_YES) &&
        (!*reply->operation_location ||
         MHD_add_response_header(response, "Operation-Location", reply->operation_location) ==
             MHD_YES) &&
        (!*reply->quota ||
         (MHD_add_response_header(response, "RateLimit", reply->quota) == MHD_YES &&
          MHD_add_response_header(response, "RateLimit-Policy", reply->policy) == MHD_YES)) &&
        (reply->retry_after == RETRY_UNSAID || add_retry_after(response, reply, retry_after))) {
        return response;
    }
    MHD_destroy_response(response);
    return NULL;
}
