/* SPDX-License-Identifier: Apache-2.0
 * overflow_report.c - where the report of an overflow goes, and what it stands: a callback that overflows in turn, frames
 * that can't be read, symbol tables without sense. */
#include "overflow.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- where the report goes ---- */

static void hears_of_fatal(const char *text)
{
    say("heard: ");
    say(text);
}

static void run_with_listener(weft_fn fn, void (*on_fatal)(const char *))
{
    weft_config config = {.maxprocs = test_procs(2), .on_fatal = on_fatal};
    test_run_config(fn, NULL, &config);
}

static void start_overflow(void *arg)
{
    static weft_priv_gate never;
    CHECK_EQ(weft_go(overflows, arg), 0);
    weft_priv_gate_wait(&never);
}

CHILD(overflows_with_listener)
{
    run_with_listener(start_overflow, hears_of_fatal);
}

TEST(on_fatal_takes_the_report)
{
    /* Goal: config.on_fatal gets the whole report in one piece, stderr nothing. Method: print it. */
    test_spawn("overflows_with_listener", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.out, "heard: runtime: goroutine stack exceeds 65536-byte limit\n");
    check_goroutine(result.out, "N");
    CHECK_STR_HAS(result.out, " sched_goroutine_entry+0x");
    CHECK_STR_EQ(result.err, "");
}

static void recurses_on_fatal(const char *text)
{
    (void)text;
    recurse(0);
}

static void panics(void *arg)
{
    (void)arg;
    weft_panic("small trouble");
}

static void start_panic(void *arg)
{
    static weft_priv_gate never;
    CHECK_EQ(weft_go(panics, arg), 0);
    weft_priv_gate_wait(&never);
}

CHILD(overflows_with_deep_listener)
{
    run_with_listener(start_overflow, recurses_on_fatal);
}
CHILD(panics_with_deep_listener)
{
    run_with_listener(start_panic, recurses_on_fatal);
}

TEST(an_on_fatal_that_overflows_loses_nothing)
{
    /* Goal: a callback that runs over its stack, the signal stack or a goroutine's, ends the process with
     * status 2 all the same, and what it was told comes out on stderr. Method: one that recurses. */
    test_spawn("overflows_with_deep_listener", &result);
    check_report(STACK_BYTES, "N");
    CHECK_STR_HAS(result.err, "weft: on_fatal faulted\n");
    test_spawn("panics_with_deep_listener", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "panic: small trouble\n\ngoroutine ");
    check_goroutine(result.err, "N");
}

/* ---- the report's own trouble ---- */

static TEST_NOINLINE int recurse_and_hide(int depth, char *hide)
{
    volatile char frame[256];
    memset((char *)frame, depth, sizeof(frame));
    if (depth == 60)
        CHECK_EQ(mprotect(hide, PAGE, PROT_NONE), 0);
    if (depth == INT32_MAX)
        return 0;
    return recurse_and_hide(depth + 1, hide) + frame[depth % 256];
}

static void hides_its_frames(void *arg)
{
    (void)arg;
    recurse_and_hide(0, stack_bottom() + STACK_BYTES - 3 * PAGE);
}

CHILD(hides_its_frames)
{
    run_job(hides_its_frames, NULL, 0);
}

TEST(a_trace_that_faults_is_cut_short)
{
    /* Goal: frames that can't be read end the trace, not the report. Method: the page before the last
     * of the stack is made unreadable, with frames in it; what is below comes out. */
    if (TEST_ASAN)
        SKIP("ASan looks at a goroutine's frames itself");
    setenv("WEFT_TRACEBACK", "single", 1);
    test_spawn("hides_its_frames", &result);
    unsetenv("WEFT_TRACEBACK");
    check_report(STACK_BYTES, "N");
    CHECK_STR_HAS(result.err, " recurse_and_hide");
    CHECK(!strstr(result.err, "sched_goroutine_entry"));
    CHECK_EQ(result.err[strlen(result.err) - 1], '\n');
}

/* A copy of this program's file with one of its tables damaged; false: there are no more ways. */
static bool damaged_copy(const char *path, int how)
{
    struct stat is;
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    REQUIRE(in >= 0 && out >= 0 && fstat(in, &is) == 0);
    size_t bytes = (size_t)is.st_size;
    char *from = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, in, 0);
    REQUIRE(from != MAP_FAILED && ftruncate(out, is.st_size) == 0);
    char *file = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);
    REQUIRE(file != MAP_FAILED);
    memcpy(file, from, bytes);
    Elf64_Ehdr *e = (Elf64_Ehdr *)file;
    Elf64_Shdr *sections = (Elf64_Shdr *)(file + e->e_shoff), *table = NULL;
    for (unsigned i = 0; i < e->e_shnum; i++)
        if (sections[i].sh_type == SHT_SYMTAB)
            table = &sections[i];
    REQUIRE(table);
    switch (how) {
    case 0:
        e->e_shoff = UINT64_MAX - 7;
        break;
    case 1:
        e->e_shnum = UINT16_MAX;
        break;
    case 2:
        table->sh_link = UINT32_MAX;
        break;
    case 3:
        table->sh_size = UINT64_MAX;
        break;
    case 4:
        table->sh_offset = bytes - 8;
        break;
    case 5:
        sections[table->sh_link].sh_offset = UINT64_MAX;
        break;
    case 6:
        sections[table->sh_link].sh_size = 1;
        break;
    case 7:
        memset(file + table->sh_offset, 0xff, table->sh_size);
        break;
    default:
        how = -1;
    }
    munmap(file, bytes);
    munmap(from, bytes);
    close(in);
    close(out);
    return how >= 0;
}

TEST(a_damaged_symbol_table_costs_the_names)
{
    /* Goal: with whatever nonsense in the file's tables the addresses are shown, and nothing hangs or
     * crashes. Method: copies of this program, each damaged in another place. */
    char path[] = "/tmp/weft-overflow-XXXXXX", copy[64];
    REQUIRE(mkdtemp(path));
    snprintf(copy, sizeof(copy), "%s/program", path);
    for (int how = 0; damaged_copy(copy, how); how++) {
        test_spawn_copy(copy, "overflows", &result);
        check_report(STACK_BYTES, "N");
        CHECK_STR_HAS(result.err, " (program+0x");
        CHECK(!strstr(result.err, " recurse"));
        CHECK_STR_HAS(result.err, " sched_goroutine_entry+0x");
    }
    unlink(copy);
    rmdir(path);
}
