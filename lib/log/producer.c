/* log/producer.c -- a line's way into the thread's ring, or into the count of the lost.
 *
 * Most calls: the thread's last voice is of this log, the site has its plan, and there is room
 * in one piece: then arguments are copied, `put` moves, and hub->sleep says whether the backend
 * must be woken. No lock, no locked instruction.
 *
 * All else goes the long way: making the plan or the voice; formatting on the spot what the plan
 * does not know; measuring, cutting, waiting for room. A lost line closes the ring's open
 * stretch, so that the next call comes here and first puts the counts of lost lines.
 *
 * Full ring. Below the log's block_from: lost. Else the writer waits, parked on its voice, and
 * tries again whenever the backend has given room back. No call waits without a backend, or when
 * the log closes; if there is still no room then, its line is lost. The library's own lines never
 * wait (producer.h), nor do lines that a callback logs on a log's thread: that thread alone makes
 * room in its log, and two logs with callbacks that log to each other would wait in a circle. */
#include "log/producer.h"
#include "base/atomic.h"
#include "base/utf8.h"
#include "log/fields.h"
#include "log/fork.h"
#include "log/pack.h"
#include "log/spot.h"
#include "log/threads.h"

#include <errno.h>

#define HEAD (sizeof(er_record) + sizeof(er_saying))

_Static_assert(HEAD % 8 == 0 && sizeof(er_said_place) % 8 == 0, "arguments are aligned");

static uint32_t tag_of(unsigned kind, int level)
{
    return (uint32_t)(kind | (unsigned)level << ER_SAID_LEVEL);
}

static char *put_head(char *record, const er_plan *plan, const errand_log *log)
{
    const er_saying s = { er_stamp(), plan, log };
    memcpy(record + sizeof(er_record), &s, sizeof s);
    return record + HEAD;
}

static void show(const er_hub *hub, er_voice *v, char *record, size_t size, uint32_t tag)
{
    er_store_relaxed(&v->said, v->said + 1); /* relaxed: seen with the record */
    er_ring_commit(&v->ring, record, size, tag, hub->strict);
    er_in_order(); /* then `sleep` is read: see backend.c */
}

static bool sleeps(const er_hub *hub)
{
    /* relaxed: the backend's barrier orders it */
    return hub->strict ? er_load(&hub->sleep) >= (int)ER_HUB_ASLEEP
                       : er_load_relaxed(&hub->sleep) >= (int)ER_HUB_ASLEEP;
}

/* ---- the long way ---- */

typedef struct saying { /* the line to put: by plan and arguments, or text and place */
    errand_log *log;
    const er_plan *plan; /* NULL: place */
    int level;
    er_args *args; /* NULL: text */
    const char *file, *function;
    int line;
    bool waits;          /* for room, if its level does */
    const er_spot *spot; /* the text; NULL: arguments */
    errand_log_fields *fields;
} saying;

static void lose(er_hub *hub, er_voice *v, int level)
{
    er_store_relaxed(&v->said, v->said + 1);
    /* release: a reader of this sees what was put before */
    er_store_release(&v->lost[level], v->lost[level] + 1);
    v->lost_all++;
    v->ring.limit = v->ring.next; /* the next call takes the long way */
    er_store(&v->waiting, 0u);
    er_hub_rouse(hub, ER_HUB_NAPPING);
}

static size_t name_size(const char *name) { return name ? strnlen(name, 200) : 1; }

static size_t size_of_rest(const saying *s, size_t most) /* behind the head and the fields */
{
    if (s->args) {
        er_args again;
        va_copy(again.list, s->args->list);
        size_t size = er_pack_size(s->plan, &again);
        va_end(again.list);
        return size <= most ? size : most;
    }
    const er_spot *spot = s->spot;
    size_t place = sizeof(er_said_place) +
                   (s->plan ? 0 : name_size(s->file) + name_size(s->function) + 2);
    size_t text = er_round8(place + spot->size + spot->mark_size);
    return er_round8(text + spot->values.n * sizeof(er_said_value) + spot->keys);
}

