#include "cpu/cores.h"
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int cores_affinity(void)
{
    for (int most = 1024; most <= 1 << 20; most *= 2) { /* the kernel refuses a mask shorter than its own */
        cpu_set_t *set = CPU_ALLOC(most);
        size_t size = CPU_ALLOC_SIZE(most);
        if (set == NULL)
            break;
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return count;
    }
    return 1;
}

/* Reads one short line; 0 if there is none. */
static int read_line(const char *path, char *line, int size)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    int found = fgets(line, size, f) != NULL;
    fclose(f);
    return found;
}

/* Version 2: "max 100000" or "150000 100000". */
static double quota_v2(const char *directory)
{
    char path[4096 + 16], line[128];
    double quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", directory);
    if (!read_line(path, line, sizeof line) || sscanf(line, "%lf %lf", &quota, &period) != 2)
        return 0;
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* Version 1: two files; a quota of -1 is none. */
static double quota_v1(const char *directory)
{
    char path[4096 + 32], line[128];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
    double quota = read_line(path, line, sizeof line) ? strtod(line, NULL) : 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
    double period = read_line(path, line, sizeof line) ? strtod(line, NULL) : 0;
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* The least quota from mount/group up to mount. group is cut short on the way. */
static double walk_up(const char *mount, char *group, double (*quota)(const char *))
{
    double least = 0;
    for (;;) {
        char directory[4096];
        snprintf(directory, sizeof directory, "%s%s", mount, group);
        double here = quota(directory);
        if (here > 0 && (least == 0 || here < least))
            least = here;
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* True if `name` is one of the comma-separated controllers. */
static int has_controller(const char *controllers, const char *name)
{
    size_t length = strlen(name);
    for (const char *p = controllers; p != NULL; p = strchr(p, ',') == NULL ? NULL : strchr(p, ',') + 1)
        if (strncmp(p, name, length) == 0 && (p[length] == ',' || p[length] == '\0'))
            return 1;
    return 0;
}

double cores_quota(const char *proc, const char *mount)
{
    char line[2048], under[2048];
    double least = 0;
    FILE *f = fopen(proc, "re");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL) { /* "0::/group", or "4:cpu,cpuacct:/group" in version 1 */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (group == NULL)
            continue;
        *group++ = '\0';
        controllers++;
        double here = 0;
        if (*controllers == '\0') {
            here = walk_up(mount, group, quota_v2);
        } else if (has_controller(controllers, "cpu")) {
            snprintf(under, sizeof under, "%s/cpu", mount);
            here = walk_up(under, group, quota_v1);
        }
        if (here > 0 && (least == 0 || here < least))
            least = here;
    }
    fclose(f);
    return least;
}

int cores_available(void)
{
    int cores = cores_affinity();
    double quota = cores_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    /* Rounded up: half a processor that nobody uses is lost, half a thread too many only waits. */
    return quota > 0 && ceil(quota) < cores ? (int)ceil(quota) : cores;
}
