/* SPDX-License-Identifier: Apache-2.0
 * topology.c - runs on described machines, and what a run does with the real one: where threads may run
 * and where memory comes from. How Ps are laid out is tested in unit/layout.c. */
#include "../numa.h"
#include "../test.h"
#include "runtime/hooks.h"

static void read_procs(void *arg)
{
    *(int *)arg = (int)test_stats().procs;
}

/* How many processors a run has; its error when it does not start. */
static int procs_of(const weft_config *config)
{
    int procs = 0, rc = weft_run(read_procs, &procs, config);
    return rc ? rc : procs;
}

static weft_config described(const char *text)
{
    return (weft_config){.topology = text};
}

/* How many a machine of so many CPUs gets: all, unless the cgroup has a quota. */
static int expected_procs(int cpus)
{
    weft_config large = described("pu:1000");
    int most = procs_of(&large);
    return cpus < most ? cpus : most;
}

CHILD(configured)
{
    weft_config config = described("node:2 core:4 pu:2"), fewer = config;
    fewer.maxprocs = 5;
    weft_config more = described("node:8 l3:2 core:8 pu:2");
    printf("%d %d %d %d\n", procs_of(&config), procs_of(&fewer), procs_of(&more), procs_of(NULL));
}

TEST(a_described_machine_has_as_many_processors_as_it_says)
{
    /* Goal: maxprocs defaults to the CPUs of the described machine; the next run has the real one's. */
    static struct test_result result;
    char expected[64];
    unsetenv("WEFT_MAXPROCS");
    test_spawn("configured", &result);
    CHECK_EXITED(&result, 0);
    int real = procs_of(NULL);
    snprintf(expected, sizeof expected, "%d 5 %d %d\n", expected_procs(16), expected_procs(256),
             real);
    CHECK_STR_EQ(result.out, expected);
    CHECK_STR_EQ(result.err, "");
}

CHILD(by_environment)
{
    weft_config config = described("core:3 pu:1");
    setenv("WEFT_TOPOLOGY", "node:2 core:2 pu:1", 1);
    printf("%d %d ", procs_of(NULL), procs_of(&config));
    setenv("WEFT_TOPOLOGY", "", 1);
    int real = procs_of(NULL);
    unsetenv("WEFT_TOPOLOGY");
    printf("%d\n", procs_of(NULL) - real);
}

TEST(the_environment_describes_a_machine_unless_the_program_does)
{
    /* Goal: $WEFT_TOPOLOGY counts when config.topology is NULL; empty is as good as unset. */
    static struct test_result result;
    char expected[64];
    test_spawn("by_environment", &result);
    CHECK_EXITED(&result, 0);
    snprintf(expected, sizeof expected, "%d %d 0\n", expected_procs(4), expected_procs(3));
    CHECK_STR_EQ(result.out, expected);
    CHECK_STR_EQ(result.err, "");
}

CHILD(bad)
{
    weft_config config = described("node:two");
    printf("%d ", procs_of(&config));
    config = described("/nonexistent/machine.xml");
    printf("%d ", procs_of(&config));
    config = described("/dev/null");
    printf("%d ", procs_of(&config));
    setenv("WEFT_TOPOLOGY", "what?", 1);
    printf("%d ", procs_of(NULL));
    config = described("core:2 pu:1");
    printf("%d ", procs_of(&config));
    unsetenv("WEFT_TOPOLOGY");
    printf("%d\n", procs_of(NULL) > 0);
}

TEST(a_bad_description_is_named_and_starts_nothing)
{
    static struct test_result result;
    char expected[64];
    test_spawn("bad", &result);
    CHECK_EXITED(&result, 0);
    snprintf(expected, sizeof expected, "%d %d %d %d %d 1\n", -EINVAL, -EINVAL, -EINVAL, -EINVAL,
             expected_procs(2));
    CHECK_STR_EQ(result.out, expected);
    CHECK_STR_EQ(result.err,
                 "weft: config.topology: \"node:two\" is no hwloc synthetic description (such as "
                 "\"node:2 core:4 pu:2\")\n"
                 "weft: config.topology: /nonexistent/machine.xml: no such file\n"
                 "weft: config.topology: /dev/null is no hwloc XML file\n"
                 "weft: WEFT_TOPOLOGY: \"what?\" is no hwloc synthetic description (such as "
                 "\"node:2 core:4 pu:2\")\n");
}

