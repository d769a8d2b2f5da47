/* Servers that break the protocol. Each causes its own error, leaks nothing, and leaves the session
 * usable. */
#include "harness.h"

#include <dirent.h>
#include <time.h>
#include <unistd.h>

static unsigned descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) n += entry->d_name[0] != '.';
    if (dir) closedir(dir);
    return n;
}

/* ---- hostile replies ---- */

static void headers_without_end(struct raw_conn *conn)
{
    raw_say(conn, "HTTP/1.1 200 OK\r\n");
    for (int i = 0;
         i < 200000 && raw_say(conn, "X-%06d: 0123456789012345678901234567890123456789\r\n", i);
         i++)
        continue;
}

static void one_endless_header(struct raw_conn *conn)
{
    char block[8192];
    memset(block, 'x', sizeof block);
    raw_say(conn, "HTTP/1.1 200 OK\r\nX-Long: ");
    for (int i = 0; i < 1280 && raw_send(conn, block, sizeof block); i++) /* 10 MiB */
        continue;
}

static void trailers_without_end(struct raw_conn *conn)
{
    raw_say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n");
    for (int i = 0;
         i < 200000 && raw_say(conn, "X-%06d: 0123456789012345678901234567890123456789\r\n", i);
         i++)
        continue;
    raw_wait_gone(conn);
}

static void hints_without_end(struct raw_conn *conn)
{
    for (int i = 0;
         i < 200000 &&
         raw_say(conn, "HTTP/1.1 103 Early Hints\r\nX-%06d: 0123456789012345678901\r\n\r\n", i);
         i++)
        continue;
    raw_wait_gone(conn);
}

static void endless_body(struct raw_conn *conn)
{
    char block[8192];
    memset(block, 'x', sizeof block);
    raw_say(conn, "HTTP/1.1 200 OK\r\n\r\n");
    while (raw_send(conn, block, sizeof block)) continue;
}

static void endless_chunks(struct raw_conn *conn)
{
    char block[4096 + 8];
    memcpy(block, "1000\r\n", 6);
    memset(block + 6, 'x', 4096);
    memcpy(block + 6 + 4096, "\r\n", 2);
    raw_say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (raw_send(conn, block, sizeof block)) continue;
}

/* 100 KiB that unpack to 16 MiB of zeros: deflate (RFC 1951) with its fixed codes, a literal,
 * then "258 bytes from 1 back" (13 bits) again and again. */
static void gzip_bomb(struct raw_conn *conn)
{
    static unsigned char bomb[100 << 10];
    size_t bit = 10 * 8;
    memset(bomb, 0, sizeof bomb);
    memcpy(bomb, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    /* BFINAL, BTYPE 01 from the low bit; literal 0 */
    const char *first = "110"
                        "00110000",
               *again = "11000101"
                        "00000";
    for (const char *c = first; *c; c++, bit++)
        bomb[bit / 8] |= (unsigned char)((*c - '0') << bit % 8);
    while (bit + 13 < sizeof bomb * 8) {
        for (const char *c = again; *c; c++, bit++)
            bomb[bit / 8] |= (unsigned char)((*c - '0') << bit % 8);
    }
    raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
            sizeof bomb);
    raw_send(conn, bomb, sizeof bomb);
}

static void loris_body(struct raw_conn *conn)
{
    char block[1000];
    memset(block, 'x', sizeof block);
    raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    raw_drip(conn, block, sizeof block, 1, 20);
}

static void loris_headers(struct raw_conn *conn)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nX-Slow: it takes its time, and then some more of it\r\n\r\n";
    raw_drip(conn, text, sizeof text - 1, 1, 20);
    raw_wait_gone(conn);
}

#define SAYS(name, text)                                                                           \
    static void name(struct raw_conn *conn)                                                        \
    {                                                                                              \
        static const char bytes[] = text;                                                          \
        raw_send(conn, bytes, sizeof bytes - 1);                                                   \
    }
