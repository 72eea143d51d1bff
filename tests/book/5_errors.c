/* SPDX-License-Identifier: Apache-2.0
 * 5_errors.c - what goes on in an error (chapter 5 of "Concurrency in Go"); tests/context/ has the parts of its log line. */
#include "../../examples/errors.c"
