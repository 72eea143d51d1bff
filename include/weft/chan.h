/* SPDX-License-Identifier: Apache-2.0
 * chan.h - channels: typed or not, with room for a number of elements or none (Go: chan).
 *
 * Everything here may be called from any thread, with or without a run in progress. A call must be covered by
 * a reference for as long as it lasts.
 *
 * Memory is for weft_chan_new; other calls take what they need from stocks that are kept and used again. These grow only while
 * more is in use at once than ever before: by a record for one who waits behind another, or in several
 * channels; by a timer for a deadline; in a buffer of elements of more than 8 bytes, when threads are stopped within their calls. Without
 * memory for that an operation is tried again until it can go on; one with a deadline and a select end the process, as does
 * the first wait of a foreign thread. */
#ifndef WEFT_CHAN_H
#define WEFT_CHAN_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* A channel; opaque. NULL is one that nobody ever serves: it blocks for ever. */
typedef struct weft_chan weft_chan;

/* A channel with one reference.
 *   elem_size  bytes of an element; 0 is allowed: only that something was sent counts
 *   capacity   how many elements it holds beyond those that are handed over; 0: none, sender and receiver meet
 * NULL and errno EINVAL (elem_size * capacity overflows) or ENOMEM. A channel holds at most 2^28 - 1 elements:
 * ENOMEM for more of any size, and no more fit of size 0. */
WEFT_API weft_chan *weft_chan_new(size_t elem_size, size_t capacity);

/* Add a reference; gives ch. NULL is allowed, here and in unref. */
WEFT_API weft_chan *weft_chan_ref(weft_chan *ch);

/* Drop a reference; with the last the channel and the elements in it are freed. Fatal when somebody waits. */
WEFT_API void weft_chan_unref(weft_chan *ch);

/* Send the element at elem (NULL will do for size 0): wait until a receiver takes it or there is room. Panics
 * "send on closed channel", also when it is closed while the sender waits. What the caller wrote before is visible to who
 * receives it. Waiters are served in the order in which they came. */
WEFT_API void weft_chan_send(weft_chan *ch, const void *elem);

/* Receive an element into *out (NULL: drop it), waiting for one. False: closed, and no element is left; *out
 * is zeroed then. */
WEFT_API bool weft_chan_recv(weft_chan *ch, void *out);

/* No more will be sent. All who wait go on: receivers with false, senders with a panic. Panics "close of
 * closed channel", "close of nil channel". */
WEFT_API void weft_chan_close(weft_chan *ch);

/* Without waiting: 0, -EAGAIN (it would wait), -EPIPE (closed; for a receive: and no element is left). */
WEFT_API int weft_chan_try_send(weft_chan *ch, const void *elem);
WEFT_API int weft_chan_try_recv(weft_chan *ch, void *out);

/* Waiting until a deadline, a value of weft_now(): 0, -ETIMEDOUT, -EPIPE as above. What can be done at once
 * is done, whatever the deadline. */
WEFT_API int weft_chan_send_until(weft_chan *ch, const void *elem, int64_t deadline);
WEFT_API int weft_chan_recv_until(weft_chan *ch, void *out, int64_t deadline);

/* Elements in the buffer (0 for an unbuffered one), the capacity, an element's size. Of NULL: 0. */
WEFT_API size_t weft_chan_len(const weft_chan *ch);
WEFT_API size_t weft_chan_cap(const weft_chan *ch);
WEFT_API size_t weft_chan_elem_size(const weft_chan *ch);

WEFT_END_DECLS

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments that are names and types */

/* For each element until the channel is closed and drained: WEFT_RANGE(int, v, ch) { ... }
 *   ch  a weft_chan *, evaluated once. break and continue work as in any loop. */
#define WEFT_RANGE(T, v, ch) WEFT_RANGE_AT_(T, v, ch, __COUNTER__)
#define WEFT_RANGE_AT_(T, v, ch, id) WEFT_RANGE_NAMED_(T, v, ch, weft_range_##id##_)
#define WEFT_RANGE_NAMED_(T, v, ch, c)                                                             \
    for (weft_chan *c = (ch), *c##once = c; c##once; c##once = NULL)                               \
        for (T v; weft_chan_recv(c, &v);)

/* At file scope: a typed channel and its two directions, at no cost. WEFT_CHAN_TYPE(ints, int) makes
 *   ints, ints_rx (receive only), ints_tx (send only); all of the size of a pointer
 *   ints ints_new(size_t capacity);      void ints_ref(c), ints_unref(c)
 *   ints_rx ints_to_rx(ints);            ints_tx ints_to_tx(ints)           no new reference
 *   void ints_send(c, int v);            bool ints_recv(c, int *out)
 *   int ints_try_send(c, int v);         int ints_try_recv(c, int *out)
 *   void ints_close(c);                  size_t ints_len(c), ints_cap(c);   weft_chan *ints_raw(c)
 * Where a function takes a direction the bidirectional type will do. Sending on an _rx, closing one and
 * receiving from a _tx do not compile. */
#define WEFT_CHAN_TYPE(name, T)                                                                    \
    WEFT_CHAN_TYPES_(name)                                                                         \
    WEFT_CHAN_LIFE_(name, T)                                                                       \
    WEFT_CHAN_SENDS_(name, T)                                                                      \
    WEFT_CHAN_RECVS_(name, T)                                                                      \
    WEFT_CHAN_LOOKS_(name)                                                                         \
    struct name

#define WEFT_CHAN_FN_(T) __attribute__((unused, always_inline)) static inline T

/* What functions take: name_from_, name_into_ and name_any_, to which all that may be passed converts by itself. */
#ifdef __cplusplus
#define WEFT_CHAN_TYPES_(name)                                                                     \
    struct name {                                                                                  \
        weft_chan *raw_;                                                                           \
    };                                                                                             \
    struct name##_rx {                                                                             \
        weft_chan *raw_;                                                                           \
        name##_rx(weft_chan *raw = nullptr) : raw_(raw) {}                                         \
        name##_rx(name both) : raw_(both.raw_) {}                                                  \
    };                                                                                             \
    struct name##_tx {                                                                             \
        weft_chan *raw_;                                                                           \
        name##_tx(weft_chan *raw = nullptr) : raw_(raw) {}                                         \
        name##_tx(name both) : raw_(both.raw_) {}                                                  \
    };                                                                                             \
    struct name##_any_ {                                                                           \
        weft_chan *raw_;                                                                           \
        name##_any_(name c) : raw_(c.raw_) {}                                                      \
        name##_any_(name##_rx c) : raw_(c.raw_) {}                                                 \
        name##_any_(name##_tx c) : raw_(c.raw_) {}                                                 \
    };                                                                                             \
    typedef name##_rx name##_from_;                                                                \
    typedef name##_tx name##_into_;
