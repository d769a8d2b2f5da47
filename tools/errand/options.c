/* options.c -- all options, from wherever they come, are read by their readers.
 *
 *     option_table --command_line (getopt_long), given (environment, files)--> a list of options
 *     list --readers: pace_, input_, output_, route_options, credentials, headers--> run_options
 *
 * A reader gets the name that its error message shows beside the value, so a value need not come
 * from the command line. */
#include "options.h"

#include "command_line.h"
#include "complain.h"
#include "credentials.h"
#include "given.h"
#include "headers.h"
#include "input_options.h"
#include "option_table.h"
#include "option_values.h"
#include "output_options.h"
#include "pace_options.h"
#include "plan_options.h"
#include "route_options.h"

#include <errand.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool read_base(run_options *o, const char *name, const char *text)
{
    size_t scheme = 0;
    if (!strncasecmp(text, "http://", 7)) scheme = 7;
    else if (!strncasecmp(text, "https://", 8)) scheme = 8;
    if (!scheme || !text[scheme] || strchr("/?#", text[scheme])) {
        return complain("%s: an absolute url is wanted, http://host/ or https://host/", name);
    }
    o->base_url = text;
    return true;
}

static bool read_netrc(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->netrc = true;
}

static bool read_http2(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->http2 = true;
}

static bool read_no_decompress(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->no_decompress = true;
}

static bool read_expand(run_options *o, const char *name, const char *text)
{
    (void)name, (void)text;
    return o->expand = true;
}

static bool read_max_body(run_options *o, const char *name, const char *text)
{
    static const char units[] = "kKmMgG";
    char *end;
    errno = 0;
    unsigned long long n = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    const char *unit = n && *end ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * ((unsigned)(unit - units) / 2 + 1) : 0;
    if (!n || errno || (*end && (!unit || end[1])) || n > (UINT64_C(1) << 50) >> shift)
        return complain("%s %s: a size above 0 is wanted, in bytes or with k, M or G: 500k, 64M",
                        name, text);
    o->max_body = (size_t)n << shift;
    return true;
}

/* text is NULL where the row has no value. --config (given.c), --help and --version
 * have no reader. */
static bool (*const readers[OPTIONS])(run_options *o, const char *name, const char *text) = {
    [OPTION_JOBS] = pace_jobs,
    [OPTION_RATE] = pace_rate,
    [OPTION_RETRIES] = pace_retries,
    [OPTION_TIMEOUT] = pace_timeout,
    [OPTION_CONNECT_TIMEOUT] = pace_connect_timeout,
    [OPTION_BASE_URL] = read_base,
    [OPTION_REQUEST] = input_method,
    [OPTION_FORMAT] = input_format,
    [OPTION_DELIMITER] = input_delimiter,
    [OPTION_TEMPLATE] = input_template,
    [OPTION_JSON] = input_json,
    [OPTION_PARAMS] = input_params,
    [OPTION_ID] = input_id,
    [OPTION_DEFAULTS] = input_defaults,
    [OPTION_SKIP] = input_skip,
    [OPTION_TAKE] = input_take,
    [OPTION_HEADER] = headers_read,
    [OPTION_EXPAND] = read_expand,
    [OPTION_BEARER_ENV] = credentials_bearer_env,
    [OPTION_BEARER_FILE] = credentials_bearer_file,
    [OPTION_TOKEN_COMMAND] = credentials_token_command,
    [OPTION_USER] = credentials_user,
    [OPTION_NETRC] = read_netrc,
    [OPTION_PROXY] = route_proxy,
    [OPTION_NOPROXY] = route_noproxy,
    [OPTION_CACERT] = route_cacert,
    [OPTION_CAPATH] = route_capath,
    [OPTION_CERT] = route_cert,
    [OPTION_KEY] = route_key,
    [OPTION_PINNED_PUBKEY] = route_pins,
    [OPTION_UNIX_SOCKET] = route_unix_socket,
    [OPTION_RESOLVE] = route_resolve,
    [OPTION_HTTP2] = read_http2,
    [OPTION_LIMIT_PER_HOST] = pace_limit_per_host,
    [OPTION_MAX_BODY] = read_max_body,
    [OPTION_NO_DECOMPRESS] = read_no_decompress,
    [OPTION_OUTPUT] = output_output,
    [OPTION_RETRY_FAILED] = output_retry_failed,
    [OPTION_RESUME] = output_resume,
    [OPTION_FRESH] = output_fresh,
    [OPTION_REPEAT_UNKNOWN] = output_repeat_unknown,
    [OPTION_SHOW] = plan_show,
    [OPTION_CURL] = plan_curl,
    [OPTION_SHOW_SECRETS] = plan_show_secrets,
    [OPTION_REPORT] = plan_form,
    [OPTION_RATE_TOTAL] = pace_rate_total,
    [OPTION_TOKENS] = pace_tokens,
    [OPTION_BUDGET_TOKENS] = pace_budget_tokens,
    [OPTION_TOKENS_ASKED] = pace_tokens_asked,
    [OPTION_TOKENS_USED] = pace_tokens_used,
    [OPTION_MAX_TIME] = pace_max_time,
    [OPTION_DEADLINE] = pace_deadline,
    [OPTION_RETRY_ON] = pace_retry_on,
    [OPTION_RETRY_MAX_TIME] = pace_retry_max_time,
    [OPTION_IDEMPOTENT] = pace_idempotent,
    [OPTION_IDEMPOTENCY_KEY] = pace_idempotency_key,
    [OPTION_HALT] = pace_halt,
    [OPTION_REFUSED_MAY_HAVE_RUN] = pace_refused_may_have_run,
    [OPTION_ORDERED] = output_ordered,
    [OPTION_OPENAI] = output_openai,
    [OPTION_HEADERS] = output_headers,
    [OPTION_BODY] = output_body,
    [OPTION_SELECT] = output_select,
    [OPTION_OUTPUT_DIR] = output_output_dir,
    [OPTION_NEXT] = output_next,
    [OPTION_MAX_PAGES] = output_max_pages,
    [OPTION_PROGRESS] = output_progress,
    [OPTION_LOG] = output_log,
    [OPTION_VERBOSE] = output_verbose,
    [OPTION_QUIET] = output_quiet,
};

