/* SPDX-License-Identifier: Apache-2.0
 * faults.c - SIGSEGV and SIGBUS that are no overflow go to the program as if weft weren't there, and the
 * handlers are the program's again after a run. (ASan and TSan have handlers of their own below: what
 * is said here of SIG_DFL is theirs to answer there.) */
#include "../test.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#define STACK_BYTES ((size_t)64 << 10)
#define PAGE ((size_t)4096)

static struct test_result result;

static void say(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(98);
}

static void nothing(void *arg)
{
    (void)arg;
}

static char *bad_address;

__attribute__((no_sanitize("address", "undefined"))) static TEST_NOINLINE void touch_bad(void)
{
    *(volatile char *)bad_address = 1;
}

static void touches_bad(void *arg)
{
    (void)arg;
    touch_bad();
    say("went on\n");
}

static void take(int signal_number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    REQUIRE(sigaction(signal_number, &action, NULL) == 0);
}

static bool has_handler(int signal_number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction found;
    REQUIRE(sigaction(signal_number, NULL, &found) == 0);
    return found.sa_sigaction == handler;
}

/* A page that faults, and one of a file that isn't there. */
static char *hidden_page(void)
{
    char *p = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    return p;
}

static char *page_past_file(void)
{
    int fd = memfd_create("empty", MFD_CLOEXEC);
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(fd >= 0 && p != MAP_FAILED);
    return p;
}

/* ---- no handler ---- */

static void check_died(const char *child, int signal_number)
{
    test_spawn(child, &result);
    if (!TEST_ASAN && !TEST_TSAN &&
        !(WIFSIGNALED(result.status) && WTERMSIG(result.status) == signal_number))
        FAIL("%s: wait status %#x, not signal %d", child, result.status, signal_number);
    CHECK(!WIFEXITED(result.status) || WEXITSTATUS(result.status) != 0);
    CHECK_STR_EQ(result.out, "");
    CHECK(!strstr(result.err, "stack overflow"));
}

CHILD(segv_by_default)
{
    bad_address = hidden_page();
    test_run(touches_bad, NULL);
}
CHILD(bus_by_default)
{
    bad_address = page_past_file();
    test_run(touches_bad, NULL);
}
CHILD(segv_ignored)
{
    signal(SIGSEGV, SIG_IGN);
    bad_address = hidden_page();
    test_run(touches_bad, NULL);
}
static void raises(void *arg)
{
    (void)arg;
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGSEGV);
    say("went on\n");
}
CHILD(segv_raised)
{
    test_run(raises, NULL);
}

TEST(a_fault_that_nobody_handles_kills)
{
    /* Goal: with SIG_DFL a fault is a death by that signal; SIG_IGN can't ignore it either; one that was
     * sent kills too. Method: children, their wait status. */
    check_died("segv_by_default", SIGSEGV);
    check_died("bus_by_default", SIGBUS);
    check_died("segv_ignored", SIGSEGV);
    check_died("segv_raised", SIGSEGV);
}

CHILD(segv_raised_ignored)
{
    signal(SIGSEGV, SIG_IGN);
    CHECK_EQ(test_run(raises, NULL), 0);
}

TEST(a_signal_that_was_sent_can_be_ignored)
{
    /* Goal: kill(2) with SIG_IGN does nothing. Method: a goroutine that sends itself one. */
    test_spawn("segv_raised_ignored", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.out, "went on\n");
}

/* ---- the thread's own stack ---- */

static TEST_NOINLINE int recurse(int depth)
{
    volatile char frame[4000];
    memset((char *)frame, depth, sizeof(frame));
    if (depth == INT32_MAX)
        return 0;
    return recurse(depth + 1) + frame[depth % 4000];
}

static void *recurses(void *arg)
{
    recurse(0);
    return arg;
}

static void recurses_in_main(void *arg)
{
    recurses(arg);
}

static void blocks_deeply(void *arg)
{
    weft_blocking(recurses, arg);
    say("went on\n");
}

static void starts_deep_thread(void *arg)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, recurses, arg) == 0);
    pthread_join(thread, NULL);
    say("went on\n");
}

CHILD(overflow_in_blocking)
{
    test_run(blocks_deeply, NULL);
}
CHILD(overflow_on_thread)
{
    test_run(starts_deep_thread, NULL);
}

