#include "triage/stack_rules.h"

#include <assert.h>
#include <pthread.h>

#include "base/str.h"
#include "triage/parse/words.h"

const char stack_reason_main[] = "main: the program's frame around everything";

static const char sanitizer[] = "the sanitizer's own code";
const char stack_reason_engine[] = "the fuzzing engine";
static const char entry[] =
    "the fuzz target's entry point, without a source file to name it by";
static const char string[] =
    "a memory or string function of the C library: the bug is its caller's";
static const char library[] = "the C library";
static const char memory[] = "the allocator";
static const char leaving[] = "how a program ends: abort, exit, signals";
static const char assertion[] = "what prints or raises a failed assertion";
static const char logging[] = "the logging library's fatal message";
const char stack_reason_starting[] = "what runs before main or starts a thread";
static const char cxx[] = "the C++ runtime and standard library";
static const char rust[] = "Rust's standard library and panic machinery";
static const char golang[] = "Go's runtime";
static const char dumping[] = "prints a stack trace";
static const char nameless[] = "no name: an operator or frame that names no code";
static const char testing[] = "the test framework";
static const char container[] =
    "a wrapper of the project's base library that all code runs through";
static const char windows[] = "Windows' runtime and exception handling";
static const char kernel[] = "the kernel's report, not its bug";

#define NATIVE LANGUAGE_NATIVE
#define GO     LANGUAGE_GO

/* Origin: ClusterFuzz's ignore list (stacktraces/constants.py), retold with boundaries;
 * the rows marked "ours" are not in it. */
