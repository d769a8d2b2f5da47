/* total.c -- lines with something in them are counted, as jobs are: one pass over the files, up
 * to 16 MiB a call. A file that cannot be read has no jobs. */
#include "total.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT_ONCE ((size_t)16 << 20)

void total_begin(total *t, const char *const *files)
{
    *t = (total){ .files = files, .fd = -1, .blank = true };
    for (const char *const *file = files; file && *file; file++) {
        struct stat about;
        bool there = strcmp(*file, "-") && !stat(*file, &about);
        if (!strcmp(*file, "-") || (there && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)))
            t->files = NULL;
    }
}

static void count(total *t, const char *at, size_t size)
{
    for (const char *end = at + size; at < end; at++) {
        if (*at == '\n') t->blank = true;
        else if (t->blank && !strchr(" \t\r\xef\xbb\xbf", *at)) {
            /* the last three are a byte order mark's */
            t->blank = false;
            t->lines++;
            const char *line_end = memchr(at, '\n', (size_t)(end - at));
            at = line_end ? line_end - 1 : end - 1;
        }
    }
}

void total_go_on(total *t)
{
    char chunk[64 << 10];
    for (size_t done = 0; t->files && done < AT_ONCE;) {
        if (t->fd < 0) {
            if (!*t->files) {
                t->known = true;
                t->files = NULL;
                return;
            }
            t->fd = open(*t->files++, O_RDONLY | O_CLOEXEC | O_NOCTTY);
            t->blank = true;
            if (t->fd < 0) continue;
        }
        ssize_t got = read(t->fd, chunk, sizeof chunk);
        if (got > 0) {
            count(t, chunk, (size_t)got);
            done += (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            close(t->fd);
            t->fd = -1;
        }
    }
}

void total_end(total *t)
{
    if (t->fd >= 0) close(t->fd);
    t->fd = -1;
    t->files = NULL;
}
