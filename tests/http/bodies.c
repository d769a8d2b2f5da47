/* Request bodies, and replies as streams and files, through a session. */
#include "harness.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIELDS(...) ((const errand_form_field[]){ __VA_ARGS__, { 0 } })

/* Answers with the whole request. */
static void mirror(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    (void)arg;
    while (raw_read_request(conn, &request)) {
        raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", request.length);
        raw_send(conn, request.text, request.length);
        raw_request_free(&request);
    }
}

static const char *text_of(const errand_result *r) { return errand_response_body(r->value).at; }

static const char *body_in(const errand_result *r) { return strstr(text_of(r), "\r\n\r\n") + 4; }

#define ck_has(r, part)                                                                            \
    ck_assert_msg(strstr(text_of(r), (part)) != NULL, "no %s in %s", (part), text_of(r))

struct file {
    char folder[40], path[60];
};

static void file_make(struct file *file, size_t size)
{
    memcpy(file->folder, "/tmp/errand-body-XXXXXX", 24);
    ck_assert_ptr_nonnull(mkdtemp(file->folder));
    snprintf(file->path, sizeof file->path, "%s/cat.txt", file->folder);
    FILE *out = fopen(file->path, "w");
    for (size_t i = 0; i < size; i++) fputc((char)('a' + i % 23), out);
    fclose(out);
}

static void file_remove(struct file *file)
{
    unlink(file->path);
    ck_assert_int_eq(rmdir(file->folder), 0);
}

/* ---- forms ---- */

