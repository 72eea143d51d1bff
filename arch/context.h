/* SPDX-License-Identifier: Apache-2.0
 * context.h - where a stopped flow of control goes on: the same three words in every port. */
#ifndef WEFT_ARCH_CONTEXT_H
#define WEFT_ARCH_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

struct arch_context {
    void *sp;
    void *pc;
    void *fp;
};

_Static_assert(offsetof(struct arch_context, sp) == 0, "the ports' assembly knows it");
_Static_assert(offsetof(struct arch_context, pc) == 8, "the ports' assembly knows it");
_Static_assert(offsetof(struct arch_context, fp) == 16, "the ports' assembly knows it");

/* In the port's entry.S: calls the function that fp names with what is passed; the outermost frame. */
extern const char arch_entry[] __attribute__((visibility("hidden")));

static inline void arch_context_init(struct arch_context *ctx, void *top, void (*fn)(void *))
{
    ctx->sp = (void *)((uintptr_t)top & ~(uintptr_t)15);
    ctx->pc = (void *)arch_entry;
    ctx->fp = (void *)fn;
}

#endif
