#include "base/number.h"
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static locale_t c_locale;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Copies text into out if all its bytes may stand in a decimal number. */
static bool copy_decimal(const char *text, size_t length, const char *allowed, char out[64])
{
    if (length == 0 || length >= 64)
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\0' || strchr(allowed, text[i]) == NULL)
            return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

bool number_double(const char *text, size_t length, double *value)
{
    char copy[64], *end;
    if (!copy_decimal(text, length, "0123456789+-.eE", copy))
        return false;
    pthread_once(&once, make_locale);
    double v = strtod_l(copy, &end, c_locale);
    if (end == copy || *end != '\0' || !isfinite(v))
        return false;
    *value = v;
    return true;
}

bool number_integer(const char *text, size_t length, long long min, long long max, long long *value)
{
    char copy[64], *end;
    if (!copy_decimal(text, length, "0123456789+-", copy))
        return false;
    errno = 0;
    long long v = strtoll(copy, &end, 10);
    if (end == copy || *end != '\0' || errno == ERANGE || v < min || v > max)
        return false;
    *value = v;
    return true;
}