SAYS(two_lengths, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde")
SAYS(list_of_lengths, "HTTP/1.1 200 OK\r\nContent-Length: 3, 5\r\n\r\nabcde")
SAYS(length_in_words, "HTTP/1.1 200 OK\r\nContent-Length: 3abc\r\n\r\nabcde")
SAYS(length_in_hex, "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nabcde")
SAYS(status_as_trailer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                        "chunked\r\n\r\n4\r\ngood\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n")
SAYS(switches,
     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nwhatever")
SAYS(status_of_2000, "HTTP/1.1 2000 OK\r\nContent-Length: 4\r\n\r\ngood")
SAYS(status_of_0, "HTTP/1.1 000 OK\r\nContent-Length: 4\r\n\r\ngood")
SAYS(version_9, "HTTP/9.9 200 OK\r\nContent-Length: 4\r\n\r\ngood")
SAYS(too_few, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
SAYS(garbage, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
SAYS(negative_length, "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc")
SAYS(bad_chunk, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n")
SAYS(huge_chunk, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc")
SAYS(no_status, "HTTP/1.1 OK\r\n\r\n")
SAYS(no_final, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n")
SAYS(no_colon, "HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 4\r\n\r\ngood")
SAYS(beyond_any_length, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\ngood")
SAYS(length_of_2_63, "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\ngood")
SAYS(length_below_2_63, "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\ngood")
SAYS(blank_before_colon, "HTTP/1.1 200 OK\r\nContent-Length : 4\r\n\r\ngood")
SAYS(tab_before_colon,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding\t: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n")
SAYS(folded_first, "HTTP/1.1 200 OK\r\n X-Long: one\r\nContent-Length: 4\r\n\r\ngood")
SAYS(folded_coding,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n")
SAYS(folded_length, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\ngood, and more")
SAYS(trailer_without_colon,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\nnone\r\n\r\n")
SAYS(trailer_without_name,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n: x\r\n\r\n")
SAYS(trailer_folded_first,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n x: y\r\n\r\n")
SAYS(trailer_with_blank,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\nx : y\r\n\r\n")

static void one_long_trailer(struct raw_conn *conn)
{
    char block[8192];
    memset(block, 'x', sizeof block);
    raw_say(conn,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\nX-Long: ");
    for (int i = 0; i < 100 && raw_send(conn, block, sizeof block); i++) continue;
    raw_say(conn, "\r\n\r\n");
    raw_wait_gone(conn);
}

SAYS(to_file, "HTTP/1.1 302 F\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n")
SAYS(to_ftp, "HTTP/1.1 302 F\r\nLocation: ftp://127.0.0.1/x\r\nContent-Length: 0\r\n\r\n")
SAYS(round_and_round,
     "HTTP/1.1 302 F\r\nLocation: /bad\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

static const struct {
    const char *name;
    void (*says)(struct raw_conn *conn);
    int error; /* 0: any error */
    errand_kind kind;
    const char *phase, *words;
    int64_t total_ms;
} hostile[] = {
    { "headers without end", headers_without_end, 0, ERRAND_KIND_PROTOCOL, "first byte", "headers",
      0 },
    { "one endless header", one_endless_header, 0, ERRAND_KIND_PROTOCOL, "first byte", "header",
      0 },
    { "trailers without end", trailers_without_end, 0, ERRAND_KIND_PROTOCOL, "body", "headers", 0 },
    { "hints without end", hints_without_end, 0, ERRAND_KIND_PROTOCOL, "first byte", "headers", 0 },
    { "endless body", endless_body, ERRAND_CURL + 63, ERRAND_KIND_RESOURCE, "body",
      "larger than max_body", 0 },
    { "endless chunks", endless_chunks, ERRAND_CURL + 63, ERRAND_KIND_RESOURCE, "body",
      "larger than max_body", 0 },
    { "gzip bomb", gzip_bomb, ERRAND_CURL + 63, ERRAND_KIND_RESOURCE, "body",
      "larger than max_body", 0 },
    { "loris body", loris_body, ETIMEDOUT, ERRAND_KIND_TIMEOUT, "body", "its 300 ms are over",
      300 },
    { "loris headers", loris_headers, ETIMEDOUT, ERRAND_KIND_TIMEOUT, "first byte",
      "its 300 ms are over", 300 },
    { "two lengths", two_lengths, 0, ERRAND_KIND_PROTOCOL, NULL, "Content-Length", 0 },
    { "a list of lengths", list_of_lengths, 0, ERRAND_KIND_PROTOCOL, NULL, "Content-Length", 0 },
    { "a length in words", length_in_words, 0, ERRAND_KIND_PROTOCOL, NULL, "Content-Length", 0 },
    { "a length in hex", length_in_hex, 0, ERRAND_KIND_PROTOCOL, NULL, "Content-Length", 0 },
    { "a status line as trailer", status_as_trailer, 0, ERRAND_KIND_PROTOCOL, "body", "trailer",
      0 },
    { "101", switches, ERRAND_CURL + 8, ERRAND_KIND_PROTOCOL, "first byte", "status 101", 0 },
    { "status 2000", status_of_2000, ERRAND_CURL + 1, ERRAND_KIND_PROTOCOL, "first byte",
      "(curl 1)", 0 },
    { "status 000", status_of_0, ERRAND_CURL + 1, ERRAND_KIND_PROTOCOL, "first byte", "(curl 1)",
      0 },
    { "version 9.9", version_9, ERRAND_CURL + 1, ERRAND_KIND_PROTOCOL, "first byte", "(curl 1)",
      0 },
    { "too few bytes", too_few, ERRAND_CURL + 18, ERRAND_KIND_NETWORK, "body", "(curl 18)", 0 },
    { "garbage", garbage, ERRAND_CURL + 1, ERRAND_KIND_PROTOCOL, "first byte", "(curl 1)", 0 },
    { "negative length", negative_length, ERRAND_CURL + 8, ERRAND_KIND_PROTOCOL, NULL,
      "Content-Length", 0 },
    { "bad chunk", bad_chunk, 0, ERRAND_KIND_PROTOCOL, "body", "chunk", 0 },
    { "huge chunk", huge_chunk, 0, ERRAND_KIND_PROTOCOL, "body", "chunk", 0 },
    { "no status", no_status, ERRAND_CURL + 1, ERRAND_KIND_PROTOCOL, "first byte", "(curl 1)", 0 },
    { "no final reply", no_final, 0, ERRAND_KIND_NETWORK, "first byte", "curl", 0 },
    { "no colon", no_colon, ERRAND_CURL + 8, ERRAND_KIND_PROTOCOL, NULL, "colon", 0 },
    { "beyond any length", beyond_any_length, 0, ERRAND_KIND_PROTOCOL, NULL, "Content-Length", 0 },
    { "a length of 2^63", length_of_2_63, 0, ERRAND_KIND_PROTOCOL, NULL, "Content-Length", 0 },
    { "a length below that", length_below_2_63, ERRAND_CURL + 18, ERRAND_KIND_NETWORK, "body",
      "(curl 18)", 0 },
    { "a blank before the colon", blank_before_colon, EPROTO, ERRAND_KIND_PROTOCOL, "first byte",
      "before the colon", 0 },
    { "a tab before the colon", tab_before_colon, EPROTO, ERRAND_KIND_PROTOCOL, "first byte",
      "before the colon", 0 },
    { "a folded first line", folded_first, EPROTO, ERRAND_KIND_PROTOCOL, "first byte",
      "header line", 0 }, /* after another reply */
    { "a folded coding", folded_coding, EPROTO, ERRAND_KIND_PROTOCOL, "first byte", "on two lines",
      0 },
    { "a folded length", folded_length, EPROTO, ERRAND_KIND_PROTOCOL, "first byte", "on two lines",
      0 },
    { "a trailer without colon", trailer_without_colon, EPROTO, ERRAND_KIND_PROTOCOL, "body",
      "not a header field", 0 },
    { "a trailer without name", trailer_without_name, EPROTO, ERRAND_KIND_PROTOCOL, "body",
      "not a header field", 0 },
    { "a trailer that is folded", trailer_folded_first, EPROTO, ERRAND_KIND_PROTOCOL, "body",
      "not a header field", 0 },
    { "a trailer with a blank", trailer_with_blank, EPROTO, ERRAND_KIND_PROTOCOL, "body",
      "not a header field", 0 },
    { "one long trailer", one_long_trailer, EPROTO, ERRAND_KIND_PROTOCOL, "body",
      "a trailer is too long", 0 },
    { "to a file", to_file, 0, ERRAND_KIND_PROTOCOL, NULL, "http or https", 0 },
    { "to ftp", to_ftp, 0, ERRAND_KIND_PROTOCOL, NULL, "http or https", 0 },
    { "round and round", round_and_round, ERRAND_CURL + 47, ERRAND_KIND_PROTOCOL, NULL, "redirect",
      0 },
};

static void serve_hostile(struct raw_conn *conn, void *arg)
{
    struct raw_request request;
    while (raw_read_request(conn, &request)) {
        bool good = !strncmp(request.text, "GET /good ", 10);
        raw_request_free(&request);
        if (!good) {
            hostile[*(int *)arg].says(conn);
            return;
        }
        raw_reply(conn, 200, "text/plain", "good");
    }
}

static void check_usable(struct harness *w)
{
    errand_result r = harness_get(w, "/good");
    ck_well(&r);
    ck_body_eq(&r, "good");
    errand_result_free(&r);
}

START_TEST(a_hostile_server_fails_only_its_own_request)
{
    struct harness w;
    int which = _i;
    harness_open(&w, serve_hostile, &which, &(errand_http_opts){ .max_body = 1 << 20, .limit = 4 });
    check_usable(&w);
    unsigned before = descriptors();
    for (int i = 0; i < 3; i++) {
        errand_result r =
            harness_send(&w, (errand_request){ .url = "/bad", .total_ms = hostile[_i].total_ms });
        const char *said = errand_result_message(&r);
        ck_assert_msg(r.error && (!hostile[_i].error || r.error == hostile[_i].error), "%d: %s",
                      r.error, said);
        ck_assert_msg(errand_result_kind(&r) == hostile[_i].kind, "%s: %s",
                      errand_kind_name(errand_result_kind(&r)), said);
        if (hostile[_i].phase)
            ck_assert_msg(!strcmp(errand_result_phase(&r), hostile[_i].phase), "phase %s: %s",
                          errand_result_phase(&r), said);
        ck_assert_msg(strstr(said, hostile[_i].words) != NULL, "no \"%s\" in: %s",
                      hostile[_i].words, said);
        ck_assert_ptr_nonnull(strstr(said, "GET http://127.0.0.1:"));
        errand_result_free(&r);
        check_usable(&w);
    }
    while (raw_server_open(w.server) > 1) /* the good connection stays open */
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    ck_assert_uint_le(descriptors(), before);
    harness_close(&w);
}
END_TEST

static void fold_at_first(struct raw_conn *conn, void *arg)
{
    (void)arg;
    if (raw_read_request(conn, NULL)) folded_first(conn);
}

START_TEST(a_folded_first_header_line_is_a_protocol_error)
{
    struct harness w;
    harness_open(&w, fold_at_first, NULL, NULL);
    errand_result r = harness_get(&w, "/");
    ck_assert_int_eq(r.error, EPROTO);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_PROTOCOL);
    ck_message_has(&r, "header line");
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* ---- odd, but valid replies ---- */

SAYS(trailers, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: "
               "X-Sum\r\n\r\n4\r\ngood\r\n0\r\nX-Sum: 4\r\n\r\n")
SAYS(folded, "HTTP/1.1 200 OK\r\nX-Long: one\r\n two\r\n\tthree\r\nContent-Length: 4\r\n\r\ngood")
SAYS(equal_lengths, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\ngood")
SAYS(list_of_equals, "HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\ngood")
SAYS(small_letters, "http/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
SAYS(hints_first, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: "
                  "x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
SAYS(old_server, "HTTP/1.0 200 OK\r\n\r\ngood")
SAYS(bare_lines, "HTTP/1.1 200 OK\nContent-Length: 4\n\ngood")
SAYS(no_reason, "HTTP/1.1 200\r\nContent-Length: 4\r\n\r\ngood")
SAYS(length_with_zeros,
     "HTTP/1.1 200 OK\r\nContent-Length: 00000000000000000000000000004\r\n\r\ngood")
SAYS(
    folded_trailer,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\nX-Sum: 4\r\n 5\r\n\r\n")
SAYS(more_than_said, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood, and some more")

static void half_closed(struct raw_conn *conn)
{
    raw_say(conn, "HTTP/1.1 200 OK\r\n\r\ngood");
    raw_end_sending(conn);
    raw_wait_gone(conn);
}

static void byte_by_byte(struct raw_conn *conn)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nX-Long: one two three\r\nContent-Length: 4\r\n\r\ngood";
    raw_drip(conn, text, sizeof text - 1, 1, 0);
}

static void (*const odd[])(struct raw_conn *conn) = {
    trailers,          folded,         equal_lengths,  hints_first,  old_server,
    bare_lines,        no_reason,      more_than_said, half_closed,  byte_by_byte,
    length_with_zeros, folded_trailer, list_of_equals, small_letters
};

static void serve_odd(struct raw_conn *conn, void *arg)
{
    if (raw_read_request(conn, NULL)) odd[*(int *)arg](conn);
}

START_TEST(an_odd_but_valid_reply_is_read)
{
    struct harness w;
    int which = _i;
    harness_open(&w, serve_odd, &which, NULL);
    for (int i = 0; i < 3; i++) {
        errand_result r = harness_get(&w, "/");
        ck_well(&r);
        ck_body_eq(&r, "good");
        ck_assert_int_eq(errand_response_status(r.value), 200);
        errand_transfer_metrics metrics;
        errand_response_metrics(r.value, &metrics);
        ck_assert_uint_eq(metrics.body, 4); /* trailers begin no new body */
        ck_assert_ptr_null(errand_response_header(r.value, "X-Sum", 0)); /* a trailer */
        ck_assert_ptr_null(errand_response_header(r.value, "Link", 0));  /* of an interim reply */
        const char *folds = errand_response_header(r.value, "X-Long", 0);
        if (folds) ck_assert_str_eq(folds, "one two three");
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

/* ---- cut at every byte ---- */

static const char whole[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello, world";

static void cut_short(struct raw_conn *conn, void *arg)
{
    unsigned cut = atomic_load((atomic_uint *)arg);
    if (!raw_read_request(conn, NULL)) return;
    raw_send(conn, whole, cut / 2);
    if (cut % 2) raw_reset(conn);
}

START_TEST(a_reply_cut_at_any_byte_is_a_network_error)
{
    struct harness w;
    atomic_uint at = 0;
    harness_open(&w, cut_short, &at, NULL);
    for (unsigned cut = 0; cut < 2 * (sizeof whole - 1); cut++) {
        atomic_store(&at, cut);
        errand_result r = harness_get(&w, "/");
        const char *said = errand_result_message(&r);
        ck_assert_msg(r.error != 0, "cut at %u: %s", cut / 2, said);
        errand_kind kind = errand_result_kind(&r); /* curl reports that a few bytes are no HTTP */
        ck_assert_msg(kind == ERRAND_KIND_NETWORK || (cut / 2 < 12 && kind == ERRAND_KIND_PROTOCOL),
                      "cut at %u: %s", cut / 2, said);
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

/* ---- replies without a body, whatever their headers ---- */

static const struct {
    const char *method, *reply;
    int status;
} bodiless[] = {
    { "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 200 },
    { "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200 },
    { "GET", "HTTP/1.1 204 None\r\nContent-Length: 1000\r\n\r\n", 204 },
    { "GET", "HTTP/1.1 204 None\r\nTransfer-Encoding: chunked\r\n\r\n", 204 },
    { "GET", "HTTP/1.1 304 As It Was\r\nContent-Length: 1000\r\n\r\n", 304 },
    { "POST", "HTTP/1.1 204 None\r\n\r\n", 204 },
};

START_TEST(a_bodyless_reply_ends_with_its_headers)
{
    struct harness w;
    char path[] = "/tmp/errand-empty-XXXXXX", byte;
    close(mkstemp(path));
    harness_open(&w, say_always, (void *)(uintptr_t)bodiless[_i].reply,
                 &(errand_http_opts){ .limit = 1 });
    for (int i = 0; i < 3; i++) { /* to memory, as a stream, into a file */
        errand_result r = harness_send(&w, (errand_request){ .url = "/",
                                                             .method = bodiless[_i].method,
                                                             .stream = i == 1,
                                                             .save_to = i == 2 ? path : NULL });
        ck_well(&r);
        ck_assert_int_eq(errand_response_status(r.value), bodiless[_i].status);
        ck_assert_uint_eq(errand_response_body(r.value).size, 0);
        if (i == 1) ck_assert_int_eq(errand_body_read(r.value, &byte, 1, ERRAND_FOREVER), 0);
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_connections(w.server), 1); /* no body was waited for */
    harness_close(&w);
    unlink(path);
}
END_TEST

/* Body bytes after a bodyless reply are no part of the next reply. */
SAYS(more_than_none, "HTTP/1.1 204 None\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

static void serve_too_much(struct raw_conn *conn, void *arg)
{
    (void)arg;
    while (raw_read_request(conn, NULL)) more_than_none(conn);
}

START_TEST(surplus_bytes_are_not_the_next_reply)
{
    struct harness w;
    harness_open(&w, serve_too_much, NULL, &(errand_http_opts){ .limit = 1 });
    for (unsigned i = 1; i <= 3; i++) {
        errand_result r = harness_get(&w, "/");
        ck_well(&r);
        ck_assert_int_eq(errand_response_status(r.value), 204);
        errand_result_free(&r);
    }
    harness_close(&w);
}
END_TEST

/* ---- server text in messages ---- */

START_TEST(server_text_is_shown_as_plain_UTF_8)
{
    struct harness w;
    harness_open(&w, say_once,
                 "HTTP/1.1 503 N\xff\xc3\xb6\xc2\x9b"
                 "31m\x1b[0m\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
                 "{\"title\":\"a\xc2\x85z\"}",
                 NULL);
    errand_result r = harness_get(&w, "/\xff");
    ck_assert_int_eq(r.error, ERRAND_HTTP + 503);
    ck_message_has(&r, "HTTP 503 N?\xc3\xb6 31m [0m: a z");
    struct json_object *json = errand_result_json(&r, NULL);
    const char *text = json_object_to_json_string(json);
    for (const char *at = text; *at; at++)
        ck_assert_msg((unsigned char)*at != 0xff && *at != 0x1b, "%s", text);
    json_object_put(json);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* ---- 100-continue ---- */

static void say_continue_or_no(struct raw_conn *conn, void *arg)
{
    char head[1];
    if (*(int *)arg) { /* refuses before the body arrives */
        raw_read_bytes(conn, head, 1);
        raw_say(conn, "HTTP/1.1 417 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        raw_end_sending(conn);
        raw_wait_gone(conn);
    } else if (raw_read_request(conn, NULL)) { /* sends 100 itself */
        raw_reply(conn, 200, "text/plain", "good");
    }
}

START_TEST(a_request_with_expect_gets_100_or_417)
{
    struct harness w;
    int refuses = _i;
    harness_open(&w, say_continue_or_no, &refuses, NULL);
    static const char *const headers[] = { "Expect: 100-continue", NULL };
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/", .headers = headers, .body = { "hello", 5 } });
    ck_assert_int_eq(r.error, refuses ? ERRAND_HTTP + 417 : 0);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

static void never_say_continue(struct raw_conn *conn, void *arg)
{
    char bytes[5];
    (void)arg;
    for (unsigned ends = 0; ends < 4;) { /* to the end of the headers */
        if (!raw_read_bytes(conn, bytes, 1)) return;
        ends = *bytes == (ends % 2 ? '\n' : '\r') ? ends + 1 : 0;
    }
    if (raw_read_bytes(conn, bytes, 5) && !memcmp(bytes, "hello", 5))
        raw_reply(conn, 200, "text/plain", "good");
}

START_TEST(a_missing_100_continue_delays_the_body_only_briefly)
{
    struct harness w;
    harness_open(&w, never_say_continue, NULL, NULL);
    static const char *const headers[] = { "Expect: 100-continue", NULL };
    errand_result r = harness_send(
        &w, (errand_request){ .url = "/", .headers = headers, .body = { "hello", 5 } });
    ck_well(&r);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* Replies without 100 Continue; it may take the next bytes for the body. */
static void answer_at_once(struct raw_conn *conn, void *arg)
{
    char byte;
    if (raw_number(conn) > 1) {
        say_always(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
        return;
    }
    for (unsigned ends = 0; ends < 4;) { /* to the end of the headers */
        if (!raw_read_bytes(conn, &byte, 1)) return;
        ends = byte == (ends % 2 ? '\n' : '\r') ? ends + 1 : 0;
    }
    raw_say(conn, "HTTP/1.1 %s\r\nContent-Length: 4\r\n\r\ngood", (const char *)arg);
    if (raw_read_bytes(conn, &byte, 1))
        ck_assert_msg(byte != 'G', "the next request was sent where a body was due");
    raw_wait_gone(conn);
}

static int make_hello(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    (void)arg, (void)size;
    *got = offset ? 0 : 5;
    memcpy(buffer, "hello", *got);
    return 0;
}

static const char *const early[] = { "200 OK", "303 See Other\r\nLocation: /" };

START_TEST(a_connection_with_an_unsent_body_is_not_reused)
{
    struct harness w;
    static const char *const headers[] = { "Expect: 100-continue", NULL };
    harness_open(&w, answer_at_once, (void *)(uintptr_t)early[_i % 2],
                 &(errand_http_opts){ .total_ms = 30000 });
    errand_request request = {
        .method = "POST", .url = "/", .headers = headers, .body = { "hello", 5 }
    };
    if (_i / 2) {
        request.body = (errand_bytes){ NULL, 0 };
        request.body_fn = make_hello;
        request.body_size = _i / 2 == 1 ? 5 : 0;
    }
    errand_result r = harness_send(&w, request);
    ck_well(&r);
    errand_result_free(&r);
    r = harness_get(&w, "/");
    ck_well(&r);
    errand_result_free(&r);
    harness_close(&w);
}
END_TEST

/* ---- requests ---- */

START_TEST(headers_of_10_MiB_are_refused_before_sending)
{
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL);
    char *long_one = malloc(10 << 20);
    memset(long_one, 'x', 10 << 20);
    long_one[(10 << 20) - 1] = '\0';
    memcpy(long_one, "X-Long: ", 8);
    const char *const headers[] = { long_one, NULL };
    errand_result r = harness_send(&w, (errand_request){ .url = "/", .headers = headers });
    ck_assert_int_eq(r.error, EINVAL);
    ck_message_has(&r, "X-Long");
    errand_result_free(&r);
    memcpy(long_one, "/long/??", 8);
    r = harness_get(&w, long_one);
    ck_assert_int_eq(r.error, EINVAL);
    errand_result_free(&r);
    free(long_one);
    ck_assert_uint_eq(raw_server_connections(w.server), 0);
    harness_close(&w);
}
END_TEST

Suite *hostile_suite(void)
{
    Suite *suite = suite_create("http hostile");
    TCase *tc = tcase_create("hostile");
    tcase_add_test(tc, a_folded_first_header_line_is_a_protocol_error);
    tcase_add_loop_test(tc, a_hostile_server_fails_only_its_own_request, 0,
                        (int)(sizeof hostile / sizeof *hostile));
    tcase_add_loop_test(tc, an_odd_but_valid_reply_is_read, 0, (int)(sizeof odd / sizeof *odd));
    tcase_add_loop_test(tc, a_bodyless_reply_ends_with_its_headers, 0,
                        (int)(sizeof bodiless / sizeof *bodiless));
    tcase_add_test(tc, surplus_bytes_are_not_the_next_reply);
    tcase_add_test(tc, server_text_is_shown_as_plain_UTF_8);
    tcase_add_test(tc, a_reply_cut_at_any_byte_is_a_network_error);
    tcase_add_loop_test(tc, a_request_with_expect_gets_100_or_417, 0, 2);
    tcase_add_test(tc, a_missing_100_continue_delays_the_body_only_briefly);
    tcase_add_loop_test(tc, a_connection_with_an_unsent_body_is_not_reused, 0, 6);
    tcase_add_test(tc, headers_of_10_MiB_are_refused_before_sending);
    suite_add_tcase(suite, tc);
    return suite;
}
