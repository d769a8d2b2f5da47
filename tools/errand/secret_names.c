/* secret_names.c -- a list: the secrets of the requests that are shown are few. The names begin
 * with SECRET_, as a variable that a shell has anyway, PWD or PATH, would be sent in their place.
 */
#include "secret_names.h"

#include <stdlib.h>
#include <string.h>

/* Has room for a number. NULL: no memory. */
static char *variable_of(const secret *s, size_t *size)
{
    static const char prefix[] = "SECRET_";
    *size = sizeof prefix + s->name_size + 12;
    char *name = malloc(*size), *to = name;
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

static const secret_name *find(const secret_names *names, const char *name)
{
    const secret_name *one = names->first;
    while (one && strcmp(one->name, name)) one = one->next;
    return one;
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
static const secret_name *add(secret_names *names, char *name, const secret *s)
{
    secret_name *one = calloc(1, sizeof *one);
    if (!one) {
        free(name);
        return NULL;
    }
    *one = (secret_name){ .next = names->first, .name = name };
    one->value = strndup(s->value, s->value_size);
    if (!one->value) {
        free_one(one);
        return NULL;
    }
    return names->first = one;
}

void secret_names_put(secret_names *names, FILE *to, const secret *s)
{
    size_t size;
    char *name = variable_of(s, &size);
    const secret_name *one = NULL;
    if (name) {
        size_t plain = strlen(name);
        unsigned number = 1;
        while ((one = find(names, name)) && !is_of(one, s))
            snprintf(name + plain, size - plain, "_%u", ++number);
        if (one) free(name);
        else one = add(names, name, s);
    }
    if (one) fputs(one->name, to);
    else names->full = true;
}

void secret_names_free(secret_names *names)
{
    for (secret_name *one = names->first, *next; one; one = next) {
        next = one->next;
        free_one(one);
    }
    *names = (secret_names){ 0 };
}
