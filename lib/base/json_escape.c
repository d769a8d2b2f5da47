/* base/json_escape.c -- see json_escape.h. */
#include "base/json_escape.h"

#include <string.h>

size_t er_json_escape(char to[ER_JSON_ESCAPE], unsigned char c)
{
    static const char digits[] = "0123456789abcdef", letters[] = "btn\0fr"; /* 8, 9, 10, 12, 13 */
    char letter = c == '"' || c == '\\' ? (char)c : '\0';
    if (c >= 8 && c <= 13) letter = letters[c - 8];
    to[0] = '\\';
    to[1] = letter ? letter : 'u';
    if (letter) return 2;
    to[2] = to[3] = '0';
    to[4] = digits[c >> 4];
    to[5] = digits[c & 15];
    return 6;
}
