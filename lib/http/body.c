/* http/body.c -- JSON, bytes, a form, a file or the caller's function: one list of parts.
 *
 * Neighbouring bytes are one part, so a body without files is a single piece of memory. Files are
 * checked here, on the caller's thread: a missing one is reported before anything is sent, and the
 * length of the body is known; each attempt opens them again. Multipart is RFC 7578, its names
 * quoted as browsers do it (WHATWG HTML, 4.10.21.8): a quote
 * and line ends are percent-encoded. The boundary is random, so no part contains it. */
#include "http/body.h"

#include "base/options.h"
#include "http/header.h"
#include "http/url.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

static er_part *new_part(er_body *body)
{
    er_part *longer = er_resize(body->parts, (body->n + 1) * sizeof *longer);
    if (!longer) return NULL;
    body->parts = longer;
    longer[body->n] = (er_part){ 0 };
    return &longer[body->n++];
}

static int add_bytes(er_body *body, const void *at, size_t size)
{
    char *copy = er_copy_bytes(at, size);
    er_part *part = copy ? new_part(body) : NULL;
    if (!part) {
        er_free(copy);
        return ENOMEM;
    }
    *part = (er_part){ .kind = ER_PART_BYTES, .at = copy, .size = size };
    body->length += size;
    return 0;
}

static int add_file(er_body *body, const char *path, er_bytes *why)
{
    uint64_t length = 0;
    int error = er_file_length(path, &length);
    if (error) {
        er_bytes_format(why, "the file \"%s\" cannot be sent: %s", path,
                        error == ESPIPE ? "it is not a regular file" : errand_strerror(error));
        return error == ESPIPE ? EINVAL : error;
    }
    char *copy = er_copy_text(path);
    er_part *part = copy ? new_part(body) : NULL;
    if (!part) {
        er_free(copy);
        return ENOMEM;
    }
    *part = (er_part){ .kind = ER_PART_FILE, .at = copy, .length = length };
    body->length += length;
    return 0;
}

static int set_type(er_body *body, const char *type)
{
    return (body->type = er_copy_text(type)) ? 0 : ENOMEM;
}

/* ---- forms ---- */

static errand_bytes value_of(const errand_form_field *field)
{
    if (field->value) return (errand_bytes){ field->value, strlen(field->value) };
    return field->bytes;
}

static int check_field(const errand_form_field *field, er_bytes *why)
{
    int given = (field->value != NULL) + (field->bytes.at != NULL) + (field->file != NULL);
    const char *name = field->name;
    if (given > 1)
        return er_refuse(why, "more than one of value, bytes, file in field", name, strlen(name));
    if (!field->bytes.at && field->bytes.size)
        return er_refuse(why, "size but no bytes in field", name, strlen(name));
    if (field->type && (!*field->type || er_has_control(field->type, false))) {
        return er_refuse(why, "type cannot be sent, in field", name, strlen(name));
    }
    return 0;
}

static int make_urlencoded(er_body *body, const errand_form_field *fields)
{
    er_bytes text = { 0 };
    for (const errand_form_field *field = fields; field->name; field++) {
        errand_bytes value = value_of(field);
        if (field != fields) er_bytes_text(&text, "&");
        er_url_encode(&text, field->name, strlen(field->name));
        er_bytes_text(&text, "=");
        if (value.size) er_url_encode(&text, value.at, value.size);
    }
    int error = text.error ? ENOMEM : 0;
    if (!error) error = add_bytes(body, text.at ? text.at : "", text.size);
    er_bytes_free(&text);
    return error ? error : set_type(body, "application/x-www-form-urlencoded");
}

static void add_quoted(er_bytes *to, const char *label, const char *text)
{
    er_bytes_format(to, "; %s=\"", label);
    for (; *text; text++) {
        if (*text == '"') er_bytes_text(to, "%22");
        else if (*text == '\r') er_bytes_text(to, "%0D");
        else if (*text == '\n') er_bytes_text(to, "%0A");
        else er_bytes_add(to, text, 1);
    }
    er_bytes_text(to, "\"");
}

