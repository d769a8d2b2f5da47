/* http/decoder.c -- a row of stages, one for each coding, the last one applied first; output is
 * pulled through them.
 *
 *   raw bytes --> stage 0 --16 KiB--> stage 1 --16 KiB--> ... --> to     one stage: no buffer
 *
 * A stage takes all that it is given unless `to` is full, so time is proportional to input and
 * output, and memory to the number of stages, however much a byte unpacks to. libcurl's own
 * decoders, which this replaces, do not check whether a stream had ended, decode only the first
 * gzip member, and hold all that one read unpacks to.
 *
 * `whole` follows from the format: gzip after CRC and length of a member (RFC 1952), zlib after its
 * checksum (RFC 1950), deflate and brotli after the last block, zstd after a frame (RFC 8878). gzip
 * members and zstd frames may follow one another, and NULs a gzip member, as in gzip(1); anything
 * else behind the end is an error. "deflate" should be zlib's, but may come bare (RFC 9110,
 * 8.4.1.2): its first two bytes decide, as bare streams in practice never begin like a zlib header;
 * up to four bytes may follow it, which some senders add as a checksum. zstd's window is at most
 * 8 MiB (RFC 9659), brotli's 16 MiB. */
#include "http/decoder.h"

#include "http/sanitize.h"

#include <errand/result.h>

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>
#ifdef WITH_BROTLI
#include <brotli/decode.h>
#endif
#ifdef WITH_ZSTD
#include <zstd.h>
#include <zstd_errors.h>
#endif

enum { BAD = ERRAND_CURL + CURLE_BAD_CONTENT_ENCODING, CUT = ERRAND_CURL + CURLE_PARTIAL_FILE };
#define ROOM         ((size_t)16 << 10)
#define ZSTD_WINDOW  23 /* 2 to the power of it */
#define BARE_TRAILER 4

typedef struct span {
    const char *at;
    size_t size;
} span;

typedef struct stage {
    const struct kind *kind;
    span in;
    bool began, open, whole; /* a byte has come; its library has been set up; it could end here */
    bool full;               /* of zstd: the last call has left something for the next */
    union {
        struct {
            z_stream z;
            unsigned char head[2]; /* of deflate: to find out whether it is bare */
            unsigned n_head, trailer;
            bool bare;
        } zip;
        void *state; /* of the others */
    };
    char *buffer; /* what it has made for the next one; NULL: it is the last */
} stage;

struct er_decoder {
    unsigned n;
    stage stages[];
};

typedef struct kind {
    const char *name, *alias;
    int (*open)(stage *s);
    int (*run)(stage *s, char *to, size_t room, size_t *made); /* of s->in; *made 0: all is taken */
    void (*close)(stage *s);
} kind;

/* ---- zlib ---- */

static void take(span *in, size_t size)
{
    in->at += size;
    in->size -= size;
}

static int inflate_some(stage *s, span *in, char *to, size_t room, size_t *made)
{
    z_stream *z = &s->zip.z;
    uInt given = in->size > UINT_MAX ? UINT_MAX : (uInt)in->size,
         space = room > UINT_MAX ? UINT_MAX : (uInt)room;
    z->next_in = (z_const Bytef *)(uintptr_t)in->at;
    z->avail_in = given;
    z->next_out = (Bytef *)to;
    z->avail_out = space;
    int said = inflate(z, Z_NO_FLUSH);
    take(in, given - z->avail_in);
    *made = space - z->avail_out;
    s->whole = said == Z_STREAM_END;
    if (said == Z_MEM_ERROR) return ENOMEM;
    return said == Z_OK || said == Z_STREAM_END || said == Z_BUF_ERROR ? 0 : BAD;
}

static int open_window(stage *s, int bits)
{
    if (inflateInit2(&s->zip.z, bits) != Z_OK) return ENOMEM;
    s->open = true;
    return 0;
}

static int open_gzip(stage *s) { return open_window(s, 16 + MAX_WBITS); }

static int run_gzip(stage *s, char *to, size_t room, size_t *made)
{
    *made = 0;
    for (;;) {
        while (s->whole && s->in.size && !*s->in.at) take(&s->in, 1);
        if (s->whole && (!s->in.size || inflateReset(&s->zip.z) != Z_OK)) return 0;
        int error = inflate_some(s, &s->in, to, room, made);
        /* an empty member has made nothing, and is not the end */
        if (error || *made || !s->whole) return error;
    }
}

