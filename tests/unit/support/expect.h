/* expect.h - what an error must say, for tests; cmocka with the headers that it needs. */
#pragma once
#include "base/err.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Fails the running test unless *e has that code and a message that holds `part` and no path. `what` names the case. */
void expect_error(const struct err *e, enum err_code code, const char *part, const char *what);