static char *put_name(char *to, const char *name)
{
    size_t size = name_size(name);
    memcpy(to, name ? name : "?", size);
    to[size] = '\0';
    return to + size + 1;
}

static char *put_values(char *to, const er_values *values)
{
    for (unsigned i = 0; i < values->n; i++, to += sizeof(er_said_value)) {
        const er_value *v = &values->of[i];
        *(er_said_value *)(void *)to =
            (er_said_value){ (uint32_t)v->key_size, (uint32_t)v->at, (uint32_t)v->size, v->kind };
    }
    for (unsigned i = 0; i < values->n; i++, to += values->of[i - 1].key_size)
        memcpy(to, values->of[i].key, values->of[i].key_size);
    return to;
}

static char *put_text(char *to, const saying *s)
{
    const er_spot *spot = s->spot;
    char *begin = to;
    er_said_place *place = (er_said_place *)(void *)to;
    *place = (er_said_place){ .line = s->line,
                              .text = (uint32_t)(spot->size + spot->mark_size),
                              .message = (uint32_t)spot->values.message,
                              .values = spot->values.n };
    to += sizeof *place;
    if (!s->plan) {
        char *file = to, *function = put_name(file, s->file);
        to = put_name(function, s->function);
        place->file = (uint32_t)(function - file);
        place->function = (uint32_t)(to - function);
    }
    memcpy(to, spot->at, spot->size);
    memcpy(to + spot->size, spot->mark, spot->mark_size);
    to += spot->size + spot->mark_size;
    return spot->values.n ? put_values(begin + er_round8((size_t)(to - begin)), &spot->values) : to;
}

static size_t size_of_news(const er_voice *v)
{
    bool none = v->lost_all == v->lost_shown && v->thread == v->thread_shown;
    return none ? 0 : HEAD + sizeof(er_said_news);
}

static void put_news(const er_hub *hub, er_voice *v, char *record, const errand_log *log)
{
    er_said_news news = { .thread = v->thread };
    memcpy(news.lost, v->lost, sizeof news.lost);
    memcpy(put_head(record, NULL, log), &news, sizeof news);
    v->lost_shown = v->lost_all;
    v->thread_shown = v->thread;
    er_ring_commit(&v->ring, record, HEAD + sizeof news, tag_of(ER_SAID_NEWS, 0), hub->strict);
}

/* Whether it finds room or not, it still counts as waiting: the backend does not end meanwhile. */
static char *wait_for_room(er_hub *hub, er_voice *v, size_t size)
{
    char *record = NULL;
    er_store(&v->waiting, 1u);
    while (!(record = er_ring_reserve(&v->ring, size)) && !er_load(&hub->closing) &&
           er_hub_rouse(hub, ER_HUB_NAPPING)) {
        er_park(&v->parker, ER_LOG_CALLED, INT64_MAX);
        er_parker_clear(&v->parker, ER_LOG_CALLED);
    }
    return record;
}

static unsigned kind_of(const saying *s)
{
    if (s->args) return ER_SAID_ARGS;
    return s->plan ? ER_SAID_TEXT : ER_SAID_PLACE;
}

