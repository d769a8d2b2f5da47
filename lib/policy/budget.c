/* policy/budget.c -- what share of the traffic retries and hedges may be: a bucket of tokens for
 * each key, and counts of what is in flight. Each step is a few sums under the lock. A member is
 * pinned by each run that has joined it. */
#include "policy/budget.h"

#include "base/options.h"
#include "log/producer.h"

#include <errno.h>

struct er_budget_member {
    er_member base;
    errand_budget *budget;
    errand_budget_stats now; /* keys is not kept here */
    bool spent;              /* the last retry was refused: logged already */
};

struct errand_budget {
    er_keyed keyed;
    errand_budget_opts how;
    er_budget_member plain;
};

static errand_budget *budget_of(er_keyed *keyed) { return er_of(keyed, errand_budget, keyed); }
static er_budget_member *member_of(er_member *m) { return er_of(m, er_budget_member, base); }

/* False: there is no budget, or its lock may be held forever. */
static bool take_lock(er_budget_member *m)
{
    if (!m || er_pool_dead(m->budget->keyed.pool)) return false;
    er_lock_take(&m->budget->keyed.lock);
    return true;
}

static void give_lock(er_budget_member *m) { er_keyed_leave(&m->budget->keyed); }

static void landed(er_budget_member *m, bool well)
{
    const errand_budget_opts *how = &m->budget->how;
    m->now.in_flight--;
    if (!well) return;
    unsigned room = how->tokens - m->now.tokens;
    m->now.tokens += how->refund < room ? how->refund : room;
}

int er_budget_join(errand_budget *budget, const char *key, er_budget_member **member)
{
    er_member *base;
    *member = NULL;
    int error = er_keyed_enter(&budget->keyed, key, &base);
    if (error) return error;
    base->pins++;
    er_keyed_leave(&budget->keyed);
    *member = member_of(base);
    return 0;
}

void er_budget_part(er_budget_member *member)
{
    if (!take_lock(member)) return;
    member->base.pins--;
    give_lock(member);
}

void er_budget_began(er_budget_member *member)
{
    if (!take_lock(member)) return;
    member->now.in_flight++;
    give_lock(member);
}

void er_budget_ended(er_budget_member *member, bool well)
{
    if (!take_lock(member)) return;
    landed(member, well);
    give_lock(member);
}

bool er_budget_retry(er_budget_member *member, bool throttled)
{
    if (!take_lock(member)) return true;
    const errand_budget_opts *how = &member->budget->how;
    unsigned cost = throttled ? how->cost_throttled : how->cost;
    bool enough = member->now.tokens >= cost, logged = member->spent;
    if (enough) member->now.tokens -= cost;
    if (enough) member->now.retries++;
    else member->now.refused_retries++;
    member->spent = !enough;
    give_lock(member);
    if (!enough && !logged) { /* the run that asks has the member pinned */
        const char *name = how->name ? how->name : "budget", *key = member->base.item.key;
        er_log_warn(er_pool_log(member->budget->keyed.pool),
                    "[%s-spent]%s%.200s: no retries for now", name, key ? " of " : "",
                    key ? key : "");
    }
    return enough;
}

bool er_budget_hedge(er_budget_member *member)
{
    if (!take_lock(member)) return true;
    const errand_budget_opts *how = &member->budget->how;
    errand_budget_stats *now = &member->now;
    bool may = now->hedges < how->hedge_min || now->hedges + 1 <= how->hedge_share * now->in_flight;
    if (may) {
        now->hedges++;
        now->in_flight++;
        now->hedged++;
    } else {
        now->refused_hedges++;
    }
    give_lock(member);
    return may;
}

void er_budget_hedge_ended(er_budget_member *member, bool well)
{
    if (!take_lock(member)) return;
    member->now.hedges--;
    landed(member, well);
    give_lock(member);
}

/* ---- the budget itself ---- */

static void init_member(er_keyed *keyed, er_member *base)
{
    member_of(base)->budget = budget_of(keyed);
    member_of(base)->now.tokens = budget_of(keyed)->how.tokens;
}

static bool is_idle(er_keyed *keyed, er_member *base)
{
    (void)keyed;
    (void)base;
    return true; /* no run has it pinned */
}

static void free_budget(er_keyed *keyed) { er_free(budget_of(keyed)); }
static const er_keyed_kind budget_kind = { sizeof(er_budget_member), init_member, is_idle,
                                           free_budget };

static int check(errand_budget_opts *o)
{
    if (!o->tokens) o->tokens = 500;
    if (!o->cost) o->cost = 14;
    if (!o->cost_throttled) o->cost_throttled = 5;
    if (!o->refund) o->refund = 1;
    if (o->hedge_share == 0) o->hedge_share = 0.2;
    if (!o->hedge_min) o->hedge_min = 3;
    if (!(o->hedge_share > 0 && o->hedge_share <= 1)) return EINVAL; /* a NaN too */
    return o->cost > o->tokens || o->cost_throttled > o->tokens ? EINVAL : 0;
}

errand_budget *errand_budget_new_sized(errand_pool *pool, const errand_budget_opts *opts,
                                       size_t size)
{
    errand_budget_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    if (!error) error = check(&o);
    errand_budget *budget = error ? NULL : er_alloc_zero(sizeof *budget);
    if (!error && !budget) error = ENOMEM;
    if (!error) {
        budget->how = o;
        error = er_keyed_init(&budget->keyed, &budget_kind, pool, o.max_keys, &budget->plain.base);
    }
    if (!error) return budget;
    er_free(budget);
    errno = error;
    return NULL;
}

void errand_budget_free(errand_budget *budget)
{
    if (budget) er_keyed_release(&budget->keyed);
}

errand_budget *er_budget_keep(errand_budget *budget)
{
    er_keyed_keep(&budget->keyed);
    return budget;
}

int errand_budget_stats_sized(errand_budget *budget, const char *key, errand_budget_stats *out,
                              size_t size)
{
    er_member *base;
    if (!budget || !out) return EINVAL;
    int error = er_keyed_find(&budget->keyed, key, &base);
    if (error) return error;
    errand_budget_stats s = member_of(base)->now;
    s.keys = budget->keyed.members.count;
    er_keyed_leave(&budget->keyed);
    return er_options_give(out, size, &s, sizeof s);
}
