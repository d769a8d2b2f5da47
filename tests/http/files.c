/* save_to: whole or not at all. */
#include "harness.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#define FOLDER "/tmp/errand-http-XXXXXX"

static unsigned entries(const char *folder)
{
    DIR *dir = opendir(folder);
    unsigned n = 0;
    for (struct dirent *entry; (entry = readdir(dir));) n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static char *read_all(const char *path)
{
    static char text[200000];
    FILE *file = fopen(path, "r");
    if (!file) return NULL;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void write_all(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

struct place {
    char folder[40], path[60];
};

static void place_open(struct place *place)
{
    memcpy(place->folder, FOLDER, sizeof FOLDER);
    ck_assert_ptr_nonnull(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/video.mp4", place->folder);
}

static void place_close(struct place *place)
{
    unlink(place->path);
    ck_assert_int_eq(rmdir(place->folder), 0); /* nothing else was left in it */
}

START_TEST(a_good_body_replaces_the_file)
{
    struct place place;
    place_open(&place);
    write_all(place.path, "an older one, which is longer");
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvideo", NULL);
    errand_result r = harness_send(&w, (errand_request){ .url = "/", .save_to = place.path });
    ck_well(&r);
    ck_assert_uint_eq(errand_response_body(r.value).size, 0);
    ck_assert_str_eq(read_all(place.path), "video");
    ck_assert_uint_eq(entries(place.folder), 1);
    errand_result_free(&r);
    harness_close(&w);
    place_close(&place);
}
END_TEST

START_TEST(an_empty_body_makes_an_empty_file)
{
    struct place place;
    place_open(&place);
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL);
    errand_result r = harness_send(&w, (errand_request){ .url = "/", .save_to = place.path });
    ck_well(&r);
    ck_assert_str_eq(read_all(place.path), "");
    errand_result_free(&r);
    harness_close(&w);
    place_close(&place);
}
END_TEST

static const struct {
    const char *method, *reply;
} bare[] = {
    { "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" },
    { "HEAD", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" },
    { "GET", "HTTP/1.1 204 No Content\r\n\r\n" },
    { "POST", "HTTP/1.1 204 No Content\r\n\r\n" },
};

START_TEST(a_bodyless_reply_leaves_the_file_alone)
{
    for (int there = 0; there < 2; there++) {
        struct place place;
        place_open(&place);
        if (there) write_all(place.path, "old");
        struct harness w;
        harness_open(&w, say_once, (void *)(uintptr_t)bare[_i].reply, NULL);
        errand_result r = harness_send(
            &w, (errand_request){ .url = "/", .method = bare[_i].method, .save_to = place.path });
        ck_well(&r);
        ck_body_eq(&r, "");
        if (there) ck_assert_str_eq(read_all(place.path), "old");
        ck_assert_uint_eq(entries(place.folder), (unsigned)there);
        errand_result_free(&r);
        harness_close(&w);
        place_close(&place);
    }
}
END_TEST

static const struct {
    const char *reply;
    int error;
    const char *body; /* the body in memory */
} not_whole[] = {
    { "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nvideo", ERRAND_CURL + 18, NULL },
    { "HTTP/1.1 404 No\r\nContent-Length: 7\r\n\r\nno such", ERRAND_HTTP + 404, "no such" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"
      "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
      "234567890",
      ERRAND_CURL + 63, NULL },
    { "HTTP/1.1 304 Same\r\n\r\n", 0, "" },
    { "", ERRAND_CURL + 52, NULL },
};

START_TEST(an_incomplete_or_error_reply_leaves_the_file_alone)
{
    struct place place;
    place_open(&place);
    write_all(place.path, "old");
    struct harness w;
    harness_open(&w, say_once, (void *)(uintptr_t)not_whole[_i].reply,
                 &(errand_http_opts){ .max_body = 100 });
    errand_result r = harness_send(&w, (errand_request){ .url = "/", .save_to = place.path });
    ck_assert_msg(r.error == not_whole[_i].error, "%s", errand_result_message(&r));
    if (not_whole[_i].body) ck_body_eq(&r, not_whole[_i].body);
    ck_assert_str_eq(read_all(place.path), "old");
    ck_assert_uint_eq(entries(place.folder), 1);
    errand_result_free(&r);
    harness_close(&w);
    place_close(&place);
}
END_TEST

static void half_a_body(struct raw_conn *conn, void *arg)
{
    if (!raw_read_request(conn, NULL)) return;
    raw_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nvideo");
    atomic_fetch_add((atomic_uint *)arg, 1);
    raw_wait_gone(conn);
}

START_TEST(a_cancelled_download_leaves_no_file)
{
    struct place place;
    place_open(&place);
    struct harness w;
    atomic_uint came = 0;
    harness_open(&w, half_a_body, &came, NULL);
    errand_future *f = errand_send(w.http, &(errand_request){ .url = "/", .save_to = place.path });
    until(&came, 1);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    errand_result_free(&r);
    ck_assert_uint_eq(entries(place.folder), 0);
    harness_close(&w);
    place_close(&place);
}
END_TEST

START_TEST(a_missing_folder_is_reported_before_sending)
{
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL);
    errand_result r = harness_send(
        &w,
        (errand_request){ .url = "/", .method = "POST", .save_to = "/tmp/no/such/folder/video" });
    ck_assert_int_eq(r.error, ENOENT);
    ck_message_has(&r, "save_to \"/tmp/no/such/folder/video\": No such file or directory");
    ck_assert(!errand_result_may_have_run(&r));
    errand_result_free(&r);
    ck_assert_uint_eq(raw_server_connections(w.server), 0);
    harness_close(&w);
}
END_TEST

/* Paths that name no regular file. */
static const char *const in_the_way[] = { "folder", "folder/", "folder/.", "fifo",
                                          "socket", "link",    "device" };

START_TEST(a_path_that_is_no_regular_file_is_refused_before_sending)
{
    struct place place;
    char paths[4][80], path[160];
    const char *names[] = { "folder", "fifo", "socket", "link" };
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    place_open(&place);
    for (int i = 0; i < 4; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%s", place.folder, names[i]);
    ck_assert_int_eq(mkdir(paths[0], 0755), 0);
    ck_assert_int_eq(mkfifo(paths[1], 0644), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", paths[2]);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(symlink("fifo", paths[3]), 0);
    snprintf(path, sizeof path, "%s/%s", place.folder, in_the_way[_i]);
    bool device = !strcmp(in_the_way[_i], "device"),
         made = device && !mknod(path, S_IFCHR | 0600, makedev(1, 3));
    if (device && !made) /* the system's own, only where this test cannot replace it */
        snprintf(path, sizeof path, "%s", access("/dev", W_OK) ? "/dev/null" : paths[1]);
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvideo", NULL);
    errand_result r =
        harness_send(&w, (errand_request){ .url = "/", .method = "POST", .save_to = path });
    ck_assert_int_eq(r.error, _i < 3 ? EISDIR : ENXIO);
    ck_message_has(&r, path);
    ck_assert(!errand_result_may_have_run(&r));
    ck_assert_ptr_null(r.value);
    errand_result_free(&r);
    ck_assert_uint_eq(raw_server_connections(w.server), 0);
    harness_close(&w);
    close(fd);
    if (made) ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(paths[0]), 0);
    for (int i = 1; i < 4; i++) ck_assert_int_eq(unlink(paths[i]), 0);
    place_close(&place);
}
END_TEST

START_TEST(a_link_is_followed_and_an_old_file_keeps_its_mode)
{
    struct place place;
    struct stat about;
    char real[80], name[256];
    place_open(&place);
    memset(name, 'x', 255);
    name[255] = '\0';
    snprintf(real, sizeof real, "%s/real", place.folder);
    write_all(real, "old");
    ck_assert_int_eq(chmod(real, 0604), 0);
    ck_assert_int_eq(symlink("real", place.path), 0);
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvideo", NULL);
    errand_result r = harness_send(&w, (errand_request){ .url = "/", .save_to = place.path });
    ck_well(&r);
    errand_result_free(&r);
    ck_assert(!lstat(place.path, &about) && S_ISLNK(about.st_mode));
    ck_assert(!lstat(real, &about) && (about.st_mode & 07777) == 0604);
    ck_assert_str_eq(read_all(real), "video");
    ck_assert_uint_eq(entries(place.folder), 2);
    ck_assert_int_eq(unlink(real), 0);

    char path[400]; /* a name as long as the system takes */
    snprintf(path, sizeof path, "%s/%s", place.folder, name);
    r = harness_send(&w, (errand_request){ .url = "/", .save_to = path });
    ck_well(&r);
    errand_result_free(&r);
    ck_assert_str_eq(read_all(path), "video");
    ck_assert_int_eq(unlink(path), 0);
    harness_close(&w);
    place_close(&place);
}
END_TEST

START_TEST(a_failed_write_is_an_error_and_leaves_no_file)
{
    struct place place;
    place_open(&place);
    struct harness w;
    harness_open(&w, say_once, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvideo", NULL);
    struct rlimit before, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){ 3, before.rlim_max };
    setrlimit(RLIMIT_FSIZE, &small); /* its signal is blocked on the library's threads */
    errand_result r =
        harness_send(&w, (errand_request){ .url = "/", .method = "POST", .save_to = place.path });
    setrlimit(RLIMIT_FSIZE, &before);
    ck_assert_int_eq(r.error, EFBIG);
    ck_message_has(&r, place.path);
    ck_assert_str_eq(errand_result_phase(&r), "body");
    ck_assert(errand_result_may_have_run(&r) && !errand_result_transient(&r));
    errand_result_free(&r);
    ck_assert_uint_eq(entries(place.folder), 0);
    harness_close(&w);
    place_close(&place);
}
END_TEST

Suite *files_suite(void)
{
    Suite *suite = suite_create("http files");
    TCase *tc = tcase_create("save_to");
    tcase_add_test(tc, a_good_body_replaces_the_file);
    tcase_add_test(tc, an_empty_body_makes_an_empty_file);
    tcase_add_loop_test(tc, a_bodyless_reply_leaves_the_file_alone, 0,
                        (int)(sizeof bare / sizeof *bare));
    tcase_add_loop_test(tc, an_incomplete_or_error_reply_leaves_the_file_alone, 0,
                        (int)(sizeof not_whole / sizeof *not_whole));
    tcase_add_test(tc, a_cancelled_download_leaves_no_file);
    tcase_add_test(tc, a_missing_folder_is_reported_before_sending);
    tcase_add_loop_test(tc, a_path_that_is_no_regular_file_is_refused_before_sending, 0,
                        (int)(sizeof in_the_way / sizeof *in_the_way));
    tcase_add_test(tc, a_link_is_followed_and_an_old_file_keeps_its_mode);
    tcase_add_test(tc, a_failed_write_is_an_error_and_leaves_no_file);
    suite_add_tcase(suite, tc);
    return suite;
}
