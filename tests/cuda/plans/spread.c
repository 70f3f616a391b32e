#include "spread.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct piece {
    FILE *out;
    pid_t process;
    int status;
};

static int start(struct piece *p, size_t index, spread_work *work, void *context, struct tally *t)
{
    if ((p->out = tmpfile()) == NULL)
        return -1;
    fflush(stdout);
    if ((p->process = fork()) < 0)
        return -1;
    if (p->process == 0) {
        work(index, context, p->out, t);
        _exit(fflush(p->out) == 0 ? 0 : 1);
    }
    return 0;
}

static void print(FILE *from)
{
    char buffer[4096];
    size_t n;
    rewind(from);
    while ((n = fread(buffer, 1, sizeof buffer, from)) > 0)
        fwrite(buffer, 1, n, stdout);
    fflush(stdout);
}

/* Waits for one child, whichever ends first. */
static void wait_one(struct piece *pieces, size_t count)
{
    int status;
    pid_t ended = wait(&status);
    for (size_t i = 0; i < count; i++)
        if (ended > 0 && pieces[i].process == ended) {
            pieces[i].process = 0;
            pieces[i].status = status;
        }
}

int spread(size_t count, int at_once, spread_work *work, void *context, struct tally *total)
{
    int rc = -1, running = 0;
    size_t started = 0, printed = 0;
    struct piece *pieces = calloc(count, sizeof *pieces);
    struct tally *tallies =
        mmap(NULL, count * sizeof *tallies, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pieces == NULL || tallies == MAP_FAILED)
        goto done;
    while (printed < count) {
        for (; started < count && running < at_once; started++, running++)
            if (start(&pieces[started], started, work, context, &tallies[started]) != 0)
                goto done;
        wait_one(pieces, started);
        running--;
        for (; printed < started && pieces[printed].process == 0; printed++) {
            print(pieces[printed].out);
            if (pieces[printed].status != 0) {
                printf("FAIL  piece %zu: its process ended with status %#x\n", printed,
                       (unsigned)pieces[printed].status);
                total->failed++;
            }
            total->passed += tallies[printed].passed;
            total->failed += tallies[printed].failed;
        }
    }
    rc = 0;
done:
    for (size_t i = 0; i < started; i++)
        if (pieces[i].out != NULL)
            fclose(pieces[i].out);
    if (tallies != MAP_FAILED)
        munmap(tallies, count * sizeof *tallies);
    free(pieces);
    return rc;
}
