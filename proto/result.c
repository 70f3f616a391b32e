#include "proto/result.h"
#include "base/clock.h"
#include "proto/json_writer.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void result_warn(struct result *r, const char *format, ...)
{
    if (r->warning_count == RESULT_WARNINGS)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(r->warnings[r->warning_count++], sizeof r->warnings[0], format, args);
    va_end(args);
}

static double ratio(double a, double b)
{
    return b == 0 ? NAN : a / b;
}

static uint64_t row_sum(const struct result_truth *t, int N, int row)
{
    uint64_t sum = 0;
    for (int i = 0; i < N; i++)
        sum += t->confusion[row * N + i];
    return sum;
}

static uint64_t column_sum(const struct result_truth *t, int N, int column)
{
    uint64_t sum = 0;
    for (int i = 0; i < N; i++)
        sum += t->confusion[i * N + column];
    return sum;
}

void result_truth_figures(struct result_truth *t, int N)
{
    double total = (double)t->pixels, right = 0, by_chance = 0, recalls = 0;
    int classes = 0; /* that the truth has */
    for (int i = 0; i < N; i++) {
        double rows = (double)row_sum(t, N, i), columns = (double)column_sum(t, N, i),
               hit = (double)t->confusion[i * N + i];
        right += hit;
        by_chance += rows * columns;
        if (rows > 0) {
            recalls += hit / rows;
            classes++;
        }
    }
    double observed = ratio(right, total), expected = ratio(by_chance, total * total);
    t->overall_accuracy = observed;
    t->average_accuracy = ratio(recalls, classes);
    t->kappa = ratio(observed - expected, 1 - expected);
}

static void write_scene(struct json_writer *w, const struct result *r)
{
    const struct cube_description *d = r->scene;
    json_writer_open(w, "scene", '{');
    json_writer_integer(w, "columns", (uint64_t)d->columns);
    json_writer_integer(w, "rows", (uint64_t)d->lines);
    json_writer_integer(w, "bands", (uint64_t)d->bands);
    json_writer_string(w, "driver", d->driver);
    json_writer_string(w, "data_type", sample_name(d->type));
    json_writer_string(w, "crs", d->crs);
    if (d->has_geotransform) {
        json_writer_open(w, "geotransform", '[');
        for (int i = 0; i < 6; i++)
            json_writer_number(w, NULL, d->geotransform[i]);
        json_writer_close(w, ']');
    } else {
        json_writer_string(w, "geotransform", NULL);
    }
    json_writer_open(w, "window", '[');
    json_writer_integer(w, NULL, (uint64_t)r->window.column);
    json_writer_integer(w, NULL, (uint64_t)r->window.line);
    json_writer_integer(w, NULL, (uint64_t)r->window.columns);
    json_writer_integer(w, NULL, (uint64_t)r->window.lines);
    json_writer_close(w, ']');
    json_writer_string(w, "band_matching", r->by_wavelength ? "wavelength" : "index");
    json_writer_integer(w, "bands_used", (uint64_t)r->bands_used);
    json_writer_string(w, "scaling", r->scaling);
    if (r->has_nodata && isnan(r->nodata))
        json_writer_string(w, "nodata", "NaN");
    else
        json_writer_number(w, "nodata", r->has_nodata ? r->nodata : NAN);
    json_writer_string(w, "nodata_rule", r->nodata_rule);
    json_writer_integer(w, "pixels_valid", r->pixels.valid);
    json_writer_integer(w, "pixels_invalid", r->pixels.invalid);
    json_writer_integer(w, "pixels_partly_nodata", r->pixels.partly_nodata);
    json_writer_close(w, '}');
}

static void write_model(struct json_writer *w, const struct result *r)
{
    json_writer_open(w, "model", '{');
    json_writer_string(w, "name", r->package->name);
    json_writer_string(w, "version", r->package->version);
    json_writer_string(w, "sha256", r->package->sha256);
    json_writer_integer(w, "patch", (uint64_t)r->package->network.P);
    json_writer_string(w, "device", r->device);
    json_writer_string(w, "precision", r->precision);
    json_writer_string(w, "normalization", r->normalization == NORMALIZATION_SCENE ? "scene" : "model");
    json_writer_close(w, '}');
}

