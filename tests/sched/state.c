/* SPDX-License-Identifier: Apache-2.0
 * state.c - what belongs to a goroutine stays with it, across yields and moves to other threads:
 * callee-saved registers, local variables, errno, rounding mode and the other FP controls, its id.
 *
 * Built as it is, and with -O3 -flto -fPIC: the address of errno or of a thread-local variable kept
 * across a switch shows only in optimised code. */
#include "../test.h"

#include <fenv.h>

#include "pair.h"

/* ---- the places that a compiler must not see through ---- */

/* TSan takes errno of a thread for one variable, whichever goroutine it holds it for just now. */
static TEST_NO_TSAN TEST_NOINLINE int errno_now(void)
{
    __asm__ volatile("" ::: "memory");
    return errno;
}

static TEST_NO_TSAN TEST_NOINLINE void set_errno(int value)
{
    __asm__ volatile("" ::: "memory");
    errno = value;
}

#if defined(__x86_64__)

/* void call_with_registers(const uint64_t in[6], void (*fn)(void), uint64_t out[6]):
 * calls fn with rbx rbp r12-r15 loaded from in, then stores them to out. */
void call_with_registers(const uint64_t *in, void (*fn)(void), uint64_t *out)
    __attribute__((visibility("hidden")));
__asm__(".text\n"
        ".globl call_with_registers\n"
        ".hidden call_with_registers\n"
        ".type call_with_registers, @function\n"
        "call_with_registers:\n"
        "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdx\n"
        "  mov 0(%rdi), %rbx; mov 8(%rdi), %rbp; mov 16(%rdi), %r12\n"
        "  mov 24(%rdi), %r13; mov 32(%rdi), %r14; mov 40(%rdi), %r15\n"
        "  call *%rsi\n"
        "  pop %rdx\n"
        "  mov %rbx, 0(%rdx); mov %rbp, 8(%rdx); mov %r12, 16(%rdx)\n"
        "  mov %r13, 24(%rdx); mov %r14, 32(%rdx); mov %r15, 40(%rdx)\n"
        "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "  ret\n"
        ".size call_with_registers, .-call_with_registers\n");
enum { REGISTERS = 6 };

/* mxcsr without its exception flags, and the x87 control word. */
static TEST_NOINLINE uint64_t fp_controls(void)
{
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return (uint64_t)(mxcsr & ~UINT32_C(0x3f)) << 16 | x87;
}

/* Where "flush to zero" stands in it. */
#define FLUSH_BIT (UINT64_C(0x8000) << 16)

/* Flush denormals to zero, or not. */
static TEST_NOINLINE void set_flush_to_zero(bool on)
{
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    mxcsr = on ? mxcsr | 0x8000 : mxcsr & ~UINT32_C(0x8000);
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
}

#elif defined(__aarch64__)

/* As above with x19-x28 and d8-d15. */
void call_with_registers(const uint64_t *in, void (*fn)(void), uint64_t *out)
    __attribute__((visibility("hidden")));