TEST(an_overflow_of_a_threads_own_stack_is_the_kernels)
{
    /* Goal: in a blocking section and on foreign threads an overflow is what it is without weft. Method:
     * recursion there. */
    test_spawn("overflow_in_blocking", &result);
    CHECK(!strstr(result.err, "fatal error"));
    CHECK(!WIFEXITED(result.status) || WEXITSTATUS(result.status) != 0);
    test_spawn("overflow_on_thread", &result);
    CHECK(!strstr(result.err, "fatal error"));
    CHECK(!WIFEXITED(result.status) || WEXITSTATUS(result.status) != 0);
    if (TEST_ASAN || TEST_TSAN || test_valgrind())
        return;
    CHECK(WIFSIGNALED(result.status) && WTERMSIG(result.status) == SIGSEGV);
    test_spawn("overflow_in_blocking", &result);
    CHECK(WIFSIGNALED(result.status) && WTERMSIG(result.status) == SIGSEGV);
}

static void *sees_no_signal_stack(void *arg)
{
    stack_t found;
    CHECK_EQ(sigaltstack(NULL, &found), 0);
    *(bool *)arg = found.ss_flags & SS_DISABLE;
    return NULL;
}

static void starts_thread_and_looks(void *arg)
{
    pthread_t thread;
    stack_t found;
    REQUIRE(pthread_create(&thread, NULL, sees_no_signal_stack, arg) == 0);
    pthread_join(thread, NULL);
    CHECK_EQ(sigaltstack(NULL, &found), 0);
    CHECK(!(found.ss_flags & SS_DISABLE));
    CHECK_GE(found.ss_size, (size_t)32 << 10);
}

TEST(foreign_threads_get_no_signal_stack)
{
    /* Goal: goroutines' threads have a signal stack, the program's own keep what they had. */
    bool none = false, caller = false;
    CHECK_EQ(test_run(starts_thread_and_looks, &none), 0);
    sees_no_signal_stack(&caller);
    if (!TEST_ASAN && !TEST_TSAN) { /* these give all threads one */
        CHECK(none);
        CHECK(caller);
    }
}

/* ---- the program's handler ---- */

static sigjmp_buf escape;
static int calls;
static void *volatile told_address;
static int told_signal;
static bool told_blocked[65];

static void note(int signal_number, siginfo_t *info)
{
    sigset_t blocked;
    calls++;
    told_signal = signal_number;
    told_address = info->si_addr;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    for (int i = 1; i <= 64; i++)
        told_blocked[i] = sigismember(&blocked, i) == 1;
}

static void jumps_out(int signal_number, siginfo_t *info, void *context)
{
    note(signal_number, info);
    if (!context)
        _exit(97);
    siglongjmp(escape, 1);
}

static TEST_NOINLINE void faults_and_returns(void)
{
    if (sigsetjmp(escape, 1) == 0)
        touches_bad(NULL);
}

static void faults_often(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++) {
        faults_and_returns();
        weft_yield();
    }
}

static void check_told(int signal_number, int times)
{
    CHECK_EQ(calls, times);
    CHECK_EQ(told_signal, signal_number);
    CHECK_PTR_EQ((void *)told_address, bad_address);
    calls = 0;
}

TEST(a_handler_can_leave_by_siglongjmp)
{
    /* Goal: a SA_SIGINFO handler gets signal, address and context, and may jump back into the goroutine
     * again and again. Method: the same instruction faults 100 times; SIGSEGV, SIGBUS. */
    int times = test_scale(100);
    take(SIGSEGV, jumps_out, 0);
    take(SIGBUS, jumps_out, SA_ONSTACK);
    bad_address = hidden_page();
    CHECK_EQ(test_run(faults_often, &times), 0);
    check_told(SIGSEGV, times);
    bad_address = page_past_file();
    CHECK_EQ(test_run(faults_often, &times), 0);
    check_told(SIGBUS, times);
    CHECK(has_handler(SIGSEGV, jumps_out));
    CHECK(has_handler(SIGBUS, jumps_out));
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
}

static void repairs(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    note(signal_number, info);
    mprotect(bad_address, PAGE, PROT_READ | PROT_WRITE);
}

static void repairs_plain(int signal_number)
{
    siginfo_t info = {.si_addr = bad_address};
    repairs(signal_number, &info, NULL);
}

static void touches_and_checks(void *arg)
{
    (void)arg;
    touch_bad();
    CHECK_EQ(*bad_address, 1);
}

TEST(a_handler_can_repair_and_return)
{
    /* Goal: the instruction is tried again when the handler returns, whichever kind it is. Method: one
     * that makes the page writable. */
    bad_address = hidden_page();
    take(SIGSEGV, repairs, SA_RESTART);
    CHECK_EQ(test_run(touches_and_checks, NULL), 0);
    check_told(SIGSEGV, 1);
    bad_address = hidden_page();
    signal(SIGSEGV, repairs_plain);
    CHECK_EQ(test_run(touches_and_checks, NULL), 0);
    check_told(SIGSEGV, 1);
    signal(SIGSEGV, SIG_DFL);
}

