/* Sinks and sources alone: the test plays the lane; its valve counts calls. */
#include "harness.h"

#include "http/body_reader.h"
#include "http/body_save.h"
#include "http/body_upload.h"
#include "http/response.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct lane { /* in place of an exchange */
    er_valve valve;
    atomic_int count;
    atomic_uint resumes, ends, finishes;
    atomic_int error;
    atomic_bool cancelled;
};

static struct lane *lane_of(er_valve *valve)
{
    return (struct lane *)(void *)((char *)valve - offsetof(struct lane, valve));
}
static void resume(er_valve *valve) { atomic_fetch_add(&lane_of(valve)->resumes, 1); }
static void end(er_valve *valve) { atomic_fetch_add(&lane_of(valve)->ends, 1); }
static void keep(er_valve *valve) { atomic_fetch_add(&lane_of(valve)->count, 1); }
static void drop(er_valve *valve) { atomic_fetch_sub(&lane_of(valve)->count, 1); }
static void finished(er_valve *valve, int error)
{
    atomic_store(&lane_of(valve)->error, error);
    atomic_fetch_add(&lane_of(valve)->finishes, 1);
}
static bool cancelled(er_valve *valve) { return atomic_load(&lane_of(valve)->cancelled); }
#define LANE                                                                                       \
    {                                                                                              \
        .valve = { resume, end, finished, keep, drop, cancelled }                                  \
    }

static void until_free(struct lane *lane) /* all references to its valve are dropped */
{
    while (atomic_load(&lane->count)) nanosleep(&(struct timespec){ 0, 200000 }, NULL);
}

struct case_ {
    errand_pool *pool;
    er_defaults defaults;
    char folder[40], path[60];
};

static void case_open(struct case_ *c)
{
    memset(c, 0, sizeof *c);
    c->pool = errand_pool_new(&(errand_pool_opts){ .workers = 4 });
    c->defaults = (er_defaults){ .max_body = 1 << 20, .total_ms = 1000, .connect_ms = 1000 };
    memcpy(c->folder, "/tmp/errand-flow-XXXXXX", 24);
    ck_assert_ptr_nonnull(mkdtemp(c->folder));
    snprintf(c->path, sizeof c->path, "%s/body", c->folder);
}

static void case_close(struct case_ *c)
{
    ck_assert_int_eq(errand_pool_close(c->pool, 10000), 0);
    unlink(c->path);
    ck_assert_int_eq(rmdir(c->folder), 0);
}

static er_request *request_of(struct case_ *c, errand_request given)
{
    er_bytes why = { 0 };
    er_request *request = NULL;
    given.url = "http://127.0.0.1/";
    ck_assert_msg(!er_request_new(&request, &given, &c->defaults, &why), "%s", why.at);
    er_bytes_free(&why);
    return request;
}

/* ---- save_to ---- */

enum { PIECE = 16384, PIECES = 200 }; /* 3 MiB */

static char piece_byte(unsigned i) { return (char)('a' + i % 26); }

static void take_all(struct lane *lane, er_body_sink *sink, unsigned pieces)
{
    static char piece[PIECE];
    for (unsigned i = 0; i < pieces; i++) {
        memset(piece, piece_byte(i), sizeof piece);
        unsigned before = atomic_load(&lane->resumes);
        int said;
        while ((said = sink->take(sink, piece, sizeof piece)) == ER_FLOW_WAIT) {
            until(&lane->resumes, before + 1); /* a paused sink always resumes */
            before = atomic_load(&lane->resumes);
        }
        ck_assert_int_eq(said, 0);
    }
}

