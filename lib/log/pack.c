/* log/pack.c -- measuring, for what does not fit where it was tried first (it reads the same
 * arguments as er_pack); and results, which are packed as texts that are made at the call. */
#include "log/pack.h"
#include "log/result_row.h"

char *er_pack_result(char *to, size_t room, size_t most, const errand_result *r)
{
    size_t limit = most < room ? most : room, size = er_result_row(to + 8, limit, r), missing = 0;
    if (size > limit) {
        if (most > room) return NULL;
        size_t keep = er_result_row_cut(to + 8, limit);
        missing = size - keep;
        size = keep;
        if (missing > UINT32_MAX) missing = UINT32_MAX;
    }
    int64_t whole = (int64_t)((uint64_t)missing << 32 | size);
    memcpy(to, &whole, 8);
    return er_round8(size) <= room ? to + 8 + er_round8(size) : NULL;
}

size_t er_pack_size(const er_plan *plan, er_args *args)
{
    size_t all = plan->fixed;
    int last = 0;
    for (unsigned i = 0; i < plan->args; i++) {
        size_t limit = SIZE_MAX;
        switch (plan->arg[i]) {
        case ER_ARG_INT: last = va_arg(args->list, int); continue;
        case ER_ARG_LONG: (void)va_arg(args->list, long long); continue;
        case ER_ARG_POINTER: (void)va_arg(args->list, void *); continue;
        case ER_ARG_DOUBLE: (void)va_arg(args->list, double); continue;
        case ER_ARG_ERRNO: continue;
        case ER_ARG_RESULT:
            all +=
                er_round8(er_result_row(NULL, 0, (const void *)va_arg(args->list, const char *)));
            continue;
        case ER_ARG_TEXT_MOST: limit = (size_t)plan->most[i]; break;
        case ER_ARG_TEXT_STAR: limit = last < 0 ? SIZE_MAX : (size_t)last; break;
        default: break;
        }
        const char *text = va_arg(args->list, const char *);
        if (text) all += er_round8(limit == SIZE_MAX ? strlen(text) : strnlen(text, limit));
    }
    return all;
}
