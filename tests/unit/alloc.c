/* SPDX-License-Identifier: Apache-2.0
 * alloc.c - magazines and their depot, slabs, spares, stacks, and which NUMA node they lie on. */
#include "alloc/alloc.h"
#include "../numa.h"
#include "../test.h"

#include "alloc/slab.h"
#include "alloc/spares.h"
#include "alloc/stack.h"
#include "arch/os.h"
#include <sys/mman.h>

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

TEST(spares_are_kept_up_to_a_bound)
{
    /* Goal: what was freed last comes back first; no more than alloc_spares_most are kept (none under a sanitizer), and all can
     * be given up. Method: one more than that. */
    struct spares spares = {0};
    size_t most = alloc_spares_most;
    void **blocks = calloc(most + 1, sizeof *blocks);
    REQUIRE(blocks);
    for (size_t i = 0; i <= most; i++) {
        blocks[i] = alloc_aligned(CACHE_LINE, CACHE_LINE);
        REQUIRE(blocks[i]);
        CHECK_EQ(spares_put(&spares, blocks[i]), i < most);
    }
    for (size_t i = most; i-- > 0;)
        CHECK_PTR_EQ(spares_get(&spares), blocks[i]);
    CHECK_PTR_EQ(spares_get(&spares), NULL);
    for (size_t i = 0; i < most; i++)
        CHECK(spares_put(&spares, blocks[i]));
    spares_free(&spares);
    CHECK_PTR_EQ(spares_get(&spares), NULL);
    alloc_free(blocks[most]);
    free(blocks);
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

enum { TRIMMED = 4 * MAGAZINE_SIZE };

static size_t resident(char *const *lows)
{
    size_t pages = 0;
    for (int i = 0; i < TRIMMED; i++) {
        unsigned char in[16];
        size_t n = stacks.bytes / os_page();
        REQUIRE(n <= sizeof in && mincore(lows[i], stacks.bytes, in) == 0);
        for (size_t page = 0; page < n; page++)
            pages += in[page] & 1;
    }
    return pages;
}

TEST(idle_stacks_give_their_memory_back)
{
    /* Goal: stacks that nobody needs between two trims lose their pages, all but those in the P's own cache,
     * and can be used again. Method: mincore; what is used again must be the same stacks, writable. */
    static struct stack_cache cache;
    static struct stack *taken[TRIMMED];
    static char *lows[TRIMMED];
    if (TEST_TSAN || test_emulator() || 4 * os_page() > stacks.bytes)
        SKIP("no stack is used again, there is no mincore, or a page holds a whole stack");
    for (int round = 0; round < 2; round++) {
        size_t carved = atomic_load(&stacks.carved);
        for (int i = 0; i < TRIMMED; i++) {
            REQUIRE((taken[i] = stack_get(&stacks, &cache)) != NULL);
            lows[i] = taken[i]->low;
            memset(lows[i] + os_page(), 1, 3 * os_page());
        }
        if (round > 0)
            CHECK_EQ(atomic_load(&stacks.carved), carved);
        for (int i = 0; i < TRIMMED; i++)
            stack_put(&stacks, &cache, taken[i]);
        CHECK_GE(resident(lows), 4 * TRIMMED);
        stack_trim(&stacks); /* begins to watch */
        CHECK(stack_trim(&stacks) == false);
        CHECK_LE(resident(lows), 4 * (2 * MAGAZINE_SIZE + 1));
    }
    cache = (struct stack_cache){0};
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

#ifdef WEFT_TEST_BUILD
CHILD(stacks_without_guards)
{
    enum { STACKS = 4 * MAGAZINE_SIZE };
    struct stack_cache cache = {0};
    struct stack *all[STACKS];
    setenv("WEFT_GUARDS", "0", 1);
    for (int round = 0; round < 2; round++) { /* the second time some were cold */
        for (int i = 0; i < STACKS; i++) {
            REQUIRE(all[i] = stack_get(&stacks, &cache));
            CHECK_EQ(all[i]->guard, GUARD_NONE);
            CHECK(!stack_overran(all[i]));
        }
        for (int i = 0; i < STACKS; i++)
            stack_put(&stacks, &cache, all[i]);
        stacks_flush(&stacks, &cache);
        stack_trim(&stacks);
        stack_trim(&stacks);
    }
    struct stack *s = stack_get(&stacks, &cache);
    s->low[100] = 1;
    CHECK(stack_overran(s));
    puts("done");
}

TEST(a_stack_without_a_guard_is_known_for_it)
{
    /* Goal: also when the kernel has had its memory back; and a byte in the place of the guard is found. */
    static struct test_result result;
    test_spawn("stacks_without_guards", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.out, "done\n");
}
#endif

/* What is preferred for memory that was told `node`: none where the kernel refuses. */
static int told(int node)
{
    return numa_can_prefer(node) ? node : NUMA_NONE;
}

TEST(stacks_are_told_their_node)
{
    /* Goal: a slab of stacks comes from the node that the cache is placed on, down to the last page.
     * Method: the kernel is asked for the policy of stacks of a placed and of an unplaced cache. */
    int node = numa_some_node();
    struct stack_cache placed = {.place = (unsigned)node + 1}, anywhere = {0};
    struct stack *s = stack_get(&stacks, &placed), *other = stack_get(&stacks, &anywhere);
    REQUIRE(s && other);
    int expected = TEST_TSAN ? NUMA_NONE : told(node); /* there they come from no slab */
    CHECK_EQ(numa_preferred(s), expected);
    CHECK_EQ(numa_preferred(s->low + os_page()), expected);
    CHECK_EQ(numa_preferred(other), NUMA_NONE);
    if (expected == node)
        CHECK_EQ(numa_node_of(s), node);
    stack_unmap_all(&stacks);
    if (TEST_TSAN)
        stack_unmap(s), stack_unmap(other);
}

static const size_t block_sizes[] = {16, 4000, 100000, 5 << 20};

static void check_blocks(struct alloc_arena *arena, int node)
{
    void *blocks[TEST_COUNT_OF(block_sizes)];
    alloc_bind(arena);
    for (size_t i = 0; i < TEST_COUNT_OF(block_sizes); i++) {
        blocks[i] = alloc_zeroed(CACHE_LINE, block_sizes[i]);
        REQUIRE(blocks[i]);
        CHECK_EQ(numa_preferred(blocks[i]), node);
        CHECK_EQ(numa_preferred((char *)blocks[i] + block_sizes[i] - 1), node);
        if (node != NUMA_NONE)
            CHECK_EQ(numa_node_of(blocks[i]), node);
    }
    for (size_t i = 0; i < TEST_COUNT_OF(block_sizes); i++)
        alloc_free(blocks[i]);
    alloc_bind(NULL);
}

TEST(an_arenas_memory_is_told_its_node)
{
    /* Goal: whatever an arena allocates comes from the node that it is placed on; also when it is placed
     * only after it was used, for what it then maps anew. malloc(3) is never told. */
    static struct alloc_arena placed, anywhere, late; /* arenas stay */
    int node = numa_some_node(), expected = alloc_has_arenas() ? told(node) : NUMA_NONE;
    alloc_place(&placed, (unsigned)node + 1);
    for (int round = 0; round < 3; round++) /* from the thread's cache, too */
        check_blocks(&placed, expected);
    check_blocks(&anywhere, NUMA_NONE);

    alloc_bind(&late);
    void *before = alloc_aligned(CACHE_LINE, 100);
    alloc_place(&late, (unsigned)node + 1);
    char *after = alloc_aligned(CACHE_LINE, (size_t)16 << 20); /* more than it has mapped */
    REQUIRE(before && after);
    CHECK_EQ(numa_preferred(after + ((size_t)15 << 20)), expected);
    alloc_free(before);
    alloc_free(after);
    alloc_bind(NULL);
}
