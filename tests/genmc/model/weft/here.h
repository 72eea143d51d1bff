/* SPDX-License-Identifier: Apache-2.0
 * here.h - the model checker's, found before the real one: which M is this thread's is what the driver says. */
#ifndef WEFT_HERE_H
#define WEFT_HERE_H

#include <weft/base.h>

#define WEFT_INLINE_ __attribute__((unused)) static inline
#define WEFT_LIKELY_(x) (!!(x))

#define WEFT_NO_PLACE_ 4u

struct weft_row_ {
    const uint64_t *tickets_; /* who has which column */
    uint32_t counts_[2];      /* the holder's: twice a number | he is at it */
    uint32_t bases_[2];       /* what counts_ is where there are none; theirs who take a column */
};

struct weft_here {
    uint32_t asked_;
    uint32_t place_;
    struct weft_row_ *row_;
};

/* NULL: this thread is never asked to give way, and has no processor. */
extern __thread const struct weft_here *weft_here_now; /* drivers that need it define it */
static _Thread_local const struct weft_here *model_here;
static const struct weft_here model_nowhere = {.place_ = WEFT_NO_PLACE_};

WEFT_INLINE_ const struct weft_here *weft_here_(void)
{
    return model_here ? model_here : &model_nowhere;
}

WEFT_INLINE_ bool weft_is_asked_(const struct weft_here *here)
{
    return __atomic_load_n(&here->asked_, __ATOMIC_RELAXED) != 0;
}

#endif