static void add_head(er_bytes *to, const char *boundary, const errand_form_field *field)
{
    const char *filename = field->filename, *type = field->type;
    if (field->file && !filename) {
        const char *slash = strrchr(field->file, '/');
        filename = slash ? slash + 1 : field->file;
    }
    if (field->file && !type) type = "application/octet-stream";
    er_bytes_format(to, "--%s\r\nContent-Disposition: form-data", boundary);
    add_quoted(to, "name", field->name);
    if (filename) add_quoted(to, "filename", filename);
    if (type) er_bytes_format(to, "\r\nContent-Type: %s", type);
    er_bytes_text(to, "\r\n\r\n");
}

static int flush(er_body *body, er_bytes *text)
{
    int error = text->error ? ENOMEM : 0;
    if (!error && text->size) error = add_bytes(body, text->at, text->size);
    text->size = 0;
    return error;
}

static int make_multipart(er_body *body, const errand_form_field *fields, er_bytes *why)
{
    char boundary[60];
    snprintf(boundary, sizeof boundary, "errand-%016" PRIx64 "%016" PRIx64, er_random(),
             er_random());
    er_bytes text = { 0 };
    int error = 0;
    for (const errand_form_field *field = fields; field->name && !error; field++) {
        errand_bytes value = value_of(field);
        add_head(&text, boundary, field);
        if (field->file) {
            error = flush(body, &text);
            if (!error) error = add_file(body, field->file, why);
        } else if (value.size) {
            er_bytes_add(&text, value.at, value.size);
        }
        er_bytes_text(&text, "\r\n");
    }
    er_bytes_format(&text, "--%s--\r\n", boundary);
    if (!error) error = flush(body, &text);
    if (!error) {
        er_bytes_format(&text, "multipart/form-data; boundary=%s", boundary);
        error = text.error ? ENOMEM : set_type(body, text.at);
    }
    er_bytes_free(&text);
    return error;
}

static int make_form(er_body *body, const errand_request *given, er_bytes *why)
{
    bool multipart = given->multipart;
    for (const errand_form_field *field = given->form; field->name; field++) {
        int error = check_field(field, why);
        if (error) return error;
        multipart |= field->file || field->filename || field->type;
    }
    return multipart ? make_multipart(body, given->form, why) : make_urlencoded(body, given->form);
}

/* ---- the rest ---- */

static int make_json(er_body *body, struct json_object *json)
{
    size_t size;
    const char *at = json_object_to_json_string_length(json, JSON_C_TO_STRING_PLAIN, &size);
    int error = at ? add_bytes(body, at, size) : ENOMEM;
    return error ? error : set_type(body, "application/json");
}

static int make_fn(er_body *body, int64_t size, er_bytes *why)
{
    if (size < 0 && size != ERRAND_ZERO) return er_refuse(why, "body_size is negative", NULL, 0);
    er_part *part = new_part(body);
    if (!part) return ENOMEM;
    part->kind = ER_PART_FN;
    body->known = size != 0;
    body->length = size > 0 ? (uint64_t)size : 0;
    return 0;
}

int er_body_make(er_body *body, const errand_request *given, er_bytes *why)
{
    *body =
        (er_body){ .fn = given->body_fn, .fn_arg = given->body_arg, .fn_free = given->body_free };
    er_list_init(&body->callers);
    const bool bytes = given->body.at || given->body.size;
    const struct {
        bool given;
        const char *name;
    } kinds[] = { { bytes, "body" },
                  { given->json, "json" },
                  { given->form, "form" },
                  { given->body_file, "body_file" },
                  { given->body_fn, "body_fn" } };
    const char *first = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!kinds[i].given) continue;
        if (first) {
            er_bytes_format(why, "%s and %s are both given", first, kinds[i].name);
            return EINVAL;
        }
        first = kinds[i].name;
    }
    if (!first) return 0;
    body->there = body->known = true;
    if (given->json) return make_json(body, given->json);
    if (given->form) return make_form(body, given, why);
    if (given->body_file) return add_file(body, given->body_file, why);
    if (given->body_fn) return make_fn(body, given->body_size, why);
    if (!given->body.at) return er_refuse(why, "body has a size but no bytes", NULL, 0);
    return add_bytes(body, given->body.at, given->body.size);
}

void er_body_free(er_body *body)
{
    for (size_t i = 0; i < body->n; i++) er_free(body->parts[i].at);
    er_free(body->parts);
    er_free(body->type);
    if (body->fn_free) body->fn_free(body->fn_arg);
    *body = (er_body){ 0 };
}
