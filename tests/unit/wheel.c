/* SPDX-License-Identifier: Apache-2.0
 * wheel.c - the timing wheel against a model: an array that is searched. */
#include "runtime/time/wheel.h"

#include "../test.h"

enum { ENTRIES = 300 };

struct item {
    struct wheel_entry entry;
    uint64_t added; /* when, by number; 0: it is not in the wheel */
};

static struct item items[ENTRIES];
static uint64_t additions;

static int64_t when_of(const struct item *i)
{
    return atomic_load_explicit(&((struct item *)i)->entry.when, memory_order_relaxed);
}

static void add(struct wheel *w, struct item *i, int64_t when)
{
    atomic_store_explicit(&i->entry.when, when, memory_order_relaxed);
    i->added = ++additions;
    wheel_add(w, &i->entry);
    CHECK(i->entry.place);
}

static void take_out(struct wheel *w, struct item *i)
{
    wheel_remove(w, &i->entry);
    CHECK(!i->entry.place);
    i->added = 0;
}

/* The first by deadline and age. */
static struct item *first_of_all(void)
{
    struct item *first = NULL;
    for (struct item *i = items; i < items + ENTRIES; i++) {
        if (!i->added)
            continue;
        bool before = !first || when_of(i) < when_of(first) ||
                      (when_of(i) == when_of(first) && i->added < first->added);
        first = before ? i : first;
    }
    return first;
}

/* Everything due at now comes out in the model's order, and nothing else. */
static void expire(struct wheel *w, int64_t now)
{
    for (;;) {
        struct item *expected = first_of_all();
        int64_t soonest = wheel_soonest(w);
        if (expected)
            CHECK_LE(soonest, when_of(expected));
        else
            CHECK_EQ(soonest, INT64_MAX);
        struct wheel_entry *e = wheel_expire(w, now);
        if (!expected || when_of(expected) > now) {
            CHECK(!e);
            break;
        }
        CHECK_PTR_EQ(e, &expected->entry);
        REQUIRE(e);
        CHECK(!e->place);
        ((struct item *)e)->added = 0;
    }
    struct item *rest = first_of_all();
    CHECK_GT(wheel_soonest(w), rest ? now : INT64_MAX - 1);
}

/* From a nanosecond to for ever, each size as often as any. */
static int64_t some_duration(uint64_t *seed)
{
    uint64_t random = test_random(seed);
    int64_t ns = (int64_t)(test_random(seed) >> (1 + random % 63));
    return random >> 32 & 1 ? ns : ns & ~INT64_C(1023); /* on a slot's edge */
}

static int64_t later(int64_t now, int64_t ns)
{
    return ns < INT64_MAX - now ? now + ns : INT64_MAX;
}

static struct wheel wheel;

static void start(void)
{
    memset(&wheel, 0, sizeof wheel);
    memset(items, 0, sizeof items);
}

/* Random adds, removals and looks, whose steps are up to 2^step_bits ns. */
static void random_operations(uint64_t *seed, int64_t now, int step_bits)
{
    start();
    for (int n = 0; n < test_scale(4000) + 500; n++) {
        struct item *i = &items[test_random(seed) % ENTRIES];
        switch (test_random(seed) % 8) {
        case 0:
            now = later(now, (int64_t)(test_random(seed) >> (64 - step_bits)));
            expire(&wheel, now);
            break;
        case 1: /* exactly then, and just before */
            if (first_of_all() && when_of(first_of_all()) > now) {
                now = when_of(first_of_all());
                expire(&wheel, now - 1);
                expire(&wheel, now);
            }
            break;
        case 2:
            if (i->added)
                take_out(&wheel, i);
            break;
        case 3: /* past, or shared */
            if (!i->added)
                add(&wheel, i,
                    test_random(seed) % 2 || !first_of_all() ? now - 1000
                                                             : when_of(first_of_all()));
            break;
        default:
            if (!i->added)
                add(&wheel, i, later(now, some_duration(seed)));
        }
    }
    expire(&wheel, INT64_MAX);
    CHECK(!first_of_all());
    CHECK_EQ(wheel_soonest(&wheel), INT64_MAX);
}

TEST(as_the_model)
{
    /* Goal: order, exactness and soonest, for deadlines of all levels and steps of all sizes. */
    uint64_t seed = test_seed();
    for (int step_bits = 1; step_bits < 63; step_bits += 3) {
        random_operations(&seed, 0, step_bits);
        random_operations(&seed, (int64_t)(test_random(&seed) >> 2), step_bits);
    }
}

