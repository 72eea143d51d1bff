/* SPDX-License-Identifier: Apache-2.0
 * naming.c - what gives names to a report's addresses hangs, aborts, faults, or wants a lock that the dying thread has: the
 * report comes to its end all the same. Damaged symbol tables in an overflow, which libdw has no part in, are overflow.c's. */
#include "states.h"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "runtime/hooks.h"

/* ---- a heap whose lock can be held ---- */

#if !TEST_ASAN && !TEST_TSAN

static pthread_mutex_t heap = PTHREAD_MUTEX_INITIALIZER;

void *__libc_malloc(size_t n);           /* NOLINT(bugprone-reserved-identifier) */
void *__libc_calloc(size_t n, size_t m); /* NOLINT(bugprone-reserved-identifier) */
void *__libc_realloc(void *p, size_t n); /* NOLINT(bugprone-reserved-identifier) */
void __libc_free(void *p);               /* NOLINT(bugprone-reserved-identifier) */

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the system's header has reserved ones */

static _Thread_local bool panics_next; /* when it enters it */

static TEST_NOINLINE void enter_heap(void)
{
    if (panics_next) {
        panics_next = false;
        weft_panic("entered again");
    }
    pthread_mutex_lock(&heap);
}

void *malloc(size_t n)
{
    enter_heap();
    void *p = __libc_malloc(n);
    pthread_mutex_unlock(&heap);
    return p;
}

void *calloc(size_t n, size_t m)
{
    enter_heap();
    void *p = __libc_calloc(n, m);
    pthread_mutex_unlock(&heap);
    return p;
}

void *realloc(void *p, size_t n)
{
    enter_heap();
    p = __libc_realloc(p, n);
    pthread_mutex_unlock(&heap);
    return p;
}

void free(void *p)
{
    enter_heap();
    __libc_free(p);
    pthread_mutex_unlock(&heap);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

static void hold_heap(void)
{
    pthread_mutex_lock(&heap);
}

static TEST_NOINLINE void damage_heap(void)
{
    panics_next = true;
}

#else

static void hold_heap(void) {}
static void damage_heap(void) {}

#endif

/* ---- a libdw that goes wrong ---- */

/* Run a child that finds it instead of the real one: it is built beside this program. */
static void spawn_with_fake(const char *how, const char *child)
{
    char folder[4096] = "";
    REQUIRE(readlink("/proc/self/exe", folder, sizeof folder - 1) > 0);
    *strrchr(folder, '/') = '\0';
    setenv("LD_LIBRARY_PATH", folder, 1);
    setenv("FAKE_DW", how, 1);
    spawn_settled(child);
    unsetenv("FAKE_DW");
    unsetenv("LD_LIBRARY_PATH");
}

static void panics(void *arg)
{
    (void)arg;
    start_all();
    weft_panic("now");
}

CHILD(panics)
{
    test_run(panics, NULL);
}

static void check_all(const char *text, const char *head)
{
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(text, head, strlen(head)), 0);
    check_all_states(text);
    CHECK(!strstr(text, " at naming.c:"));
}

#define PANIC_HEAD "panic: now\n\ngoroutine 1 [running]:\n0x"

TEST(a_libdw_that_hangs_costs_the_sources)
{
    /* Goal: a report that waits for sources in vain goes on without: names and all goroutines are there. Method: a library
     * that sleeps in its first function; that computes there; that sleeps while it is loaded. */
    static const char *const ways[] = {"hang", "spin", "hang-at-load"};
    for (size_t i = 0; i < TEST_COUNT_OF(ways); i++) {
        spawn_with_fake(ways[i], "panics");
        check_all(result.err, PANIC_HEAD);
    }
}

TEST(a_libdw_that_aborts_costs_the_sources)
{
    /* Goal: so does one that ends itself, as the allocator does when it finds the heap damaged. */
    spawn_with_fake("abort", "panics");
    check_all(result.err, PANIC_HEAD);
    spawn_with_fake("fault", "panics");
    check_all(result.err, PANIC_HEAD);
}

TEST(traceback_crash_ends_by_the_reports_own_abort)
{
    /* Goal: an abort of libdw's, which was left, isn't mistaken for the last. */
    setenv("WEFT_TRACEBACK", "crash", 1);
    spawn_with_fake("abort", "panics");
    unsetenv("WEFT_TRACEBACK");
    CHECK(WIFSIGNALED(result.status) && WTERMSIG(result.status) == SIGABRT);
    check_all_states(result.err);
}

/* ---- a lock that the dying thread has ---- */

static void panics_with_the_heap(void *arg)
{
    (void)arg;
    start_all();
    hold_heap();
    weft_panic("now");
}

CHILD(panics_with_the_heap)
{
    test_run(panics_with_the_heap, NULL);
}

