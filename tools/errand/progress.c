/* progress.c -- which form: what was asked for, and what standard error is.
 *
 *     --progress  stderr is a terminal              else
 *     auto        block; dumb, or stdout is a       a line every 10 s
 *                 terminal, too: nothing
 *     always      block; dumb ...: a line a second  a line a second
 *     json        an object a second                an object a second
 *
 * The block is redrawn in place at most ten times a second, in one write. Between two drawings the
 * cursor stands at the beginning of its last line, so that a ^C that the terminal echoes moves
 * nothing. A line is always narrower than the terminal, which wraps none while the block is drawn
 * (DECAWM off): a new width is known here a moment later. One that has become narrower has broken
 * the lines that were too long, and the way up is so much longer. A message takes the block away,
 * and the next drawing brings it back below. */
#include "progress.h"

#include "summary.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

typedef struct ink { /* what one write takes */
    char at[BLOCK_ROWS * (sizeof(((row *)0)->at) + 16) + 64];
    size_t size;
} ink;

double progress_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static progress_form form_of(when wanted, bool terminal, bool in_place)
{
    switch (wanted) {
    case WHEN_ALWAYS: return in_place ? PROGRESS_BLOCK : PROGRESS_LINES;
    case WHEN_JSON: return PROGRESS_JSON;
    case WHEN_AUTO:
        if (!terminal) return PROGRESS_RARE;
        return in_place ? PROGRESS_BLOCK : PROGRESS_NONE;
    default: return PROGRESS_NONE;
    }
}

void progress_begin(progress *p, const run_options *o)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    bool terminal = isatty(STDERR_FILENO), dumb = term && !strcmp(term, "dumb"),
         mixed = !o->output && isatty(STDOUT_FILENO), /* with results */
        in_place = terminal && !dumb && !mixed;
    *p = (progress){
        .form = o->quiet ? PROGRESS_NONE : form_of(o->progress, terminal, in_place),
        .summary = !o->quiet &&
                   (o->progress == WHEN_ALWAYS || (o->progress == WHEN_AUTO && terminal)),
        .colour = !(no_colour && *no_colour),
        .to = stderr,
        .command = o->command,
        .drawn = progress_now(),
    };
    p->on = p->form != PROGRESS_NONE;
    pthread_mutex_init(&p->lock, NULL);
}

/* ---- drawing; under the lock ---- */

static void terminal_size(const progress *p, int *columns, int *lines)
{
    struct winsize size = { 0 };
    bool known = !p->fixed_columns && !ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
    *columns = known && size.ws_col ? size.ws_col : 80;
    *lines = known && size.ws_row ? size.ws_row : 24;
    if (p->fixed_columns) *columns = p->fixed_columns;
    if (p->fixed_columns) *lines = p->fixed_lines;
}

static void add(ink *i, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(ink *i, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(i->at + i->size, sizeof i->at - i->size, fmt, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof i->at - i->size) i->size += (size_t)n;
}

static void write_out(progress *p, const ink *i)
{
    fwrite(i->at, 1, i->size, p->to);
    fflush(p->to);
}

/* To the beginning of the block's first line. */
static void add_way_up(ink *i, const progress *p, int columns)
{
    int up = 0;
    for (size_t k = 0; k + 1 < p->n_shown; k++)
        up += p->shown[k] > columns ? (p->shown[k] + columns - 1) / columns : 1;
    add(i, "\r");
    if (up) add(i, "\033[%dA", up);
}

static void take_away(progress *p)
{
    if (!p->n_shown) return;
    int columns, lines;
    ink i = { .size = 0 };
    terminal_size(p, &columns, &lines);
    add_way_up(&i, p, columns);
    add(&i, "\033[J"); /* with it what the terminal has echoed */
    p->n_shown = 0;
    write_out(p, &i);
}

static void draw(progress *p, const snapshot *s)
{
    int columns, lines;
    row rows[BLOCK_ROWS];
    size_t n = 1;
    ink i = { .size = 0 };
    terminal_size(p, &columns, &lines);
    if (columns < BLOCK_COLUMNS || lines < BLOCK_LINES)
        block_line(&rows[0], s, columns - 1, p->colour);
    else n = block_compose(rows, s, columns - 1, p->colour);
    add_way_up(&i, p, columns);
    add(&i, "\033[?7l");
    for (size_t k = 0; k < n; k++) {
        add(&i, "%s%s\033[K", k ? "\n" : "", rows[k].at);
        p->shown[k] = rows[k].columns;
    }
    add(&i, "\033[J\033[?7h\r");
    p->n_shown = n;
    write_out(p, &i);
}

static double pause_of(progress_form form)
{
    if (form == PROGRESS_BLOCK) return 0.1;
    return form == PROGRESS_RARE ? 10 : 1;
}

void progress_show(progress *p, const snapshot *s, double at)
{
    pthread_mutex_lock(&p->lock);
    if (p->on && at - p->drawn >= pause_of(p->form)) {
        row line;
        p->drawn = at;
        switch (p->form) {
        case PROGRESS_BLOCK: draw(p, s); break;
        case PROGRESS_JSON: summary_progress(p->to, s); break;
        default: block_line(&line, s, 200, false); fprintf(p->to, "%s\n", line.at);
        }
    }
    pthread_mutex_unlock(&p->lock);
}

/* ---- messages ---- */

void progress_say(progress *p, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n < 0) return;
    if (n >= (int)sizeof line) memcpy(line + sizeof line - 4, "...", 4);
    for (char *c = line; *c; c++) { /* what came from an input file must not drive the terminal */
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    }
    pthread_mutex_lock(&p->lock);
    take_away(p);
    fprintf(p->to, "%serrand %s: %s\n", p->form == PROGRESS_BLOCK ? "\r\033[K" : "", p->command,
            line);
    pthread_mutex_unlock(&p->lock);
}

void progress_leave(progress *p)
{
    if (pthread_mutex_trylock(&p->lock)) return;
    take_away(p);
    p->on = false;
    pthread_mutex_unlock(&p->lock);
}

void progress_end(progress *p, const snapshot *s, int exit_status)
{
    pthread_mutex_lock(&p->lock);
    take_away(p);
    p->on = false;
    if (s && p->form == PROGRESS_JSON) summary_json(p->to, s, exit_status);
    if (p->form == PROGRESS_BLOCK) fputs("\r\033[K", p->to); /* a ^C that came meanwhile */
    if (s && p->summary) summary_words(p->to, s);
    fflush(p->to);
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_destroy(&p->lock);
}
