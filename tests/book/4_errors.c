/* SPDX-License-Identifier: Apache-2.0
 * 4_errors.c - errors travel in the result (chapter 4 of "Concurrency in Go"): the status is printed, the error is, and the loop goes
 * on. */
#include "../../examples/results.c"
