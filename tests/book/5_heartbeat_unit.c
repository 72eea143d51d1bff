/* SPDX-License-Identifier: Apache-2.0
 * 5-heartbeat-unit - chapter 5: a goroutine that gives a sign of life at the beginning of each unit of its work. Nobody need
 * listen to it; one beat at most waits to be heard. */
#include <stdio.h>
#include <weft/weft.h>

enum { UNITS = 10 };

struct work {
    weft_chan *done, *results;
    weft_pulse *pulse;
};

static void do_work(void *arg)
{
    struct work w = *(struct work *)arg;
    for (int i = 0; i < UNITS; i++) {
        weft_pulse_beat(w.pulse);
        if (WEFT_SELECT(WEFT_RECV(w.done, NULL), WEFT_SEND(w.results, &i)) == 0)
            break;
    }
    weft_chan_close(w.results);
    weft_chan_unref(w.results);
    weft_chan_unref(w.done);
    weft_pulse_unref(w.pulse);
}

static void listen_to_it(void *arg)
{
    (void)arg;
    weft_chan *done = weft_chan_new(0, 0), *results = weft_chan_new(sizeof(int), 0);
    weft_pulse *pulse = weft_pulse_new(0);
    weft_chan *heartbeat = weft_chan_ref(weft_pulse_chan(pulse));
    struct work w = {weft_chan_ref(done), weft_chan_ref(results), pulse};
    weft_go_copy(do_work, &w, sizeof w);
    int beats = 0, sum = 0;
    bool beats_end = false, results_end = false;
    while (!beats_end || !results_end) {
        bool ok;
        int v;
        if (WEFT_SELECT(WEFT_RECV_OK(beats_end ? NULL : heartbeat, NULL, &ok),
                        WEFT_RECV_OK(results_end ? NULL : results, &v, &ok)) == 0) {
            beats_end = !ok;
            beats += ok;
        } else {
            results_end = !ok;
            sum += ok ? v : 0;
        }
    }
    printf("results: %d\n", sum);
    printf("%s\n", beats >= 1 && beats <= UNITS ? "a beat for a unit, or one for several"
                                                : "it should have beaten");
    weft_chan_unref(heartbeat);
    weft_chan_unref(results);
    weft_chan_close(done);
    weft_chan_unref(done);
}

int main(void)
{
    return weft_run(listen_to_it, NULL, NULL);
}
