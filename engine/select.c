#include "engine/select.h"
#include "base/number.h"
#include <limits.h>
#include <string.h>

static const struct engine_backend *find(const struct engine_backend *const *backends, const char *name, size_t length)
{
    for (; *backends != NULL; backends++)
        if (strlen((*backends)->name) == length && memcmp((*backends)->name, name, length) == 0)
            return *backends;
    return NULL;
}

static int open_one(const struct engine_backend *b, const struct engine_options *o, int ordinal,
                    struct scheduler_engine *engines, size_t *count, struct err *e)
{
    struct engine_options own = *o;
    own.ordinal = ordinal;
    if (*count == SELECT_MOST)
        return err_set(e, ERR_DEVICE, "more than %d devices", SELECT_MOST);
    engines[*count].backend = b;
    if (b->open(&engines[*count].engine, &own, e) != 0)
        return -1;
    ++*count;
    return 0;
}

/* The first backend with a device; the last one's reason where there is none. */
static int open_any(const struct engine_backend *const *backends, const struct engine_options *o,
                    struct scheduler_engine *engines, size_t *count, struct err *e)
{
    struct err why;
    err_set(&why, ERR_DEVICE, *backends == NULL ? "this build has no engine" : "no device was found");
    for (; *backends != NULL; backends++) {
        struct engine_device devices[SELECT_MOST];
        size_t found = SELECT_MOST;
        if ((*backends)->probe(devices, &found, &why) != 0 || found == 0)
            continue;
        for (size_t i = 0; i < found && i < SELECT_MOST; i++)
            if (open_one(*backends, o, (int)i, engines, count, e) != 0)
                return -1;
        return 0;
    }
    return err_set(e, ERR_DEVICE, "%s", why.message);
}

static bool is_listed(const char *list, const char *end, long long ordinal)
{
    for (const char *at = list; at < end; at += strcspn(at, ",") + 1) {
        long long other;
        if (number_integer(at, strcspn(at, ","), 0, INT_MAX, &other) && other == ordinal)
            return true;
    }
    return false;
}

/* "0,1" -> one engine each. */
static int open_listed(const struct engine_backend *b, const char *list, const struct engine_options *o, size_t found,
                       struct scheduler_engine *engines, size_t *count, struct err *e)
{
    for (const char *at = list;;) {
        size_t length = strcspn(at, ",");
        long long ordinal;
        if (!number_integer(at, length, 0, INT_MAX, &ordinal))
            return err_set(e, ERR_REQUEST, "device numbers are written as %s:0 or %s:0,1", b->name, b->name);
        if ((size_t)ordinal >= found)
            return err_set(e, ERR_DEVICE, "there is no device %s:%lld; %zu found", b->name, ordinal, found);
        if (is_listed(list, at, ordinal))
            return err_set(e, ERR_REQUEST, "the device %s:%lld is named twice", b->name, ordinal);
        if (open_one(b, o, (int)ordinal, engines, count, e) != 0)
            return -1;
        if (at[length] == '\0')
            return 0;
        at += length + 1;
    }
}

static int open_named(const struct engine_backend *const *backends, const char *device, const struct engine_options *o,
                      struct scheduler_engine *engines, size_t *count, struct err *e)
{
    size_t length = strcspn(device, ":");
    const struct engine_backend *b = find(backends, device, length);
    struct engine_device devices[SELECT_MOST];
    size_t found = SELECT_MOST;
    if (b == NULL)
        return err_set(e, ERR_DEVICE, "this build has no engine '%.*s'; use --device auto or --device cpu",
                       (int)(length > 32 ? 32 : length), device);
    if (b->probe(devices, &found, e) != 0)
        return -1;
    if (found == 0)
        return err_set(e, ERR_DEVICE, "no %s device was found", b->name);
    return open_listed(b, device[length] == ':' ? device + length + 1 : "0", o, found, engines, count, e);
}

int select_engines(const struct engine_backend *const *backends, const char *device, const struct engine_options *o,
                   struct scheduler_engine engines[SELECT_MOST], size_t *count, struct err *e)
{
    *count = 0;
    int result = strcmp(device, "auto") == 0 ? open_any(backends, o, engines, count, e)
                                             : open_named(backends, device, o, engines, count, e);
    if (result != 0)
        while (*count > 0) {
            --*count;
            engines[*count].backend->close(engines[*count].engine);
        }
    return result;
}
