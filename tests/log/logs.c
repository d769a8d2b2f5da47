/* Places are opened by /proc/self/fd, so tests leave no files behind and do not share any. */
#include "logs.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

unsigned scaled(unsigned n)
{
    const char *scale = getenv("ERRAND_TEST_SCALE");
    double many = n * (scale ? strtod(scale, NULL) : 1.0);
    return many < 1 ? 1 : (unsigned)many;
}

place a_file(void)
{
    place p = { .fd = memfd_create("log", MFD_CLOEXEC), .other = -1 };
    ck_assert_int_ge(p.fd, 0);
    snprintf(p.path, sizeof p.path, "/proc/self/fd/%d", p.fd);
    return p;
}

place a_pipe(void)
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    place p = { .fd = fds[0], .other = fds[1] };
    fcntl(p.other, F_SETPIPE_SZ, 4096);
    snprintf(p.path, sizeof p.path, "/proc/self/fd/%d", p.other);
    return p;
}

char *text_of(place *p)
{
    struct stat about;
    ck_assert_int_eq(fstat(p->fd, &about), 0);
    size_t size = (size_t)about.st_size, got = 0;
    char *text = malloc(size + 1);
    ck_assert_ptr_nonnull(text);
    while (got < size) {
        ssize_t n = pread(p->fd, text + got, size - got, (off_t)got);
        ck_assert_int_gt(n, 0);
        got += (size_t)n;
    }
    text[size] = '\0';
    return text;
}

char *line_of(char **at)
{
    char *line = *at, *end = strchr(line, '\n');
    if (!end) {
        ck_assert_msg(!*line, "the output ends within a line: %s", line);
        return NULL;
    }
    *end = '\0';
    *at = end + 1;
    return line;
}

folder a_folder(void)
{
    folder f = { .at = "/tmp/errand-log-XXXXXX" };
    ck_assert_ptr_nonnull(mkdtemp(f.at));
    snprintf(f.path, sizeof f.path, "%s/log", f.at);
    return f;
}

char *content(const folder *f, int number) /* NULL: no such file */
{
    char path[80];
    snprintf(path, sizeof path, number ? "%s.%d" : "%s", f->path, number);
    place p = { .fd = open(path, O_RDONLY) };
    if (p.fd < 0) return NULL;
    char *text = text_of(&p);
    close(p.fd);
    return text;
}

void remove_folder(const folder *f)
{
    for (int i = 0; i < 20; i++) {
        char path[80];
        snprintf(path, sizeof path, i ? "%s.%d" : "%s", f->path, i);
        unlink(path);
    }
    rmdir(f->at);
}

void is(const folder *f, int number, const char *expected)
{
    char *text = content(f, number);
    if (!expected) ck_assert_ptr_null(text);
    else ck_assert_str_eq(text ? text : "(no file)", expected);
    free(text);
}

bool has(const char *text, const char *part) { return strstr(text, part) != NULL; }

size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
    return n;
}

unsigned long long gap_of(const char *line)
{
    if (strncmp(line, "... ", 4) != 0) return 0;
    char *end;
    unsigned long long n = strtoull(line + 4, &end, 10);
    const char *rest = n == 1 ? " line lost here" : " lines lost here";
    if (!n || strncmp(end, rest, strlen(rest)) != 0) ck_abort_msg("no gap line: %s", line);
    return n;
}

struct reader {
    place *pipe;
    pthread_t thread;
    char *text;
    size_t size;
};

static void *read_all(void *arg)
{
    reader *r = arg;
    char part[4096];
    for (ssize_t n; (n = read(r->pipe->fd, part, sizeof part)) > 0;) {
        r->text = realloc(r->text, r->size + (size_t)n + 1);
        if (!r->text) abort();
        memcpy(r->text + r->size, part, (size_t)n);
        r->size += (size_t)n;
    }
    return NULL;
}

reader *read_in_background(place *pipe)
{
    reader *r = calloc(1, sizeof *r);
    ck_assert_ptr_nonnull(r);
    r->pipe = pipe;
    r->text = calloc(1, 1);
    ck_assert_int_eq(pthread_create(&r->thread, NULL, read_all, r), 0);
    return r;
}

char *read_text(reader *r)
{
    close(r->pipe->other);
    pthread_join(r->thread, NULL);
    char *text = r->text;
    text[r->size] = '\0';
    free(r);
    return text;
}
