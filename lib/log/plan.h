/* log/plan.h -- a call site's format, parsed once: which raw arguments are copied, and how
 * they are printed later. */
#ifndef ER_PLAN_H
#define ER_PLAN_H

#include "base/os.h"

#include <errand/log.h>

enum { ER_PLAN_ARGS = 24, ER_PLAN_FIELDS = 16 };

typedef enum er_arg { /* each takes 8 bytes; a text is followed by its bytes, rounded up to 8 */
                      ER_ARG_INT,
                      ER_ARG_LONG, /* 64 bits */
                      ER_ARG_POINTER,
                      ER_ARG_DOUBLE,
                      ER_ARG_TEXT,
                      ER_ARG_TEXT_MOST, /* up to the precision that the format says   */
                      ER_ARG_TEXT_STAR, /* up to the precision that came just before  */
                      ER_ARG_ERRNO,
                      ER_ARG_RESULT /* its row, as a text: see result_row.c */
} er_arg;

enum {
    ER_LEFT = 1,
    ER_SIGN = 2,
    ER_BLANK = 4,
    ER_OTHER = 8,
    ER_ZEROS = 16,
    ER_STAR_WIDTH = 32,
    ER_STAR_PRECISION = 64
};
enum { ER_KEY = 1, ER_RESULT = 2 }; /* er_part.what that is no conversion's letter */

typedef enum er_value_kind {
    ER_VALUE_TEXT,
    ER_VALUE_NUMBER, /* also in JSON, if it looks like one */
    ER_VALUE_RESULT  /* a row */
} er_value_kind;

typedef struct er_part {
    /* a conversion, or the beginning of a field, and the plain text behind it */
    /* d u o x X c s p m f F e E g G; ER_KEY; ER_RESULT; 0: nothing but text */
    uint8_t what;
    uint8_t flags, length; /* length: bytes of an integer                                        */
    /* neither flags nor width nor precision */
    bool plain;
    /* of ER_KEY: er_value_kind */
    uint8_t kind;
    /* -1: none */
    int width, precision;
    /* the text, in er_plan.text */
    uint32_t at, size;
    /* of ER_KEY: the first bytes of the text */
    uint32_t key_size;
} er_part;

typedef struct er_plan {
    /* the format as it was given; another one at this site is formatted on the spot */
    const char *given;
    int level, line;
    const char *file, *function; /* copied, never NULL */
    /* false: text is a format for vsnprintf, with a mark for each part, and these are ER_KEYs */
    bool known;
    bool clean; /* the plain text has no control characters */
    uint8_t args, texts;
    uint8_t arg[ER_PLAN_ARGS];
    int most[ER_PLAN_ARGS]; /* of ER_ARG_TEXT_MOST */
    uint32_t fixed;         /* bytes of all arguments without their texts' */
    uint32_t parts;
    uint32_t keys; /* of an unknown one: bytes of all keys */
    const er_part *part;
    const char *text; /* ER_TEXT_PAD bytes can be read from anywhere in it */
} er_plan;

/* Memory that is never given back but by er_free; NULL: none. site may be NULL. Levels out of
 * range are put in range. */
er_plan *er_plan_new(const errand_log_site *site, const char *format);
bool er_plan_has_fields(const char *format);
/* An unknown plan, as if none could be known, in memory of the caller's, aligned to 8.
 * NULL: that is too small. */
size_t er_plan_size(const errand_log_site *site, const char *format); /* bytes that are enough */
er_plan *er_plan_unknown(void *memory, size_t size, const errand_log_site *site,
                         const char *format);

/* What an unknown plan's text has in place of each "\x1fkey=", and of a result: its address, padded
 * to this width. See spot.c. */
#define ER_SPOT_RESULT "%120p"
#define ER_SPOT_ROW    ((size_t)120)
#define ER_SPOT_MARK   ((size_t)17)
extern char er_spot_mark[ER_SPOT_MARK] __attribute__((visibility("hidden")));

int er_plan_level(errand_log_level level);

#endif
