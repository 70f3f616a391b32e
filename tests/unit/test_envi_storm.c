/* A storm of broken ENVI headers, the same on every run; under the address sanitizer it shows reads beyond the end. */
#include "scene/envi_header.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random.h"
#include <stdlib.h>
#include <string.h>

static const struct envi_rules rules = {.bands_most = 4096, .pixels_most = 10000000000};

static size_t mutate(char *text, size_t length, size_t size, struct random *r)
{
    static const char *const pieces[] = {
        "{", "}", "=", "\n", ";", "nan", "-", "9999999999", "\r", "\xff", ",", "bands = 3\n", "wavelength = {",
        "0", " "};
    for (uint64_t n = 1 + random_below(r, 6); n > 0; n--) {
        size_t at = length == 0 ? 0 : (size_t)random_below(r, length);
        const char *piece = pieces[random_below(r, sizeof pieces / sizeof pieces[0])];
        switch (random_below(r, 5)) {
        case 0: /* a byte */
            if (length > 0)
                text[at] = (char)random_below(r, 256);
            break;
        case 1: /* a cut */
            length = random_below(r, 8) == 0 ? at : length;
            break;
        case 2: { /* a hole */
            size_t hole = (size_t)random_below(r, 12);
            hole = hole > length - at ? length - at : hole;
            memmove(text + at, text + at + hole, length - at - hole);
            length -= hole;
            break;
        }
        default: /* a piece more */
            if (length + strlen(piece) < size) {
                memmove(text + at + strlen(piece), text + at, length - at);
                memcpy(text + at, piece, strlen(piece));
                length += strlen(piece);
            }
        }
    }
    return length;
}

/* A header is accepted or refused with a sentence, whatever the bytes; one that is accepted keeps its promises. */
static void test_mutated_headers_are_refused_or_hold(void **state)
{
    static const char whole[] =
        "ENVI\nsamples = 4\nlines = 3\nbands = 2\nheader offset = 0\ndata type = 2\ninterleave = bil\nbyte order = 0\n"
        "file type = ENVI Standard\ndescription = {a\n b}\nwavelength units = nm\nwavelength = {400, 500}\n"
        "fwhm = {5, 5}\nbbl = {1, 0}\ndata ignore value = -1\nreflectance scale factor = 1e4\n"
        "data gain values = {1, 2}\ndefault bands = {1, 2, 1}\nmap info = {UTM, 1, 1, 0, 0, 1, 1, 3, North}\n";
    struct random r = {20260};
    int accepted = 0;
    (void)state;
    for (int i = 0; i < 60000; i++) {
        char text[1024];
        memcpy(text, whole, sizeof whole - 1);
        size_t length = mutate(text, sizeof whole - 1, sizeof text, &r);
        char *exact = malloc(length > 0 ? length : 1); /* so that a read beyond the end is seen */
        memcpy(exact, text, length);
        struct envi_header h;
        struct err e = {0};
        if (envi_header_parse(&h, exact, length, &rules, &e) == 0) {
            char *gdal;
            accepted++;
            assert_true(h.samples > 0 && h.lines > 0 && h.bands > 0 && h.bands <= rules.bands_most);
            assert_true(envi_header_data_bytes(&h) <= INT64_MAX - h.offset);
            assert_int_equal(envi_header_write(&h, &gdal, &e), 0);
            free(gdal);
            envi_header_release(&h);
        } else {
            assert_true(e.code != ERR_NONE && e.code != ERR_NOMEM && e.message[0] != '\0');
        }
        free(exact);
    }
    assert_true(accepted > 1000 && accepted < 59000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutated_headers_are_refused_or_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
