/* Cancels and deadlines: they end a request at once in any phase, and the server sees the client
 * hang up. */
#include "listener.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Reads the request, sends `says`, then waits until the client hangs up. */
struct silent {
    const char *says;
    atomic_uint came, went;
};

static void say_no_more(struct raw_conn *conn, void *arg)
{
    struct silent *silent = arg;
    if (!raw_read_request(conn, NULL)) return;
    if (silent->says) raw_say(conn, "%s", silent->says);
    if (silent->says && strstr(silent->says, "\r\n\r\n")) { /* enough to begin a file */
        static const char bytes[100000];
        raw_send(conn, bytes, sizeof bytes);
    }
    atomic_fetch_add(&silent->came, 1);
    if (raw_wait_gone(conn)) atomic_fetch_add(&silent->went, 1);
}

static void check_cancelled(errand_result *r, const char *phase, bool may_have_run)
{
    ck_assert_int_eq(r->error, ECANCELED);
    ck_assert_int_eq(errand_result_kind(r), ERRAND_KIND_CANCELLED);
    ck_assert_int_eq(errand_result_reason(r), ERRAND_BY_CALLER);
    ck_assert_str_eq(errand_result_phase(r), phase);
    ck_assert(errand_result_may_have_run(r) == may_have_run);
    ck_assert(!errand_result_transient(r));
    errand_result_free(r);
}

static const struct {
    const char *says, *phase;
} moments[] = {
    { NULL, "first byte" },
    { "HTTP/1.1 200 OK\r\nContent-", "first byte" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "body" },
};

/* A folder for save_to that shows how much of a reply has been written. */
struct folder {
    char path[40], file[60];
};

static void folder_open(struct folder *folder)
{
    memcpy(folder->path, "/tmp/errand-http-XXXXXX", 24);
    ck_assert_ptr_nonnull(mkdtemp(folder->path));
    snprintf(folder->file, sizeof folder->file, "%s/body", folder->path);
}

/* Of its files that this process has open: a file being written has no name yet. */
static off_t bytes_in(const struct folder *folder)
{
    DIR *dir = opendir("/proc/self/fd");
    off_t bytes = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct stat about;
        char path[200] = "";
        if (readlinkat(dirfd(dir), entry->d_name, path, sizeof path - 1) > 0 &&
            !strncmp(path, folder->path, strlen(folder->path)) &&
            !fstatat(dirfd(dir), entry->d_name, &about, 0))
            bytes += about.st_size;
    }
    closedir(dir);
    return bytes;
}

/* Sends one more request and waits until it has reached its moment. */
static errand_future *up_to(struct harness *w, struct silent *silent, const char *method,
                            int64_t total_ms, struct folder *folder)
{
    unsigned came = atomic_load(&silent->came);
    errand_request request = {
        .url = "/", .method = method, .save_to = folder->file, .total_ms = total_ms
    };
    errand_future *f = errand_send(w->http, &request);
    until(&silent->came, came + 1);
    bool has_body = silent->says && strstr(silent->says, "\r\n\r\n");
    while (has_body && !bytes_in(folder)) nanosleep(&(struct timespec){ 0, 200000 }, NULL);
    return f;
}

START_TEST(a_cancel_ends_a_transfer_at_once)
{
    struct harness w;
    struct silent silent = { .says = moments[_i].says };
    struct folder folder;
    folder_open(&folder);
    harness_open_clocked(&w, say_no_more, &silent, NULL); /* no timer fires */
    for (unsigned turn = 0; turn < 2; turn++) {
        errand_future *f = up_to(&w, &silent, turn ? "POST" : "GET", 0, &folder);
        errand_cancel(f);
        errand_result r = errand_await(f);
        check_cancelled(&r, moments[_i].phase, turn == 1);
        until(&silent.went, turn + 1);
    }
    harness_close(&w);
    ck_assert_int_eq(rmdir(folder.path), 0);
}
END_TEST

START_TEST(a_cancelled_queued_request_is_never_sent)
{
    struct harness w;
    struct silent silent = { 0 };
    harness_open(&w, say_no_more, &silent, &(errand_http_opts){ .limit = 1 });
    errand_future *first = errand_get(w.http, "/"), *second = errand_get(w.http, "/");
    until(&silent.came, 1);
    errand_cancel(second);
    errand_result r = errand_await(second);
    check_cancelled(&r, "queue", false);
    errand_cancel(first);
    r = errand_await(first);
    errand_result_free(&r);
    until(&silent.went, 1);
    ck_assert_uint_eq(raw_server_requests(w.server), 1);
    harness_close(&w);
}
END_TEST

