/* A file for each body: its name, and what becomes of it. */
#include "jobs/fetching.h"
#include "jobs/files.h"
#include "jobs/suites.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void set_up(void) { fetching_start(2); }

static const char *folder(void) { return files_path("results"); }

static size_t entries(const char *path, bool remove_them)
{
    DIR *dir = opendir(path);
    size_t n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char whole[1200];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        n++;
        snprintf(whole, sizeof whole, "%s/%s", path, entry->d_name);
        if (remove_them) remove(whole);
    }
    if (dir) closedir(dir);
    return n;
}

/* Where result `seq` has put its body, without the folder. */
static const char *name_of(size_t seq, const char *dir)
{
    static char names[4][1024];
    static unsigned turn;
    char *name = names[turn++ % 4];
    snprintf(name, sizeof names[0], "%s", came_with(seq, "saved_to"));
    size_t size = strlen(dir);
    ck_assert_msg(name[0] == '"' && !strncmp(name + 1, dir, size) && name[size + 1] == '/', "%s",
                  name);
    name[strlen(name) - 1] = '\0';
    return name + size + 2;
}

START_TEST(each_body_has_a_file_of_its_own)
{
    const char *dir = folder();
    fetching_run("{\"url\":\"/body/pretty\"}\n"
                 "{\"url\":\"/body/text\",\"id\":\"a\"}\n"
                 "{\"url\":\"/body/untyped\",\"id\":12.50}\n"
                 "{\"url\":\"/status/404\",\"id\":\"failed\"}\n"
                 "{\"url\":\"/ok\",\"id\":\"head\",\"method\":\"HEAD\"}\n"
                 "{\"url\":\"/ok\",\"id\":\"report.JSON\"}\n"
                 "{\"url\":\"/status/302\",\"id\":\"moved\"}\n",
                 &(errand_jobs_opts){ .output_dir = dir });
    ck_assert_str_eq(name_of(1, dir), "1.json");
    ck_assert_str_eq(name_of(2, dir), "a.txt");
    ck_assert_str_eq(name_of(3, dir), "12.50");
    ck_assert_str_eq(name_of(6, dir), "report.JSON");
    for (size_t i = 4; i <= 7; i += i == 5 ? 2 : 1)
        ck_assert_str_eq(came_with(i, "saved_to"), "null");
    ck_assert_str_eq(came_with(1, "body"), "null");
    ck_assert_str_eq(came_with(1, "bytes.body"), "39");
    ck_assert_str_eq(came_with(4, "body"), "{\"status\":404}");
    char path[700];
    snprintf(path, sizeof path, "%s/a.txt", dir);
    char *text = files_read(path, NULL);
    ck_assert_str_eq(text, "caf\xc3\xa9 \"quoted\"\n\x01");
    free(text);
    ck_assert_uint_eq(entries(dir, true), 4); /* nothing half is left */
}
END_TEST

START_TEST(no_name_leaves_the_folder)
{
    static const struct {
        const char *id, *name;
    } ids[] = {
        { "\"../../etc/passwd\"", "_.__.._etc_passwd.json" },
        { "\"/abs\"", "_abs.json" },
        { "\"..\"", "_..json" },
        { "\".\"", "_.json" },
        { "\"\"", "5.json" },
        { "\"a\\u0000b\\nc\\u007f\\u0085\"", "a_b_c__.json" },
        { "\"caf\\u00e9 \\ud83d\\ude00\"", "caf\xc3\xa9 \xf0\x9f\x98\x80.json" },
        { "\"a:b\\\\c*?\\\"<>|\"", "a_b_c______.json" },
        { "-0", "-0.json" },
    };
    enum { IDS = sizeof ids / sizeof *ids };
    const char *dir = folder();
    char input[2000] = "";
    for (size_t i = 0; i < IDS; i++) {
        size_t at = strlen(input);
        snprintf(input + at, sizeof input - at, "{\"url\":\"/ok\",\"id\":%s}\n", ids[i].id);
    }
    fetching_run(input, &(errand_jobs_opts){ .output_dir = dir, .concurrency = 1 });
    for (size_t i = 0; i < IDS; i++) {
        const char *name = name_of(i + 1, dir);
        if (i == 0) ck_assert_ptr_null(strchr(name, '/'));
        else ck_assert_str_eq(name, ids[i].name);
    }
    ck_assert_uint_eq(entries(dir, true), IDS);
}
END_TEST

START_TEST(no_two_jobs_of_a_run_have_one_name)
{
    const char *dir = folder();
    fetching_run("{\"url\":\"/ok\",\"id\":\"a\"}\n{\"url\":\"/ok\",\"id\":\"A\"}\n"
                 "{\"url\":\"/ok\",\"id\":\"a\"}\n{\"url\":\"/ok\",\"id\":\"\xc3\xa9\"}\n"
                 "{\"url\":\"/ok\",\"id\":\"\xc3\x89\"}\n{\"url\":\"/ok\",\"id\":\"7\"}\n"
                 "{\"url\":\"/ok\"}\n{\"url\":\"/ok\",\"id\":\"a/b\"}\n"
                 "{\"url\":\"/ok\",\"id\":\"a_b\"}\n{\"url\":\"/ok\",\"id\":\"a-11\"}\n"
                 "{\"url\":\"/ok\",\"id\":\"a\"}\n{\"url\":\"/body/text\",\"id\":\"a\"}\n",
                 &(errand_jobs_opts){ .output_dir = dir, .concurrency = 1 });
    static const char *const names[] = {
        "a.json",   "A-2.json", "a-3.json",   "\xc3\xa9.json", "\xc3\x89-5.json", "7.json",
        "7-7.json", "a_b.json", "a_b-9.json", "a-11.json",     "a-11-2.json",     "a.txt"
    };
    for (size_t i = 0; i < 12; i++) ck_assert_str_eq(name_of(i + 1, dir), names[i]);
    ck_assert_uint_eq(entries(dir, true), 12);
}
END_TEST

