/* json.h - JSON from outside, strictly; cJSON builds the tree.
 *
 * cJSON is lenient where text is hostile: \u0000 cuts a string, 1e999 becomes infinite, `01`, raw control bytes and bad
 * UTF-8 pass, of two equal keys the first wins. So the text is checked against RFC 8259 before cJSON sees it, and the
 * tree afterwards. Read members with cJSON_GetObjectItemCaseSensitive, integers with json_integer (valueint saturates).
 * Threading: pure functions.
 */
#pragma once
#include "base/err.h"
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    JSON_MAX_DEPTH = 64,
    JSON_MAX_VALUES = 1 << 18, /* a value costs cJSON about 100 bytes, whatever it costs in the text */
};

/* Parses text[0..length), which needs no terminator, to its last byte. Refused too: \u0000 and lone surrogates, numbers
 * that are not finite as a double or longer than 63 characters, an object with a key twice, more than the limits above.
 * *out is for cJSON_Delete. Errors: ERR_INPUT ("not valid JSON at byte 12: ..."), ERR_NOMEM. */
int json_parse(cJSON **out, const char *text, size_t length, struct err *e);

/* True if item is a number with an integer value in min..max and within +-2^53, up to which doubles are exact. */
bool json_integer(const cJSON *item, long long min, long long max, long long *value);
