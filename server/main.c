/* main.c - the program: names the engines, hands over to a subcommand. */
#include "cli/cli.h"
#include "cpu/cpu.h"
#include "server/server.h"
#ifdef SPECTRAD_CUDA
#include "cuda/cuda.h"
#endif
#include <stdio.h>
#include <string.h>

/* In the order that `--device auto` prefers; cpu-plain only by name. */
static const struct engine_backend *const engines[] = {
#ifdef SPECTRAD_CUDA
    &cuda_engine,
#endif
    &cpu_engine, &cpu_plain_engine, NULL};

static int classify(int argc, char **argv)
{
    return cli_classify(argc, argv, engines);
}

static int serve(int argc, char **argv)
{
    struct server_settings settings = {0};
    struct err e = {0};
    if (server_settings_load(&settings, argc, argv, &e) == 0) {
        if (settings.help)
            option_help(&server_options, stdout);
        else
            server_run(&settings, engines, &e);
    }
    server_settings_release(&settings);
    return e.code == ERR_NONE ? 0 : cli_fail("serve", &e);
}

static int bench(int argc, char **argv)
{
    return cli_bench(argc, argv, engines);
}

static int version(int argc, char **argv)
{
    return cli_version(argc, argv, engines);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} subcommands[] = {
    {"serve", serve, "answer requests over HTTP"},
    {"classify", classify, "classify a cube on disk"},
    {"inspect", cli_inspect, "say what is in a cube or a package, and whether they fit"},
    {"bench", bench, "measure the engine alone"},
    {"version", version, "print the version and the devices found"},
};

static void usage(FILE *out)
{
    fprintf(out, "usage: spectrad SUBCOMMAND [OPTION]...\n\n");
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++)
        fprintf(out, "  %-9s %s\n", subcommands[i].name, subcommands[i].help);
    fprintf(out, "\nspectrad SUBCOMMAND --help tells the options of each.\n");
}

int main(int argc, char **argv)
{
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)) {
        usage(stdout);
        return 0;
    }
    for (size_t i = 0; argc >= 2 && i < sizeof subcommands / sizeof subcommands[0]; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0 ||
            (strcmp(argv[1], "--version") == 0 && strcmp(subcommands[i].name, "version") == 0))
            return subcommands[i].run(argc - 1, argv + 1);
    if (argc >= 2)
        fprintf(stderr, "spectrad: there is no subcommand '%s'\n", argv[1]);
    usage(stderr);
    return 2;
}
