/* text_file.c -- read to its end, so that a pipe (/dev/stdin, <(command)) serves as well. */
#include "text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fill(int fd, char *text, size_t *size) /* 0 or an errno */
{
    while (*size <= TEXT_FILE_MOST) {
        ssize_t got = read(fd, text + *size, TEXT_FILE_MOST + 1 - *size);
        if (got < 0 && errno != EINTR) return errno;
        if (got == 0) return 0;
        if (got > 0) *size += (size_t)got;
    }
    return EFBIG;
}

char *text_file_read(const char *path)
{
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return NULL;
    char *text = malloc(TEXT_FILE_MOST + 2);
    int error = text ? fill(fd, text, &size) : ENOMEM;
    close(fd);
    if (!error && memchr(text, 0, size)) error = EINVAL;
    if (error) {
        free(text);
        errno = error;
        return NULL;
    }
    text[size] = '\0';
    char *fitting = realloc(text, size + 1);
    return fitting ? fitting : text;
}

char *text_trim(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t size = strlen(text);
    while (size && strchr(" \t\r\n", text[size - 1])) text[--size] = '\0';
    return text;
}
