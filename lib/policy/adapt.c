/* policy/adapt.c -- how many calls at once a server bears: additive increase, multiplicative
 * decrease, as TCP finds its window (Chiu and Jain, 1989; RFC 5681).
 *
 *     SLOW START  each good end: size + 1, so that it doubles a round
 *         --first decrease--> ADDITIVE  size good ends: size + 1, so one more a round
 *     both        too many: size x 0.7 (RFC 9438), then none again until calls that began later end
 *
 * Just below the size of the last decrease, the ceiling, it stays for a round before it tries that
 * size again; each time this fails for twice as long, up to 64 rounds. So it works most of the time
 * at what is borne, as CUBIC does, and a refusal, for which a whole host may have to pause, is
 * rare. A whole round above the ceiling lifts it.
 *
 * A call counts for an increase only if as many calls as may be were under way at some moment
 * between its beginning and its end: a client that does little learns nothing (RFC 7661). A call
 * that began before the last decrease says nothing: so a burst of refusals is one decrease.
 *
 * Rising latency. A server that queues refuses nothing: its replies become slower. The median of
 * the latest successes (16 in slow start, then 64) is compared with the usual one: twice that, and
 * 10 ms more, is a decrease. Medians, because calls of one host differ: beside the shortest call,
 * the measure of TCP Vegas, long work looks like a queue, and a mean follows one slow call. The
 * usual one falls by an eighth of the way to a lower median. It rises by a quarter from the third
 * long median in a row on: shrinking has not helped, so the work has become longer. A moving
 * average, as in Netflix's Gradient2, would follow a queue that grows slowly. */
#include "policy/adapt.h"

#include "base/result.h"

#include <limits.h>

#define PATIENCE_MOST      64
#define SLOW_START_SAMPLES 16
#define RISE_LEAST_US      10000u
#define SHRINKS_FIRST      2 /* that many decreases, before the work is taken for longer */

void er_adapt_init(er_adapt *a, unsigned least, unsigned begin, unsigned most)
{
    *a = (er_adapt){ .least = least,
                     .most = most,
                     .size = begin,
                     .slow_start = true,
                     .ceiling = UINT_MAX,
                     .patience = 1,
                     .shrunk_ns = INT64_MIN,
                     .full_ns = INT64_MIN };
}

er_bearing er_bearing_of(const errand_result *how)
{
    if (!how) return ER_BORE_UNKNOWN;
    if (er_result_throttled(how)) return ER_BORE_NOT;
    switch (errand_result_kind(how)) {
    case ERRAND_KIND_OK: return ER_BORE_SUCCESS;
    case ERRAND_KIND_HTTP_CLIENT:
    case ERRAND_KIND_AUTH: return ER_BORE_WELL; /* refused early: its time tells nothing */
    case ERRAND_KIND_NETWORK: return ER_BORE_NOT;
    case ERRAND_KIND_TIMEOUT: /* the whole's deadline may come soon after a call has begun */
        return errand_result_reason(how) == ERRAND_BY_TOTAL ? ER_BORE_UNKNOWN : ER_BORE_NOT;
    default: return ER_BORE_UNKNOWN;
    }
}

static void decrease(er_adapt *a, int64_t now_ns)
{
    unsigned size = (unsigned)((uint64_t)a->size * 7 / 10);
    if (size < a->least) size = a->least;
    if (a->size <= a->ceiling) a->patience = 1;
    else if (a->patience < PATIENCE_MOST) a->patience *= 2;
    a->ceiling = a->size > a->least ? a->size - 1 : a->least;
    a->decreases += size < a->size;
    a->size = size;
    a->slow_start = false;
    a->shrunk_ns = now_ns;
    a->well = a->n = 0;
}

static void increase(er_adapt *a)
{
    if (a->size == a->most) return;
    unsigned rounds = a->size == a->ceiling ? a->patience : 1;
    if (!a->slow_start && ++a->well < (uint64_t)a->size * rounds) return;
    if (a->size > a->ceiling) {
        a->ceiling = UINT_MAX;
        a->patience = 1;
    }
    a->well = 0;
    a->size++;
    a->increases++;
}

static uint32_t median(const er_adapt *a)
{
    uint32_t sorted[ER_ADAPT_SAMPLES];
    for (unsigned i = 0; i < a->n; i++) {
        unsigned at = i;
        for (; at && sorted[at - 1] > a->times_us[i]; at--) sorted[at] = sorted[at - 1];
        sorted[at] = a->times_us[i];
    }
    return sorted[a->n / 2];
}

/* Whether replies have become slow. */
static bool slows_down(er_adapt *a, int64_t took_ns)
{
    int64_t us = took_ns / 1000;
    a->times_us[a->n++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
    if (a->n < (a->slow_start ? SLOW_START_SAMPLES : ER_ADAPT_SAMPLES)) return false;
    uint32_t now_us = median(a), usual = a->usual_us;
    a->n = 0;
    if (!usual) usual = now_us ? now_us : 1;
    a->usual_us = usual;
    if (now_us < usual) a->usual_us = usual - (usual - now_us) / 8;
    bool slow = now_us / 2 > usual && now_us - usual >= RISE_LEAST_US;
    a->slow = slow ? a->slow + 1 : 0;
    if (a->slow > SHRINKS_FIRST) a->usual_us = usual + (now_us - usual) / 4;
    return slow;
}

void er_adapt_ended(er_adapt *a, er_bearing how, int64_t began_ns, int64_t now_ns)
{
    if (how == ER_BORE_UNKNOWN || began_ns <= a->shrunk_ns) return;
    bool slow = how == ER_BORE_SUCCESS && slows_down(a, now_ns - began_ns);
    if (slow || how == ER_BORE_NOT) decrease(a, now_ns);
    else if (began_ns <= a->full_ns) increase(a);
}
