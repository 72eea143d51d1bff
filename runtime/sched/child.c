/* SPDX-License-Identifier: Apache-2.0
 * child.c - what a process that a goroutine forks gets back: it has one thread, a copy of an M, whose
 * binding and timer slack would outlive an exec. */
#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

static int slack; /* of the thread that called weft_run */

static void in_child(void)
{
    struct m *m = m_self();
    holds_forget();
    if (!m)
        return;
    m->bound = -2; /* somebody may just be changing it */
    topology_unbind(m);
    os_thread_set_slack(slack);
}

int child_prepare(void)
{
    static bool done; /* there is no way to take a handler back */
    slack = os_thread_slack();
    int rc = done ? 0 : os_at_fork(in_child);
    done |= rc == 0;
    return rc;
}

SANITIZE_OWNER_DATA_END
