/* SPDX-License-Identifier: Apache-2.0
 * 3-pool - chapter 3, Pool: the program in examples/. */
#include "../../examples/pool.c"
