/* SPDX-License-Identifier: Apache-2.0
 * stall.c - WEFT_STALL_MS: goroutines that keep a processor for long are told on stderr, and nobody else is.
 *
 * A slow machine makes stalls of its own, so no test expects that nothing is told while it is on: what is told
 * must be true, by the clock of the one that is named. Each child process has its stderr in a file, where it reads what
 * has been told of it. */
#include "../test.h"

#include <sys/mman.h>

struct told {
    unsigned p;
    uint64_t id, ms;
    char name[32];
    char rest[256];
};

static int told_fd = -1, stderr_fd;

static size_t read_all(char *text, size_t bytes)
{
    ssize_t n = pread(told_fd, text, bytes - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

/* What the parent gets. */
static void pass_on(void)
{
    static char text[1 << 16];
    read_all(text, sizeof(text));
    dprintf(stderr_fd, "%s", text);
}

static void watch(const char *ms)
{
    setenv("WEFT_STALL_MS", ms, 1);
    stderr_fd = dup(STDERR_FILENO);
    atexit(pass_on);
    told_fd = memfd_create("stderr", MFD_CLOEXEC);
    REQUIRE(told_fd >= 0 && dup2(told_fd, STDERR_FILENO) == STDERR_FILENO);
}

/* The nth report, from 0. False: there are not so many. */
static bool read_told(int nth, struct told *out)
{
    static char text[1 << 16];
    read_all(text, sizeof(text));
    char *line = text;
    for (int i = 0; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        char *end = strchr(line, '\n');
        if (!end || strncmp(line, "weft: P ", 8) != 0 || i++ < nth)
            continue;
        *end = '\0';
        memset(out, 0, sizeof(*out));
        int n = 0;
        sscanf(line, "weft: P %u has been held by goroutine %" SCNu64 "%n", &out->p, &out->id, &n);
        if (sscanf(line + n, " (%31[^)])", out->name) == 1)
            n += (int)strlen(out->name) + 3;
        CHECK_EQ(sscanf(line + n, " for %" SCNu64 " ms%255[^\n]", &out->ms, out->rest), 2);
        return true;
    }
    return false;
}

static bool told_times(int n)
{
    struct told t;
    return read_told(n - 1, &t);
}

/* Computes, looking now and then. */
enum { SPIN_FIRST = __LINE__ + 1 };
static TEST_NOINLINE void spin_here(bool (*enough)(void))
{
    static volatile unsigned spins;
    int64_t limit = test_patience();
    int n = 3000000 / test_slowness();
    do {
        for (int i = 0; i < n; i++)
            spins++;
        if (test_now() > limit) {
            pass_on();
            test_stuck(__FILE__, __LINE__, "a report");
        }
    } while (!enough());
}
enum { SPIN_LAST = __LINE__ - 1 };

/* ---- who and where ---- */

static weft_waitgroup all;
static uint64_t crunch_id;

#define PLACE (TEST_LINES ? ", spin_here+0x" : " at spin_here+0x")

/* Signals come late under ThreadSanitizer: when the thread calls something that it intercepts. */
static bool named_and_placed(void)
{
    struct told t;
    for (int i = 0; read_told(i, &t); i++)
        if (t.id == crunch_id && (TEST_TSAN || strstr(t.rest, PLACE)))
            return true;
    return false;
}

static void crunch(void *arg)
{
    crunch_id = weft_self();
    spin_here((bool (*)(void))arg);
    weft_waitgroup_done(&all);
}

static void start_crunch(void *arg)
{
    (void)arg;
    weft_go_options options = {.name = "worker"};
    weft_waitgroup_add(&all, 1);
    CHECK_EQ(weft_go_with(&options, crunch, (void *)(intptr_t)named_and_placed), 0);
    weft_waitgroup_wait(&all);
}

CHILD(computes)
{
    watch("20");
    CHECK_EQ(test_run(start_crunch, NULL), 0);
    struct told t = {0};
    for (int i = 0; read_told(i, &t) && !(t.id == crunch_id && strstr(t.rest, "spin_here")); i++)
        ;
    CHECK_GE(t.ms, 20);
    CHECK_STR_EQ(t.name, "worker");
    CHECK_LT(t.p, (unsigned)test_procs(2));
    CHECK_STR_HAS(t.rest, ", started as crunch+0x0 (test-stall+0x");
    unsigned line;
    if (TEST_LINES && !TEST_TSAN) {
        REQUIRE(sscanf(t.rest, " at stall.c:%u, spin_here+0x", &line) == 1);
        CHECK_GE(line, SPIN_FIRST);
        CHECK_LE(line, SPIN_LAST);
    }
}

TEST(who_computes_is_told_with_its_name_and_place)
{
    /* Goal: the report names goroutine, processor, duration, function. Method: compute until it is there. */
    static struct test_result r;
    test_spawn("computes", &r);
    CHECK_EXITED(&r, 0);
    CHECK_STR_HAS(r.err, "weft: P ");
    CHECK_STR_HAS(r.err, " (worker) for ");
}

/* ---- no oftener than that ---- */

static void check_child(const char *name)
{
    static struct test_result r;
    test_spawn(name, &r);
    CHECK_EXITED(&r, 0);
}

static bool told_three_times(void)
{
    return told_times(3);
}

static void compute_on(void *arg)
{
    (void)arg;
    spin_here(told_three_times);
}

CHILD(computes_on)
{
    watch("10");
    CHECK_EQ(test_run(compute_on, NULL), 0);
    struct told before, t;
    for (int i = 1; read_told(i - 1, &before) && read_told(i, &t); i++)
        CHECK_GE(t.ms, 2 * before.ms);
}

TEST(one_stall_is_told_at_doubling_intervals)
{
    /* Goal: told again when it has lasted twice as long. Method: one that computes until it was told thrice. */
    check_child("computes_on");
}

static void stall_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        for (int64_t until = test_now() + 12 * TEST_MS; test_now() < until;)
            ;
        weft_yield();
    }
}

