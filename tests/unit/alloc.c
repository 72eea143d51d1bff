/* SPDX-License-Identifier: Apache-2.0
 * alloc.c - magazines and their depot, slabs, stacks. */
#include "../test.h"
#include "alloc/slab.h"
#include "alloc/stack.h"
#include "arch/os.h"

struct object {
    struct depot_node free;
    atomic_int owner; /* 0: nobody */
    int serial;
};

static struct slab_class objects = {.object_bytes = CACHE_LINE};

enum { THREADS = 4, HELD = 50 };

/* Take and give back at random; each object has at most one owner at any time. */
static void *juggle(void *arg)
{
    int self = (int)(intptr_t)arg;
    struct slab_cache cache = {0};
    struct object *held[HELD] = {0};
    uint64_t seed = test_seed() + (uint64_t)self;
    for (int n = test_scale(1000000); n > 0; n--) {
        struct object **slot = &held[test_random(&seed) % HELD];
        int expected = *slot ? self : 0;
        struct object *o = *slot ? *slot : slab_get(&objects, &cache);
        REQUIRE(o);
        if (!atomic_compare_exchange_strong(&o->owner, &expected, *slot ? 0 : self))
            FAIL("thread %d met an object of thread %d", self, expected);
        if (*slot)
            slab_put(&objects, &cache, o);
        *slot = *slot ? NULL : o;
        if (n % 4096 == 0)
            magazine_flush(&cache.free, &objects.depot);
    }
    for (int i = 0; i < HELD; i++) {
        if (!held[i])
            continue;
        atomic_store(&held[i]->owner, 0);
        slab_put(&objects, &cache, held[i]);
    }
    magazine_flush(&cache.free, &objects.depot);
    return NULL;
}

static void count(void *object, void *arg)
{
    CHECK_EQ(atomic_load(&((struct object *)object)->owner), 0);
    ++*(long *)arg;
}

TEST(an_object_has_one_owner_at_a_time)
{
    /* Goal: no object is handed out twice over the depot, and none is lost. Method: threads juggle;
     * afterwards the free ones are as many as were ever carved. */
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, juggle, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    long carved = 0, free_now = 0;
    slab_for_each(&objects, count, &carved);
    for (struct depot_node *batch; (batch = depot_pop(&objects.depot));)
        for (; batch; batch = batch->next)
            free_now++;
    CHECK_EQ(free_now, carved);
    CHECK_LE(carved, (long)THREADS * (HELD + 4 * MAGAZINE_SIZE) * 2);
}

TEST(fresh_objects_are_zero_and_aligned)
{
    struct slab_cache cache = {0};
    static struct slab_class class = {.object_bytes = 3 * CACHE_LINE};
    for (int i = 0; i < 1000; i++) {
        char *o = slab_get(&class, &cache);
        REQUIRE(o);
        CHECK_EQ((uintptr_t)o % CACHE_LINE, (uintptr_t)0);
        for (int b = 0; b < 3 * CACHE_LINE; b++)
            CHECK_EQ(o[b], 0);
        memset(o, 0xff, 3 * CACHE_LINE);
    }
}

static struct stack_class stacks;

__attribute__((constructor)) static void set_stack_bytes(void)
{
    stacks.bytes = os_stack_bytes((size_t)64 << 10);
}

TEST(stacks_are_recycled_last_in_first_out)
{
    struct stack_cache cache = {0};
    struct stack *a = stack_get(&stacks, &cache), *b = stack_get(&stacks, &cache);
    REQUIRE(a && b && a != b);
    stack_put(&stacks, &cache, a);
    stack_put(&stacks, &cache, b);
    struct stack *again = stack_get(&stacks, &cache);
    if (!TEST_TSAN) /* there each is mapped afresh */
        CHECK_PTR_EQ(again, b);
    stack_put(&stacks, &cache, again);
    stack_unmap_all(&stacks);
}

TEST(stack_tops_do_not_share_a_cache_set)
{
    /* Goal: neighbouring stacks start at different offsets in the page. */
    struct stack_cache cache = {0};
    bool used[64] = {false};
    int different = 0;
    for (int i = 0; i < 15; i++) {
        struct stack *s = stack_get(&stacks, &cache);
        REQUIRE(s);
        size_t line = (uintptr_t)stack_top(s) % 4096 / CACHE_LINE;
        different += !used[line];
        used[line] = true;
        CHECK_LE((uintptr_t)stack_top(s) + sizeof *s, (uintptr_t)s->low + s->bytes);
        CHECK_GT((uintptr_t)stack_top(s), (uintptr_t)s->low + s->bytes - 4096);
    }
    CHECK_GE(different, 8); /* a second mapping may start anywhere */
    stack_unmap_all(&stacks);
}

static void overflow(struct stack *s)
{
    REQUIRE(s);
    memset(s->low + os_page(), 1, s->bytes - os_page() - 4096); /* all of it is there */
    fputs("usable", stderr);
    s->low[os_page() - 1] = 1; /* the guard */
}

CHILD(overflow_pooled)
{
    struct stack_cache cache = {0};
    overflow(stack_get(&stacks, &cache));
}

CHILD(overflow_large)
{
    overflow(stack_get_sized((size_t)3 << 20));
}

TEST(below_a_stack_is_a_guard)
{
    /* Goal: running over the end of a stack faults, whatever its size. Method: children that do. */
    static const char *const children[] = {"overflow_pooled", "overflow_large"};
    for (int i = 0; i < 2; i++) {
        static struct test_result result;
        test_spawn(children[i], &result);
        CHECK_STR_HAS(result.err, "usable");
        CHECK(WIFSIGNALED(result.status) || WEXITSTATUS(result.status) != 0);
    }
}
