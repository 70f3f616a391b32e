#include "cli/describe.h"
#include "proto/package_json.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void add_number(cJSON *o, const char *name, double v)
{
    if (isfinite(v))
        cJSON_AddNumberToObject(o, name, v);
    else if (isnan(v))
        cJSON_AddStringToObject(o, name, "NaN");
    else
        cJSON_AddStringToObject(o, name, v > 0 ? "Infinity" : "-Infinity");
}

/* values (n), null where not known. */
static cJSON *numbers(const double *values, size_t n)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < n; i++)
        cJSON_AddItemToArray(list, isfinite(values[i]) ? cJSON_CreateNumber(values[i]) : cJSON_CreateNull());
    return list;
}

cJSON *describe_package(const struct package *p)
{
    cJSON *o = package_json(p);
    cJSON_AddStringToObject(o, "kind", "package");
    cJSON_AddNumberToObject(o, "multiply_adds_per_patch", network_multiply_adds(&p->network));
    return o;
}

static void add_bands(cJSON *o, const struct cube_description *d)
{
    cJSON *wavelengths = cJSON_CreateArray(), *bad = cJSON_CreateArray();
    for (int i = 0; i < d->bands; i++) {
        double nm = d->band[i].wavelength_nm;
        cJSON_AddItemToArray(wavelengths, isfinite(nm) ? cJSON_CreateNumber(nm) : cJSON_CreateNull());
        if (d->band[i].bad)
            cJSON_AddItemToArray(bad, cJSON_CreateNumber(i + 1));
    }
    cJSON_AddItemToObject(o, "bad_bands", bad);
    if (d->has_wavelengths)
        cJSON_AddItemToObject(o, "wavelengths_nm", wavelengths);
    else
        cJSON_Delete(wavelengths);
}

cJSON *describe_cube(const struct cube_description *d)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "kind", "cube");
    cJSON_AddStringToObject(o, "driver", d->driver);
    cJSON_AddNumberToObject(o, "columns", d->columns);
    cJSON_AddNumberToObject(o, "rows", d->lines);
    cJSON_AddNumberToObject(o, "bands", d->bands);
    cJSON_AddStringToObject(o, "data_type", sample_name(d->type));
    cJSON_AddStringToObject(o, "interleave", d->interleave);
    cJSON_AddItemToObject(o, "file_block", numbers((double[]){d->block_columns, d->block_lines}, 2));
    cJSON_AddItemToObject(o, "crs", d->crs == NULL ? cJSON_CreateNull() : cJSON_CreateString(d->crs));
    cJSON_AddItemToObject(o, "geotransform", d->has_geotransform ? numbers(d->geotransform, 6) : cJSON_CreateNull());
    cJSON_AddNumberToObject(o, "ground_control_points", (double)d->gcp_count);
    cJSON_AddBoolToObject(o, "mask", d->has_mask);
    if (d->bands > 0 && d->band[0].has_nodata)
        add_number(o, "nodata", d->band[0].nodata);
    if (d->has_band_scale)
        cJSON_AddItemToObject(o, "band_scale_and_offset", numbers((double[]){d->band[0].gain, d->band[0].offset}, 2));
    if (d->reflectance_scale_factor != 0)
        add_number(o, "reflectance_scale_factor", d->reflectance_scale_factor);
    add_bands(o, d);
    return o;
}

int describe_add_fit(cJSON *object, const struct package *p, const struct spectral_match *m, const struct validity *v)
{
    cJSON *o = cJSON_AddObjectToObject(object, "fit");
    cJSON *picked = cJSON_CreateArray();
    if (o == NULL || picked == NULL) {
        cJSON_Delete(picked);
        return -1;
    }
    cJSON_AddStringToObject(o, "model", p->name);
    cJSON_AddStringToObject(o, "band_matching", m->by_wavelength ? "wavelength" : "index");
    cJSON_AddNumberToObject(o, "bands_used", m->B);
    cJSON_AddStringToObject(o, "scaling", m->scaling);
    if (v->any_nodata) {
        add_number(o, "nodata", v->shown);
        cJSON_AddStringToObject(o, "nodata_rule", v->all ? "all" : "any");
    }
    for (int i = 0; i < m->B; i++)
        cJSON_AddItemToArray(picked, cJSON_CreateNumber(m->picked[i] + 1));
    cJSON_AddItemToObject(o, "picked_bands", picked);
    return 0;
}

int describe_print_json(FILE *out, const cJSON *object)
{
    char *text = cJSON_Print(object);
    int result = text != NULL && fprintf(out, "%s\n", text) > 0 && fflush(out) == 0 ? 0 : -1;
    cJSON_free(text);
    return result;
}

/* A list of more than eight values is shown by its first three and its last. */
static void print_list(FILE *out, const cJSON *list)
{
    int n = cJSON_GetArraySize(list);
    for (int i = 0; i < n; i++) {
        if (n > 8 && i == 3) {
            fprintf(out, "... ");
            i = n - 1;
        }
        char *text = cJSON_PrintUnformatted(cJSON_GetArrayItem(list, i));
        fprintf(out, "%s ", text == NULL ? "?" : text);
        cJSON_free(text);
    }
    fprintf(out, n > 8 ? "(%d)\n" : "\n", n);
}

static void print_member(FILE *out, const cJSON *item, int indent)
{
    char name[64];
    snprintf(name, sizeof name, "%s", item->string);
    for (char *c = name; *c != '\0'; c++)
        *c = *c == '_' ? ' ' : *c;
    fprintf(out, "%*s%-*s ", indent, "", 24 - indent, name);
    if (cJSON_IsObject(item)) {
        fprintf(out, "\n");
        for (const cJSON *i = item->child; i != NULL; i = i->next)
            print_member(out, i, indent + 2);
    } else if (cJSON_IsArray(item) && cJSON_IsObject(item->child)) {
        fprintf(out, "\n");
        for (const cJSON *i = item->child; i != NULL; i = i->next)
            fprintf(out, "%*s%3d  %s  %s\n", indent + 2, "", cJSON_GetObjectItemCaseSensitive(i, "id")->valueint,
                    cJSON_GetObjectItemCaseSensitive(i, "color")->valuestring,
                    cJSON_GetObjectItemCaseSensitive(i, "name")->valuestring);
    } else if (cJSON_IsArray(item)) {
        print_list(out, item);
    } else if (cJSON_IsString(item)) {
        fprintf(out, "%s\n", item->valuestring);
    } else {
        char *text = cJSON_PrintUnformatted(item);
        fprintf(out, "%s\n", text == NULL ? "?" : text);
        cJSON_free(text);
    }
}

int describe_print_text(FILE *out, const cJSON *object)
{
    for (const cJSON *i = object->child; i != NULL; i = i->next)
        print_member(out, i, 0);
    return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}
