/* report.h - a classification as a table that people read.
 * Threading: one thread.
 */
#pragma once
#include "pipeline/classify.h"
#include <stdio.h>

/* Scene, bands, classes with pixels, share, area and confidence, accuracy where a truth was given, seconds, warnings.
 */
void report_classification(FILE *out, const struct classification *c);
