/* log/rotate.c -- files that make way: path becomes path.1, path.1 becomes path.2, up to the number kept.
 *
 * By size: before the line that would make the file longer than asked. By time: at multiples of the period of local time; a
 * file that was last written in an earlier period makes way to the first line. Who cannot rename or open goes on writing to the
 * file there is. */
#include "base/clock.h"
#include "log/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

static int64_t next_turn(int64_t period_ns, int64_t wall_ns)
{
    int64_t offset = er_wall_offset(wall_ns) * 1000000000, local = wall_ns + offset;
    int64_t begun = local - local % period_ns;
    return begun > INT64_MAX - period_ns ? INT64_MAX : begun + period_ns - offset;
}

void er_sink_note_file(er_sink *sink)
{
    er_file_about about;
    sink->device = sink->node = sink->written = 0;
    if (er_file_look(sink->fd, &about) || !about.regular) return;
    sink->device = about.device;
    sink->node = about.node;
    sink->written = about.size;
    if (sink->period_ns) sink->turn_ns = next_turn(sink->period_ns, about.size ? about.changed_ns : er_wall_ns());
}

bool er_sink_rotates(const er_sink *sink, int64_t wall_ns, size_t more)
{
    uint64_t there = sink->written + sink->size;
    if (!sink->node || !there) return false;
    return (sink->most && there + more > sink->most) || (sink->period_ns && wall_ns >= sink->turn_ns);
}

int er_sink_reopen(er_sink *sink)
{
    int fd;
    if (!sink->path || sink->each) return 0;
    int error = er_file_open(sink->path, O_WRONLY | O_APPEND | O_CREAT, &fd);
    if (error) return error;
    int before = sink->fd;
    sink->fd = fd; /* first: a child forked now must not close what is somebody else's */
    er_file_close(before);
    sink->torn = false;
    er_sink_note_file(sink);
    return 0;
}

int er_sink_rotate(er_sink *sink)
{
    size_t room = strlen(sink->path) + 16;
    char *from = er_alloc(2 * room), *to = from ? from + room : NULL;
    int error = from ? 0 : ENOMEM;
    for (unsigned i = sink->keep; i && !error; i--) {
        snprintf(to, room, "%s.%u", sink->path, i);
        if (i > 1) snprintf(from, room, "%s.%u", sink->path, i - 1);
        error = er_file_move(i > 1 ? from : sink->path, to);
        if (error == ENOENT && i > 1) error = 0;
    }
    er_free(from);
    if (!error) error = er_sink_reopen(sink);
    if (error && sink->period_ns) sink->turn_ns = next_turn(sink->period_ns, er_wall_ns()); /* not with every line */
    return error;
}
