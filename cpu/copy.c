#include "cpu/copy.h"
#include <string.h>

/* Arrays lie in storage in the order in which network.h names them, full_connection's bias last; gates lie outside. */
int copy_network(struct network *out, const struct network *n, struct err *e)
{
    struct network_sizes sizes = {n->K, n->C, n->P, n->N, n->distinct_attention};
    if (network_allocate(out, &sizes, e) != 0)
        return -1;
    memcpy(out->storage, n->storage, (size_t)(n->full_connection.bias + n->N - n->storage) * sizeof *n->storage);
    memcpy(out->res_net1.gate, n->res_net1.gate, sizeof n->res_net1.gate);
    memcpy(out->res_net2.gate, n->res_net2.gate, sizeof n->res_net2.gate);
    memcpy(out->res_net3.gate, n->res_net3.gate, sizeof n->res_net3.gate);
    memcpy(out->res_net4.gate, n->res_net4.gate, sizeof n->res_net4.gate);
    return 0;
}