TEST(a_report_does_without_the_heap)
{
    /* Goal: who panics in an allocator's hook, with the heap's lock held, gets a report with names. Method: an allocator under
     * a lock, which to load libdw needs. */
    if (TEST_ASAN || TEST_TSAN)
        SKIP("the heap is the sanitizer's");
    spawn_settled("panics_with_the_heap");
    check_all(result.err, PANIC_HEAD);
}

static void panics_twice(void *arg)
{
    (void)arg;
    start_all();
    damage_heap();
    weft_panic("now");
}

CHILD(panics_twice)
{
    test_run(panics_twice, NULL);
}

TEST(an_allocator_that_panics_in_a_report_has_its_frames)
{
    /* Goal: who dies of what makes the report gets one as well, with its frames up to where it was called from. (They lay where the
     * second report was made, which wrote over them.) Method: an allocator that finds itself damaged when libdw is loaded. */
    if (TEST_ASAN || TEST_TSAN)
        SKIP("the heap is the sanitizer's");
    spawn_settled("panics_twice");
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "\tpanic: entered again\n\ngoroutine 1 [running]:\n0x");
    check_all_states(result.err);
    char *own = strstr(result.err, " [running]:\n"), *end = own ? strstr(own, "\n\n") : NULL;
    if (end)
        *end = '\0';
    if (own && has_names()) {
        CHECK_STR_HAS(own, " enter_heap+0x");
        CHECK_STR_HAS(own, " panics_twice+0x");
    }
}

/* ---- other ends ---- */

static void waits_for_quit(void *arg)
{
    (void)arg;
    start_all();
    kill(getpid(), SIGQUIT);
    weft_sleep(1000 * WEFT_HOUR);
}

CHILD(quits)
{
    signal(SIGQUIT, SIG_DFL);
    test_run(waits_for_quit, NULL);
}

TEST(sigquit_does_without_sources)
{
    /* Goal: the same for SIGQUIT. */
    if (TEST_TSAN)
        SKIP("TSan holds signals back from a thread that sleeps on a futex");
    spawn_with_fake("hang", "quits");
    check_all(result.err, "SIGQUIT: quit\n\ngoroutine ");
}

static void prints_and_hangs(const char *report)
{
    if (write(STDOUT_FILENO, report, strlen(report)) < 0)
        _exit(98);
    for (;;)
        pause();
}

CHILD(panics_to_listener)
{
    weft_config config = {.maxprocs = test_procs(2), .on_fatal = prints_and_hangs};
    test_run_config(panics, NULL, &config);
}

TEST(on_fatal_is_limited_when_locks_may_be_left)
{
    /* Goal: on_fatal gets it all; and as it may want the heap, in the middle of which libdw may have been left, it hangs no longer
     * than a report may, and then the text is on stderr. */
    spawn_with_fake("hang", "panics_to_listener");
    check_all(result.out, PANIC_HEAD);
    CHECK_STR_EQ(result.err, result.out);
}

static void traces(void *arg)
{
    static char text[65536];
    (void)arg;
    start_all();
    weft_stack(text, sizeof text, true);
    fputs(text, stdout);
    fflush(stdout);
    _exit(0);
}

CHILD(traces)
{
    test_run(traces, NULL);
}

TEST(weft_stack_asks_no_libdw)
{
    /* Goal: a program that lives on isn't held up. */
    spawn_with_fake("hang", "traces");
    CHECK_EXITED(&result, 0);
    check_all_states(result.out);
}

/* ---- those that live on ---- */

static void leaks(void *arg)
{
    (void)arg;
    start("left", receives_nil);
    test_until_parked(1);
}

CHILD(leaks_twice)
{
    weft_config config = {.maxprocs = test_procs(2), .report_leaks = true};
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(test_run_config(leaks, NULL, &config), 0);
        fputs("told\n", stderr);
    }
}

TEST(a_libdw_that_faulted_is_asked_no_more)
{
    /* Goal: a program that lives on has its next report, too. (The fault left the lock held: the second hung for ever.) */
    spawn_with_fake("fault", "leaks_twice");
    CHECK_EXITED(&result, 0);
    const char *second = strstr(result.err, "told\n");
    CHECK(second);
    CHECK_STR_HAS(second ? second : "", " (left) [chan receive (nil chan)]:\n0x");
}

/* ---- the symbol tables are another's ---- */

enum { POINTS_MAX = 200 };

static atomic_bool armed, has_traced;

static void *traces_beside(void *arg)
{
    static char text[4096];
    CHECK(weft_priv_hold_at((unsigned)test_env("TEST_HOLD_AT", 1)));
    atomic_store(&armed, true);
    weft_stack(text, sizeof text, false);
    weft_priv_hold_at(0);
    atomic_store(&has_traced, true);
    return arg;
}

