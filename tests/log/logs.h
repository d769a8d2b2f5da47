/* Shared by the logger's tests: places to write to that leave no files behind, and functions to
 * read them. */
#ifndef LOGS_H
#define LOGS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

enum { LONG_MS = 30000 }; /* far more than anything here takes */

Suite *ring_suite(void);
Suite *lines_suite(void);
Suite *sinks_suite(void);
Suite *full_suite(void);
Suite *ends_suite(void);
Suite *fork_suite(void);
Suite *formats_suite(void);
Suite *layouts_suite(void);
Suite *results_suite(void);
Suite *sink_kinds_suite(void);
Suite *rotation_suite(void);
Suite *rings_suite(void);
Suite *late_lines_suite(void);
Suite *storms_suite(void);
Suite *exits_suite(void);
Suite *named_suite(void);

unsigned scaled(unsigned n); /* n times ERRAND_TEST_SCALE, at least 1 */

typedef struct place {
    int fd;        /* a file without a name, or the end of a pipe to read from */
    int other;     /* a pipe's end to write to                                 */
    char path[64]; /* to open it by                                            */
} place;
place a_file(void);
place a_pipe(void);       /* holds 4 KiB; blocks when full */
char *text_of(place *p);  /* all of a file; free it */
char *line_of(char **at); /* cuts the next line off; NULL at the end */
bool has(const char *text, const char *part);
size_t count_of(const char *text, const char *part);

typedef struct folder { /* of its own, with a path for a log in it */
    char at[32], path[64];
} folder;
folder a_folder(void);
char *content(const folder *f, int number); /* of path, or path.number; NULL: not there; free it */
void is(const folder *f, int number, const char *expected); /* NULL: not there */
void remove_folder(const folder *f);                        /* with path, and path.1 to path.19 */

/* "... N lines lost here ..." -> N, or 0 */
unsigned long long gap_of(const char *line);

/* Reads a pipe to its end on a thread of its own. */
typedef struct reader reader;
reader *read_in_background(place *pipe);
char *read_text(reader *r); /* closes our write end, waits for the end; free it */

#endif
