/* curl_command.c -- the same request by other means.
 *
 * A secret is never a word of the command unless --show-secrets asks for that: "${SECRET_NAME:?}"
 * ends the command with a message where that is not set, before anything is sent. What errand takes
 * a token from, a variable, a file or a command, curl gets it from, too.
 *
 * curl repeats the method of -X behind a redirect, so -X stands there only where curl would choose
 * another one; -g keeps it from reading brackets in urls as ranges. A body with a NUL byte, or one
 * that is too long for an argument, is printed into its standard input. */
#include "curl_command.h"

#include "given.h"
#include "shell_word.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define ARGUMENT_MOST 100000  /* bytes; Linux takes 128 KiB */
#define EXPECT_FROM   1000000 /* bytes of a body from which curl asks before it sends */

static void next_line(FILE *to) { fputs(" \\\n  ", to); }

static void put_option(FILE *to, const char *name, const char *value)
{
    next_line(to);
    fprintf(to, "%s ", name);
    shell_word(to, value);
}

static void put_pair(FILE *to, const char *option, const char *name, const char *value)
{
    next_line(to);
    fprintf(to, "%s ", option);
    shell_pair(to, name, value);
}

/* ---- the url ---- */

/* What `shown` has as "*": up to the end of that value in url. */
static const char *value_end(const char *value) { return value + strcspn(value, "&#<>\" \t"); }

/* Where a command goes, and how its secrets are called. */
typedef struct target {
    FILE *to;
    secret_names *names;
} target;

typedef void put_piece_fn(const target *t, const secret *piece);

static void put_variable(const target *t, const secret *s)
{
    fputs("\"${", t->to);
    secret_names_put(t->names, t->to, s);
    fputs(":?}\"", t->to);
}

static secret userinfo_of(const char *url) /* name NULL: there is none */
{
    const char *start = strstr(url, "://"), *sign = NULL;
    if (start) sign = memrchr(start + 3, '@', strcspn(start + 3, "/?#"));
    if (!sign) return (secret){ .name = NULL };
    return (secret){ "url_user", 8, start + 3, (size_t)(sign - start) - 3 };
}

/* Calls put for each piece of the url; one with a name is the value of that parameter. Userinfo,
 * which `shown` does not have, is left out. */
static void each_piece(const errand_jobs_line *line, const target *t, put_piece_fn *put)
{
    const char *url = line->url, *shown = line->url_shown, *from = shown, *name = shown;
    const char *start = strstr(url, "://"), *sign = NULL;
    if (start) sign = memrchr(start, '@', strcspn(start + 3, "/?#") + 3);
    const char *at = url;
    for (; *shown; shown++, at++) {
        if (sign && at == start + 3) at = sign + 1;
        if (*shown == '?' || *shown == '&') name = shown + 1;
        if (*shown != '*' || shown == from || shown[-1] != '=') continue;
        const char *end = value_end(at);
        if (end == at + 1 && *at == '*') continue; /* it is one */
        put(t, &(secret){ NULL, 0, from, (size_t)(shown - from) });
        put(t, &(secret){ name, (size_t)(shown - 1 - name), at, (size_t)(end - at) });
        from = shown + 1;
        at = end - 1;
    }
    put(t, &(secret){ NULL, 0, from, (size_t)(shown - from) });
}

static void put_piece(const target *t, const secret *piece)
{
    if (piece->name) put_variable(t, piece);
    else if (piece->value_size) shell_quoted(t->to, piece->value, piece->value_size);
}

static void name_piece(const target *t, const secret *piece)
{
    if (!piece->name) return;
    fputs("# set ", t->to);
    secret_names_put(t->names, t->to, piece);
    fprintf(t->to, " first: the parameter %.*s of the url\n", (int)piece->name_size, piece->name);
}

/* ---- headers ---- */

static bool is(const errand_jobs_header *header, const char *name)
{
    return !strcasecmp(header->name, name);
}

/* The option of errand that has made this header; OPTIONS: none. */
static option_id source_of(const errand_jobs_header *header, const run_options *o)
{
    const credentials *auth = &o->auth;
    if (!is(header, "Authorization")) return OPTIONS;
    bool bearer = auth->bearer && !strncmp(header->value, "Bearer ", 7) &&
                  !strcmp(header->value + 7, auth->bearer),
         user = auth->user && !strncmp(header->value, "Basic ", 6);
    return bearer || user ? auth->option : OPTIONS;
}

