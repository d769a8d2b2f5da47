/* log/value.c -- see value.h. What is a number by its format may still print as "nan" or "inf": JSON gets that as a string. */
#include "log/value.h"
#include "log/escape.h"

void er_value_text(er_text *out, const er_value *value, const char *text)
{
    er_text_put(out, ' ');
    er_escape_value(out, value->key, value->key_size);
    er_text_put(out, '=');
    er_escape_value(out, text + value->at, value->size);
}

void er_value_json(er_text *out, const er_value *value, const char *text)
{
    const char *at = text + value->at;
    er_text_add(out, ",\"", 2);
    er_escape_json(out, value->key, value->key_size);
    er_text_add(out, "\":", 2);
    bool number = value->number && value->size;
    if (number) {
        char first = *at == '-' && value->size > 1 ? at[1] : *at;
        number = first >= '0' && first <= '9';
    }
    if (number) {
        er_text_add(out, at, value->size);
        return;
    }
    er_text_put(out, '"');
    er_escape_json(out, at, value->size);
    er_text_put(out, '"');
}
