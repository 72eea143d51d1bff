/* SPDX-License-Identifier: Apache-2.0
 * text.c - the machine as an indented list, and who steals from whom as a table. */
#include <stdlib.h>
#include <string.h>

#include "topo.h"

#define COLUMNS (LAYOUT_TIERS + 2)

static const char *const level_names[LEVELS] = {"NUMANode", "L3", "Core", "PU"};

static void print_object(const struct view *v, FILE *out, enum level level, unsigned depth,
                         const struct layout_cpu *c)
{
    hwloc_obj_t object = view_object(c, level);
    int width =
        fprintf(out, "%*s%s L#%u", (int)(2 * depth), "", level_names[level], object->logical_index);
    if (level == LEVEL_NODE || level == LEVEL_PU)
        width += fprintf(out, " (P#%u)", object->os_index);
    if (level == LEVEL_PU && *view_ps_of(v, c))
        fprintf(out, "%*s%s", width < 28 ? 28 - width : 1, "", view_ps_of(v, c));
    fputc('\n', out);
}

static void print_parts(const struct view *v, FILE *out, enum level level, unsigned depth,
                        unsigned begin, unsigned end)
{
    for (unsigned next; begin < end; begin = next) {
        const struct layout_cpu *c = v->by_place[begin];
        bool shown = view_object(c, level) != NULL;
        next = view_part_end(v, level, begin, end);
        if (shown)
            print_object(v, out, level, depth, c);
        if (level < LEVEL_PU)
            print_parts(v, out, level + 1, depth + shown, begin, next);
    }
}

/* "0-3,8", or "-" for none; the caller frees it. */
static char *list(hwloc_const_bitmap_t set)
{
    char *text = NULL;
    if (hwloc_bitmap_iszero(set))
        return strdup("-");
    hwloc_bitmap_list_asprintf(&text, set);
    return text;
}

/* The cells of P p's row; the caller frees them. */
static void make_row(const struct view *v, unsigned p, char *cells[COLUMNS])
{
    static unsigned victims[LAYOUT_CPUS_MAX];
    unsigned tier_end[LAYOUT_TIERS], n = 0;
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    if (asprintf(&cells[0], "P%u", p) < 0)
        cells[0] = NULL;
    layout_victims(&v->layout, p, v->procs, victims, tier_end);
    for (unsigned tier = 0; tier < LAYOUT_TIERS; tier++) {
        hwloc_bitmap_zero(set);
        for (; n < tier_end[tier]; n++)
            hwloc_bitmap_set(set, victims[n]);
        cells[1 + tier] = list(set);
    }
    bool bound = layout_binding(&v->layout, p, v->procs, v->usable, set);
    cells[COLUMNS - 1] = list(bound ? set : v->usable);
    hwloc_bitmap_free(set);
}

static size_t width_of(const char *cell)
{
    return cell ? strlen(cell) : 0;
}

/* The last column needs no width. */
static void print_row(FILE *out, const char *const cells[COLUMNS], const size_t widths[COLUMNS])
{
    for (unsigned i = 0; i + 1 < COLUMNS; i++)
        fprintf(out, "%-*s  ", (int)widths[i], cells[i] ? cells[i] : "?");
    fprintf(out, "%s\n", cells[COLUMNS - 1] ? cells[COLUMNS - 1] : "?");
}

static void print_table(const struct view *v, FILE *out)
{
    static char *rows[LAYOUT_CPUS_MAX][COLUMNS];
    const char *head[COLUMNS] = {"steals from"};
    size_t widths[COLUMNS];
    for (unsigned tier = 0; tier < LAYOUT_TIERS; tier++)
        head[1 + tier] = view_tier_names[tier];
    head[COLUMNS - 1] = "its threads run on CPUs";
    for (unsigned i = 0; i < COLUMNS; i++)
        widths[i] = width_of(head[i]);
    for (unsigned p = 0; p < v->procs; p++) {
        make_row(v, p, rows[p]);
        for (unsigned i = 0; i < COLUMNS; i++)
            if (width_of(rows[p][i]) > widths[i])
                widths[i] = width_of(rows[p][i]);
    }
    print_row(out, head, widths);
    for (unsigned p = 0; p < v->procs; p++) {
        print_row(out, (const char *const *)rows[p], widths);
        for (unsigned i = 0; i < COLUMNS; i++)
            free(rows[p][i]);
    }
}

static void print_count(FILE *out, unsigned n, const char *one, const char *many)
{
    fprintf(out, "%u %s", n, n == 1 ? one : many);
}

static void print_summary(const struct view *v, FILE *out)
{
    fputs("Machine: ", out);
    print_count(out, view_count(v, LEVEL_NODE), "node", "nodes");
    if (view_count(v, LEVEL_CORE)) {
        fputs(", ", out);
        print_count(out, view_count(v, LEVEL_CORE), "core", "cores");
    }
    fputs(", ", out);
    print_count(out, v->layout.cpus, "CPU", "CPUs");
    if (v->unusable)
        fprintf(out, " (%u more not to be used)", v->unusable);
    fputs("; ", out);
    print_count(out, v->procs, "P\n", "Ps\n");
}

void print_text(const struct view *v, FILE *out)
{
    print_summary(v, out);
    print_parts(v, out, LEVEL_NODE, 1, 0, v->layout.cpus);
    fputc('\n', out);
    print_table(v, out);
}