/* ---- the whole ---- */

static bool read_files(run_options *o)
{
    for (const given_option *given = o->given->first; given; given = given->next) {
        if (given->id == OPTION_CONFIG && !given_file(o->given, given->text, given->name))
            return false;
    }
    return true;
}

/* The values of each place in turn, the one with the lowest rank first. */
static bool read_values(run_options *o)
{
    for (given_rank rank = 0; rank < GIVEN_RANKS; rank++) {
        for (const given_option *given = o->given->first; given; given = given->next) {
            if (given->rank != rank || given->off || !readers[given->id]) continue;
            if (!option_is_of(&option_rows[given->id], o->command_id)) continue;
            if (!given_counts(o->given, given)) continue;
            if (!readers[given->id](o, given->name, given->text)) return false;
        }
    }
    return true;
}

bool run_options_words(run_options *o, int argc, char **argv, int *status)
{
    *o = (run_options){
        .jobs = 16, .retries = 2, .halt_on.fatal = true, .format = ERRAND_JOBS_AUTO
    };
    *status = 2;
    complain_command = o->command = argv[0];
    o->command_id = command_named(argv[0]);
    o->given = calloc(1, sizeof *o->given);
    return o->given ? command_line_read(o, argc, argv, status) : complain("out of memory");
}

bool run_options_read(run_options *o, int argc, char **argv, int *status)
{
    if (!run_options_words(o, argc, argv, status)) return false;
    if (!given_environment(o->given) || !read_files(o) || !read_values(o)) return false;
    if (o->expand && !headers_expand(o)) return false;
    return plan_complete(o) && output_complete(o) && route_complete(o) && credentials_complete(o);
}

bool run_options_list(const char ***list, const char *text)
{
    size_t n = 0;
    while (*list && (*list)[n]) n++;
    const char **longer = realloc(*list, (n + 2) * sizeof *longer);
    if (!longer) return complain("out of memory");
    longer[n] = text;
    longer[n + 1] = NULL;
    *list = longer;
    return true;
}

bool run_options_keep(run_options *o, char *text)
{
    size_t n = 0;
    while (o->kept && o->kept[n]) n++;
    char **kept = realloc(o->kept, (n + 2) * sizeof *kept);
    if (!kept) {
        free(text);
        return complain("out of memory");
    }
    kept[n] = text;
    kept[n + 1] = NULL;
    o->kept = kept;
    return true;
}

void run_options_free(run_options *o)
{
    for (size_t i = 0; o->kept && o->kept[i]; i++) free(o->kept[i]);
    if (o->given) given_free(o->given);
    free(o->given);
    free(o->kept);
    free(o->headers);
    free(o->select);
    free(o->params);
    free(o->defaults);
    free(o->resolve);
    free(o->secrets);
    *o = (run_options){ 0 };
}
