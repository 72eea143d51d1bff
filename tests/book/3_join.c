/* SPDX-License-Identifier: Apache-2.0
 * 3-join - chapter 3, goroutines: the program in examples/. */
#include "../../examples/join.c"
