#include "base/text.h"
#include <assert.h>
#include <string.h>

size_t text_character(const char *text, size_t length, uint32_t *character)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text;
    if (length == 0)
        return 0;
    size_t bytes = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (bytes == 0 || bytes > length)
        return 0;
    uint32_t c = bytes == 1 ? s[0] : s[0] & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < smallest[bytes] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
        return 0;
    *character = c;
    return bytes;
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

bool text_is_plain(const char *text, size_t length)
{
    uint32_t c;
    for (size_t i = 0, bytes; i < length; i += bytes) {
        bytes = text_character(text + i, length - i, &c);
        if (bytes == 0 || is_control(c))
            return false;
    }
    return true;
}

const char *text_show(char *out, size_t size, const char *text, size_t length)
{
    static const char cut[] = "...";
    assert(size >= 8);
    size_t used = 0, fits = 0; /* fits: what is kept if the rest has to be cut */
    for (size_t i = 0, bytes; i < length; i += bytes) {
        uint32_t c;
        bytes = text_character(text + i, length - i, &c);
        bool plain = bytes != 0 && !is_control(c);
        if (bytes == 0)
            bytes = 1;
        size_t needed = plain ? bytes : 1;
        if (used + needed + 1 > size) {
            memcpy(out + fits, cut, sizeof cut);
            return out;
        }
        if (plain)
            memcpy(out + used, text + i, bytes);
        else
            out[used] = '?';
        used += needed;
        if (used + sizeof cut <= size)
            fits = used;
    }
    out[used] = '\0';
    return out;
}
