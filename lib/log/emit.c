/* log/emit.c -- from a record to the sinks: formatted once, laid out once for all
 * sinks that want it alike. */
#include "base/atomic.h"
#include "log/emit.h"
#include "log/pack.h"

static size_t sinks_of(const er_hub *hub)
{
    /* acquire, at each line: a sink that was open before the call gets the line */
    return er_load_acquire(&hub->sinks_open);
}

/* What was formatted at the call. */
static void ready_text(er_backend *b, const er_said_place *place, const char *text)
{
    er_values *values = &b->values;
    er_text_add(&b->message, text, place->text);
    er_text_end(&b->message);
    const char *behind = (const char *)place +
                         er_round8((size_t)(text + place->text - (const char *)place));
    const er_said_value *v = (const er_said_value *)(const void *)behind;
    const char *key = (const char *)(v + place->values);
    values->clean = false;
    bool whole = place->text == b->message.size; /* else it was cut once more */
    values->message = whole ? place->message : b->message.size;
    values->n = whole ? place->values : 0;
    for (unsigned i = 0; i < values->n; i++, key += v++->key_size)
        values->of[i] = (er_value){ key, v->key_size, v->at, v->size, (er_value_kind)v->kind };
}

/* A look at the clocks may set them back by what was not exact: lines do not show that. */
static int64_t time_of(er_backend *b, uint64_t stamp)
{
    int64_t wall = er_stamps_wall(&b->stamps, stamp);
    if (wall < b->latest_ns && b->latest_ns - wall < ER_MS) return b->latest_ns;
    return b->latest_ns = wall;
}

/* The line's parts; what it points to lives as long as the record and the message. */
static void read_record(er_backend *b, const er_voice *voice, const er_record *record,
                        const er_saying *s, const char *rest)
{
    er_line *line = &b->line;
    line->level = (int)(record->tag >> ER_SAID_LEVEL & 0xf);
    line->thread = voice->speaks;
    line->name = s->log->name;
    line->wall_ns = time_of(b, s->stamp);
    line->fields = NULL;
    if (record->tag & ER_SAID_FIELDS) {
        line->fields = *(const errand_log_fields *const *)(const void *)rest;
        rest += sizeof line->fields;
    }
    er_text_clear(&b->message);
    line->place = s->plan;
    if (s->plan) {
        line->file = s->plan->file;
        line->function = s->plan->function;
        line->line = s->plan->line;
    }
    if ((record->tag & ER_SAID_KIND) == ER_SAID_ARGS) {
        er_format(&b->message, s->plan, rest, &b->values);
        return;
    }
    const er_said_place *place = (const er_said_place *)(const void *)rest;
    rest += sizeof *place;
    if (!s->plan) {
        line->line = place->line;
        line->file = rest;
        line->function = rest + place->file;
    }
    ready_text(b, place, rest + place->file + place->function);
}

/* To the sinks from this one on. A callback that faults, or ends the process, does not return here:
 * then the rest of the sinks get the line from er_emit_rest. */
static void deliver(er_hub *hub, size_t from)
{
    er_backend *b = hub->backend;
    size_t sinks = sinks_of(hub);
    const er_layout *made = NULL;
    for (b->sink = from; b->sink < sinks; b->sink++) {
        er_sink *sink = &hub->sinks[b->sink];
        /* relaxed: a change counts soon, not at once */
        if (b->line.level < er_load_relaxed(&sink->level)) continue;
        if (b->dying && sink->each) {
            er_sink_miss(sink, 1, 0);
            continue;
        }
        if (!made || !er_layout_same(made, sink->layout)) {
            made = sink->layout;
            er_text_clear(&b->laid_out);
            er_layout_line(sink->layout, &b->laid_out, &b->line);
            if (b->laid_out.missing) { /* no memory, not even for this one line */
                er_text_clear(&b->laid_out);
                er_layout_gap(sink->layout, &b->laid_out, b->line.wall_ns, b->line.name, 1,
                              "no memory");
            }
        }
        er_sink_line(sink, &b->line, b->laid_out.at, b->laid_out.size);
    }
}

void er_emit_rest(er_hub *hub)
{
    if (hub->backend->printing) deliver(hub, hub->backend->sink + 1);
}

void er_emit(er_hub *hub, const er_voice *voice, const er_record *record)
{
    er_backend *b = hub->backend;
    const er_saying *s = (const er_saying *)(const void *)(record + 1);
    const char *rest = (const char *)(s + 1);
    if (b->discard) {
        b->discarded[record->tag >> ER_SAID_LEVEL & 0xf]++;
    } else {
        read_record(b, voice, record, s, rest);
        b->printing = true;
        deliver(hub, 0);
        b->printing = false;
        b->lines++;
    }
    if (record->tag & ER_SAID_FIELDS)
        er_fields_release(*(errand_log_fields *const *)(const void *)rest);
}

void er_emit_lost(er_hub *hub, const uint64_t lost[ER_LOG_LEVELS])
{
    er_backend *b = hub->backend;
    size_t sinks = sinks_of(hub);
    b->now.wall_ns = er_wall_ns();
    for (size_t i = 0; i < sinks; i++) {
        uint64_t n = 0;
        int from = er_load_relaxed(&hub->sinks[i].level); /* relaxed: as above */
        for (size_t level = 0; level < ER_LOG_LEVELS; level++) {
            if ((int)level >= from) n += lost[level];
        }
        if (n && b->dying && hub->sinks[i].each) er_sink_miss(&hub->sinks[i], 0, n);
        else if (n) er_sink_gap(&hub->sinks[i], &b->now, n);
    }
}
