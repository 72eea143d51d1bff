/* SPDX-License-Identifier: Apache-2.0
 * 5-rate - chapter 5, rate limiting: the program in examples/. */
#include "../../examples/rate.c"
