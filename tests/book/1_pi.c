/* SPDX-License-Identifier: Apache-2.0
 * 1-pi - chapter 1, determining concurrency safety: CalculatePi with three signatures. Into an array the caller has
 * to know who synchronises; one that returns does it all itself; a channel shows that it runs concurrently. The digits
 * are those of the spigot of Rabinowitz and Wagon (1995). */
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

enum { DIGITS = 50 };

/* The next digits of a spigot that makes DIGITS of them. */
static void calculate(int64_t begin, int64_t end, char *digits)
{
    enum { CELLS = DIGITS * 10 / 3 + 2 };
    int cells[CELLS], held = 0, nines = 0, n = 0;
    for (int i = 0; i < CELLS; i++)
        cells[i] = 2;
    for (int64_t step = 0; n < end + 1; step++) {
        int carry = 0;
        for (int i = CELLS; i-- > 0;) {
            int value = 10 * cells[i] + carry * (i + 1);
            cells[i] = i ? value % (2 * i + 1) : value % 10;
            carry = i ? value / (2 * i + 1) : value / 10;
        }
        if (carry == 9) {
            nines++;
            continue;
        }
        for (int i = step == 0 ? 1 : 0; i <= nines; i++, n++)
            if (n >= begin && n < end)
                digits[n - begin] = (char)('0' + (i == 0 ? held + carry / 10 : carry > 9 ? 0 : 9));
        held = carry % 10;
        nines = 0;
    }
}

/* ---- into an array of the caller's ---- */

struct part {
    weft_waitgroup *done;
    int64_t begin, end;
    char *pi;
};

static void calculate_part(void *arg)
{
    struct part *p = arg;
    calculate(p->begin, p->end, p->pi + p->begin);
    weft_waitgroup_done(p->done);
}

static void into_array(char *pi)
{
    weft_waitgroup done = {0};
    weft_waitgroup_add(&done, 2);
    WEFT_GO(calculate_part, struct part, &done, 0, DIGITS / 2, pi);
    WEFT_GO(calculate_part, struct part, &done, DIGITS / 2, DIGITS, pi);
    weft_waitgroup_wait(&done);
}

/* ---- returned ---- */

static char *returned(void)
{
    char *pi = malloc(DIGITS);
    calculate(0, DIGITS, pi);
    return pi;
}

/* ---- by a channel ---- */

static void send_digits(void *arg)
{
    weft_chan *out = arg;
    char pi[DIGITS];
    calculate(0, DIGITS, pi);
    for (int i = 0; i < DIGITS; i++)
        weft_chan_send(out, &pi[i]);
    weft_chan_close(out);
    weft_chan_unref(out);
}

static weft_chan *streamed(void)
{
    weft_chan *out = weft_chan_new(sizeof(char), 0);
    weft_go(send_digits, weft_chan_ref(out));
    return out;
}

static void three_ways(void *arg)
{
    char pi[DIGITS];
    (void)arg;
    into_array(pi);
    printf("%.*s\n", DIGITS, pi);
    char *same = returned();
    printf("%.*s\n", DIGITS, same);
    free(same);
    weft_chan *stream = streamed();
    WEFT_RANGE(char, digit, stream) putchar(digit);
    putchar('\n');
    weft_chan_unref(stream);
}

int main(void)
{
    return weft_run(three_ways, NULL, NULL);
}
