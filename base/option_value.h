/* option_value.h - one row of an option table: its value from text, its names. Used by option.c and option_help.c
 * alone. Threading: pure functions on the caller's settings.
 */
#pragma once
#include "base/option.h"

enum { OPTION_NAME_ROOM = 96 };

/* Parses text into the row's field. ERR_USAGE says what was found and what is expected. */
int option_value_set(const struct option_row *row, void *settings, const char *text, struct err *e);

/* "SPECTRAD_MAX_BODY" for `max-body`. */
void option_environment_name(const struct option_table *t, const struct option_row *row, char name[OPTION_NAME_ROOM]);
