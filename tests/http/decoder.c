/* Compressed bodies: whole or an error, wherever they are cut, in memory, in a file and as a
 * stream. */
#include "harness.h"

#include "http/decoder.h"
#include "http/body_save.h"
#include "http/response.h"

#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { BAD = ERRAND_CURL + 61, CUT = ERRAND_CURL + 18, BOMB = 8 << 20 };

static const char text[] = "hello, hello, hello, world";

static const unsigned char brotli[] = { 0x1b, 0x19, 0x00, 0xf8, 0x8d, 0x94, 0x6e, 0xde, 0x44,
                                        0x09, 0x52, 0x86, 0x96, 0x6c, 0x2c, 0x6f, 0x35, 0x88,
                                        0x3c, 0x95, 0x00, 0x0a, 0x73, 0x1c, 0x02 };
static const unsigned char zstd[] = {
    0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x1a, 0x95, 0x00, 0x00, 0x60, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x2c,
    0x20, 0x77, 0x6f, 0x72, 0x6c, 0x64, 0x01, 0x00, 0x92, 0x8b, 0x11, 0xa5, 0x04, 0x0c, 0x01
};
/* BOMB zeros */
static const unsigned char brotli_bomb[] = { 0x9b, 0xff, 0xff, 0x7f, 0x00, 0x24, 0x00,
                                             0xe2, 0xb1, 0x40, 0x72, 0xef, 0xff, 0x00 };

struct coded {
    char at[BOMB / 100];
    size_t size;
};

static void deflated(struct coded *to, int bits, const void *at, size_t size) /* appended */
{
    z_stream z = { 0 };
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (z_const Bytef *)(uintptr_t)at;
    z.avail_in = (uInt)size;
    z.next_out = (Bytef *)to->at + to->size;
    z.avail_out = (uInt)(sizeof to->at - to->size);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    to->size = sizeof to->at - z.avail_out;
    deflateEnd(&z);
}

static void add(struct coded *to, const void *at, size_t size)
{
    memcpy(to->at + to->size, at, size);
    to->size += size;
}

enum { GZIP = 31, ZLIB = 15, BARE = -15 };

static void zeros_in_frames(struct coded *to) /* zstd: blocks of one repeated byte */
{
    add(to, "\x28\xb5\x2f\xfd\x00\x38", 6);
    for (unsigned i = 1; i <= BOMB >> 17; i++) {
        unsigned head = 1u << 20 | 1 << 1 | (i == BOMB >> 17);
        add(to, (char[]){ (char)head, (char)(head >> 8), (char)(head >> 16), 0 }, 4);
    }
}

/* One of each coding, of `text` or of a bomb. */
static const char *const names[] = { "gzip", "deflate", "deflate", "br", "zstd", "deflate, gzip" };
enum { SORTS = sizeof names / sizeof *names };

static bool made(struct coded *to, int sort, bool bomb)
{
    const char *at = bomb ? calloc(1, BOMB) : text;
    size_t size = bomb ? BOMB : sizeof text - 1;
    to->size = 0;
    if (sort < 3) deflated(to, (int[]){ GZIP, ZLIB, BARE }[sort], at, size);
    else if (sort == 3)
        add(to, bomb ? brotli_bomb : brotli, bomb ? sizeof brotli_bomb : sizeof brotli);
    else if (sort == 4 && bomb) zeros_in_frames(to);
    else if (sort == 4) add(to, zstd, sizeof zstd);
    if (sort == 5) {
        struct coded *inner = calloc(1, sizeof *inner);
        deflated(inner, ZLIB, at, size);
        deflated(to, GZIP, inner->at, inner->size);
        free(inner);
    }
    if (bomb) free((void *)(uintptr_t)at);
    return sort == 5 || strstr(er_codings_known(), names[sort]);
}

static er_codings codings_of(const char *value)
{
    er_codings codings = { 0 };
    er_codings_add(&codings, value);
    ck_assert(codings.n && !codings.unknown);
    return codings;
}

