/* SPDX-License-Identifier: Apache-2.0
 * 4-bridge - chapter 4, the bridge-channel: a channel of channels read as one channel. */
#include <stdio.h>
#include <weft/weft.h>

static void generate_streams(void *arg)
{
    weft_chan *streams = *(weft_chan **)arg;
    for (int i = 0; i < 10; i++) {
        weft_chan *stream = weft_chan_new(sizeof(int), 1);
        weft_chan_send(stream, &i);
        weft_chan_close(stream);
        weft_chan_send(streams, &stream); /* with the reference */
    }
    weft_chan_close(streams);
    weft_chan_unref(streams);
}

static void read_all(void *arg)
{
    (void)arg;
    weft_chan *streams = weft_chan_new(sizeof(weft_chan *), 0);
    WEFT_GO(generate_streams, weft_chan *, weft_chan_ref(streams));
    weft_chan *values = weft_bridge(NULL, streams, sizeof(int));
    WEFT_RANGE(int, v, values) printf("%d ", v);
    printf("\n");
    weft_chan_unref(values);
}

int main(void)
{
    return weft_run(read_all, NULL, NULL);
}
