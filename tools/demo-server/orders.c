/*
 * 415 for what does not say that it is JSON, 400 for what is none, 422 for JSON that orders
 * nothing we can make. Every refusal names the field; unknown fields are refused too, so that a
 * misspelt one is not silently a default. */
#include "orders.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const qualities[] = { "low", "medium", "high" };

static bool is_json(const char *content_type)
{
    size_t length = content_type ? strcspn(content_type, "; \t") : 0;
    return (length == 16 && !strncasecmp(content_type, "application/json", length)) ||
           (length > 5 && !strncasecmp(content_type + length - 5, "+json", 5));
}

bool video_id_is_good(const char *id)
{
    size_t length = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    return length > 0 && length <= VIDEO_ID_MOST && !id[length];
}

/* The text of a string without NUL in it, else NULL. */
static const char *text_of(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string)) {
        return NULL;
    }
    const char *text = json_object_get_string(value);
    return text && strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

/* A whole number from 1 to most, else 0. */
static int number_of(struct json_object *value, int most)
{
    int64_t n = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
    return n >= 1 && n <= most ? (int)n : 0;
}

static bool read_field(struct order *order, const char *name, struct json_object *value,
                       struct reply *refusal)
{
    const char *text = text_of(value);
    if (!strcmp(name, "video_id")) {
        if (text && video_id_is_good(text)) {
            memcpy(order->video_id, text, strlen(text) + 1);
            return true;
        }
        reply_problem(refusal, 422, name,
                      "video_id must be 1 to %d letters, digits, '_', '-' or '.'", VIDEO_ID_MOST);
    } else if (!strcmp(name, "prompt")) {
        if (text && *text && strlen(text) <= PROMPT_MOST) {
            free(order->prompt);
            order->prompt = strdup(text);
            return true;
        }
        reply_problem(refusal, 422, name, "prompt must be a string of 1 to %d bytes", PROMPT_MOST);
    } else if (!strcmp(name, "quality")) {
        for (size_t i = 0; text && i < sizeof qualities / sizeof *qualities; i++) {
            if (!strcmp(text, qualities[i])) {
                order->quality = qualities[i];
                return true;
            }
        }
        reply_problem(refusal, 422, name, "quality must be \"low\", \"medium\" or \"high\"");
    } else if (!strcmp(name, "duration")) {
        order->duration = number_of(value, DURATION_MOST);
        if (order->duration) {
            return true;
        }
        reply_problem(refusal, 422, name, "duration must be a whole number of seconds from 1 to %d",
                      DURATION_MOST);
    } else if (!strcmp(name, "max_tokens")) {
        order->max_tokens = number_of(value, TOKENS_MOST);
        if (order->max_tokens) {
            return true;
        }
        reply_problem(refusal, 422, name, "max_tokens must be a whole number from 1 to %d",
                      TOKENS_MOST);
    } else {
        reply_problem(refusal, 422, name, "unknown field '%.100s'", name);
    }
    return false;
}

static bool read_fields(struct order *order, struct json_object *document, struct reply *refusal)
{
    if (!json_object_is_type(document, json_type_object)) {
        reply_problem(refusal, 422, "body", "the body must be a JSON object");
        return false;
    }
    json_object_object_foreach(document, name, value)
    {
        if (!read_field(order, name, value, refusal)) {
            return false;
        }
    }
    if (!order->prompt || !*order->video_id) {
        const char *missing = order->prompt ? "video_id" : "prompt";
        reply_problem(refusal, 422, missing, "%s is missing", missing);
        return false;
    }
    return true;
}

bool order_read(struct order *order, const char *content_type, const char *body, size_t length,
                struct reply *refusal)
{
    *order = (struct order){ .quality = "high", .duration = 30 };
    if (!is_json(content_type)) {
        reply_problem(refusal, 415, "Content-Type",
                      "the body must be application/json, not '%.100s'",
                      content_type ? content_type : "unsaid");
        return false;
    }
    struct json_tokener *tokener = length < INT_MAX ? json_tokener_new() : NULL;
    if (!tokener) {
        reply_problem(refusal, 500, "body", "no memory to read it");
        return false;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *document = json_tokener_parse_ex(tokener, length ? body : "", (int)length);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    if (error == json_tokener_continue && length) { /* a bare number is whole only at its end */
        document = json_tokener_parse_ex(tokener, "", 1);
        error = json_tokener_get_error(tokener);
    }
    size_t read = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    if (error != json_tokener_success) {
        const char *why =
            error == json_tokener_continue ? "it ends too early" : json_tokener_error_desc(error);
        reply_problem(refusal, 400, "body", "the body is not JSON: %s (byte %zu)", why, read);
        return false;
    }
    bool good = read_fields(order, document, refusal);
    json_object_put(document);
    if (!good) {
        order_free(order);
    }
    return good;
}

void order_free(struct order *order)
{
    free(order->prompt);
    order->prompt = NULL;
}
