#include "proto/query.h"
#include "base/number.h"
#include "base/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEADLINE_MOST = 7 * 24 * 3600 };

static bool equals(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* "scale=xyz is not understood; expected ...": what was found is shown only in a form that may always be shown. */
static int refuse(const char *key, const char *text, size_t length, const char *expected, struct err *e)
{
    char shown[64];
    return err_set(e, ERR_REQUEST, "%s=%s is not understood; expected %s", key,
                   text_show(shown, sizeof shown, text, length), expected);
}

/* A word of a list, as its index. */
static int parse_word(const char *key, const char *const words[], const char *expected, const char *text, size_t length,
                      int *index, struct err *e)
{
    for (int i = 0; words[i] != NULL; i++)
        if (equals(text, length, words[i])) {
            *index = i;
            return 0;
        }
    return refuse(key, text, length, expected, e);
}

static int parse_model(struct query *q, const char *text, size_t length, struct err *e)
{
    if (length == 0 || length >= sizeof q->model || !text_is_plain(text, length))
        return refuse("model", text, length, "the name of a model", e);
    memcpy(q->model, text, length);
    q->model[length] = '\0';
    return 0;
}

const char *result_format_name(enum result_format f)
{
    static const char *const names[] = {"", "json", "geotiff", "npy"};
    return names[f];
}

static int parse_format(struct query *q, const char *text, size_t length, struct err *e)
{
    static const char *const later[] = {"cog", "envi", "png", "zip"};
    for (enum result_format f = FORMAT_JSON; f <= FORMAT_NPY; f++)
        if (equals(text, length, result_format_name(f))) {
            q->format = f;
            return 0;
        }
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        if (equals(text, length, later[i]))
            return err_set(e, ERR_REQUEST, "format=%s is not served by this version; ask for json, geotiff or npy",
                           later[i]);
    return refuse("format", text, length, "json, geotiff or npy", e);
}

static int parse_window(struct query *q, const char *text, size_t length, struct err *e)
{
    static const char expected[] = "column,row,columns,rows: four whole numbers, the last two at least 1";
    long long v[4];
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        size_t n = 0;
        while (at + n < length && text[at + n] != ',')
            n++;
        if (!number_integer(text + at, n, i < 2 ? 0 : 1, INT32_MAX, &v[i]) || (i < 3) != (at + n < length))
            return refuse("window", text, length, expected, e);
        at += n + 1;
    }
    q->window = (struct window){(int)v[0], (int)v[1], (int)v[2], (int)v[3]};
    q->has_window = true;
    return 0;
}

static int parse_normalization(struct query *q, const char *text, size_t length, struct err *e)
{
    static const char *const words[] = {[NORMALIZATION_MODEL] = "model", [NORMALIZATION_SCENE] = "scene", NULL};
    int index;
    if (parse_word("normalization", words, "model or scene", text, length, &index, e) != 0)
        return -1;
    q->normalization = (enum normalization)index;
    q->has_normalization = true;
    return 0;
}

static int parse_scale(struct query *q, const char *text, size_t length, struct err *e)
{
    double v;
    if (!number_double(text, length, &v) || v == 0)
        return refuse("scale", text, length, "a finite number other than 0", e);
    q->spectral.scale = v;
    q->spectral.has_scale = true;
    return 0;
}

static int parse_nodata(struct query *q, const char *text, size_t length, struct err *e)
{
    double v = NAN;
    if (equals(text, length, "none")) {
        q->nodata.source = NODATA_IGNORED;
        return 0;
    }
    if (!equals(text, length, "NaN") && !equals(text, length, "nan") && !number_double(text, length, &v))
        return refuse("nodata", text, length, "a number, NaN, or none", e);
    q->nodata.source = NODATA_GIVEN;
    q->nodata.value = v;
    return 0;
}

static int parse_nodata_rule(struct query *q, const char *text, size_t length, struct err *e)
{
    static const char *const words[] = {[NODATA_AUTO] = "auto", [NODATA_ANY] = "any", [NODATA_ALL] = "all", NULL};
    int index;
    if (parse_word("nodata_rule", words, "auto, any or all", text, length, &index, e) != 0)
        return -1;
    q->nodata.rule = (enum nodata_rule)index;
    return 0;
}

static int parse_bands(struct query *q, const char *text, size_t length, struct err *e)
{
    static const char *const words[] = {
        [BANDS_AUTO] = "auto", [BANDS_INDEX] = "index", [BANDS_WAVELENGTH] = "wavelength", NULL};
    int index;
    if (parse_word("bands", words, "auto, index or wavelength", text, length, &index, e) != 0)
        return -1;
    q->spectral.bands = (enum band_rule)index;
    return 0;
}

static int parse_labels(struct query *q, const char *text, size_t length, struct err *e)
{
    static const char *const words[] = {"0", "1", "false", "true", NULL};
    int index;
    if (parse_word("labels", words, "0 or 1", text, length, &index, e) != 0)
        return -1;
    q->labels = index % 2 == 1;
    return 0;
}

static int parse_deadline(struct query *q, const char *text, size_t length, struct err *e)
{
    double v;
    if (!number_double(text, length, &v) || v <= 0 || v > DEADLINE_MOST)
        return refuse("deadline", text, length, "seconds, above 0 and at most 604800", e);
    q->deadline_s = v;
    return 0;
}

const struct query_key query_keys[] = {
    {"model", "NAME", "which model; needed where several are loaded", parse_model},
    {"format", "json|geotiff|npy", "what the result is written as", parse_format},
    {"window", "COLUMN,ROW,COLUMNS,ROWS", "classify this part of the scene; labels are those of the whole",
     parse_window},
    {"normalization", "model|scene", "standardise by the package, or over the scene's valid pixels",
     parse_normalization},
    {"scale", "FACTOR", "multiply every sample by this, instead of what the file declares", parse_scale},
    {"nodata", "VALUE|NaN|none", "the sample that means no data; none ignores what the file declares", parse_nodata},
    {"nodata_rule", "auto|any|all", "whether one band's nodata makes a pixel invalid, or all bands'",
     parse_nodata_rule},
    {"bands", "auto|index|wavelength", "how the cube's bands are matched to the model's", parse_bands},
    {"labels", "0|1", "0 leaves the label rows out of the JSON", parse_labels},
    {"deadline", "SECONDS", "give up after so long", parse_deadline},
};
const size_t query_key_count = sizeof query_keys / sizeof query_keys[0];

void query_init(struct query *q)
{
    *q = (struct query){.labels = true};
}

static int unknown(const char *key, struct err *e)
{
    char list[256] = "", shown[64];
    size_t used = 0;
    for (size_t i = 0; i < query_key_count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", query_keys[i].name);
    return err_set(e, ERR_REQUEST, "there is no query key '%s'; this version knows %s",
                   text_show(shown, sizeof shown, key, strlen(key)), list);
}

int query_set(struct query *q, const char *key, const char *text, size_t length, struct err *e)
{
    for (size_t i = 0; i < query_key_count; i++) {
        if (strcmp(query_keys[i].name, key) != 0)
            continue;
        if (q->given & (1ull << i))
            return err_set(e, ERR_REQUEST, "%s is given twice", key);
        q->given |= 1ull << i;
        return query_keys[i].parse(q, text, length, e);
    }
    return unknown(key, e);
}