/* Decodes pieces of `piece` bytes into buffers of `room` bytes. Returns the first error, or that of
 * the end. */
static int decode(const char *name, const char *at, size_t size, size_t piece, size_t room,
                  er_bytes *out)
{
    er_codings codings = codings_of(name);
    er_decoder *decoder = er_decoder_new(&codings);
    char *some = malloc(room);
    int error = 0;
    *out = (er_bytes){ 0 };
    while (!error) {
        size_t given = size < piece ? size : piece, left = given, got = 1;
        while (got && !error) {
            error = er_decode(decoder, &at, &left, some, room, &got);
            if (!error) er_bytes_add(out, some, got);
        }
        if (!error) ck_assert_uint_eq(left, 0);
        size -= given;
        if (!size) break;
    }
    if (!error) error = er_decoder_end(decoder);
    er_decoder_free(decoder);
    free(some);
    return error;
}

/* ---- the decoder alone ---- */

START_TEST(a_body_cut_at_any_byte_is_incomplete)
{
    static const size_t pieces[][2] = { { 1000, 1000 }, { 1, 1 }, { 3, 1 }, { 1, 1000 }, { 7, 5 } };
    static struct coded coded;
    er_bytes out;
    if (!made(&coded, _i, false)) return;
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        for (size_t size = 0; size <= coded.size; size++) {
            int error = decode(names[_i], coded.at, size, pieces[p][0], pieces[p][1], &out);
            bool whole = size == coded.size || !size; /* nothing at all is an empty body */
            ck_assert_msg(error == (whole ? 0 : CUT), "%s, %zu of %zu: %d", names[_i], size,
                          coded.size, error);
            ck_assert_uint_le(out.size, sizeof text - 1);
            ck_assert(!out.size || !memcmp(out.at, text, out.size));
            ck_assert(out.size == sizeof text - 1 || size < coded.size);
            er_bytes_free(&out);
        }
    }
}
END_TEST

START_TEST(a_wrong_byte_never_decodes_to_another_body)
{
    static struct coded coded;
    er_bytes out;
    if (!made(&coded, _i, false)) return;
    bool checked = _i != 2 && _i != 3; /* bare deflate and brotli have no checksum */
    for (size_t at = 0; at < coded.size; at++) {
        coded.at[at] ^= 0x11;
        int error = decode(names[_i], coded.at, coded.size, 1000, 1000, &out);
        bool right = !error && out.size == sizeof text - 1 &&
                     !memcmp(out.at, text, out.size); /* in unused bits */
        ck_assert_msg(error == BAD || error == CUT || right || !checked, "%s, at %zu: %d",
                      names[_i], at, error);
        coded.at[at] ^= 0x11;
        er_bytes_free(&out);
    }
}
END_TEST

static const struct {
    const char *name, *behind;
    size_t size;
    int sort, error;
} tails[] = { { "gzip", "\0\0\0\0\0\0\0", 7, 0, 0 },
              { "gzip", "garbage", 7, 0, BAD },
              { "gzip", "\x1f", 1, 0, CUT },
              { "deflate", "x", 1, 1, BAD },
              { "deflate", "sum4", 4, 2, 0 },
              { "deflate", "more4", 5, 2, BAD },
              { "br", "x", 1, 3, BAD },
              { "zstd", "garbage", 7, 4, BAD },
              { "zstd", "\x28\xb5", 2, 4, CUT } };

START_TEST(bytes_after_the_end_are_not_decoded)
{
    static struct coded coded;
    er_bytes out;
    if (!made(&coded, tails[_i].sort, false)) return;
    add(&coded, tails[_i].behind, tails[_i].size);
    for (size_t piece = 1; piece < 2000; piece *= 10) {
        int error = decode(tails[_i].name, coded.at, coded.size, piece, 9, &out);
        ck_assert_int_eq(error, tails[_i].error);
        er_bytes_free(&out);
    }
}
END_TEST

