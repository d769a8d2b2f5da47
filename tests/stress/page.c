/* tests/stress/page.c -- the bodies of replies: a line of JSON that says what it is,
 * filled up to its size with letters that follow from it, so that each byte can be checked
 * given the first hundred. */
#include "stress/ask.h"

#include <stdio.h>
#include <string.h>

static const char end[] = "\"}\n";

static char letter(const page *p, size_t i)
{
    size_t n = i + p->size + p->ask;
    return (char)('a' + (n * 7 + n / 31 + n / 997) % 26);
}

static size_t write_head(char *to, const page *p)
{
    int n = snprintf(to, PAGE_LEAST,
                     "{\"ask\":%u,\"status\":%u,\"whole\":%u,\"size\":%zu,\"rest\":\"", p->ask,
                     p->status, p->whole, p->size);
    return (size_t)n;
}

void page_write(char *to, const page *p)
{
    char head[PAGE_LEAST];
    size_t n = write_head(head, p), last = p->size - (sizeof end - 1);
    memcpy(to, head, n);
    for (size_t i = n; i < last; i++) to[i] = letter(p, i);
    memcpy(to + last, end, sizeof end - 1);
}

bool page_read(page *p, const void *at, size_t size, bool all)
{
    const char *text = at;
    char head[PAGE_LEAST + 1] = "";
    unsigned whole;
    memcpy(head, text, size < PAGE_LEAST ? size : PAGE_LEAST);
    *p = (page){ 0 };
    if (!all && size < PAGE_LEAST) return true; /* it may end within a number */
    if (sscanf(head, "{\"ask\":%u,\"status\":%u,\"whole\":%u,\"size\":%zu,\"rest\":\"", &p->ask,
               &p->status, &whole, &p->size) != 4)
        return false;
    p->whole = whole;
    size_t n = write_head(head, p), last = p->size - (sizeof end - 1);
    if (p->size < PAGE_LEAST || p->size > PAGE_MOST || size > p->size || (all && size < p->size))
        return false;
    if (memcmp(text, head, size < n ? size : n) != 0) return false;
    for (size_t i = n; i < last && i < size; i++) {
        if (text[i] != letter(p, i)) return false;
    }
    return size <= last || !memcmp(text + last, end, size - last);
}
