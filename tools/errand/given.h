/* given.h -- the options that were given, by the environment, files and the command line. */
#ifndef GIVEN_H
#define GIVEN_H

#include "option_table.h"

typedef enum given_rank { GIVEN_ENVIRONMENT, GIVEN_FILE, GIVEN_COMMAND, GIVEN_RANKS } given_rank;

typedef struct given_option {
    struct given_option *next;
    option_id id;
    given_rank rank;
    const char *text; /* its value; NULL: the option takes none */
    char *own;        /* text's memory, where it is the list's */
    char *name;       /* how messages name it: "--jobs", "ERRAND_JOBS", "FILE:3: jobs" */
    bool off;         /* a switch that was given as false */
} given_option;

typedef struct given_list {
    given_option *first, *last; /* NULL: none */
} given_list;

/* Each reports its errors itself, and then returns false. */
bool given_add(given_list *list, option_id id, given_rank rank, const char *name, const char *text);
bool given_environment(given_list *list);           /* ERRAND_JOBS=32 ... */
bool given_file(given_list *list, const char *path, /* "jobs = 32" ... */
                const char *name);                  /* of the option that names the file */
void given_free(given_list *list);

/* The option with this value counts: it repeats, or neither it nor a rival of it has a higher
 * rank. */
bool given_counts(const given_list *list, const given_option *option);

/* The value of an option that does not repeat; NULL: it was not given, or is a switch. */
const char *given_text(const given_list *list, option_id id);

#endif
