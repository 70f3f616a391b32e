/* leftover.h - the private directories of runs that were killed.
 * Threading: any thread.
 */
#pragma once

/* A private directory is this and six characters of mkdtemp. */
#define LEFTOVER_PREFIX ".spectrad."

/* Removes those in `folder` that are ours and that no run holds a lock on, with the files in them; what cannot be
 * removed stays. */
void leftover_remove(const char *folder);
