/* fiber.cpp - see fiber.h. */
#include "tests/cuda/emulator/fiber.h"
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#if defined(EMULATOR_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(EMULATOR_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace emulator
{
namespace
{
#if defined(EMULATOR_TSAN)
constexpr size_t STACK_BYTES = 64 * 1024; /* the sanitizer's shadow is several times that */
#else
constexpr size_t STACK_BYTES = 256 * 1024;
#endif
constexpr size_t GUARD_BYTES = 4096;
Fiber *left; /* the fiber of the last switch, for the one that was switched to */

void map_stack(Fiber &f)
{
    void *at = mmap(nullptr, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED || mprotect(at, GUARD_BYTES, PROT_NONE)) {
        std::perror("emulator: a stack");
        std::exit(99);
    }
    f.stack = static_cast<char *>(at) + GUARD_BYTES;
    f.stack_bytes = STACK_BYTES;
}

void leaving(Fiber &from, Fiber &to, bool for_good)
{
    left = &from;
#if defined(EMULATOR_ASAN)
    __sanitizer_start_switch_fiber(for_good ? nullptr : &from.fake_stack, to.stack, to.stack_bytes);
#else
    (void)for_good;
#endif
    fiber_pretend(to);
}

/* Tells the address sanitizer that the switch is done, and learns from it where the host's stack lies. */
void arrived([[maybe_unused]] Fiber &at)
{
#if defined(EMULATOR_ASAN)
    const void *bottom;
    __sanitizer_finish_switch_fiber(at.fake_stack, &bottom, &left->stack_bytes);
    left->stack = static_cast<char *>(const_cast<void *>(bottom));
#endif
}
} // namespace

#if defined(EMULATOR_UCONTEXT)
static void swap(Fiber &from, Fiber &to)
{
    swapcontext(&from.context, &to.context);
}

static void prepare(Fiber &f, void (*entry)())
{
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack;
    f.context.uc_stack.ss_size = f.stack_bytes;
    f.context.uc_link = nullptr;
    makecontext(&f.context, entry, 0);
}
#else
/* System V: the callee-saved registers go onto the stack that is left; one call, no system call. */
extern "C" void spectrad_emulator_swap(void **save, void *load);
asm(R"(
    .text
    .type spectrad_emulator_swap, @function
spectrad_emulator_swap:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size spectrad_emulator_swap, .-spectrad_emulator_swap
)");

static void swap(Fiber &from, Fiber &to)
{
    spectrad_emulator_swap(&from.stack_pointer, to.stack_pointer);
}

/* What swap will pop: six registers, the entry to return into, and a return address of 0 where backtraces end. */
static void prepare(Fiber &f, void (*entry)())
{
    void **top = reinterpret_cast<void **>(f.stack + f.stack_bytes);
    *--top = nullptr;
    *--top = reinterpret_cast<void *>(entry);
    for (int i = 0; i < 6; i++)
        *--top = nullptr;
    f.stack_pointer = top;
}
#endif

void fiber_adopt([[maybe_unused]] Fiber &f)
{
#if defined(EMULATOR_TSAN)
    f.thread = __tsan_get_current_fiber();
#endif
}

void fiber_start(Fiber &f, void (*entry)())
{
    if (!f.stack) {
        map_stack(f);
        fiber_imagine(f);
    }
    f.fake_stack = nullptr;
    prepare(f, entry);
}

void fiber_switch(Fiber &from, Fiber &to)
{
    leaving(from, to, false);
    swap(from, to);
    arrived(from);
}

void fiber_leave(Fiber &from, Fiber &to)
{
    leaving(from, to, true);
    swap(from, to);
    std::abort();
}

void fiber_entered(Fiber &f)
{
    arrived(f);
}

#if defined(EMULATOR_TSAN)
void fiber_imagine(Fiber &f)
{
    f.thread = __tsan_create_fiber(0);
}

void fiber_forget(Fiber &f)
{
    __tsan_destroy_fiber(f.thread);
}

void fiber_pretend(Fiber &f)
{
    __tsan_switch_to_fiber(f.thread, __tsan_switch_to_fiber_no_sync);
}

void fiber_release(Fiber &f, void *address, Fiber &self)
{
    if (&f != &self)
        fiber_pretend(f);
    __tsan_release(address);
    if (&f != &self)
        fiber_pretend(self);
}

void fiber_acquire(Fiber &f, void *address, Fiber &self)
{
    if (&f != &self)
        fiber_pretend(f);
    __tsan_acquire(address);
    if (&f != &self)
        fiber_pretend(self);
}
#else
void fiber_imagine(Fiber &)
{
}

void fiber_forget(Fiber &)
{
}

void fiber_pretend(Fiber &)
{
}

void fiber_release(Fiber &, void *, Fiber &)
{
}

void fiber_acquire(Fiber &, void *, Fiber &)
{
}
#endif

} // namespace emulator
