#include "proto/package_json.h"
#include <math.h>
#include <stdio.h>

/* values (n), null where not known. */
static cJSON *numbers(const double *values, int n)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < n; i++)
        cJSON_AddItemToArray(list, isfinite(values[i]) ? cJSON_CreateNumber(values[i]) : cJSON_CreateNull());
    return list;
}

static cJSON *classes(const struct package *p)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < p->network.N; i++) {
        const struct package_class *k = &p->classes[i];
        char color[8];
        cJSON *one = cJSON_CreateObject();
        snprintf(color, sizeof color, "#%02x%02x%02x", k->red, k->green, k->blue);
        cJSON_AddNumberToObject(one, "id", k->id);
        cJSON_AddStringToObject(one, "name", k->name);
        cJSON_AddStringToObject(one, "color", color);
        cJSON_AddItemToArray(list, one);
    }
    return list;
}

cJSON *package_json(const struct package *p)
{
    const struct network *n = &p->network;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", p->name);
    cJSON_AddStringToObject(o, "version", p->version);
    cJSON_AddStringToObject(o, "sha256", p->sha256);
    cJSON_AddNumberToObject(o, "sensor_bands", p->preprocess.B);
    cJSON_AddNumberToObject(o, "bands", n->K);
    cJSON_AddNumberToObject(o, "patch", n->P);
    cJSON_AddNumberToObject(o, "kernels", n->C);
    cJSON_AddNumberToObject(o, "parameters", (double)p->parameters);
    cJSON_AddStringToObject(o, "attention", n->distinct_attention ? "distinct" : "published");
    cJSON_AddStringToObject(o, "scaling", p->scaling_none ? "none" : "file");
    cJSON_AddStringToObject(o, "normalization", p->normalization == NORMALIZATION_SCENE ? "scene" : "model");
    if (!p->has_nodata)
        cJSON_AddNullToObject(o, "nodata");
    else if (isfinite(p->nodata))
        cJSON_AddNumberToObject(o, "nodata", p->nodata);
    else
        cJSON_AddStringToObject(o, "nodata", isnan(p->nodata) ? "NaN" : p->nodata > 0 ? "Infinity" : "-Infinity");
    cJSON_AddItemToObject(o, "classes", classes(p));
    if (p->wavelengths_nm != NULL)
        cJSON_AddItemToObject(o, "wavelengths_nm", numbers(p->wavelengths_nm, p->preprocess.B));
    if (p->fwhm_nm != NULL)
        cJSON_AddItemToObject(o, "fwhm_nm", numbers(p->fwhm_nm, p->preprocess.B));
    return o;
}