START_TEST(a_form_is_urlencoded)
{
    struct harness w;
    harness_open(&w, mirror, NULL, NULL);
    errand_result r = harness_send(
        &w, (errand_request){
                .url = "/",
                .form = FIELDS({ .name = "a b", .value = "1&2=3" },
                               { .name = "\xc3\xa9", .value = "-._*~+/" }, { .name = "none" },
                               { .name = "raw", .bytes = { "\0\xff", 2 } }) });
    ck_well(&r);
    ck_has(&r, "POST / HTTP/1.1\r\n");
    ck_has(&r, "\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    ck_assert_str_eq(body_in(&r), "a+b=1%262%3D3&%C3%A9=-._*%7E%2B%2F&none=&raw=%00%FF");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_form_with_a_file_is_multipart)
{
    struct harness w;
    struct file file;
    file_make(&file, _i ? 300000 : 10);
    harness_open(&w, mirror, NULL, NULL);
    errand_result r = harness_send(
        &w, (errand_request){
                .url = "/",
                .method = "PUT",
                .form = FIELDS({ .name = "prompt", .value = "a \"cat\"" },
                               { .name = "odd\"\r\nname", .value = "x" },
                               { .name = "video", .file = file.path },
                               { .name = "j", .value = "{}", .type = "application/json" }) });
    ck_well(&r);
    ck_has(&r, "PUT / HTTP/1.1\r\n");
    char boundary[60], wanted[800];
    const char *type = strstr(text_of(&r), "\r\nContent-Type: multipart/form-data; boundary=");
    ck_assert_ptr_nonnull(type);
    ck_assert_int_eq(sscanf(type + 46, "%59s", boundary), 1);
    snprintf(wanted, sizeof wanted,
             "--%s\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na \"cat\"\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"odd%%22%%0D%%0Aname\"\r\n\r\nx\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"video\"; filename=\"cat.txt\"\r\n"
             "Content-Type: application/octet-stream\r\n\r\nabcdefghij",
             boundary, boundary, boundary);
    const char *body = body_in(&r);
    ck_assert_msg(!strncmp(body, wanted, strlen(wanted)), "%.600s", body);
    snprintf(wanted, sizeof wanted,
             "\r\n--%s\r\nContent-Disposition: form-data; name=\"j\"\r\nContent-Type: "
             "application/json\r\n\r\n{}\r\n--%s--\r\n",
             boundary, boundary);
    ck_assert_str_eq(body + strlen(body) - strlen(wanted), wanted);
    char length[60];
    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", strlen(body));
    ck_has(&r, length);
    ck_assert_ptr_null(strstr(text_of(&r), "chunked"));
    errand_result_free(&r);
    harness_close(&w);
    file_remove(&file);
}
END_TEST

START_TEST(a_form_is_multipart_if_set)
{
    struct harness w;
    harness_open(&w, mirror, NULL, NULL);
    errand_result r = harness_send(
        &w, (errand_request){
                .url = "/", .multipart = 1, .form = FIELDS({ .name = "a", .value = "b" }) });
    ck_well(&r);
    ck_has(&r, "Content-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--errand-");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* ---- files and functions ---- */

struct made {
    size_t size, calls;
    int fails_at; /* -1: never */
    atomic_int freed;
};

static int make_body(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    struct made *made = arg;
    made->calls++;
    if (made->fails_at >= 0 && offset >= (uint64_t)made->fails_at) return ERRAND_USER + 5;
    *got = made->size - offset < size ? made->size - (size_t)offset : size;
    if (*got > 5000) *got = 5000;
    for (size_t i = 0; i < *got; i++) ((char *)buffer)[i] = (char)('a' + (offset + i) % 23);
    return 0;
}

static void free_made(void *arg) { atomic_fetch_add(&((struct made *)arg)->freed, 1); }

START_TEST(a_body_is_sent_from_a_file_or_a_function)
{
    struct harness w;
    struct file file;
    struct made made = { .size = 200000, .fails_at = -1 };
    file_make(&file, made.size);
    harness_open(&w, mirror, NULL, NULL);
    errand_request requests[] = {
        { .url = "/", .body_file = file.path },
        { .url = "/", .body_fn = make_body, .body_arg = &made, .body_free = free_made },
        { .url = "/", .body_fn = make_body, .body_arg = &made, .body_size = 200000 }
    };
    errand_result r = harness_send(&w, requests[_i]);
    ck_well(&r);
    ck_has(&r, _i == 1 ? "\r\nTransfer-Encoding: chunked\r\n" : "\r\nContent-Length: 200000\r\n");
    size_t letters = 0;
    const char *body = body_in(&r);
    if (_i != 1) {
        for (; body[letters]; letters++) ck_assert_int_eq(body[letters], 'a' + (int)(letters % 23));
        ck_assert_uint_eq(letters, made.size);
    }
    errand_transfer_metrics metrics;
    ck_assert_int_eq(errand_response_metrics(r.value, &metrics), 0);
    ck_assert_uint_gt(metrics.sent, made.size);
    ck_assert_uint_gt(metrics.received, made.size);
    errand_result_free(&r);
    harness_close(&w);
    ck_assert_int_eq(made.freed, _i == 1);
    file_remove(&file);
}
END_TEST

/* Replies 503 twice; the third attempt must send the whole body. */
static void twice_busy(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        unsigned n = atomic_fetch_add((atomic_uint *)arg, 1);
        bool whole = request.body_length == 150000;
        raw_request_free(&request);
        raw_reply(conn, !whole ? 400 : n < 2 ? 503 : 200, "text/plain", "");
    }
}

START_TEST(each_attempt_sends_the_body_from_its_start)
{
    struct harness w;
    struct file file;
    atomic_uint n = 0;
    file_make(&file, 150000);
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 3, .initial_ms = 1 }, NULL);
    harness_open(&w, twice_busy, &n, NULL);
    errand_result r = harness_send(
        &w,
        (errand_request){ .url = "/", .method = "PUT", .body_file = file.path, .policy = policy });
    ck_well(&r);
    ck_assert_uint_eq(errand_result_attempts(&r), 3);
    errand_result_free(&r);
    errand_policy_free(policy);
    harness_close(&w);
    file_remove(&file);
}
END_TEST

static void send_on(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        bool first = !strncmp(request.text, "POST /old ", 10) ||
                     !strncmp(request.text, "PUT /old ", 9);
        bool whole = request.body_length == 150000 || !strncmp(request.text, "GET ", 4);
        bool odd = !strncmp(request.text, "GET ", 4) &&
                   (strstr(request.text, "chunked") || strstr(request.text, "Content-"));
        raw_request_free(&request);
        if (first)
            raw_say(conn, "HTTP/1.1 %d X\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n",
                    *(int *)arg);
        else raw_reply(conn, whole && !odd ? 200 : 400, "text/plain", "");
    }
}

