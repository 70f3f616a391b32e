/* notify.h - tells systemd how the daemon is (sd_notify(3)).
 *
 * The protocol is one datagram to the socket in $NOTIFY_SOCKET: a dozen lines, for which libsystemd is not linked.
 * Threading: from the main thread.
 */
#pragma once

/* "READY=1", "STOPPING=1"; nothing happens without a supervisor that listens. */
void notify_supervisor(const char *state);