START_TEST(a_file_gets_every_byte_in_order)
{
    struct case_ c;
    case_open(&c);
    er_request *request = request_of(&c, (errand_request){ .save_to = c.path });
    struct lane lane = LANE;
    er_body_sink *sink;
    ck_assert_int_eq(er_body_save(request, c.pool, &sink), 0);
    ck_assert_int_eq(sink->begin(sink, &lane.valve), 0);
    take_all(&lane, sink, PIECES);
    ck_assert_int_eq(access(c.path, F_OK), -1); /* not before it is whole */
    errand_response *response = er_response_new();
    ck_assert_int_eq(sink->finish(sink, response), ER_FLOW_WAIT);
    until(&lane.finishes, 1);
    ck_assert_int_eq(atomic_load(&lane.error), 0);
    ck_assert_uint_eq(response->metrics.body, (uint64_t)PIECE * PIECES);
    er_response_free(response);
    sink->drop(sink);
    FILE *file = fopen(c.path, "r");
    ck_assert_ptr_nonnull(file);
    static char piece[PIECE];
    for (unsigned i = 0; i < PIECES; i++) {
        ck_assert_uint_eq(fread(piece, 1, PIECE, file), PIECE);
        for (unsigned k = 0; k < PIECE; k += 511) ck_assert_int_eq(piece[k], piece_byte(i));
    }
    ck_assert_int_eq(fgetc(file), EOF);
    fclose(file);
    until_free(&lane);
    er_request_drop(request);
    case_close(&c);
}
END_TEST

START_TEST(a_dropped_sink_leaves_no_file)
{
    struct case_ c;
    case_open(&c);
    for (unsigned pieces = 0; pieces < 40; pieces += (unsigned)_i + 1) {
        er_request *request = request_of(&c, (errand_request){ .save_to = c.path });
        struct lane lane = LANE;
        er_body_sink *sink;
        ck_assert_int_eq(er_body_save(request, c.pool, &sink), 0);
        ck_assert_int_eq(sink->begin(sink, &lane.valve), 0);
        take_all(&lane, sink, pieces);
        sink->drop(sink);
        er_request_drop(request);
        until_free(&lane);
        ck_assert_uint_eq(atomic_load(&lane.finishes), 0);
    }
    case_close(&c); /* rmdir succeeds */
}
END_TEST

START_TEST(a_file_in_a_removed_folder_fails)
{
    struct case_ c;
    case_open(&c);
    er_request *request = request_of(&c, (errand_request){ .save_to = c.path });
    ck_assert_int_eq(rmdir(c.folder), 0);
    struct lane lane = LANE;
    er_body_sink *sink;
    ck_assert_int_eq(er_body_save(request, c.pool, &sink), 0);
    ck_assert_int_eq(sink->begin(sink, &lane.valve), 0);
    static char piece[PIECE];
    int said = 0;
    /* the writer finds the error; a later take returns it */
    for (unsigned i = 0; i < 1000 && !said; i++) {
        unsigned before = atomic_load(&lane.resumes);
        said = sink->take(sink, piece, sizeof piece);
        if (said == ER_FLOW_WAIT) {
            until(&lane.resumes, before + 1);
            said = 0;
        }
    }
    ck_assert_int_eq(said, ENOENT);
    er_bytes words = { 0 };
    ck_assert_int_eq(sink->why(sink, &words), ENOENT);
    ck_assert_ptr_nonnull(strstr(words.at, c.path));
    er_bytes_free(&words);
    ck_assert_int_eq(sink->finish(sink, NULL), ENOENT);
    sink->drop(sink);
    until_free(&lane);
    er_request_drop(request);
    ck_assert_int_eq(mkdir(c.folder, 0755), 0);
    case_close(&c);
}
END_TEST

/* ---- sources ---- */

static int numbers(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    uint64_t whole = *(uint64_t *)arg, left = whole - offset;
    *got = left < size ? (size_t)left : size;
    if (*got > 1000) /* fewer than `size` */
        *got = 1000;
    for (size_t i = 0; i < *got; i++) ((char *)buffer)[i] = (char)((offset + i) * 31 % 251);
    return 0;
}

/* Reads to the end, or `most` bytes, and checks them. */
static uint64_t read_numbers(struct lane *lane, er_body_source *source, uint64_t most)
{
    char bytes[7000];
    uint64_t at = 0;
    while (at < most) {
        size_t got, room = most - at < sizeof bytes ? (size_t)(most - at) : sizeof bytes;
        unsigned before = atomic_load(&lane->resumes);
        int said = source->read(source, bytes, room, &got);
        if (said == ER_FLOW_WAIT) {
            until(&lane->resumes, before + 1);
            continue;
        }
        ck_assert_int_eq(said, 0);
        if (!got) break;
        for (size_t i = 0; i < got; i++, at++) ck_assert_int_eq(bytes[i], (char)(at * 31 % 251));
    }
    return at;
}

