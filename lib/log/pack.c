/* log/pack.c -- measuring, for what does not fit where it was tried first. It reads the same arguments as er_pack. */
#include "log/pack.h"

size_t er_pack_size(const er_plan *plan, er_args *args)
{
    size_t all = plan->fixed;
    int last = 0;
    for (unsigned i = 0; i < plan->args; i++) {
        size_t limit = SIZE_MAX;
        switch (plan->arg[i]) {
        case ER_ARG_INT:
            last = va_arg(args->list, int);
            continue;
        case ER_ARG_LONG:
            (void)va_arg(args->list, long long);
            continue;
        case ER_ARG_POINTER:
            (void)va_arg(args->list, void *);
            continue;
        case ER_ARG_DOUBLE:
            (void)va_arg(args->list, double);
            continue;
        case ER_ARG_ERRNO:
            continue;
        case ER_ARG_TEXT_MOST:
            limit = (size_t)plan->most[i];
            break;
        case ER_ARG_TEXT_STAR:
            limit = last < 0 ? SIZE_MAX : (size_t)last;
            break;
        default:
            break;
        }
        const char *text = va_arg(args->list, const char *);
        if (text) all += er_round8(limit == SIZE_MAX ? strlen(text) : strnlen(text, limit));
    }
    return all;
}