START_TEST(a_closing_pool_sends_no_queued_request)
{
    enum { MANY = 60 };
    struct silent silent = { .says = NULL };
    struct harness w;
    harness_open(&w, say_no_more, &silent,
                 &(errand_http_opts){ .limit = 3, .lanes = 3, .limit_per_host = 1 + (unsigned)_i });
    errand_future *fs[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        fs[i] = errand_send(
            w.http, &(errand_request){
                        .method = "POST", .url = "/", .total_ms = i % 3 ? 60000 : ERRAND_FOREVER });
        if (i <= (unsigned)_i) until(&silent.came, i + 1);
    }
    ck_assert_int_eq(errand_pool_close(w.pool, 10000), 0);
    for (unsigned i = 0; i < MANY; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
        ck_assert_msg(errand_result_may_have_run(&r) == (i <= (unsigned)_i), "%u: %s", i,
                      errand_result_message(&r));
        errand_result_free(&r);
    }
    ck_assert_uint_eq(silent.came, 1 + (unsigned)_i);
    ck_assert_int_eq(errand_http_close(w.http, 10000), 0);
    raw_server_stop(w.server);
}
END_TEST

START_TEST(a_connecting_transfer_is_cancelled_or_times_out)
{
    struct harness w;
    harness_open_clocked(&w, say_once, "", NULL);
    struct listener l;
    listen_at(&l, "127.0.0.1", 0);
    fill(&l);
    const char *url = url_of(l.port);
    unsigned before = connecting(l.port);
    for (int turn = 0; turn < 2; turn++) {
        errand_future *f =
            errand_send(w.http, &(errand_request){ .url = url, .method = "POST", .total_ms = 50 });
        until_connecting(l.port, before + 1);
        ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
        if (!turn) {
            errand_cancel(f);
            errand_result r = errand_await(f);
            check_cancelled(&r, "connect", false);
            continue;
        }
        harness_turn(&w, 51);
        errand_result r = errand_await(f);
        ck_assert_int_eq(r.error, ETIMEDOUT);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
        ck_assert_str_eq(errand_result_phase(&r), "connect");
        ck_message_has(&r, "connect: its 50 ms are over");
        errand_result_free(&r);
    }
    ck_assert_uint_eq(connecting(l.port), before);
    const errand_request limited[] = { { .url = url, .method = "POST", .connect_ms = 50 },
                                       { .url = url, .method = "POST", .sock_connect_ms = 50 } };
    for (int i = 0; i < 2; i++) {
        errand_future *f = errand_send(w.http, &limited[i]);
        until_connecting(l.port, before + 1);
        harness_turn(&w, 49);
        ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
        harness_turn(&w, 2);
        errand_result r = errand_await(f);
        ck_assert_int_eq(r.error, ETIMEDOUT);
        ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_TIMEOUT);
        ck_assert_str_eq(errand_result_phase(&r), "connect");
        ck_assert(!errand_result_may_have_run(&r) && errand_result_transient(&r));
        ck_message_has(&r, i ? "connect: the 50 ms of sock_connect_ms are over"
                             : "connect: the 50 ms of connect_ms are over");
        errand_result_free(&r);
        until_connecting(l.port, before);
    }
    unlisten(&l);
    harness_close(&w);
}
END_TEST

START_TEST(a_deadline_ends_a_transfer_and_reports_its_phase)
{
    struct harness w;
    struct silent silent = { .says = moments[_i].says };
    struct folder folder;
    folder_open(&folder);
    harness_open_clocked(&w, say_no_more, &silent, NULL);
    errand_future *f = up_to(&w, &silent, "POST", 100, &folder);
    harness_turn(&w, 99);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT); /* not yet */
    harness_turn(&w, 2); /* timers are never early, and at most a millisecond late */
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_TIMEOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    ck_assert_str_eq(errand_result_phase(&r), moments[_i].phase);
    ck_assert_int_eq(errand_result_elapsed_ms(&r), 101);
    ck_assert(errand_result_transient(&r) && errand_result_may_have_run(&r));
    ck_message_has(&r, "its 100 ms are over");
    errand_result_free(&r);
    until(&silent.went, 1);
    harness_close(&w);
    ck_assert_int_eq(rmdir(folder.path), 0);
}
END_TEST

START_TEST(time_in_the_queue_counts)
{
    struct harness w;
    struct silent silent = { 0 };
    harness_open_clocked(&w, say_no_more, &silent, &(errand_http_opts){ .limit = 1 });
    errand_future *first = errand_get(w.http, "/");
    until(&silent.came, 1);
    errand_future *second =
        errand_send(w.http, &(errand_request){ .url = "/", .method = "POST", .total_ms = 50 });
    harness_turn(&w, 51);
    errand_result r = errand_await(second);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_str_eq(errand_result_phase(&r), "queue");
    ck_assert(!errand_result_may_have_run(&r));
    errand_result_free(&r);
    errand_cancel(first);
    errand_drop(first);
    harness_close(&w);
}
END_TEST

static void answer_all(struct raw_conn *conn, void *arg)
{
    (void)arg;
    while (raw_read_request(conn, NULL) && raw_reply(conn, 200, "text/plain", "yes")) continue;
}

