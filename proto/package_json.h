/* package_json.h - what a model takes and gives, as an object of `GET /models`.
 * Threading: pure functions.
 */
#pragma once
#include "model/package.h"
#include <cjson/cJSON.h>

/* Name, version, sha256, bands, patch, classes, wavelengths, preprocessing. The caller's, for cJSON_Delete; what could
 * not be allocated is missing in it. NULL when out of memory. */
cJSON *package_json(const struct package *p);