START_TEST(consecutive_members_and_frames_are_one_body)
{
    struct coded *coded = calloc(1, sizeof *coded);
    er_bytes out;
    for (int gzip = 0; gzip < 2; gzip++) {
        coded->size = 0;
        if (!gzip && !strstr(er_codings_known(), "zstd")) continue;
        for (int i = 0; i < 3; i++) {
            /* an empty one is not the end */
            if (gzip) deflated(coded, GZIP, text, i == 1 ? 0 : sizeof text - 1);
            else
                add(coded, i == 1 ? "\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00" : (const char *)zstd,
                    i == 1 ? 9 : sizeof zstd);
        }
        for (size_t piece = 1; piece < 2000; piece *= 10) {
            ck_assert_int_eq(
                decode(gzip ? "gzip" : "zstd", coded->at, coded->size, piece, 11, &out), 0);
            ck_assert_uint_eq(out.size, 2 * (sizeof text - 1));
            ck_assert_int_eq(memcmp(out.at + sizeof text - 1, text, sizeof text - 1), 0);
            er_bytes_free(&out);
        }
    }
    free(coded);
}
END_TEST

START_TEST(a_bomb_is_decoded_within_the_room_given)
{
    struct coded *coded = calloc(1, sizeof *coded);
    static char room[32 << 10];
    if (made(coded, _i, true)) {
        er_codings codings = codings_of(names[_i]);
        er_decoder *decoder = er_decoder_new(&codings);
        const char *at = coded->at;
        size_t left = coded->size, got;
        uint64_t all = 0;
        do {
            ck_assert_int_eq(er_decode(decoder, &at, &left, room, sizeof room, &got), 0);
            all += got;
        } while (got);
        ck_assert_uint_eq(all, BOMB);
        ck_assert_int_eq(er_decoder_end(decoder), 0);
        er_decoder_free(decoder);
        er_bytes out = { 0 };
        ck_assert_int_eq(er_decode_all(&codings, coded->at, coded->size, 70000, &out), 0);
        ck_assert_uint_eq(out.size, 70000);
        er_bytes_free(&out);
    }
    free(coded);
}
END_TEST

static const struct {
    const char *value;
    unsigned n;
    bool unknown;
} headers[] = { { "gzip", 1, false },
                { "X-GZIP", 1, false },
                { "identity", 0, false },
                { "", 0, false },
                { " ,\tgzip,, deflate ,identity", 2, false },
                { "compress", 0, true },
                { "gzip, rot13", 1, true },
                { "gzip,gzip,gzip,gzip,gzip", 5, false },
                { "gzip,gzip,gzip,gzip,gzip,gzip", 5, true },
                { "gzi", 0, true } };

START_TEST(codings_are_read_from_the_header)
{
    er_codings codings = { 0 };
    er_codings_add(&codings, headers[_i].value);
    ck_assert_uint_eq(codings.n, headers[_i].n);
    ck_assert(codings.unknown == headers[_i].unknown);
}
END_TEST

/* ---- in a session ---- */

struct reply {
    const char *coding, *status, *headers;
    const char *at;
    size_t size;
    bool chunked;
};

static pthread_mutex_t replying = PTHREAD_MUTEX_INITIALIZER;

static void say_next(struct reply *reply, const char *at, size_t size, bool chunked)
{
    pthread_mutex_lock(&replying);
    reply->at = at;
    reply->size = size;
    reply->chunked = chunked;
    pthread_mutex_unlock(&replying);
}

