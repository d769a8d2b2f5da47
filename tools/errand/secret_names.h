/* secret_names.h -- variables of sh that stand for secrets: one name for each value. */
#ifndef SECRET_NAMES_H
#define SECRET_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct secret_name {
    struct secret_name *next;
    char *name; /* SECRET_X_API_KEY */
    char *value;
} secret_name;

typedef struct secret_names {
    secret_name *first;
    bool full; /* there was no memory: names that were written may stand for several values */
} secret_names;

typedef struct secret {
    const char *name; /* of the header or parameter; as it is written there */
    size_t name_size;
    const char *value;
    size_t value_size;
} secret;

/* Writes the name of its variable: SECRET_X_API_KEY, of another value SECRET_X_API_KEY_2. */
void secret_names_put(secret_names *names, FILE *to, const secret *s);
void secret_names_free(secret_names *names);

#endif
