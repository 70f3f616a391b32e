#include "cli/progress.h"
#include "base/clock.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 32 };

void progress_init(struct progress *p, bool quiet)
{
    *p = (struct progress){.shown = !quiet && isatty(STDERR_FILENO), .start = clock_now()};
}

void progress_update(struct progress *p, uint64_t done, uint64_t pixels)
{
    double now = clock_now(), spent = now - p->start, fraction = (double)done / (double)pixels;
    if (!p->shown || now - p->last < 0.1)
        return;
    p->last = now;
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    char bar[BAR + 1];
    int full = (int)(fraction * BAR);
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)full);
    bar[BAR] = '\0';
    fprintf(stderr, "\r[%s] %3.0f %%", bar, fraction * 100);
    if (spent > 0.5)
        fprintf(stderr, "  %.0f pixels/s", (double)done / spent);
    if (fraction > 0.01 && spent > 0.5) {
        long left = (long)(spent / fraction - spent + 0.5);
        fprintf(stderr, "  %ld:%02ld left ", left / 60, left % 60);
    }
    fputs("\033[K", stderr);
    fflush(stderr);
}

void progress_clear(struct progress *p)
{
    if (p->shown && p->last > 0)
        fputs("\r\033[K", stderr);
}
