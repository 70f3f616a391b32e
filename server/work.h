/* work.h - what a worker does with a request whose body has come: classify, write the result, hand it back.
 * Threading: the request is the caller's, until the call returns: then it is the HTTP pool's again.
 */
#pragma once

struct request;

void work_perform(struct request *r);

/* Answers a request that no worker had begun, with the reason of request_cancel. */
void work_abandon(struct request *r);