static void freed(void *arg) { ++*(int *)((char *)arg + sizeof(uint64_t)); }

START_TEST(a_body_source_can_be_read_again_from_the_start)
{
    struct case_ c;
    case_open(&c);
    struct {
        uint64_t whole;
        int freed;
    } body = { .whole = 300001 };
    FILE *file = fopen(c.path, "w");
    for (uint64_t i = 0; i < body.whole; i++) fputc((char)(i * 31 % 251), file);
    fclose(file);
    errand_request given = { 0 };
    if (_i == 0)
        given = (errand_request){ .body_fn = numbers, .body_arg = &body, .body_free = freed };
    else given = (errand_request){ .body_file = c.path };
    er_request *request = request_of(&c, given);
    struct lane lane = LANE;
    er_body_source *source;
    ck_assert_int_eq(er_body_upload(request, c.pool, &source), 0);
    ck_assert_int_eq(source->size, _i ? (int64_t)body.whole : -1);
    ck_assert_int_eq(source->begin(source, &lane.valve), 0);
    for (uint64_t first = 0; first < body.whole; first = first * 3 + 1) {
        ck_assert_uint_eq(read_numbers(&lane, source, first), first);
        ck_assert(source->rewind(source));
    }
    ck_assert_uint_eq(read_numbers(&lane, source, UINT64_MAX), body.whole);
    ck_assert(source->rewind(source));
    source->drop(source);
    until_free(&lane);
    er_request_drop(request);
    ck_assert_int_eq(body.freed, _i == 0);
    case_close(&c);
}
END_TEST

static int stubborn(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    (void)size;
    *got = 0;
    if (offset) return *(int *)arg;
    *got = 1;
    *(char *)buffer = 'x';
    return 0;
}

static const struct {
    int error;
    int64_t size;
    int reported;
    const char *words;
} broken[] = {
    { ESPIPE, 0, ESPIPE, "body_fn: Illegal seek" },
    { 0, 5, EMSGSIZE, "body_fn gave another number of bytes than body_size" },
    { ERRAND_USER + 3, 5, ERRAND_USER + 3, "body_fn: " },
};

START_TEST(a_failed_body_source_reports_why)
{
    struct case_ c;
    case_open(&c);
    int error = broken[_i].error;
    er_request *request = request_of(
        &c,
        (errand_request){ .body_fn = stubborn, .body_arg = &error, .body_size = broken[_i].size });
    struct lane lane = LANE;
    er_body_source *source;
    ck_assert_int_eq(er_body_upload(request, c.pool, &source), 0);
    ck_assert_int_eq(source->begin(source, &lane.valve), 0);
    char bytes[100];
    size_t got;
    int said;
    do {
        unsigned before = atomic_load(&lane.resumes);
        said = source->read(source, bytes, sizeof bytes, &got);
        if (said == ER_FLOW_WAIT) until(&lane.resumes, before + 1);
    } while (said == ER_FLOW_WAIT || (!said && got));
    ck_assert_int_eq(said, broken[_i].reported);
    er_bytes words = { 0 };
    ck_assert_int_eq(source->why(source, &words), broken[_i].reported);
    ck_assert_msg(!strncmp(words.at, broken[_i].words, strlen(broken[_i].words)), "%s", words.at);
    er_bytes_free(&words);
    source->drop(source);
    until_free(&lane);
    er_request_drop(request);
    case_close(&c);
}
END_TEST

