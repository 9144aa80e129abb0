#include "triage/stack_rules.h"

#include <assert.h>
#include <pthread.h>

#include "base/str.h"
#include "triage/parse/words.h"

const char stack_reason_main[] = "main: the program's frame around everything";

static const char sanitizer[] = "the sanitizer's own code";
const char stack_reason_engine[] = "the fuzzing engine";
static const char entry[] = "the fuzz target's entry point, without a source file to name it by";
static const char string[] = "a memory or string function of the C library: the bug is its caller's";
static const char library[] = "the C library";
static const char memory[] = "the allocator";
static const char leaving[] = "how a program ends: abort, exit, signals";
static const char assertion[] = "what prints or raises a failed assertion";
static const char logging[] = "the logging library's fatal message";
static const char starting[] = "what runs before main or starts a thread";
static const char cxx[] = "the C++ runtime and standard library";
static const char rust[] = "Rust's standard library and panic machinery";
static const char golang[] = "Go's runtime";
static const char dumping[] = "prints a stack trace";
static const char nameless[] = "no name: an operator or frame that names no code";
static const char testing[] = "the test framework";
static const char container[] = "a wrapper of the project's base library that all code runs through";
static const char windows[] = "Windows' runtime and exception handling";
static const char kernel[] = "the kernel's report, not its bug";

#define NATIVE LANGUAGE_NATIVE
#define GO     LANGUAGE_GO

/* Origin: ClusterFuzz's ignore list (stacktraces/constants.py), retold with boundaries; the rows marked
 * "ours" are not in it. */
