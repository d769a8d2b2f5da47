/* total.c -- lines with something in them are counted, as jobs are: one pass over the files, up
 * to 16 MiB a call. A file that cannot be read has no jobs. The first bytes of a file say whether
 * its lines are jobs: of JSON Lines and of lists they are; of anything else nothing is said. */
#include "total.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT_ONCE ((size_t)16 << 20)

void total_begin(total *t, const run_options *options)
{
    const char *const *files = options ? options->files : NULL;
    if (options && options->format == ERRAND_JOBS_CSV) files = NULL;
    *t = (total){ .files = files, .options = options, .fd = -1, .blank = true };
    for (const char *const *file = files; file && *file; file++) {
        struct stat about;
        bool there = strcmp(*file, "-") && !stat(*file, &about);
        if (!strcmp(*file, "-") || (there && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)))
            t->files = NULL;
    }
}

/* Whether lines are jobs; at ends with a NUL. */
static bool look(total *t, const char *at, size_t size)
{
    const char *first = at + strspn(at, " \t\r\n\xef\xbb\xbf");
    errand_jobs_format format = t->options->format;
    bool gzip = size >= 2 && !memcmp(at, "\x1f\x8b", 2), json = *first == '{' || !*first;
    bool list = *first == '#' || !strncasecmp(first, "http://", 7) ||
                !strncasecmp(first, "https://", 8);
    t->begun = true;
    t->list = format == ERRAND_JOBS_URLS || (format == ERRAND_JOBS_AUTO && list);
    return !gzip && (format != ERRAND_JOBS_AUTO || json || list);
}

uint64_t total_jobs(const total *t)
{
    uint64_t skip = t->options->skip, take = t->options->take;
    uint64_t left = t->lines > skip ? t->lines - skip : 0;
    return take && left > take ? take : left;
}

static void count(total *t, const char *at, size_t size)
{
    for (const char *end = at + size; at < end; at++) {
        if (*at == '\n') t->blank = true;
        else if (t->blank && !strchr(" \t\r\xef\xbb\xbf", *at)) {
            /* the last three are a byte order mark's */
            t->blank = false;
            t->lines += !(t->list && *at == '#');
            const char *line_end = memchr(at, '\n', (size_t)(end - at));
            at = line_end ? line_end - 1 : end - 1;
        }
    }
}

void total_go_on(total *t)
{
    char chunk[(64 << 10) + 1];
    for (size_t done = 0; t->files && done < AT_ONCE;) {
        if (t->fd < 0) {
            if (!*t->files) {
                t->known = true;
                t->files = NULL;
                return;
            }
            t->fd = open(*t->files++, O_RDONLY | O_CLOEXEC | O_NOCTTY);
            t->blank = true;
            t->begun = false;
            if (t->fd < 0) continue;
        }
        ssize_t got = read(t->fd, chunk, sizeof chunk - 1);
        chunk[got > 0 ? got : 0] = '\0';
        if (got > 0 && !t->begun && !look(t, chunk, (size_t)got)) {
            total_end(t);
        } else if (got > 0) {
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
