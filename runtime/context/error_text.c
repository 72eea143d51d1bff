/* SPDX-License-Identifier: Apache-2.0
 * error_text.c - errors in print: for the operator, and as JSON (RFC 8259). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arch/fail.h"
#include "runtime/context/error.h"

#define UTC_BYTES 40

/* What `print` makes of it, to be freed; NULL without memory. */
static char *text_of(const weft_error *e, void (*print)(const weft_error *e, FILE *f), size_t *size)
{
    char *text = NULL;
    FILE *f = os_fails(FAIL_MEMORY) ? NULL : open_memstream(&text, size);
    if (!f)
        return NULL;
    print(e, f);
    bool failed = ferror(f);
    if (!fclose(f) && !failed)
        return text;
    free(text);
    return NULL;
}

/* As RFC 3339 has it. */
static void format_utc(char out[UTC_BYTES], int64_t unix_ns)
{
    int64_t ns = unix_ns % 1000000000, s = unix_ns / 1000000000;
    if (ns < 0) {
        ns += 1000000000;
        s--;
    }
    time_t seconds = (time_t)s;
    struct tm tm;
    char date[24] = "";
    if (gmtime_r(&seconds, &tm))
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, UTC_BYTES, "%s.%09dZ", date, (int)ns);
}

/* ---- for the operator ---- */

/* A newline in a text goes on indented, so that it can't pass for a line of ours. */
static void print_text(FILE *f, const char *text)
{
    for (; *text; text++) {
        putc(*text, f);
        if (*text == '\n')
            putc('\t', f);
    }
}

static void print_one(const weft_error *e, FILE *f)
{
    char utc[UTC_BYTES];
    print_text(f, e->message);
    fprintf(f, " (code %d)\n", e->code);
    if (e->user_message) {
        fputs("  for the user: ", f);
        print_text(f, e->user_message);
        putc('\n', f);
    }
    if (!e->frames)
        return; /* one that is always there */
    format_utc(utc, e->unix_ns);
    fprintf(f, "  at %s on %s, process %d, goroutine %llu, trace ", utc, e->host, e->process,
            (unsigned long long)e->goroutine);
    print_text(f, e->trace_id);
    putc('\n', f);
    for (const char *line = weft_error_stack(e); *line;) {
        const char *end = strchr(line, '\n');
        fprintf(f, "    %.*s\n", (int)(end - line), line);
        line = end + 1;
    }
}

static void print_all(const weft_error *e, FILE *f)
{
    for (const weft_error *at = e; at; at = at->inner) {
        if (at != e)
            fputs("caused by: ", f);
        print_one(at, f);
    }
}

int weft_error_print(const weft_error *e, FILE *f)
{
    size_t size = 0;
    char *text = text_of(e, print_all, &size);
    if (text) { /* at once, though the stream may be one without a buffer */
        int rc = (size && fwrite(text, size, 1, f) != 1) || fflush(f) ? -errno : 0;
        free(text);
        return rc;
    }
    flockfile(f);
    print_all(e, f);
    int rc = fflush(f) ? -errno : ferror(f) ? -EIO : 0;
    funlockfile(f);
    return rc;
}

/* ---- JSON ---- */

/* How many bytes at s are one character in UTF-8 (RFC 3629: shortest form, no surrogates, up to U+10FFFF); 0:
 * none. */
static unsigned utf8_length(const unsigned char *s)
{
    unsigned char c = s[0], least = 0x80, most = 0xbf;
    if (c < 0x80)
        return 1;
    unsigned n = c >= 0xc2 && c <= 0xdf   ? 2
                 : (c & 0xf0) == 0xe0     ? 3
                 : c >= 0xf0 && c <= 0xf4 ? 4
                                          : 0;
    switch (c) {
    case 0xe0:
        least = 0xa0;
        break;
    case 0xed:
        most = 0x9f;
        break;
    case 0xf0:
        least = 0x90;
        break;
    case 0xf4:
        most = 0x8f;
        break;
    default:
        break;
    }
    if (n == 0 || s[1] < least || s[1] > most)
        return 0;
    for (unsigned i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static void json_string(FILE *f, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    putc('"', f);
    while (*s) {
        unsigned n = utf8_length(s);
        if (n == 0)
            fputs("\\ufffd", f);
        else if (*s == '"' || *s == '\\')
            fprintf(f, "\\%c", *s);
        else if (*s < ' ' || *s == 0x7f)
            fprintf(f, "\\u%04x", *s);
        else
            fwrite(s, 1, n, f);
        s += n ? n : 1;
    }
    putc('"', f);
}

static void json_member(FILE *f, const char *name, const char *text)
{
    fprintf(f, ",\"%s\":", name);
    if (text)
        json_string(f, text);
    else
        fputs("null", f);
}

static void json_one(FILE *f, const weft_error *e)
{
    char utc[UTC_BYTES];
    format_utc(utc, e->unix_ns);
    fprintf(f, "{\"code\":%d", e->code);
    json_member(f, "message", e->message);
    json_member(f, "user_message", weft_error_user_message(e));
    json_member(f, "trace_id", e->trace_id);
    json_member(f, "time", utc);
    fprintf(f, ",\"unix_ns\":%lld", (long long)e->unix_ns);
    json_member(f, "host", e->host);
    fprintf(f, ",\"pid\":%d,\"goroutine\":%llu", e->process, (unsigned long long)e->goroutine);
    json_member(f, "stack", weft_error_stack(e));
    fputs(",\"inner\":", f);
}

static void json_all(const weft_error *e, FILE *f)
{
    size_t depth = 0;
    for (; e; e = e->inner, depth++)
        json_one(f, e);
    fputs("null", f);
    while (depth-- > 0)
        putc('}', f);
}

char *weft_error_json(const weft_error *e)
{
    size_t size;
    char *text = text_of(e, json_all, &size);
    if (!text)
        errno = ENOMEM;
    return text;
}
