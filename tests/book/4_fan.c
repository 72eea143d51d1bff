/* SPDX-License-Identifier: Apache-2.0
 * 4-fan - chapter 4, fan-out and fan-in: the program in examples/. */
#include "../../examples/fan.c"