static const char machine_xml[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
    "<topology version=\"2.0\">\n"
    "<object type=\"Machine\" os_index=\"0\" cpuset=\"0x7\" complete_cpuset=\"0x7\" "
    "allowed_cpuset=\"0x7\" nodeset=\"0x1\" complete_nodeset=\"0x1\" allowed_nodeset=\"0x1\">\n"
    "<object type=\"NUMANode\" os_index=\"0\" cpuset=\"0x7\" complete_cpuset=\"0x7\" "
    "nodeset=\"0x1\" complete_nodeset=\"0x1\"/>\n"
    "<object type=\"PU\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" nodeset=\"0x1\" "
    "complete_nodeset=\"0x1\"/>\n"
    "<object type=\"PU\" os_index=\"1\" cpuset=\"0x2\" complete_cpuset=\"0x2\" nodeset=\"0x1\" "
    "complete_nodeset=\"0x1\"/>\n"
    "<object type=\"PU\" os_index=\"2\" cpuset=\"0x4\" complete_cpuset=\"0x4\" nodeset=\"0x1\" "
    "complete_nodeset=\"0x1\"/>\n"
    "</object>\n"
    "</topology>\n";

TEST(an_xml_file_describes_a_machine)
{
    char path[] = "/tmp/weft-machine-XXXXXX.xml";
    int fd = mkstemps(path, 4);
    REQUIRE(fd >= 0 && write(fd, machine_xml, sizeof machine_xml - 1) > 0);
    close(fd);
    weft_config config = described(path);
    CHECK_EQ(procs_of(&config), expected_procs(3));
    unlink(path);
}

enum { MANY = 2000 };
static atomic_int ran;

static void work(void *arg)
{
    weft_waitgroup *all = arg;
    for (int i = 0; i < 20; i++)
        weft_yield();
    atomic_fetch_add(&ran, 1);
    weft_waitgroup_done(all);
}

static void start_many(void *arg)
{
    weft_waitgroup all = {0};
    int n = test_scale_goroutines(MANY);
    weft_waitgroup_add(&all, n);
    for (int i = 0; i < n; i++)
        REQUIRE(weft_go(work, &all) == 0);
    weft_waitgroup_wait(&all);
    *(int *)arg = n;
}

TEST(work_is_done_on_any_described_machine)
{
    /* Goal: goroutines get round and none is lost, whatever the tiers: also those of which some are
     * empty, or with more Ps than CPUs. Method: machines of 1 to 8 nodes, one run each. */
    static const char *const machines[] = {
        "pu:1",
        "core:2 pu:2",
        "node:2 core:2 pu:1",
        "node:2 l3:2 core:1 pu:2",
        "node:4 core:1 pu:2",
        "node:8 core:1 pu:1",
        "[numa] pack:2 [numa] core:2 pu:1",
    };
    for (size_t i = 0; i < TEST_COUNT_OF(machines); i++) {
        test_note_ = machines[i];
        weft_config config = described(machines[i]);
        for (config.maxprocs = 0; config.maxprocs <= 9; config.maxprocs += 3) {
            int started = 0;
            atomic_store(&ran, 0);
            CHECK_EQ(test_run_config(start_many, &started, &config), 0);
            CHECK_EQ(atomic_load(&ran), started);
            CHECK_GT(started, 0);
        }
    }
}

/* ---- the real machine ---- */

static cpu_set_t allowed;
static atomic_int outside;

static void look_where(void *arg)
{
    cpu_set_t now;
    REQUIRE(sched_getaffinity(0, sizeof now, &now) == 0);
    CPU_OR(&now, &now, &allowed);
    if (!CPU_EQUAL(&now, &allowed))
        atomic_fetch_add(&outside, 1);
    work(arg);
}

static void look_all_over(void *arg)
{
    weft_waitgroup all = {0};
    (void)arg;
    for (int i = 0; i < 100; i++) {
        weft_waitgroup_add(&all, 1);
        REQUIRE(weft_go(look_where, &all) == 0);
    }
    weft_waitgroup_wait(&all);
}

TEST(no_thread_leaves_the_cpus_of_the_process)
{
    /* Goal: binding never widens what taskset or a caller has set, and the caller's own mask is as
     * before. Method: with one CPU allowed, look at every goroutine's thread; fewer, as many and more
     * processors than CPUs. */
    cpu_set_t before, after;
    REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
    CPU_ZERO(&allowed);
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && CPU_COUNT(&allowed) == 0; cpu--)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &allowed);
    REQUIRE(sched_setaffinity(0, sizeof allowed, &allowed) == 0);
    for (int procs = 1; procs <= 4; procs++)
        CHECK_EQ(test_run_procs(procs, look_all_over, NULL), 0);
    CHECK_EQ(atomic_load(&outside), 0);
    REQUIRE(sched_getaffinity(0, sizeof after, &after) == 0);
    CHECK(CPU_EQUAL(&after, &allowed));
    sched_setaffinity(0, sizeof before, &before);
}

static void *own_stack(void)
{
    return __builtin_frame_address(0);
}

