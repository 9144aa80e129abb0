#include "triage/pattern.h"

#include <errno.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/auto.h"
#include "base/mem.h"

enum { STEPS_MAX = 20000, HEAP_MAX_KIB = 1024 };

AUTO_DEFINE(pcre2_code *, pcre2_code_free)
AUTO_DEFINE(pcre2_match_data *, pcre2_match_data_free)
AUTO_DEFINE(pcre2_match_context *, pcre2_match_context_free)

static pcre2_code *
compile(const char *pattern, int *code, PCRE2_SIZE *at)
{
    return pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_ANCHORED, code,
                         at, NULL);
}

int
pattern_check(const char *pattern, struct err *err)
{
    PCRE2_UCHAR why[256] = "";
    PCRE2_SIZE at = 0;
    int code = 0;
    AUTO(pcre2_code_free) pcre2_code *compiled = compile(pattern, &code, &at);

    if (compiled != NULL) {
        return 0;
    }
    (void)pcre2_get_error_message(code, why, sizeof(why));
    return err_set(err, -EINVAL, "'%s' is no pattern: %s at its character %zu", pattern,
                   (const char *)why, (size_t)at + 1);
}

bool
pattern_matches(const char *pattern, const char *text)
{
    PCRE2_SIZE at = 0;
    int code = 0;
    AUTO(pcre2_code_free) pcre2_code *compiled = compile(pattern, &code, &at);
    AUTO(pcre2_match_data_free)
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    AUTO(pcre2_match_context_free)
    pcre2_match_context *context = pcre2_match_context_create(NULL);

    if (match == NULL || context == NULL) {
        abort();
    }
    (void)pcre2_set_match_limit(context, STEPS_MAX);
    (void)pcre2_set_depth_limit(context, STEPS_MAX);
    (void)pcre2_set_heap_limit(context, HEAP_MAX_KIB);
    return compiled != NULL && pcre2_match(compiled, (PCRE2_SPTR)text, strlen(text), 0, 0,
                                           match, context) >= 0;
}
