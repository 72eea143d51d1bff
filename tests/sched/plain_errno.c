/* SPDX-License-Identifier: Apache-2.0
 * plain_errno.c - code that doesn't see weft's headers, for state.c's test of errno: first on the link line, so that a link-time
 * optimiser sees libc's declaration of what gives errno's address before ours. */
#include <errno.h>

int plain_errno(void);

int plain_errno(void)
{
    return errno;
}
