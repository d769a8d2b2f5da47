/* jobs/tokens.c -- numbers at JSON pointers, in a body that stays text.
 *
 *     "/a,/b+/c"  -->  terms: /a | /b, adds /c     the first place that has a number counts
 *
 * Four bytes a token is what English text and JSON have with the usual tokenizers, within a
 * factor of two; what is reserved by it is settled by the reply. Numbers that make no sense as a
 * count (-1, 0.5, 1e300, "many") are passed over, as if they were not there: the server decides
 * what they mean, or refuses them. Pointers with a comma or a plus sign in a key cannot be written
 * in a list; so a slash that was forgotten is an error, and not a key that is never there. */
#include "jobs/tokens.h"

#include "jobs/json_pointer.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#define BYTES_A_TOKEN 4

static int places_init(er_token_places *places, const char *name, const char *list, er_bytes *why)
{
    size_t n = 1;
    for (const char *c = list; *c; c++) n += *c == ',' || *c == '+';
    places->text = er_copy_text(list);
    places->terms = er_alloc_zero(n * sizeof *places->terms);
    if (!places->text || !places->terms) return ENOMEM;
    bool adds = false;
    for (char *at = places->text, *end; places->n < n; at = end + 1) {
        end = at + strcspn(at, ",+");
        bool plus = *end == '+';
        *end = '\0';
        if (*at != '/' || !er_json_pointer_valid(at)) {
            er_bytes_format(why, "%s \"%.200s\": \"%.200s\" is no JSON pointer", name, list, at);
            return why->error ? ENOMEM : EINVAL;
        }
        places->terms[places->n++] = (er_token_term){ .pointer = at, .adds = adds };
        adds = plus;
    }
    return 0;
}

static void places_free(er_token_places *places)
{
    er_free(places->text);
    er_free(places->terms);
    *places = (er_token_places){ 0 };
}

int er_tokens_init(er_tokens *tokens, const char *asked, const char *used, er_bytes *why)
{
    *tokens = (er_tokens){ 0 };
    int error = places_init(&tokens->asked, "tokens_asked", asked ? asked : ER_TOKENS_ASKED, why);
    if (error) return error;
    return places_init(&tokens->used, "tokens_used", used ? used : ER_TOKENS_USED, why);
}

void er_tokens_free(er_tokens *tokens)
{
    places_free(&tokens->asked);
    places_free(&tokens->used);
}

/* A number as JSON writes it. False: no whole number from 0 to ER_TOKENS_MOST. */
static bool read_count(er_span number, uint64_t *n)
{
    const char *at = number.at, *end = at + number.size;
    uint64_t value = 0;
    unsigned exponent = 0;
    if (*at < '0' || *at > '9') return false;
    for (; at < end && *at >= '0' && *at <= '9' && value <= ER_TOKENS_MOST; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (at < end && *at == '.') {
        for (at++; at < end && *at == '0';) at++;
    }
    if (at < end && (*at | 0x20) == 'e') {
        at += at[1] == '+' ? 2 : 1;
        for (; at < end && *at >= '0' && *at <= '9' && exponent < 100; at++)
            exponent = exponent * 10 + (unsigned)(*at - '0');
    }
    if (at < end) return false;
    for (; exponent && value && value <= ER_TOKENS_MOST; exponent--) value *= 10;
    *n = value;
    return value <= ER_TOKENS_MOST;
}

/* What one place says: 0, ENODATA or ENOMEM. The terms from *i on; *i is then behind them. */
static int read_place(const er_token_places *places, size_t *i, er_span text, uint64_t *n)
{
    int end = ENODATA;
    uint64_t sum = 0;
    do {
        er_span found;
        uint64_t term;
        if (er_json_pointer_find(text, places->terms[*i].pointer, &found)) return ENOMEM;
        if (!found.at || !read_count(found, &term)) continue;
        sum += term;
        end = 0;
    } while (++*i < places->n && places->terms[*i].adds);
    *n = sum < ER_TOKENS_MOST ? sum : ER_TOKENS_MOST;
    return end;
}

static int read_places(const er_token_places *places, er_span text, uint64_t *n)
{
    size_t where;
    const char *why;
    int error = ENODATA;
    if (!text.size || er_json_check(text, &where, &why)) return ENODATA;
    for (size_t i = 0; i < places->n && error == ENODATA;) error = read_place(places, &i, text, n);
    return error;
}

int er_tokens_estimate(const er_tokens *tokens, const er_line_job *job, uint64_t *n)
{
    const errand_request *r = &job->request;
    er_span body = { r->body.at, r->body.at ? r->body.size : 0 };
    uint64_t size = 0, asked = 0;
    if (r->json) {
        body.at = json_object_to_json_string(r->json);
        if (!body.at) return ENOMEM;
        body.size = strlen(body.at);
    }
    /* of a file that has gone meanwhile nothing is sent */
    if (r->body_file && er_file_length(r->body_file, &size)) size = 0;
    if (!r->body_file) size = body.size;
    int error = read_places(&tokens->asked, body, &asked);
    size = size / BYTES_A_TOKEN + (size % BYTES_A_TOKEN != 0);
    *n = (size < ER_TOKENS_MOST ? size : ER_TOKENS_MOST) + (error ? 0 : asked);
    if (*n > ER_TOKENS_MOST) *n = ER_TOKENS_MOST;
    return error == ENOMEM ? ENOMEM : 0;
}

int er_tokens_of_reply(const er_tokens *tokens, errand_bytes body, uint64_t *n)
{
    return read_places(&tokens->used, (er_span){ body.at, body.at ? body.size : 0 }, n);
}
