#include "devices.h"
#include <stdio.h>

const struct device devices[] = {
    {"Tesla T4", 75, 40, 65536, 16, 1024, 15, 1590000, 5001000, 4},
    {"NVIDIA A100-SXM4-80GB", 80, 108, 166912, 32, 2048, 79, 1410000, 1593000, 40},
    {"NVIDIA A10", 86, 72, 101376, 16, 1536, 22, 1695000, 6251000, 6},
    {"NVIDIA L4", 89, 58, 101376, 24, 1536, 22, 2040000, 6251000, 48},
    {"NVIDIA H100 80GB HBM3", 90, 132, 232448, 32, 2048, 79, 1980000, 2619000, 50},
    {"NVIDIA B200", 100, 148, 232448, 32, 2048, 178, 1965000, 3996000, 126},
    {"NVIDIA GeForce RTX 5090", 120, 170, 101376, 24, 1536, 31, 2407000, 14001000, 96},
};
const size_t device_count = sizeof devices / sizeof *devices;

bool device_has(const struct device *d, enum precision p)
{
    return p == PRECISION_FP32 || p == PRECISION_FP16 || d->compute >= 80;
}

int device_properties(const struct device *d, char *out, size_t size)
{
    int used = snprintf(out, size,
                        "{\"deviceVer\":%d,\"deviceName\":\"%s\",\"multiProcessorCount\":%d,"
                        "\"maxSharedMemoryPerBlockOptin\":%d,\"maxCtasPerSM\":%d,\"maxThreadsPerSM\":%d,"
                        "\"totalGlobalMem\":%lld,\"smClockRateKHz\":%d,\"memClockRateKHz\":%d,\"l2CacheSize\":%lld,"
                        "\"reservedSharedMemoryPerBlock\":%d,\"maxSharedMemoryPerBlock\":49152,"
                        "\"regsPerBlock\":65536,\"maxRegistersPerSM\":65536,\"warpSize\":32,"
                        "\"maxThreadsPerBlock\":1024,\"maxBlockSize\":[1024,1024,64],"
                        "\"maxGridSize\":[2147483647,65535,65535],\"pciDeviceId\":0,\"isTccDriver\":0,"
                        "\"supportCoopLaunch\":1,\"cudaDeviceId\":0,\"driverVer\":13000}",
                        d->compute * 10, d->name, d->multiprocessors, d->shared_optin, d->blocks, d->threads,
                        (long long)d->memory_gib << 30, d->clock_khz, d->memory_clock_khz, (long long)d->l2_mib << 20,
                        d->compute < 80 ? 0 : 1024);
    return used > 0 && (size_t)used < size ? 0 : -1;
}
