/* secret_names.c -- a list: the secrets of the requests that are shown are few. The names begin
 * with SECRET_, as a variable that a shell has anyway, PWD or PATH, would be sent in their place.
 */
#include "secret_names.h"

#include <stdlib.h>
#include <string.h>

static char *variable_of(const secret *s) /* NULL: no memory */
{
    static const char prefix[] = "SECRET_";
    char *name = malloc(sizeof prefix + s->name_size), *to = name;
    if (!name) return NULL;
    memcpy(to, prefix, sizeof prefix - 1);
    to += sizeof prefix - 1;
    for (size_t i = 0; i < s->name_size; i++) {
        char c = s->name[i];
        if (c >= 'a' && c <= 'z') c = (char)(c - 'a' + 'A');
        bool fit = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        *to++ = fit ? c : '_';
    }
    *to = 0;
    return name;
}

static bool is_of(const secret_name *one, const secret *s)
{
    return strlen(one->value) == s->value_size && !memcmp(one->value, s->value, s->value_size);
}

static void free_one(secret_name *one)
{
    if (one) free(one->name);
    if (one) free(one->value);
    free(one);
}

/* Takes `name`. NULL: no memory. */
static const secret_name *add(secret_names *names, char *name, const secret *s, unsigned number)
{
    secret_name *one = calloc(1, sizeof *one);
    if (!one) {
        free(name);
        return NULL;
    }
    *one = (secret_name){ .next = names->first, .number = number, .name = name };
    one->value = strndup(s->value, s->value_size);
    if (!one->value) {
        free_one(one);
        return NULL;
    }
    return names->first = one;
}

void secret_names_put(secret_names *names, FILE *to, const secret *s)
{
    char *name = variable_of(s);
    unsigned number = 1;
    const secret_name *one = NULL;
    for (one = names->first; name && one; one = one->next) {
        bool same = !strcmp(one->name, name);
        if (same && is_of(one, s)) break;
        if (same && one->number >= number) number = one->number + 1;
    }
    if (one) free(name);
    else if (name) one = add(names, name, s, number);
    if (!one) {
        names->full = true;
        return;
    }
    fputs(one->name, to);
    if (one->number > 1) fprintf(to, "_%u", one->number);
}

void secret_names_free(secret_names *names)
{
    for (secret_name *one = names->first, *next; one; one = next) {
        next = one->next;
        free_one(one);
    }
    *names = (secret_names){ 0 };
}
