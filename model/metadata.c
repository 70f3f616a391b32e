#include "model/metadata.h"
#include "base/json.h"
#include "base/text.h"
#include "model/palette.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 128, MAX_CLASSES = 255 };

/* NULL where the key is absent or null. */
static const cJSON *member(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(item) ? NULL : item;
}

static int read_integer(int *out, const cJSON *object, const char *key, int min, int max, struct err *e)
{
    const cJSON *item = member(object, key);
    long long value;
    if (item == NULL)
        return err_set(e, ERR_INPUT, "%s is missing", key);
    if (!json_integer(item, min, max, &value))
        return err_set(e, ERR_INPUT, "%s is not a whole number from %d to %d", key, min, max);
    *out = (int)value;
    return 0;
}

/* Copies a name: it travels into headers, rasters, logs and terminals, so it is plain text of bounded length. */
static int read_name(char **out, const cJSON *object, const char *key, struct err *e)
{
    const char *text = cJSON_GetStringValue(member(object, key));
    size_t length = text == NULL ? 0 : strlen(text);
    if (length == 0 || length > LONGEST_NAME || !text_is_plain(text, length))
        return err_set(e, ERR_INPUT, "%s is not a text of 1 to %d bytes without control characters", key, LONGEST_NAME);
    *out = strdup(text);
    return *out == NULL ? err_nomem(e) : 0;
}

/* As read_name, for what stands in "name/version" and in the path of a URL. */
static int read_identifier(char **out, const cJSON *object, const char *key, struct err *e)
{
    if (read_name(out, object, key, e) != 0)
        return -1;
    return strchr(*out, '/') == NULL ? 0 : err_set(e, ERR_INPUT, "%s holds a slash", key);
}

/* An optional key with two values: *second is true for the latter; the former is the default. */
static int read_choice(bool *second, const cJSON *object, const char *key, const char *a, const char *b, struct err *e)
{
    const cJSON *item = member(object, key);
    const char *text = cJSON_GetStringValue(item);
    *second = text != NULL && strcmp(text, b) == 0;
    if (item == NULL || *second || (text != NULL && strcmp(text, a) == 0))
        return 0;
    return err_set(e, ERR_INPUT, "%s is neither \"%s\" nor \"%s\"", key, a, b);
}

/* An optional list of B positive numbers. */
static int read_bands(double **out, const cJSON *object, const char *key, int B, struct err *e)
{
    const cJSON *list = member(object, key), *item;
    if (list == NULL)
        return 0;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != B)
        return err_set(e, ERR_INPUT,
                       "%s is not a list of as many numbers as there are sensor_bands: expected %d, got %d", key, B,
                       cJSON_GetArraySize(list));
    double *values = *out = malloc((size_t)B * sizeof *values);
    if (values == NULL)
        return err_nomem(e);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item) || !(item->valuedouble > 0))
            return err_set(e, ERR_INPUT, "%s: value %td is not a number above 0", key, values - *out + 1);
        *values++ = item->valuedouble;
    }
    return 0;
}

static int read_nodata(struct package *p, const cJSON *object, struct err *e)
{
    const cJSON *item = member(object, "nodata");
    const char *text = cJSON_GetStringValue(item);
    p->has_nodata = item != NULL;
    if (text != NULL && strcmp(text, "NaN") == 0)
        p->nodata = NAN;
    else if (cJSON_IsNumber(item))
        p->nodata = item->valuedouble;
    else if (item != NULL)
        return err_set(e, ERR_INPUT, "nodata is neither a number nor \"NaN\"");
    return 0;
}

static int read_color(struct package_class *c, const cJSON *object, int index, struct err *e)
{
    const cJSON *item = member(object, "color");
    const char *text = cJSON_GetStringValue(item);
    uint8_t rgb[3];
    if (item == NULL) {
        palette_color(index, rgb);
    } else {
        if (text == NULL || strlen(text) != 7 || text[0] != '#' || strspn(text + 1, "0123456789abcdefABCDEF") != 6)
            return err_set(e, ERR_INPUT, "color is not of the form #rrggbb");
        unsigned long value = strtoul(text + 1, NULL, 16);
        for (int i = 0; i < 3; i++)
            rgb[i] = (uint8_t)(value >> (16 - 8 * i));
    }
    c->red = rgb[0];
    c->green = rgb[1];
    c->blue = rgb[2];
    return 0;
}

