/* SPDX-License-Identifier: Apache-2.0
 * 3-owner - chapter 3, channel ownership: the program in examples/. */
#include "../../examples/owner.c"
