/* headers.c -- a message names the option, or file and line, and the header. It never shows a
 * value, and of a line of a file that is no header nothing at all. */
#include "headers.h"

#include "complain.h"
#include "text_file.h"

#include <errand-http.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t token_size(const char *text)
{
    return strspn(text,
                  "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

static bool refuse(const char *place, const char *text, bool from_file)
{
    int shown = (int)strcspn(text, ": \t\r\n"); /* what follows may be a secret */
    if (from_file) return complain("%s: \"Name: value\" is wanted", place);
    return complain("%s \"%.*s...\": \"Name: value\" is wanted", place, shown < 60 ? shown : 60,
                    text);
}

static bool add_header(run_options *o, const char *place, const char *text, bool from_file)
{
    size_t token = token_size(text);
    if (!token || text[token] != ':' || strpbrk(text, "\r\n"))
        return refuse(place, text, from_file);
    static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection" };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (token != strlen(ours[i]) || strncasecmp(text, ours[i], token)) continue;
        return complain("%s %s: that one is set by errand itself", place, ours[i]);
    }
    if (token == 15 && !strncasecmp(text, "Idempotency-Key", token)) {
        return complain(
            "%s Idempotency-Key: it would be the same for all jobs; each can have its own", place);
    }
    return run_options_list(&o->headers, text);
}

static bool read_file(run_options *o, const char *name, const char *path)
{
    char *text = text_file_read(path), place[400];
    if (!text) return complain("%s @%s: %s", name, path, strerror(errno));
    if (!run_options_keep(o, text)) return false;
    unsigned number = 0;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        snprintf(place, sizeof place, "%s:%u", path, ++number);
        size_t size = strlen(line);
        if (size && line[size - 1] == '\r') line[size - 1] = '\0';
        if (!line[strspn(line, " \t")]) continue;
        if (!add_header(o, place, line, true)) return false;
    }
    return true;
}

bool headers_read(run_options *o, const char *name, const char *text)
{
    return *text == '@' ? read_file(o, name, text + 1) : add_header(o, name, text, false);
}

/* ---- variables ---- */

static void add_secret(const char *value, void *arg)
{
    run_options *o = arg;
    run_options_list(&o->secrets, value);
}

static const char *unset_variable(const char *text, int *size)
{
    for (const char *at = text; (at = strstr(at, "${")); at += 2) {
        char name[256];
        *size = (int)strcspn(at + 2, "}");
        bool escaped = at > text && at[-1] == '$';
        if (escaped || (size_t)*size >= sizeof name) continue;
        snprintf(name, sizeof name, "%.*s", *size, at + 2);
        if (!getenv(name)) return at + 2;
    }
    *size = 0;
    return "";
}

bool headers_expand(run_options *o)
{
    for (const char **header = o->headers; header && *header; header++) {
        int token = (int)token_size(*header), size;
        if (!strstr(*header, "${")) continue;
        char *text = errand_expand(*header, add_secret, o);
        if (text && strpbrk(text, "\r\n")) {
            free(text);
            return complain("--expand: a variable in header %.*s has a line break", token, *header);
        }
        if (text) {
            *header = text;
            if (!run_options_keep(o, text)) return false;
            continue;
        }
        if (errno == ENOMEM) return complain("out of memory");
        if (errno == EINVAL)
            return complain("--expand: \"${\" without a name and \"}\" in header %.*s", token,
                            *header);
        const char *variable = unset_variable(*header, &size);
        return complain("--expand: the variable %.*s of header %.*s is not set", size, variable,
                        token, *header);
    }
    return true;
}
