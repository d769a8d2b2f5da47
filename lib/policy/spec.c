/* policy/spec.c -- keeps specs: puts operations together, and frees them.
 *
 * Mistakes are collected here and come out at one place, errand_policy_new: so specs can be
 * written as one expression without a check after each call. A spec that has grown too long
 * drops what is added: its depth stays bounded, and so does recursion. */
#include "policy/spec.h"

#include <errno.h>

static er_spec no_memory = { .n = 1, .count = 1 };

static const char *const empty_part[] = { "backoff: a part is NULL", "stop: a part is NULL",
                                          "retry_if: a part is NULL" };
static const char *const part_twice[] = {
    "backoff: a part is given twice", "stop: a part is given twice",
    "retry_if: a part is given twice"
};
static const char *const too_long[] = { "backoff: more than 64 operations",
                                        "stop: more than 64 operations",
                                        "retry_if: more than 64 operations" };

er_spec *er_spec_no_memory(void) { return &no_memory; }

er_spec *er_spec_new(const er_spec *op)
{
    er_spec *spec = er_alloc(sizeof *spec);
    if (!spec) {
        er_free(op->data);
        return &no_memory;
    }
    *spec = *op;
    spec->n = spec->count = 1;
    return spec;
}

bool er_spec_take(er_spec *spec)
{
    if (spec == &no_memory) return true;
    bool is_free = !spec->is_taken;
    spec->is_taken = true;
    return is_free;
}

er_spec *er_spec_add(er_spec *parent, er_spec *child)
{
    if (parent == &no_memory || child == &no_memory) {
        er_spec_free(parent);
        er_spec_free(child);
        return &no_memory;
    }
    if (!child) {
        parent->wrong = empty_part[parent->op >> 8];
        return parent;
    }
    if (!er_spec_take(child)) { /* a list that holds it twice would have no end */
        parent->wrong = part_twice[parent->op >> 8];
        return parent;
    }
    if (!parent->wrong) parent->wrong = child->wrong;
    if (parent->n + child->n > ER_SPEC_OPS) {
        if (!parent->wrong) parent->wrong = too_long[parent->op >> 8];
        er_spec_free(child);
        return parent;
    }
    parent->n += child->n;
    er_spec **last = &parent->child;
    while (*last) last = &(*last)->next;
    *last = child;
    return parent;
}

er_spec *er_spec_keep(er_spec *spec)
{
    /* relaxed: the caller has a count */
    if (spec && spec != &no_memory) er_add_relaxed(&spec->count, 1);
    return spec;
}

void er_spec_free(er_spec *spec)
{
    if (!spec || spec == &no_memory || er_sub(&spec->count, 1) != 1) return;
    for (er_spec *next, *child = spec->child; child; child = next) {
        next = child->next;
        er_spec_free(child);
    }
    er_free(spec->data);
    er_free(spec);
}

const char *er_spec_wrong(const er_spec *spec, int *error)
{
    *error = 0;
    if (!spec) return NULL;
    if (spec == &no_memory) {
        *error = ENOMEM;
        return "out of memory";
    }
    if (spec->wrong) *error = EINVAL;
    return spec->wrong;
}

bool er_spec_has(const er_spec *spec, er_op op)
{
    if (!spec) return false;
    bool has = spec->op == op;
    for (const er_spec *child = spec->child; child && !has; child = child->next)
        has = er_spec_has(child, op);
    return has;
}