/* False: there was no room, or what was to be copied changed meanwhile. */
static bool put_in(er_hub *hub, er_voice *v, saying *s)
{
    size_t before = size_of_news(v), fields = s->fields ? sizeof s->fields : 0,
           head = HEAD + fields;
    size_t longest = er_ring_longest(&v->ring) - before - head, most = UINT32_MAX - 1;
    size_t rest = size_of_rest(s, SIZE_MAX);
    if (rest > longest) {
        if (!s->args || s->plan->fixed + 8 > longest) return false;
        most = (longest - s->plan->fixed) / s->plan->texts & ~(size_t)7;
        rest = longest;
    }
    char *record = er_ring_reserve(&v->ring, before + head + rest);
    bool waits = s->waits && s->level >= hub->block_from && !er_speaker_of_thread.serves;
    if (!record && waits) record = wait_for_room(hub, v, before + head + rest);
    if (!record) return false;
    if (before) {
        put_news(hub, v, record, s->log);
        record += before;
    }
    char *to = put_head(record, s->plan, s->log), *end;
    uint32_t tag = tag_of(kind_of(s), s->level);
    if (fields) {
        memcpy(to, &s->fields, fields);
        to += fields;
        tag |= ER_SAID_FIELDS;
    }
    end = s->args ? er_pack(to, rest, s->plan, most, s->args) : put_text(to, s);
    if (!end) return false;
    if (fields) er_fields_keep(s->fields);
    show(hub, v, record, er_round8((size_t)(end - record)), tag);
    /* relaxed: written by this thread alone */
    if (er_load_relaxed(&v->waiting)) er_store(&v->waiting, 0u);
    return true;
}

/* In a child of its process a log takes nothing, and allocates nothing: other threads may have held
 * malloc's locks. */
static bool is_dead(errand_log *log)
{
    if (!er_hub_forked(log->hub)) return false;
    er_add_relaxed(&log->hub->late, 1);
    return true;
}

static void put(saying *s)
{
    errand_log *log = s->log;
    er_hub *hub = log->hub;
    er_speaker *me = &er_speaker_of_thread;
    er_voice *v = me->id == er_load_relaxed(&log->id) ? me->voice : er_voice_find(log);
    if (!v) {
        er_add_relaxed(&hub->late, 1);
        return;
    }
    s->fields = er_fields_here();
    if (!put_in(hub, v, s)) lose(hub, v, s->level);
    else if (er_ring_used(&v->ring) > v->ring.size / 2) er_hub_rouse(hub, ER_HUB_NAPPING);
    else if (sleeps(hub)) er_hub_rouse(hub, ER_HUB_ASLEEP);
}

static const er_plan *plan_of(errand_log_site *site, const char *format)
{
    er_plan *made = site && format ? er_plan_new(site, format) : NULL;
    if (!made) return NULL;
    void *seen = NULL;
    if (er_cas_strong(&site->plan, &seen, (void *)made)) return made;
    er_free(made);
    return seen;
}

/* Formats on the spot. What is longer than the ring's longest record is cut, with a mark. */
static void put_spot_by(saying *s, const er_plan *plan, const char *format, er_args *args,
                        int error)
{
    size_t longest = s->log->hub->ring / 2 - 1024,
           values = plan ? plan->parts * sizeof(er_said_value) + plan->keys : 0;
    er_spot spot;
    errno = error;
    er_spot_print(&spot, format, plan, args->list, values < longest ? longest - values : 0);
    s->spot = &spot;
    put(s);
    s->spot = NULL;
    er_spot_free(&spot);
}

static __attribute__((noinline)) void put_spot_without_memory(
    saying *s, const errand_log_site *site, const char *format, er_args *args, int error)
{
    uint64_t memory[512];
    put_spot_by(s, er_plan_unknown(memory, sizeof memory, site, format), format, args, error);
}

static void put_spot(saying *s, const errand_log_site *site, const char *format, er_args *args)
{
    int error = errno;
    if (s->plan || !format || !er_plan_has_fields(format)) {
        put_spot_by(s, s->plan, format, args, error);
        return;
    }
    size_t size = er_plan_size(site, format);
    void *memory = er_alloc(size);
    if (memory) put_spot_by(s, er_plan_unknown(memory, size, site, format), format, args, error);
    else put_spot_without_memory(s, site, format, args, error);
    er_free(memory);
}