/* Returns the pixels that have a class. */
static uint64_t write_classes(struct json_writer *w, const struct result *r)
{
    uint64_t classified = 0;
    json_writer_open(w, "classes", '[');
    for (int i = 0; i < r->package->network.N; i++) {
        const struct package_class *k = &r->package->classes[i];
        const struct result_class *c = &r->classes[i];
        char color[8];
        snprintf(color, sizeof color, "#%02x%02x%02x", k->red, k->green, k->blue);
        json_writer_open(w, NULL, '{');
        json_writer_integer(w, "id", (uint64_t)k->id);
        json_writer_string(w, "name", k->name);
        json_writer_string(w, "color", color);
        json_writer_integer(w, "pixels", c->pixels);
        json_writer_number(w, "fraction", ratio((double)c->pixels, (double)r->pixels.valid));
        json_writer_number(w, "area_m2", c->area_m2);
        json_writer_number(w, "mean_confidence", c->confidence_mean);
        json_writer_close(w, '}');
        classified += c->pixels;
    }
    json_writer_close(w, ']');
    return classified;
}

static void write_labels(struct json_writer *w, const struct result *r)
{
    json_writer_open(w, "labels", '{');
    json_writer_string(w, "encoding", "rle");
    json_writer_open(w, "rows", '[');
    for (int k = 0; k < r->window.lines; k++) {
        const uint8_t *row = r->labels + (size_t)k * (size_t)r->window.columns;
        json_writer_open(w, NULL, '[');
        for (int i = 0, from = 0; i < r->window.columns; from = i) {
            while (i < r->window.columns && row[i] == row[from])
                i++;
            json_writer_integer(w, NULL, row[from]);
            json_writer_integer(w, NULL, (uint64_t)(i - from));
        }
        json_writer_close(w, ']');
    }
    json_writer_close(w, ']');
    json_writer_close(w, '}');
}

static void write_truth(struct json_writer *w, const struct result *r)
{
    const struct result_truth *t = &r->truth;
    int N = r->package->network.N;
    json_writer_open(w, "truth", '{');
    json_writer_number(w, "overall_accuracy", t->overall_accuracy);
    json_writer_number(w, "average_accuracy", t->average_accuracy);
    json_writer_number(w, "kappa", t->kappa);
    json_writer_integer(w, "pixels", t->pixels);
    json_writer_integer(w, "unlabelled", t->unlabelled);
    json_writer_integer(w, "ignored", t->ignored);
    json_writer_open(w, "confusion_matrix", '[');
    for (int i = 0; i < N; i++) {
        json_writer_open(w, NULL, '[');
        for (int k = 0; k < N; k++)
            json_writer_integer(w, NULL, t->confusion[i * N + k]);
        json_writer_close(w, ']');
    }
    json_writer_close(w, ']');
    json_writer_open(w, "classes", '[');
    for (int i = 0; i < N; i++) {
        double hit = (double)t->confusion[i * N + i], support = (double)row_sum(t, N, i),
               said = (double)column_sum(t, N, i);
        json_writer_open(w, NULL, '{');
        json_writer_integer(w, "id", (uint64_t)r->package->classes[i].id);
        json_writer_number(w, "precision", ratio(hit, said));
        json_writer_number(w, "recall", ratio(hit, support));
        json_writer_number(w, "f1", ratio(2 * hit, support + said));
        json_writer_integer(w, "support", (uint64_t)support);
        json_writer_close(w, '}');
    }
    json_writer_close(w, ']');
    json_writer_close(w, '}');
}

static void write_timing(struct json_writer *w, const struct result *r)
{
    const struct result_timing *t = &r->timing;
    double encoding = r->encode_begun > 0 ? clock_now() - r->encode_begun : 0;
    json_writer_open(w, "timing", '{');
    json_writer_number(w, "upload_s", t->upload_s);
    json_writer_number(w, "queue_s", t->queue_s);
    json_writer_number(w, "read_s", t->read_s);
    json_writer_number(w, "compute_s", t->compute_s);
    json_writer_number(w, "encode_s", t->encode_s + encoding);
    json_writer_number(w, "total_s", t->total_s + encoding);
    json_writer_close(w, '}');
}

int result_write_json(const struct result *r, int fd, struct err *e)
{
    struct json_writer *w = malloc(sizeof *w);
    if (w == NULL)
        return err_nomem(e);
    json_writer_init(w, fd);
    json_writer_open(w, NULL, '{');
    json_writer_string(w, "request_id", r->request_id);
    write_scene(w, r);
    write_model(w, r);
    uint64_t classified = write_classes(w, r);
    json_writer_open(w, "unclassified", '{');
    json_writer_integer(w, "pixels", (uint64_t)r->window.columns * (uint64_t)r->window.lines - classified);
    json_writer_close(w, '}');
    if (r->labels != NULL)
        write_labels(w, r);
    if (r->truth.present)
        write_truth(w, r);
    write_timing(w, r);
    json_writer_open(w, "warnings", '[');
    for (int i = 0; i < r->warning_count; i++)
        json_writer_string(w, NULL, r->warnings[i]);
    json_writer_close(w, ']');
    json_writer_close(w, '}');
    int result = json_writer_finish(w, e);
    free(w);
    return result;
}
