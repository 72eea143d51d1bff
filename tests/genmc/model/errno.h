/* SPDX-License-Identifier: Apache-2.0
 * errno.h - the model checker's, and the function that weft/base.h knows from libc's. */
#ifndef WEFT_TESTS_GENMC_ERRNO_H
#define WEFT_TESTS_GENMC_ERRNO_H

#include_next <errno.h>

int *__errno_location(void);

#endif
