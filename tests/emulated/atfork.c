/* SPDX-License-Identifier: Apache-2.0
 * atfork.c - pthread_atfork, for a library without start files: libc's own, which is linked statically, needs
 * what those define and has no landing pad. */
#include <pthread.h>
#include <stddef.h>

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);

int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return __register_atfork(prepare, parent, child, NULL);
}
