/* SPDX-License-Identifier: Apache-2.0
 * 5-steward - chapter 5, healing unhealthy goroutines: the program in examples/. */
#include "../../examples/steward.c"
