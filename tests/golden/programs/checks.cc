// What logging libraries print before they abort: google-glog's CHECK, abseil's RAW_CHECK and the handler of
// fatal signals of both.
#include <cstdio>
#include <cstring>

#ifdef WITH_GLOG
#include <glog/logging.h>
#else
#include <absl/base/internal/raw_logging.h>
#include <absl/debugging/failure_signal_handler.h>
#include <absl/debugging/symbolize.h>
#endif

#define NOINLINE __attribute__((noinline))

static volatile int count = 3;

NOINLINE static int
check(const char *what)
{
#ifdef WITH_GLOG
    if (strcmp(what, "equal") == 0) {
        CHECK_EQ(count, 4) << "entries";
    }
    CHECK(count > 5);
#else
    ABSL_RAW_CHECK(count > 5, "too few entries");
#endif
    return what[0];
}

NOINLINE static int
null_read(void)
{
    int *volatile nothing = nullptr;

    return *nothing;
}

int
main(int argc, char **argv)
{
#ifdef WITH_GLOG
    google::InitGoogleLogging(argv[0]);
    google::InstallFailureSignalHandler();
#else
    absl::InitializeSymbolizer(argv[0]);
    absl::InstallFailureSignalHandler(absl::FailureSignalHandlerOptions());
#endif
    if (argc == 2 && strcmp(argv[1], "null") == 0) {
        return null_read();
    }
    return argc == 2 ? check(argv[1]) : 64;
}