static __attribute__((noinline)) void put_slowly(errand_log *log, errand_log_site *site,
                                                 const char *format, er_args *args, bool waits)
{
    int error = errno; /* %m prints it, and the caller keeps it */
    errand_log_level level = site ? site->level : ERRAND_LOG_DEFAULT;
    saying s = { .log = log, .level = er_plan_level(level), .waits = waits };
    /* relaxed: a change counts soon, not at once */
    if (level == ERRAND_LOG_OFF || s.level < er_load_relaxed(&log->head.level) || is_dead(log))
        return;
    /* acquire: the plan is seen whole */
    const er_plan *plan = site ? (const er_plan *)er_load_acquire(&site->plan) : NULL;
    if (!plan) plan = plan_of(site, format);
    errno = error;
    if (plan && plan->given == format) s.plan = plan;
    if (s.plan && plan->known) {
        s.args = args;
        put(&s);
    } else {
        s.file = site ? site->file : NULL;
        s.function = site ? site->function : NULL;
        s.line = site ? site->line : 0;
        put_spot(&s, site, format, args);
    }
    errno = error;
}

/* ---- the short way ---- */

/* it may have to start a thread, which can fail */
static __attribute__((noinline)) void rouse(er_hub *hub)
{
    int error = errno;
    er_hub_rouse(hub, ER_HUB_ASLEEP);
    errno = error;
}

static inline __attribute__((always_inline)) bool put_quickly(
    errand_log *log, errand_log_site *site, const char *format, er_args *args)
{
    /* acquire: the plan is seen whole; relaxed: a closing log is detected later, and late lines are
     * counted */
    const er_plan *plan = site ? (const er_plan *)er_load_acquire(&site->plan) : NULL;
    er_speaker *me = &er_speaker_of_thread;
    if (!plan || plan->given != format || !plan->known || me->id != er_load_relaxed(&log->id) ||
        er_fields_here() || plan->level < er_load_relaxed(&log->head.level))
        return false;
    er_voice *v = me->voice;
    size_t room;
    char *record = er_ring_here(&v->ring, &room);
    if (room < HEAD) return false;
    char *end = er_pack(put_head(record, plan, log), room - HEAD, plan, UINT32_MAX - 1, args);
    if (!end) return false;
    show(log->hub, v, record, (size_t)(end - record), tag_of(ER_SAID_ARGS, plan->level));
    if (__builtin_expect(sleeps(log->hub), 0)) rouse(log->hub);
    return true;
}

/* Twice the same, so that the one of the program passes nothing more. */
#define PUT(waits)                                                                                 \
    er_args args;                                                                                  \
    if (!log) return;                                                                              \
    va_start(args.list, fmt);                                                                      \
    bool done = put_quickly(log, site, fmt, &args);                                                \
    va_end(args.list);                                                                             \
    if (__builtin_expect(done, 1)) return;                                                         \
    va_start(args.list, fmt);                                                                      \
    put_slowly(log, site, fmt, &args, waits);                                                      \
    va_end(args.list)

void errand_log_put(errand_log *log, errand_log_site *site, const char *fmt, ...) { PUT(true); }
void er_log_put(errand_log *log, errand_log_site *site, const char *fmt, ...) { PUT(false); }

void errand_log_vput(errand_log *log, errand_log_site *site, const char *fmt, va_list list)
{
    if (!log) return;
    er_args args;
    va_copy(args.list, list);
    put_slowly(log, site, fmt, &args, true);
    va_end(args.list);
}

void errand_log_text(errand_log *log, errand_log_level level, const char *file, int line,
                     const char *function, const char *text, size_t size)
{
    int l = er_plan_level(level), error = errno;
    /* relaxed: see above */
    if (!log || level == ERRAND_LOG_OFF || l < er_load_relaxed(&log->head.level) || is_dead(log))
        return;
    size_t whole = text ? size : 6, longest = log->hub->ring / 2 - 1024;
    er_spot spot = { .at = text ? text : "(null)",
                     .size = whole <= longest ? whole : er_utf8_whole(text, longest) };
    if (spot.size < whole) spot.mark_size = er_text_mark(spot.mark, whole - spot.size);
    spot.values.message = spot.size + spot.mark_size;
    put(&(saying){ .log = log,
                   .level = l,
                   .file = file,
                   .function = function,
                   .line = line,
                   .waits = true,
                   .spot = &spot });
    errno = error;
}