CHILD(stalls_often)
{
    watch("1");
    int64_t begin = test_now();
    CHECK_EQ(test_run_procs(1, stall_often, NULL), 0);
    int64_t seconds = (test_now() - begin) / (1000 * TEST_MS) + 1;
    CHECK(!told_times((int)seconds * 10 + 1));
}

TEST(no_more_than_ten_are_told_in_a_second)
{
    /* Goal: a program that stalls all the time isn't drowned. Method: 100 stalls of 12 ms, 1 ms is told. */
    check_child("stalls_often");
}

/* ---- only what is true ---- */

static int64_t gap_max, gap_began;

static void gap_ends(void)
{
    int64_t now = test_now();
    gap_max = now - gap_began > gap_max ? now - gap_began : gap_max;
    gap_began = now;
}

/* In a child. fn calls gap_ends between any two weft calls; who was kept from it by the machine within a call has two
 * gaps to account for. */
static void check_told(const char *ms, weft_fn fn)
{
    struct told t;
    watch(ms);
    gap_began = test_now();
    CHECK_EQ(test_run_procs(1, fn, NULL), 0);
    gap_ends();
    for (int i = 0; read_told(i, &t); i++)
        CHECK_LE(t.ms * TEST_MS, 2 * gap_max);
}

static void only_try(void *arg)
{
    (void)arg;
    for (int64_t until = test_now() + 300 * TEST_MS; gap_began < until; gap_ends())
        weft_chan_try_recv(NULL, NULL);
}

CHILD(calls_weft)
{
    check_told("1", only_try);
}

TEST(who_calls_weft_is_not_told)
{
    /* Goal: a goroutine that makes weft calls, if only such as never wait, is told of no more than it took from one to
     * the next. Method: it measures that. */
    check_child("calls_weft");
}

static void *sleep_in_section(void *arg)
{
    gap_ends();
    usleep(300000);
    gap_began = test_now();
    return arg;
}

static void sleep_in_a_section(void *arg)
{
    weft_blocking(sleep_in_section, arg);
}

CHILD(blocks)
{
    check_told("50", sleep_in_a_section);
}

TEST(a_blocking_section_is_no_stall)
{
    /* Goal: who gives the processor up while it blocks is not told. Method: it measures the time outside. */
    check_child("blocks");
}

/* ---- in a system call ---- */

static int ends[2];
static int interrupted;

static void *write_when_told(void *arg)
{
    (void)arg;
    TEST_UNTIL(told_times(3));
    CHECK_EQ(write(ends[1], "", 1), 1);
    return NULL;
}

