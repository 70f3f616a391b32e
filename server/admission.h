/* admission.h - everything that is decided of a request before a byte of its body: by its first line, its headers and
 * the state of the daemon. What is refused here costs nothing, and a client that waits for 100-continue sends nothing.
 * Threading: the thread of the HTTP pool that has the request.
 */
#pragma once
#include "server/request.h"

enum admission {
    ADMISSION_ANSWER, /* r->answer is decided */
    ADMISSION_BODY,   /* the body may come; r->upload is open */
};

/* arguments: the query's keys and values, decoded. */
enum admission admission_decide(struct request *r, const char *method, const struct headers *h,
                                const struct headers *arguments);
