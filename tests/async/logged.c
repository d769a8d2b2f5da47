/* The file is opened by /proc/self/fd, so no test leaves one behind. */
#include "logged.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void logged_open(logged *h)
{
    char path[64];
    h->fd = memfd_create("logged", MFD_CLOEXEC);
    ck_assert_int_ge(h->fd, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", h->fd);
    h->log = errand_log_new(NULL);
    ck_assert_ptr_nonnull(h->log);
    ck_assert_int_eq(errand_log_to_file(h->log, path, ERRAND_LOG_DEFAULT), 0);
}

errand_pool *logged_pool(logged *h, const char *name, unsigned workers, unsigned spares)
{
    return errand_pool_new(&(errand_pool_opts){
        .name = name, .workers = workers, .spares = spares, .log = h->log });
}

const char *logged_text(logged *h)
{
    ck_assert_int_eq(errand_log_flush(h->log, LONG_MS), 0);
    ssize_t n = pread(h->fd, h->text, sizeof h->text - 1, 0);
    ck_assert_int_ge(n, 0);
    h->text[n] = '\0';
    return h->text;
}

unsigned times_in(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
    return n;
}

unsigned logged_times(logged *h, const char *part) { return times_in(logged_text(h), part); }

void logged_close(logged *h)
{
    ck_assert_int_eq(errand_log_close(h->log, LONG_MS), 0);
    close(h->fd);
}
