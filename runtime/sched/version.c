/* SPDX-License-Identifier: Apache-2.0
 * version.c - what this build of the library is. */
#include <string.h>
#include <weft/base.h>

#include "runtime/hooks.h"
#include "runtime/sched/internal.h"

const char *weft_version(void)
{
    return WEFT_VERSION;
}

bool weft_feature(const char *name)
{
    if (!name)
        return false;
    if (!strcmp(name, "jemalloc"))
        return alloc_has_arenas();
    if (!strcmp(name, "guard_install"))
        return os_guard_is_cheap();
    return false;
}

SANITIZE_OWNER_DATA_BEGIN

void weft_priv_ask(void)
{
    struct m *m = m_self();
    if (m)
        atomic_or_acq_rel(&m->asked, ASKED_TO_YIELD);
}

int weft_priv_proc(void)
{
    struct m *m = m_self();
    return m && m->p ? (int)m->p->index : -1;
}

SANITIZE_OWNER_DATA_END
