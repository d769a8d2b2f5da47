/* The charset of a reply, and its text. */
#include "harness.h"

#include "fixture/memory.h"
#include "http/response.h"

static errand_response *reply(const char *type, const char *body, size_t size)
{
    errand_response *response = er_response_new();
    char line[300];
    ck_assert_int_eq(er_response_line(response, "HTTP/1.1 200 OK\r\n", 17), 0);
    snprintf(line, sizeof line, "Content-Type: %s\r\n", type ? type : "");
    if (type) ck_assert_int_eq(er_response_line(response, line, strlen(line)), 0);
    ck_assert_int_eq(er_response_line(response, "\r\n", 2), 0);
    er_bytes_add(&response->body, body, size);
    return response;
}

static const struct named {
    const char *type, *body, *charset;
} names[] = {
    { "text/plain; charset=ISO-8859-1", "x", "iso-8859-1" },
    { "text/plain;charset=\"utf-16\"", "x", "utf-16" },
    { "text/plain; format=\"a;charset=b\" ; Charset=\"Shift\\_JIS\"; x=y", "x", "shift_jis" },
    { "text/plain; xcharset=a; charset=koi8-r; charset=utf-8", "x", "koi8-r" },
    { "text/plain", "x", "utf-8" },
    { "text/html; charset=", "x", "utf-8" },
    { "text/html; charset", "x", "utf-8" },
    { "text/html; charset=\"", "x", "utf-8" },
    { "text/html; charset=utf-8//IGNORE", "x", "utf-8" },
    { "text/html; charset=../../etc/passwd", "x", "utf-8" },
    { "text/html; charset=a123456789b123456789c123456789d123456789", "x", "utf-8" },
    { "application/json", "x", "utf-8" },
    { "application/problem+json", "x", "utf-8" },
    { "application/atom+xml", "x", "utf-8" },
    { "application/xml", "x", "utf-8" },
    { "application/octet-stream", "x", NULL },
    { "image/png", "x", NULL },
    { "image/x; charset=ascii", "x", "ascii" },
    { "", "x", NULL },
    { NULL, "x", NULL },
    { NULL, "\xef\xbb\xbfx", "utf-8" },
    { "text/plain; charset=latin1", "\xef\xbb\xbfx", "utf-8" },
    { "text/plain; charset=utf-8", "\xff\xfex", "utf-16le" },
    { "text/plain", "\xfe\xffx", "utf-16be" },
};

START_TEST(a_charset_is_said_by_mark_parameter_or_media_type)
{
    const struct named *row = &names[_i];
    errand_response *response = reply(row->type, row->body, strlen(row->body));
    const char *charset = errand_response_charset(response);
    if (row->charset) ck_assert_str_eq(charset, row->charset);
    else ck_assert_ptr_null(charset);
    er_response_free(response);
}
END_TEST

#define BYTES(text) text, sizeof text - 1

static const struct row {
    const char *type, *body;
    size_t size;
    int error;
    const char *text;
    size_t text_size;
} rows[] = {
    { "text/plain; charset=iso-8859-1", BYTES("caf\xe9"), 0, BYTES("caf\xc3\xa9") },
    { "text/plain; charset=windows-1252", BYTES("\x80"), 0, BYTES("\xe2\x82\xac") },
    { "text/plain", BYTES("caf\xc3\xa9\0x"), 0, BYTES("caf\xc3\xa9\0x") },
    { "text/plain; charset=UTF8", BYTES("caf\xc3\xa9"), 0, BYTES("caf\xc3\xa9") },
    { "text/plain", BYTES("\xef\xbb\xbfx"), 0, BYTES("x") },
    { "text/plain", BYTES("\xff\xfex\0\xac\x20"), 0, BYTES("x\xe2\x82\xac") },
    { "text/plain", BYTES("\0\0\xfe\xff\0\x01\xf6\0"), 0, BYTES("\xf0\x9f\x98\x80") },
    { "text/plain; charset=iso-2022-jp", BYTES("\x1b$B$\"\x1b(B"), 0, BYTES("\xe3\x81\x82") },
    { "text/plain", BYTES(""), 0, BYTES("") },
    { "text/plain; charset=latin1", BYTES(""), 0, BYTES("") },
    { "text/plain", BYTES("caf\xe9"), EILSEQ, NULL, 0 },
    { "text/plain; charset=us-ascii", BYTES("caf\xe9"), EILSEQ, NULL, 0 },
    { "text/plain", BYTES("\xff\xfex"), EILSEQ, NULL, 0 },
    { "text/plain; charset=klingon", BYTES("x"), ENOTSUP, NULL, 0 },
    { "image/png", BYTES("x"), ENOTSUP, NULL, 0 },
};

START_TEST(a_text_is_given_as_utf8)
{
    const struct row *row = &rows[_i];
    errand_response *response = reply(row->type, row->body, row->size);
    size_t size = 77;
    errno = 0;
    char *text = errand_response_text(response, &size);
    ck_assert_uint_eq(size, row->text_size);
    if (row->text) {
        ck_assert_int_eq(memcmp(text, row->text, size + 1), 0);
        free(text);
        free(errand_response_text(response, NULL));
    } else {
        ck_assert_ptr_null(text);
        ck_assert_int_eq(errno, row->error);
    }
    er_response_free(response);
}
END_TEST

START_TEST(a_long_text_is_converted_whole_or_ENOMEM)
{
    enum { SIZE = 100000 };
    char *body = malloc(SIZE);
    memset(body, 0xe9, SIZE);
    errand_response *response = reply("text/plain; charset=latin1", body, SIZE);
    size_t size;
    char *text = errand_response_text(response, &size);
    ck_assert_uint_eq(size, 2 * SIZE);
    ck_assert_int_eq(memcmp(text + size - 2, "\xc3\xa9", 3), 0);
    free(text);
    memory_fails_at(1);
    ck_assert_ptr_null(errand_response_text(response, &size));
    bool failed = memory_fails_at(0);
    ck_assert(failed);
    ck_assert_int_eq(errno, ENOMEM);
    er_response_free(response);
    free(body);
}
END_TEST

START_TEST(no_response_has_no_text)
{
    ck_assert_ptr_null(errand_response_charset(NULL));
    errno = 0;
    ck_assert_ptr_null(errand_response_text(NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

Suite *charsets_suite(void)
{
    Suite *suite = suite_create("http charsets");
    TCase *tc = tcase_create("charsets");
    tcase_add_loop_test(tc, a_charset_is_said_by_mark_parameter_or_media_type, 0,
                        (int)(sizeof names / sizeof *names));
    tcase_add_loop_test(tc, a_text_is_given_as_utf8, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tc, a_long_text_is_converted_whole_or_ENOMEM);
    tcase_add_test(tc, no_response_has_no_text);
    suite_add_tcase(suite, tc);
    return suite;
}
