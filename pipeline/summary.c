#include "pipeline/summary.h"
#include "scene/area.h"
#include "scene/label_raster.h"
#include <stdlib.h>
#include <string.h>

enum { TRUTH_PIXELS = 1 << 22 }; /* read at once */

/* index of each class id, -1: none */
static void index_by_id(const struct package *p, int index[256])
{
    for (int i = 0; i < 256; i++)
        index[i] = -1;
    for (int i = 0; i < p->network.N; i++)
        index[p->classes[i].id] = i;
}

static int fill_areas(struct classification *c, const struct package *p, struct err *e)
{
    struct result *r = &c->result;
    struct label_place place = {r->scene, r->window.column, r->window.line};
    const char *why = NULL;
    int index[256], result = -1;
    size_t N = (size_t)p->network.N;
    double *area = malloc((size_t)r->window.lines * sizeof *area);
    uint64_t *pixels = malloc(N * sizeof *pixels);
    if (area == NULL || pixels == NULL) {
        err_nomem(e);
        goto done;
    }
    result = 0;
    index_by_id(p, index);
    if (!area_of_pixels(&place, r->window.lines, area, &why)) {
        for (size_t i = 0; i < N; i++)
            r->classes[i].area_m2 = NAN;
        result_warn(r, "no areas: %s", why);
        goto done;
    }
    for (int k = 0; k < r->window.lines; k++) {
        const uint8_t *labels = c->labels + (size_t)k * (size_t)r->window.columns;
        memset(pixels, 0, N * sizeof *pixels);
        for (int i = 0; i < r->window.columns; i++)
            if (labels[i] != 0)
                pixels[index[labels[i]]]++;
        for (size_t i = 0; i < N; i++)
            r->classes[i].area_m2 += (double)pixels[i] * area[k];
    }
done:
    free(area);
    free(pixels);
    return result;
}

static void count_truth(struct result_truth *t, const int index[256], int N, const uint8_t *labels,
                        const uint16_t *truth, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++) {
        if (truth[i] == 0)
            continue;
        int row = truth[i] < 256 ? index[truth[i]] : -1;
        if (row < 0)
            t->ignored++;
        else if (labels[i] == 0)
            t->unlabelled++;
        else {
            t->confusion[row * N + index[labels[i]]]++;
            t->pixels++;
        }
    }
}

static int fill_truth(struct classification *c, const struct classify_request *q, struct err *e)
{
    struct result *r = &c->result;
    const struct window *w = &r->window;
    const struct package *p = q->model->package;
    size_t N = (size_t)p->network.N;
    int index[256], step = TRUTH_PIXELS / w->columns > 0 ? TRUTH_PIXELS / w->columns : 1;
    index_by_id(p, index);
    r->truth.confusion = calloc(N * N, sizeof *r->truth.confusion);
    if (r->truth.confusion == NULL)
        return err_nomem(e);
    for (int k = 0; k < w->lines; k += step) {
        int lines = w->lines - k < step ? w->lines - k : step;
        uint16_t *truth;
        if (label_raster_read_truth(q->truth, r->scene->columns, r->scene->lines, w->column, w->line + k, w->columns,
                                    lines, &truth, e) != 0)
            return -1;
        count_truth(&r->truth, index, (int)N, c->labels + (size_t)k * (size_t)w->columns, truth,
                    (size_t)lines * (size_t)w->columns);
        free(truth);
    }
    r->truth.present = true;
    result_truth_figures(&r->truth, (int)N);
    return 0;
}

static int fill_classes(struct classification *c, const struct summary_input *in, struct err *e)
{
    struct result *r = &c->result;
    int N = r->package->network.N;
    r->classes = calloc((size_t)N, sizeof *r->classes);
    if (r->classes == NULL)
        return err_nomem(e);
    for (int i = 0; i < N; i++) {
        const struct class_sum *s = &in->sums[i];
        r->classes[i].pixels = s->pixels;
        r->classes[i].confidence_mean = s->pixels == 0 ? NAN : (double)s->confidence * 0x1p-28 / (double)s->pixels;
    }
    return fill_areas(c, r->package, e);
}

static void fill_figures(struct result *r, const struct summary_input *in)
{
    struct engine_info info;
    scheduler_engine_info(in->request->scheduler, 0, &info);
    r->bands_used = in->match->B;
    r->by_wavelength = in->match->by_wavelength;
    memcpy(r->scaling, in->match->scaling, sizeof r->scaling);
    r->has_nodata = in->validity->any_nodata;
    r->nodata = in->validity->shown;
    r->nodata_rule = !in->validity->any_nodata ? NULL : in->validity->all ? "all" : "any";
    memcpy(r->device, info.backend, sizeof info.backend);
    r->precision = precision_name(info.precision);
    r->normalization = in->normalization;
}

int summary_fill(struct classification *c, const struct summary_input *in, struct err *e)
{
    const struct classify_request *q = in->request;
    struct result *r = &c->result;
    r->scene = cube_describe(c->cube);
    r->package = q->model->package;
    fill_figures(r, in);
    if (r->package->wavelengths_nm != NULL && !in->match->by_wavelength && q->query->spectral.bands == BANDS_AUTO)
        result_warn(r, "bands were matched by index: the cube has no wavelengths, or in a unit that is not known");
    if (fill_classes(c, in, e) != 0)
        return -1;
    if (q->query->labels && (q->label_pixels == 0 || c->labels_length <= q->label_pixels))
        r->labels = c->labels;
    else if (q->query->labels)
        result_warn(r, "the label rows are left out above %llu pixels; ask for format=geotiff",
                    (unsigned long long)q->label_pixels);
    if (q->truth != NULL)
        return fill_truth(c, q, e);
    return 0;
}
