/* SPDX-License-Identifier: Apache-2.0
 * mutex.h - of weft_mutex, for the rest of the room. */
#ifndef WEFT_SYNC_MUTEX_H
#define WEFT_SYNC_MUTEX_H

#include <weft/sync.h>

/* Unlock m without ever giving way, for one who is about to park and may be woken already. Whether somebody waits
 * to run with it who should do so at once. */
bool mutex_release(weft_mutex *m);

#endif
