/* jobs/output_dir.c -- a body is saved as a hidden part, as its name follows from the reply; a part
 * that is whole gets its name.
 *
 *   part: DIR/.errand-RUN-SEQ.part --save_to: whole or not at all--> named: DIR/ID.json
 *
 * A process that is killed between the two steps leaves a hidden part. Names of a run are kept as
 * hashes of 64 bits, of their text in small letters: ASCII, Latin, Greek and Cyrillic. Two names
 * with one hash would give the second a suffix that it does not need. The suffix is the job's seq,
 * which no other job has; so a third try is only needed for an id that looks like another one's
 * suffix. */
#include "jobs/output_dir.h"

#include "base/save.h"
#include "base/utf8.h"
#include "http/sanitize.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define NAME_MOST ((size_t)255)

int er_output_dir_open(er_output_dir *dir, const char *path)
{
    er_save probe;
    *dir = (er_output_dir){ .path = path, .fd = -1, .run = er_random() };
    int error = er_folder_make(path);
    char *part = error ? NULL : er_output_dir_part(dir, 0);
    if (!error && !part) error = ENOMEM;
    if (!error) error = er_save_open(&probe, part);
    if (!error) er_save_drop(&probe);
    er_free(part);
    /* without it names are written to disk a little later */
    if (!error && er_file_open(path, O_RDONLY | O_DIRECTORY, &dir->fd)) dir->fd = -1;
    return error;
}

void er_output_dir_close(er_output_dir *dir)
{
    if (dir->path && dir->fd >= 0) er_file_close(dir->fd);
    er_free(dir->taken);
    *dir = (er_output_dir){ .fd = -1 };
}

static char *path_of(const er_output_dir *dir, const char *name)
{
    er_bytes path = { 0 };
    size_t size = strlen(dir->path);
    er_bytes_add(&path, dir->path, size);
    if (dir->path[size - 1] != '/') er_bytes_text(&path, "/");
    er_bytes_text(&path, name);
    if (path.error) er_bytes_free(&path);
    return er_bytes_take(&path);
}

char *er_output_dir_part(const er_output_dir *dir, uint64_t seq)
{
    char name[64];
    er_format_plain(name, sizeof name, ".errand-%08x-%llu.part", (unsigned)dir->run,
                    (unsigned long long)seq);
    return path_of(dir, name);
}

/* ---- names ---- */

static const char *extension(const char *type) /* "": none is known */
{
    static const struct {
        const char *type, *extension;
    } known[] = {
        { "application/json", ".json" },
        { "text/plain", ".txt" },
        { "text/html", ".html" },
        { "text/csv", ".csv" },
        { "text/markdown", ".md" },
        { "text/css", ".css" },
        { "text/javascript", ".js" },
        { "application/javascript", ".js" },
        { "text/xml", ".xml" },
        { "application/xml", ".xml" },
        { "application/x-ndjson", ".jsonl" },
        { "application/jsonl", ".jsonl" },
        { "application/pdf", ".pdf" },
        { "application/zip", ".zip" },
        { "application/gzip", ".gz" },
        { "application/x-tar", ".tar" },
        { "application/octet-stream", ".bin" },
        { "image/png", ".png" },
        { "image/jpeg", ".jpg" },
        { "image/gif", ".gif" },
        { "image/webp", ".webp" },
        { "image/svg+xml", ".svg" },
        { "image/avif", ".avif" },
        { "image/tiff", ".tiff" },
        { "audio/mpeg", ".mp3" },
        { "audio/wav", ".wav" },
        { "audio/ogg", ".ogg" },
        { "audio/flac", ".flac" },
        { "video/mp4", ".mp4" },
        { "video/webm", ".webm" },
    };
    size_t size = type ? strcspn(type, "; \t,") : 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (size == strlen(known[i].type) && er_alike(type, known[i].type, size))
            return known[i].extension;
    }
    if (size > 5 && er_alike(type + size - 5, "+json", 5)) return ".json";
    return size > 4 && er_alike(type + size - 4, "+xml", 4) ? ".xml" : "";
}

/* What other systems refuse in a name is replaced as well. */
static void add_safe(er_bytes *to, const char *text, size_t size)
{
    for (size_t i = 0, n; i < size; i += n ? n : 1) {
        const unsigned char *at = (const unsigned char *)text + i;
        n = er_utf8_length(at, at + (size - i));
        bool c1 = n == 2 && *at == 0xc2 && at[1] < 0xa0,
             bad = !n || *at < 0x20 || *at == 0x7f || c1 || strchr("/\\:*?\"<>|", *at) ||
                   (i == 0 && *at == '.');
        if (bad) er_bytes_text(to, "_");
        else er_bytes_add(to, at, n);
    }
}

/* The id made safe, or the seq. */
static int base_of(er_bytes *base, const er_line_job *job)
{
    size_t size = 0;
    if (job->id.at && job->id.at[0] == '"') {
        char *id = er_json_decode(job->id, &size);
        if (!id) return ENOMEM;
        add_safe(base, id, size);
        er_free(id);
    } else if (job->id.at) {
        add_safe(base, job->id.at, job->id.size);
    }
    if (!base->size) er_bytes_format(base, "%llu", (unsigned long long)job->seq);
    return base->error;
}

