/* SPDX-License-Identifier: Apache-2.0
 * exception.c - arch/exception.h. An exception's object follows its header for unwinders, its type lies at a fixed distance
 * before that (in libstdc++ and libc++abi alike), and type_info objects have the layout that the ABI gives them
 * (2.9.5), so the base class std::exception can be found without a line of C++.
 *
 * Rejected: std::set_terminate(), which is the program's own, and comes when nothing can be caught any more. */
#include "arch/exception.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include "arch/atomic.h"

#define CLASS_GNU UINT64_C(0x474e5543432b2b00)  /* "GNUCC++\0" */
#define CLASS_LLVM UINT64_C(0x434c4e47432b2b00) /* "CLNGC++\0" */
#define DEPENDENT 1u   /* last letter of the class: one from std::rethrow_exception() */
#define TYPE_BEFORE 80 /* so far before the unwinder's header */
#define PRIMARY_BEFORE_LLVM 88

/* NOLINTBEGIN(bugprone-reserved-identifier) */
__attribute__((weak)) struct os_exceptions *__cxa_get_globals(void);
__attribute__((weak)) void *__cxa_begin_catch(void *e);
__attribute__((weak)) void __cxa_end_catch(void);
/* NOLINTEND(bugprone-reserved-identifier) */
__attribute__((weak)) char *__cxa_demangle(const char *name, char *buf, size_t *n,
                                           int *status); /* NOLINT */

/* A C++ runtime. */
struct runtime {
    struct os_exceptions *(*globals)(void);
    void *(*begin_catch)(void *e);
    void (*end_catch)(void);
};

static const struct runtime linked = {__cxa_get_globals, __cxa_begin_catch, __cxa_end_catch};
static struct runtime loaded; /* written before `runtime` points to it, and never again */
static _Atomic(const struct runtime *) runtime = &linked;

/* One that came with a plugin may be hidden from all but that. */
static bool look_in(const char *library)
{
    void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    if (!handle)
        return false;
    *(void **)&loaded.globals = dlsym(handle, "__cxa_get_globals");
    *(void **)&loaded.begin_catch = dlsym(handle, "__cxa_begin_catch");
    *(void **)&loaded.end_catch = dlsym(handle, "__cxa_end_catch");
    dlclose(handle);
    return loaded.globals && loaded.begin_catch && loaded.end_catch;
}

void os_exceptions_find(void)
{
    if (atomic_load_relaxed(&runtime)->globals)
        return;
    if (look_in("libstdc++.so.6") || look_in("libc++abi.so.1"))
        atomic_store_release(&runtime, &loaded);
}

struct os_exceptions *os_exceptions_here(void)
{
    const struct runtime *r = atomic_load_acquire(&runtime);
    return r->globals ? r->globals() : NULL;
}

void *os_exceptions_caught(void)
{
    const struct os_exceptions *here = os_exceptions_here();
    return here ? here->caught : NULL;
}

/* ---- what it says ---- */

struct type {
    const void *const *methods;
    const char *name;
};

struct type_single { /* one public base, at the beginning */
    struct type type;
    const struct type *base;
};

struct type_multiple {
    struct type type;
    unsigned int flags, bases;
    struct {
        const struct type *type;
        long offset_flags;
    } base[];
};
#define BASE_VIRTUAL 1 /* its offset is one in the table of methods */
#define BASE_PUBLIC 2
#define BASE_SHIFT 8

#define WHAT 2 /* what() among the methods of std::exception, after two destructors */

static const struct type *type_at(const void *at)
{
    return *(const struct type *const *)at;
}

/* The type of a type's record says which of the records above it is. */
static bool is_kind(const struct type *t, const char *kind)
{
    return strcmp(type_at(t->methods - 1)->name, kind) == 0;
}

