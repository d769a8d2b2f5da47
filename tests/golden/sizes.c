/* Prints size and alignment of every public type of errand.h, and offset and size of its members: what a program that was
 * compiled earlier relies on. The list is compared with sizes.txt; `make golden` writes it anew. */
#include <errand.h>
#include <stdio.h>

#define TYPE(type)           printf(#type " %zu align %zu\n", sizeof(type), _Alignof(type))
#define MEMBER(type, member) printf("    " #member " @%zu %zu\n", offsetof(type, member), sizeof(((type *)0)->member))

int main(void)
{
    TYPE(errand_result);
    MEMBER(errand_result, error);
    MEMBER(errand_result, value);
    MEMBER(errand_result, free);
    MEMBER(errand_result, owner);
    MEMBER(errand_result, detail);
    TYPE(errand_attempt);
    MEMBER(errand_attempt, number);
    MEMBER(errand_attempt, error);
    MEMBER(errand_attempt, began_ms);
    MEMBER(errand_attempt, took_ms);
    MEMBER(errand_attempt, then_waited_ms);
    MEMBER(errand_attempt, why_waited);
    TYPE(errand_results);
    MEMBER(errand_results, n);
    MEMBER(errand_results, at);
    TYPE(errand_task);
    MEMBER(errand_task, fn);
    MEMBER(errand_task, arg);
    MEMBER(errand_task, free);
    MEMBER(errand_task, name);
    MEMBER(errand_task, within_ms);
    TYPE(errand_clock);
    MEMBER(errand_clock, now_ns);
    MEMBER(errand_clock, arg);
    TYPE(errand_pool_opts);
    MEMBER(errand_pool_opts, workers);
    MEMBER(errand_pool_opts, queue);
    MEMBER(errand_pool_opts, name);
    MEMBER(errand_pool_opts, log);
    MEMBER(errand_pool_opts, clock);
    TYPE(errand_pool_stats);
    MEMBER(errand_pool_stats, queued);
    MEMBER(errand_pool_stats, running);
    MEMBER(errand_pool_stats, done);
    MEMBER(errand_pool_stats, failed);
    MEMBER(errand_pool_stats, cancelled);
    MEMBER(errand_pool_stats, abandoned);
    TYPE(errand_sem_opts);
    MEMBER(errand_sem_opts, permits);
    MEMBER(errand_sem_opts, name);
    TYPE(errand_sem_stats);
    MEMBER(errand_sem_stats, permits);
    MEMBER(errand_sem_stats, in_use);
    MEMBER(errand_sem_stats, waiting);
    TYPE(errand_rate_opts);
    MEMBER(errand_rate_opts, per_second);
    MEMBER(errand_rate_opts, burst);
    MEMBER(errand_rate_opts, name);
    TYPE(errand_policy_opts);
    MEMBER(errand_policy_opts, within_ms);
    MEMBER(errand_policy_opts, attempts);
    MEMBER(errand_policy_opts, first_ms);
    MEMBER(errand_policy_opts, most_ms);
    MEMBER(errand_policy_opts, factor);
    MEMBER(errand_policy_opts, jitter);
    MEMBER(errand_policy_opts, hint_most_ms);
    MEMBER(errand_policy_opts, repeat);
    MEMBER(errand_policy_opts, rate);
    MEMBER(errand_policy_opts, sem);
    MEMBER(errand_policy_opts, attempt_ms);
    MEMBER(errand_policy_opts, name);
    MEMBER(errand_policy_opts, log);
    MEMBER(errand_policy_opts, seed);
    TYPE(errand_log_opts);
    MEMBER(errand_log_opts, level);
    MEMBER(errand_log_opts, ring);
    MEMBER(errand_log_opts, name);
    TYPE(errand_log_stats);
    MEMBER(errand_log_stats, attempted);
    MEMBER(errand_log_stats, written);
    MEMBER(errand_log_stats, dropped);
    MEMBER(errand_log_stats, failed);
    TYPE(errand_log_site);
    MEMBER(errand_log_site, level);
    MEMBER(errand_log_site, line);
    MEMBER(errand_log_site, file);
    MEMBER(errand_log_site, function);
    TYPE(errand_kind);
    TYPE(errand_reason);
    TYPE(errand_jitter);
    TYPE(errand_repeat);
    TYPE(errand_log_level);
    return 0;
}
