/* request_text.c -- headers as they go over the wire, without those that curl makes itself. */
#include "request_text.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

void harmless_text(FILE *to, const char *at, size_t size)
{
    bool terminal = isatty(fileno(to));
    for (const char *end = at + size; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        bool plain = (c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t';
        fputc(plain || !terminal ? c : '?', to);
    }
}

static void put(FILE *to, const char *text) { harmless_text(to, text, strlen(text)); }

void request_head(FILE *to, const errand_jobs_line *line, bool secrets, const char *before)
{
    fprintf(to, "%s%s ", before, line->method);
    put(to, secrets ? line->url : line->url_shown);
    fputc('\n', to);
    for (const errand_jobs_header *header = line->headers; header->name; header++) {
        fprintf(to, "%s%s: ", before, header->name);
        put(to, header->secret && !secrets ? "*" : header->value);
        fputc('\n', to);
    }
}

static void put_facts(FILE *to, const errand_jobs_line *line)
{
    fprintf(to, "# %s:%" PRIu64, line->file, line->number);
    if (line->id) fprintf(to, ", id %s", line->id);
    fprintf(to, ", %s to repeat", line->harmless ? "harmless" : "not harmless");
    if (line->retries) fprintf(to, ", retries %u", line->retries);
    if (line->fresh_key) fputs(", a run makes another key", to);
    if (line->request->save_to) fprintf(to, ", saved to %s", line->request->save_to);
    fputc('\n', to);
}

void request_text(FILE *to, const errand_jobs_line *line, bool secrets)
{
    put_facts(to, line);
    request_head(to, line, secrets, "");
    if (!line->has_body) return;
    fputc('\n', to);
    if (line->body_file) {
        fprintf(to, "(%" PRIu64 " bytes of %s)\n", line->body_size, line->body_file);
        return;
    }
    const char *body = line->body.at;
    harmless_text(to, body, line->body.size);
    if (line->body.size && body[line->body.size - 1] != '\n') fputc('\n', to);
}
