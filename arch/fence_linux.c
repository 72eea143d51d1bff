/* SPDX-License-Identifier: Apache-2.0
 * fence_linux.c - fences that cost only the rarer side, by membarrier(2): the kernel interrupts whatever of this
 * process runs, and each of those CPUs does a full fence. Where it won't, both sides do their own. */
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/fail.h"
#include "arch/os.h"

_Atomic(bool) os_fence_is_asymmetric;

static bool membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

static void prepare(void)
{
    atomic_store_relaxed(&os_fence_is_asymmetric,
                         !os_fails(FAIL_FENCE) &&
                             membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
}

void os_fence_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare);
}

/* Once registered it doesn't fail, unless a filter of system calls that came later refuses it. */
bool os_fence_heavy(void)
{
    if (likely(atomic_load_relaxed(&os_fence_is_asymmetric)))
        return likely(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
    atomic_fence_full();
    return true;
}
