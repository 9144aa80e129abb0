"""Real programs: Debian's sources, fixes made for this bench, and inputs that AFL++ found.

The truth is what mends: an input's label is the first fix (by name) whose build no longer crashes on it. What no fix
explains is left out, and counted.
"""

import glob
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import builds

TOP = os.path.abspath(os.path.join(builds.HERE, "../../.."))

# name: (Debian source package, sources or None for its own Makefile, arguments)
TARGETS = {
    "midi2abc": ("abcmidi", "midi2abc.c midifile.c", ["@@"]),
    "abc2midi": ("abcmidi", "parseabc.c store.c genmidi.c midifile.c queues.c parser2.c music_utils.c stresspat.c",
                 ["@@", "-o", "/dev/null"]),
    "exiftags": ("exiftags", None, ["-a", "@@"]),
}
FIXED = "fixed"  # the build of a fix is like the first of all builds


# no UBSan: it ends these programs at arithmetic that no fix here is about, before the fault that the label names
HOW = {build: (c, cxx, flags.split(",")[0]) for build, (c, cxx, flags) in builds.BUILDS.items()}


def fetch(package, folder):
    subprocess.run([os.path.join(TOP, "scripts/fetch-target"), package, folder], check=True, stdout=subprocess.DEVNULL)
    return folder


def make(name, source, output, how):
    _, files, _ = TARGETS[name]
    compiler, _, flags = how
    flags = "-g -w -fno-omit-frame-pointer " + flags
    if files is None:
        subprocess.run(["make", "-s", f"CC={compiler}", f"CFLAGS={flags}", name], cwd=source, check=True)
        shutil.copy(os.path.join(source, name), output)
    else:
        subprocess.run([compiler, *flags.split(), "-DANSILIBS", "-o", output, *files.split(), "-lm"], cwd=source,
                       check=True)


def shift(folder):
    for path in glob.glob(os.path.join(folder, "*.[ch]")):
        with open(path, "rb") as file:
            text = file.read()
        with open(path, "wb") as file:
            file.write(b"\n" * builds.SHIFT + text)


def build_one(name, source, work, build, patch=None):
    """The program of one build, in a copy of its source that stays: debug information points there."""
    label = build if patch is None else f"{FIXED}-{os.path.basename(patch)[:-len('.patch')]}"
    copy = os.path.join(work, "src", f"{name}.{label}")
    output = os.path.join(work, "bin", f"{name}.{label}")
    shutil.copytree(source, copy)
    if patch is not None:
        subprocess.run(["patch", "-s", "-p1", "-d", copy, "-i", patch], check=True)
    if build == "moved":
        shift(copy)
    make(name, copy, output, HOW[build])
    return output


def crashes(program, arguments, path):
    env = {"ASAN_OPTIONS": "symbolize=0:detect_leaks=0:allocator_may_return_null=1", "PATH": "/usr/bin:/bin"}
    argv = [program] + [path if a == "@@" else a for a in arguments]
    try:
        out = subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return True
    return out.returncode < 0 or b"ERROR: AddressSanitizer" in out.stderr


def label_of(name, path, fixed):
    for label, program in fixed:
        if not crashes(program, TARGETS[name][2], path):
            return f"{name}/{label}"
    return None


def plan(name, work, wanted):
    """({build: program}, [(input, label)], how many inputs no fix explains)."""
    package, _, _ = TARGETS[name]
    source = fetch(package, os.path.join(TOP, "build/sources", package))
    os.makedirs(os.path.join(work, "bin"), exist_ok=True)
    patches = sorted(glob.glob(os.path.join(builds.HERE, "fixes", name, "*.patch")))
    first = next(iter(builds.BUILDS))
    with ThreadPoolExecutor(2) as pool:
        programs = dict(zip(wanted, pool.map(lambda b: build_one(name, source, work, b), wanted)))
        made = pool.map(lambda p: build_one(name, source, work, first, p), patches)
        fixed = [(os.path.basename(p)[:-len(".patch")], program) for p, program in zip(patches, made)]
    inputs = sorted(glob.glob(os.path.join(TOP, "corpora", name, "crashes", "[0-9]*")))
    labelled = [(path, label_of(name, path, fixed)) for path in inputs]
    return programs, [(p, label) for p, label in labelled if label], sum(1 for _, label in labelled if not label)
