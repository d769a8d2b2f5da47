/* log/value.h -- one key and its value, in a line of text or in JSON. */
#ifndef ER_VALUE_H
#define ER_VALUE_H

#include "log/format.h"

/* key=value, with the blank before it */
void er_value_text(er_text *out, const er_value *value, const char *text);
/* ,"key":value, with the comma before it */
void er_value_json(er_text *out, const er_value *value, const char *text);

#endif
