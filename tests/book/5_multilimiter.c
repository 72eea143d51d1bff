/* SPDX-License-Identifier: Apache-2.0
 * 5-multilimiter - chapter 5, several rate limits: the program in examples/. */
#include "../../examples/multilimiter.c"