static void tell_policies(void *arg)
{
    char *small = weft_alloc(100), *large = weft_alloc(4 << 20);
    REQUIRE(small && large);
    small[0] = large[0] = 1;
    printf("%d %d %d\n", numa_preferred(small), numa_preferred(large), numa_preferred(own_stack()));
    weft_free(small);
    weft_free(large);
    weft_waitgroup_done(arg);
}

static void start_teller(void *arg)
{
    weft_waitgroup done = {0};
    (void)arg;
    weft_waitgroup_add(&done, 1);
    REQUIRE(weft_go(tell_policies, &done) == 0);
    weft_waitgroup_wait(&done);
}

/* hwloc is made to believe that this is a machine of two nodes. */
CHILD(two_nodes)
{
    char text[64];
    int node = numa_some_node();
    snprintf(text, sizeof text, "node:2(indexes=%d,%d) core:1 pu:1", node, node + 1);
    setenv("HWLOC_THISSYSTEM", "1", 1);
    weft_config config = {.topology = text, .maxprocs = 1, .no_pin = 1};
    CHECK_EQ(weft_run(start_teller, NULL, &config), 0);
}

CHILD(this_machine)
{
    weft_config config = {.maxprocs = 1};
    CHECK_EQ(weft_run(start_teller, NULL, &config), 0);
}

TEST(memory_comes_from_the_processors_node)
{
    /* Goal: what P 0 allocates and the stacks of what it starts are told P 0's node, where there is a
     * choice of nodes and a kernel that lets us. */
    static struct test_result result;
    char expected[64];
    bool one_node = test_entries("/sys/bus/node/devices") <= 1;
    int node = numa_some_node(), told = numa_can_prefer(node) ? node : NUMA_NONE;
    int block = weft_feature("jemalloc") ? told : NUMA_NONE, stack = TEST_TSAN ? NUMA_NONE : told;
    test_spawn("two_nodes", &result);
    CHECK_EXITED(&result, 0);
    snprintf(expected, sizeof expected, "%d %d %d\n", block, block, stack);
    CHECK_STR_EQ(result.out, expected);
    test_spawn("this_machine", &result);
    CHECK_EXITED(&result, 0);
    if (one_node)
        CHECK_STR_EQ(result.out, "-1 -1 -1\n");
    else if (block != NUMA_NONE)
        CHECK_NE(result.out[0], '-');
}

static atomic_int arrived;

/* The page at p, which has just been touched, is of this CPU's node. */
static void check_near(const char *what, const void *p)
{
    int here = numa_here(), node = numa_node_of(p);
    if (node != here)
        FAIL("%s of P %d is on node %d, told %d, but we are on %d", what, weft_priv_proc(), node,
             numa_preferred(p), here);
}

static TEST_NOINLINE void touch_deep(void)
{
    volatile char deep[20000];
    deep[0] = 1;
    check_near("the depth of a stack", (const char *)deep);
}

static int procs;
static weft_waitgroup touched;

/* One on each processor. */
static void touch(void *arg)
{
    (void)arg;
    atomic_fetch_add(&arrived, 1);
    TEST_COMPUTE_UNTIL(atomic_load(&arrived) >= procs);
    size_t bytes = 4 << 20;
    char *block = weft_alloc(bytes), *small = weft_alloc(64);
    REQUIRE(block && small);
    memset(block, 1, bytes);
    small[0] = 1;
    if (weft_feature("jemalloc")) { /* malloc(3) has Ps share huge pages */
        check_near("a large block's begin", block);
        check_near("a large block's end", block + bytes - 1);
        check_near("a small block", small);
    }
    check_near("the top of a stack", own_stack());
    touch_deep();
    weft_free(block);
    weft_free(small);
    weft_waitgroup_done(&touched);
}

/* Main itself waits: its stack was made by the thread that called weft_run, wherever that ran. */
static void touch_all(void *arg)
{
    weft_waitgroup_add(&touched, procs);
    for (int i = 0; i < procs; i++)
        REQUIRE(weft_go(touch, arg) == 0);
    weft_waitgroup_wait(&touched);
}

CHILD(touches)
{
    procs = procs_of(NULL);
    procs = procs > 64 ? 64 : procs;
    CHECK_EQ(test_run_procs(procs, touch_all, NULL), 0);
    CHECK_EQ(atomic_load(&arrived), procs);
}

TEST(pages_lie_on_the_node_that_runs_the_goroutine)
{
    /* Goal: of each processor's fresh blocks and stacks, large and small, the pages that it touches are
     * its node's. Method: one goroutine on each processor at once, in a new process. It says more the
     * more nodes there are. */
    static struct test_result result;
    if (numa_node_of(&result) == NUMA_NONE && numa_node_of(own_stack()) == NUMA_NONE)
        SKIP("the kernel doesn't tell where pages are");
    unsetenv("WEFT_MAXPROCS");
    test_spawn("touches", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.err, "");
}
