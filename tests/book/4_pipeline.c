/* SPDX-License-Identifier: Apache-2.0
 * 4-pipeline - chapter 4, pipelines: the program in examples/. */
#include "../../examples/pipeline.c"
