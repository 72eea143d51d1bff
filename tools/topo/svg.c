/* SPDX-License-Identifier: Apache-2.0
 * svg.c - the machine as boxes in boxes, and who steals from whom as a matrix of colours. */
#include <limits.h>
#include <string.h>

#include "topo.h"

enum {
    MARGIN = 16,
    GAP = 6,
    LABEL = 16,           /* a box's line of text */
    NODE_WIDTH_MIN = 150, /* its name */
    PU_WIDTH = 74,
    PU_HEIGHT = 36,
    PU_CHARS = 9, /* what fits in a line */
    LEGEND_ROW = 18,
    MATRIX_MAX = 720,
    CELL_MAX = 22,
};

struct size {
    int width, height;
};

struct colour {
    const char *fill, *line;
};

static const struct colour level_colours[LEVELS] = {
    [LEVEL_NODE] = {"#f7f7f7", "#525252"},
    [LEVEL_L3] = {"#e8e8e8", "#969696"},
    [LEVEL_CORE] = {"#ffffff", "#969696"},
};
static const char *const level_names[LEVELS] = {"NUMANode", "L3", "Core", "PU"};

/* The nearer, the darker. */
static const char *const tier_colours[LAYOUT_TIERS] = {"#08306b", "#2e7ebc", "#94c4df", "#deebf7"};

/* ---- boxes in boxes ---- */

static unsigned parts_in(const struct view *v, enum level level, unsigned begin, unsigned end)
{
    unsigned n = 0;
    for (; begin < end; n++)
        begin = view_part_end(v, level, begin, end);
    return n;
}

/* So many that n parts of that size make the squarest box. */
static unsigned columns_for(unsigned n, struct size part)
{
    int best = INT_MAX;
    unsigned columns = 1;
    for (unsigned c = 1; c <= n; c++) {
        int width = (int)c * part.width, height = (int)((n + c - 1) / c) * part.height;
        int side = width > height ? width : height;
        if (side < best) {
            best = side;
            columns = c;
        }
    }
    return columns;
}

static void draw_pu(const struct view *v, FILE *out, const struct layout_cpu *c, int x, int y)
{
    const char *ps = view_ps_of(v, c);
    const char *fill = !*ps ? "#ffffff" : c->nth == 0 ? "#a1d99b" : "#e5f5e0";
    fprintf(out,
            "<g><title>PU L#%u (P#%u): %s</title><rect x=\"%d\" y=\"%d\" width=\"%d\" "
            "height=\"%d\" rx=\"3\" fill=\"%s\" stroke=\"#41ab5d\"/>\n",
            c->pu->logical_index, c->pu->os_index, *ps ? ps : "no P", x, y, PU_WIDTH, PU_HEIGHT,
            fill);
    bool fits = strlen(ps) <= PU_CHARS;
    fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"middle bold\">%.*s%s</text>", x + PU_WIDTH / 2,
            y + 15, fits ? PU_CHARS : (int)strcspn(ps, " "), *ps ? ps : "-", fits ? "" : " ...");
    fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"middle small\">PU P#%u</text></g>\n",
            x + PU_WIDTH / 2, y + 30, c->pu->os_index);
}

static void draw_box(FILE *out, enum level level, hwloc_obj_t object, int x, int y, struct size s)
{
    fprintf(out,
            "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\" fill=\"%s\" "
            "stroke=\"%s\"/>\n<text x=\"%d\" y=\"%d\">%s L#%u",
            x, y, s.width, s.height, level_colours[level].fill, level_colours[level].line, x + GAP,
            y + 13, level_names[level], object->logical_index);
    if (level == LEVEL_NODE)
        fprintf(out, " (P#%u)", object->os_index);
    fputs("</text>\n", out);
}

/* One part at a level, with all that is in it; out NULL: only measure. Where nothing is shown at the level its
 * parts stand without a box. */
static struct size draw_part(const struct view *v, FILE *out, enum level level, unsigned begin,
                             unsigned end, int x, int y);

static struct size draw_parts(const struct view *v, FILE *out, enum level level, unsigned begin,
                              unsigned end, int x, int y)
{
    struct size all = {0}, row = {0};
    struct size first = draw_part(v, NULL, level, begin, view_part_end(v, level, begin, end), 0, 0);
    unsigned columns = columns_for(parts_in(v, level, begin, end), first), column = 0;
    for (unsigned next; begin < end; begin = next) {
        next = view_part_end(v, level, begin, end);
        if (column == columns) {
            all.height += row.height + GAP;
            row = (struct size){0};
            column = 0;
        }
        int left = column ? row.width + GAP : 0;
        struct size s = draw_part(v, out, level, begin, next, x + left, y + all.height);
        row.width = left + s.width;
        row.height = s.height > row.height ? s.height : row.height;
        all.width = row.width > all.width ? row.width : all.width;
        column++;
    }
    all.height += row.height;
    return all;
}