/* The token, or the user, from where errand has it. */
static void put_source(FILE *to, option_id source, const run_options *o)
{
    const char *text = given_text(o->given, source);
    next_line(to);
    if (source == OPTION_USER) {
        fputs("-u ", to);
        shell_quoted(to, o->auth.user, strlen(o->auth.user));
        fputs(":\"${ERRAND_PASSWORD:?}\"", to);
        return;
    }
    fputs("-H 'Authorization: Bearer '\"", to);
    if (source == OPTION_BEARER_ENV) {
        fprintf(to, "${%s:?}", text ? text : "");
    } else if (text) {
        fputs(source == OPTION_BEARER_FILE ? "$(cat " : "$(sh -c ", to);
        shell_quoted(to, text, strlen(text));
        fputs(source == OPTION_BEARER_FILE ? ")" : " | head -n 1)", to);
    }
    fputc('"', to);
}

/* "Bearer " of "Bearer TOKEN" is no secret. */
static size_t scheme_of(const errand_jobs_header *header)
{
    bool bearer = is(header, "Authorization") && !strncasecmp(header->value, "Bearer ", 7),
         basic = is(header, "Authorization") && !strncasecmp(header->value, "Basic ", 6);
    if (bearer) return 7;
    return basic ? 6 : 0;
}

static secret secret_of(const errand_jobs_header *header)
{
    const char *value = header->value + scheme_of(header);
    return (secret){ header->name, strlen(header->name), value, strlen(value) };
}

static void put_secret(const target *t, const errand_jobs_header *header, const run_options *o)
{
    char before[600];
    secret s = secret_of(header);
    option_id source = source_of(header, o);
    if (source < OPTIONS) {
        put_source(t->to, source, o);
        return;
    }
    snprintf(before, sizeof before, "%.400s: %.*s", header->name, (int)scheme_of(header),
             header->value);
    next_line(t->to);
    fputs("-H ", t->to);
    shell_quoted(t->to, before, strlen(before));
    put_variable(t, &s);
}

static void put_header(const target *t, const errand_jobs_header *header, const run_options *o)
{
    char name[600];
    if (is(header, "Accept-Encoding") || (is(header, "Transfer-Encoding"))) return;
    snprintf(name, sizeof name, *header->value ? "%.500s: " : "%.500s;", header->name);
    if (header->secret && !o->show_secrets) put_secret(t, header, o);
    else put_pair(t->to, "-H", name, header->value);
}

static bool has(const errand_jobs_line *line, const char *name)
{
    const errand_jobs_header *header = line->headers;
    while (header->name && !is(header, name)) header++;
    return header->name;
}

/* errand sends POST, PUT and PATCH with a length, if only 0, and curl with a body alone. */
static bool sends_body(const errand_jobs_line *line)
{
    return line->has_body || !strcmp(line->method, "POST") || !strcmp(line->method, "PUT") ||
           !strcmp(line->method, "PATCH");
}

static void put_headers(const target *t, const errand_jobs_line *line, const run_options *o)
{
    FILE *to = t->to;
    if (has(line, "Accept-Encoding")) {
        next_line(to);
        fputs("--compressed", to);
    }
    for (const errand_jobs_header *header = line->headers; header->name; header++)
        put_header(t, header, o);
    if (o->auth.token_command && !has(line, "Authorization"))
        put_source(to, OPTION_TOKEN_COMMAND, o);
    if (!sends_body(line)) return;
    if (!has(line, "Content-Type")) put_option(to, "-H", "Content-Type:");
    if (line->body_size > EXPECT_FROM) put_option(to, "-H", "Expect:");
}

/* ---- method and body ---- */

static bool is_piped(const errand_jobs_line *line)
{
    return line->has_body && !line->body_file &&
           (line->body.size > ARGUMENT_MOST || memchr(line->body.at, 0, line->body.size));
}

static void put_method(FILE *to, const errand_jobs_line *line)
{
    const char *usual = sends_body(line) ? "POST" : "GET";
    if (!strcmp(line->method, usual)) return;
    if (!strcmp(line->method, "HEAD")) {
        next_line(to);
        fputs("--head", to);
    } else {
        put_option(to, "-X", line->method);
    }
}

static void put_body(FILE *to, const errand_jobs_line *line)
{
    if (!sends_body(line)) return;
    if (line->body_file) {
        put_pair(to, "--data-binary", strcmp(line->body_file, "-") ? "@" : "@./", line->body_file);
    } else if (is_piped(line)) {
        put_option(to, "--data-binary", "@-");
    } else {
        next_line(to);
        fputs("--data-raw ", to);
        shell_quoted(to, line->body.at ? line->body.at : "", line->body.size);
    }
}

