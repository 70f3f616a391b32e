/* copies.cpp - each thread's queue of asynchronous copies; copy.h carries them out. */
#include "tests/cuda/emulator/core.h"

namespace emulator
{
namespace
{
/* Used as a ring; memory is spent on threads that copy alone. */
enum { MOST_COPIES = 512 };
Copy copies[MOST_THREADS][MOST_COPIES];

Copy &copy_at(const Lane &l, unsigned i)
{
    return copies[&l - lanes][i % MOST_COPIES];
}
} // namespace

bool copies_in_flight(const Lane &l)
{
    return l.first_copy != l.copy_end;
}

void copy_queue(void *to, const void *from, int valid)
{
    Lane &me = *current;
    shared_expect_row("cp.async to", to);
    if (reinterpret_cast<uintptr_t>(from) % 16)
        fail("cp.async from an address that is no multiple of 16");
    if (valid < 0 || valid > 16)
        fail("cp.async of less than 0 or more than 16 bytes");
    if (me.copy_end - me.first_copy == MOST_COPIES)
        fail("more than 512 copies of one thread in flight, which the emulator has no room for");
    copy_at(me, me.copy_end++) = {to, from, valid, me.group};
}

void copy_commit()
{
    current->group++;
}

/* Groups are numbered from 0; those below group - newest must have landed. */
bool copy_take(unsigned newest, Copy *out)
{
    Lane &me = *current;
    if (!copies_in_flight(me) || copy_at(me, me.first_copy).group + newest >= me.group)
        return false;
    *out = copy_at(me, me.first_copy++);
    return true;
}

} // namespace emulator
