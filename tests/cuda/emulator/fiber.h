/* fiber.h - stacks that take turns in one host thread, made known to the sanitizer of the rest of the program.
 *
 * The core is compiled without -fsanitize, with -DEMULATOR_ASAN or -DEMULATOR_TSAN to say which one the program has.
 * Under the thread sanitizer a switch orders nothing: only release and acquire below do.
 */
#pragma once
#include <cstddef>
#if !defined(__x86_64__)
#define EMULATOR_UCONTEXT 1
#endif
#if defined(EMULATOR_UCONTEXT)
#include <ucontext.h>
#endif

namespace emulator
{

struct Fiber {
    char *stack; /* lowest byte; NULL until the first start */
    size_t stack_bytes;
#if defined(EMULATOR_UCONTEXT)
    ucontext_t context;
#else
    void *stack_pointer; /* while it does not run */
#endif
    void *fake_stack; /* the address sanitizer's */
    void *thread;     /* the thread sanitizer's */
};

#if defined(EMULATOR_TSAN)
constexpr bool FIBERS_HAVE_ORDER = true;
#else
constexpr bool FIBERS_HAVE_ORDER = false;
#endif

/* Makes f the host thread's own stack: the one to come back to. */
void fiber_adopt(Fiber &f);
/* Readies f to run `entry` from its beginning at the next switch; its stack is mapped once and kept. */
void fiber_start(Fiber &f, void (*entry)());
void fiber_switch(Fiber &from, Fiber &to);
/* The last switch of a fiber that will be started again, or not at all. */
void fiber_leave(Fiber &from, Fiber &to);
/* Each entry function's first call. */
void fiber_entered(Fiber &f);

/* What f did until now happens before what comes after an acquire of the same address. `self` is running. */
void fiber_release(Fiber &f, void *address, Fiber &self);
void fiber_acquire(Fiber &f, void *address, Fiber &self);

/* A thread of the sanitizer's that only owns memory (see shared.cpp): no stack, never switched to. */
void fiber_imagine(Fiber &f);
void fiber_forget(Fiber &f);
/* Makes what follows, until fiber_pretend(self), the doing of f. */
void fiber_pretend(Fiber &f);

} // namespace emulator
