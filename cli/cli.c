#include "cli/cli.h"
#include <stdio.h>

int cli_exit_status(const struct err *e)
{
    switch (e->code) {
    case ERR_NONE:
        return 0;
    case ERR_USAGE:
    case ERR_REQUEST:
    case ERR_ACCEPT:
        return 2;
    case ERR_FORMAT:
    case ERR_INPUT:
    case ERR_LIMIT:
    case ERR_TOO_LARGE:
        return 3;
    case ERR_DEVICE:
        return 4;
    default:
        return 1;
    }
}

int cli_fail(const char *subcommand, const struct err *e)
{
    fprintf(stderr, "spectrad %s: %s\n", subcommand, e->message);
    return cli_exit_status(e);
}

int cli_flush(struct err *e)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : err_set(e, ERR_IO, "standard output cannot be written");
}
