/* cli.h - the subcommands that run and end: classify, inspect, bench, version.
 *
 * Each takes its own argc/argv (argv[0] is the subcommand's name) and the engines of this build (NULL-terminated),
 * prints to standard output what was asked for, to standard error what went wrong, and returns the exit status.
 */
#pragma once
#include "base/err.h"
#include "engine/engine.h"

/* Exit status: 0 done, 1 a failure, 2 usage, 3 the cube or the package cannot be used, 4 no device. */
int cli_exit_status(const struct err *e);

/* Prints "spectrad SUBCOMMAND: message" to standard error and returns the exit status. */
int cli_fail(const char *subcommand, const struct err *e);

/* Standard output has everything that was printed, or ERR_IO. */
int cli_flush(struct err *e);

int cli_classify(int argc, char **argv, const struct engine_backend *const *engines);
int cli_inspect(int argc, char **argv);
int cli_bench(int argc, char **argv, const struct engine_backend *const *engines);
int cli_version(int argc, char **argv, const struct engine_backend *const *engines);
