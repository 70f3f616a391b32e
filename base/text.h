/* text.h - text from outside: is it UTF-8, may it be shown, and a form that may always be shown.
 *
 * "Control character" is the Unicode category Cc: U+0000 to U+001F, U+007F to U+009F. They can forge a header line, a
 * log line or a terminal's state, so names that travel into results must not hold any. Threading: pure functions.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the UTF-8 character at text[0..length), its code point in *character; 0 if there is none: cut, overlong, a
 * surrogate, above U+10FFFF. */
size_t text_character(const char *text, size_t length, uint32_t *character);

/* True if text[0..length) is UTF-8 without control characters. */
bool text_is_plain(const char *text, size_t length);

/* Copies text[0..length) into out for a message: what is not plain becomes '?', what does not fit ends in "...".
 * size >= 8; out is always terminated. Returns out. */
const char *text_show(char *out, size_t size, const char *text, size_t length);
