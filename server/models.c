#include "server/models.h"
#include "base/text.h"
#include "proto/package_json.h"
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX ".safetensors"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int open_package(struct models *m, const char *path, struct err *e)
{
    struct model *grown = realloc(m->items, (m->count + 1) * sizeof *grown);
    if (grown == NULL)
        return err_nomem(e);
    m->items = grown;
    m->items[m->count] = (struct model){.id = -1};
    if (package_open(&m->items[m->count].package, path, e) != 0)
        return err_prefix(e, "%s", base_name(path));
    const char *name = m->items[m->count++].package->name;
    for (size_t i = 0; i + 1 < m->count; i++)
        if (strcmp(m->items[i].package->name, name) == 0)
            return err_set(e, ERR_INPUT, "%s: a package of the name '%s' is already there; remove one of the two",
                           base_name(path), name);
    return 0;
}

/* Characters that glob would take for a pattern, escaped: the folder is a name. */
static char *pattern_of(const char *folder)
{
    static const char rest[] = "/*" SUFFIX;
    char *pattern = malloc(2 * strlen(folder) + sizeof rest), *to = pattern;
    if (pattern == NULL)
        return NULL;
    for (const char *from = folder; *from != '\0'; from++) {
        if (strchr("*?[]\\", *from) != NULL)
            *to++ = '\\';
        *to++ = *from;
    }
    memcpy(to, rest, sizeof rest);
    return pattern;
}

/* One sentence more, as far as it fits. */
__attribute__((format(printf, 3, 4))) static void add_reason(char *reason, size_t size, const char *format, ...)
{
    size_t used = strlen(reason);
    va_list args;
    if (used > 0) {
        snprintf(reason + used, size - used, "; ");
        used = strlen(reason);
    }
    va_start(args, format);
    vsnprintf(reason + used, size - used, format, args);
    va_end(args);
}

static int open_folder(struct models *m, const char *folder, char *reason, size_t size, struct err *e)
{
    glob_t found = {0};
    char *pattern = pattern_of(folder);
    if (pattern == NULL)
        return err_nomem(e);
    int failed = glob(pattern, 0, NULL, &found), result = 0;
    free(pattern);
    if (failed == GLOB_NOSPACE)
        return err_nomem(e);
    if (found.gl_pathc == 0)
        add_reason(reason, size, "the folder %s holds no package (*" SUFFIX ")", base_name(folder));
    for (size_t i = 0; i < found.gl_pathc && result == 0; i++)
        result = open_package(m, found.gl_pathv[i], e);
    globfree(&found);
    return result;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct model *)a)->package->name, ((const struct model *)b)->package->name);
}

int models_open(struct models *m, const struct path_list *paths, char *reason, size_t size, struct err *e)
{
    *m = (struct models){0};
    reason[0] = '\0';
    if (paths->count == 0)
        add_reason(reason, size, "no package was named; start with --models and a folder of packages");
    for (size_t i = 0; i < paths->count; i++) {
        const char *path = paths->items[i];
        size_t length = strlen(path);
        struct stat about;
        if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
            if (open_folder(m, path, reason, size, e) != 0)
                return -1;
        } else if (length >= strlen(SUFFIX) && strcmp(path + length - strlen(SUFFIX), SUFFIX) == 0) {
            if (open_package(m, path, e) != 0)
                return -1;
        } else {
            add_reason(reason, size, "there is no folder of packages %s", base_name(path));
        }
    }
    if (m->count > 0)
        qsort(m->items, m->count, sizeof *m->items, by_name);
    return 0;
}

void models_close(struct models *m)
{
    for (size_t i = 0; i < m->count; i++)
        package_close(m->items[i].package);
    free(m->items);
    *m = (struct models){0};
}

/* One pixel of zeros, through the queue as every other. */
static int warm_up(const struct model *model, struct scheduler *s, struct err *e)
{
    const struct package *p = model->package;
    const int side = 1 + p->network.P / 2 * 2;
    struct affine_map map = {0};
    struct block *block = NULL, *back = NULL;
    struct scheduler_job *job = NULL;
    int result = -1;
    if (affine_map_init(&map, &p->preprocess, NULL, NULL, e) != 0 ||
        block_open(&block, 1, 1, p->network.P / 2, p->preprocess.B, p->network.N, SAMPLE_FLOAT32, 0, e) != 0 ||
        scheduler_job_open(s, model->id, 0, &job, e) != 0)
        goto done;
    memset(block->samples, 0, block->capacity);
    memset(block->valid, 1, (size_t)side * (size_t)side);
    block->map = &map;
    if (scheduler_job_submit(job, block, e) != 0)
        goto done;
    result = scheduler_job_take(job, &back, e);
    while (back != NULL)
        (void)scheduler_job_take(job, &back, NULL);
done:
    scheduler_job_close(job);
    block_close(block);
    affine_map_release(&map);
    return result;
}

int models_load(struct model *model, struct scheduler *s, struct err *e)
{
    if (scheduler_load(s, &model->package->network, &model->id, e) != 0 || warm_up(model, s, e) != 0)
        return err_prefix(e, "model %s", model->package->name);
    return 0;
}

/* "a, b, c" as far as it fits. */
static const char *names(const struct models *m, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < m->count && used < size; i++) {
        int n = snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ", m->items[i].package->name);
        used += n > 0 ? (size_t)n : 0;
    }
    return out;
}

static const struct model *find(const struct models *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->items[i].package->name, name) == 0)
            return &m->items[i];
    return NULL;
}

int models_choose(const struct models *m, const char *name, const char *fallback, const struct model **out,
                  struct err *e)
{
    char list[256], shown[96];
    if (name[0] != '\0')
        *out = find(m, name);
    else
        *out = m->count == 1 ? &m->items[0] : find(m, fallback);
    if (*out != NULL)
        return 0;
    names(m, list, sizeof list);
    if (name[0] == '\0')
        return err_set(e, ERR_REQUEST, "several models are loaded; name one of them with model=: %s", list);
    return err_set(e, ERR_NOT_FOUND, "there is no model '%s'; there are: %s",
                   text_show(shown, sizeof shown, name, strlen(name)), list);
}

int models_check_default(const struct models *m, const char *name, struct err *e)
{
    char list[256], shown[96];
    if (name[0] == '\0' || m->count == 0 || find(m, name) != NULL)
        return 0;
    return err_set(e, ERR_USAGE, "default-model is '%s', and no package has that name; there are: %s",
                   text_show(shown, sizeof shown, name, strlen(name)), names(m, list, sizeof list));
}

char *models_json(const struct models *m)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "models");
    for (size_t i = 0; i < m->count; i++)
        cJSON_AddItemToArray(list, package_json(m->items[i].package));
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    return text;
}
