"""Whether an input shows a bug, judged without a line of nightjar's: the program is run by itself, with names, and the kind
of error and the top frames that are the program's own are compared."""

import os
import re
import subprocess

FRAMES = 3
ROUNDS = 8  # so often a function of a recursion stands in the report
ENV = {"ASAN_OPTIONS": "symbolize=1:detect_leaks=0:abort_on_error=0:allocator_may_return_null=1",
       "UBSAN_OPTIONS": "print_stacktrace=1:symbolize=1"}
# of the C library and the sanitizers: they stand on top of whose call is at fault
FOREIGN = re.compile(r"^(__interceptor_|__asan|__ubsan|__sanitizer|__GI_|__libc|_start$|main$|fuzzer::|LLVMFuzzer|printf_common|vprintf|"
                     r"v?s?n?printf$|mem(cpy|set|move|cmp)$|str\w+$|free$|[cm]alloc$|realloc$|abort$|raise$|gsignal$)")


def run(argv, data, folder, timeout=10):
    """What it printed, and how it ended; "@@" stands for the input's path."""
    path = os.path.join(folder, "oracle-input")
    with open(path, "wb") as f:
        f.write(data)
    env = dict(os.environ, **ENV)
    try:
        done = subprocess.run([path if a == "@@" else a for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=env, timeout=timeout)
    except subprocess.TimeoutExpired:
        return "", "timeout"
    return done.stdout.decode(errors="replace"), done.returncode


def bug(argv, data, folder):
    """(kind, functions) of what it shows; None when it shows nothing."""
    text, code = run(argv, data, folder)
    if code == 0:
        return None
    if code == "timeout":
        return ("timeout", ())
    found = re.search(r"ERROR: \w+Sanitizer:? ([\w-]+)", text) or re.search(r"runtime error: ([a-z -]+)", text)
    if not found:
        return ("exit %s" % code, ())
    names = []
    for line in text[found.start():].splitlines():
        frame = re.match(r"\s+#\d+ 0x[0-9a-f]+ in (\S+)", line)
        if frame and not FOREIGN.match(frame.group(1)):
            names.append(frame.group(1))
        elif not frame and names:
            break
    if found.group(1) == "stack-overflow":  # where in its round a recursion meets the end is chance
        return ("stack-overflow", tuple(sorted(name for name in set(names) if names.count(name) >= ROUNDS)))
    return (found.group(1), tuple(names[:FRAMES]))
