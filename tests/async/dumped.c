#include "dumped.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LOOKS = 120000, WHAT = 13, NAME = 24 }; /* columns */

char dump_text[1 << 20];

const char *dump_of(errand_pool *pool)
{
    FILE *to = fmemopen(dump_text, sizeof dump_text, "w");
    ck_assert_int_eq(errand_pool_dump(pool, to), 0);
    fclose(to);
    return dump_text;
}

bool dump_has(errand_pool *pool, const char *part) { return strstr(dump_of(pool), part) != NULL; }

static bool begins_with(const char *at, const char *word)
{
    size_t size = strlen(word);
    return strncmp(at, word, size) == 0 && at[size] == ' ';
}

static const char *next_entry(const char *at, const char *what,
                              const char *name) /* starting behind the line of `at` */
{
    for (at = strchr(at, '\n'); at && at[1]; at = strchr(at + 1, '\n')) {
        bool whole = strcspn(at + 1, "\n") > NAME;
        if (whole && begins_with(at + 1 + WHAT, what) && begins_with(at + 1 + NAME, name))
            return at + 1;
    }
    return NULL;
}

/* The first such entry that contains `part`. */
static const char *entry_with(errand_pool *pool, const char *what, const char *name,
                              const char *part)
{
    static char line[2048];
    for (const char *at = dump_of(pool); (at = next_entry(at, what, name));) {
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n") - WHAT, at + WHAT);
        if (strstr(line, part)) return line;
    }
    return NULL;
}

const char *dump_entry(errand_pool *pool, const char *what, const char *name)
{
    return entry_with(pool, what, name, "");
}

const char *dump_shows(errand_pool *pool, const char *what, const char *name, const char *part)
{
    for (int i = 0; i < LOOKS; i++) {
        const char *line = entry_with(pool, what, name, part);
        if (line) return line;
        nanosleep(&(struct timespec){ 0, 250000 }, NULL);
    }
    ck_abort_msg("no %s %s that \"%s\" in:\n%.3000s", what, name, part, dump_text);
    return NULL;
}

void dump_empties(errand_pool *pool)
{
    for (int i = 0; i < LOOKS; i++) {
        if (dump_has(pool, ", 0 operations\n")) return;
        nanosleep(&(struct timespec){ 0, 250000 }, NULL);
    }
    ck_abort_msg("still listed:\n%.3000s", dump_text);
}

unsigned dump_count(errand_pool *pool, const char *what, const char *name)
{
    unsigned n = 0;
    for (const char *at = dump_of(pool); (at = next_entry(at, what, name));)
        n++; /* continue behind this line */
    return n;
}
