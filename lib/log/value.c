/* log/value.c -- see value.h. What is a number by its format may still print as "nan" or "inf",
 * or be cut: JSON gets that as a string. */
#include "log/value.h"
#include "log/escape.h"
#include "log/result_row.h"

void er_value_text(er_text *out, const er_value *value, const char *text)
{
    if (value->kind == ER_VALUE_RESULT) {
        er_result_row_text(out, value->key, value->key_size, text + value->at, value->size);
        return;
    }
    er_text_put(out, ' ');
    er_escape_value(out, value->key, value->key_size);
    er_text_put(out, '=');
    er_escape_value(out, text + value->at, value->size);
}

static size_t digits(const char *at, size_t size)
{
    size_t n = 0;
    while (n < size && at[n] >= '0' && at[n] <= '9') n++;
    return n;
}

/* RFC 8259, 6: [-] 0 or digits that do not begin with it, [. digits], [e [+-] digits] */
static bool is_number(const char *at, size_t size)
{
    size_t i = size && *at == '-' ? 1 : 0, n = digits(at + i, size - i);
    if (!n || (n > 1 && at[i] == '0')) return false;
    i += n;
    if (i < size && at[i] == '.') {
        if (!(n = digits(at + i + 1, size - i - 1))) return false;
        i += 1 + n;
    }
    if (i < size && (at[i] == 'e' || at[i] == 'E')) {
        i += i + 1 < size && (at[i + 1] == '+' || at[i + 1] == '-') ? 2 : 1;
        if (!(n = digits(at + i, size - i))) return false;
        i += n;
    }
    return i == size;
}

void er_value_json(er_text *out, const er_value *value, const char *text)
{
    const char *at = text + value->at;
    er_text_add(out, ",\"", 2);
    er_escape_json(out, value->key, value->key_size);
    er_text_add(out, "\":", 2);
    if (value->kind == ER_VALUE_RESULT) {
        er_result_row_json(out, at, value->size);
        return;
    }
    if (value->kind == ER_VALUE_NUMBER && is_number(at, value->size)) {
        er_text_add(out, at, value->size);
        return;
    }
    er_text_put(out, '"');
    er_escape_json(out, at, value->size);
    er_text_put(out, '"');
}
