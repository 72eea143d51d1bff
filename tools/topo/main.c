/* SPDX-License-Identifier: Apache-2.0
 * main.c - weft-topo: how weft lays its Ps on a machine. What the options mean is in docs/topology.md. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "topo.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: weft-topo [--topology TEXT] [--procs N] [--svg FILE]\n"
    "Show on which CPUs weft lays its Ps, and in which order each steals from the others.\n"
    "\n"
    "  --topology TEXT  a machine to look at instead of this one: an hwloc synthetic description\n"
    "                   (\"node:2 core:4 pu:2\") or an XML file; default $WEFT_TOPOLOGY\n"
    "  --procs N        with N Ps, 1 to 1024; default as weft_run: $WEFT_MAXPROCS, else the CPUs\n"
    "                   that may be used\n"
    "  --svg FILE       draw a picture to FILE (-: stdout) instead of printing text\n"
    "  --help           print this\n"
    "  --version        print weft's version\n"
    "\n"
    "L# is hwloc's number, P# the system's, P0 one of weft's Ps. Exit status: 0, 1 when it can't "
    "be\n"
    "done, 2 for wrong usage.\n";

struct options {
    const char *topology, *svg;
    int procs; /* 0: weft's choice */
};

static _Noreturn void wrong_usage(const char *what, const char *value)
{
    if (what)
        fprintf(stderr, "weft-topo: %s%s%s\n", what, value ? ": " : "", value ? value : "");
    fputs("usage: weft-topo [--topology TEXT] [--procs N] [--svg FILE]; see --help\n", stderr);
    exit(EXIT_USAGE);
}

static int read_procs(const char *text)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < 1 || n > LAYOUT_CPUS_MAX)
        wrong_usage("--procs needs a number from 1 to 1024", text);
    return (int)n;
}

static struct options read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"topology", required_argument, NULL, 't'}, {"procs", required_argument, NULL, 'p'},
        {"svg", required_argument, NULL, 's'},      {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},        {0},
    };
    struct options o = {0};
    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) >= 0;) {
        if (c == 't')
            o.topology = optarg;
        else if (c == 'p')
            o.procs = read_procs(optarg);
        else if (c == 's')
            o.svg = optarg;
        else if (c == 'h' || c == 'v')
            exit(printf("%s%s", c == 'h' ? usage : weft_version(), c == 'h' ? "" : "\n") < 0 ||
                 fflush(stdout));
        else
            wrong_usage(NULL, NULL); /* getopt has said what */
    }
    if (optind < argc)
        wrong_usage("no such argument", argv[optind]);
    return o;
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "weft-topo: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

static long place_of(const struct layout_cpu *c, enum level level)
{
    hwloc_obj_t object = view_object(c, level);
    return object ? (long)object->logical_index : -1;
}

static int compare_places(const void *left, const void *right)
{
    const struct layout_cpu *a = *(const struct layout_cpu *const *)left;
    const struct layout_cpu *b = *(const struct layout_cpu *const *)right;
    for (enum level level = LEVEL_NODE; level < LEVELS; level++) {
        long x = place_of(a, level), y = place_of(b, level);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

/* The CPUs, laid out. False: none. */
static bool look_at(struct view *v)
{
    v->usable = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(v->machine));
    if (hwloc_topology_is_thissystem(v->machine))
        hwloc_get_cpubind(v->machine, v->usable, HWLOC_CPUBIND_THREAD);
    layout_lay(&v->layout, v->machine, v->usable);
    v->unusable = (unsigned)hwloc_get_nbobjs_by_type(v->machine, HWLOC_OBJ_PU) - v->layout.cpus;
    for (unsigned i = 0; i < v->layout.cpus; i++)
        v->by_place[i] = &v->layout.cpu[i];
    qsort(v->by_place, v->layout.cpus, sizeof v->by_place[0], compare_places);
    return v->layout.cpus > 0;
}

static void ask_procs(void *arg)
{
    weft_stats stats;
    weft_stats_read(&stats);
    *(unsigned *)arg = (unsigned)stats.procs;
}

static int draw(const struct view *v, const char *path)
{
    bool to_stdout = !path || strcmp(path, "-") == 0;
    FILE *out = to_stdout ? stdout : fopen(path, "we");
    if (!out)
        return fail(path, strerror(errno));
    if (path)
        print_svg(v, out);
    else
        print_text(v, out);
    int rc = ferror(out);
    if (to_stdout ? fflush(out) : fclose(out))
        rc = 1;
    return rc ? fail(to_stdout ? "stdout" : path, "can't write") : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct view view;
    struct options options = read_options(argc, argv);
    const char *env = getenv("WEFT_TOPOLOGY");
    view.description = options.topology ? options.topology : env && *env ? env : NULL;
    char error[LAYOUT_ERROR_BYTES];
    if (layout_load(&view.machine, view.description, error))
        return fail(options.topology ? "--topology" : "WEFT_TOPOLOGY", error);
    if (!look_at(&view))
        return fail("topology", "it has no CPU that may be used");

    weft_config config = {.maxprocs = options.procs, .topology = view.description};
    int rc = weft_run(ask_procs, &view.procs, &config);
    if (rc)
        return fail(rc == -EINVAL ? "WEFT_MAXPROCS must be 1 to 1024" : "weft_run", strerror(-rc));
    rc = draw(&view, options.svg);
    hwloc_bitmap_free(view.usable);
    hwloc_topology_destroy(view.machine);
    return rc;
}
