/* Included first by every unit test: cmocka with the headers that it needs before it. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A test with the file's own setup() and teardown(). */
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