static void say_coded(struct raw_conn *conn, void *arg)
{
    while (raw_read_request(conn, NULL)) {
        pthread_mutex_lock(&replying);
        struct reply now = *(struct reply *)arg, *reply = &now;
        pthread_mutex_unlock(&replying);
        raw_say(conn, "HTTP/1.1 %s\r\nContent-Encoding: %s\r\n%s",
                reply->status ? reply->status : "200 OK", reply->coding,
                reply->headers ? reply->headers : "");
        if (reply->chunked) raw_say(conn, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", reply->size);
        else raw_say(conn, "Content-Length: %zu\r\n\r\n", reply->size);
        raw_send(conn, reply->at, reply->size);
        if (reply->chunked) raw_say(conn, "\r\n0\r\n\r\n");
    }
}

struct place {
    char folder[40], path[60];
};

static void place_open(struct place *place)
{
    memcpy(place->folder, "/tmp/errand-coded-XXXXXX", 25);
    ck_assert_ptr_nonnull(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/body", place->folder);
}

static void place_close(struct place *place)
{
    unlink(place->path);
    ck_assert_int_eq(rmdir(place->folder), 0);
}

static void is_cut(const errand_result *r)
{
    ck_assert_int_eq(r->error, CUT);
    ck_assert_int_eq(errand_result_kind(r), ERRAND_KIND_NETWORK);
    ck_assert_str_eq(errand_result_phase(r), "body");
    ck_assert(errand_result_transient(r));
    ck_message_has(r, "GET http://");
    ck_message_has(r, "body: the compressed body breaks off (curl 18)");
}

/* Reads a whole stream, `piece` bytes at a time. Returns 0 or its error. */
static int read_stream(const errand_result *r, size_t piece, uint64_t *size, char *first,
                       size_t room)
{
    char *some = malloc(piece);
    int64_t got;
    *size = 0;
    while ((got = errand_body_read(r->value, some, piece, ERRAND_FOREVER)) > 0) {
        for (int64_t i = 0; i < got && *size + (uint64_t)i < room; i++)
            first[*size + (uint64_t)i] = some[i];
        *size += (uint64_t)got;
    }
    free(some);
    return (int)-got;
}

START_TEST(a_cut_body_is_an_error_in_memory_file_and_stream)
{
    static struct coded coded;
    struct place place;
    struct harness w;
    if (!made(&coded, _i, false)) return;
    struct reply reply = { .coding = names[_i], .at = coded.at };
    place_open(&place);
    harness_open(&w, say_coded, &reply, NULL);
    for (unsigned turn = 0; turn < 8; turn++) {
        bool whole = turn < 2;
        size_t cut = whole ? coded.size
                           : (size_t[]){ 1, coded.size / 2, coded.size - 1 }[turn / 2 - 1];
        say_next(&reply, coded.at, cut, turn % 2);
        errand_result r = harness_get(&w, "/");
        if (whole) ck_well(&r);
        else is_cut(&r);
        if (whole) ck_body_eq(&r, text);
        errand_result_free(&r);

        r = harness_send(&w, (errand_request){ .url = "/", .save_to = place.path });
        if (whole) ck_well(&r);
        else is_cut(&r);
        ck_assert(access(place.path, F_OK) == (whole ? 0 : -1));
        unlink(place.path);
        errand_result_free(&r);

        char first[100] = "";
        uint64_t size;
        r = harness_send(&w, (errand_request){ .url = "/", .stream = 1 });
        ck_well(&r);
        ck_assert_int_eq(read_stream(&r, 1 + turn * 5, &size, first, sizeof first - 1),
                         whole ? 0 : CUT);
        if (whole) ck_assert_str_eq(first, text);
        else ck_assert(size < sizeof text && !strncmp(first, text, size));
        if (whole) ck_assert_ptr_null(errand_body_failure(r.value));
        else is_cut(errand_body_failure(r.value));
        errand_result_free(&r);
    }
    harness_close(&w);
    place_close(&place);
}
END_TEST

START_TEST(a_cut_body_is_retried)
{
    static struct coded coded;
    made(&coded, 0, false);
    struct reply reply = { .coding = "gzip", .at = coded.at, .size = coded.size - 4 };
    struct harness w;
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 3, .initial_ms = 1 }, NULL);
    harness_open(&w, say_coded, &reply, &(errand_http_opts){ .policy = policy });
    errand_result r = harness_get(&w, "/");
    is_cut(&r);
    ck_assert_uint_eq(errand_result_attempts(&r), 3);
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = "/", .method = "POST" });
    ck_assert(r.error == CUT && errand_result_may_have_run(&r));
    ck_assert_uint_eq(errand_result_attempts(&r), 1);
    errand_result_free(&r);
    errand_policy_free(policy);
    harness_close(&w);
}
END_TEST

