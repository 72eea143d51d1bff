/* SPDX-License-Identifier: Apache-2.0
 * 3-directional - chapter 3, channels: a channel of both directions converts to one that only receives or only
 * sends, but never back; the compiler refuses the wrong direction. */
#include <stdio.h>
#include <weft/weft.h>

WEFT_CHAN_TYPE(strings, const char *);

static void say(strings_tx out, const char *what)
{
    strings_send(out, what);
}

static const char *hear(strings_rx in)
{
    const char *what = NULL;
    strings_recv(in, &what);
    return what;
}

static void convert(void *arg)
{
    (void)arg;
    strings stream = strings_new(1);
    say(strings_to_tx(stream), "Hello channels!");
    printf("%s\n", hear(strings_to_rx(stream)));
    strings_unref(stream);
}

int main(void)
{
    return weft_run(convert, NULL, NULL);
}