TEST(a_handler_runs_with_its_own_mask)
{
    /* Goal: sa_mask, SA_NODEFER and SA_RESETHAND mean what they mean without weft. Method: ask in it. */
    struct sigaction action = {.sa_sigaction = repairs, .sa_flags = SA_SIGINFO}, found;
    sigaddset(&action.sa_mask, SIGUSR2);
    bad_address = hidden_page();
    sigaction(SIGSEGV, &action, NULL);
    CHECK_EQ(test_run(touches_and_checks, NULL), 0);
    CHECK(told_blocked[SIGUSR2] && told_blocked[SIGSEGV]);
    CHECK(!told_blocked[SIGUSR1] || TEST_TSAN); /* TSan blocks all while it calls handlers */
    action.sa_flags |= SA_NODEFER;
    bad_address = hidden_page();
    sigaction(SIGSEGV, &action, NULL);
    CHECK_EQ(test_run(touches_and_checks, NULL), 0);
    CHECK(told_blocked[SIGUSR2] && (!told_blocked[SIGSEGV] || TEST_TSAN));
    action.sa_flags |= (int)SA_RESETHAND;
    bad_address = hidden_page();
    sigaction(SIGSEGV, &action, NULL);
    CHECK_EQ(test_run(touches_and_checks, NULL), 0);
    sigaction(SIGSEGV, NULL, &found);
    CHECK(found.sa_handler == SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    calls = 0;
}

static void blocks_and_faults(void *arg)
{
    weft_blocking((void *(*)(void *))(uintptr_t)arg, NULL);
}

static void *touches_on_thread(void *arg)
{
    touch_bad();
    return arg;
}

static void *starts_toucher(void *arg)
{
    pthread_t thread;
    (void)arg;
    REQUIRE(pthread_create(&thread, NULL, touches_on_thread, NULL) == 0);
    pthread_join(thread, NULL);
    return NULL;
}

TEST(a_handler_serves_all_threads)
{
    /* Goal: faults in blocking sections and on foreign threads reach the handler, too. */
    void *(*places[])(void *) = {touches_on_thread, starts_toucher};
    take(SIGSEGV, repairs, 0);
    for (size_t i = 0; i < TEST_COUNT_OF(places); i++) {
        bad_address = hidden_page();
        CHECK_EQ(test_run(blocks_and_faults, (void *)(uintptr_t)places[i]), 0);
        check_told(SIGSEGV, 1);
    }
    signal(SIGSEGV, SIG_DFL);
}

static void wild_pointer(void *arg)
{
    char here;
    uintptr_t end = ((uintptr_t)&here + PAGE - 1) / PAGE * PAGE;
    (void)arg;
    bad_address = (char *)(end - STACK_BYTES + 8); /* this stack's guard page */
    faults_and_returns();
}

static void start_wild(void *arg)
{
    weft_waitgroup wg = {0};
    (void)arg;
    CHECK_EQ(weft_waitgroup_go(&wg, wild_pointer, NULL), 0);
    weft_waitgroup_wait(&wg);
}

TEST(a_wild_pointer_into_a_guard_is_no_overflow)
{
    /* Goal: only who has come down to the guard has overflowed. Method: write to it from the stack's top;
     * the handler must get it. */
    take(SIGSEGV, jumps_out, 0);
    CHECK_EQ(test_run(start_wild, NULL), 0);
    check_told(SIGSEGV, 1);
    signal(SIGSEGV, SIG_DFL);
}

/* ---- set during a run, and over several ---- */

static struct sigaction below;

static void hands_on(int signal_number, siginfo_t *info, void *context)
{
    note(signal_number, info);
    if (calls > 10)
        _exit(96);
    below.sa_sigaction(signal_number, info, context);
}

static void sets_handler(void *arg)
{
    struct sigaction action = {.sa_sigaction = hands_on, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK_EQ(sigaction(SIGSEGV, &action, &below), 0);
    touch_bad();
    CHECK_EQ(*bad_address, 1);
    (void)arg;
}

static int repairs_made;

static void counts_repairs(int signal_number, siginfo_t *info, void *context)
{
    repairs_made++;
    (void)signal_number, (void)info, (void)context;
    mprotect(bad_address, PAGE, PROT_READ | PROT_WRITE);
}

TEST(a_handler_set_during_a_run_stays)
{
    /* Goal: a program's handler that is set during a run, and hands on to what it found, works then, after
     * it and in the runs to come; what was there before the first is reached once each time. Method: three runs
     * and a fault between. */
    take(SIGSEGV, counts_repairs, 0);
    bad_address = hidden_page();
    CHECK_EQ(test_run(sets_handler, NULL), 0);
    CHECK_EQ(repairs_made, 1);
    check_told(SIGSEGV, 1);
    CHECK(has_handler(SIGSEGV, hands_on));
    for (int i = 2; i < 8; i += 2) {
        bad_address = hidden_page();
        touch_bad();
        CHECK_EQ(repairs_made, i);
        check_told(SIGSEGV, 1);
        bad_address = hidden_page();
        CHECK_EQ(test_run(touches_and_checks, NULL), 0);
        CHECK_EQ(repairs_made, i + 1);
        check_told(SIGSEGV, 1);
        CHECK(has_handler(SIGSEGV, hands_on));
    }
    signal(SIGSEGV, SIG_DFL);
    CHECK_EQ(test_run(nothing, NULL), 0);
    CHECK(has_handler(SIGSEGV, NULL));
}

static void overflows_for_report(void *arg)
{
    struct sigaction action = {.sa_sigaction = hands_on, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK_EQ(sigaction(SIGSEGV, &action, &below), 0);
    recurse(0);
    (void)arg;
}

CHILD(overflows_under_a_handler)
{
    test_run(overflows_for_report, NULL);
}

TEST(a_handler_that_hands_on_leaves_overflows_reported)
{
    /* Goal: a handler above weft's that hands on what isn't its own. Method: an overflow in main. */
    test_spawn("overflows_under_a_handler", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "\nfatal error: stack overflow\n\ngoroutine 1 [running]:\n0x");
    CHECK_STR_HAS(result.err, " recurse");
}

/* All signals blocked for a thread that waits for them, as servers do. */
CHILD(overflows_with_faults_blocked)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    test_run(recurses_in_main, NULL);
}

static void returns_blocked(void *arg)
{
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    *(bool *)arg = sigismember(&blocked, SIGSEGV) == 0 && sigismember(&blocked, SIGUSR1) == 1;
}

TEST(blocked_faults_are_reported)
{
    /* Goal: a program that blocks all signals before weft_run still gets the report, and its own mask is
     * left alone. */
    sigset_t all, was, now;
    bool unblocked = false;
    test_spawn("overflows_with_faults_blocked", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "fatal error: stack overflow\n");
    sigfillset(&all);
    sigdelset(&all, SIGALRM);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    CHECK_EQ(test_run(returns_blocked, &unblocked), 0);
    pthread_sigmask(SIG_SETMASK, &was, &now);
    CHECK(unblocked);
    CHECK(sigismember(&now, SIGSEGV) == 1);
}

/* ---- shadow stacks ---- */

#if defined(__x86_64__)
#define ARCH_SHSTK_ENABLE 0x5001
#define ARCH_SHSTK_SHSTK 1

/* Inlined: the new shadow stack knows no return to anybody's caller. */
static inline __attribute__((always_inline)) bool enable_shadow_stack(void)
{
    long rc;
    __asm__ volatile("syscall"
                     : "=a"(rc)
                     : "a"(SYS_arch_prctl), "D"(ARCH_SHSTK_ENABLE), "S"(ARCH_SHSTK_SHSTK)
                     : "rcx", "r11", "memory");
    return rc == 0;
}
#else
static inline bool enable_shadow_stack(void)
{
    return false;
}
#endif

CHILD(runs_with_shadow_stack)
{
    bool enabled = enable_shadow_stack();
    int rc = weft_run(nothing, NULL, NULL);
    say(enabled ? "enabled " : "none ");
    say(rc == 0 ? "ran" : rc == -ENOTSUP ? "refused" : "failed");
    _exit(0);
}

TEST(a_shadow_stack_is_refused)
{
    /* Goal: where processor and kernel have shadow stacks, a process that uses one is told -ENOTSUP and
     * why; where they don't, nothing is refused. Method: try to enable one. */
    test_spawn("runs_with_shadow_stack", &result);
    CHECK_EXITED(&result, 0);
    if (strncmp(result.out, "enabled ", 8) == 0) {
        CHECK_STR_EQ(result.out, "enabled refused");
        CHECK_STR_HAS(result.err, "shadow stack");
    } else {
        CHECK_STR_EQ(result.out, "none ran");
    }
}