static int read_classes(struct metadata *m, struct package *p, const cJSON *object, struct err *e)
{
    const cJSON *list = member(object, "classes"), *item;
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    bool taken[MAX_CLASSES + 1] = {false};
    if (count < 1 || count > MAX_CLASSES)
        return err_set(e, ERR_INPUT, "classes is not a list of 1 to %d classes", MAX_CLASSES);
    p->classes = calloc((size_t)count + 1, sizeof *p->classes);
    if (p->classes == NULL)
        return err_nomem(e);
    cJSON_ArrayForEach(item, list)
    {
        struct package_class *c = &p->classes[m->class_count];
        if (read_integer(&c->id, item, "id", 1, MAX_CLASSES, e) != 0 || read_name(&c->name, item, "name", e) != 0 ||
            read_color(c, item, m->class_count, e) != 0)
            return err_prefix(e, "class %d", m->class_count + 1);
        if (taken[c->id])
            return err_set(e, ERR_INPUT, "class %d: another class has the id %d already", m->class_count + 1, c->id);
        taken[c->id] = true;
        m->class_count++;
    }
    return 0;
}

static int read_kind(const cJSON *object, struct err *e)
{
    const char *architecture = cJSON_GetStringValue(member(object, "architecture"));
    int format;
    if (read_integer(&format, object, "format", 1, 1, NULL) != 0)
        return err_set(e, ERR_INPUT, "format is not 1, the only one that this version knows");
    if (architecture == NULL || strcmp(architecture, "a2s2k-resnet") != 0)
        return err_set(e, ERR_INPUT, "architecture is not \"a2s2k-resnet\", the only one that this version runs");
    return 0;
}

static int read_sizes(struct metadata *m, const cJSON *object, struct err *e)
{
    m->kernels = 24;
    if (read_integer(&m->sensor_bands, object, "sensor_bands", 1, 4096, e) != 0 ||
        read_integer(&m->bands, object, "bands", 7, 512, e) != 0 ||
        read_integer(&m->patch, object, "patch", 1, 1 << 20, e) != 0 ||
        (member(object, "kernels") != NULL && read_integer(&m->kernels, object, "kernels", 1, 64, e) != 0))
        return -1;
    if (m->patch != 7 && m->patch != 9 && m->patch != 11)
        return err_set(e, ERR_INPUT, "the published head does not fit a patch of %d: its 5 x 5 pool needs 7, 9 or 11",
                       m->patch);
    return 0;
}

int metadata_read(struct metadata *m, struct package *p, const char *text, size_t length, struct err *e)
{
    cJSON *object;
    bool scene;
    int result = -1;
    *m = (struct metadata){0};
    if (json_parse(&object, text, length, e) != 0)
        return -1;
    if (!cJSON_IsObject(object)) {
        err_set(e, ERR_INPUT, "not a JSON object");
        goto done;
    }
    if (read_kind(object, e) != 0 || read_identifier(&p->name, object, "name", e) != 0 ||
        read_identifier(&p->version, object, "version", e) != 0 || read_sizes(m, object, e) != 0 ||
        read_classes(m, p, object, e) != 0 ||
        read_bands(&p->wavelengths_nm, object, "wavelengths_nm", m->sensor_bands, e) != 0 ||
        read_bands(&p->fwhm_nm, object, "fwhm_nm", m->sensor_bands, e) != 0 || read_nodata(p, object, e) != 0 ||
        read_choice(&p->scaling_none, object, "scaling", "file", "none", e) != 0 ||
        read_choice(&scene, object, "normalization", "model", "scene", e) != 0)
        goto done;
    p->normalization = scene ? NORMALIZATION_SCENE : NORMALIZATION_MODEL;
    result = 0;
done:
    cJSON_Delete(object);
    return result;
}
