"""Real programs: Debian's sources, fixes made for this bench, and inputs that AFL++ found.

The truth is what mends: the labels of an input are all fixes whose build, with that fix alone, no longer crashes on it.
What no fix mends alone is left out, and counted. A fix that does not apply or mends nothing ends the run.
"""

import glob
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable

import builds

TOP = os.path.abspath(os.path.join(builds.HERE, "../../.."))
FLAGS = ["-g", "-w", "-fno-omit-frame-pointer"]
SECONDS = 10  # of one run; what takes longer hangs


@dataclass
class How:
    """A way to build: one copy of the source, which stays because debug information points there."""
    compiler: str
    flags: list
    copy: str


# no UBSan: it ends these programs at arithmetic that no fix here is about, before the fault that the label names
BUILDS = {build: (c, flags.split(",")[0].split()) for build, (c, _, flags) in builds.BUILDS.items()}
FIRST = next(iter(builds.BUILDS))  # whose flags the builds of the fixes have


# --- how each source is built: make(how, program, output) ---

def run_in(folder, *argv):
    subprocess.run(argv, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def make_files(files):
    def make(how, _, output):
        run_in(how.copy, how.compiler, *how.flags, "-DANSILIBS", "-o", output, *files.split(), "-lm")
    return make


def make_own(how, program, output):
    """By its own Makefile."""
    run_in(how.copy, "make", "-s", f"CC={how.compiler}", f"CFLAGS={' '.join(how.flags)}", program)
    shutil.copy(os.path.join(how.copy, program), output)


def make_catdoc(how, program, output):
    """By its configure; the tables of characters that it reads at start go beside the program, where the sandbox shows them."""
    flags = " ".join(how.flags)
    if not os.path.exists(os.path.join(how.copy, "src/Makefile")):
        tables = os.path.join(os.path.dirname(output), os.path.basename(how.copy) + ".tables")
        os.makedirs(os.path.join(tables, "catdoc"))
        run_in(how.copy, "./configure", "--quiet", "--disable-wordview", f"--prefix={tables}", f"--datadir={tables}",
               f"CC={how.compiler}", f"CFLAGS={flags}")
        run_in(how.copy, "make", "-s", "-C", "charsets", "install")
    run_in(how.copy, "make", "-s", "-C", "src", f"LDFLAGS={flags}", program)
    shutil.copy(os.path.join(how.copy, "src", program), output)


def make_stb(harness):
    """A library of single files: a harness, and main() of harnesses/standalone.c."""
    def make(how, _, output):
        header = os.path.join(how.copy, "stb_vorbis.h")  # Debian installs it by this name
        shutil.copy(os.path.join(how.copy, "stb_vorbis.c"), header)
        run_in(TOP, how.compiler, *how.flags, "-I", how.copy, "-o", output, harness, "harnesses/standalone.c", "-lm")
    return make


HARNESSES = {"stb_image": "tests/bench/dedup/stb_image.c", "stb_truetype": "harnesses/stb_truetype/harness.c",
             "stb_vorbis": "harnesses/stb_vorbis/harness.c"}


@dataclass
class Source:
    """What fixes/NAME/*.patch mend: a Debian source package and programs made of it, {name: arguments}."""
    package: str
    programs: dict
    make: Callable


SOURCES = {
    "midi2abc": Source("abcmidi", {"midi2abc": ["@@"]}, make_files("midi2abc.c midifile.c")),
    "abc2midi": Source("abcmidi", {"abc2midi": ["@@", "-o", "/dev/null"]},
                       make_files("parseabc.c store.c genmidi.c midifile.c queues.c parser2.c music_utils.c stresspat.c")),
    "exiftags": Source("exiftags", {"exiftags": ["-a", "@@"]}, make_own),
    "catdoc": Source("catdoc", {"xls2csv": ["@@"], "catppt": ["@@"], "catdoc": ["@@"]}, make_catdoc),
    **{name: Source("libstb", {name: ["@@"]}, make_stb(harness)) for name, harness in HARNESSES.items()},
}


def fetch(package):
    folder = os.path.join(TOP, "build/sources", package)
    subprocess.run([os.path.join(TOP, "scripts/fetch-target"), package, folder], check=True, stdout=subprocess.DEVNULL)
    return folder


def shift(folder):
    for path in glob.glob(os.path.join(folder, "**/*.[ch]"), recursive=True):
        with open(path, "rb") as file:
            text = file.read()
        with open(path, "wb") as file:
            file.write(b"\n" * builds.SHIFT + text)


def fixes_of(name):
    """{fix: its patch}."""
    paths = sorted(glob.glob(os.path.join(builds.HERE, "fixes", name, "*.patch")))
    return {os.path.basename(path)[:-len(".patch")]: path for path in paths}


def make_programs(name, work, build, label, copy):
    """{program: its path} of a copy of the source."""
    compiler, flags = BUILDS[build]
    os.makedirs(os.path.join(work, "bin"), exist_ok=True)
    programs = {program: os.path.join(work, "bin", f"{program}.{label}") for program in SOURCES[name].programs}
    for program, output in programs.items():
        SOURCES[name].make(How(compiler, FLAGS + flags, copy), program, output)
    return programs


def build_plain(name, work, build):
    copy = os.path.join(work, "src", f"{name}.{build}")
    shutil.copytree(fetch(SOURCES[name].package), copy)
    if build == "moved":
        shift(copy)
    return make_programs(name, work, build, build, copy)


def build_fixed(name, work, build, fix):
    """The plain build, which is there, with one fix: only what that touches is compiled again."""
    copy = os.path.join(work, "src", f"{name}.{build}-{fix}")
    shutil.copytree(os.path.join(work, "src", f"{name}.{build}"), copy)
    subprocess.run(["patch", "-s", "-p1", "-F0", "-d", copy, "-i", fixes_of(name)[fix]], check=True)
    return make_programs(name, work, build, f"{build}-{fix}", copy)


def crashes(program, arguments, path):
    env = {"ASAN_OPTIONS": "symbolize=0:detect_leaks=0:allocator_may_return_null=1", "PATH": "/usr/bin:/bin"}
    argv = [program] + [path if a == "@@" else a for a in arguments]
    try:
        out = subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return True
    return out.returncode < 0 or b"ERROR: AddressSanitizer" in out.stderr


def inputs_of(name):
    """[(program, path)]."""
    return [(program, path) for program in SOURCES[name].programs
            for path in sorted(glob.glob(os.path.join(TOP, "corpora", program, "crashes", "[0-9]*")))]


def label_all(name, fixed, inputs):
    """[(program, path, labels)] of what some fix mends alone. fixed: {fix: {program: path}}."""
    def labels_of(program, path):
        arguments = SOURCES[name].programs[program]
        return [f"{name}/{fix}" for fix, made in fixed.items() if not crashes(made[program], arguments, path)]

    with ThreadPoolExecutor(2) as pool:
        labels = list(pool.map(lambda i: labels_of(*i), inputs))
    idle = {f"{name}/{fix}" for fix in fixed} - {label for some in labels for label in some}
    if idle:
        sys.exit(f"dedup: these fixes mend no input: {' '.join(sorted(idle))}")
    return [(*i, some) for i, some in zip(inputs, labels) if some]


def build_all(name, work, wanted, fixed_in):
    """({build: {program: path}}, {fix: the same of the build fixed_in})."""
    fetch(SOURCES[name].package)
    fixes = list(fixes_of(name))
    builds_needed = dict.fromkeys([*wanted, fixed_in])
    with ThreadPoolExecutor(2) as pool:
        plain = dict(zip(builds_needed, pool.map(lambda build: build_plain(name, work, build), builds_needed)))
        fixed = dict(zip(fixes, pool.map(lambda fix: build_fixed(name, work, fixed_in, fix), fixes)))
    return plain, fixed


def plan(name, work, wanted):
    """({program: {build: path}}, [(program, input, labels)], how many inputs no fix mends)."""
    plain, fixed = build_all(name, work, wanted, FIRST)
    programs = {program: {build: plain[build][program] for build in wanted} for program in SOURCES[name].programs}
    inputs = inputs_of(name)
    labelled = label_all(name, fixed, inputs)
    return programs, labelled, len(inputs) - len(labelled)
