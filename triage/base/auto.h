/*
 * Scope-bound ownership. An owner is declared AUTO(x_free) and released when it leaves
 * its scope; ownership leaves early by STEAL(). There is no goto and no hand-placed free.
 */
#ifndef BASE_AUTO_H
#define BASE_AUTO_H

#define AUTO(fn) __attribute__((cleanup(fn##_auto)))

/* Makes fn usable in AUTO() for owners of the given type. */
#define AUTO_DEFINE(type, fn)                                                          \
    static inline void fn##_auto(type *owner) /* NOLINT(bugprone-macro-parentheses) */ \
    {                                                                                  \
        fn(*owner);                                                                    \
    }

/* The same for a function that takes a pointer to an embedded value: x_clear(&v). */
#define AUTO_DEFINE_CLEAR(type, fn)                                                    \
    static inline void fn##_auto(type *owner) /* NOLINT(bugprone-macro-parentheses) */ \
    {                                                                                  \
        fn(owner);                                                                     \
    }

/* Yields the pointer held by a variable and leaves NULL in it. */
#define STEAL(var)                       \
    __extension__({                      \
        __typeof__(var) stolen_ = (var); \
        (var) = NULL;                    \
        stolen_;                         \
    })

/* The number of elements of an array. */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
