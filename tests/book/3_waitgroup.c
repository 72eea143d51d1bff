/* SPDX-License-Identifier: Apache-2.0
 * 3-waitgroup - chapter 3, WaitGroup: waiting for a set of operations whose results come by other ways. Add is called
 * before the goroutine starts: within it, it would race with Wait. */
#include <stdio.h>
#include <weft/weft.h>

struct sleeper {
    weft_waitgroup *all;
    const char *name;
    int64_t ns;
};

static void sleep_and_say(void *arg)
{
    struct sleeper *s = arg;
    printf("%s goroutine sleeping...\n", s->name);
    weft_sleep(s->ns);
    weft_waitgroup_done(s->all);
}

static void wait_for_both(void *arg)
{
    weft_waitgroup all = {0};
    (void)arg;
    weft_waitgroup_add(&all, 1);
    WEFT_GO(sleep_and_say, struct sleeper, &all, "1st", 1);
    weft_waitgroup_add(&all, 1);
    WEFT_GO(sleep_and_say, struct sleeper, &all, "2nd", 2);
    weft_waitgroup_wait(&all);
    printf("All goroutines complete.\n");
}

int main(void)
{
    return weft_run(wait_for_both, NULL, NULL);
}
