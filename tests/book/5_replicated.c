/* SPDX-License-Identifier: Apache-2.0
 * 5-replicated - chapter 5, replicated requests: the program in examples/. */
#include "../../examples/replicated.c"
