/* SPDX-License-Identifier: Apache-2.0
 * 4-or - chapter 4, the or-channel: the program in examples/. */
#include "../../examples/or.c"
