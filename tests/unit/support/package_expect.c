#include "tests/unit/support/package_expect.h"
#include <stdlib.h>

int draft_parse(struct package **p, const struct package_draft *d, struct err *e)
{
    size_t length;
    uint8_t *bytes = draft_bytes(d, &length);
    int result = package_parse(p, bytes, length, e);
    free(bytes);
    return result;
}

struct package *expect_package(const struct draft_recipe *r)
{
    struct package_draft d;
    struct package *p;
    struct err e;
    draft_make(&d, r);
    if (draft_parse(&p, &d, &e) != 0)
        fail_msg("%s", e.message);
    draft_release(&d);
    return p;
}

void expect_accepted(struct package_draft *d, const char *what)
{
    struct package *p;
    struct err e;
    if (draft_parse(&p, d, &e) != 0)
        fail_msg("%s: %s", what, e.message);
    package_close(p);
    draft_release(d);
}

void expect_refused(struct package_draft *d, const char *part, const char *what)
{
    struct package *p;
    struct err e;
    if (draft_parse(&p, d, &e) == 0)
        fail_msg("accepted: %s", what);
    assert_null(p);
    expect_error(&e, ERR_INPUT, part, what);
    draft_release(d);
}
