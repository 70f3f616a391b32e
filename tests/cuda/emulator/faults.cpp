/* faults.cpp - says whose access it was when a program without a sanitizer touches memory that is not there.
 *
 * Sanitizers have handlers of their own, which know more: where one is installed nothing is done here.
 */
#include "tests/cuda/emulator/core.h"
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace emulator
{
namespace
{
const char *(*explain_address)(const void *);

/* The faulting instruction is the kernel's or the host's own, so printing is safe enough here. */
void on_fault(int, siginfo_t *info, void *)
{
    const char *why = explain_address ? explain_address(info->si_addr) : nullptr;
    if (current)
        fail(why ? why : "touches memory that is not there");
    if (why) {
        std::fprintf(stderr, "fake cuda: host code %s\n", why);
        std::fflush(stderr);
        _exit(98);
    }
    std::signal(SIGSEGV, SIG_DFL); /* and the instruction is tried again */
}
} // namespace

void watch_faults(const char *(*explain)(const void *address))
{
#if defined(EMULATOR_ASAN) || defined(EMULATOR_TSAN)
    (void)explain;
    (void)on_fault;
#else
    if (explain)
        explain_address = explain;
    /* A stack of its own, in every host thread that comes by: the one that faulted may be full. */
    static thread_local stack_t own;
    if (!own.ss_sp) {
        static thread_local char bytes[32768];
        own.ss_sp = bytes;
        own.ss_size = sizeof bytes;
        sigaltstack(&own, nullptr);
    }
    struct sigaction now;
    if (sigaction(SIGSEGV, nullptr, &now) || now.sa_handler != SIG_DFL)
        return;
    struct sigaction ours = {};
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &ours, nullptr);
#endif
}

} // namespace emulator