START_TEST(a_file_that_shrank_fails_the_body)
{
    struct case_ c;
    case_open(&c);
    FILE *file = fopen(c.path, "w");
    fputs("0123456789", file);
    fclose(file);
    er_request *request = request_of(&c, (errand_request){ .body_file = c.path });
    ck_assert_int_eq(truncate(c.path, 4), 0);
    struct lane lane = LANE;
    er_body_source *source;
    ck_assert_int_eq(er_body_upload(request, c.pool, &source), 0);
    ck_assert_int_eq(source->begin(source, &lane.valve), 0);
    char bytes[100];
    size_t got;
    int said;
    while ((said = source->read(source, bytes, sizeof bytes, &got)) == ER_FLOW_WAIT ||
           (!said && got))
        nanosleep(&(struct timespec){ 0, 100000 }, NULL);
    ck_assert_int_eq(said, EIO);
    er_bytes words = { 0 };
    source->why(source, &words);
    ck_assert_ptr_nonnull(strstr(words.at, "has become shorter"));
    er_bytes_free(&words);
    source->drop(source);
    until_free(&lane);
    er_request_drop(request);
    case_close(&c);
}
END_TEST

/* ---- readers ---- */

struct stream {
    struct lane lane;
    er_body_sink *sink;
    er_request *request;
    errand_response *response;
};

static void stream_open(struct case_ *c, struct stream *s)
{
    s->lane = (struct lane)LANE;
    s->request = request_of(c, (errand_request){ .stream = 1 });
    s->response = er_response_new();
    ck_assert_int_eq(er_body_save(s->request, c->pool, &s->sink), 0);
    ck_assert_int_eq(s->sink->begin(s->sink, &s->lane.valve), 0);
    ck_assert_int_eq(s->sink->headers(s->sink, s->response), 0);
}

static void stream_close(struct stream *s)
{
    s->sink->drop(s->sink);
    er_request_drop(s->request);
    until_free(&s->lane);
}