static const struct stack_rule rules[] = {
    /* sanitizers */
    {RULE_PREFIX, "__asan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__asan::", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__hwasan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__hwasan::", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__lsan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__lsan::", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__msan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__msan::", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__tsan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__tsan::", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__ubsan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__ubsan::", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__sanitizer_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__sanitizer::", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__interceptor_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "___interceptor_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "_asan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "_hwasan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "_lsan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "_msan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "_tsan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "_ubsan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "_sanitizer_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__kasan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "kasan_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "agent::asan::", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "asan.module_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "asan_rtl_", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "asan_Heap", sanitizer, NATIVE, NULL, false},
    {RULE_EXACT, "asan_thread_start", sanitizer, NATIVE, NULL, false},
    {RULE_EXACT, "asan_malloc", sanitizer, NATIVE, NULL, false},
    {RULE_EXACT, "asan_free", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "asan_check_access", sanitizer, NATIVE, NULL, false},
    {RULE_EXACT, "check_memory_region", sanitizer, NATIVE, NULL, false},
    {RULE_EXACT, "MSanAtExitWrapper", sanitizer, NATIVE, NULL, false},
    {RULE_LAST, "ASAN_OnSIGSEGV", sanitizer, NATIVE, NULL, false},
    {RULE_EXACT, "CFCrash", sanitizer, NATIVE, NULL, false},
    /* helpers of interceptors, nameless without debug information (ours) */
    {RULE_EXACT, "printf_common", sanitizer, NATIVE, NULL, true},
    {RULE_EXACT, "scanf_common", sanitizer, NATIVE, NULL, true},
    {RULE_EXACT, "MemcmpInterceptorCommon", sanitizer, NATIVE, NULL, true},
    {RULE_EXACT, "StrstrCheck", sanitizer, NATIVE, NULL, true},
    {RULE_EXACT, "StrtolFixAndCheck", sanitizer, NATIVE, NULL, true},
    {RULE_EXACT, "read_iovec", sanitizer, NATIVE, NULL, true},
    {RULE_EXACT, "write_iovec", sanitizer, NATIVE, NULL, true},
    {RULE_EXACT, "read_msghdr", sanitizer, NATIVE, NULL, true},
    {RULE_EXACT, "write_msghdr", sanitizer, NATIVE, NULL, true},
    {RULE_EXACT, "SignalAction", sanitizer, NATIVE, NULL, false},
    {RULE_EXACT, "SignalHandler", sanitizer, NATIVE, NULL, false},
    {RULE_PATH, "/sanitizer_common/", sanitizer, NATIVE, NULL, false},
    {RULE_PATH, "/compiler-rt/", sanitizer, NATIVE, NULL, false}, /* ours */
    {RULE_PATH, "/libsanitizer/", sanitizer, NATIVE, NULL, false}, /* ours: gcc's */
    {RULE_MODULE, "libclang_rt.", sanitizer, NATIVE, NULL, false},
    {RULE_MODULE, "libasan.so", sanitizer, NATIVE, NULL, false},   /* ours */
    {RULE_MODULE, "libubsan.so", sanitizer, NATIVE, NULL, false},  /* ours */
    {RULE_MODULE, "liblsan.so", sanitizer, NATIVE, NULL, false},   /* ours */
    {RULE_MODULE, "libtsan.so", sanitizer, NATIVE, NULL, false},   /* ours */
    {RULE_MODULE, "asan_osx_dynamic.dylib", sanitizer, NATIVE, NULL, false},

    /* engines */
    {RULE_PREFIX, "fuzzer::", stack_reason_engine, NATIVE, NULL, false},
    {RULE_PREFIX, "libfuzzer_sys::", stack_reason_engine, NATIVE, NULL, false},
    {RULE_EXACT, "rust_fuzzer_test_input", stack_reason_engine, NATIVE, NULL, false},
    {RULE_EXACT, "LLVMFuzzerRunDriver", stack_reason_engine, NATIVE, NULL, false}, /* ours */
    {RULE_EXACT, "ExitCallback", stack_reason_engine, NATIVE, NULL, false},
    {RULE_EXACT, "TestOneProtoInput", stack_reason_engine, NATIVE, NULL, false},
    {RULE_PREFIX, "base::FuzzedDataProvider", stack_reason_engine, NATIVE, NULL, false},
    {RULE_PREFIX, "fuzztest::internal::", testing, NATIVE, NULL, false},
    {RULE_PREFIX, "centipede::", stack_reason_engine, NATIVE, NULL, false},
    {RULE_PATH, "third_party/fuzztest/", testing, NATIVE, NULL, false},
    {RULE_PATH, "/googletest/", testing, NATIVE, NULL, false},
    {RULE_PATH, "/libfuzzer-sys-", stack_reason_engine, NATIVE, NULL, false},
    {RULE_PATH, "/memorycmp.c", stack_reason_engine, NATIVE, NULL, false}, /* honggfuzz's wrappers */
    {RULE_PATH, "/aflpp_driver.c", stack_reason_engine, NATIVE, NULL, false}, /* ours */
    {RULE_EXACT, "__afl_fuzz_main", stack_reason_engine, NATIVE, NULL, false}, /* ours */
    {RULE_EXACT, "ExecuteFilesOnyByOne", stack_reason_engine, NATIVE, NULL, false}, /* ours: libAFLDriver */
    {RULE_EXACT, "LLVMFuzzerTestOneInput", entry, NATIVE, NULL, true},

    /* the C library */
    {RULE_LIBC, "memcmp", string, NATIVE, NULL, false},
    {RULE_LIBC, "memcpy", string, NATIVE, NULL, false},
    {RULE_LIBC, "memmove", string, NATIVE, NULL, false},
    {RULE_LIBC, "memset", string, NATIVE, NULL, false},
    {RULE_LIBC, "strcmp", string, NATIVE, NULL, false},
    {RULE_LIBC, "strcpy", string, NATIVE, NULL, false},
    {RULE_LIBC, "strdup", string, NATIVE, NULL, false},
    {RULE_LIBC, "strlen", string, NATIVE, NULL, false},
    {RULE_LIBC, "strncpy", string, NATIVE, NULL, false},
    {RULE_LIBC, "malloc", memory, NATIVE, NULL, false},
    {RULE_LIBC, "calloc", memory, NATIVE, NULL, false},
    {RULE_LIBC, "realloc", memory, NATIVE, NULL, false},
    {RULE_LIBC, "free", memory, NATIVE, NULL, false},
    {RULE_LIBC, "cfree", memory, NATIVE, NULL, false},
    {RULE_LIBC, "memalign", memory, NATIVE, NULL, false},
    {RULE_LIBC, "aligned_alloc", memory, NATIVE, NULL, false},
    {RULE_LIBC, "posix_memalign", memory, NATIVE, NULL, false},
    {RULE_LIBC, "reallocarray", memory, NATIVE, NULL, false},
    {RULE_LIBC, "valloc", memory, NATIVE, NULL, false},
    {RULE_LIBC, "pvalloc", memory, NATIVE, NULL, false},
    {RULE_LIBC, "int_malloc", memory, NATIVE, NULL, false},
    {RULE_LIBC, "int_free", memory, NATIVE, NULL, false},
    {RULE_LIBC, "int_realloc", memory, NATIVE, NULL, false},
    {RULE_LIBC, "malloc_printerr", memory, NATIVE, NULL, false},
    {RULE_LIBC, "malloc_consolidate", memory, NATIVE, NULL, false},
    {RULE_LIBC, "malloc_usable_size", memory, NATIVE, NULL, false},
    {RULE_LIBC, "unlink_chunk", memory, NATIVE, NULL, true},
    {RULE_LIBC, "munmap_chunk", memory, NATIVE, NULL, true},
    {RULE_LIBC, "abort", leaving, NATIVE, NULL, false},
    {RULE_LIBC, "raise", leaving, NATIVE, NULL, false},
    {RULE_LIBC, "exit", leaving, NATIVE, NULL, false},
    {RULE_LIBC, "gsignal", leaving, NATIVE, NULL, false},
    {RULE_LIBC, "tgkill", leaving, NATIVE, NULL, false},
    {RULE_LIBC, "pthread_kill", leaving, NATIVE, NULL, false},
    {RULE_LIBC, "pthread_kill_implementation", leaving, NATIVE, NULL, false},
    {RULE_LIBC, "pthread_kill_internal", leaving, NATIVE, NULL, false},
    {RULE_LIBC, "run_exit_handlers", leaving, NATIVE, NULL, false},
    {RULE_LIBC, "fortify_fail", assertion, NATIVE, NULL, false},
    {RULE_LIBC, "fortify_fail_abort", assertion, NATIVE, NULL, false},
    {RULE_EXACT, "__chk_fail", assertion, NATIVE, NULL, false},
    {RULE_EXACT, "__stack_chk_fail", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "__assert_", assertion, NATIVE, NULL, false},
    {RULE_EXACT, "__assert", assertion, NATIVE, NULL, false},
    {RULE_EXACT, "__assert2", assertion, NATIVE, NULL, false},
    {RULE_EXACT, "_wassert", assertion, NATIVE, NULL, false},
    {RULE_EXACT, "__android_log_assert", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "__libc_", library, NATIVE, NULL, false},
    {RULE_PREFIX, "__GI_", library, NATIVE, NULL, false},
    {RULE_PREFIX, "__aeabi_", library, NATIVE, NULL, false},
    {RULE_PREFIX, "aeabi_", library, NATIVE, NULL, false},
    {RULE_PREFIX, "_L_unlock_", library, NATIVE, NULL, false},
    {RULE_PREFIX, "__pthread_kill", leaving, NATIVE, NULL, false},
    {RULE_EXACT, "_start", starting, NATIVE, NULL, false},
    {RULE_EXACT, "_etext", starting, NATIVE, NULL, false},
    {RULE_EXACT, "start_thread", starting, NATIVE, NULL, false}, /* ours, as the next three */
    {RULE_LIBC, "clone", starting, NATIVE, NULL, true},
    {RULE_LIBC, "clone3", starting, NATIVE, NULL, true},
    {RULE_LIBC, "pthread_create", starting, NATIVE, NULL, false},
    {RULE_EXACT, "__cxx_global_var_init", starting, NATIVE, NULL, true},
    {RULE_EXACT, "main", stack_reason_main, NATIVE, NULL, false},
    {RULE_PATH, "/glibc-", library, NATIVE, NULL, false},
    {RULE_PATH, "/eglibc-", library, NATIVE, NULL, false},
    {RULE_PATH, "bionic/libc/", library, NATIVE, NULL, false},
    {RULE_PATH, "/crosstool/", library, NATIVE, NULL, false},
    {RULE_PATH, "/lib/gcc/", library, NATIVE, NULL, false},
    {RULE_PATH, "/llvm-build/", library, NATIVE, NULL, false},
    {RULE_PATH, "/AOSP-toolchain/", library, NATIVE, NULL, false},
    {RULE_PATH, "/jemalloc/", memory, NATIVE, NULL, false},
    {RULE_PATH, "/tcmalloc/", memory, NATIVE, NULL, false},
    {RULE_MODULE, "/libc.so", library, NATIVE, NULL, false},
    {RULE_MODULE, "/libc-2.", library, NATIVE, NULL, false},
    {RULE_MODULE, "libpthread", library, NATIVE, NULL, false},
    {RULE_MODULE, "/libm.so", library, NATIVE, NULL, false}, /* ours */
    {RULE_MODULE, "libgcc_s.so", library, NATIVE, NULL, false},
    {RULE_MODULE, "linux-gate.so", library, NATIVE, NULL, false},
    {RULE_MODULE, "[vdso]", library, NATIVE, NULL, false},
    {RULE_MODULE, "/ld-linux", starting, NATIVE, NULL, false}, /* ours */
    /* what else clang 17's runtime names without "__interceptor_" (ours) */
    {RULE_LIBC, "memchr", string, NATIVE, NULL, true},
    {RULE_LIBC, "memrchr", string, NATIVE, NULL, true},
    {RULE_LIBC, "rawmemchr", string, NATIVE, NULL, true},
    {RULE_LIBC, "memmem", string, NATIVE, NULL, true},
    {RULE_LIBC, "mempcpy", string, NATIVE, NULL, true},
    {RULE_LIBC, "bcmp", string, NATIVE, NULL, true},
    {RULE_LIBC, "strcat", string, NATIVE, NULL, true},
    {RULE_LIBC, "strncat", string, NATIVE, NULL, true},
    {RULE_LIBC, "strncmp", string, NATIVE, NULL, true},
    {RULE_LIBC, "strcasecmp", string, NATIVE, NULL, true},
    {RULE_LIBC, "strncasecmp", string, NATIVE, NULL, true},
    {RULE_LIBC, "strchr", string, NATIVE, NULL, true},
    {RULE_LIBC, "strrchr", string, NATIVE, NULL, true},
    {RULE_LIBC, "strchrnul", string, NATIVE, NULL, true},
    {RULE_LIBC, "strstr", string, NATIVE, NULL, true},
    {RULE_LIBC, "strcasestr", string, NATIVE, NULL, true},
    {RULE_LIBC, "strspn", string, NATIVE, NULL, true},
    {RULE_LIBC, "strcspn", string, NATIVE, NULL, true},
    {RULE_LIBC, "strpbrk", string, NATIVE, NULL, true},
    {RULE_LIBC, "strtok", string, NATIVE, NULL, true},
    {RULE_LIBC, "strnlen", string, NATIVE, NULL, true},
    {RULE_LIBC, "strndup", string, NATIVE, NULL, true},
    {RULE_LIBC, "stpcpy", string, NATIVE, NULL, true},
    {RULE_LIBC, "wcslen", string, NATIVE, NULL, true},
    {RULE_LIBC, "wcsnlen", string, NATIVE, NULL, true},
    {RULE_LIBC, "wcscat", string, NATIVE, NULL, true},
    {RULE_LIBC, "wcscpy", string, NATIVE, NULL, true},
    {RULE_LIBC, "wmemcpy", string, NATIVE, NULL, true},
    {RULE_LIBC, "atoi", library, NATIVE, NULL, true},
    {RULE_LIBC, "atol", library, NATIVE, NULL, true},
    {RULE_LIBC, "atoll", library, NATIVE, NULL, true},
    {RULE_LIBC, "strtol", library, NATIVE, NULL, true},
    {RULE_LIBC, "strtoll", library, NATIVE, NULL, true},
    {RULE_LIBC, "printf", library, NATIVE, NULL, true},
    {RULE_LIBC, "fprintf", library, NATIVE, NULL, true},
    {RULE_LIBC, "sprintf", library, NATIVE, NULL, true},
    {RULE_LIBC, "snprintf", library, NATIVE, NULL, true},
    {RULE_LIBC, "vprintf", library, NATIVE, NULL, true},
    {RULE_LIBC, "vfprintf", library, NATIVE, NULL, true},
    {RULE_LIBC, "vsprintf", library, NATIVE, NULL, true},
    {RULE_LIBC, "vsnprintf", library, NATIVE, NULL, true},
    {RULE_LIBC, "vasprintf", library, NATIVE, NULL, true},
    {RULE_LIBC, "asprintf", library, NATIVE, NULL, true},
    {RULE_LIBC, "puts", library, NATIVE, NULL, true},
    {RULE_LIBC, "fputs", library, NATIVE, NULL, true},
    {RULE_LIBC, "scanf", library, NATIVE, NULL, false},
    {RULE_LIBC, "sscanf", library, NATIVE, NULL, true},
    {RULE_LIBC, "fscanf", library, NATIVE, NULL, true},
    {RULE_LIBC, "vsscanf", library, NATIVE, NULL, true},
    {RULE_LIBC, "fread", library, NATIVE, NULL, true},
    {RULE_LIBC, "fwrite", library, NATIVE, NULL, true},
    {RULE_LIBC, "fgets", library, NATIVE, NULL, true},
    {RULE_LIBC, "fclose", library, NATIVE, NULL, true},
    {RULE_LIBC, "fseek", library, NATIVE, NULL, true},
    {RULE_LIBC, "read", library, NATIVE, NULL, true},
    {RULE_LIBC, "pread", library, NATIVE, NULL, true},
    {RULE_LIBC, "write", library, NATIVE, NULL, true},
    {RULE_LIBC, "pwrite", library, NATIVE, NULL, true},
    {RULE_LIBC, "recv", library, NATIVE, NULL, true},
    {RULE_LIBC, "recvfrom", library, NATIVE, NULL, true},
    {RULE_LIBC, "send", library, NATIVE, NULL, true},
    {RULE_LIBC, "qsort", library, NATIVE, NULL, true},
    {RULE_LIBC, "qsort_r", library, NATIVE, NULL, true},
    {RULE_LIBC, "bsearch", library, NATIVE, NULL, true},
    {RULE_PREFIX, "pthread_", library, NATIVE, NULL, true},
    {RULE_LIBC, "longjmp", library, NATIVE, NULL, true},
    {RULE_LIBC, "siglongjmp", library, NATIVE, NULL, true},

    /* C++ */
    {RULE_PREFIX, "operator new", memory, NATIVE, NULL, false},
    {RULE_PREFIX, "operator delete", memory, NATIVE, NULL, false},
    {RULE_EXACT, "operator()", nameless, NATIVE, NULL, false},
    {RULE_EXACT, "operator", nameless, NATIVE, NULL, false},
    {RULE_EXACT, "operator->", nameless, NATIVE, NULL, false},
    {RULE_EXACT, "operator*", nameless, NATIVE, NULL, false},
    {RULE_EXACT, "operator[]", nameless, NATIVE, NULL, false},
    {RULE_EXACT, "operator=", nameless, NATIVE, NULL, false},
    {RULE_EXACT, "delete", memory, NATIVE, NULL, false},
    {RULE_EXACT, "abort_message", leaving, NATIVE, NULL, false},
    {RULE_EXACT, "demangling_terminate_handler", leaving, NATIVE, NULL, false},
    {RULE_EXACT, "_objc_terminate", leaving, NATIVE, NULL, false},
    {RULE_EXACT, "std::__terminate", leaving, NATIVE, NULL, false},
    {RULE_EXACT, "std::terminate", leaving, NATIVE, NULL, false},
    {RULE_EXACT, "__cxxabiv1::__terminate", leaving, NATIVE, NULL, false},
    {RULE_PREFIX, "__gnu_cxx::__verbose_terminate", leaving, NATIVE, NULL, false},
    {RULE_PREFIX, "__cxa_throw", cxx, NATIVE, NULL, false},
    {RULE_PREFIX, "__cxa_rethrow", cxx, NATIVE, NULL, false},
    {RULE_PREFIX, "__cxa_atexit", cxx, NATIVE, NULL, false},
    {RULE_PREFIX, "generic_cpp_", cxx, NATIVE, NULL, false},
    {RULE_EXACT, "stdext::exception::what", cxx, NATIVE, NULL, false},
    {RULE_PREFIX, "std::", cxx, NATIVE, NULL, true},        /* ours */
    {RULE_PREFIX, "__gnu_cxx::", cxx, NATIVE, NULL, false}, /* ours */
    {RULE_PATH, "/include/c++/", cxx, NATIVE, NULL, false}, /* ours */
    {RULE_PATH, "/libc++", cxx, NATIVE, NULL, false},
    {RULE_PATH, "libc++/", cxx, NATIVE, NULL, false},
    {RULE_PATH, "/libstdc++-v3/", cxx, NATIVE, NULL, false}, /* ours */
    {RULE_MODULE, "/libc++.so", cxx, NATIVE, NULL, false},
    {RULE_MODULE, "/libc++_shared.so", cxx, NATIVE, NULL, false},
    {RULE_MODULE, "/libc++abi.so", cxx, NATIVE, NULL, false}, /* ours */
    {RULE_MODULE, "/libstdc++.so", cxx, NATIVE, NULL, false},

    /* assertions and logging of well-known projects */
    {RULE_EXACT, "Abort", leaving, NATIVE, NULL, false},
    {RULE_EXACT, "common_exit", leaving, NATIVE, NULL, false},
    {RULE_EXACT, "exit_or_terminate_process", leaving, NATIVE, NULL, false},
    {RULE_EXACT, "g_log", logging, NATIVE, NULL, false},
    {RULE_EXACT, "g_logv", logging, NATIVE, NULL, false},
    {RULE_PREFIX, "g_log_", logging, NATIVE, NULL, true},
    {RULE_EXACT, "g_assertion_message", assertion, NATIVE, NULL, false},
    {RULE_EXACT, "g_assertion_message_expr", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "absl::log_internal::", logging, NATIVE, NULL, false},
    {RULE_PREFIX, "google::LogMessage", logging, NATIVE, NULL, false}, /* ours */
    {RULE_PREFIX, "logging::LogMessage", logging, NATIVE, NULL, false},
    {RULE_PREFIX, "logging::CheckError", logging, NATIVE, NULL, false},
    {RULE_PREFIX, "logging::ErrnoLogMessage", logging, NATIVE, NULL, false},
    {RULE_PREFIX, "syslog::LogMessage", logging, NATIVE, NULL, false},
    {RULE_LAST, "DefaultDcheckHandler", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "WTFCrash", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "X11Error", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "SkDebugf", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "sk_abort_no_print", assertion, NATIVE, NULL, false},
    {RULE_EXACT, "SkAbort_FileLine", assertion, NATIVE, NULL, false},
    {RULE_PATH, "skia/include/private/base/", container, NATIVE, NULL, false},
    {RULE_PREFIX, "absl::Cleanup", container, NATIVE, NULL, false},
    {RULE_PREFIX, "absl::cleanup_internal::", container, NATIVE, NULL, false},
    {RULE_PREFIX, "V8_Fatal", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "v8::base::OS::Abort", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "v8::internal::Isolate::PushStackTraceAndDie", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "v8::api_internal::ToLocalEmpty", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "blink::ReportV8FatalError", assertion, NATIVE, NULL, false},
    {RULE_LAST, "StackDumpSignalHandler", dumping, NATIVE, NULL, false},
    {RULE_PREFIX, "base::debug::BreakDebugger", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "base::debug::CollectStackTrace", dumping, NATIVE, NULL, false},
    {RULE_PREFIX, "base::debug::StackTrace::StackTrace", dumping, NATIVE, NULL, false},
    {RULE_PREFIX, "base::android::CheckException", assertion, NATIVE, NULL, false},
    {RULE_PREFIX, "base::allocator", memory, NATIVE, NULL, false},
    {RULE_PREFIX, "allocator_shim::", memory, NATIVE, NULL, false},
    {RULE_PREFIX, "PartitionAlloc", memory, NATIVE, NULL, false},
    {RULE_PREFIX, "mozalloc_", memory, NATIVE, NULL, false},
    {RULE_EXACT, "New", container, NATIVE, "base/memory/singleton", false},
    {RULE_PREFIX, "WTF::", container, NATIVE, NULL, false},
    {RULE_PATH, "/bindings/ToV8.h", container, NATIVE, NULL, false},
    {RULE_EXACT, "SbSystemBreakIntoDebugger", assertion, NATIVE, NULL, false},
    {RULE_LAST, "ForceCrashOnSigAbort", assertion, NATIVE, NULL, false},
    {RULE_EXACT, "IsSandboxedProcess", container, NATIVE, NULL, false},
    {RULE_PREFIX, "art::Thread::CreateNativeThread", container, NATIVE, NULL, false},
    {RULE_PREFIX, "android.app.ActivityManagerProxy.", container, LANGUAGE_JVM, NULL, false},
    {RULE_PREFIX, "android.os.Parcel.", container, LANGUAGE_JVM, NULL, false},
    {RULE_PREFIX, "_swift_stdlib_", library, NATIVE, NULL, false},
    {RULE_EXACT, "CrashTrampolineAsm", sanitizer, NATIVE, NULL, false},
    {RULE_PREFIX, "__zx_panic", assertion, NATIVE, NULL, false},
    {RULE_EXACT, "fpehandler", leaving, NATIVE, NULL, false},
    {RULE_EXACT, "libc_io_functions_not_implemented_use_fdio_instead", library, NATIVE, NULL,
     false},

    /* Rust */
    {RULE_PREFIX, "alloc::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "core::fmt::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "core::panicking::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "core::panic::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "core::result::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "core::option::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "core::slice::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "core::str::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "core::ops::function::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "panic_abort::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "std::panic", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "std::process::abort", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "std::sys::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "std::sys_common::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "std::io::Write::write_fmt", rust, NATIVE, NULL, false},
    {RULE_EXACT, "rust_begin_unwind", rust, NATIVE, NULL, false},
    {RULE_EXACT, "rust_oom", rust, NATIVE, NULL, false},
    {RULE_EXACT, "rust_panic", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "rust_panic_", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "__rust_", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "__rg_", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "_$LT$alloc..", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "_$LT$core..", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "_$LT$std..", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "<alloc::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "<core::", rust, NATIVE, NULL, false},
    {RULE_PREFIX, "<std::", rust, NATIVE, NULL, false},
    {RULE_PATH, "/rustc/", rust, NATIVE, NULL, false},
    {RULE_PATH, "/rustlib/src/rust/", rust, NATIVE, NULL, false},

    /* Go */
    {RULE_PREFIX, "runtime.", golang, GO, NULL, false},
    {RULE_PREFIX, "runtime.", golang, NATIVE, NULL, false},
    {RULE_EXACT, "panic", golang, GO, NULL, false},
    {RULE_EXACT, "main.LLVMFuzzerTestOneInput", stack_reason_engine, GO, NULL, false},
    {RULE_PREFIX, "main._cgoexp", golang, GO, NULL, false},
    {RULE_PREFIX, "_cgoexp", golang, GO, NULL, false},
    {RULE_PREFIX, "testing.", testing, GO, NULL, false},

    /* Windows */
    {RULE_EXACT, "BaseThreadInitThunk", windows, NATIVE, NULL, false},
    {RULE_LAST, "DebugBreak", windows, NATIVE, NULL, false},
    {RULE_EXACT, "RaiseException", windows, NATIVE, NULL, false},
    {RULE_PREFIX, "RtlFreeHeap", windows, NATIVE, NULL, false},
    {RULE_PREFIX, "RtlInitializeExceptionChain", windows, NATIVE, NULL, false},
    {RULE_PREFIX, "RtlReportCriticalFailure", windows, NATIVE, NULL, false},
    {RULE_PREFIX, "RtlUserThreadStart", windows, NATIVE, NULL, false},
    {RULE_PREFIX, "RtlpHeapHandleError", windows, NATIVE, NULL, false},
    {RULE_PREFIX, "RtlpLogHeapFailure", windows, NATIVE, NULL, false},
    {RULE_PREFIX, "__scrt_common_main", windows, NATIVE, NULL, false},
    {RULE_EXACT, "__tmainCRTStartup", windows, NATIVE, NULL, false},
    {RULE_PREFIX, "MemoryProtection::CMemoryProtector", windows, NATIVE, NULL, false},
    {RULE_PATH, "/minkernel/crts/", windows, NATIVE, NULL, false},
    {RULE_PATH, "/vc/include/", windows, NATIVE, NULL, false},
    {RULE_PATH, "/vctools/crt/", windows, NATIVE, NULL, false},
    {RULE_PATH, "/win_toolchain/", windows, NATIVE, NULL, false},

    /* kernels */
    {RULE_EXACT, "dump_backtrace", kernel, NATIVE, NULL, false},
    {RULE_EXACT, "dump_stack", kernel, NATIVE, NULL, false},
    {RULE_EXACT, "__dump_stack", kernel, NATIVE, NULL, false},
    {RULE_EXACT, "show_stack", kernel, NATIVE, NULL, false},
    {RULE_EXACT, "object_err", kernel, NATIVE, NULL, false},
    {RULE_EXACT, "print_trailer", kernel, NATIVE, NULL, false},
    {RULE_EXACT, "print_address_description", kernel, NATIVE, NULL, false},

    /* no code at all */
    {RULE_PREFIX, "<null>", nameless, NATIVE, NULL, false},
    {RULE_EXACT, "<unknown>", nameless, NATIVE, NULL, false},
    {RULE_MODULE, "<unknown module>", nameless, NATIVE, NULL, false},
    {RULE_MODULE, "+Unknown", nameless, NATIVE, NULL, false},
};

/* --- looking a frame up ---------------------------------------------------------------------- */

enum { TEXT_MAX = 1100 };

/* Rules about names by their first byte, so that a frame is compared with a few of them only. */
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

/* "/" and the text with forward slashes: a bare "libc.so.6" then has the slash of "/libc.so". */
static struct span
slashed(const char *text, char out[TEXT_MAX])
{
    size_t len = 0;

    out[len++] = '/';
    for (; *text != '\0' && len < TEXT_MAX; text++) {
        out[len++] = *text == '\\' ? '/' : *text;
    }
    return (struct span){out, len};
}

static const struct stack_rule *
find_place(const struct frame *frame)
{
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
    return NULL;
}

/* "__memcpy_avx_unaligned_erms" -> "memcpy": how libraries name the variants of a function. */
static struct span
libc_stem(const char *name)
{
    static const char *const before[] = {"__GI_", "__interceptor_", "__isoc99_"};
    static const char *const behind[] = {"_sse",  "_ssse", "_avx",     "_evex",   "_erms", "_chk",
                                         "_ifunc", "@",    "_unaligned", "_generic", "-"};
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
            (!rule->without_source || frame->file == NULL) &&
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
    return rule != NULL ? rule : find_place(frame);
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
    static const char *const drivers[] = {"FuzzerMain.cpp",         "afl_driver.cpp",
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