static TEST_NOINLINE void poll_here(void)
{
    struct pollfd fd = {.fd = ends[0], .events = POLLIN};
    int n;
    while ((n = poll(&fd, 1, -1)) < 0 && errno == EINTR)
        interrupted++;
    CHECK_EQ(n, 1);
}

static void wait_in_the_kernel(void *arg)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, write_when_told, arg) == 0);
    poll_here();
    pthread_join(thread, NULL);
}

CHILD(waits_in_the_kernel)
{
    watch("20");
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    CHECK_EQ(test_run(wait_in_the_kernel, NULL), 0);
    CHECK_LE(interrupted, 1); /* one that begins as it is asked */
}

TEST(a_system_call_outside_of_sections_is_a_stall)
{
    /* Goal: it is told, and not interrupted. Method: poll(2), which no SA_RESTART restarts, until told thrice. */
    static struct test_result r;
    test_spawn("waits_in_the_kernel", &r);
    CHECK_EXITED(&r, 0);
    CHECK_STR_HAS(r.err, "goroutine 1 for ");
    if (access("/proc/self/syscall", R_OK) == 0 && !TEST_TSAN)
        CHECK_STR_HAS(r.err, " ms at ");
}

/* ---- the setting, and the signal ---- */

static void nothing(void *arg)
{
    (void)arg;
}

CHILD(bad_setting)
{
    static const char *const bad[] = {"often", "-1", "10ms", "99999999999999999999", "1.5"};
    for (size_t i = 0; i < TEST_COUNT_OF(bad); i++) {
        setenv("WEFT_STALL_MS", bad[i], 1);
        CHECK_EQ(weft_run(nothing, NULL, NULL), -EINVAL);
    }
    setenv("WEFT_STALL_MS", "0", 1);
    CHECK_EQ(weft_run(nothing, NULL, NULL), 0);
    setenv("WEFT_STALL_MS", "", 1);
    CHECK_EQ(weft_run(nothing, NULL, NULL), 0);
}

TEST(a_bad_setting_is_refused)
{
    /* Goal: weft_run says what is wrong, and -EINVAL; 0 and nothing mean off. */
    static struct test_result r;
    test_spawn("bad_setting", &r);
    CHECK_EXITED(&r, 0);
    int said = 0;
    for (char *at = r.err; (at = strstr(at, "weft: WEFT_STALL_MS: not a number")); at++)
        said++;
    CHECK_EQ(said, 5);
}

static int signals_caught(void)
{
    int n = 0;
    for (int s = SIGRTMIN; s <= SIGRTMAX; s++) {
        struct sigaction found;
        n += !sigaction(s, NULL, &found) && found.sa_handler != SIG_DFL;
    }
    return n;
}

static void compute_for_a_while(void *arg)
{
    CHECK_EQ(signals_caught(), 0);
    for (int64_t until = test_now() + 300 * TEST_MS; test_now() < until;)
        ;
    (void)arg;
}

CHILD(unset)
{
    unsetenv("WEFT_STALL_MS");
    CHECK_EQ(test_run(compute_for_a_while, NULL), 0);
}

TEST(it_is_off_by_default)
{
    /* Goal: nothing is told, and no signal taken, unless it is asked for. */
    static struct test_result r;
    test_spawn("unset", &r);
    CHECK_EXITED(&r, 0);
    CHECK_STR_EQ(r.err, "");
}

static bool told_once(void)
{
    return told_times(1);
}

static void listen_and_compute(void *arg)
{
    int signal;
    (void)arg;
    CHECK_EQ(signals_caught(), 1);
    weft_chan *ch = weft_signal_notify(NULL, 0);
    CHECK(ch);
    spin_here(told_once);
    CHECK_EQ(weft_chan_try_recv(ch, &signal), -EAGAIN);
    weft_signal_stop(ch);
    weft_chan_unref(ch);
    CHECK_EQ(signals_caught(), 1);
}

CHILD(listens)
{
    watch("20");
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(test_run(listen_and_compute, NULL), 0);
        CHECK_EQ(signals_caught(), 0);
    }
}

TEST(the_signal_is_wefts_while_a_run_is_on)
{
    /* Goal: one real-time signal, that no channel gets, and which is given back. */
    check_child("listens");
}