START_TEST(a_reader_gets_all_bytes_then_the_end)
{
    struct case_ c;
    struct stream s;
    char bytes[8];
    case_open(&c);
    stream_open(&c, &s);
    ck_assert_int_eq(errand_body_read(s.response, bytes, sizeof bytes, 0), -ETIMEDOUT);
    ck_assert_int_eq(errand_body_read(s.response, bytes, sizeof bytes, 1), -ETIMEDOUT);
    ck_assert_int_eq(s.sink->take(s.sink, "hello, world", 12), 0);
    ck_assert_int_eq(errand_body_read(s.response, bytes, sizeof bytes, 0), 8);
    ck_assert_int_eq(memcmp(bytes, "hello, w", 8), 0);
    ck_assert_ptr_null(errand_body_failure(s.response));
    s.sink->ended(s.sink, _i ? errand_failf(ECONNRESET, "cut") : errand_ok(NULL, NULL));
    ck_assert_int_eq(errand_body_read(s.response, bytes, sizeof bytes, ERRAND_FOREVER), 4);
    ck_assert_int_eq(memcmp(bytes, "orld", 4), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(errand_body_read(s.response, bytes, sizeof bytes, ERRAND_FOREVER),
                         _i ? -ECONNRESET : 0);
    if (_i) ck_assert_str_eq(errand_result_message(errand_body_failure(s.response)), "cut");
    else ck_assert_ptr_null(errand_body_failure(s.response));
    ck_assert_int_eq(errand_body_read(s.response, NULL, 0, 0), -EINVAL);
    er_response_free(s.response);
    ck_assert_uint_eq(atomic_load(&s.lane.ends), 0);
    stream_close(&s);
    case_close(&c);
}
END_TEST

START_TEST(a_slow_reader_pauses_the_transfer_and_a_freed_one_ends_it)
{
    struct case_ c;
    struct stream s;
    static char piece[PIECE], got[PIECE];
    case_open(&c);
    stream_open(&c, &s);
    size_t put = 0, taken = 0;
    int64_t n;
    for (int round = 0; round < 20; round++) {
        while (s.sink->take(s.sink, memset(piece, piece_byte((unsigned)(put / PIECE)), PIECE),
                            PIECE) == 0)
            put += PIECE;
        ck_assert_uint_eq(put - taken, ER_BODY_READER_ROOM);
        unsigned before = atomic_load(&s.lane.resumes);
        while (atomic_load(&s.lane.resumes) == before) {
            ck_assert_int_eq(n = errand_body_read(s.response, got, PIECE, 0), PIECE);
            ck_assert_int_eq(got[0], piece_byte((unsigned)(taken / PIECE)));
            ck_assert_int_eq(got[PIECE - 1], got[0]);
            taken += (size_t)n;
        }
    }
    er_response_free(s.response);
    ck_assert_uint_eq(atomic_load(&s.lane.ends), 1);
    ck_assert_int_eq(s.sink->take(s.sink, piece, PIECE), 0); /* discarded */
    s.sink->ended(s.sink, errand_fail(ECANCELED));
    stream_close(&s);
    case_close(&c);
}
END_TEST

struct waiting_read {
    errand_response *response;
    atomic_uint began;
};

static errand_result read_forever(void *arg)
{
    struct waiting_read *w = arg;
    char byte;
    atomic_fetch_add(&w->began, 1);
    int64_t got = errand_body_read(w->response, &byte, 1, ERRAND_FOREVER);
    return got < 0 ? errand_fail((int)-got) : errand_ok((void *)(uintptr_t)byte, NULL);
}

START_TEST(bytes_or_a_cancel_wake_a_read)
{
    struct case_ c;
    struct stream s;
    case_open(&c);
    stream_open(&c, &s);
    struct waiting_read w = { .response = s.response };
    errand_future *f = errand_submit(c.pool, read_forever, &w);
    until(&w.began, 1);
    if (_i == 0) ck_assert_int_eq(s.sink->take(s.sink, "x", 1), 0);
    else if (_i == 1) errand_cancel(f);
    else s.sink->ended(s.sink, errand_fail(EPIPE));
    errand_result r = errand_await(f);
    const int errors[] = { 0, ECANCELED, EPIPE };
    ck_assert_int_eq(r.error, errors[_i]);
    if (_i == 0) ck_assert_int_eq((char)(uintptr_t)r.value, 'x');
    errand_result_free(&r);
    er_response_free(s.response);
    stream_close(&s);
    case_close(&c);
}
END_TEST

/* Frees the response while the lane ends it, many times. */
struct racer {
    struct stream *s;
    atomic_uint go;
};

static errand_result free_it(void *arg)
{
    struct racer *racer = arg;
    until(&racer->go, 1);
    er_response_free(racer->s->response);
    return errand_ok(NULL, NULL);
}

START_TEST(freeing_a_response_races_with_its_end)
{
    struct case_ c;
    case_open(&c);
    for (unsigned i = 0; i < storm(300); i++) {
        struct stream s;
        stream_open(&c, &s);
        struct racer racer = { .s = &s };
        errand_future *f = errand_submit(c.pool, free_it, &racer);
        s.sink->take(s.sink, "x", 1);
        atomic_store(&racer.go, 1);
        s.sink->ended(s.sink, errand_failf(EPIPE, "over"));
        errand_result r = errand_await(f);
        errand_result_free(&r);
        stream_close(&s);
    }
    case_close(&c);
}
END_TEST

Suite *flows_suite(void)
{
    Suite *suite = suite_create("http flows");
    TCase *tc = tcase_create("sinks");
    tcase_add_test(tc, a_file_gets_every_byte_in_order);
    tcase_add_loop_test(tc, a_dropped_sink_leaves_no_file, 0, 3);
    tcase_add_test(tc, a_file_in_a_removed_folder_fails);
    suite_add_tcase(suite, tc);
    tc = tcase_create("sources");
    tcase_add_loop_test(tc, a_body_source_can_be_read_again_from_the_start, 0, 2);
    tcase_add_loop_test(tc, a_failed_body_source_reports_why, 0,
                        (int)(sizeof broken / sizeof *broken));
    tcase_add_test(tc, a_file_that_shrank_fails_the_body);
    suite_add_tcase(suite, tc);
    tc = tcase_create("readers");
    tcase_add_loop_test(tc, a_reader_gets_all_bytes_then_the_end, 0, 2);
    tcase_add_test(tc, a_slow_reader_pauses_the_transfer_and_a_freed_one_ends_it);
    tcase_add_loop_test(tc, bytes_or_a_cancel_wake_a_read, 0, 3);
    tcase_add_test(tc, freeing_a_response_races_with_its_end);
    suite_add_tcase(suite, tc);
    return suite;
}