static uint32_t small(uint32_t c) /* of a capital letter the small one */
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
        (c >= 0x391 && c <= 0x3ab) || (c >= 0x410 && c <= 0x42f))
        return c + 32;
    if (c >= 0x400 && c <= 0x40f) return c + 80;
    bool odd = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
    if (odd) return c + (c & 1);
    return c >= 0x100 && c <= 0x17f && c != 0x130 && c != 0x178 ? c | 1 : c;
}

/* Seeded, as ids are untrusted input; never 0. */
static uint64_t name_hash(uint64_t seed, const char *name, size_t size)
{
    uint64_t hash = seed;
    for (size_t i = 0, n; i < size; i += n ? n : 1) {
        const unsigned char *at = (const unsigned char *)name + i;
        n = er_utf8_length(at, at + (size - i));
        uint32_t c = n > 1 ? *at & (0x7fu >> n) : *at;
        for (size_t k = 1; k < n; k++) c = c << 6 | (at[k] & 0x3f);
        hash ^= small(c);
        hash = er_random_next(&hash);
    }
    return hash ? hash : 1;
}

/* ---- which names are taken ---- */

static void put(uint64_t *table, size_t room, uint64_t hash)
{
    size_t i = hash & (room - 1);
    while (table[i]) i = (i + 1) & (room - 1);
    table[i] = hash;
}

static int grow(er_output_dir *dir)
{
    size_t room = dir->room ? 2 * dir->room : 64;
    uint64_t *table = er_alloc_zero(room * sizeof *table);
    if (!table) return ENOMEM;
    for (size_t i = 0; i < dir->room; i++) {
        if (dir->taken[i]) put(table, room, dir->taken[i]);
    }
    er_free(dir->taken);
    dir->taken = table;
    dir->room = room;
    return 0;
}

/* 0, EEXIST or ENOMEM */
static int take_name(er_output_dir *dir, uint64_t hash)
{
    er_lock_take(&dir->lock);
    int error = dir->n >= dir->room - dir->room / 8 ? grow(dir) : 0;
    for (size_t i = hash & (dir->room - 1); !error && dir->taken[i];
         i = (i + 1) & (dir->room - 1)) {
        if (dir->taken[i] == hash) error = EEXIST;
    }
    if (!error) {
        put(dir->taken, dir->room, hash);
        dir->n++;
    }
    er_lock_give(&dir->lock);
    return error;
}

static int is_free(const er_output_dir *dir, const char *name) /* 0, EEXIST or ENOMEM */
{
    char *path = path_of(dir, name);
    int error = path ? er_file_there(path) : ENOMEM;
    if (path) error = error == ENOENT ? 0 : EEXIST;
    er_free(path);
    return error;
}

static void put_suffix(char to[64], const er_line_job *job, unsigned turn)
{
    char page[16] = "", again[16] = "";
    if (job->page > 1) er_format_plain(page, sizeof page, "-p%u", job->page);
    if (turn > 1) er_format_plain(again, sizeof again, "-%u", turn);
    if (turn) er_format_plain(to, 64, "%s-%llu%s", page, (unsigned long long)job->seq, again);
    else er_format_plain(to, 64, "%s", page);
}

/* base, page, suffix and extension in 255 bytes, as a name that no other job has. */
static int free_name(er_output_dir *dir, const er_bytes *base, const er_line_job *job,
                     const char *end, er_bytes *name)
{
    size_t ends = strlen(end), size = base->size;
    bool has_it = size > ends && ends && er_alike(base->at + size - ends, end, ends);
    if (has_it) size -= ends;
    for (unsigned turn = 0;; turn++) {
        char suffix[64];
        put_suffix(suffix, job, turn);
        size_t room = NAME_MOST - ends - strlen(suffix), kept = size;
        if (kept > room) kept = er_utf8_whole(base->at, room);
        name->size = 0;
        er_bytes_add(name, base->at, kept);
        er_bytes_text(name, suffix);
        if (has_it) er_bytes_add(name, base->at + size, ends);
        else er_bytes_text(name, end);
        int error = name->error ? name->error
                                : take_name(dir, name_hash(dir->run, name->at, name->size));
        if (!error && dir->keeps) error = is_free(dir, name->at);
        if (error != EEXIST) return error;
    }
}

int er_output_dir_name(er_output_dir *dir, const er_line_job *job, const errand_response *response,
                       char **path)
{
    er_bytes base = { 0 }, name = { 0 };
    int error = base_of(&base, job);
    const char *end = extension(errand_response_header(response, "Content-Type", 0));
    if (!error) error = free_name(dir, &base, job, end, &name);
    *path = error ? NULL : path_of(dir, name.at);
    if (!error && !*path) error = ENOMEM;
    if (!error) error = er_file_move(job->request.save_to, *path);
    if (!error && dir->fd >= 0) er_file_sync(dir->fd); /* it stands there already */
    if (error) {
        er_file_remove(job->request.save_to);
        er_free(*path);
        *path = NULL;
    }
    er_bytes_free(&base);
    er_bytes_free(&name);
    return error;
}
