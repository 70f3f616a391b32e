#include "cli/report.h"
#include <inttypes.h>
#include <math.h>

static void print_area(FILE *out, double m2)
{
    if (isnan(m2))
        fprintf(out, "            -");
    else if (m2 < 1e6)
        fprintf(out, " %9.2f ha", m2 / 1e4);
    else
        fprintf(out, " %9.3f km2", m2 / 1e6);
}

static void print_classes(FILE *out, const struct result *r)
{
    const struct package *p = r->package;
    fprintf(out, "%5s  %-28s %10s %7s %12s %11s\n", "class", "name", "pixels", "share", "area", "confidence");
    for (int i = 0; i < p->network.N; i++) {
        const struct result_class *c = &r->classes[i];
        double share = r->pixels.valid == 0 ? 0 : (double)c->pixels / (double)r->pixels.valid;
        fprintf(out, "%5d  %-28.28s %10" PRIu64 " %6.1f%%", p->classes[i].id, p->classes[i].name, c->pixels,
                share * 100);
        print_area(out, c->area_m2);
        if (isnan(c->confidence_mean))
            fprintf(out, " %11s\n", "-");
        else
            fprintf(out, " %11.3f\n", c->confidence_mean);
    }
    fprintf(out, "%5d  %-28s %10" PRIu64 "\n", 0, "unclassified", r->pixels.invalid);
}

void report_classification(FILE *out, const struct classification *c)
{
    const struct result *r = &c->result;
    fprintf(out, "model %s/%s, %d bands by %s, scaling: %s\n", r->package->name, r->package->version, r->bands_used,
            r->by_wavelength ? "wavelength" : "index", r->scaling);
    print_classes(out, r);
    if (r->truth.present)
        fprintf(out,
                "overall accuracy %.4f, average accuracy %.4f, kappa %.4f on %" PRIu64 " pixels "
                "(%" PRIu64 " unclassified, %" PRIu64 " of other ids)\n",
                r->truth.overall_accuracy, r->truth.average_accuracy, r->truth.kappa, r->truth.pixels,
                r->truth.unlabelled, r->truth.ignored);
    for (int i = 0; i < r->warning_count; i++)
        fprintf(out, "warning: %s\n", r->warnings[i]);
    fprintf(out, "%" PRIu64 " pixels in %.2f s: %.0f pixels/s on %s, %s\n", r->pixels.valid, r->timing.total_s,
            (double)r->pixels.valid / r->timing.total_s, r->device, r->precision);
}