START_TEST(thousands_of_names_differ)
{
    enum { JOBS = 2000 };
    const char *dir = folder();
    char *input = calloc(JOBS, 32), *at = input;
    ck_assert_ptr_nonnull(input);
    for (int i = 0; i < JOBS; i++)
        at += snprintf(at, 32, "{\"url\":\"/ok\",\"id\":\"n%d\"}\n", i / 2);
    fetching_run(input, &(errand_jobs_opts){ .output_dir = dir, .concurrency = 32 });
    free(input);
    ck_assert_uint_eq(came.stats.successful, JOBS);
    ck_assert_uint_eq(entries(dir, true), JOBS);
}
END_TEST

START_TEST(a_name_has_255_bytes_at_most)
{
    char input[3000], id[301];
    for (size_t i = 0; i < 300; i += 2) memcpy(id + i, "\xc3\xa9", 2);
    id[300] = '\0';
    snprintf(input, sizeof input,
             "{\"url\":\"/ok\",\"id\":\"%s\"}\n{\"url\":\"/ok\",\"id\":\"%s\"}\n", id, id);
    const char *dir = folder();
    fetching_run(input, &(errand_jobs_opts){ .output_dir = dir, .concurrency = 1 });
    ck_assert_uint_eq(strlen(name_of(1, dir)), 255);
    ck_assert_str_eq(name_of(1, dir) + 250, ".json");
    ck_assert_uint_eq(strlen(name_of(2, dir)), 248 + strlen("-2.json"));
    ck_assert_uint_eq(entries(dir, true), 2);
}
END_TEST

START_TEST(a_folder_is_made_and_an_own_save_to_goes_before)
{
    char input[800], deep[700];
    const char *dir = folder(), *own = files_path("own");
    snprintf(deep, sizeof deep, "%s/a/b/", dir);
    snprintf(input, sizeof input, "{\"url\":\"/ok\",\"save_to\":\"%s\"}\n{\"url\":\"/ok\"}\n", own);
    fetching_run(input, &(errand_jobs_opts){ .output_dir = deep });
    char *text = files_read(own, NULL);
    ck_assert_str_eq(text, "{\"ok\": true}");
    free(text);
    ck_assert_uint_eq(entries(deep, true), 1);
    ck_assert_int_eq(rmdir(deep), 0);
    deep[strlen(deep) - 3] = '\0';
    ck_assert_int_eq(rmdir(deep), 0);
}
END_TEST

START_TEST(a_folder_that_takes_no_file_is_an_error_before_anything_is_sent)
{
    const char *file = files_text("file", "x");
    errand_jobs_opts o = { .out = 1, .output_dir = file };
    errno = 0;
    ck_assert_ptr_null(errand_jobs_new(fetching_pool(), fetching_http(), &o));
    ck_assert_int_eq(errno, ENOTDIR);
    if (geteuid() == 0) o.output_dir = "/proc/none/here";
    else o.output_dir = "/none/here";
    ck_assert_ptr_null(errand_jobs_new(fetching_pool(), fetching_http(), &o));
    ck_assert_int_ne(errno, ENOTDIR);
}
END_TEST

START_TEST(a_file_that_cannot_have_its_name_is_a_failure_of_its_job)
{
    char path[700];
    const char *dir = folder();
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    snprintf(path, sizeof path, "%s/x.json", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    fetching_run("{\"url\":\"/ok\",\"id\":\"x\"}\n{\"url\":\"/ok\",\"id\":\"y\"}\n",
                 &(errand_jobs_opts){ .output_dir = dir });
    ck_assert_str_eq(came_with(1, "error.kind"), "\"resource\"");
    ck_assert_str_eq(came_with(1, "error.code"), "\"EISDIR\"");
    ck_assert_str_eq(came_with(1, "error.may_have_run"), "true");
    ck_assert_str_eq(came_with(1, "saved_to"), "null");
    ck_assert_str_eq(came_with(2, "ok"), "true");
    ck_assert_uint_eq(entries(dir, true), 2);
}
END_TEST

Suite *output_dir_suite(void)
{
    Suite *suite = suite_create("output_dir");
    TCase *tests = tcase_create("files");
    tcase_add_checked_fixture(tests, set_up, fetching_stop);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, each_body_has_a_file_of_its_own);
    tcase_add_test(tests, no_name_leaves_the_folder);
    tcase_add_test(tests, no_two_jobs_of_a_run_have_one_name);
    tcase_add_test(tests, thousands_of_names_differ);
    tcase_add_test(tests, a_name_has_255_bytes_at_most);
    tcase_add_test(tests, a_folder_is_made_and_an_own_save_to_goes_before);
    tcase_add_test(tests, a_folder_that_takes_no_file_is_an_error_before_anything_is_sent);
    tcase_add_test(tests, a_file_that_cannot_have_its_name_is_a_failure_of_its_job);
    suite_add_tcase(suite, tests);
    return suite;
}