__asm__(".text\n"
        ".globl call_with_registers\n"
        ".hidden call_with_registers\n"
        ".type call_with_registers, %function\n"
        "call_with_registers:\n"
        "  stp x29, x30, [sp, #-176]!\n"
        "  stp x19, x20, [sp, #16]; stp x21, x22, [sp, #32]; stp x23, x24, [sp, #48]\n"
        "  stp x25, x26, [sp, #64]; stp x27, x28, [sp, #80]; stp d8, d9, [sp, #96]\n"
        "  stp d10, d11, [sp, #112]; stp d12, d13, [sp, #128]; stp d14, d15, [sp, #144]\n"
        "  str x2, [sp, #160]\n"
        "  ldp x19, x20, [x0]; ldp x21, x22, [x0, #16]; ldp x23, x24, [x0, #32]\n"
        "  ldp x25, x26, [x0, #48]; ldp x27, x28, [x0, #64]; ldp d8, d9, [x0, #80]\n"
        "  ldp d10, d11, [x0, #96]; ldp d12, d13, [x0, #112]; ldp d14, d15, [x0, #128]\n"
        "  blr x1\n"
        "  ldr x2, [sp, #160]\n"
        "  stp x19, x20, [x2]; stp x21, x22, [x2, #16]; stp x23, x24, [x2, #32]\n"
        "  stp x25, x26, [x2, #48]; stp x27, x28, [x2, #64]; stp d8, d9, [x2, #80]\n"
        "  stp d10, d11, [x2, #96]; stp d12, d13, [x2, #112]; stp d14, d15, [x2, #128]\n"
        "  ldp x19, x20, [sp, #16]; ldp x21, x22, [sp, #32]; ldp x23, x24, [sp, #48]\n"
        "  ldp x25, x26, [sp, #64]; ldp x27, x28, [sp, #80]; ldp d8, d9, [sp, #96]\n"
        "  ldp d10, d11, [sp, #112]; ldp d12, d13, [sp, #128]; ldp d14, d15, [sp, #144]\n"
        "  ldp x29, x30, [sp], #176\n"
        "  ret\n"
        ".size call_with_registers, .-call_with_registers\n");
enum { REGISTERS = 18 };

#define FLUSH_BIT (UINT64_C(1) << 24)

static TEST_NOINLINE uint64_t fp_controls(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}

static TEST_NOINLINE void set_flush_to_zero(bool on)
{
    uint64_t fpcr = fp_controls();
    fpcr = on ? fpcr | UINT64_C(1) << 24 : fpcr & ~(UINT64_C(1) << 24);
    __asm__ volatile("msr fpcr, %0" ::"r"(fpcr));
}

#endif

/* ---- being moved ---- */

static void *return_own_errno(void *arg)
{
    set_errno(0);
    return arg;
}

static int rounds(void)
{
    int n = test_scale(2000);
    return n < 40 ? 40 : n;
}

static TEST_NOINLINE void in_any_way(int step)
{
    switch (step % 4) {
    case 0:
    case 1:
        weft_yield();
        break;
    case 2:
        weft_sleep(1000);
        break;
    case 3:
        weft_blocking(return_own_errno, NULL);
        break;
    }
}

static void reset(void)
{
    all = (weft_waitgroup){0};
    atomic_store(&moves, 0);
}

/* ---- errno ---- */

static void errno_moves(void *arg)
{
    int me = (int)(intptr_t)arg;
    uint64_t self = weft_self();
    CHECK_EQ(errno_now(), 0);
    for (int i = 0; i < move_rounds(); i++) {
        int thread = thread_now();
        set_errno(1000 * (me + 1) + i);
        move(me, i);
        CHECK_EQ(errno_now(), 1000 * (me + 1) + i);
        CHECK_EQ(weft_self(), self);
        atomic_fetch_add(&moves, thread != thread_now());
    }
    atomic_fetch_add(&pair.turn, 1);
    weft_priv_gate_open(&pair.gates[!me]);
    weft_waitgroup_done(&all);
}

/* The same without the help of noinline: errno's address isn't kept from before a move (weft/base.h). */
static TEST_NO_TSAN void errno_in_one_function(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < move_rounds(); i++) {
        int wanted = 1000 * (me + 1) + i;
        errno = wanted;
        move(me, i);
        if (errno != wanted)
            FAIL("errno %d, not %d", errno, wanted);
    }
    atomic_fetch_add(&pair.turn, 1);
    weft_priv_gate_open(&pair.gates[!me]);
    weft_waitgroup_done(&all);
}

#ifdef BESIDE_PLAIN_ERRNO
int plain_errno(void);
#else
#define plain_errno errno_now
#endif

static void run_errno(void *arg)
{
    (void)arg;
    set_errno(77);
    run_pair(errno_moves);
    CHECK_EQ(errno_now(), 77);
    run_pair(errno_in_one_function);
    CHECK_EQ(plain_errno(), 77);
}

