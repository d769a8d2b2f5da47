/* log/rotate.h -- the file of a sink: reopened, rotated, followed when it is moved. */
#ifndef ER_ROTATE_H
#define ER_ROTATE_H

#include "log/sink.h"

void er_sink_note_file(er_sink *sink); /* after opening: size, identity, next turn */
/* its file, by its path: 0 or an errno; on failure the old one stays */
int er_sink_reopen(er_sink *sink);

/* Before a line goes into the empty buffer of a file that rotates: the file is the one that its
 * path names, or an errno: what is written now would be lost. */
int er_sink_follow(er_sink *sink, int64_t wall_ns);
bool er_sink_rotates(const er_sink *sink, int64_t wall_ns, size_t more);
/* Its buffer is empty. On failure the present file stays, or is the latest rotated one. */
void er_sink_rotate(er_sink *sink, int64_t wall_ns);
static inline bool er_sink_may_rotate(const er_sink *sink)
{
    return sink->node && sink->path && (sink->most || sink->period_ns);
}

#endif
