/* SPDX-License-Identifier: Apache-2.0
 * process_linux.c - os.h: which process this is, on which machine, at what time of the world. */
#include <time.h>
#include <unistd.h>

#include "arch/os.h"

int64_t os_unix_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int os_process_id(void)
{
    return getpid();
}

void os_host_name(char name[OS_HOST_BYTES])
{
    if (gethostname(name, OS_HOST_BYTES))
        name[0] = '\0';
    name[OS_HOST_BYTES - 1] = '\0';
}
