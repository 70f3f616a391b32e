/* peak.h - what the machine could do: its float32 multiply-add rate, measured.
 * Threading: one thread calls; it starts its own.
 */
#pragma once

/* GFLOP/s of `threads` threads, a multiply-add counted as two, measured now for about `seconds` with the widest
 * instruction set that `isa` (NULL or "auto": what the machine has) allows. */
double cpu_fma_peak_gflops(const char *isa, int threads, double seconds);