/* ---- the way there ---- */

static void put_seconds(FILE *to, const char *option, int64_t ms)
{
    next_line(to);
    fprintf(to, "%s %" PRId64, option, ms / 1000);
    if (ms % 1000) fprintf(to, ".%03d", (int)(ms % 1000));
}

static secret proxy_of(const run_options *o) /* name NULL: it is no secret */
{
    if (!o->proxy || !strchr(o->proxy, '@')) return (secret){ .name = NULL };
    return (secret){ "proxy", 5, o->proxy, strlen(o->proxy) };
}

static void put_proxy(const target *t, const run_options *o)
{
    const secret proxy = proxy_of(o);
    if (proxy.name && !o->show_secrets) {
        next_line(t->to);
        fputs("-x ", t->to);
        put_variable(t, &proxy);
    } else if (o->proxy) {
        put_option(t->to, "-x", o->proxy);
    }
}

static void put_way(const target *t, const errand_jobs_line *line, const run_options *o)
{
    FILE *to = t->to;
    const struct {
        const char *option, *value;
    } words[] = { { "--noproxy", o->no_proxy },  { "--unix-socket", o->unix_socket },
                  { "--cacert", o->ca_file },    { "--capath", o->ca_path },
                  { "--cert", o->cert },         { "--key", o->key },
                  { "--pinnedpubkey", o->pins }, { "-o", line->request->save_to } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (words[i].value) put_option(to, words[i].option, words[i].value);
    }
    for (const char **rule = o->resolve; rule && *rule; rule++) put_option(to, "--resolve", *rule);
    put_proxy(t, o);
    int64_t total = line->request->total_ms ? line->request->total_ms : o->timeout_ms;
    put_seconds(to, "--max-time", total ? total : 300000);
    put_seconds(to, "--connect-timeout", o->connect_ms ? o->connect_ms : 30000);
}

/* ---- the whole ---- */

/* What has to be set before, a line each. */
static void put_comments(const target *t, const errand_jobs_line *line, const run_options *o)
{
    FILE *to = t->to;
    const secret user = userinfo_of(line->url), proxy = proxy_of(o);
    fprintf(to, "# %s:%" PRIu64 "%s%s\n", line->file, line->number, line->id ? ", id " : "",
            line->id ? line->id : "");
    if (o->show_secrets) return;
    each_piece(line, t, name_piece);
    if (user.name) {
        fputs("# set ", to);
        secret_names_put(t->names, to, &user);
        fputs(" first: USER:PASSWORD of the url\n", to);
    }
    if (proxy.name) {
        fputs("# set ", to);
        secret_names_put(t->names, to, &proxy);
        fputs(" first: the url of --proxy\n", to);
    }
    for (const errand_jobs_header *header = line->headers; header->name; header++) {
        option_id source = source_of(header, o);
        if (!header->secret || (source < OPTIONS && source != OPTION_USER)) continue;
        if (source == OPTION_USER) {
            fputs("# set ERRAND_PASSWORD first: the password of --user\n", to);
            continue;
        }
        secret s = secret_of(header);
        fputs("# set ", to);
        secret_names_put(t->names, to, &s);
        fprintf(to, " first: the header %s%s\n", header->name,
                scheme_of(header) ? ", without its first word" : "");
    }
}

void curl_command(FILE *to, const errand_jobs_line *line, const run_options *o, secret_names *names)
{
    const target t = { to, names };
    const secret user = userinfo_of(line->url);
    put_comments(&t, line, o);
    if (is_piped(line)) {
        fputs("printf ", to);
        shell_printf(to, line->body.at, line->body.size);
        fputs(" | ", to);
    }
    fprintf(to, "curl -gsSL%s%s ", o->netrc ? " -n" : "", o->http2 ? " --http2" : "");
    if (o->show_secrets) shell_quoted(to, line->url, strcspn(line->url, "#"));
    else each_piece(line, &t, put_piece);
    if (user.name && !o->show_secrets) {
        next_line(to);
        fputs("-u ", to);
        put_variable(&t, &user);
    }
    put_method(to, line);
    put_headers(&t, line, o);
    put_body(to, line);
    put_way(&t, line, o);
    fputc('\n', to);
}
