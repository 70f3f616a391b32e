#include "tests/unit/support/expect.h"
#include <string.h>

void expect_error(const struct err *e, enum err_code code, const char *part, const char *what)
{
    if (e->code != code)
        fail_msg("%s: the code is %s, not %s: %s", what, err_name(e->code), err_name(code), e->message);
    if (strstr(e->message, part) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", what, e->message, part);
    if (strstr(e->message, "/tmp") != NULL)
        fail_msg("%s: a path in \"%s\"", what, e->message);
}
