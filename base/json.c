#include "base/json.h"
#include "base/text.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A walk over the text; scan functions return false and leave `problem` where they stop. */
struct scan {
    const char *text;
    size_t at, length;
    size_t values;
    const char *problem;
};

static bool scan_value(struct scan *s, int depth);

static bool fail(struct scan *s, const char *problem)
{
    s->problem = problem;
    return false;
}

/* The byte at the cursor; 0, which is no part of JSON's grammar, at the end. */
static char peek(const struct scan *s)
{
    return s->at < s->length ? s->text[s->at] : '\0';
}

static bool accept(struct scan *s, char c)
{
    if (peek(s) != c)
        return false;
    s->at++;
    return true;
}

static void skip_blanks(struct scan *s)
{
    while (peek(s) == ' ' || peek(s) == '\t' || peek(s) == '\n' || peek(s) == '\r')
        s->at++;
}

static bool skip_digits(struct scan *s)
{
    size_t start = s->at;
    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at > start;
}

static bool scan_number(struct scan *s)
{
    enum { LONGEST = 63 }; /* what cJSON reads of one */
    size_t start = s->at;
    accept(s, '-');
    if (!accept(s, '0') && !skip_digits(s))
        return fail(s, "a value is expected");
    if (accept(s, '.') && !skip_digits(s))
        return fail(s, "a digit is expected");
    if (accept(s, 'e') || accept(s, 'E')) {
        if (!accept(s, '+'))
            accept(s, '-');
        if (!skip_digits(s))
            return fail(s, "a digit is expected");
    }
    return s->at - start <= LONGEST || fail(s, "a number is too long");
}

/* Four hexadecimal digits at the cursor, or -1. */
static int32_t scan_hex(struct scan *s)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const char *d = peek(s) == '\0' ? NULL : strchr(digits, peek(s));
        if (d == NULL)
            return -1;
        value = value * 16 + (int32_t)(d - digits) % 16;
        s->at++;
    }
    return value;
}

static bool scan_escape(struct scan *s)
{
    char c = peek(s);
    if (c == '\0' || strchr("\"\\/bfnrtu", c) == NULL)
        return fail(s, "an unknown escape");
    s->at++;
    if (c != 'u')
        return true;
    int32_t unit = scan_hex(s);
    if (unit < 0)
        return fail(s, "four hexadecimal digits are expected");
    if (unit == 0)
        return fail(s, "a NUL character is not allowed");
    if (unit >= 0xdc00 && unit < 0xe000)
        return fail(s, "half of a surrogate pair");
    if (unit >= 0xd800 && unit < 0xdc00) {
        int32_t low = accept(s, '\\') && accept(s, 'u') ? scan_hex(s) : -1;
        if (low < 0xdc00 || low >= 0xe000)
            return fail(s, "half of a surrogate pair");
    }
    return true;
}

static bool scan_string(struct scan *s)
{
    if (!accept(s, '"'))
        return fail(s, "a string is expected");
    while (s->at < s->length) {
        if (accept(s, '"'))
            return true;
        if (accept(s, '\\')) {
            if (!scan_escape(s))
                return false;
            continue;
        }
        uint32_t c;
        size_t bytes = text_character(s->text + s->at, s->length - s->at, &c);
        if (bytes == 0)
            return fail(s, "not UTF-8");
        if (c < 0x20)
            return fail(s, "a control character in a string");
        s->at += bytes;
    }
    return fail(s, "a string without an end");
}

/* The rest of an array or object behind its opening bracket. */
static bool scan_members(struct scan *s, bool object, int depth)
{
    char close = object ? '}' : ']';
    skip_blanks(s);
    if (accept(s, close))
        return true;
    do {
        if (object) {
            skip_blanks(s);
            if (!scan_string(s))
                return false;
            skip_blanks(s);
            if (!accept(s, ':'))
                return fail(s, "a colon is expected");
        }
        if (!scan_value(s, depth))
            return false;
    } while (accept(s, ','));
    return accept(s, close) || fail(s, object ? "a comma or } is expected" : "a comma or ] is expected");
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);
    if (s->length - s->at < n || memcmp(s->text + s->at, word, n) != 0)
        return fail(s, "a value is expected");
    s->at += n;
    return true;
}

/* One value with the blanks around it. */
static bool scan_value(struct scan *s, int depth)
{
    bool good;
    skip_blanks(s);
    if (depth >= JSON_MAX_DEPTH)
        return fail(s, "nested too deeply");
    if (++s->values > JSON_MAX_VALUES)
        return fail(s, "too many values");
    switch (peek(s)) {
    case '{':
    case '[': {
        bool object = s->text[s->at++] == '{';
        good = scan_members(s, object, depth + 1);
        break;
    }
    case '"':
        good = scan_string(s);
        break;
    case 't':
        good = scan_word(s, "true");
        break;
    case 'f':
        good = scan_word(s, "false");
        break;
    case 'n':
        good = scan_word(s, "null");
        break;
    default:
        good = scan_number(s);
    }
    skip_blanks(s);
    return good;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, because a header may have a hundred thousand keys. */
static int check_unique(const cJSON *object, struct err *e)
{
    size_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object) n++;
    if (n < 2)
        return 0;
    const char **names = malloc(n * sizeof *names);
    if (names == NULL)
        return err_nomem(e);
    n = 0;
    cJSON_ArrayForEach(item, object) names[n++] = item->string;
    qsort(names, n, sizeof *names, compare_names);
    int result = 0;
    for (size_t i = 1; i < n && result == 0; i++) {
        char shown[80];
        if (strcmp(names[i - 1], names[i]) == 0)
            result = err_set(e, ERR_INPUT, "not valid JSON: the key \"%s\" appears twice",
                             text_show(shown, sizeof shown, names[i], strlen(names[i])));
    }
    free(names);
    return result;
}

/* What only the tree shows. Recursion is bounded: the scan has limited the depth. */
static int check_tree(const cJSON *item, struct err *e)
{
    if (cJSON_IsNumber(item) && !isfinite(item->valuedouble))
        return err_set(e, ERR_INPUT, "not valid JSON: a number is too large");
    if (cJSON_IsObject(item) && check_unique(item, e) != 0)
        return -1;
    for (const cJSON *child = item->child; child != NULL; child = child->next)
        if (check_tree(child, e) != 0)
            return -1;
    return 0;
}

int json_parse(cJSON **out, const char *text, size_t length, struct err *e)
{
    *out = NULL;
    struct scan s = {.text = text, .length = length};
    if (!scan_value(&s, 0))
        return err_set(e, ERR_INPUT, "not valid JSON at byte %zu: %s", s.at, s.problem);
    if (s.at != length)
        return err_set(e, ERR_INPUT, "not valid JSON at byte %zu: more follows the value", s.at);
    cJSON *tree = cJSON_ParseWithLength(text, length);
    if (tree == NULL)
        return err_nomem(e); /* it is JSON, so nothing else is left */
    if (check_tree(tree, e) != 0) {
        cJSON_Delete(tree);
        return -1;
    }
    *out = tree;
    return 0;
}

bool json_integer(const cJSON *item, long long min, long long max, long long *value)
{
    if (!cJSON_IsNumber(item))
        return false;
    double v = item->valuedouble;
    if (!(fabs(v) <= 0x1p53) || v != floor(v) || v < (double)min || v > (double)max)
        return false;
    *value = (long long)v;
    return true;
}
