/* http/sanitize.h -- checks text that is sent, and sanitizes a peer's text that is shown. */
#ifndef ER_SANITIZE_H
#define ER_SANITIZE_H

#include "base/bytes.h"

/* Returns how many characters of a token (RFC 9110, 5.6.2) a text begins with. */
size_t er_token(const char *text);
size_t er_token_of(const char *text, size_t size);
/* The first `size` characters, or all up to the end, are the same but for the case of ASCII
 * letters, whatever the program's locale: in Turkish strcasecmp takes "I" and "i" for two. */
bool er_alike(const char *a, const char *b, size_t size);
char er_lower(char c);
bool er_has_control(const char *text, bool tab_is_fine);

/* EINVAL, with "what "culprit"" in *why; culprit may be NULL. */
int er_refuse(er_bytes *why, const char *what, const char *culprit, size_t size);

/* Adds a peer's text: control characters become spaces, what is not UTF-8 a question mark; at most
 * `most` bytes. */
void er_add_harmless(er_bytes *to, const char *text, size_t size, size_t most);

/* Overwrites each occurrence of secret in text with '*', unless secret is short. */
void er_hide(char *text, const char *secret, size_t size);

#endif