TEST(errno_moves_with_its_goroutine)
{
    /* Goal: errno is per goroutine, new ones begin with 0, also when they go on on another thread.
     * Method: a pair that moves each other; with 2 Ps moves must have happened. */
    reset();
    run_until_moved(run_errno);
}

static void errno_among_many(void *arg)
{
    int mine = (int)(intptr_t)arg;
    for (int i = 0; i < rounds() / 20; i++) {
        set_errno(mine);
        if (i % 3 == 0)
            weft_yield();
        else if (i % 3 == 1)
            weft_sleep(1000);
        else
            weft_waitgroup_wait_until(&all, weft_now() + 1000);
        CHECK_EQ(errno_now(), mine);
    }
    weft_waitgroup_done(&all);
}

static void many_errnos(void *arg)
{
    (void)arg;
    weft_waitgroup_add(&all, 100);
    for (int i = 1; i <= 100; i++)
        CHECK_EQ(weft_go(errno_among_many, (void *)(intptr_t)i), 0);
    weft_waitgroup_wait(&all);
}

TEST(errno_among_many_goroutines)
{
    /* Goal: yields, sleeps and waits that time out leave errno alone. Method: 100 goroutines. */
    reset();
    CHECK_EQ(test_run(many_errnos, NULL), 0);
}

static void *set_errno_in_section(void *arg)
{
    set_errno((int)(intptr_t)arg);
    return NULL;
}

static void errno_of_a_section(void *arg)
{
    int mine = (int)(intptr_t)arg;
    for (int i = 0; i < rounds() / 20; i++) {
        set_errno(mine);
        weft_blocking(set_errno_in_section, (void *)(intptr_t)(mine + 1000));
        CHECK_EQ(errno_now(), mine + 1000);
    }
    weft_waitgroup_done(&all);
}

static void errnos_of_sections(void *arg)
{
    (void)arg;
    weft_waitgroup_add(&all, 20);
    for (int i = 1; i <= 20; i++)
        CHECK_EQ(weft_go(errno_of_a_section, (void *)(intptr_t)i), 0);
    weft_waitgroup_wait(&all);
}

TEST(errno_set_in_a_blocking_section_is_seen)
{
    /* Goal: errno as fn left it is the goroutine's after weft_blocking, as if fn had been called
     * directly, and nobody else's. Method: 20 goroutines, each with numbers of its own. */
    reset();
    CHECK_EQ(test_run(errnos_of_sections, NULL), 0);
}

/* ---- registers ---- */

#if defined(__x86_64__) || defined(__aarch64__)

static void switch_in_any_way(void)
{
    static atomic_int step;
    in_any_way(atomic_fetch_add(&step, 1));
}

static void move_0(void)
{
    static int step;
    move(0, step++);
}

static void move_1(void)
{
    static int step;
    move(1, step++);
}

static TEST_NOINLINE void check_registers(void (*fn)(void), uint64_t seed)
{
    uint64_t in[REGISTERS], out[REGISTERS] = {0};
    for (int r = 0; r < REGISTERS; r++)
        in[r] = test_random(&seed);
    call_with_registers(in, fn, out);
    for (int r = 0; r < REGISTERS; r++)
        if (in[r] != out[r])
            FAIL("register %d of %d: %" PRIx64 ", not %" PRIx64, r, REGISTERS, out[r], in[r]);
}

static void registers_move(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < move_rounds(); i++) {
        int thread = thread_now();
        check_registers(me ? move_1 : move_0, (uint64_t)(2 * i + me));
        atomic_fetch_add(&moves, thread != thread_now());
    }
    atomic_fetch_add(&pair.turn, 1);
    weft_priv_gate_open(&pair.gates[!me]);
    weft_waitgroup_done(&all);
}

static void registers_among_many(void *arg)
{
    for (int i = 0; i < rounds() / 20; i++)
        check_registers(switch_in_any_way, (uint64_t)(intptr_t)arg * 1000000 + (uint64_t)i);
    weft_waitgroup_done(&all);
}

