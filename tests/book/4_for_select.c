/* SPDX-License-Identifier: Apache-2.0
 * 4-for-select - chapter 4: sending what is iterated over, on a channel, until told to stop. */
#include <stdio.h>
#include <weft/weft.h>

struct sender {
    weft_chan *done, *out;
};

static void send_letters(void *arg)
{
    struct sender *s = arg;
    static const char *const letters[] = {"a", "b", "c"};
    for (int i = 0;; i = (i + 1) % 3)
        if (WEFT_SELECT(WEFT_RECV(s->done, NULL), WEFT_SEND(s->out, &letters[i])) == 0)
            break;
    weft_chan_close(s->out);
    weft_chan_unref(s->done);
    weft_chan_unref(s->out);
}

static void receive_some(void *arg)
{
    const char *letter;
    (void)arg;
    weft_chan *done = weft_chan_new(0, 0), *letters = weft_chan_new(sizeof(const char *), 0);
    WEFT_GO(send_letters, struct sender, weft_chan_ref(done), weft_chan_ref(letters));
    for (int i = 0; i < 3; i++) {
        weft_chan_recv(letters, &letter);
        printf("%s\n", letter);
    }
    weft_chan_close(done);
    while (weft_chan_recv(letters, &letter)) /* one may have been on its way */
        ;
    printf("stopped\n");
    weft_chan_unref(done);
    weft_chan_unref(letters);
}

int main(void)
{
    return weft_run(receive_some, NULL, NULL);
}