START_TEST(a_zero_timeout_sends_nothing)
{
    struct harness w;
    harness_open(&w, answer_all, NULL, NULL);
    errand_result r =
        harness_get(&w, "/"); /* opens a connection, so that the next could be quick */
    ck_well(&r);
    errand_result_free(&r);
    for (int i = 0; i < 20; i++) {
        r = harness_send(&w,
                         (errand_request){ .url = "/", .method = "POST", .total_ms = ERRAND_ZERO });
        ck_assert_int_eq(r.error, ETIMEDOUT);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
        ck_assert(!errand_result_may_have_run(&r));
        errand_result_free(&r);
    }
    ck_assert_uint_eq(raw_server_requests(w.server), 1);
    harness_close(&w);
}
END_TEST

static errand_result send_and_wait(void *arg) { return errand_later(errand_get(arg, "/")); }

START_TEST(a_tasks_deadline_limits_its_requests)
{
    struct harness w;
    struct silent silent = { 0 };
    harness_open_clocked(&w, say_no_more, &silent, NULL);
    errand_task task = { .fn = send_and_wait, .arg = w.http, .within_ms = 100 };
    errand_future *f = errand_submit_task(w.pool, &task);
    until(&silent.came, 1);
    harness_turn(&w, 101);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    errand_result_free(&r);
    until(&silent.went, 1);
    harness_close(&w);
}
END_TEST

START_TEST(errand_timeout_cancels_the_request)
{
    struct harness w;
    struct silent silent = { 0 };
    harness_open(&w, say_no_more, &silent, NULL);
    errand_future *f = errand_get(w.http, "/");
    until(&silent.came, 1);
    errand_result r = errand_await(errand_timeout(f, 10));
    ck_assert_int_eq(r.error, ETIMEDOUT);
    errand_result_free(&r);
    until(&silent.went, 1);
    harness_close(&w);
}
END_TEST

START_TEST(a_dropped_request_continues)
{
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL);
    errand_drop(errand_get(w.http, "/"));
    ck_assert_int_eq(errand_http_close(w.http, 20000), 0);
    ck_assert_uint_eq(raw_server_requests(w.server), 1);
    raw_server_stop(w.server);
    ck_assert_int_eq(errand_pool_close(w.pool, 10000), 0);
}
END_TEST

/* Replies at once, so that cancels race with completions. */
START_TEST(cancels_race_with_completions_without_loss)
{
    struct harness w;
    harness_open(&w, answer_all, NULL, &(errand_http_opts){ .lanes = 2, .limit = 8 });
    enum { AT_ONCE = 16 };
    unsigned rounds = storm(60), well = 0, cancelled = 0, late = 0;
    for (unsigned round = 0; round < rounds; round++) {
        errand_future *fs[AT_ONCE];
        for (unsigned i = 0; i < AT_ONCE; i++) {
            fs[i] = errand_send(
                w.http, &(errand_request){ .url = "/", .total_ms = i % 5 ? 0 : 1 + round % 3 });
        }
        for (unsigned i = 0; i < AT_ONCE; i++) {
            if (i % 3 == round % 3) errand_cancel(fs[i]);
        }
        for (unsigned i = 0; i < AT_ONCE; i++) {
            errand_result r = errand_await(fs[i]);
            if (!r.error) well++;
            else if (r.error == ECANCELED) cancelled++;
            else if (r.error == ETIMEDOUT) late++;
            else ck_abort_msg("%s", errand_result_message(&r));
            errand_result_free(&r);
        }
    }
    ck_assert_uint_eq(well + cancelled + late, rounds * AT_ONCE);
    ck_assert_uint_gt(well, 0);
    harness_close(&w);
}
END_TEST

Suite *cancels_suite(void)
{
    Suite *suite = suite_create("http cancels");
    TCase *tc = tcase_create("cancel");
    tcase_add_loop_test(tc, a_cancel_ends_a_transfer_at_once, 0,
                        (int)(sizeof moments / sizeof *moments));
    tcase_add_test(tc, a_cancelled_queued_request_is_never_sent);
    tcase_add_loop_test(tc, a_closing_pool_sends_no_queued_request, 0, 3);
    tcase_add_test(tc, a_connecting_transfer_is_cancelled_or_times_out);
    tcase_add_test(tc, a_dropped_request_continues);
    tcase_add_test(tc, cancels_race_with_completions_without_loss);
    suite_add_tcase(suite, tc);
    tc = tcase_create("deadlines");
    tcase_add_loop_test(tc, a_deadline_ends_a_transfer_and_reports_its_phase, 0,
                        (int)(sizeof moments / sizeof *moments));
    tcase_add_test(tc, time_in_the_queue_counts);
    tcase_add_test(tc, a_zero_timeout_sends_nothing);
    tcase_add_test(tc, a_tasks_deadline_limits_its_requests);
    tcase_add_test(tc, errand_timeout_cancels_the_request);
    suite_add_tcase(suite, tc);
    return suite;
}
