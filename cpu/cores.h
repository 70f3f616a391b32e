/* cores.h - how many processors this process may keep busy.
 * Threading: safe from any thread.
 */
#pragma once

/* The processors of the affinity mask, or fewer where a cgroup's quota allows less. At least 1. */
int cores_available(void);

/* The tightest CPU quota, in processors, on the way from a process's cgroup up to the root; 0: none.
 * proc: its /proc/PID/cgroup; mount: where the hierarchies are mounted (/sys/fs/cgroup), version 1 or 2. */
double cores_quota(const char *proc, const char *mount);