START_TEST(a_bomb_fits_into_a_file_or_stream_but_not_memory)
{
    struct coded *coded = calloc(1, sizeof *coded);
    struct place place;
    struct harness w;
    struct stat about;
    if (made(coded, _i, true)) {
        struct reply reply = { .coding = names[_i], .at = coded->at, .size = coded->size };
        place_open(&place);
        harness_open(&w, say_coded, &reply, &(errand_http_opts){ .total_ms = ERRAND_FOREVER });
        errand_result r = harness_send(&w, (errand_request){ .url = "/", .save_to = place.path });
        ck_well(&r);
        errand_transfer_metrics metrics;
        ck_assert_int_eq(errand_response_metrics(r.value, &metrics), 0);
        ck_assert_uint_eq(metrics.body, BOMB);
        ck_assert(!stat(place.path, &about) && about.st_size == BOMB);
        errand_result_free(&r);

        uint64_t size;
        r = harness_send(&w, (errand_request){ .url = "/", .stream = 1 });
        ck_well(&r);
        ck_assert_int_eq(read_stream(&r, 100000, &size, NULL, 0), 0);
        ck_assert_uint_eq(size, BOMB);
        errand_result_free(&r);
        r = harness_send(&w, (errand_request){ .url = "/", .stream = 1 });
        ck_well(&r);
        errand_result_free(&r); /* freed unread */

        for (int file = 0; file < 2; file++) {
            unlink(place.path);
            r = harness_send(&w, (errand_request){ .url = "/",
                                                   .max_body = 1000000,
                                                   .save_to = file ? place.path : NULL });
            ck_assert_int_eq(r.error, ERRAND_CURL + 63);
            ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_RESOURCE);
            ck_message_has(&r, "larger than max_body, 1000000 bytes");
            ck_assert_int_eq(access(place.path, F_OK), -1);
            errand_result_free(&r);
        }
        harness_close(&w);
        place_close(&place);
    }
    free(coded);
}
END_TEST

static const struct odd {
    const char *coding, *status, *headers, *method, *raw;
    int error;
    const char *body;
} odd[] = {
    { "gzip", NULL, NULL, "HEAD", "", 0, "" },
    { "compress", NULL, NULL, "HEAD", "", 0, "" },
    { "gzip", NULL, NULL, "GET", "", 0, "" },
    { "compress", NULL, NULL, "GET", "", 0, "" },
    { "gzip", "304 Same", NULL, "GET", NULL, 0, "" },
    { "identity", NULL, NULL, "GET", "plain", 0, "plain" },
    { "compress", NULL, NULL, "GET", "plain", BAD, NULL },
    { "gzip", NULL, "Content-Encoding: rot13\r\n", "GET", "plain", BAD, NULL },
    { "gzip", NULL, NULL, "GET", "not gzip", BAD, NULL },
    { "compress", "404 No", NULL, "GET", "plain", ERRAND_HTTP + 404, "" },
    { "gzip", "404 No", NULL, "GET", "not gzip", ERRAND_HTTP + 404, "" },
};