static struct size draw_part(const struct view *v, FILE *out, enum level level, unsigned begin,
                             unsigned end, int x, int y)
{
    const struct layout_cpu *c = v->by_place[begin];
    if (level == LEVEL_PU) {
        if (out)
            draw_pu(v, out, c, x, y);
        return (struct size){PU_WIDTH, PU_HEIGHT};
    }
    hwloc_obj_t object = view_object(c, level);
    if (!object)
        return draw_parts(v, out, level + 1, begin, end, x, y);
    struct size s = draw_parts(v, NULL, level + 1, begin, end, 0, 0);
    s.width += 2 * GAP;
    if (level == LEVEL_NODE && s.width < NODE_WIDTH_MIN)
        s.width = NODE_WIDTH_MIN;
    s.height += LABEL + 2 * GAP;
    if (out) {
        draw_box(out, level, object, x, y, s);
        draw_parts(v, out, level + 1, begin, end, x + GAP, y + LABEL + GAP);
    }
    return s;
}

/* ---- the matrix: a row for each thief, a column for each victim ---- */

static int cell_size(const struct view *v)
{
    int cell = MATRIX_MAX / (int)v->procs;
    return cell > CELL_MAX ? CELL_MAX : cell < 1 ? 1 : cell;
}

/* Neighbours of one tier are one rectangle. */
static void draw_row(const struct view *v, FILE *out, unsigned p, int x, int y)
{
    int cell = cell_size(v), line = cell > 4 ? 1 : 0;
    for (unsigned begin = 0, end; begin < v->procs; begin = end) {
        enum layout_tier tier = layout_tier(&v->layout, p, begin);
        end = begin + 1;
        if (begin == p)
            continue;
        while (!line && end < v->procs && end != p && layout_tier(&v->layout, p, end) == tier)
            end++;
        fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n",
                x + (int)begin * cell, y, (int)(end - begin) * cell - line, cell - line,
                tier_colours[tier]);
    }
}

static void draw_matrix(const struct view *v, FILE *out, int x, int y)
{
    int cell = cell_size(v);
    unsigned step = 1;
    while ((int)step * cell < 26)
        step *= 2;
    for (unsigned p = 0; p < v->procs; p++) {
        draw_row(v, out, p, x, y + (int)p * cell);
        if (p % step)
            continue;
        int middle = (int)p * cell + cell / 2;
        fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"end small\">P%u</text>\n", x - 4,
                y + middle + 4, p);
        fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"middle small\">%u</text>\n", x + middle,
                y - 4, p);
    }
}

static void draw_legend(FILE *out, int x, int y)
{
    for (unsigned tier = 0; tier < LAYOUT_TIERS; tier++, y += LEGEND_ROW)
        fprintf(out,
                "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\" "
                "stroke=\"#969696\"/><text x=\"%d\" y=\"%d\">%u. %s</text>\n",
                x, y, tier_colours[tier], x + 18, y + 11, tier + 1, view_tier_names[tier]);
}

static void put_escaped(FILE *out, const char *text)
{
    for (; *text; text++)
        if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else if ((unsigned char)*text >= ' ')
            fputc(*text, out);
}

static void put_title(const struct view *v, FILE *out)
{
    fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"bold\">", MARGIN, MARGIN + 8);
    put_escaped(out, v->description ? v->description : "This machine");
    fprintf(out, ": %u CPU%s, %u P%s</text>\n", v->layout.cpus, v->layout.cpus == 1 ? "" : "s",
            v->procs, v->procs == 1 ? "" : "s");
}

void print_svg(const struct view *v, FILE *out)
{
    struct size machine = draw_parts(v, NULL, LEVEL_NODE, 0, v->layout.cpus, 0, 0);
    int top = MARGIN + 24, side = cell_size(v) * (int)v->procs;
    int matrix_x = MARGIN + machine.width + 3 * MARGIN, matrix_y = top + 34;
    int legend_y = matrix_y + side + MARGIN;
    int width = matrix_x + (side > 240 ? side : 240) + MARGIN; /* the text above the matrix */
    int height = legend_y + (int)LAYOUT_TIERS * LEGEND_ROW + MARGIN;
    if (height < top + machine.height + MARGIN)
        height = top + machine.height + MARGIN;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n<style>.middle{text-anchor:middle}"
            ".end{text-anchor:end}.small{font-size:10px}.bold{font-weight:bold}</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
            width, height);
    put_title(v, out);
    draw_parts(v, out, LEVEL_NODE, 0, v->layout.cpus, MARGIN, top);
    fprintf(out, "<text x=\"%d\" y=\"%d\">P (row) steals from P (column), dark first</text>\n",
            matrix_x, top + 11);
    draw_matrix(v, out, matrix_x, matrix_y);
    draw_legend(out, matrix_x, legend_y);
    fputs("</svg>\n", out);
}
