/* SPDX-License-Identifier: Apache-2.0
 * text.h - putting short texts together where stdio isn't to be used: in signal handlers. What doesn't
 * fit is cut off; the text always ends in '\0'. */
#ifndef WEFT_ARCH_TEXT_H
#define WEFT_ARCH_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
    char *at, *last; /* where the next character goes, and where only the '\0' may */
};

static inline struct text text_begin(char *buffer, size_t bytes)
{
    buffer[0] = '\0';
    return (struct text){.at = buffer, .last = buffer + bytes - 1};
}

static inline void text_char(struct text *t, char c)
{
    if (t->at == t->last)
        return;
    *t->at++ = c;
    *t->at = '\0';
}

static inline void text_add(struct text *t, const char *s)
{
    while (*s)
        text_char(t, *s++);
}

/* What a program chose may hold anything, a newline that forges a trace included. */
static inline void text_add_printable(struct text *t, const char *s)
{
    for (; *s; s++)
        text_char(t, (unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s);
}

static inline void text_number(struct text *t, uint64_t value, unsigned base, unsigned digits_min)
{
    char digits[24];
    unsigned n = 0;
    for (; (value > 0 || n < digits_min || n == 0) && n < sizeof digits; value /= base)
        digits[n++] = "0123456789abcdef"[value % base];
    while (n > 0)
        text_char(t, digits[--n]);
}

static inline void text_decimal(struct text *t, uint64_t value)
{
    text_number(t, value, 10, 1);
}

static inline void text_hex(struct text *t, uint64_t value)
{
    text_add(t, "0x");
    text_number(t, value, 16, 1);
}

#endif
