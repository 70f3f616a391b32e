/* filter.c - TEST=name runs the tests whose name holds it, in every unit program that links this file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h> /* wants some of the above first; the blank line keeps it here */

static char pattern[256];

__attribute__((constructor)) static void filter_by_environment(void)
{
    const char *name = getenv("TEST");
    if (name == NULL || *name == '\0')
        return;
    snprintf(pattern, sizeof pattern, "*%s*", name);
    cmocka_set_test_filter(pattern);
}
