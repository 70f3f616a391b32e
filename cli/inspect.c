#include "base/option.h"
#include "cli/cli.h"
#include "cli/describe.h"
#include "scene/spectral.h"
#include "scene/validity.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    char *model;
    bool json, help;
};

static const struct option_row rows[] = {
    {.name = "model",
     .letter = 'm',
     .type = OPTION_STRING,
     .offset = offsetof(struct settings, model),
     .value = "PACKAGE",
     .help = "say whether the cube fits this package, and how: bands, scaling, nodata"},
    {.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct settings, json), .help = "print one JSON object"},
    {.name = "help",
     .letter = 'h',
     .type = OPTION_FLAG,
     .offset = offsetof(struct settings, help),
     .help = "this text"},
};

static const struct option_table table = {
    .rows = rows,
    .count = sizeof rows / sizeof rows[0],
    .usage = "spectrad inspect [OPTION]... CUBE|PACKAGE",
    .summary =
        "Says what is in a cube (a GeoTIFF, or an ENVI pair named by its data file or its header) or in a package.",
};

/* A package begins with the length of its JSON head and "{". */
static int is_package(const char *path, bool *yes, struct err *e)
{
    unsigned char head[9] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO is not waited for */
    if (fd < 0)
        return err_set(e, ERR_IO, "%s cannot be opened: %s", path, strerror(errno));
    *yes = pread(fd, head, sizeof head, 0) == sizeof head && head[8] == '{' && head[5] == 0 && head[6] == 0 &&
           head[7] == 0;
    close(fd);
    return 0;
}

static int print(cJSON *object, bool json, struct err *e)
{
    if (object == NULL)
        return err_nomem(e);
    int result = json ? describe_print_json(stdout, object) : describe_print_text(stdout, object);
    cJSON_Delete(object);
    return result == 0 ? 0 : err_set(e, ERR_IO, "standard output cannot be written");
}

static int inspect_package(const char *path, bool json, struct err *e)
{
    struct package *p;
    if (package_open(&p, path, e) != 0)
        return err_prefix(e, "%s", path);
    int result = print(describe_package(p), json, e);
    package_close(p);
    return result;
}

/* How the cube would be read for a package: the part of a classification that comes before the first sample. */
static int add_fit(cJSON *object, const struct cube_description *d, const char *path, struct err *e)
{
    const struct spectral_options spectral = {0};
    const struct nodata_options nodata = {0};
    struct spectral_match match = {0};
    struct validity validity = {0};
    struct package *p;
    if (package_open(&p, path, e) != 0)
        return err_prefix(e, "%s", path);
    int result = -1;
    if (spectral_match_init(&match, p, d, &spectral, e) == 0 && validity_init(&validity, p, d, &match, &nodata, e) == 0)
        result = describe_add_fit(object, p, &match, &validity) == 0 ? 0 : err_nomem(e);
    validity_release(&validity);
    spectral_match_release(&match);
    package_close(p);
    return result;
}

static int inspect_cube(const char *path, const struct settings *s, struct err *e)
{
    char *data = NULL, *header = NULL;
    struct cube *c = NULL;
    cJSON *object = NULL;
    int result = -1;
    scene_init(64 << 20);
    if (cube_find_files(path, &data, &header, e) != 0 ||
        cube_open(&c, &(struct cube_files){data, header}, &cube_limits_default, e) != 0)
        goto done;
    object = describe_cube(cube_describe(c));
    if (object == NULL) {
        err_nomem(e);
        goto done;
    }
    int misfit = s->model == NULL ? 0 : add_fit(object, cube_describe(c), s->model, e);
    struct err ignored;
    result = print(object, s->json, misfit == 0 ? e : &ignored);
    result = misfit != 0 ? -1 : result;
done:
    cube_close(c);
    free(data);
    free(header);
    return result;
}

int cli_inspect(int argc, char **argv)
{
    struct settings s = {0};
    struct err e = {0};
    int first;
    bool package = false;
    if (option_arguments(&table, &s, argc, argv, &first, &e) != 0)
        goto done;
    if (s.help) {
        option_help(&table, stdout);
        goto done;
    }
    if (argc - first != 1) {
        err_set(&e, ERR_USAGE, "give one CUBE or PACKAGE; see spectrad inspect --help");
        goto done;
    }
    if (is_package(argv[first], &package, &e) != 0)
        goto done;
    if (package && s.model != NULL)
        err_set(&e, ERR_USAGE, "%s is a package itself; --model goes with a CUBE", argv[first]);
    else if (package)
        inspect_package(argv[first], s.json, &e);
    else
        inspect_cube(argv[first], &s, &e);
done:
    option_release(&table, &s);
    return e.code == ERR_NONE ? 0 : cli_fail("inspect", &e);
}
