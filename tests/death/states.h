/* SPDX-License-Identifier: Apache-2.0
 * states.h - a goroutine in every state that there is, and whether a report tells of them. */
#ifndef TESTS_DEATH_STATES_H
#define TESTS_DEATH_STATES_H

#include "../test.h"

/* At the end of a function: its last call is no jump, so its frame is there. */
#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

#if TEST_TSAN
const char *__tsan_default_options(void); /* NOLINT(bugprone-reserved-identifier) */

/* Children end with threads in them. */
const char *__tsan_default_options(void) /* NOLINT(bugprone-reserved-identifier) */
{
    return "report_thread_leaks=0";
}
#endif

static struct test_result result;

/* Run a child again if it tells of what only a busy machine makes happen. */
TEST_UNUSED static void spawn_without(const char *text, const char *child)
{
    int tries = 0;
    do
        test_spawn(child, &result);
    while (strstr(result.err, text) && ++tries < 20);
}

/* A goroutine was just leaving its stack. */
TEST_UNUSED static void spawn_settled(const char *child)
{
    spawn_without("stack unavailable", child);
}

static TEST_NOINLINE void start(const char *name, weft_fn fn)
{
    CHECK_EQ(weft_go_with(&(weft_go_options){.name = name}, fn, NULL), 0);
}

static weft_chan *never;
static weft_mutex locked;
static weft_rwmutex written, read_by_one;
static weft_cond condition;
static weft_mutex of_condition;
static weft_waitgroup one_of;
static weft_sem taken = WEFT_SEM_INIT(0);
static atomic_int blocking_in;

static void sleeps(void *arg)
{
    (void)arg;
    weft_sleep(1000 * WEFT_HOUR);
    KEEP_FRAME();
}
static void receives(void *arg)
{
    (void)arg;
    weft_chan_recv(never, NULL);
    KEEP_FRAME();
}
static void sends(void *arg)
{
    (void)arg;
    weft_chan_send(weft_chan_new(0, 0), NULL);
    KEEP_FRAME();
}
static void receives_nil(void *arg)
{
    (void)arg;
    weft_chan_recv(NULL, NULL);
    KEEP_FRAME();
}
static void sends_nil(void *arg)
{
    (void)arg;
    weft_chan_send(NULL, NULL);
    KEEP_FRAME();
}
static void selects(void *arg)
{
    (void)arg;
    WEFT_SELECT(WEFT_RECV(never, NULL), WEFT_RECV(NULL, NULL), WEFT_RECV(never, NULL));
    KEEP_FRAME();
}
static void selects_nothing(void *arg)
{
    (void)arg;
    weft_select(NULL, 0);
    KEEP_FRAME();
}
static void locks(void *arg)
{
    (void)arg;
    weft_mutex_lock(&locked);
    KEEP_FRAME();
}
static void reads(void *arg)
{
    (void)arg;
    weft_rwmutex_rlock(&written);
    KEEP_FRAME();
}
static void writes(void *arg)
{
    (void)arg;
    weft_rwmutex_lock(&read_by_one);
    KEEP_FRAME();
}
static void waits_for_condition(void *arg)
{
    (void)arg;
    weft_mutex_lock(&of_condition);
    weft_cond_wait(&condition);
    KEEP_FRAME();
}
static void waits_for_group(void *arg)
{
    (void)arg;
    weft_waitgroup_wait(&one_of);
    KEEP_FRAME();
}
static void acquires(void *arg)
{
    (void)arg;
    weft_sem_acquire(&taken, 1);
    KEEP_FRAME();
}
static TEST_NOINLINE void *blocks(void *arg)
{
    atomic_fetch_add(&blocking_in, 1);
    for (;;)
        pause();
    return arg;
}
static void is_blocking(void *arg)
{
    weft_blocking(blocks, arg);
    KEEP_FRAME();
}
static void receives_locked(void *arg)
{
    (void)arg;
    weft_lock_os_thread();
    weft_chan_recv(never, NULL);
    KEEP_FRAME();
}

static const struct {
    const char *name, *reason;
    weft_fn fn;
} states[] = {
    {"a", "sleep", sleeps},
    {"b", "chan receive", receives},
    {"c", "chan send", sends},
    {"d", "chan receive (nil chan)", receives_nil},
    {"e", "chan send (nil chan)", sends_nil},
    {"f", "select", selects},
    {"g", "select (no cases)", selects_nothing},
    {"h", "sync.Mutex.Lock", locks},
    {"i", "sync.RWMutex.RLock", reads},
    {"j", "sync.RWMutex.Lock", writes},
    {"k", "sync.Cond.Wait", waits_for_condition},
    {"l", "sync.WaitGroup.Wait", waits_for_group},
    {"m", "semacquire", acquires},
    {"n", "blocking", is_blocking},
    {"o", "chan receive, locked to thread", receives_locked},
};

TEST_UNUSED static TEST_NOINLINE void start_all(void)
{
    never = weft_chan_new(0, 0);
    weft_mutex_lock(&locked);
    weft_rwmutex_lock(&written);
    weft_rwmutex_rlock(&read_by_one);
    weft_cond_init(&condition, &of_condition);
    weft_waitgroup_add(&one_of, 1);
    for (size_t i = 0; i < TEST_COUNT_OF(states); i++)
        start(states[i].name, states[i].fn);
    TEST_UNTIL(atomic_load(&blocking_in) == 1);
    test_until_parked(TEST_COUNT_OF(states) - 1);
    test_until_idle();
}

/* What follows a header, up to the next blank line; "" if there is no such goroutine. */
TEST_UNUSED static const char *section(const char *text, const char *name, const char *reason)
{
    static char found[8192];
    char head[160];
    size_t n = 0;
    snprintf(head, sizeof(head), " (%s) [%s]:\n", name, reason);
    const char *at = strstr(text, head);
    if (at)
        for (at += strlen(head); at[n] && !(at[n] == '\n' && at[n + 1] == '\n'); n++)
            if (n + 1 < sizeof(found))
                found[n] = at[n];
    found[n < sizeof(found) ? n : sizeof(found) - 1] = '\0';
    return found;
}

/* Under an emulator /proc says how its process is, and not the program. */
static bool has_names(void)
{
    return !test_emulator();
}

TEST_UNUSED static void check_all_states(const char *text)
{
    for (size_t i = 0; i < TEST_COUNT_OF(states); i++) {
        const char *frames = section(text, states[i].name, states[i].reason);
        if (strncmp(frames, "0x", 2) != 0)
            FAIL("(%s) [%s] isn't there, or without frames: \"%.100s\"", states[i].name,
                 states[i].reason, frames);
        else if (has_names() && (!strstr(frames, "\n0x") || !strstr(frames, "\ncreated by start")))
            FAIL("(%s) hasn't all frames, or no origin: \"%.800s\"", states[i].name, frames);
        CHECK_STR_HAS(frames, " in goroutine 1");
    }
}

/* One whose stack makes no sense. */

static void *_Atomic *return_address;

static TEST_NOINLINE void receives_and_tells_where(void)
{
    return_address = (void *_Atomic *)__builtin_frame_address(0) + 1;
    weft_chan_recv(never, NULL);
    KEEP_FRAME();
}

static void is_broken(void *arg)
{
    (void)arg;
    receives_and_tells_where();
    KEEP_FRAME();
}

TEST_UNUSED static void break_one(void)
{
    never = weft_chan_new(0, 0);
    start("a", sleeps);
    start("broken", is_broken);
    start("b", receives);
    test_until_parked(3);
    *return_address = (void *)(uintptr_t)16;
}

#endif
