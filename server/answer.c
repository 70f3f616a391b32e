#include "server/answer.h"
#include "proto/problem.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RETRY_SECONDS = 5 };

void answer_init(struct answer *a)
{
    *a = (struct answer){.file = -1};
}

void answer_release(struct answer *a)
{
    free(a->text);
    if (a->file >= 0)
        close(a->file);
    answer_init(a);
}

void answer_text(struct answer *a, int status, const char *type, char *text)
{
    a->status = text == NULL ? 500 : status;
    a->type = type;
    a->text = text;
    a->length = text == NULL ? 0 : strlen(text);
}

void answer_problem(struct answer *a, const struct err *e, const char *request_id)
{
    const struct answer before = *a;
    answer_release(a);
    a->close = before.close;
    a->allow = before.allow;
    a->retry_after = before.retry_after;
    answer_text(a, problem_status(e->code), "application/problem+json", problem_json(e, request_id));
    a->status = problem_status(e->code);
    if (a->retry_after == 0 && (e->code == ERR_BUSY || e->code == ERR_UNAVAILABLE || e->code == ERR_SPACE))
        a->retry_after = RETRY_SECONDS;
}
