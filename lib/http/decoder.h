/* http/decoder.h -- decodes a body's content codings (RFC 9110, 8.4) as it comes: gzip, deflate,
 * and br and zstd where built in. */
#ifndef ER_DECODER_H
#define ER_DECODER_H

#include "base/bytes.h"

enum { ER_CODINGS_MOST = 5 };

typedef struct er_codings { /* in the order in which they were applied; zeroed: none */
    uint8_t n;
    bool unknown; /* one of them is not supported, or there are more than ER_CODINGS_MOST */
    uint8_t of[ER_CODINGS_MOST];
} er_codings;

/* Adds those that a Content-Encoding names; called for each such header in order. */
void er_codings_add(er_codings *codings, const char *value);

const char *er_codings_known(void); /* "gzip, deflate, br, zstd": for Accept-Encoding */

typedef struct er_decoder er_decoder;

er_decoder *er_decoder_new(const er_codings *codings); /* NULL: no memory */
void er_decoder_free(er_decoder *decoder);             /* NULL is harmless */

/* Takes from the *size bytes at *at, which it advances, and puts at most `room` bytes at `to`;
 * *made is how many; 0 of them: all was taken, and decodes to nothing more. Returns 0; ERRAND_CURL
 * + 61: the bytes are not of this coding, or something follows its end; ENOMEM. */
int er_decode(er_decoder *decoder, const char **at, size_t *size, char *to, size_t room,
              size_t *made);

/* 0 if what was taken is a whole body, or nothing; else ERRAND_CURL + 18. */
int er_decoder_end(const er_decoder *decoder);

/* Decodes until `out` has `most` bytes, or as far as it goes. 0, or as above. */
int er_decode_all(const er_codings *codings, const char *at, size_t size, size_t most,
                  er_bytes *out);

const char *er_decoder_fault(int error); /* the message of such an error; NULL: it is another */

#endif
