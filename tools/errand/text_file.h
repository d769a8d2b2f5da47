/* text_file.h -- a small text file in memory: tokens, headers. */
#ifndef TEXT_FILE_H
#define TEXT_FILE_H

#include <stddef.h>

#define TEXT_FILE_MOST ((size_t)1 << 20)

/* Returns the file's text, to be freed; NULL: errno, EFBIG if it is longer than 1 MiB, EINVAL if it
 * has a NUL character. */
char *text_file_read(const char *path);

/* Takes blanks and line breaks away from both ends, in place. */
char *text_trim(char *text);

#endif