START_TEST(a_redirect_keeps_or_drops_the_body)
{
    struct harness w;
    struct file file;
    int status = (int[]){ 307, 308, 303, 302 }[_i];
    file_make(&file, 150000);
    harness_open(&w, send_on, &status, NULL);
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/old", .method = "POST", .body_file = file.path });
    ck_well(&r);
    const char *from = NULL;
    ck_assert_int_eq(errand_response_redirect(r.value, 0, &from), status);
    ck_assert_str_eq(from, harness_url(&w, "/old"));
    ck_assert_int_eq(errand_response_redirect(r.value, 1, &from), 0);
    ck_assert_str_eq(errand_response_url(r.value), harness_url(&w, "/new"));
    errand_transfer_metrics metrics;
    errand_response_metrics(r.value, &metrics);
    ck_assert_uint_eq(metrics.redirects, 1);
    ck_assert_uint_eq(metrics.reused, 1);
    ck_assert_uint_gt(metrics.sent, _i < 2 ? 300000 : 150000);
    errand_result_free(&r);
    struct made made = { .size = 150000, .fails_at = -1 };
    r = harness_send(&w,
                     (errand_request){ .url = "/old", .body_fn = make_body, .body_arg = &made });
    /* chunked: longer than 150000 as it came */
    ck_assert_int_eq(r.error, _i < 2 ? ERRAND_HTTP + 400 : 0);
    errand_result_free(&r);
    harness_close(&w);
    file_remove(&file);
}
END_TEST

START_TEST(an_error_of_body_fn_ends_the_request)
{
    struct harness w;
    struct made made = { .size = 200000, .fails_at = 100000 };
    harness_open(&w, mirror, NULL, NULL);
    errand_result r = harness_send(
        &w, (errand_request){
                .url = "/", .body_fn = make_body, .body_arg = &made, .body_free = free_made });
    ck_assert_int_eq(r.error, ERRAND_USER + 5);
    ck_assert_str_eq(errand_result_phase(&r), "send");
    ck_message_has(&r, "body_fn: ");
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    r = harness_get(&w, "/");
    ck_well(&r);
    errand_result_free(&r);
    harness_close(&w);
    ck_assert_int_eq(made.freed, 1);
}
END_TEST

/* The first call blocks until it may return. */
struct stuck {
    atomic_uint calls, inside, may_return, freed;
    atomic_bool wrong; /* a concurrent call, or an offset out of sequence */
    atomic_uint next;
};

static int make_slowly(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    struct stuck *stuck = arg;
    (void)size;
    if (atomic_fetch_add(&stuck->inside, 1)) atomic_store(&stuck->wrong, true);
    if (offset && offset != atomic_load(&stuck->next)) atomic_store(&stuck->wrong, true);
    if (atomic_fetch_add(&stuck->calls, 1) == 0) until(&stuck->may_return, 1);
    *got = offset < 3000 ? 1000 : 0;
    memset(buffer, 'x', *got);
    atomic_store(&stuck->next, (unsigned)(offset + *got));
    atomic_fetch_sub(&stuck->inside, 1);
    return 0;
}

static void stuck_freed(void *arg) { atomic_fetch_add(&((struct stuck *)arg)->freed, 1); }

static void count_queued(const errand_stage_info *view, void *arg)
{
    if (view->stage == ERRAND_STAGE_SENT) atomic_fetch_add((atomic_uint *)arg, 1);
}

