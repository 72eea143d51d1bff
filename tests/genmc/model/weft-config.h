/* SPDX-License-Identifier: Apache-2.0
 * weft-config.h - the model checker's build: tiny capacities and debug assertions. */
#define WEFT_TEST_BUILD 1
#define WEFT_USE_MALLOC 1
#define WEFT_LOCK_CHECK 0
#define WEFT_HELD_CHECK 0
