#include "model/package.h"
#include "model/checkpoint.h"
#include "model/fold.h"
#include "model/metadata.h"
#include "model/safetensors.h"
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hash(char out[65], const struct safetensors *s)
{
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    size_t length;
    const uint8_t *bytes = safetensors_bytes(s, &length);
    sha256_init(&context);
    sha256_update(&context, length, bytes);
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static int read_package(struct package *p, const struct safetensors *s, struct err *e)
{
    struct metadata m;
    const char *text = safetensors_metadata(s, "spectrad");
    if (text == NULL)
        return err_set(e, ERR_INPUT,
                       "no metadata under the key spectrad: weights alone are not a package, import them first");
    if (metadata_read(&m, p, text, strlen(text), e) != 0)
        return err_prefix(e, "metadata");
    struct checkpoint_sizes sizes = {
        .B = m.sensor_bands, .K = m.bands, .C = m.kernels, .P = m.patch, .N = m.class_count};
    struct checkpoint_findings findings;
    if (checkpoint_check(s, &sizes, &findings, e) != 0 || fold_preprocess(&p->preprocess, s, &sizes, e) != 0 ||
        fold_network(&p->network, s, &sizes, findings.distinct_attention, e) != 0)
        return -1;
    p->parameters = findings.parameters;
    hash(p->sha256, s);
    return 0;
}

/* Takes s. */
static int build(struct package **out, struct safetensors *s, struct err *e)
{
    struct package *p = calloc(1, sizeof *p);
    int result = p == NULL ? err_nomem(e) : read_package(p, s, e);
    safetensors_close(s);
    if (result != 0) {
        package_close(p);
        p = NULL;
    }
    *out = p;
    return result;
}

int package_open(struct package **out, const char *path, struct err *e)
{
    struct safetensors *s;
    *out = NULL;
    if (safetensors_open(&s, path, e) != 0)
        return -1;
    return build(out, s, e);
}

int package_parse(struct package **out, const uint8_t *bytes, size_t length, struct err *e)
{
    struct safetensors *s;
    *out = NULL;
    if (safetensors_parse(&s, bytes, length, e) != 0)
        return -1;
    return build(out, s, e);
}

void package_close(struct package *p)
{
    if (p == NULL)
        return;
    for (struct package_class *c = p->classes; c != NULL && c->id != 0; c++)
        free(c->name);
    free(p->classes);
    free(p->name);
    free(p->version);
    free(p->wavelengths_nm);
    free(p->fwhm_nm);
    preprocess_release(&p->preprocess);
    network_release(&p->network);
    free(p);
}
