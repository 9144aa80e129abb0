#include "tests/unit/unit.h"

#include "base/buf.h"

#include "base/mem.h"
#include "triage/parse/demangle.h"

static void
assert_name(const char *mangled, const char *wanted)
{
    char name[DEMANGLE_MAX] = "";

    assert_true(demangle(span_of(mangled), name));
    assert_string_equal(name, wanted);
}

static void
assert_stays(const char *mangled)
{
    char name[DEMANGLE_MAX] = "untouched";

    assert_false(demangle(span_of(mangled), name));
    assert_string_equal(name, "untouched");
}

static void
test_names_of_functions(void **state)
{
    (void)state;
    assert_name("_Z1fv", "f");
    assert_name("__Z1fv", "f");
    assert_name("_ZN2ns1C1fEi", "ns::C::f");
    assert_name("_ZNK2ns1C1fEv", "ns::C::f");
    assert_name("_ZN2ns1CC1Ev", "ns::C::C");
    assert_name("_ZN2ns1CD2Ev", "ns::C::~C");
    assert_name("_ZN12_GLOBAL__N_11fEv", "(anonymous namespace)::f");
    assert_name("_ZL4initv", "init");
    assert_name("_ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_PKc",
                "std::operator<<<std::char_traits<char> >");
    assert_name("_ZN1CixEi", "C::operator[]");
    assert_name("_ZN1CcvbEv", "C::operator bool");
    assert_name("_ZThn16_N1C1fEv", "C::f");
    assert_name("_ZN3foo3barB5cxx11Ev", "foo::bar");
    assert_name("_ZZ1fvENKUlvE_clEv", "f::{lambda()#1}::operator()");
    assert_name("_ZZ1fiENKUlcE1_clEc", "f::{lambda()#3}::operator()");
}

static void
test_template_arguments_and_substitutions(void **state)
{
    (void)state;
    assert_name("_Z1fIiEvv", "f<int>");
    assert_name("_ZN2ns1CIiPKcE1fEv", "ns::C<int, char const*>::f");
    assert_name("_ZN1CIiEC2Ev", "C<int>::C");
    assert_name("_ZN1AI1BIiEE1fEv", "A<B<int> >::f");
    assert_name("_Z1fILi3ELb1EEvv", "f<3, true>");
    assert_name("_Z1fILin3EEvv", "f<-3>");
    assert_name("_Z1fILj8ELm9ELc65EL1E2EEvv", "f<8u, 9ul, (char)65, (E)2>");
    assert_name("_ZN2ns1CIN2ns1DEE1fEv", "ns::C<ns::D>::f");
    assert_name("_ZN2ns1CINS_1DES1_E1fEv", "ns::C<ns::D, ns::D>::f");
    assert_name("_ZNSt6vectorIiSaIiEE9push_backERKi",
                "std::vector<int, std::allocator<int> >::push_back");
    assert_name("_Z1fIJicEEvDpT_", "f<int, char>");
}

static void
test_what_is_beyond_stays_mangled(void **state)
{
    (void)state;
    assert_stays("main");
    assert_stays("_Z");
    assert_stays("_ZN");
    assert_stays("_ZN99999999999999999999fE");
    assert_stays("_ZTV1C");
    assert_stays("_ZN1CIXadL_Z1fvEEE1gEv");
    assert_stays("_ZNS_1fEv");
}

/* Each part names the one before twice: 2^40 bytes if nothing stopped it. */
static void
test_parts_within_each_other_are_bounded(void **state)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    char name[DEMANGLE_MAX];

    (void)state;
    buf_adds(&text, "_Z1fI1AIiE");
    for (int i = 0; i < 40; i++) {
        buf_addf(&text, "1BIS%c_S%c_E", '0' + i % 9, '0' + i % 9);
    }
    buf_adds(&text, "Evv");
    assert_false(demangle((struct span){buf_str(&text), text.len}, name));
    buf_cut(&text, 0);
    buf_adds(&text, "_Z");
    for (int i = 0; i < 500; i++) {
        buf_adds(&text, "N1A");
    }
    assert_false(demangle((struct span){buf_str(&text), text.len}, name));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_functions),
        cmocka_unit_test(test_template_arguments_and_substitutions),
        cmocka_unit_test(test_what_is_beyond_stays_mangled),
        cmocka_unit_test(test_parts_within_each_other_are_bounded),
    };

    return cmocka_run_group_tests_name("demangle", tests, NULL, NULL);
}
