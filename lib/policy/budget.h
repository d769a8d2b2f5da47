/* policy/budget.h -- what a run asks of a budget.
 *
 *     er_budget_join --> er_budget_began .. er_budget_ended, for each attempt
 *                        er_budget_retry before each sleep --> er_budget_part */
#ifndef ER_BUDGET_H
#define ER_BUDGET_H

#include "policy/keyed.h"

/* A run's share of its key's budget. */
typedef struct er_budget_member er_budget_member;

/* Pins key's member, once for each run: 0, EINVAL, ENOMEM, ERRAND_EFORKED. */
int er_budget_join(errand_budget *budget, const char *key, er_budget_member **member);
/* NULL is harmless, here and below: then there is no budget */
void er_budget_part(er_budget_member *member);

/* An attempt is in flight from began to ended. well: it succeeded, which returns tokens. */
void er_budget_began(er_budget_member *member);
void er_budget_ended(er_budget_member *member, bool well);

/* Before a sleep that another attempt follows: takes what that costs. False: too few tokens are
 * left (ERRAND_EBUDGET). */
bool er_budget_retry(er_budget_member *member, bool throttled);

/* May another attempt begin beside those in flight? True: it has begun, as a hedge;
 * er_budget_hedge_ended, once. */
bool er_budget_hedge(er_budget_member *member);
void er_budget_hedge_ended(er_budget_member *member, bool well);

errand_budget *er_budget_keep(errand_budget *budget);

#endif
