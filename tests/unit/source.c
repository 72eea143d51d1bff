/* SPDX-License-Identifier: Apache-2.0
 * source.c - which line an address comes from. */
#include "arch/source.h"

#include "../test.h"

#include <sys/mman.h>

#include "arch/text.h"

/* The address that the call returns to. */
static TEST_NOINLINE uintptr_t here(void)
{
    __asm__ volatile("" ::: "memory"); /* no two calls are the same */
    return (uintptr_t)__builtin_return_address(0);
}

static void check_line(uintptr_t called_from, int line)
{
    struct os_source source = {.line = -1};
    CHECK(os_source_line(called_from - 1, &source));
    CHECK_EQ(source.line, line);
    CHECK_STR_HAS(source.file, "unit/source.c");
}

CHILD(asks_unprepared)
{
    struct os_source source;
    bool known = os_source_line(here(), &source);
    os_source_forget();
    _exit(known);
}

TEST(nothing_is_known_before_it_is_asked_for)
{
    /* Goal: no library is loaded behind the program's back. */
    static struct test_result result;
    test_spawn("asks_unprepared", &result);
    CHECK_EXITED(&result, 0);
}

TEST(a_call_has_the_line_that_it_is_on)
{
    /* Goal: file and line, again after the file was closed. */
    os_source_prepare();
    os_source_prepare();
    for (int i = 0; i < 3; i++) {
        uintptr_t pc = here();
        check_line(pc, __LINE__ - 1);
        check_line(pc, __LINE__ - 2);
        os_source_forget();
        os_source_forget();
    }
}

__attribute__((always_inline)) static inline uintptr_t inlined(int *line)
{
    *line = __LINE__ + 1;
    return here();
}

TEST(an_inlined_call_has_its_own_line)
{
    /* Goal: the innermost line is told, not the caller's. */
    int line;
    os_source_prepare();
    uintptr_t pc = inlined(&line);
    check_line(pc, line);
    os_source_forget();
}

TEST(what_is_in_no_source_has_no_line)
{
    /* Goal: false for data, nowhere, and files that are no programs; what was asked before them is still known. */
    struct os_source source;
    static const char constant[] = "";
    int local;
    os_source_prepare();
    uintptr_t pc = here(), nowhere[] = {0, 1, UINTPTR_MAX, (uintptr_t)&local, (uintptr_t)constant};
    for (size_t i = 0; i < TEST_COUNT_OF(nowhere); i++)
        CHECK(!os_source_line(nowhere[i], &source));
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    char *moved = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    REQUIRE(moved != MAP_FAILED);
    os_source_line((uintptr_t)moved + 64, &source); /* the header: as that file has it, perhaps */
    munmap(moved, 4096);
    close(fd);
    check_line(pc, __LINE__ - 9);
    os_source_forget();
}

TEST(as_text_the_file_is_without_folders)
{
    /* Goal: "source.c:12"; nothing where it isn't known. */
    char text[64], expected[64];
    os_source_prepare();
    struct text t = text_begin(text, sizeof(text));
    bool added = os_source_add(&t, here(), true);
    snprintf(expected, sizeof(expected), "source.c:%d", __LINE__ - 1);
    CHECK(added);
    CHECK_STR_EQ(text, expected);
    CHECK(!os_source_add(&t, 0, true));
    CHECK_STR_EQ(text, expected);
    os_source_forget();
}

TEST(the_file_is_not_kept_open)
{
    /* Goal: forgetting closes what was opened. */
    struct os_source source;
    int files = test_entries("/proc/self/fd");
    os_source_prepare();
    CHECK(os_source_line(here() - 1, &source));
    os_source_forget();
    CHECK_EQ(test_entries("/proc/self/fd"), files);
}
