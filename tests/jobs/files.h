/* Files of a test in a folder of its own. */
#ifndef FILES_H
#define FILES_H

#include <stddef.h>

/* A new folder under TMPDIR, for as long as this test runs; made at the first call. */
const char *files_folder(void);
/* folder/name, kept until files_remove. */
const char *files_path(const char *name);
const char *files_write(const char *name, const void *at, size_t size); /* its path */
const char *files_text(const char *name, const char *text);
/* to be freed; NUL-terminated; size may be NULL */
char *files_read(const char *path, size_t *size);
void files_remove(void); /* all of them */

#endif
