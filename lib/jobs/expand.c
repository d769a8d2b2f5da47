/* jobs/expand.c -- "${NAME}" becomes the variable's value, "$${" becomes "${", all else stays.
 *
 * A name has letters, digits and underscores, and does not begin with a digit. What the environment
 * has is not looked at for further variables. */
#include "jobs/expand.h"

#include <errand/jobs.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t name_size(const char *at)
{
    static const char digits[] = "0123456789";
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    return strspn(at, digits) ? 0 : strspn(at, all);
}

static int put_variable(er_bytes *out, er_span name, er_expand_used_fn *used, void *arg)
{
    char *text = er_copy_bytes(name.at, name.size);
    if (!text) return ENOMEM;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment does not change beside threads */
    const char *value = getenv(text);
    er_free(text);
    if (!value) return ENOENT;
    er_bytes_text(out, value);
    if (used && *value) used(value, arg);
    return 0;
}

int er_expand(er_bytes *out, const char *text, er_expand_used_fn *used, void *arg, er_span *culprit)
{
    for (const char *dollar; (dollar = strstr(text, "${"));) {
        bool escaped = dollar > text && dollar[-1] == '$';
        er_bytes_add(out, text, (size_t)(dollar - text) - escaped);
        text = dollar + 2;
        if (escaped) {
            er_bytes_text(out, "${");
            continue;
        }
        *culprit = (er_span){ text, name_size(text) };
        if (!culprit->size || text[culprit->size] != '}') return EINVAL;
        int error = put_variable(out, *culprit, used, arg);
        if (error) return error;
        text += culprit->size + 1;
    }
    er_bytes_text(out, text);
    return out->error ? ENOMEM : 0;
}

char *errand_expand(const char *text, void (*used)(const char *value, void *arg), void *arg)
{
    er_bytes out = { 0 };
    er_span culprit = { NULL, 0 };
    int error = text ? er_expand(&out, text, used, arg, &culprit) : EINVAL;
    char *whole = error ? NULL : er_bytes_take(&out);
    if (whole) return whole;
    er_bytes_free(&out);
    errno = error ? error : ENOMEM;
    return NULL;
}
