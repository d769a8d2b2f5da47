/* jobs/tokens.h -- how many tokens of a language model a request asks for, and a reply has used. */
#ifndef ER_TOKENS_H
#define ER_TOKENS_H

#include "jobs/job_parse.h"

#define ER_TOKENS_MOST UINT64_C(1000000000000) /* of one request; a larger number is none */

/* Where the usual services have them. */
#define ER_TOKENS_ASKED                                                                            \
    "/max_tokens,/max_completion_tokens,/max_output_tokens,/generationConfig/maxOutputTokens"
#define ER_TOKENS_USED                                                                             \
    "/usage/total_tokens,/usage/input_tokens+/usage/output_tokens,/usageMetadata/totalTokenCount"

typedef struct er_token_term {
    const char *pointer;
    bool adds; /* to the term before it */
} er_token_term;

typedef struct er_token_places { /* where a number is looked for in JSON */
    char *text;                  /* the pointers, a NUL behind each */
    er_token_term *terms;
    size_t n;
} er_token_places;

typedef struct er_tokens {
    er_token_places asked, used;
} er_tokens;

/* Lists "POINTER[+POINTER]...,..." of places, NULL: the usual ones. Of a list the first place
 * counts that has a whole number from 0 to ER_TOKENS_MOST; of a sum the terms that have one. 0,
 * ENOMEM, or EINVAL with *why. er_tokens_free() in any case. */
int er_tokens_init(er_tokens *tokens, const char *asked, const char *used, er_bytes *why);
void er_tokens_free(er_tokens *tokens);

/* *n: a token for 4 bytes of its body, and what it asks for; of a body_file the size alone, of no
 * body 0. Nothing is sent. 0 or ENOMEM. */
int er_tokens_estimate(const er_tokens *tokens, const er_line_job *job, uint64_t *n);

/* *n: what the reply says. 0, ENODATA (it does not say) or ENOMEM. */
int er_tokens_of_reply(const er_tokens *tokens, errand_bytes body, uint64_t *n);

#endif