#define WEFT_CHAN_RAW_(c) ((c).raw_)
#define WEFT_CHAN_MAKE_(type, raw) (type{raw})
#else
#define WEFT_CHAN_TYPES_(name)                                                                     \
    typedef struct name {                                                                          \
        weft_chan *raw_;                                                                           \
    } name;                                                                                        \
    typedef struct name##_rx {                                                                     \
        weft_chan *raw_;                                                                           \
    } name##_rx;                                                                                   \
    typedef struct name##_tx {                                                                     \
        weft_chan *raw_;                                                                           \
    } name##_tx;                                                                                   \
    typedef union {                                                                                \
        name both_;                                                                                \
        name##_rx rx_;                                                                             \
    } name##_from_ __attribute__((transparent_union));                                             \
    typedef union {                                                                                \
        name both_;                                                                                \
        name##_tx tx_;                                                                             \
    } name##_into_ __attribute__((transparent_union));                                             \
    typedef union {                                                                                \
        name both_;                                                                                \
        name##_rx rx_;                                                                             \
        name##_tx tx_;                                                                             \
    } name##_any_ __attribute__((transparent_union));
#define WEFT_CHAN_RAW_(c) ((c).both_.raw_)
#define WEFT_CHAN_MAKE_(type, raw) ((type){raw})
#endif

#define WEFT_CHAN_LIFE_(name, T)                                                                   \
    WEFT_CHAN_FN_(name) name##_new(size_t capacity)                                                \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(name, weft_chan_new(sizeof(T), capacity));                          \
    }                                                                                              \
    WEFT_CHAN_FN_(void) name##_ref(name##_any_ c)                                                  \
    {                                                                                              \
        (void)weft_chan_ref(WEFT_CHAN_RAW_(c));                                                    \
    }                                                                                              \
    WEFT_CHAN_FN_(void) name##_unref(name##_any_ c)                                                \
    {                                                                                              \
        weft_chan_unref(WEFT_CHAN_RAW_(c));                                                        \
    }                                                                                              \
    WEFT_CHAN_FN_(name##_rx) name##_to_rx(name c)                                                  \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(name##_rx, c.raw_);                                                 \
    }                                                                                              \
    WEFT_CHAN_FN_(name##_tx) name##_to_tx(name c)                                                  \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(name##_tx, c.raw_);                                                 \
    }

#define WEFT_CHAN_SENDS_(name, T)                                                                  \
    WEFT_CHAN_FN_(void) name##_send(name##_into_ c, T v)                                           \
    {                                                                                              \
        weft_chan_send(WEFT_CHAN_RAW_(c), &v);                                                     \
    }                                                                                              \
    WEFT_CHAN_FN_(int) name##_try_send(name##_into_ c, T v)                                        \
    {                                                                                              \
        return weft_chan_try_send(WEFT_CHAN_RAW_(c), &v);                                          \
    }                                                                                              \
    WEFT_CHAN_FN_(void) name##_close(name##_into_ c)                                               \
    {                                                                                              \
        weft_chan_close(WEFT_CHAN_RAW_(c));                                                        \
    }

#define WEFT_CHAN_RECVS_(name, T)                                                                  \
    WEFT_CHAN_FN_(bool) name##_recv(name##_from_ c, T *out)                                        \
    {                                                                                              \
        return weft_chan_recv(WEFT_CHAN_RAW_(c), out);                                             \
    }                                                                                              \
    WEFT_CHAN_FN_(int) name##_try_recv(name##_from_ c, T *out)                                     \
    {                                                                                              \
        return weft_chan_try_recv(WEFT_CHAN_RAW_(c), out);                                         \
    }

#define WEFT_CHAN_LOOKS_(name)                                                                     \
    WEFT_CHAN_FN_(size_t) name##_len(name##_any_ c)                                                \
    {                                                                                              \
        return weft_chan_len(WEFT_CHAN_RAW_(c));                                                   \
    }                                                                                              \
    WEFT_CHAN_FN_(size_t) name##_cap(name##_any_ c)                                                \
    {                                                                                              \
        return weft_chan_cap(WEFT_CHAN_RAW_(c));                                                   \
    }                                                                                              \
    WEFT_CHAN_FN_(weft_chan *) name##_raw(name##_any_ c)                                           \
    {                                                                                              \
        return WEFT_CHAN_RAW_(c);                                                                  \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

#endif