static void run_registers(void *arg)
{
    (void)arg;
    weft_waitgroup_add(&all, 50);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(weft_go(registers_among_many, (void *)(intptr_t)i), 0);
    check_registers(switch_in_any_way, 99);
    weft_waitgroup_wait(&all);
    run_pair(registers_move);
}

TEST(callee_saved_registers_survive)
{
    /* Goal: a switch keeps the registers that the ABI promises. Method: load each with a random
     * number, yield, sleep, block or move to another thread, look. */
    reset();
    run_until_moved(run_registers);
}

#endif

/* Many live variables of all kinds, so that the compiler must keep some in registers and some on the
 * stack across each switch. */
static TEST_NOINLINE void live_variables(int me, int step, volatile double *zero)
{
    double d0 = me + 0.5 + *zero, d1 = d0 * 3, d2 = d1 - step, d3 = d2 * d0, d4 = d3 + 7,
           d5 = d4 / 3;
    long double x0 = d0, x1 = x0 * d1;
    uint64_t a = (uint64_t)me * 0x9e3779b9, b = a ^ (uint64_t)step, c = b * 31, d = c + a,
             e = d ^ b;
    double sum_before = d0 + d1 + d2 + d3 + d4 + d5;
    in_any_way(step);
    double e0 = me + 0.5 + *zero, e1 = e0 * 3, e2 = e1 - step, e3 = e2 * e0, e4 = e3 + 7,
           e5 = e4 / 3;
    CHECK(d0 == e0 && d1 == e1 && d2 == e2 && d3 == e3 && d4 == e4 && d5 == e5);
    CHECK(sum_before == d0 + d1 + d2 + d3 + d4 + d5);
    CHECK(x0 == (long double)e0 && x1 == (long double)e0 * e1);
    CHECK(b == (a ^ (uint64_t)step) && c == b * 31 && d == c + a && e == (d ^ b));
    CHECK(a == (uint64_t)me * 0x9e3779b9);
}

static void keep_variables(void *arg)
{
    volatile double zero = 0;
    for (int i = 0; i < rounds() / 20; i++)
        live_variables((int)(intptr_t)arg, i, &zero);
    weft_waitgroup_done(&all);
}

static void many_keep_variables(void *arg)
{
    (void)arg;
    weft_waitgroup_add(&all, 50);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(weft_go(keep_variables, (void *)(intptr_t)i), 0);
    weft_waitgroup_wait(&all);
}

TEST(local_variables_survive)
{
    /* Goal: integers, doubles and long doubles of a function live through a switch in it.
     * Method: 50 goroutines compute the same again afterwards. */
    reset();
    CHECK_EQ(test_run(many_keep_variables, NULL), 0);
}

/* ---- floating-point environment ---- */

static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

/* 1/3 as this rounding mode gives it, by the same code for all. */
static TEST_NOINLINE double third(void)
{
    volatile double one = 1, three = 3;
    return one / three;
}

static double thirds[4];

static void keeps_rounding(void *arg)
{
    int mode = (int)(intptr_t)arg;
    fesetround(modes[mode]);
    uint64_t controls = fp_controls();
    for (int i = 0; i < rounds() / 20; i++) {
        in_any_way(i);
        CHECK_EQ(fegetround(), modes[mode]);
        CHECK_EQ(fp_controls(), controls);
        /* Valgrind ignores the rounding mode of SSE in part. */
        if (!test_valgrind())
            CHECK(third() == thirds[mode]);
    }
    weft_waitgroup_done(&all);
}

static void many_roundings(void *arg)
{
    (void)arg;
    weft_waitgroup_add(&all, 40);
    for (int i = 0; i < 40; i++)
        CHECK_EQ(weft_go(keeps_rounding, (void *)(intptr_t)(i % 4)), 0);
    weft_waitgroup_wait(&all);
    CHECK_EQ(fegetround(), FE_TONEAREST);
}

