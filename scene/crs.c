#include "scene/crs.h"
#include <cpl_conv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const authorities[] = {"EPSG", "ESRI", "IGNF", "OGC", "IAU_2015"};

/* Only such a pair is looked up by name: GDAL takes other words for files and addresses. */
static bool is_known_code(const char *authority, const char *code)
{
    bool known = false;
    for (size_t i = 0; i < sizeof authorities / sizeof authorities[0]; i++)
        known = known || strcmp(authority, authorities[i]) == 0;
    return known && code[0] != '\0' && strlen(code) <= 32 &&
           strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == strlen(code);
}

OGRSpatialReferenceH crs_from_text(const char *text)
{
    char authority[16];
    OGRSpatialReferenceH srs = OSRNewSpatialReference(NULL);
    const char *colon = strchr(text, ':');
    size_t length = colon == NULL ? sizeof authority : (size_t)(colon - text);
    bool code = false;
    if (length < sizeof authority) {
        memcpy(authority, text, length);
        authority[length] = '\0';
        code = is_known_code(authority, colon + 1);
    }
    char *wkt = (char *)(uintptr_t)text; /* GDAL moves its own pointer, not the text */
    if ((code ? OSRSetFromUserInput(srs, text) : OSRImportFromWkt(srs, &wkt)) != OGRERR_NONE) {
        OSRRelease(srs);
        return NULL;
    }
    OSRSetAxisMappingStrategy(srs, OAMS_TRADITIONAL_GIS_ORDER);
    return srs;
}

/* The authority's code of srs, if there is one that describes the same: a file may claim any. */
static char *checked_code(OGRSpatialReferenceH srs)
{
    static const char *const options[] = {"IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES", "CRITERION=EQUIVALENT", NULL};
    const char *authority = OSRGetAuthorityName(srs, NULL), *code = OSRGetAuthorityCode(srs, NULL);
    char text[64];
    if (authority == NULL || code == NULL || !is_known_code(authority, code))
        return NULL;
    snprintf(text, sizeof text, "%s:%s", authority, code);
    OGRSpatialReferenceH again = crs_from_text(text);
    if (again == NULL)
        return NULL;
    bool same = OSRIsSameEx(srs, again, options);
    OSRRelease(again);
    return same ? strdup(text) : NULL;
}

/* A header that says "UTM, 11, North, WGS-84" means a code without naming it. */
static char *code_text(OGRSpatialReferenceH srs)
{
    if (OSRGetAuthorityCode(srs, NULL) != NULL)
        return checked_code(srs);
    OGRSpatialReferenceH copy = OSRClone(srs);
    char *text = copy != NULL && OSRAutoIdentifyEPSG(copy) == OGRERR_NONE ? checked_code(copy) : NULL;
    if (copy != NULL)
        OSRRelease(copy);
    return text;
}

char *crs_text(OGRSpatialReferenceH srs)
{
    static const char *const options[] = {"FORMAT=WKT2_2018", "MULTILINE=NO", NULL};
    char *wkt = NULL, *text;
    if (srs == NULL)
        return NULL;
    text = code_text(srs);
    if (text != NULL)
        return text;
    if (OSRExportToWktEx(srs, &wkt, options) == OGRERR_NONE && wkt != NULL && wkt[0] != '\0')
        text = strdup(wkt);
    CPLFree(wkt);
    return text;
}
