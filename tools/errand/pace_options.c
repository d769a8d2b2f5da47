/* pace_options.c -- how many jobs at once, how fast, how often, how long, and when to stop. */
#include "pace_options.h"

#include "complain.h"
#include "nearest.h"
#include "option_values.h"
#include "text_file.h"

#include <errand/rate.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JOBS_MOST    10000
#define RETRIES_MOST 1000
#define BURST_MOST   1000000u
#define TOKENS_MOST  UINT64_C(1000000000000000)

static double seconds_of(const char *unit) /* 0: no unit of ours */
{
    if (!strcmp(unit, "/s")) return 1;
    if (!strcmp(unit, "/m")) return 60;
    return !strcmp(unit, "/h") ? 3600 : 0;
}

static bool read_burst(const char *name, const char *text, const char *burst, unsigned *value)
{
    char *end;
    size_t digits = strspn(burst, "0123456789");
    unsigned long n = digits && digits < 8 ? strtoul(burst, &end, 10) : 0;
    if (!n || burst[digits] || n > BURST_MOST) {
        return complain("%s %s: a burst from 1 to %u is wanted behind the comma", name, text,
                        BURST_MOST);
    }
    *value = (unsigned)n;
    return true;
}

static bool read_pace(pace *p, const char *name, const char *text)
{
    double value = 0;
    char unit[3] = "";
    const char *behind = value_decimals(text, &value);
    bool burst = behind && strlen(behind) > 3 && behind[2] == ',';
    if (behind && (burst || strlen(behind) == 2)) memcpy(unit, behind, 2);
    double seconds = seconds_of(unit);
    if (seconds == 0 || value / seconds < 1e-6 || value / seconds > 1e6) {
        return complain("%s %s: a number a second, minute or hour is wanted, maybe with a burst: "
                        "10/s, 600/m, 900/h,20",
                        name, text);
    }
    *p = (pace){ .per_second = value / seconds, .burst = 1 };
    return !burst || read_burst(name, text, behind + 3, &p->burst);
}

bool pace_rate(run_options *o, const char *name, const char *text)
{
    if (!strcmp(text, "auto")) {
        o->rate = (pace){ .per_second = ERRAND_AUTO_PACE };
        return true;
    }
    return read_pace(&o->rate, name, text);
}

bool pace_rate_total(run_options *o, const char *name, const char *text)
{
    return read_pace(&o->rate_total, name, text);
}

/* A number of tokens, maybe with k or M. NULL: there is none from 1 to TOKENS_MOST, else what
 * follows it. */
static const char *read_tokens(const char *text, double *value)
{
    const char *behind = value_decimals(text, value);
    if (behind && *behind == 'k') *value *= 1e3;
    if (behind && *behind == 'M') *value *= 1e6;
    if (behind && (*behind == 'k' || *behind == 'M')) behind++;
    return behind && *value >= 1 && *value <= (double)TOKENS_MOST ? behind : NULL;
}

/* The burst is what a tenth of a minute brings, so that the first minute has no more than a tenth
 * above the others. */
bool pace_tokens(run_options *o, const char *name, const char *text)
{
    double value = 0, burst = 0;
    char unit[3] = "";
    const char *behind = read_tokens(text, &value), *end = NULL;
    bool comma = behind && strlen(behind) > 3 && behind[2] == ',';
    if (behind && (comma || strlen(behind) == 2)) memcpy(unit, behind, 2);
    double seconds = seconds_of(unit);
    if (comma) end = read_tokens(behind + 3, &burst);
    if (seconds == 0 || value / seconds > 1e9 || (comma && (!end || *end || burst > UINT_MAX)))
        return complain("%s %s: tokens a minute, second or hour are wanted, maybe with a burst: "
                        "90000/m, 90k/m, 2M/h,10k",
                        name, text);
    if (!comma) burst = value / seconds * 6;
    if (burst > UINT_MAX) burst = UINT_MAX;
    o->tokens = (pace){ .per_second = value / seconds, .burst = burst < 1 ? 1 : (unsigned)burst };
    return true;
}

bool pace_budget_tokens(run_options *o, const char *name, const char *text)
{
    double value = 0;
    const char *behind = read_tokens(text, &value);
    if (!behind || *behind || value != (double)(uint64_t)value)
        return complain("%s %s: a whole number of tokens is wanted, maybe with k or M: 500000, 2M",
                        name, text);
    o->token_budget = (uint64_t)value;
    return true;
}

bool pace_tokens_asked(run_options *o, const char *name, const char *text)
{
    (void)name;
    o->tokens_asked = text;
    return true;
}

bool pace_tokens_used(run_options *o, const char *name, const char *text)
{
    (void)name;
    o->tokens_used = text;
    return true;
}

bool pace_jobs(run_options *o, const char *name, const char *text)
{
    return value_count(name, text, 1, JOBS_MOST, &o->jobs);
}

bool pace_retries(run_options *o, const char *name, const char *text)
{
    return value_count(name, text, 0, RETRIES_MOST, &o->retries);
}

bool pace_timeout(run_options *o, const char *name, const char *text)
{
    return value_time(name, text, &o->timeout_ms);
}

bool pace_connect_timeout(run_options *o, const char *name, const char *text)
{
    return value_time(name, text, &o->connect_ms);
}

bool pace_max_time(run_options *o, const char *name, const char *text)
{
    return value_time(name, text, &o->job_ms);
}

bool pace_retry_max_time(run_options *o, const char *name, const char *text)
{
    return value_time(name, text, &o->retry_ms);
}

bool pace_deadline(run_options *o, const char *name, const char *text)
{
    return value_time(name, text, &o->deadline_ms);
}

bool pace_retry_on(run_options *o, const char *name, const char *text)
{
    const char *bad, *near;
    int size;
    if (retry_on_read(&o->retry_on, text, &bad, &size, &near)) return true;
    if (near)
        return complain("%s %s: unknown word \"%.*s\": did you mean %s?", name, text, size, bad,
                        near);
    return complain("%s %s: \"%.*s\" is neither a kind of failure (network, timeout, http_client, "
                    "http_server, auth, rate_limited, protocol, resource, unknown) nor a status "
                    "from %d to %d",
                    name, text, size, bad, STATUS_LEAST, STATUS_MOST);
}

bool pace_halt(run_options *o, const char *name, const char *text)
{
    if (halt_on_read(&o->halt_on, text)) return true;
    return complain("%s %s: never, or now or soon with a reason is wanted: soon,fatal, now,fail=3, "
                    "soon,fail=10%%",
                    name, text);
}

bool pace_idempotent(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->idempotent = true;
}

bool pace_idempotency_key(run_options *o, const char *name, const char *text)
{
    if (strcmp(text, "auto") != 0) return complain("%s %s: auto is wanted", name, text);
    return o->idempotency_keys = true;
}

bool pace_refused_may_have_run(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->refused_may_have_run = true;
}

bool pace_limit_per_host(run_options *o, const char *name, const char *text)
{
    return value_count(name, text, 1, JOBS_MOST, &o->per_host);
}