START_TEST(an_odd_coding_is_decoded_or_refused)
{
    const struct odd *o = &odd[_i];
    const char *raw = o->raw ? o->raw : "";
    struct reply reply = { o->coding,
                           o->status,
                           o->headers,
                           raw,
                           !strcmp(o->method, "HEAD") || !o->raw ? 0 : strlen(raw),
                           false };
    struct harness w;
    harness_open(&w, say_coded, &reply, NULL);
    errand_result r = harness_send(&w, (errand_request){ .url = "/", .method = o->method });
    ck_assert_msg(r.error == o->error, "%s", errand_result_message(&r));
    if (o->error == BAD) ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_PROTOCOL);
    if (o->error == BAD) ck_message_has(&r, "(curl 61)");
    if (o->body) ck_body_eq(&r, o->body);
    errand_result_free(&r);
    if (o->error == BAD || !*raw) { /* as a stream: reported with the first bytes, if any */
        char byte;
        r = harness_send(&w, (errand_request){ .url = "/", .method = o->method, .stream = 1 });
        ck_well(&r);
        ck_assert_int_eq(errand_body_read(r.value, &byte, 1, ERRAND_FOREVER), -o->error);
        if (o->error) ck_message_has(errand_body_failure(r.value), "(curl 61)");
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

START_TEST(an_unrequested_transfer_coding_is_refused)
{
    static struct coded coded;
    made(&coded, 0, false);
    struct reply reply = { "identity", NULL,       "Transfer-Encoding: gzip\r\n",
                           coded.at,   coded.size, true };
    struct harness w;
    harness_open(&w, say_coded, &reply, NULL);
    errand_result r = harness_get(&w, "/");
    ck_assert_int_eq(r.error, BAD);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_PROTOCOL);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

START_TEST(an_error_body_is_decoded_as_far_as_it_goes)
{
    static const char problem[] = "{\"title\":\"No GPU\",\"detail\":\"all are busy\"}";
    static struct coded coded;
    struct coded *bomb = calloc(1, sizeof *bomb);
    coded.size = 0;
    deflated(&coded, GZIP, problem, sizeof problem - 1);
    struct reply reply = { "gzip",
                           "503 Busy",
                           "Content-Type: application/problem+json\r\n",
                           coded.at,
                           coded.size - (_i ? 6 : 0),
                           false };
    struct harness w;
    harness_open(&w, say_coded, &reply, NULL);
    errand_result r = harness_get(&w, "/");
    ck_assert_int_eq(r.error, ERRAND_HTTP + 503);
    ck_body_eq(&r, problem);
    ck_message_has(&r, "No GPU: all are busy");
    errand_result_free(&r);
    r = harness_send(&w, (errand_request){ .url = "/", .any_status = 1 });
    if (_i) is_cut(&r);
    else ck_body_eq(&r, problem);
    errand_result_free(&r);
    made(bomb, 0, true);
    say_next(&reply, bomb->at, bomb->size, false);
    r = harness_get(&w, "/");
    ck_assert_int_eq(r.error, ERRAND_HTTP + 503);
    ck_assert_uint_eq(errand_response_body(r.value).size, 64 << 10);
    errand_result_free(&r);
    harness_close(&w);
    free(bomb);
}
END_TEST

static void touch_nothing(void *easy, void *arg) { (void)easy, (void)arg; }

START_TEST(the_session_decodes_bodies_and_curl_does_not)
{
    static struct coded coded;
    made(&coded, 0, false);
    struct reply reply = { .coding = "gzip", .at = coded.at, .size = coded.size };
    struct harness w;
    harness_open(&w, say_coded, &reply, &(errand_http_opts){ .no_compression = (unsigned)_i });
    for (int setup = 0; setup < 2; setup++) {
        errand_result r =
            harness_send(&w, (errand_request){ .url = "/", .setup = setup ? touch_nothing : NULL });
        ck_well(&r);
        ck_assert_uint_eq(errand_response_body(r.value).size, _i ? coded.size : sizeof text - 1);
        ck_assert_str_eq(errand_response_header(r.value, "Content-Encoding", 0), "gzip");
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

/* ---- a sink alone ---- */

struct lane {
    er_valve valve;
    atomic_int count, error;
    atomic_uint finishes;
    atomic_bool cancelled;
};

static struct lane *lane_of(er_valve *valve)
{
    return (struct lane *)(void *)((char *)valve - offsetof(struct lane, valve));
}
static void nothing(er_valve *valve) { (void)valve; }
static void keep(er_valve *valve) { atomic_fetch_add(&lane_of(valve)->count, 1); }
static void drop(er_valve *valve) { atomic_fetch_sub(&lane_of(valve)->count, 1); }
static bool cancelled(er_valve *valve) { return atomic_load(&lane_of(valve)->cancelled); }
static void finished(er_valve *valve, int error)
{
    atomic_store(&lane_of(valve)->error, error);
    atomic_fetch_add(&lane_of(valve)->finishes, 1);
}

START_TEST(a_cancel_stops_decoding_a_bomb)
{
    struct coded *coded = calloc(1, sizeof *coded);
    struct place place;
    place_open(&place);
    made(coded, 0, true);
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    er_defaults defaults = { .max_body = SIZE_MAX, .total_ms = 1000, .connect_ms = 1000 };
    errand_request given = { .url = "http://127.0.0.1/", .save_to = _i ? place.path : NULL };
    er_bytes why = { 0 };
    er_request *request = NULL;
    er_body_sink *sink;
    struct lane lane = { .valve = { nothing, nothing, finished, keep, drop, cancelled },
                         .cancelled = true };
    ck_assert_int_eq(er_request_new(&request, &given, &defaults, &why), 0);
    ck_assert_int_eq(
        _i ? er_body_save(request, pool, &sink) : er_body_save_memory(request, pool, &sink), 0);
    errand_response *response = er_response_new();
    er_codings_add(&response->codings, "gzip");
    ck_assert_int_eq(sink->begin(sink, &lane.valve), 0);
    ck_assert_int_eq(sink->headers(sink, response), 0);
    ck_assert_int_eq(sink->take(sink, coded->at, coded->size), 0);
    ck_assert_int_eq(sink->finish(sink, response), ER_FLOW_WAIT);
    until(&lane.finishes, 1);
    ck_assert_int_eq(atomic_load(&lane.error), ECANCELED);
    ck_assert_uint_eq(response->body.size, 0);
    sink->drop(sink);
    ck_assert_int_eq(errand_pool_close(pool, 10000), 0);
    ck_assert_int_eq(atomic_load(&lane.count), 0);
    er_request_drop(request);
    er_response_free(response);
    er_bytes_free(&why);
    place_close(&place);
    free(coded);
}
END_TEST

Suite *decoder_suite(void)
{
    Suite *suite = suite_create("http decoder");
    TCase *tc = tcase_create("decoder");
    tcase_add_loop_test(tc, a_body_cut_at_any_byte_is_incomplete, 0, SORTS);
    tcase_add_loop_test(tc, a_wrong_byte_never_decodes_to_another_body, 0, SORTS);
    tcase_add_loop_test(tc, bytes_after_the_end_are_not_decoded, 0,
                        (int)(sizeof tails / sizeof *tails));
    tcase_add_test(tc, consecutive_members_and_frames_are_one_body);
    tcase_add_loop_test(tc, a_bomb_is_decoded_within_the_room_given, 0, SORTS);
    tcase_add_loop_test(tc, codings_are_read_from_the_header, 0,
                        (int)(sizeof headers / sizeof *headers));
    suite_add_tcase(suite, tc);
    tc = tcase_create("compressed replies");
    tcase_add_loop_test(tc, a_cut_body_is_an_error_in_memory_file_and_stream, 0, SORTS);
    tcase_add_test(tc, a_cut_body_is_retried);
    tcase_add_loop_test(tc, a_bomb_fits_into_a_file_or_stream_but_not_memory, 0, SORTS);
    tcase_add_loop_test(tc, an_odd_coding_is_decoded_or_refused, 0,
                        (int)(sizeof odd / sizeof *odd));
    tcase_add_test(tc, an_unrequested_transfer_coding_is_refused);
    tcase_add_loop_test(tc, an_error_body_is_decoded_as_far_as_it_goes, 0, 2);
    tcase_add_loop_test(tc, the_session_decodes_bodies_and_curl_does_not, 0, 2);
    tcase_add_loop_test(tc, a_cancel_stops_decoding_a_bomb, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
