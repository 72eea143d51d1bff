/* SPDX-License-Identifier: Apache-2.0
 * starve.c - when work needs another M and no thread is to be had.
 *
 * As long as some M runs goroutines or idles it will come to the work, later. If all Ms are in blocking
 * sections nobody will, and whoever has tried in vain waits here, trying again: an M that lets its P go
 * with something left on it, a foreign thread (one in a blocking section, too) that makes a goroutine
 * runnable, or sysmon. Who doesn't try, because another announces that it does, relies on that one. The shortage may pass; were it to last, goroutines could wait for ever for
 * a function that waits for one of them, so after a while it is fatal, as it is in Go at once. */
#include <errno.h>

#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

#ifdef WEFT_TEST_BUILD
#define PATIENCE_NS 200000000
#else
#define PATIENCE_NS 1000000000
#endif
#define RETRY_NS 2000000

static bool some_run(void)
{
    return atomic_load_acquire(&sched.threads) > atomic_load_acquire(&sched.in_blocking);
}

bool p_leaves_work(struct p *p)
{
    return (p && atomic_load_acquire(&p->next)) || work_queued();
}

void await_thread(struct p *p)
{
    int64_t limit = os_now() + PATIENCE_NS;
    bool seen =
        false; /* a thread that is only tried counts too: believe it when it is still there */
    for (int rc = -EAGAIN; rc && !(some_run() && seen);) {
        if (os_now() >= limit)
            sched_fatal("no thread to be had for goroutines that wait beside a blocking section");
        seen = some_run();
        os_sleep_until(os_now() + RETRY_NS);
        rc = p_leaves_work(p) ? wake_one(NULL, p) : watcher_ensure(NULL);
    }
}

SANITIZE_OWNER_DATA_END
