#include "cli/cli.h"
#include <stdio.h>
#include <string.h>

int cli_version(int argc, char **argv, const struct engine_backend *const *engines)
{
    struct err e = {0};
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        printf(
            "usage: spectrad version\n\nPrints the version, and the devices that each engine of this build finds.\n");
        return 0;
    }
    if (argc > 1) {
        err_set(&e, ERR_USAGE, "version takes no arguments");
        return cli_fail("version", &e);
    }
    printf("spectrad %s\n", SPECTRAD_VERSION);
    for (; *engines != NULL; engines++) {
        struct engine_device devices[16];
        size_t count = 16;
        e = (struct err){0};
        if ((*engines)->probe(devices, &count, &e) != 0)
            printf("engine %s: %s\n", (*engines)->name, e.message);
        for (size_t i = 0; e.code == ERR_NONE && i < count; i++)
            printf("engine %s:%zu: %s\n", (*engines)->name, i, devices[i].name);
    }
    e = (struct err){0};
    return cli_flush(&e) == 0 ? 0 : cli_fail("version", &e);
}
