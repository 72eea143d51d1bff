/* SPDX-License-Identifier: Apache-2.0
 * select.h - wait for whichever of several channel operations can go ahead first (Go: select).
 *
 *   switch (WEFT_SELECT(WEFT_RECV(in, &x), WEFT_SEND(out, &y), WEFT_AFTER(WEFT_SECOND))) {
 *   case 0: ...received x
 *   case 1: ...sent y
 *   case 2: ...a second has passed
 *   } */
#ifndef WEFT_SELECT_H
#define WEFT_SELECT_H

#include <weft/chan.h>

WEFT_BEGIN_DECLS

/* What a case does. */
typedef enum weft_op {
    WEFT_OP_RECV,
    WEFT_OP_SEND,
    WEFT_OP_DEFAULT,
    WEFT_OP_AFTER,
} weft_op;

/* A case; made by WEFT_RECV and the others below. */
typedef struct weft_case {
    weft_op op;
    weft_chan *chan;
    void *elem;
    bool *ok;
    int64_t ns;
    uint64_t priv[6]; /* weft's during the call */
} weft_case;

/* Run one of n cases: one that can go ahead, each of those with the same chance; if none can, the default if there is
 * one; else wait for the first that can. Gives its index.
 *   Cases with a NULL channel never can. A channel may be in several cases, in both directions.
 *   A receive case on a closed channel can go ahead (*ok is false, *elem zeroed), and so can a send case, which panics
 *   "send on closed channel".
 * n == 0, or nothing but NULL channels: blocks for ever. Panics with n > 65536 ("select: too many cases") and two
 * defaults ("select: more than one default"). Any thread; a foreign one blocks on a futex. */
WEFT_API int weft_select(weft_case *cases, size_t n);

#ifdef __cplusplus
WEFT_END_DECLS
namespace weft_detail
{
inline weft_case make_case(weft_op op, weft_chan *chan, const void *elem, bool *ok, int64_t ns)
{
    return weft_case{op, chan, const_cast<void *>(elem), ok, ns, {}};
}
template <size_t n> int select_in_place(weft_case (&&cases)[n])
{
    return weft_select(cases, n);
}
inline int select_in_place(decltype(nullptr))
{
    return weft_select(nullptr, 0);
}
} // namespace weft_detail
WEFT_BEGIN_DECLS
#define WEFT_CASE_(op, chan, elem, ok, ns) ::weft_detail::make_case(op, chan, elem, ok, ns)
#else
/* By a function: gcc clears an array of compound literals by a slow instruction. */
static inline weft_case weft_case_make_(weft_op op, weft_chan *chan, void *elem, bool *ok,
                                        int64_t ns)
{
    weft_case c = {op, chan, elem, ok, ns, {0}};
    return c;
}
#define WEFT_CASE_(op, chan, elem, ok, ns) weft_case_make_((op), (chan), (void *)(elem), (ok), (ns))
#endif

/* Receive into *out (NULL: drop it); *ok_ptr tells whether there was an element. */
#define WEFT_RECV(ch, out) WEFT_CASE_(WEFT_OP_RECV, (ch), (out), NULL, 0)
#define WEFT_RECV_OK(ch, out, ok_ptr) WEFT_CASE_(WEFT_OP_RECV, (ch), (out), (ok_ptr), 0)

/* Send *elem_ptr. */
#define WEFT_SEND(ch, elem_ptr) WEFT_CASE_(WEFT_OP_SEND, (ch), (elem_ptr), NULL, 0)

/* Runs when no other can. */
#define WEFT_DEFAULT WEFT_CASE_(WEFT_OP_DEFAULT, NULL, NULL, NULL, 0)

/* Can go ahead when so many nanoseconds have passed; at once if <= 0. Needs no channel. */
#define WEFT_AFTER(duration_ns) WEFT_CASE_(WEFT_OP_AFTER, NULL, NULL, NULL, (duration_ns))

/* Can go ahead when the context has ended; with <weft/ctx.h>. */
#define WEFT_DONE(ctx) WEFT_RECV(weft_ctx_done(ctx), NULL)

/* weft_select over the cases written here, which are evaluated once, in this order. */
#ifdef __cplusplus
#define WEFT_SELECT(...) ::weft_detail::select_in_place({__VA_ARGS__})
#else
#define WEFT_SELECT(...)                                                                           \
    __extension__({                                                                                \
        weft_case weft_cases_[] = {__VA_ARGS__};                                                   \
        weft_select(weft_cases_, sizeof(weft_cases_) / sizeof(weft_case));                         \
    })
#endif

WEFT_END_DECLS

#endif
