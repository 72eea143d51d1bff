/* SPDX-License-Identifier: Apache-2.0
 * weft.h - all of weft. Each header also stands alone. */
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

#include <weft/base.h>
#include <weft/chan.h>
#include <weft/ctx.h>
#include <weft/defer.h>
#include <weft/error.h>
#include <weft/flow.h>
#include <weft/go.h>
#include <weft/group.h>
#include <weft/local.h>
#include <weft/pool.h>
#include <weft/rate.h>
#include <weft/select.h>
#include <weft/sync.h>
#include <weft/time.h>

#endif
