/* server.h - the daemon, from the first log line to the last.
 *
 * `spectrad serve` is:
 *     struct server_settings s;
 *     server_settings_load(&s, argc, argv, &e)    s.help: option_help(&server_options, stdout), and leave
 *     server_run(&s, engines, &e)
 *     server_settings_release(&s)
 */
#pragma once
#include "base/err.h"
#include "engine/engine.h"
#include "server/config.h"

/* Serves until SIGTERM or SIGINT, then drains; with s->check, tries the settings and reads the packages, says what it
 * found, and returns. Blocks both signals in the calling thread for good, ignores SIGPIPE. engines: NULL-terminated, in
 * order of preference. Returns 0 after a drain in which every accepted request was answered. Errors: ERR_INPUT (a
 * package that cannot be used), ERR_DEVICE (no engine), ERR_USAGE (settings that do not go together), ERR_IO (a port, a
 * folder), ERR_NOMEM, ERR_CANCELED (a second signal, or the time of the drain was over: requests were cut short). */
int server_run(const struct server_settings *s, const struct engine_backend *const *engines, struct err *e);