/* Its std::exception in an object of type t; NULL: it has none, or nobody may see it. */
static const void *std_exception_in(const struct type *t, const char *object)
{
    if (strcmp(t->name, "St9exception") == 0)
        return object;
    if (is_kind(t, "N10__cxxabiv120__si_class_type_infoE"))
        return std_exception_in(((const struct type_single *)t)->base, object);
    if (!is_kind(t, "N10__cxxabiv121__vmi_class_type_infoE"))
        return NULL;
    const struct type_multiple *m = (const struct type_multiple *)t;
    for (unsigned i = 0; i < m->bases; i++) {
        long flags = m->base[i].offset_flags, offset = flags >> BASE_SHIFT;
        if (!(flags & BASE_PUBLIC))
            continue;
        if (flags & BASE_VIRTUAL)
            offset = *(const long *)(*(const char *const *)object + offset);
        const void *found = std_exception_in(m->base[i].type, object + offset);
        if (found)
            return found;
    }
    return NULL;
}

/* NULL: of another language. */
static const struct type *thrown(const struct _Unwind_Exception *e, const char **object)
{
    const char *header = (const char *)e;
    uint64_t class = e->exception_class & ~(uint64_t)UINT8_MAX;
    bool dependent = (e->exception_class & UINT8_MAX) == DEPENDENT;
    *object = header + sizeof *e;
    if (class != CLASS_GNU && class != CLASS_LLVM)
        return NULL;
    if (dependent && class == CLASS_LLVM) {
        *object = *(const char *const *)(header - PRIMARY_BEFORE_LLVM);
    } else if (dependent) {
        *object = *(const char *const *)(header - TYPE_BEFORE);
        header = *object - sizeof *e;
    }
    return type_at(header - TYPE_BEFORE);
}

static void name_type(const struct type *t, char *text, size_t n)
{
    const char *name = t->name + (*t->name == '*'); /* '*': compared by address */
    int status = 0;
    char *readable = __cxa_demangle ? __cxa_demangle(name, NULL, NULL, &status) : NULL;
    snprintf(text, n, "exception of type %s", readable ? readable : name);
    free(readable);
}

void os_exception_text(const struct _Unwind_Exception *e, char *text, size_t n)
{
    const char *object;
    const struct type *t = thrown(e, &object);
    const void *standard = t ? std_exception_in(t, object) : NULL;
    if (!t) {
        snprintf(text, n, "exception of another language than C++");
    } else if (!standard) {
        name_type(t, text, n);
    } else {
        const char *(*what)(const void *);
        *(const void **)&what = (*(const void *const *const *)standard)[WHAT];
        snprintf(text, n, "%s", what(standard));
    }
}

void os_exceptions_leave(const void *caught)
{
    const struct runtime *r = atomic_load_acquire(&runtime);
    for (void *last; (last = os_exceptions_caught()) && last != caught;)
        r->end_catch();
}

/* As if it had been caught right there. The runtime counts an exception's handlers, and has negated the count of one that is thrown
 * again: only begin_catch sets that right. Deleted instead it would be gone under its handler; left alone, it would
 * go when the handler throws it once more. */
void os_exception_drop(struct _Unwind_Exception *e, const void *caught)
{
    const struct runtime *r = atomic_load_acquire(&runtime);
    const char *object;
    os_exceptions_leave(caught);
    if (!thrown(e, &object) || !r->begin_catch) {
        _Unwind_DeleteException(e);
        return;
    }
    r->begin_catch(e);
    r->end_catch();
}

/* ---- where it stops ---- */

#pragma weak os_exception_escapes /* tests of arch/ alone have no fail room */

/* Of the frames below which the functions run that weft calls. In the search for a handler nothing has been unwound yet. */
_Unwind_Reason_Code arch_personality(int version, _Unwind_Action actions,
                                     _Unwind_Exception_Class class, struct _Unwind_Exception *e,
                                     struct _Unwind_Context *frame)
    __attribute__((visibility("hidden")));

_Unwind_Reason_Code arch_personality(int version, _Unwind_Action actions,
                                     _Unwind_Exception_Class class, struct _Unwind_Exception *e,
                                     struct _Unwind_Context *frame)
{
    (void)version, (void)class, (void)frame;
    if (actions & _UA_SEARCH_PHASE && os_exception_escapes)
        os_exception_escapes(e);
    return _URC_CONTINUE_UNWIND; /* a thread's end by force goes on */
}
