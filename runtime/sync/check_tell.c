/* SPDX-License-Identifier: Apache-2.0
 * check_tell.c - the reports of the lock check.
 *
 *   weft: locks are taken in an order that may deadlock:
 *     goroutine 7 had mutex 0x4052c0, taken at a.c:12, f+0x1f (prog+0x11ff), when it asked for 0x4052c8 at a.c:13, ...
 *     goroutine 8 had mutex 0x4052c8, taken at ...
 *   weft: mutex 0x4052c0 was held for 230 ms by goroutine 7, taken at ..., given back at ... */
#include "runtime/sync/check_tell.h"

#include "arch/os.h"
#include "arch/source.h"
#include "arch/symbol.h"
#include "arch/text.h"

#define NS_PER_MS 1000000
#define NS_PER_S INT64_C(1000000000)
#define REPORTS_MAX 10
#define REPORT_BYTES 8192

static struct {
    os_lock lock;
    int64_t second;   /* when it began */
    unsigned reports; /* in it */
    char text[REPORT_BYTES];
} telling = {.lock = OS_LOCK_INIT};

static void add_owner(struct text *t, uint64_t owner)
{
    text_add(t, owner & THREAD_BIT ? "thread " : "goroutine ");
    text_decimal(t, owner & ~THREAD_BIT);
}

static void add_lock(struct text *t, const void *lock, enum lock_kind kind)
{
    static const char *const names[] = {
        [LOCK_MUTEX] = "mutex ", [LOCK_READ] = "rwmutex (to read) ", [LOCK_WRITE] = "rwmutex "};
    text_add(t, names[kind]);
    text_hex(t, (uintptr_t)lock);
}

static void *write_cycle(void *arg)
{
    const struct lock_cycle *cycle = arg;
    struct text t = text_begin(telling.text, sizeof telling.text);
    text_add(&t, "weft: locks are taken in an order that may deadlock:\n");
    for (unsigned i = 0; i < cycle->n && i < CYCLE_MAX; i++) {
        const struct lock_step *s = &cycle->steps[i];
        text_add(&t, "  ");
        add_owner(&t, s->owner);
        text_add(&t, " had ");
        add_lock(&t, s->lock, s->kind);
        text_add(&t, ", taken at ");
        os_place_add(&t, s->taken, true);
        text_add(&t, ", when it asked for ");
        text_hex(&t, (uintptr_t)s->next);
        text_add(&t, " at ");
        os_place_add(&t, s->asked, true);
        text_char(&t, '\n');
    }
    if (cycle->n > CYCLE_MAX)
        text_add(&t, "  ... and more locks, until the first is asked for\n");
    os_write_stderr(telling.text);
    return NULL;
}

static void *write_hold(void *arg)
{
    const struct lock_hold *hold = arg;
    struct text t = text_begin(telling.text, sizeof telling.text);
    text_add(&t, "weft: ");
    add_lock(&t, hold->lock, hold->kind);
    text_add(&t, hold->over ? " was held for " : " has been held for ");
    text_decimal(&t, (uint64_t)(hold->ns / NS_PER_MS));
    text_add(&t, " ms by ");
    add_owner(&t, hold->owner);
    text_add(&t, ", taken at ");
    os_place_add(&t, hold->taken, true);
    text_add(&t, hold->over ? ", given back at " : ", wanted at ");
    os_place_add(&t, hold->now, true);
    text_char(&t, '\n');
    os_write_stderr(telling.text);
    return NULL;
}

static bool may_tell(void)
{
    int64_t now = os_now();
    if (now - telling.second >= NS_PER_S) {
        telling.second = now;
        telling.reports = 0;
    }
    return telling.reports++ < REPORTS_MAX;
}

static void *prepare(void *arg)
{
    os_source_prepare();
    return arg;
}

static void on_thread(void *(*fn)(void *), void *arg)
{
    os_thread thread;
    if (os_thread_start(&thread, fn, arg) == 0)
        os_thread_join(thread);
}

static void tell(void *(*fn)(void *), const void *what)
{
    os_lock_take(&telling.lock);
    if (may_tell()) {
        on_thread(prepare, NULL);
        on_thread(fn, (void *)what);
        os_source_forget();
        os_symbol_forget();
    }
    os_lock_give(&telling.lock);
}

void lock_tell_cycle(const struct lock_cycle *cycle)
{
    if (cycle->n)
        tell(write_cycle, cycle);
}

void lock_tell_hold(const struct lock_hold *hold)
{
    if (hold->lock)
        tell(write_hold, hold);
}
