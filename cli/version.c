#include "cli/cli.h"
#include <stdio.h>

int cli_version(int argc, char **argv, const struct engine_backend *const *engines)
{
    (void)argv;
    if (argc > 1) {
        struct err e;
        err_set(&e, ERR_USAGE, "version takes no arguments");
        return cli_fail("version", &e);
    }
    printf("spectrad %s\n", SPECTRAD_VERSION);
    for (; *engines != NULL; engines++) {
        struct engine_device devices[16];
        size_t count = 16;
        struct err e = {0};
        if ((*engines)->probe(devices, &count, &e) != 0)
            printf("engine %s: %s\n", (*engines)->name, e.message);
        for (size_t i = 0; e.code == ERR_NONE && i < count; i++)
            printf("engine %s:%zu: %s\n", (*engines)->name, i, devices[i].name);
    }
    return 0;
}