TEST(each_level_each_slot)
{
    /* Goal: a single entry in each slot of each level comes out at its time, not 1 ns before. */
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        unsigned shift = WHEEL_UNIT_BITS + level * WHEEL_SLOT_BITS;
        unsigned slots = shift + WHEEL_SLOT_BITS > 63 ? 1u << (63 - shift) : WHEEL_SLOTS;
        for (unsigned slot = 0; slot < slots; slot++) {
            start();
            int64_t when = (int64_t)((uint64_t)slot << shift) + 7;
            add(&wheel, &items[0], when);
            CHECK_LE(wheel_soonest(&wheel), when);
            expire(&wheel, when - 1);
            CHECK(items[0].added);
            CHECK_EQ(wheel_soonest(&wheel), when);
            expire(&wheel, when);
            CHECK(!items[0].added);
        }
    }
}

TEST(a_walk_from_look_to_look)
{
    /* Goal: who looks whenever wheel_soonest says so misses nothing, and looks a few times an entry only. */
    uint64_t seed = test_seed();
    start();
    int64_t now = 0;
    int looks = 0, added = 0;
    for (int n = 0; n < 50; n++) {
        for (struct item *i = items; i < items + ENTRIES; i++)
            if (!i->added && test_random(&seed) % 4 == 0) {
                add(&wheel, i, later(now, some_duration(&seed) >> 8));
                added++;
            }
        for (int i = 0; i < 20 && wheel_soonest(&wheel) != INT64_MAX; i++, looks++) {
            now = wheel_soonest(&wheel) > now ? wheel_soonest(&wheel) : now;
            expire(&wheel, now);
        }
    }
    CHECK_LE(looks, 50 * 20);
    CHECK_GT(added, 0);
    /* Nothing was removed, so soonest is exact: each look takes one out or more. */
    int left = 0;
    for (struct item *i = items; i < items + ENTRIES; i++)
        left += i->added != 0;
    CHECK_LE(looks, added - left);
}

TEST(takes_any)
{
    uint64_t seed = test_seed();
    start();
    for (int i = 0; i < ENTRIES; i++)
        add(&wheel, &items[i], some_duration(&seed));
    int taken = 0;
    for (struct wheel_entry *e; (e = wheel_take_any(&wheel)); taken++)
        CHECK(!e->place);
    CHECK_EQ(taken, ENTRIES);
    CHECK_EQ(wheel_soonest(&wheel), INT64_MAX);
}

TEST(many_that_share_a_deadline)
{
    /* Goal: ties by age, whether they came by way of higher levels or straight; in and against order. */
    enum { MANY = 20000 };
    static struct item many[MANY];
    memset(many, 0, sizeof many);
    start();
    for (int i = 0; i < MANY; i++) {
        int64_t when = i < MANY / 2 ? INT64_C(123456789) : INT64_C(123456789) - i % 2;
        atomic_store_explicit(&many[i].entry.when, when, memory_order_relaxed);
        wheel_add(&wheel, &many[i].entry);
        if (i % 1000 == 0)
            CHECK(!wheel_expire(&wheel, (int64_t)i * 6000));
    }
    struct item *last = NULL;
    int out = 0;
    for (struct wheel_entry *e; (e = wheel_expire(&wheel, 123456789)); out++) {
        struct item *i = (struct item *)e;
        CHECK(!last || when_of(i) > when_of(last) || (when_of(i) == when_of(last) && i > last));
        last = i;
    }
    CHECK_EQ(out, MANY);
}

TEST(many_within_a_microsecond)
{
    /* Goal: by the nanosecond, ties by age, however many there are, and some past when they were added. Method: as the model; the microsecond
     * is come to from above or is the cursor's own, and some are removed half way. */
    uint64_t seed = test_seed();
    for (int n = 1; n <= ENTRIES; n += 1 + n / 16) {
        for (int past = 0; past < 2; past++) {
            int64_t base = (INT64_C(1) << 40) + (int64_t)(test_random(&seed) % 2) * 1000000;
            start();
            expire(&wheel, INT64_C(1) << 40);
            for (int i = 0; i < n; i++) {
                int64_t when = base + (int64_t)(test_random(&seed) % 1024);
                add(&wheel, &items[i], past && i % 3 == 0 ? when - 5000000 : when);
            }
            expire(&wheel, base + 300);
            for (int i = 0; i < n; i += 5)
                if (items[i].added)
                    take_out(&wheel, &items[i]);
            expire(&wheel, base + 2000);
            CHECK_EQ(wheel_soonest(&wheel), INT64_MAX);
        }
    }
}
