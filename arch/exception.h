/* SPDX-License-Identifier: Apache-2.0
 * exception.h - exceptions of C++ code, without a C++ runtime of our own: what the Itanium C++ ABI says of them. */
#ifndef WEFT_ARCH_EXCEPTION_H
#define WEFT_ARCH_EXCEPTION_H

#include <stddef.h>

/* What a C++ runtime keeps for each thread (Itanium C++ ABI, exception handling, 2.2.2). All zero: no catch block
 * is entered, and nothing is on its way. */
struct os_exceptions {
    void *caught;          /* exceptions that are being handled, the last one first */
    unsigned int uncaught; /* how many are on their way */
};

/* Look for a C++ runtime in this process. */
void os_exceptions_find(void);

/* That of the calling thread, as long as it lives. NULL: no C++ runtime has been found. */
struct os_exceptions *os_exceptions_here(void);

/* What an exception says: its what() if it is a std::exception, else what it is. */
struct _Unwind_Exception;
void os_exception_text(const struct _Unwind_Exception *e, char *text, size_t n);

/* What the calling thread is handling, the last one; NULL: nothing. */
void *os_exceptions_caught(void);

/* Nobody will catch it any more, and `caught` was being handled where it was thrown. Catch blocks entered since then have been left
 * without the C++ runtime's knowing. One that was thrown again and is being handled stays: it is its handler's. Objects that go
 * are destroyed, by code of the program's. */
void os_exception_drop(struct _Unwind_Exception *e, const void *caught);

/* The catch blocks entered since then have been left: what only they handled goes. */
void os_exceptions_leave(const void *caught);

/* One is about to leave a function that weft has called, and nobody below that has caught it: it still stands where it
 * was thrown. Defined by the fail room. */
_Noreturn void os_exception_escapes(struct _Unwind_Exception *e);

#endif
