/* jobs/halt.c -- counts ends until they say that more jobs would fail alike.
 *
 *     fatal    none has succeeded, and the third was refused: a wrong key, an account without money
 *     failed   that many, or that share of those that ended, once three have failed
 *
 * Cancelled jobs do not count. Of an error's body the keys "code", "type" and "message" are read,
 * in the object itself and in the object "error" in it, which is how most services report that a
 * quota is used up: often with 429, like a limit that ends in a second. */
#include "jobs/halt.h"

#include "http/sanitize.h"

#include <json-c/json.h>
#include <string.h>

#define ENOUGH 3 /* failures: one or two may be chance */

errand_jobs_halt er_halt_count(er_halt *halt, const errand_result *r, bool is_refused)
{
    if (errand_result_kind(r) == ERRAND_KIND_CANCELLED) return ERRAND_JOBS_NOT_HALTED;
    halt->ended++;
    if (r->error) halt->failed++;
    else halt->successful++;
    if (!r->error) return ERRAND_JOBS_NOT_HALTED;
    if (is_refused) halt->refused++;
    bool none = !halt->successful && !halt->let_in;
    if (halt->fatal && none && halt->refused >= ENOUGH) return ERRAND_JOBS_FATAL;
    bool many = halt->failed_most && halt->failed >= halt->failed_most;
    bool share = halt->failed_share_most > 0 && halt->failed >= ENOUGH &&
                 (double)halt->failed >= halt->failed_share_most * (double)halt->ended;
    return many || share ? ERRAND_JOBS_FAILED : ERRAND_JOBS_NOT_HALTED;
}

static bool has_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (; *text; text++) {
        if (er_alike(text, word, size)) return true;
    }
    return false;
}

static bool speaks_of_quota(struct json_object *object)
{
    static const char *const keys[] = { "code", "type", "message" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct json_object *value;
        if (!json_object_object_get_ex(object, keys[i], &value)) continue;
        if (!json_object_is_type(value, json_type_string)) continue;
        const char *text = json_object_get_string(value);
        if (has_word(text, "quota") || has_word(text, "billing")) return true;
    }
    return false;
}

bool er_halt_refused(const errand_result *r)
{
    int status = r->error - ERRAND_HTTP;
    if (status == 401 || status == 402 || status == 403) return true;
    struct json_object *body, *error;
    if (status < 400 || status > 499 || !r->value) return false;
    if (errand_response_json(r->value, &body, NULL)) return false;
    bool object = json_object_is_type(body, json_type_object);
    bool quota = object && speaks_of_quota(body);
    if (object && !quota && json_object_object_get_ex(body, "error", &error))
        quota = json_object_is_type(error, json_type_object) && speaks_of_quota(error);
    json_object_put(body);
    return quota;
}
