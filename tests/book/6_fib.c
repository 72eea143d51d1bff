/* SPDX-License-Identifier: Apache-2.0
 * 6-fib - chapter 6, work stealing: the program in examples/. */
#include "../../examples/fib.c"
