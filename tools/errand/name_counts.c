/* name_counts.c -- a list of names, and a table that finds them; files mostly have runs of one
 * name, so the last one is looked at first. */
#include "name_counts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static size_t place_of(name_count *const *table, size_t room, const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    size_t i = (hash ^ hash >> 32) & (room - 1);
    while (table[i] && strcmp(table[i]->name, name)) i = (i + 1) & (room - 1);
    return i;
}

static bool grow(name_counts *c)
{
    size_t room = c->room ? 2 * c->room : 16;
    name_count **table = calloc(room, sizeof *table);
    if (!table) return false;
    for (size_t i = 0; i < c->room; i++) {
        if (c->table[i]) table[place_of(table, room, c->table[i]->name)] = c->table[i];
    }
    free(c->table);
    c->table = table;
    c->room = room;
    return true;
}

static name_count *new_count(const char *name) /* NULL: no memory */
{
    name_count *one = calloc(1, sizeof *one);
    if (one && !(one->name = strdup(name))) {
        free(one);
        return NULL;
    }
    return one;
}

static name_count *find(name_counts *c, const char *name)
{
    if (c->last && !strcmp(c->last->name, name)) return c->last;
    if (c->used * 2 >= c->room && !grow(c)) return &c->others;
    size_t i = place_of(c->table, c->room, name);
    if (c->table[i]) return c->last = c->table[i];
    name_count *one = c->used < NAMES_MOST ? new_count(name) : NULL;
    if (!one) return &c->others;
    one->next = c->first;
    c->first = c->last = c->table[i] = one;
    c->used++;
    return one;
}

name_count *name_counts_add(name_counts *c, const char *name)
{
    name_count *one = find(c, name);
    one->n++;
    return one;
}

static int by_count(const void *a, const void *b)
{
    const name_count *one = *(name_count *const *)a, *two = *(name_count *const *)b;
    if (one->n != two->n) return one->n > two->n ? -1 : 1;
    return strcmp(one->name, two->name);
}

name_count *const *name_counts_sorted(name_counts *c, size_t *n)
{
    size_t to = 0;
    for (size_t i = 0; i < c->room; i++) {
        if (c->table[i]) c->table[to++] = c->table[i];
    }
    if (to) qsort(c->table, to, sizeof *c->table, by_count);
    for (size_t i = to; i < c->room; i++) c->table[i] = NULL;
    *n = to;
    return c->table;
}

void name_counts_free(name_counts *c)
{
    for (name_count *one = c->first, *next; one; one = next) {
        next = one->next;
        free(one->name);
        free(one);
    }
    free(c->table);
    *c = (name_counts){ 0 };
}