static void rounding_moves(void *arg)
{
    int me = (int)(intptr_t)arg, mode = me ? FE_UPWARD : FE_DOWNWARD;
    fesetround(mode);
    uint64_t controls = fp_controls();
    for (int i = 0; i < move_rounds(); i++) {
        int thread = thread_now();
        move(me, i);
        CHECK_EQ(fegetround(), mode);
        CHECK_EQ(fp_controls(), controls);
        atomic_fetch_add(&moves, thread != thread_now());
    }
    atomic_fetch_add(&pair.turn, 1);
    weft_priv_gate_open(&pair.gates[!me]);
    weft_waitgroup_done(&all);
}

static void rounding_pair(void *arg)
{
    (void)arg;
    run_pair(rounding_moves);
    CHECK_EQ(fegetround(), FE_TONEAREST);
}

static void compute_thirds(void)
{
    for (int i = 0; i < 4; i++) {
        fesetround(modes[i]);
        thirds[i] = third();
    }
    fesetround(FE_TONEAREST);
}

TEST(the_rounding_mode_is_per_goroutine)
{
    /* Goal: the rounding mode, in all registers that hold it, stays with the goroutine, across
     * switches and moves; the caller of weft_run keeps its own. Method: goroutines with all four
     * modes; 1/3 tells. */
    reset();
    compute_thirds();
    uint64_t controls = fp_controls();
    CHECK_EQ(test_run(many_roundings, NULL), 0);
    run_until_moved(rounding_pair);
    CHECK_EQ(fp_controls(), controls);
}

static void flushing_moves(void *arg)
{
    int me = (int)(intptr_t)arg;
    uint64_t controls = fp_controls();
    CHECK_EQ(controls & FLUSH_BIT, FLUSH_BIT);
    for (int i = 0; i < move_rounds(); i++) {
        move(me, i);
        CHECK_EQ(fp_controls(), controls);
    }
    atomic_fetch_add(&pair.turn, 1);
    weft_priv_gate_open(&pair.gates[!me]);
    weft_waitgroup_done(&all);
}

static void flushing_pair(void *arg)
{
    (void)arg;
    run_pair(flushing_moves);
}

TEST(the_other_fp_controls_are_those_of_the_caller_of_weft_run)
{
    /* Goal: flush-to-zero, set before the run, holds on all its threads and leaves the caller's alone.
     * Method: a pair that moves between threads. */
    if (test_valgrind())
        SKIP("Valgrind has no flush-to-zero");
    reset();
    uint64_t controls = fp_controls();
    set_flush_to_zero(true);
    CHECK_EQ(test_run(flushing_pair, NULL), 0);
    CHECK_EQ(fp_controls() & FLUSH_BIT, FLUSH_BIT);
    set_flush_to_zero(false);
    CHECK_EQ(fp_controls(), controls);
}

struct heir {
    int mode;
    weft_waitgroup *wg;
};

static void inherits(void *arg)
{
    struct heir *heir = arg;
    CHECK_EQ(fegetround(), heir->mode);
    weft_yield();
    CHECK_EQ(fegetround(), heir->mode);
    weft_waitgroup_done(heir->wg);
}

static void starts_heirs(void *arg)
{
    int mine = modes[(intptr_t)arg];
    weft_waitgroup heirs = {0};
    fesetround(mine);
    weft_waitgroup_add(&heirs, 10);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(WEFT_GO(inherits, struct heir, mine, &heirs), 0);
    fesetround(FE_TONEAREST);
    weft_waitgroup_wait(&heirs);
    weft_waitgroup_done(&all);
}

static void many_heirs(void *arg)
{
    (void)arg;
    weft_waitgroup_add(&all, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_go(starts_heirs, (void *)(intptr_t)i), 0);
    weft_waitgroup_wait(&all);
}

TEST(the_rounding_mode_is_inherited)
{
    /* Goal: a goroutine begins with the mode that its creator had at weft_go, whatever the creator
     * does afterwards and whoever runs first. Method: each mode, ten children. */
    reset();
    CHECK_EQ(test_run(many_heirs, NULL), 0);
    CHECK_EQ(fegetround(), FE_TONEAREST);
}