static void panics_beside_a_trace(void *arg)
{
    pthread_t thread;
    start("a", sleeps);
    test_until_parked(1);
    REQUIRE(pthread_create(&thread, NULL, traces_beside, arg) == 0);
    TEST_COMPUTE_UNTIL(atomic_load(&armed));
    TEST_COMPUTE_UNTIL(weft_priv_held() || atomic_load(&has_traced));
    weft_panic("now");
}

CHILD(panics_beside_a_trace)
{
    test_run_procs(test_procs_min(2), panics_beside_a_trace, NULL);
}

TEST(symbols_that_never_come_cost_the_names)
{
    /* Goal: where not even names are to be had, the addresses are told. Method: another thread, which traces itself, is held at
     * each point, till it is held with the symbol tables taken. */
    int at = 0;
    if (!weft_priv_hold_at(0))
        SKIP("not a test build");
    do {
        char text[16];
        snprintf(text, sizeof text, "%d", ++at);
        setenv("TEST_HOLD_AT", text, 1);
        spawn_settled("panics_beside_a_trace");
        CHECK_EXITED(&result, 2);
        CHECK_EQ(strncmp(result.err, PANIC_HEAD, sizeof PANIC_HEAD - 1), 0);
        CHECK_EQ(strncmp(section(result.err, "a", "sleep"), "0x", 2), 0);
        CHECK_STR_HAS(result.err, "\ncreated by ");
    } while (strstr(result.err, "+0x") && at < POINTS_MAX);
    unsetenv("TEST_HOLD_AT");
    CHECK_LT(at, POINTS_MAX);
}

/* ---- debug information that makes no sense ---- */

struct file {
    char *data;
    size_t bytes;
};

static struct file copy_self(const char *path)
{
    struct stat is;
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    REQUIRE(in >= 0 && out >= 0 && fstat(in, &is) == 0 && ftruncate(out, is.st_size) == 0);
    struct file f = {.bytes = (size_t)is.st_size};
    f.data = mmap(NULL, f.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);
    REQUIRE(f.data != MAP_FAILED);
    for (size_t n = 0; n < f.bytes;) {
        ssize_t got = read(in, f.data + n, f.bytes - n);
        REQUIRE(got > 0);
        n += (size_t)got;
    }
    close(in);
    close(out);
    return f;
}

static Elf64_Shdr *find_section(struct file f, const char *name)
{
    Elf64_Ehdr *e = (Elf64_Ehdr *)f.data;
    Elf64_Shdr *sections = (Elf64_Shdr *)(f.data + e->e_shoff);
    const char *names = f.data + sections[e->e_shstrndx].sh_offset;
    for (unsigned i = 0; i < e->e_shnum; i++)
        if (strcmp(names + sections[i].sh_name, name) == 0)
            return &sections[i];
    return NULL;
}

enum { WAYS = 4 };

static void damage(struct file f, Elf64_Shdr *s, int way)
{
    unsigned char *data = (unsigned char *)f.data + s->sh_offset;
    uint64_t seed = s->sh_size;
    switch (way) {
    case 0:
        memset(data, 0xff, s->sh_size);
        break;
    case 1:
        memset(data + s->sh_size / 8, 0, s->sh_size - s->sh_size / 8);
        break;
    case 2: /* a byte in 16 */
        for (size_t i = 0; i < s->sh_size; i++, seed = seed * UINT64_C(6364136223846793005) + 1)
            if (seed >> 60 == 0)
                data[i] ^= (unsigned char)(seed >> 32);
        break;
    default:
        s->sh_size = UINT64_MAX / 2;
    }
}

TEST(damaged_debug_information_costs_the_sources)
{
    /* Goal: with whatever nonsense in it a panic's report has all goroutines, with names. Method: copies of this program, each
     * damaged in another section, in another way. */
    static const char *const names[] = {".debug_info", ".debug_abbrev", ".debug_line"};
    char path[] = "/tmp/weft-naming-XXXXXX", copy[64];
    REQUIRE(mkdtemp(path));
    snprintf(copy, sizeof(copy), "%s/program", path);
    for (size_t i = 0; i < TEST_COUNT_OF(names); i++) {
        for (int way = 0; way < WAYS; way++) {
            struct file f = copy_self(copy);
            Elf64_Shdr *s = find_section(f, names[i]);
            if (s)
                damage(f, s, way);
            munmap(f.data, f.bytes);
            test_spawn_copy(copy, "panics", &result);
            CHECK_EXITED(&result, 2);
            CHECK_EQ(strncmp(result.err, PANIC_HEAD, sizeof PANIC_HEAD - 1), 0);
            CHECK_STR_HAS(result.err, " (a) [sleep]:\n");
            CHECK_STR_HAS(result.err, " (o) [chan receive, locked to thread]:\n");
        }
    }
    unlink(copy);
    rmdir(path);
}
