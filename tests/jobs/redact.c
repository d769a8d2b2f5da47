/* Secrets in urls and headers. */
#include "http/redact.h"
#include "jobs/suites.h"

#include <string.h>

static const char *const secret[] = {
    "key",          "api_key",         "apikey",       "API-KEY",          "x-api-key",
    "accessKey",    "token",           "access_token", "page_token",       "secret",
    "clientSecret", "X-Amz-Signature", "sig",          "password",         "Set-Cookie",
    "X-Auth-Token", "Authorization",   "sessionid",    "X-Amz-Credential", "AWSAccessKey",
};
static const char *const plain[] = {
    "q",      "",          "max_tokens",   "keyword", "design", "signal",
    "author", "authentic", "content-type", "etag",    "x",      "passenger",
};

START_TEST(names_that_sound_like_secrets)
{
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        ck_assert_msg(er_redact_name(secret[i], strlen(secret[i])), "%s", secret[i]);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        ck_assert_msg(!er_redact_name(plain[i], strlen(plain[i])), "%s", plain[i]);
}
END_TEST

static const struct {
    const char *url, *shown;
} urls[] = {
    { "http://h/", "http://h/" },
    { "http://h/a?b=c&d", "http://h/a?b=c&d" },
    { "http://h/?key=abc", "http://h/?key=*" },
    { "http://h/?x=1&token=abc&y=2", "http://h/?x=1&token=*&y=2" },
    { "http://h/?api%5Fkey=abc&x=%2", "http://h/?api%5Fkey=*&x=%2" },
    { "http://h/?%6bey=abc", "http://h/?%6bey=*" },
    { "http://h/?key=&key=a=b", "http://h/?key=&key=*" },
    { "http://user:word@h:81/p@q?x=@#token=1", "http://h:81/p@q?x=@" },
    { "http://us%40er@h/", "http://h/" },
    { "http://a:b@c@h/", "http://h/" },
    { "http://h#user@other/?key=1", "http://h" },
    { "http://h/?key", "http://h/?key" },
};

START_TEST(a_url_is_shown_without_its_secrets)
{
    er_bytes out = { 0 };
    er_redact_url(&out, urls[_i].url);
    ck_assert_str_eq(out.at, urls[_i].shown);
    er_bytes_free(&out);
}
END_TEST

START_TEST(each_url_in_a_header_is_shown_without_its_secrets)
{
    er_bytes out = { 0 };
    er_redact_text(&out,
                   "<https://h/a?sig=x>; rel=\"next\", <https://h/b?n=1&key=y>; rel=\"last\"");
    ck_assert_str_eq(out.at,
                     "<https://h/a?sig=*>; rel=\"next\", <https://h/b?n=1&key=*>; rel=\"last\"");
    er_bytes_free(&out);
    er_redact_text(&out, "https://h/#access_token=x&state=1");
    ck_assert_str_eq(out.at, "https://h/#access_token=*&state=1");
    er_bytes_free(&out);
}
END_TEST

Suite *redact_suite(void)
{
    Suite *suite = suite_create("redact");
    TCase *tests = tcase_create("secrets");
    tcase_add_test(tests, names_that_sound_like_secrets);
    tcase_add_loop_test(tests, a_url_is_shown_without_its_secrets, 0, sizeof urls / sizeof *urls);
    tcase_add_test(tests, each_url_in_a_header_is_shown_without_its_secrets);
    suite_add_tcase(suite, tests);
    return suite;
}
