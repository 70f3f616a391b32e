#include "pipeline/statistics.h"
#include "base/clock.h"
#include <stdlib.h>

enum { PIECE_LINES = 16 };

static int gather_strip(struct scene_statistics *s, const struct line_source *source, const struct affine_map *map,
                        int column, int columns, const struct lines_plan *plan, double deadline, void *scratch,
                        struct err *e)
{
    const struct cube_description *d = cube_describe(source->cube);
    struct lines *l;
    int result = -1, piece = plan->step;
    if (lines_open(&l, source, column, columns, plan->capacity, d->lines, e) != 0)
        return -1;
    for (int line = 0; line < d->lines; line += piece) {
        int lines = line + piece > d->lines ? d->lines - line : piece;
        if (deadline > 0 && clock_now() > deadline) {
            err_set(e, ERR_DEADLINE, "the deadline passed before the scene's statistics were known");
            goto done;
        }
        if (lines_advance(l, line, lines, e) != 0)
            goto done;
        for (int k = line; k < line + lines; k++)
            scene_statistics_add(s, map, d->type, lines_samples(l, k), (size_t)columns, lines_valid(l, k),
                                 (size_t)columns, scratch);
    }
    result = 0;
done:
    lines_close(l);
    return result;
}

int statistics_gather(struct scene_statistics *s, const struct line_source *source, const struct affine_map *map,
                      double deadline, struct err *e)
{
    const struct cube_description *d = cube_describe(source->cube);
    struct lines_plan plan = lines_choose(source, d->columns, 0, PIECE_LINES);
    *s = (struct scene_statistics){0};
    if (scene_statistics_init(s, map->K, e) != 0)
        return -1;
    void *scratch = malloc(affine_map_scratch(map));
    if (scratch == NULL)
        return err_nomem(e);
    int result = 0;
    for (int c = 0; c < d->columns && result == 0; c += plan.width) {
        int columns = c + plan.width > d->columns ? d->columns - c : plan.width;
        result = gather_strip(s, source, map, c, columns, &plan, deadline, scratch, e);
    }
    free(scratch);
    return result;
}
