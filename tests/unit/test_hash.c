#include "tests/unit/unit.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

static int
setup(void **state)
{
    (void)state;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    return 0;
}

/* FIPS 180-4's own examples. */
static void
test_sha256_agrees_with_the_standard(void **state)
{
    static const struct {
        const char *text, *hex;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
    char hex[HASH_HEX_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        hash_sha256(rows[i].text, strlen(rows[i].text), hex);
        assert_string_equal(hex, rows[i].hex);
    }
}

static void
test_sha256_takes_any_bytes(void **state)
{
    AUTO(mem_free) char *million = mem_alloc(1000000);
    char hex[HASH_HEX_MAX];
    char other[HASH_HEX_MAX];

    (void)state;
    memset(million, 'a', 1000000);
    hash_sha256(million, 1000000, hex);
    assert_string_equal(
        hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    hash_sha256("a\0b", 3, hex);
    hash_sha256("a\0c", 3, other);
    assert_string_not_equal(hex, other);
}

static void
test_digits_and_bytes_are_each_other(void **state)
{
    unsigned char bytes[4];
    char hex[9];

    (void)state;
    assert_true(hash_bytes("00fF7a19ee", bytes, sizeof(bytes)));
    assert_memory_equal(bytes, "\x00\xff\x7a\x19", sizeof(bytes));
    hash_hex(bytes, sizeof(bytes), hex);
    assert_string_equal(hex, "00ff7a19");
    assert_false(hash_bytes("00ff7a1", bytes, sizeof(bytes)));
    assert_false(hash_bytes("00ff7a1g", bytes, sizeof(bytes)));
    assert_false(hash_bytes("", bytes, sizeof(bytes)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sha256_agrees_with_the_standard),
        TEST(test_digits_and_bytes_are_each_other),
        TEST(test_sha256_takes_any_bytes),
    };

    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