static int open_deflate(stage *s)
{
    s->zip.trailer = BARE_TRAILER;
    return 0; /* run_deflate opens it, when the first two bytes have come */
}

static int run_deflate(stage *s, char *to, size_t room, size_t *made)
{
    unsigned char *head = s->zip.head;
    *made = 0;
    if (!s->open) {
        while (s->zip.n_head < 2 && s->in.size) {
            head[s->zip.n_head++] = (unsigned char)*s->in.at;
            take(&s->in, 1);
        }
        if (s->zip.n_head < 2) return 0;
        s->zip.bare = (head[0] & 0x8f) != Z_DEFLATED || (head[0] << 8 | head[1]) % 31 != 0;
        int error = open_window(s, s->zip.bare ? -MAX_WBITS : MAX_WBITS);
        span first = { (const char *)head, 2 };
        if (!error) error = inflate_some(s, &first, to, room, made);
        if (error || *made) return error;
    }
    if (s->whole) {
        size_t more = s->zip.bare && s->in.size <= s->zip.trailer ? s->in.size : 0;
        s->zip.trailer -= (unsigned)more;
        take(&s->in, more);
        return s->in.size ? BAD : 0;
    }
    int error = inflate_some(s, &s->in, to, room, made);
    if (!error && !*made && s->whole && s->in.size) return run_deflate(s, to, room, made);
    return error;
}

static void close_zip(stage *s) { inflateEnd(&s->zip.z); }

/* ---- brotli ---- */

#ifdef WITH_BROTLI
static int open_brotli(stage *s)
{
    s->state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    s->open = s->state != NULL;
    return s->open ? 0 : ENOMEM;
}

static int run_brotli(stage *s, char *to, size_t room, size_t *made)
{
    const uint8_t *at = (const uint8_t *)s->in.at;
    uint8_t *out = (uint8_t *)to;
    size_t given = s->in.size, left = s->in.size, space = room;
    *made = 0;
    if (s->whole) return s->in.size ? BAD : 0;
    BrotliDecoderResult said =
        BrotliDecoderDecompressStream(s->state, &left, &at, &space, &out, NULL);
    take(&s->in, given - left);
    *made = room - space;
    s->whole = said == BROTLI_DECODER_RESULT_SUCCESS;
    if (said == BROTLI_DECODER_RESULT_ERROR) {
        BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(s->state);
        return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                       code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES
                   ? ENOMEM
                   : BAD;
    }
    return s->whole && s->in.size && !*made ? BAD : 0;
}

static void close_brotli(stage *s) { BrotliDecoderDestroyInstance(s->state); }
#endif

/* ---- zstd ---- */

#ifdef WITH_ZSTD
static int open_zstd(stage *s)
{
    s->state = ZSTD_createDStream();
    s->open = s->state != NULL;
    return s->open &&
                   !ZSTD_isError(ZSTD_DCtx_setParameter(s->state, ZSTD_d_windowLogMax, ZSTD_WINDOW))
               ? 0
               : ENOMEM;
}

static int run_zstd(stage *s, char *to, size_t room, size_t *made)
{
    ZSTD_inBuffer in = { s->in.at, s->in.size, 0 };
    ZSTD_outBuffer out = { to, room, 0 };
    size_t said = 0;
    while (!out.pos && (in.pos < in.size || s->full)) {
        /* empty frames make nothing; calls for nothing are an error */
        said = ZSTD_decompressStream(s->state, &out, &in);
        if (ZSTD_isError(said)) break;
        s->whole = !said;
        s->full = said && out.pos == out.size;
    }
    take(&s->in, in.pos);
    *made = out.pos;
    if (!ZSTD_isError(said)) return 0;
    return ZSTD_getErrorCode(said) == ZSTD_error_memory_allocation ? ENOMEM : BAD;
}

static void close_zstd(stage *s) { ZSTD_freeDStream(s->state); }
#endif

/* ---- which there are ---- */