static const struct stack_rule rules[] = {
    /* sanitizers */
    {RULE_PREFIX, NATIVE, "__asan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__asan::", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__hwasan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__hwasan::", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__lsan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__lsan::", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__msan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__msan::", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__tsan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__tsan::", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__ubsan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__ubsan::", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__sanitizer_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__sanitizer::", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__interceptor_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "___interceptor_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "_asan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "_hwasan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "_lsan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "_msan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "_tsan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "_ubsan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "_sanitizer_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__kasan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "kasan_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "agent::asan::", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "asan.module_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "asan_rtl_", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "asan_Heap", sanitizer, NULL, false},
    {RULE_EXACT, NATIVE, "asan_thread_start", sanitizer, NULL, false},
    {RULE_EXACT, NATIVE, "asan_malloc", sanitizer, NULL, false},
    {RULE_EXACT, NATIVE, "asan_free", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "asan_check_access", sanitizer, NULL, false},
    {RULE_EXACT, NATIVE, "check_memory_region", sanitizer, NULL, false},
    {RULE_EXACT, NATIVE, "MSanAtExitWrapper", sanitizer, NULL, false},
    {RULE_LAST, NATIVE, "ASAN_OnSIGSEGV", sanitizer, NULL, false},
    {RULE_EXACT, NATIVE, "CFCrash", sanitizer, NULL, false},
    /* helpers of interceptors, nameless without debug information (ours) */
    {RULE_EXACT, NATIVE, "printf_common", sanitizer, NULL, true},
    {RULE_EXACT, NATIVE, "scanf_common", sanitizer, NULL, true},
    {RULE_EXACT, NATIVE, "MemcmpInterceptorCommon", sanitizer, NULL, true},
    {RULE_EXACT, NATIVE, "StrstrCheck", sanitizer, NULL, true},
    {RULE_EXACT, NATIVE, "StrtolFixAndCheck", sanitizer, NULL, true},
    {RULE_EXACT, NATIVE, "read_iovec", sanitizer, NULL, true},
    {RULE_EXACT, NATIVE, "write_iovec", sanitizer, NULL, true},
    {RULE_EXACT, NATIVE, "read_msghdr", sanitizer, NULL, true},
    {RULE_EXACT, NATIVE, "write_msghdr", sanitizer, NULL, true},
    {RULE_EXACT, NATIVE, "SignalAction", sanitizer, NULL, false},
    {RULE_EXACT, NATIVE, "SignalHandler", sanitizer, NULL, false},
    {RULE_PATH, NATIVE, "/sanitizer_common/", sanitizer, NULL, false},
    {RULE_PATH, NATIVE, "/compiler-rt/", sanitizer, NULL, false},  /* ours */
    {RULE_PATH, NATIVE, "/libsanitizer/", sanitizer, NULL, false}, /* ours: gcc's */
    {RULE_MODULE, NATIVE, "libclang_rt.", sanitizer, NULL, false},
    {RULE_MODULE, NATIVE, "libasan.so", sanitizer, NULL, false},  /* ours */
    {RULE_MODULE, NATIVE, "libubsan.so", sanitizer, NULL, false}, /* ours */
    {RULE_MODULE, NATIVE, "liblsan.so", sanitizer, NULL, false},  /* ours */
    {RULE_MODULE, NATIVE, "libtsan.so", sanitizer, NULL, false},  /* ours */
    {RULE_MODULE, NATIVE, "asan_osx_dynamic.dylib", sanitizer, NULL, false},

    /* engines */
    {RULE_PREFIX, NATIVE, "fuzzer::", stack_reason_engine, NULL, false},
    {RULE_PREFIX, NATIVE, "libfuzzer_sys::", stack_reason_engine, NULL, false},
    {RULE_EXACT, NATIVE, "rust_fuzzer_test_input", stack_reason_engine, NULL, false},
    {RULE_EXACT, NATIVE, "LLVMFuzzerRunDriver", stack_reason_engine, NULL,
     false}, /* ours */
    {RULE_EXACT, NATIVE, "ExitCallback", stack_reason_engine, NULL, false},
    {RULE_EXACT, NATIVE, "TestOneProtoInput", stack_reason_engine, NULL, false},
    {RULE_PREFIX, NATIVE, "base::FuzzedDataProvider", stack_reason_engine, NULL, false},
    {RULE_PREFIX, NATIVE, "fuzztest::internal::", testing, NULL, false},
    {RULE_PREFIX, NATIVE, "centipede::", stack_reason_engine, NULL, false},
    {RULE_PATH, NATIVE, "third_party/fuzztest/", testing, NULL, false},
    {RULE_PATH, NATIVE, "/googletest/", testing, NULL, false},
    {RULE_PATH, NATIVE, "/libfuzzer-sys-", stack_reason_engine, NULL, false},
    {RULE_PATH, NATIVE, "/memorycmp.c", stack_reason_engine, NULL,
     false}, /* honggfuzz's wrappers */
    {RULE_PATH, NATIVE, "/aflpp_driver.c", stack_reason_engine, NULL, false},  /* ours */
    {RULE_EXACT, NATIVE, "__afl_fuzz_main", stack_reason_engine, NULL, false}, /* ours */
    {RULE_EXACT, NATIVE, "ExecuteFilesOnyByOne", stack_reason_engine, NULL,
     false}, /* ours: libAFLDriver */
    {RULE_EXACT, NATIVE, "LLVMFuzzerTestOneInput", entry, NULL, true},

    /* the C library */
    {RULE_LIBC, NATIVE, "memcmp", string, NULL, false},
    {RULE_LIBC, NATIVE, "memcpy", string, NULL, false},
    {RULE_LIBC, NATIVE, "memmove", string, NULL, false},
    {RULE_LIBC, NATIVE, "memset", string, NULL, false},
    {RULE_LIBC, NATIVE, "strcmp", string, NULL, false},
    {RULE_LIBC, NATIVE, "strcpy", string, NULL, false},
    {RULE_LIBC, NATIVE, "strdup", string, NULL, false},
    {RULE_LIBC, NATIVE, "strlen", string, NULL, false},
    {RULE_LIBC, NATIVE, "strncpy", string, NULL, false},
    {RULE_LIBC, NATIVE, "malloc", memory, NULL, false},
    {RULE_LIBC, NATIVE, "calloc", memory, NULL, false},
    {RULE_LIBC, NATIVE, "realloc", memory, NULL, false},
    {RULE_LIBC, NATIVE, "free", memory, NULL, false},
    {RULE_LIBC, NATIVE, "cfree", memory, NULL, false},
    {RULE_LIBC, NATIVE, "memalign", memory, NULL, false},
    {RULE_LIBC, NATIVE, "aligned_alloc", memory, NULL, false},
    {RULE_LIBC, NATIVE, "posix_memalign", memory, NULL, false},
    {RULE_LIBC, NATIVE, "reallocarray", memory, NULL, false},
    {RULE_LIBC, NATIVE, "valloc", memory, NULL, false},
    {RULE_LIBC, NATIVE, "pvalloc", memory, NULL, false},
    {RULE_LIBC, NATIVE, "int_malloc", memory, NULL, false},
    {RULE_LIBC, NATIVE, "int_free", memory, NULL, false},
    {RULE_LIBC, NATIVE, "int_realloc", memory, NULL, false},
    {RULE_LIBC, NATIVE, "malloc_printerr", memory, NULL, false},
    {RULE_LIBC, NATIVE, "malloc_consolidate", memory, NULL, false},
    {RULE_LIBC, NATIVE, "malloc_usable_size", memory, NULL, false},
    {RULE_LIBC, NATIVE, "unlink_chunk", memory, NULL, true},
    {RULE_LIBC, NATIVE, "munmap_chunk", memory, NULL, true},
    {RULE_LIBC, NATIVE, "abort", leaving, NULL, false},
    {RULE_LIBC, NATIVE, "raise", leaving, NULL, false},
    {RULE_LIBC, NATIVE, "exit", leaving, NULL, false},
    {RULE_LIBC, NATIVE, "gsignal", leaving, NULL, false},
    {RULE_LIBC, NATIVE, "tgkill", leaving, NULL, false},
    {RULE_LIBC, NATIVE, "pthread_kill", leaving, NULL, false},
    {RULE_LIBC, NATIVE, "pthread_kill_implementation", leaving, NULL, false},
    {RULE_LIBC, NATIVE, "pthread_kill_internal", leaving, NULL, false},
    {RULE_LIBC, NATIVE, "run_exit_handlers", leaving, NULL, false},
    {RULE_LIBC, NATIVE, "fortify_fail", assertion, NULL, false},
    {RULE_LIBC, NATIVE, "fortify_fail_abort", assertion, NULL, false},
    {RULE_EXACT, NATIVE, "__chk_fail", assertion, NULL, false},
    {RULE_EXACT, NATIVE, "__stack_chk_fail", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "__assert_", assertion, NULL, false},
    {RULE_EXACT, NATIVE, "__assert", assertion, NULL, false},
    {RULE_EXACT, NATIVE, "__assert2", assertion, NULL, false},
    {RULE_EXACT, NATIVE, "_wassert", assertion, NULL, false},
    {RULE_EXACT, NATIVE, "__android_log_assert", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "__libc_", library, NULL, false},
    {RULE_PREFIX, NATIVE, "__GI_", library, NULL, false},
    {RULE_PREFIX, NATIVE, "__aeabi_", library, NULL, false},
    {RULE_PREFIX, NATIVE, "aeabi_", library, NULL, false},
    {RULE_PREFIX, NATIVE, "_L_unlock_", library, NULL, false},
    {RULE_PREFIX, NATIVE, "__pthread_kill", leaving, NULL, false},
    {RULE_EXACT, NATIVE, "_start", stack_reason_starting, NULL, false},
    {RULE_EXACT, NATIVE, "_etext", stack_reason_starting, NULL, false},
    {RULE_EXACT, NATIVE, "start_thread", stack_reason_starting, NULL,
     false}, /* ours, as the next three */
    {RULE_LIBC, NATIVE, "clone", stack_reason_starting, NULL, true},
    {RULE_LIBC, NATIVE, "clone3", stack_reason_starting, NULL, true},
    {RULE_LIBC, NATIVE, "pthread_create", stack_reason_starting, NULL, false},
    {RULE_EXACT, NATIVE, "__cxx_global_var_init", stack_reason_starting, NULL, true},
    {RULE_EXACT, NATIVE, "main", stack_reason_main, NULL, false},
    {RULE_PATH, NATIVE, "/glibc-", library, NULL, false},
    {RULE_PATH, NATIVE, "/eglibc-", library, NULL, false},
    {RULE_PATH, NATIVE, "bionic/libc/", library, NULL, false},
    {RULE_PATH, NATIVE, "/crosstool/", library, NULL, false},
    {RULE_PATH, NATIVE, "/lib/gcc/", library, NULL, false},
    {RULE_PATH, NATIVE, "/llvm-build/", library, NULL, false},
    {RULE_PATH, NATIVE, "/AOSP-toolchain/", library, NULL, false},
    {RULE_PATH, NATIVE, "/jemalloc/", memory, NULL, false},
    {RULE_PATH, NATIVE, "/tcmalloc/", memory, NULL, false},
    {RULE_MODULE, NATIVE, "/libc.so", library, NULL, false},
    {RULE_MODULE, NATIVE, "/libc-2.", library, NULL, false},
    {RULE_MODULE, NATIVE, "libpthread", library, NULL, false},
    {RULE_MODULE, NATIVE, "/libm.so", library, NULL, false}, /* ours */
    {RULE_MODULE, NATIVE, "libgcc_s.so", library, NULL, false},
    {RULE_MODULE, NATIVE, "linux-gate.so", library, NULL, false},
    {RULE_MODULE, NATIVE, "[vdso]", library, NULL, false},
    {RULE_MODULE, NATIVE, "/ld-linux", stack_reason_starting, NULL, false}, /* ours */
    /* what else clang 17's runtime names without "__interceptor_" (ours) */
    {RULE_LIBC, NATIVE, "memchr", string, NULL, true},
    {RULE_LIBC, NATIVE, "memrchr", string, NULL, true},
    {RULE_LIBC, NATIVE, "rawmemchr", string, NULL, true},
    {RULE_LIBC, NATIVE, "memmem", string, NULL, true},
    {RULE_LIBC, NATIVE, "mempcpy", string, NULL, true},
    {RULE_LIBC, NATIVE, "bcmp", string, NULL, true},
    {RULE_LIBC, NATIVE, "strcat", string, NULL, true},
    {RULE_LIBC, NATIVE, "strncat", string, NULL, true},
    {RULE_LIBC, NATIVE, "strncmp", string, NULL, true},
    {RULE_LIBC, NATIVE, "strcasecmp", string, NULL, true},
    {RULE_LIBC, NATIVE, "strncasecmp", string, NULL, true},
    {RULE_LIBC, NATIVE, "strchr", string, NULL, true},
    {RULE_LIBC, NATIVE, "strrchr", string, NULL, true},
    {RULE_LIBC, NATIVE, "strchrnul", string, NULL, true},
    {RULE_LIBC, NATIVE, "strstr", string, NULL, true},
    {RULE_LIBC, NATIVE, "strcasestr", string, NULL, true},
    {RULE_LIBC, NATIVE, "strspn", string, NULL, true},
    {RULE_LIBC, NATIVE, "strcspn", string, NULL, true},
    {RULE_LIBC, NATIVE, "strpbrk", string, NULL, true},
    {RULE_LIBC, NATIVE, "strtok", string, NULL, true},
    {RULE_LIBC, NATIVE, "strnlen", string, NULL, true},
    {RULE_LIBC, NATIVE, "strndup", string, NULL, true},
    {RULE_LIBC, NATIVE, "stpcpy", string, NULL, true},
    {RULE_LIBC, NATIVE, "wcslen", string, NULL, true},
    {RULE_LIBC, NATIVE, "wcsnlen", string, NULL, true},
    {RULE_LIBC, NATIVE, "wcscat", string, NULL, true},
    {RULE_LIBC, NATIVE, "wcscpy", string, NULL, true},
    {RULE_LIBC, NATIVE, "wmemcpy", string, NULL, true},
    {RULE_LIBC, NATIVE, "atoi", library, NULL, true},
    {RULE_LIBC, NATIVE, "atol", library, NULL, true},
    {RULE_LIBC, NATIVE, "atoll", library, NULL, true},
    {RULE_LIBC, NATIVE, "strtol", library, NULL, true},
    {RULE_LIBC, NATIVE, "strtoll", library, NULL, true},
    {RULE_LIBC, NATIVE, "printf", library, NULL, true},
    {RULE_LIBC, NATIVE, "fprintf", library, NULL, true},
    {RULE_LIBC, NATIVE, "sprintf", library, NULL, true},
    {RULE_LIBC, NATIVE, "snprintf", library, NULL, true},
    {RULE_LIBC, NATIVE, "vprintf", library, NULL, true},
    {RULE_LIBC, NATIVE, "vfprintf", library, NULL, true},
    {RULE_LIBC, NATIVE, "vsprintf", library, NULL, true},
    {RULE_LIBC, NATIVE, "vsnprintf", library, NULL, true},
    {RULE_LIBC, NATIVE, "vasprintf", library, NULL, true},
    {RULE_LIBC, NATIVE, "asprintf", library, NULL, true},
    {RULE_LIBC, NATIVE, "puts", library, NULL, true},
    {RULE_LIBC, NATIVE, "fputs", library, NULL, true},
    {RULE_LIBC, NATIVE, "scanf", library, NULL, false},
    {RULE_LIBC, NATIVE, "sscanf", library, NULL, true},
    {RULE_LIBC, NATIVE, "fscanf", library, NULL, true},
    {RULE_LIBC, NATIVE, "vsscanf", library, NULL, true},
    {RULE_LIBC, NATIVE, "fread", library, NULL, true},
    {RULE_LIBC, NATIVE, "fwrite", library, NULL, true},
    {RULE_LIBC, NATIVE, "fgets", library, NULL, true},
    {RULE_LIBC, NATIVE, "fclose", library, NULL, true},
    {RULE_LIBC, NATIVE, "fseek", library, NULL, true},
    {RULE_LIBC, NATIVE, "read", library, NULL, true},
    {RULE_LIBC, NATIVE, "pread", library, NULL, true},
    {RULE_LIBC, NATIVE, "write", library, NULL, true},
    {RULE_LIBC, NATIVE, "pwrite", library, NULL, true},
    {RULE_LIBC, NATIVE, "recv", library, NULL, true},
    {RULE_LIBC, NATIVE, "recvfrom", library, NULL, true},
    {RULE_LIBC, NATIVE, "send", library, NULL, true},
    {RULE_LIBC, NATIVE, "qsort", library, NULL, true},
    {RULE_LIBC, NATIVE, "qsort_r", library, NULL, true},
    {RULE_LIBC, NATIVE, "bsearch", library, NULL, true},
    {RULE_PREFIX, NATIVE, "pthread_", library, NULL, true},
    {RULE_LIBC, NATIVE, "longjmp", library, NULL, true},
    {RULE_LIBC, NATIVE, "siglongjmp", library, NULL, true},

    /* C++ */
    {RULE_PREFIX, NATIVE, "operator new", memory, NULL, false},
    {RULE_PREFIX, NATIVE, "operator delete", memory, NULL, false},
    {RULE_EXACT, NATIVE, "operator()", nameless, NULL, false},
    {RULE_EXACT, NATIVE, "operator", nameless, NULL, false},
    {RULE_EXACT, NATIVE, "operator->", nameless, NULL, false},
    {RULE_EXACT, NATIVE, "operator*", nameless, NULL, false},
    {RULE_EXACT, NATIVE, "operator[]", nameless, NULL, false},
    {RULE_EXACT, NATIVE, "operator=", nameless, NULL, false},
    {RULE_EXACT, NATIVE, "delete", memory, NULL, false},
    {RULE_EXACT, NATIVE, "abort_message", leaving, NULL, false},
    {RULE_EXACT, NATIVE, "demangling_terminate_handler", leaving, NULL, false},
    {RULE_EXACT, NATIVE, "_objc_terminate", leaving, NULL, false},
    {RULE_EXACT, NATIVE, "std::__terminate", leaving, NULL, false},
    {RULE_EXACT, NATIVE, "std::terminate", leaving, NULL, false},
    {RULE_EXACT, NATIVE, "__cxxabiv1::__terminate", leaving, NULL, false},
    {RULE_PREFIX, NATIVE, "__gnu_cxx::__verbose_terminate", leaving, NULL, false},
    {RULE_PREFIX, NATIVE, "__cxa_throw", cxx, NULL, false},
    {RULE_PREFIX, NATIVE, "__cxa_rethrow", cxx, NULL, false},
    {RULE_PREFIX, NATIVE, "__cxa_atexit", cxx, NULL, false},
    {RULE_PREFIX, NATIVE, "generic_cpp_", cxx, NULL, false},
    {RULE_EXACT, NATIVE, "stdext::exception::what", cxx, NULL, false},
    {RULE_PREFIX, NATIVE, "std::", cxx, NULL, true},        /* ours */
    {RULE_PREFIX, NATIVE, "__gnu_cxx::", cxx, NULL, false}, /* ours */
    {RULE_PATH, NATIVE, "/include/c++/", cxx, NULL, false}, /* ours */
    {RULE_PATH, NATIVE, "/libc++", cxx, NULL, false},
    {RULE_PATH, NATIVE, "libc++/", cxx, NULL, false},
    {RULE_PATH, NATIVE, "/libstdc++-v3/", cxx, NULL, false}, /* ours */
    {RULE_MODULE, NATIVE, "/libc++.so", cxx, NULL, false},
    {RULE_MODULE, NATIVE, "/libc++_shared.so", cxx, NULL, false},
    {RULE_MODULE, NATIVE, "/libc++abi.so", cxx, NULL, false}, /* ours */
    {RULE_MODULE, NATIVE, "/libstdc++.so", cxx, NULL, false},

    /* assertions and logging of well-known projects */
    {RULE_EXACT, NATIVE, "Abort", leaving, NULL, false},
    {RULE_EXACT, NATIVE, "common_exit", leaving, NULL, false},
    {RULE_EXACT, NATIVE, "exit_or_terminate_process", leaving, NULL, false},
    {RULE_EXACT, NATIVE, "g_log", logging, NULL, false},
    {RULE_EXACT, NATIVE, "g_logv", logging, NULL, false},
    {RULE_PREFIX, NATIVE, "g_log_", logging, NULL, true},
    {RULE_EXACT, NATIVE, "g_assertion_message", assertion, NULL, false},
    {RULE_EXACT, NATIVE, "g_assertion_message_expr", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "absl::log_internal::", logging, NULL, false},
    {RULE_PREFIX, NATIVE, "google::LogMessage", logging, NULL, false}, /* ours */
    {RULE_PREFIX, NATIVE, "logging::LogMessage", logging, NULL, false},
    {RULE_PREFIX, NATIVE, "logging::CheckError", logging, NULL, false},
    {RULE_PREFIX, NATIVE, "logging::ErrnoLogMessage", logging, NULL, false},
    {RULE_PREFIX, NATIVE, "syslog::LogMessage", logging, NULL, false},
    {RULE_LAST, NATIVE, "DefaultDcheckHandler", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "WTFCrash", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "X11Error", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "SkDebugf", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "sk_abort_no_print", assertion, NULL, false},
    {RULE_EXACT, NATIVE, "SkAbort_FileLine", assertion, NULL, false},
    {RULE_PATH, NATIVE, "skia/include/private/base/", container, NULL, false},
    {RULE_PREFIX, NATIVE, "absl::Cleanup", container, NULL, false},
    {RULE_PREFIX, NATIVE, "absl::cleanup_internal::", container, NULL, false},
    {RULE_PREFIX, NATIVE, "V8_Fatal", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "v8::base::OS::Abort", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "v8::internal::Isolate::PushStackTraceAndDie", assertion, NULL,
     false},
    {RULE_PREFIX, NATIVE, "v8::api_internal::ToLocalEmpty", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "blink::ReportV8FatalError", assertion, NULL, false},
    {RULE_LAST, NATIVE, "StackDumpSignalHandler", dumping, NULL, false},
    {RULE_PREFIX, NATIVE, "base::debug::BreakDebugger", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "base::debug::CollectStackTrace", dumping, NULL, false},
    {RULE_PREFIX, NATIVE, "base::debug::StackTrace::StackTrace", dumping, NULL, false},
    {RULE_PREFIX, NATIVE, "base::android::CheckException", assertion, NULL, false},
    {RULE_PREFIX, NATIVE, "base::allocator", memory, NULL, false},
    {RULE_PREFIX, NATIVE, "allocator_shim::", memory, NULL, false},
    {RULE_PREFIX, NATIVE, "PartitionAlloc", memory, NULL, false},
    {RULE_PREFIX, NATIVE, "mozalloc_", memory, NULL, false},
    {RULE_EXACT, NATIVE, "New", container, "base/memory/singleton", false},
    {RULE_PREFIX, NATIVE, "WTF::", container, NULL, false},
    {RULE_PATH, NATIVE, "/bindings/ToV8.h", container, NULL, false},
    {RULE_EXACT, NATIVE, "SbSystemBreakIntoDebugger", assertion, NULL, false},
    {RULE_LAST, NATIVE, "ForceCrashOnSigAbort", assertion, NULL, false},
    {RULE_EXACT, NATIVE, "IsSandboxedProcess", container, NULL, false},
    {RULE_PREFIX, NATIVE, "art::Thread::CreateNativeThread", container, NULL, false},
    {RULE_PREFIX, LANGUAGE_JVM, "android.app.ActivityManagerProxy.", container, NULL,
     false},
    {RULE_PREFIX, LANGUAGE_JVM, "android.os.Parcel.", container, NULL, false},
    {RULE_PREFIX, NATIVE, "_swift_stdlib_", library, NULL, false},
    {RULE_EXACT, NATIVE, "CrashTrampolineAsm", sanitizer, NULL, false},
    {RULE_PREFIX, NATIVE, "__zx_panic", assertion, NULL, false},
    {RULE_EXACT, NATIVE, "fpehandler", leaving, NULL, false},
    {RULE_EXACT, NATIVE, "libc_io_functions_not_implemented_use_fdio_instead", library,
     NULL, false},

    /* Rust */
    {RULE_PREFIX, NATIVE, "alloc::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "core::fmt::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "core::panicking::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "core::panic::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "core::result::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "core::option::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "core::slice::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "core::str::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "core::ops::function::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "panic_abort::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "std::panic", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "std::process::abort", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "std::sys::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "std::sys_common::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "std::io::Write::write_fmt", rust, NULL, false},
    {RULE_EXACT, NATIVE, "rust_begin_unwind", rust, NULL, false},
    {RULE_EXACT, NATIVE, "rust_oom", rust, NULL, false},
    {RULE_EXACT, NATIVE, "rust_panic", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "rust_panic_", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "__rust_", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "__rg_", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "_$LT$alloc..", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "_$LT$core..", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "_$LT$std..", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "<alloc::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "<core::", rust, NULL, false},
    {RULE_PREFIX, NATIVE, "<std::", rust, NULL, false},
    {RULE_PATH, NATIVE, "/rustc/", rust, NULL, false},
    {RULE_PATH, NATIVE, "/rustlib/src/rust/", rust, NULL, false},
    {RULE_PATH, NATIVE, "/usr/src/rustc-", rust, NULL, false}, /* ours: Debian's */

    /* Go */
    {RULE_PREFIX, GO, "runtime.", golang, NULL, false},
    {RULE_PREFIX, NATIVE, "runtime.", golang, NULL, false},
    {RULE_EXACT, GO, "panic", golang, NULL, false},
    {RULE_EXACT, GO, "main.LLVMFuzzerTestOneInput", stack_reason_engine, NULL, false},
    {RULE_PREFIX, GO, "main._cgoexp", golang, NULL, false},
    {RULE_PREFIX, GO, "_cgoexp", golang, NULL, false},
    {RULE_PREFIX, GO, "testing.", testing, NULL, false},

    /* JavaScript (ours) */
    {RULE_PATH, LANGUAGE_JAVASCRIPT, "/node:internal/", library, NULL, false},

    /* Windows */
    {RULE_EXACT, NATIVE, "BaseThreadInitThunk", windows, NULL, false},
    {RULE_LAST, NATIVE, "DebugBreak", windows, NULL, false},
    {RULE_EXACT, NATIVE, "RaiseException", windows, NULL, false},
    {RULE_PREFIX, NATIVE, "RtlFreeHeap", windows, NULL, false},
    {RULE_PREFIX, NATIVE, "RtlInitializeExceptionChain", windows, NULL, false},
    {RULE_PREFIX, NATIVE, "RtlReportCriticalFailure", windows, NULL, false},
    {RULE_PREFIX, NATIVE, "RtlUserThreadStart", windows, NULL, false},
    {RULE_PREFIX, NATIVE, "RtlpHeapHandleError", windows, NULL, false},
    {RULE_PREFIX, NATIVE, "RtlpLogHeapFailure", windows, NULL, false},
    {RULE_PREFIX, NATIVE, "__scrt_common_main", windows, NULL, false},
    {RULE_EXACT, NATIVE, "__tmainCRTStartup", windows, NULL, false},
    {RULE_PREFIX, NATIVE, "MemoryProtection::CMemoryProtector", windows, NULL, false},
    {RULE_PATH, NATIVE, "/minkernel/crts/", windows, NULL, false},
    {RULE_PATH, NATIVE, "/vc/include/", windows, NULL, false},
    {RULE_PATH, NATIVE, "/vctools/crt/", windows, NULL, false},
    {RULE_PATH, NATIVE, "/win_toolchain/", windows, NULL, false},

    /* kernels */
    {RULE_EXACT, NATIVE, "dump_backtrace", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "dump_stack", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "__dump_stack", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "show_stack", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "object_err", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "dump_stack_lvl", kernel, NULL,
     false}, /* ours, to print_report */
    {RULE_EXACT, NATIVE, "dump_stack_print_info", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "panic", leaving, NULL, false},
    {RULE_EXACT, NATIVE, "__schedule", kernel, "kernel/sched/", false},
    {RULE_EXACT, NATIVE, "context_switch", kernel, "kernel/sched/", false},
    {RULE_EXACT, NATIVE, "schedule", kernel, "kernel/sched/", false},
    {RULE_EXACT, NATIVE, "show_trace", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "ubsan_epilogue", kernel, NULL, false},
    {RULE_PREFIX, NATIVE, "kmsan_", kernel, NULL, false},
    {RULE_PREFIX, NATIVE, "kcsan_", kernel, NULL, false},
    {RULE_PREFIX, NATIVE, "asm_exc_", kernel, NULL, false},
    {RULE_PREFIX, NATIVE, "asm_sysvec_", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "page_fault_oops", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "exc_page_fault", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "print_report", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "print_trailer", kernel, NULL, false},
    {RULE_EXACT, NATIVE, "print_address_description", kernel, NULL, false},

    /* no code at all */
    {RULE_PREFIX, NATIVE, "<null>", nameless, NULL, false},
    {RULE_EXACT, NATIVE, "<unknown>", nameless, NULL, false},
    {RULE_MODULE, NATIVE, "<unknown module>", nameless, NULL, false},
    {RULE_MODULE, NATIVE, "+Unknown", nameless, NULL, false},
};

/* --- looking a frame up --- */

enum { TEXT_MAX = 1100 };

/* Rules about names by their first byte, so that a frame is compared with a few of them
 * only. */
static uint16_t first_by_byte[256]; /* index + 1; 0: none */
static uint16_t next_rule[COUNT(rules)];
static struct words *paths;   /* one bit for each RULE_PATH, in the table's order */
static struct words *modules; /* the same for RULE_MODULE */
static pthread_once_t ready_once = PTHREAD_ONCE_INIT;

static struct words *
make_words(enum rule_how how)
{
    struct word list[64];
    size_t count = 0;

    for (size_t i = 0; i < COUNT(rules); i++) {
        if (rules[i].how == how) {
            assert(count < COUNT(list));
            list[count] = (struct word){rules[i].text, UINT64_C(1) << count};
            count++;
        }
    }
    return words_new(list, count);
}

static void
make_ready(void)
{
    for (size_t i = COUNT(rules); i > 0; i--) {
        unsigned char byte = (unsigned char)rules[i - 1].text[0];
        if (rules[i - 1].how != RULE_PATH && rules[i - 1].how != RULE_MODULE) {
            next_rule[i - 1] = first_by_byte[byte];
            first_by_byte[byte] = (uint16_t)i;
        }
    }
    paths = make_words(RULE_PATH);
    modules = make_words(RULE_MODULE);
}

static const struct stack_rule *
nth_rule(enum rule_how how, uint64_t bits)
{
    size_t n = (size_t)__builtin_ctzll(bits);

    for (size_t i = 0; i < COUNT(rules); i++) {
        if (rules[i].how == how && n-- == 0) {
            return &rules[i];
        }
    }
    return NULL;
}

/* "/" and the text with forward slashes: a bare "libc.so.6" then has the slash of
 * "/libc.so". */
static struct span
slashed(const char *text, char out[TEXT_MAX])
{
    size_t len = 0;

    out[len++] = '/';
    for (; *text != '\0' && len < TEXT_MAX; text++) {
        out[len] = *text;
        if (*text == '\\') {
            out[len] = '/';
        }
        len++;
    }
    return (struct span){out, len};
}

/* glibc's folders, as its debug information has them below its own top, which it does not
 * name: "./libio/fileops.c", "../sysdeps/x86_64/start.S". */
static const struct {
    const char *folder;
    bool only_there; /* nobody else has a folder of this name */
} glibc[] = {
    {"libio/", true},   {"nptl/", true},   {"stdio-common/", true}, {"sysdeps/", true},
    {"csu/", true},     {"wcsmbs/", true}, {"malloc/", false},      {"string/", false},
    {"stdlib/", false}, {"posix/", false}, {"elf/", false},         {"debug/", false},
    {"signal/", false}, {"iconv/", false}, {"math/", false},        {"misc/", false},
    {"time/", false},   {"io/", false},    {"setjmp/", false},      {"dirent/", false},
    {"locale/", false},
};

enum glibc { GLIBC_NO, GLIBC_MAYBE, GLIBC_YES };

static enum glibc
in_glibc(const struct frame *frame)
{
    const char *file = frame->file == NULL ? "" : frame->file;

    file += strncmp(file, "./", 2) == 0 ? 2 : strncmp(file, "../", 3) == 0 ? 3 : 0;
    for (size_t i = 0; i < COUNT(glibc); i++) {
        if (str_starts(file, glibc[i].folder)) {
            return glibc[i].only_there ? GLIBC_YES : GLIBC_MAYBE;
        }
    }
    return GLIBC_NO;
}

/* Where others have such a folder too, a name that is reserved to the C library tells. */
static bool
is_glibc(const struct frame *frame, const char *name)
{
    enum glibc where = in_glibc(frame);

    return where == GLIBC_YES || (where == GLIBC_MAYBE && name[0] == '_');
}

static const struct stack_rule *
find_place(const struct frame *frame, const char *name)
{
    static const struct stack_rule of_glibc = {RULE_PATH, NATIVE, "",
                                               library,   NULL,   false};
    const char *path = frame->file != NULL ? frame->file : frame->module;
    const char *module = frame->module != NULL ? frame->module : frame->function;
    char text[TEXT_MAX];

    if (path != NULL) {
        uint64_t bits = words_scan(paths, slashed(path, text));
        if (bits != 0) {
            return nth_rule(RULE_PATH, bits);
        }
    }
    if (frame->file == NULL && module != NULL) {
        uint64_t bits = words_scan(modules, slashed(module, text));
        if (bits != 0) {
            return nth_rule(RULE_MODULE, bits);
        }
    }
    return frame->language == NATIVE && is_glibc(frame, name) ? &of_glibc : NULL;
}

/* "__memcpy_avx_unaligned_erms" -> "memcpy": how libraries name the variants of a
 * function. */
static struct span
libc_stem(const char *name)
{
    static const char *const before[] = {"__GI_", "__interceptor_", "__isoc99_"};
    static const char *const behind[] = {"_sse",       "_ssse",    "_avx",   "_evex",
                                         "_erms",      "_chk",     "_ifunc", "@",
                                         "_unaligned", "_generic", "-"};
    struct span s = span_of(name);

    for (size_t i = 0; i < COUNT(before); i++) {
        (void)span_eat(&s, before[i]);
    }
    while (span_eat(&s, "_")) {
    }
    if (strcspn(s.at, "_@-") < s.len) {
        for (size_t i = 0; i < COUNT(behind); i++) {
            s = span_to(s, span_find(s, behind[i]));
        }
    }
    return s;
}

static bool
name_matches(const struct stack_rule *rule, const char *name, struct span stem,
             const char *last)
{
    switch (rule->how) {
    case RULE_EXACT:
        return strcmp(name, rule->text) == 0;
    case RULE_PREFIX:
        return str_starts(name, rule->text);
    case RULE_LAST:
        return strcmp(last, rule->text) == 0;
    case RULE_LIBC:
        return span_is(stem, rule->text);
    case RULE_PATH:
    case RULE_MODULE:
        break;
    }
    return false;
}

static const char *
last_component(const char *name)
{
    const char *last = name;

    for (const char *at = strstr(name, "::"); at != NULL; at = strstr(at + 2, "::")) {
        last = at + 2;
    }
    return last;
}

static const struct stack_rule *
find_name(const struct frame *frame, const char *name, char first, struct span stem,
          const char *last)
{
    for (size_t i = first_by_byte[(unsigned char)first]; i != 0; i = next_rule[i - 1]) {
        const struct stack_rule *rule = &rules[i - 1];
        if (rule->language == frame->language && name_matches(rule, name, stem, last) &&
            (!rule->without_source || frame->file == NULL ||
             in_glibc(frame) != GLIBC_NO) &&
            (rule->path == NULL ||
             (frame->file != NULL && strstr(frame->file, rule->path) != NULL))) {
            return rule;
        }
    }
    return NULL;
}

const struct stack_rule *
stack_rules_find(const struct frame *frame, const char *name)
{
    struct span stem = libc_stem(name);
    const char *last = last_component(name);
    const struct stack_rule *rule = NULL;

    (void)pthread_once(&ready_once, make_ready);
    if (name[0] != '\0') {
        rule = find_name(frame, name, name[0], stem, last);
    }
    if (rule == NULL && stem.len > 0 && stem.at[0] != name[0]) {
        rule = find_name(frame, name, stem.at[0], stem, last);
    }
    if (rule == NULL && last != name && last[0] != '\0') {
        rule = find_name(frame, name, last[0], stem, last);
    }
    return rule != NULL ? rule : find_place(frame, name);
}

const char *
stack_rules_reason(const char *text)
{
    for (size_t i = 0; i < COUNT(rules); i++) {
        if (strcmp(rules[i].reason, text) == 0) {
            return rules[i].reason;
        }
    }
    return NULL;
}

bool
stack_rules_is_driver(const char *file)
{
    static const char *const drivers[] = {
        "FuzzerMain.cpp",         "afl_driver.cpp",
        "aflpp_driver.c",         "StandaloneFuzzTargetMain.c",
        "standalone_fuzz_main.c", "standalone.c",
        "FuzzerDriver.cpp",       "honggfuzz_main.c"};
    struct span base = span_base(span_of(file));

    for (size_t i = 0; i < COUNT(drivers); i++) {
        if (span_is(base, drivers[i])) {
            return true;
        }
    }
    return false;
}
