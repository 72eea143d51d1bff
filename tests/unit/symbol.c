/* SPDX-License-Identifier: Apache-2.0
 * symbol.c - which function an address lies in, when looking for that was cut short before. */
#include "arch/symbol.h"

#include "../test.h"

#include <setjmp.h>
#include <sys/syscall.h>

static sigjmp_buf cut;
static int reads_left = -1; /* till it is cut short, a byte each; -1: never */

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the system's header has reserved ones */
ssize_t read(int fd, void *buf, size_t n)
{
    if (reads_left == 0)
        siglongjmp(cut, 1);
    if (reads_left > 0) {
        reads_left--;
        n = n > 0;
    }
    return syscall(SYS_read, fd, buf, n);
}

/* Whether it was. */
static bool look_up(uintptr_t pc, int reads)
{
    static struct os_symbol unused;
    bool was_cut = sigsetjmp(cut, 0) != 0;
    if (!was_cut) {
        reads_left = reads;
        os_symbol_at(pc, &unused);
    }
    reads_left = -1;
    if (was_cut)
        os_symbol_cut_short();
    return was_cut;
}

TEST_NOINLINE static uintptr_t here(void)
{
    return (uintptr_t)__builtin_extract_return_addr(__builtin_return_address(0));
}

TEST(what_was_cut_short_leaves_no_half_of_it)
{
    /* Goal: the next who asks for the same gets all. (A file's name of which half was read was taken as known.) Method: cut it short
     * after each byte. */
    struct os_symbol whole, again;
    uintptr_t pc = here();
    int reads = 0;
    if (!os_symbol_at(pc, &whole) || !whole.function[0])
        SKIP("no symbols are to be had");
    for (os_symbol_forget(); look_up(pc, reads); os_symbol_forget()) {
        CHECK(os_symbol_at(pc, &again));
        CHECK_STR_EQ(again.module, whole.module);
        CHECK_STR_EQ(again.function, whole.function);
        CHECK_EQ(again.in_module, whole.in_module);
        reads++;
    }
    CHECK_GT(reads, 50);
    fprintf(stderr, "    cut short after 0 to %d bytes\n", reads - 1);
}