START_TEST(body_fn_is_never_called_concurrently)
{
    struct harness w;
    struct stuck stuck = { 0 };
    atomic_uint sent = 0;
    errand_policy_opts o = { .attempts = 2, .initial_ms = 1 };
    errand_policy *policy = errand_policy_new(&o, NULL);
    harness_open_clocked(&w, mirror, NULL,
                         &(errand_http_opts){ .on_stage = count_queued, .stage_arg = &sent });
    errand_future *f = errand_send(
        w.http, &(errand_request){ .url = "/",
                                   .method = "PUT",
                                   .body_fn = make_slowly,
                                   .body_arg = &stuck,
                                   .body_free = stuck_freed,
                                   .body_size = _i ? 3000 : 0,
                                   .total_ms = 1000,
                                   .policy = policy });
    until(&stuck.calls, 1);
    until(&sent, 1);
    /* the first times out, the second is sent */
    for (int i = 0; i < 200 && atomic_load(&sent) < 2; i++) {
        harness_turn(&w, 1 + 1000 * (i == 0));
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
    until(&sent, 2);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    /* time for a second call, if there were one */
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    ck_assert_uint_eq(atomic_load(&stuck.calls), 1);
    atomic_store(&stuck.may_return, 1);
    errand_result r = errand_await(f);
    ck_well(&r);
    if (_i) ck_assert_uint_eq(strspn(body_in(&r), "x"), 3000);
    errand_result_free(&r);
    harness_close(&w);
    errand_policy_free(policy);
    ck_assert(!atomic_load(&stuck.wrong));
    ck_assert_uint_eq(atomic_load(&stuck.freed), 1);
}
END_TEST

static const struct {
    errand_request request;
    int error;
    const char *says;
} refused[] = {
    { { .body_file = "/nowhere/cat" },
      ENOENT,
      "the file \"/nowhere/cat\" cannot be sent: No such file" },
    { { .body_file = "/dev/null" }, EINVAL, "it is not a regular file" },
    { { .body_file = "/tmp" }, EISDIR, "\"/tmp\"" },
    { { .form = FIELDS({ .name = "a", .value = "b", .file = "c" }) },
      EINVAL,
      "more than one of value, bytes, file in field \"a\"" },
    { { .form = FIELDS({ .name = "a", .file = "/nowhere/cat" }) }, ENOENT, "/nowhere/cat" },
    { { .form = FIELDS({ .name = "a", .value = "b", .type = "x\r\ny" }) },
      EINVAL,
      "type cannot be sent" },
    { { .form = FIELDS({ .name = "a" }), .body_file = "x" },
      EINVAL,
      "form and body_file are both given" },
    { { .body = { "x", 1 }, .form = FIELDS({ .name = "a" }) },
      EINVAL,
      "body and form are both given" },
    { { .body_fn = make_body, .body_size = -7 }, EINVAL, "body_size is negative" },
    { { .stream = 1, .save_to = "/tmp/x" }, EINVAL, "stream and save_to are both given" },
    { { .bearer = "a", .user = "b" }, EINVAL, "bearer and user are both given" },
    { { .bearer = "a\r\nb" }, EINVAL, "bearer cannot be sent" },
    { { .user = "a:b" }, EINVAL, "user cannot be sent" },
    { { .password = "b" }, EINVAL, "password without user" },
};

START_TEST(an_unsendable_body_is_refused_before_sending)
{
    struct harness w;
    struct made made = { 0 };
    harness_open(&w, mirror, NULL, NULL);
    errand_request request = refused[_i].request;
    request.url = "/";
    request.body_arg = &made;
    request.body_free = free_made;
    errand_result r = harness_send(&w, request);
    ck_assert_msg(r.error == refused[_i].error, "%s", errand_result_message(&r));
    ck_message_has(&r, refused[_i].says);
    ck_assert(!errand_result_may_have_run(&r));
    errand_result_free(&r);
    ck_assert_int_eq(made.freed, 1);
    ck_assert_uint_eq(raw_server_connections(w.server), 0);
    harness_close(&w);
}
END_TEST

/* ---- streams ---- */

struct speech {
    atomic_uint said, may_say;
    bool breaks;
};

/* Sends each event when it may be sent; then the end, or a reset. */
static void speak(struct raw_conn *conn, void *arg)
{
    struct speech *speech = arg;
    if (!raw_read_request(conn, NULL)) return;
    raw_say(
        conn,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (unsigned i = 0; i < 5; i++) {
        if (!hold_until(conn, &speech->may_say, i + 1)) return;
        raw_say(conn, "9\r\ndata: %u\n\n\r\n", i);
        atomic_fetch_add(&speech->said, 1);
    }
    if (speech->breaks) raw_reset(conn);
    else raw_say(conn, "0\r\n\r\n");
}

START_TEST(a_stream_is_read_as_it_arrives)
{
    struct harness w;
    struct speech speech = { .breaks = _i };
    harness_open(&w, speak, &speech, NULL);
    /* ends before the first event */
    errand_result r = harness_send(&w, (errand_request){ .url = "/events", .stream = 1 });
    ck_well(&r);
    ck_assert_int_eq(errand_response_status(r.value), 200);
    ck_assert_str_eq(errand_response_header(r.value, "content-type", 0), "text/event-stream");
    ck_assert_str_eq(errand_response_url(r.value), harness_url(&w, "/events"));
    ck_assert_uint_eq(errand_response_body(r.value).size, 0);
    char text[100];
    ck_assert_int_eq(errand_body_read(r.value, text, sizeof text, 0), -ETIMEDOUT);
    for (unsigned i = 0; i < 5; i++) {
        char wanted[20];
        snprintf(wanted, sizeof wanted, "data: %u\n\n", i);
        atomic_store(&speech.may_say, i + 1);
        size_t had = 0;
        while (had < 9) {
            int64_t got = errand_body_read(r.value, text + had, 9 - had, 30000);
            ck_assert_int_gt(got, 0);
            had += (size_t)got;
        }
        ck_assert_int_eq(memcmp(text, wanted, 9), 0);
    }
    int64_t end = errand_body_read(r.value, text, sizeof text, 30000);
    if (_i) {
        ck_assert_int_eq(end, -(ERRAND_CURL + 56));
        const errand_result *failure = errand_body_failure(r.value);
        ck_assert_ptr_nonnull(failure);
        ck_assert_str_eq(errand_result_phase(failure), "body");
        ck_message_has(failure, "GET http://");
    } else {
        ck_assert_int_eq(end, 0);
        ck_assert_ptr_null(errand_body_failure(r.value));
    }
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* Sends until the client hangs up. */
static void speak_without_end(struct raw_conn *conn, void *arg)
{
    char block[10000];
    memset(block, 'x', sizeof block);
    if (!raw_read_request(conn, NULL)) return;
    raw_say(conn, "HTTP/1.1 200 OK\r\n\r\n");
    while (raw_send(conn, block, sizeof block)) atomic_fetch_add((atomic_uint *)arg, 1);
    atomic_store((atomic_uint *)arg, UINT32_MAX);
}

START_TEST(an_unread_stream_blocks_the_server_and_ends_when_freed)
{
    struct harness w;
    atomic_uint blocks = 0;
    /* does not limit streams */
    harness_open(&w, speak_without_end, &blocks, &(errand_http_opts){ .max_body = 1000 });
    errand_result r =
        harness_send(&w, (errand_request){ .url = "/", .stream = 1, .total_ms = ERRAND_FOREVER });
    ck_well(&r);
    unsigned before;
    do { /* until nothing moves */
        before = atomic_load(&blocks);
        nanosleep(&(struct timespec){ 0, 300000000 }, NULL);
    } while (before != atomic_load(&blocks));
    ck_assert_uint_lt(before, 2000); /* 20 MB: the system's buffers, and 256 KiB here */
    static char text[65536];
    uint64_t taken = 0;
    while (taken < 30000000) {
        int64_t got = errand_body_read(r.value, text, sizeof text, 30000);
        ck_assert_int_gt(got, 0);
        taken += (uint64_t)got;
    }
    errand_result_free(&r);
    until(&blocks, UINT32_MAX); /* the server sees the client hang up */
    harness_close(&w);
}
END_TEST

START_TEST(an_error_reply_is_not_a_stream)
{
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 404 No\r\nContent-Length: 7\r\n\r\nno such", NULL);
    errand_result r = harness_send(&w, (errand_request){ .url = "/", .stream = 1 });
    ck_assert_int_eq(r.error, ERRAND_HTTP + 404);
    ck_body_eq(&r, "no such");
    char byte;
    ck_assert_int_eq(errand_body_read(r.value, &byte, 1, 0), -EINVAL);
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = "/", .stream = 1, .any_status = 1 });
    ck_well(&r);
    ck_assert_int_eq(errand_body_read(r.value, &byte, 1, 30000), 1);
    ck_assert_int_eq(byte, 'n');
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_stream_ends_at_its_deadline_or_with_its_session)
{
    struct harness w;
    struct speech speech = { .may_say = 1 };
    harness_open_clocked(&w, speak, &speech, NULL);
    errand_result r =
        harness_send(&w, (errand_request){ .url = "/", .stream = 1, .total_ms = _i ? 0 : 5000 });
    ck_well(&r);
    char text[100];
    int64_t got;
    while ((got = errand_body_read(r.value, text, sizeof text, 0)) == -ETIMEDOUT)
        nanosleep(&(struct timespec){ 0, 100000 }, NULL);
    ck_assert_int_eq(got, 9);
    if (_i) {
        ck_assert_int_eq(errand_http_close(w.http, 200), 0);
        w.http = NULL;
    } else {
        harness_turn(&w, 6000);
    }
    got = errand_body_read(r.value, text, sizeof text, ERRAND_FOREVER);
    ck_assert_int_eq(got, _i ? -ECANCELED : -ETIMEDOUT);
    const errand_result *failure = errand_body_failure(r.value);
    ck_assert_int_eq(errand_result_reason(failure), _i ? ERRAND_BY_SHUTDOWN : ERRAND_BY_TOTAL);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* ---- both ways at once ---- */

struct talk {
    atomic_uint answers; /* received by the caller */
};

static int say_next(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    struct talk *talk = arg;
    (void)size;
    /* sends the next byte after the last one was answered */
    until(&talk->answers, (unsigned)offset);
    *got = offset < 20;
    memcpy(buffer, "w", 1);
    return 0;
}

static void answer_each(struct raw_conn *conn, void *arg)
{
    char byte, last[5] = "";
    (void)arg;
    while (memcmp(last, "\r\n\r\n", 4)) {
        memmove(last, last + 1, 3);
        if (!raw_read_bytes(conn, last + 3, 1)) return;
    }
    raw_say(conn, "HTTP/1.1 200 OK\r\n\r\n");
    for (int i = 0; i < 20 && raw_read_bytes(conn, &byte, 1); i++) raw_send(conn, &byte, 1);
}

START_TEST(a_body_is_sent_while_its_reply_is_received)
{
    struct harness w;
    struct talk talk = { 0 };
    harness_open(&w, answer_each, NULL, NULL);
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/",
                              .stream = 1,
                              .body_fn = say_next,
                              .body_arg = &talk,
                              .body_size = 20,
                              .total_ms = 60000 });
    ck_well(&r);
    for (unsigned i = 1; i <= 20; i++) {
        char byte;
        int64_t got = errand_body_read(r.value, &byte, 1, ERRAND_FOREVER);
        ck_assert_msg(got == 1, "%lld at %u", (long long)got, i);
        atomic_store(&talk.answers, i);
    }
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(a_streams_response_has_metrics)
{
    struct harness w;
    harness_open(&w, say_always, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                 &(errand_http_opts){ .limit = 1 });
    for (int i = 0; i < 3; i++) {
        char text[10];
        errand_transfer_metrics metrics;
        errand_result r = harness_send(&w, (errand_request){ .url = "/", .stream = 1 });
        ck_well(&r);
        errand_response_metrics(r.value, &metrics);
        ck_assert_uint_eq(metrics.http, 11);
        ck_assert_uint_eq(metrics.reused, i > 0);
        ck_assert_uint_gt(metrics.sent, 0);
        while (errand_body_read(r.value, text, sizeof text, ERRAND_FOREVER) > 0) continue;
        errand_result_free(&r);
    }
    errand_http_stats s;
    do errand_http_stats_get(w.http, &s);
    while (s.in_flight); /* a result is delivered before it is counted */
    ck_assert_uint_eq(s.reused, 2);
    harness_close(&w);
}
END_TEST

/* ---- downloads to files ---- */

static void say_a_lot(struct raw_conn *conn, void *arg)
{
    enum { SIZE = 100000 };
    char *block = malloc(SIZE);
    (void)arg;
    bool there = true;
    while (there && raw_read_request(conn, NULL)) {
        raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n");
        for (int i = 0; i < 200 && there; i++)
            there = raw_send(conn, memset(block, 'a' + i % 26, SIZE), SIZE);
    }
    free(block);
}

START_TEST(large_files_arrive_whole_and_in_parallel)
{
    struct harness w;
    char folder[40] = "/tmp/errand-body-XXXXXX", paths[4][60];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    harness_open(&w, say_a_lot, NULL, &(errand_http_opts){ .lanes = 1 });
    errand_future *fs[4];
    for (int i = 0; i < 4; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%d", folder, i);
        fs[i] = errand_send(w.http, &(errand_request){ .url = "/", .save_to = paths[i] });
    }
    for (int i = 0; i < 4; i++) {
        errand_result r = errand_await(fs[i]);
        ck_well(&r);
        errand_result_free(&r);
        FILE *in = fopen(paths[i], "r");
        ck_assert_ptr_nonnull(in);
        char block[10000];
        for (int k = 0; k < 2000; k++) {
            ck_assert_uint_eq(fread(block, 1, sizeof block, in), sizeof block);
            ck_assert_int_eq(block[0], 'a' + k / 10 % 26);
            ck_assert_int_eq(block[9999], 'a' + k / 10 % 26);
        }
        ck_assert_int_eq(fgetc(in), EOF);
        fclose(in);
        unlink(paths[i]);
    }
    harness_close(&w);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(max_body_limits_a_file_only_if_set)
{
    struct harness w;
    char folder[40] = "/tmp/errand-body-XXXXXX", path[60];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x", folder);
    harness_open(&w, say_a_lot, NULL, NULL);
    errand_result r =
        harness_send(&w, (errand_request){ .url = "/", .save_to = path, .max_body = 1000000 });
    ck_assert_int_eq(r.error, ERRAND_CURL + 63);
    ck_message_has(&r, "larger than max_body, 1000000 bytes");
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = "/", .max_body = 1000000 });
    ck_assert_int_eq(r.error, ERRAND_CURL + 63);
    errand_result_free(&r);
    harness_close(&w);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

struct download {
    struct harness *w;
    const char *path;
};

static errand_result download(void *arg)
{
    struct download *d = arg;
    errand_result r =
        errand_await(errand_send(d->w->http, &(errand_request){ .url = "/", .save_to = d->path }));
    return r;
}

START_TEST(a_file_arrives_while_the_only_worker_waits_for_it)
{
    struct harness w;
    char folder[40] = "/tmp/errand-body-XXXXXX", path[60];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x", folder);
    harness_open(&w, say_a_lot, NULL, NULL);
    errand_pool *small = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_http *mine =
        errand_http_new(small, &(errand_http_opts){ .base_url = raw_server_url(w.server) });
    errand_http *before = w.http;
    w.http = mine;
    errand_result r = errand_await(errand_submit(small, download, &(struct download){ &w, path }));
    ck_well(&r);
    errand_result_free(&r);
    w.http = before;
    struct stat about;
    ck_assert_int_eq(stat(path, &about), 0);
    ck_assert_int_eq(about.st_size, 20000000);
    ck_assert_int_eq(errand_http_close(mine, 10000), 0);
    ck_assert_int_eq(errand_pool_close(small, 10000), 0);
    harness_close(&w);
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

Suite *bodies_suite(void)
{
    Suite *suite = suite_create("http bodies");
    TCase *tc = tcase_create("out");
    tcase_add_test(tc, a_form_is_urlencoded);
    tcase_add_loop_test(tc, a_form_with_a_file_is_multipart, 0, 2);
    tcase_add_test(tc, a_form_is_multipart_if_set);
    tcase_add_loop_test(tc, a_body_is_sent_from_a_file_or_a_function, 0, 3);
    tcase_add_test(tc, each_attempt_sends_the_body_from_its_start);
    tcase_add_loop_test(tc, a_redirect_keeps_or_drops_the_body, 0, 4);
    tcase_add_test(tc, an_error_of_body_fn_ends_the_request);
    tcase_add_loop_test(tc, body_fn_is_never_called_concurrently, 0, 2);
    tcase_add_loop_test(tc, an_unsendable_body_is_refused_before_sending, 0,
                        (int)(sizeof refused / sizeof *refused));
    suite_add_tcase(suite, tc);
    tc = tcase_create("in");
    tcase_add_loop_test(tc, a_stream_is_read_as_it_arrives, 0, 2);
    tcase_add_test(tc, an_unread_stream_blocks_the_server_and_ends_when_freed);
    tcase_add_test(tc, an_error_reply_is_not_a_stream);
    tcase_add_test(tc, a_body_is_sent_while_its_reply_is_received);
    tcase_add_test(tc, a_streams_response_has_metrics);
    tcase_add_loop_test(tc, a_stream_ends_at_its_deadline_or_with_its_session, 0, 2);
    tcase_add_test(tc, large_files_arrive_whole_and_in_parallel);
    tcase_add_test(tc, a_file_arrives_while_the_only_worker_waits_for_it);
    tcase_add_test(tc, max_body_limits_a_file_only_if_set);
    suite_add_tcase(suite, tc);
    return suite;
}
