#include "dumped.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

char dump_text[65536];

const char *dump_of(errand_pool *pool)
{
    FILE *to = fmemopen(dump_text, sizeof dump_text, "w");
    ck_assert_int_eq(errand_pool_dump(pool, to), 0);
    fclose(to);
    return dump_text;
}

bool dump_has(errand_pool *pool, const char *part) { return strstr(dump_of(pool), part) != NULL; }

bool dump_has_soon(errand_pool *pool, const char *part)
{
    for (int i = 0; i < 4 * LONG_MS; i++) {
        if (dump_has(pool, part)) return true;
        nanosleep(&(struct timespec){ 0, 250000 }, NULL);
    }
    return false;
}

const char *dump_line(errand_pool *pool, const char *name)
{
    static char line[1024];
    const char *at = strstr(dump_of(pool), name);
    ck_assert_msg(at != NULL, "%s is not in:\n%s", name, dump_text);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}