static const kind kinds[] = {
    { "gzip", "x-gzip", open_gzip, run_gzip, close_zip },
    { "deflate", NULL, open_deflate, run_deflate, close_zip },
#ifdef WITH_BROTLI
    { "br", NULL, open_brotli, run_brotli, close_brotli },
#endif
#ifdef WITH_ZSTD
    { "zstd", NULL, open_zstd, run_zstd, close_zstd },
#endif
};

const char *er_codings_known(void)
{
    return "gzip, deflate"
#ifdef WITH_BROTLI
           ", br"
#endif
#ifdef WITH_ZSTD
           ", zstd"
#endif
        ;
}

static bool is(const char *name, const char *word, size_t size)
{
    return name && strlen(name) == size && er_alike(name, word, size);
}

void er_codings_add(er_codings *codings, const char *value)
{
    for (size_t size; *value; value += size) {
        value += strspn(value, ", \t");
        size = strcspn(value, ", \t");
        if (!size || is("identity", value, size) || is("none", value, size)) continue;
        uint8_t i = 0;
        while (i < sizeof kinds / sizeof *kinds && !is(kinds[i].name, value, size) &&
               !is(kinds[i].alias, value, size))
            i++;
        if (i == sizeof kinds / sizeof *kinds || codings->n == ER_CODINGS_MOST)
            codings->unknown = true;
        else codings->of[codings->n++] = i;
    }
}

/* ---- the row ---- */

er_decoder *er_decoder_new(const er_codings *codings)
{
    er_decoder *decoder = er_alloc_zero(sizeof *decoder + codings->n * sizeof *decoder->stages);
    if (!decoder) return NULL;
    decoder->n = codings->n;
    for (unsigned i = 0; i < decoder->n; i++) {
        stage *s = &decoder->stages[i];
        s->kind = &kinds[codings->of[codings->n - 1 - i]];
        bool last = i + 1 == decoder->n;
        if (s->kind->open(s) || (!last && !(s->buffer = er_alloc(ROOM)))) {
            er_decoder_free(decoder);
            return NULL;
        }
    }
    return decoder;
}

void er_decoder_free(er_decoder *decoder)
{
    for (unsigned i = 0; decoder && i < decoder->n; i++) {
        stage *s = &decoder->stages[i];
        if (s->open) s->kind->close(s);
        er_free(s->buffer);
    }
    er_free(decoder);
}

static int pull(er_decoder *decoder, unsigned i, char *to, size_t room, size_t *made)
{
    stage *s = &decoder->stages[i];
    for (;;) {
        s->began |= s->in.size > 0;
        int error = s->began ? s->kind->run(s, to, room, made) : 0;
        if (error || *made || !i) return error;
        size_t got = 0;
        error = pull(decoder, i - 1, decoder->stages[i - 1].buffer, ROOM, &got);
        if (error || !got) return error;
        s->in = (span){ decoder->stages[i - 1].buffer, got };
    }
}

int er_decode(er_decoder *decoder, const char **at, size_t *size, char *to, size_t room,
              size_t *made)
{
    *made = 0;
    decoder->stages[0].in = (span){ *at, *size };
    int error = pull(decoder, decoder->n - 1, to, room, made);
    *at = decoder->stages[0].in.at;
    *size = decoder->stages[0].in.size;
    return error;
}

int er_decoder_end(const er_decoder *decoder)
{
    for (unsigned i = 0; i < decoder->n; i++) {
        if (decoder->stages[i].began && !decoder->stages[i].whole) return CUT;
    }
    return 0;
}

int er_decode_all(const er_codings *codings, const char *at, size_t size, size_t most,
                  er_bytes *out)
{
    er_decoder *decoder = er_decoder_new(codings);
    size_t made = 1;
    int error = decoder ? 0 : ENOMEM;
    while (!error && made && out->size < most) {
        size_t room = most - out->size < ROOM ? most - out->size : ROOM;
        error = er_bytes_reserve(out, room);
        if (!error) error = er_decode(decoder, &at, &size, out->at + out->size, room, &made);
        if (error) break;
        out->size += made;
        out->at[out->size] = '\0';
    }
    if (!error && !made) error = er_decoder_end(decoder);
    er_decoder_free(decoder);
    return error;
}

const char *er_decoder_fault(int error)
{
    if (error == BAD) return "the compressed body is damaged, or followed by something else";
    return error == CUT ? "the compressed body breaks off" : NULL;
}
