/* package_expect.h - whether a draft opens as a package, for tests. Each function fails the running test if it does not
 * hold. */
#pragma once
#include "model/package.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/package_draft.h"

/* package_parse of the draft's bytes, which are gone afterwards. */
int draft_parse(struct package **p, const struct package_draft *d, struct err *e);

/* The package of a recipe; for package_close. */
struct package *expect_package(const struct draft_recipe *r);

/* The draft opens; releases it. */
void expect_accepted(struct package_draft *d, const char *what);

/* The draft is refused with ERR_INPUT and a message that holds `part`; releases it. */
void expect_refused(struct package_draft *d, const char *part, const char *what);
