/* curl_command.c -- the same request by other means.
 *
 * A secret is never a word of the command unless --show-secrets asks for that: "${NAME:?}" ends the
 * command with a message where NAME is not set, before anything is sent. What errand takes a token
 * from, a variable, a file or a command, curl gets it from, too.
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

/* Calls put for each piece of the url; secret: the value of a parameter called name. Userinfo,
 * which `shown` does not have, is left out. */
static void each_piece(
    const errand_jobs_line *line, FILE *to,
    void (*put)(FILE *to, const char *at, size_t size, const char *name, size_t name_size))
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
        put(to, from, (size_t)(shown - from), NULL, 0);
        put(to, at, (size_t)(end - at), name, (size_t)(shown - 1 - name));
        from = shown + 1;
        at = end - 1;
    }
    put(to, from, (size_t)(shown - from), NULL, 0);
}

static void put_piece(FILE *to, const char *at, size_t size, const char *name, size_t name_size)
{
    if (!name && size) {
        shell_quoted(to, at, size);
    } else if (name) {
        fputs("\"${", to);
        shell_variable_name(to, name, name_size);
        fputs(":?}\"", to);
    }
}

static void name_piece(FILE *to, const char *at, size_t size, const char *name, size_t name_size)
{
    (void)at, (void)size;
    if (!name) return;
    fputs("# set ", to);
    shell_variable_name(to, name, name_size);
    fprintf(to, " first: the parameter %.*s of the url\n", (int)name_size, name);
}

static bool has_userinfo(const char *url)
{
    const char *start = strstr(url, "://");
    return start && memchr(start + 3, '@', strcspn(start + 3, "/?#"));
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

static void put_secret(FILE *to, const errand_jobs_header *header, const run_options *o)
{
    char before[600];
    option_id source = source_of(header, o);
    if (source < OPTIONS) {
        put_source(to, source, o);
        return;
    }
    snprintf(before, sizeof before, "%.400s: %.*s", header->name, (int)scheme_of(header),
             header->value);
    next_line(to);
    fputs("-H ", to);
    shell_quoted(to, before, strlen(before));
    shell_variable(to, header->name);
}

static void put_header(FILE *to, const errand_jobs_header *header, const run_options *o)
{
    char name[600];
    if (is(header, "Accept-Encoding") || (is(header, "Transfer-Encoding"))) return;
    snprintf(name, sizeof name, *header->value ? "%.500s: " : "%.500s;", header->name);
    if (header->secret && !o->show_secrets) put_secret(to, header, o);
    else put_pair(to, "-H", name, header->value);
}

static const char *header_of(const errand_jobs_line *line, const char *name) /* NULL: none */
{
    for (const errand_jobs_header *header = line->headers; header->name; header++) {
        if (is(header, name)) return header->value;
    }
    return NULL;
}

static void put_headers(FILE *to, const errand_jobs_line *line, const run_options *o)
{
    if (header_of(line, "Accept-Encoding")) {
        next_line(to);
        fputs("--compressed", to);
    }
    for (const errand_jobs_header *header = line->headers; header->name; header++)
        put_header(to, header, o);
    if (o->auth.token_command && !header_of(line, "Authorization"))
        put_source(to, OPTION_TOKEN_COMMAND, o);
    if (!line->has_body) return;
    if (!header_of(line, "Content-Type")) put_option(to, "-H", "Content-Type:");
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
    const char *usual = line->has_body ? "POST" : "GET";
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
    if (!line->has_body) return;
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

static void put_proxy(FILE *to, const run_options *o)
{
    const char *sign = o->proxy ? strchr(o->proxy, '@') : NULL;
    if (sign && !o->show_secrets) {
        next_line(to);
        fputs("-x \"${PROXY:?}\"", to);
    } else if (o->proxy) {
        put_option(to, "-x", o->proxy);
    }
}

static void put_way(FILE *to, const errand_jobs_line *line, const run_options *o)
{
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
    put_proxy(to, o);
    int64_t total = line->request->total_ms ? line->request->total_ms : o->timeout_ms;
    put_seconds(to, "--max-time", total ? total : 300000);
    put_seconds(to, "--connect-timeout", o->connect_ms ? o->connect_ms : 30000);
}

/* ---- the whole ---- */

/* What has to be set before, a line each. */
static void put_comments(FILE *to, const errand_jobs_line *line, const run_options *o)
{
    fprintf(to, "# %s:%" PRIu64 "%s%s\n", line->file, line->number, line->id ? ", id " : "",
            line->id ? line->id : "");
    if (o->show_secrets) return;
    each_piece(line, to, name_piece);
    if (has_userinfo(line->url)) fputs("# set URL_USER first: USER:PASSWORD of the url\n", to);
    if (o->proxy && strchr(o->proxy, '@')) fputs("# set PROXY first: the url of --proxy\n", to);
    for (const errand_jobs_header *header = line->headers; header->name; header++) {
        option_id source = source_of(header, o);
        if (!header->secret || (source < OPTIONS && source != OPTION_USER)) continue;
        const char *name = source == OPTION_USER ? "ERRAND_PASSWORD" : header->name;
        fputs("# set ", to);
        shell_variable_name(to, name, strlen(name));
        if (source == OPTION_USER) fputs(" first: the password of --user\n", to);
        else
            fprintf(to, " first: the header %s%s\n", header->name,
                    scheme_of(header) ? ", without its first word" : "");
    }
}

void curl_command(FILE *to, const errand_jobs_line *line, const run_options *o)
{
    put_comments(to, line, o);
    if (is_piped(line)) {
        fputs("printf ", to);
        shell_printf(to, line->body.at, line->body.size);
        fputs(" | ", to);
    }
    fprintf(to, "curl -gsSL%s%s ", o->netrc ? " -n" : "", o->http2 ? " --http2" : "");
    if (o->show_secrets) shell_quoted(to, line->url, strcspn(line->url, "#"));
    else each_piece(line, to, put_piece);
    if (has_userinfo(line->url) && !o->show_secrets) {
        next_line(to);
        fputs("-u \"${URL_USER:?}\"", to);
    }
    put_method(to, line);
    put_headers(to, line, o);
    put_body(to, line);
    put_way(to, line, o);
    fputc('\n', to);
}
