"""Programs of known bugs, in every build, and inputs whose bug is known."""

import os
import random
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
SHIFT = 20  # lines inserted into each file of the build "moved"
INPUTS_MAX = 6000  # tries to find inputs of each label
BATCH = 400

# ubsan: UBSan beside ASan, and the first to speak, so that one fault is seen by either
BUILDS = {
    "clang14-O1": ("clang-14", "clang++-14", "-O1 -fsanitize=address"),
    "clang19-O2": ("clang-19", "clang++-19", "-O2 -fsanitize=address,undefined -fno-sanitize-recover=all"),
    "gcc-O2": ("gcc", "g++", "-O2 -fsanitize=address"),
    "moved": ("clang-14", "clang++-14", "-O1 -fsanitize=address"),
}
ORACLE = ("clang-14", "clang++-14", "-O1 -fsanitize=address -DORACLE")


def compile_one(source, output, how):
    c, cxx, flags = how
    compiler = [cxx, "-std=c++17"] if source.endswith(".cc") else [c, "-std=gnu11"]
    subprocess.run(compiler + ["-g", "-w", "-fno-omit-frame-pointer"] + flags.split() + ["-o", output, source],
                   check=True)


def shifted(source, folder):
    """A copy of the source and of what it includes, each with SHIFT lines before it."""
    os.makedirs(os.path.join(folder, "src"), exist_ok=True)
    for path, name in ((source, "src/" + os.path.basename(source)), (os.path.join(HERE, "dedup.h"), "dedup.h")):
        with open(path, encoding="utf-8") as file, open(os.path.join(folder, name), "w", encoding="utf-8") as out:
            out.write("\n" * SHIFT + file.read())
    return os.path.join(folder, "src", os.path.basename(source))


def name_of(source):
    return os.path.splitext(os.path.basename(source))[0]


def compile_all(sources, folder, builds):
    """{program: {build: path}}, the oracle among the builds."""
    jobs = []
    programs = {}
    for source in sources:
        name = name_of(source)
        os.makedirs(os.path.join(folder, "bin"), exist_ok=True)
        programs[name] = {}
        for build in list(builds) + ["oracle"]:
            path = os.path.join(folder, "bin", f"{name}.{build}")
            programs[name][build] = path
            what = shifted(source, os.path.join(folder, "moved")) if build == "moved" else source
            jobs.append((what, path, ORACLE if build == "oracle" else BUILDS[build]))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: compile_one(*job), jobs))
    return programs


def labels_in(source):
    with open(source, encoding="utf-8") as file:
        return set(re.findall(r'(?:BUG|HANG)\("([^"]+)"', file.read()))


def ask_oracle(oracle, paths):
    env = {"ASAN_OPTIONS": "symbolize=0:detect_leaks=0:allocator_may_return_null=1", "PATH": "/usr/bin:/bin"}
    out = subprocess.run([oracle] + paths, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, check=True)
    return [line.split(" ")[1:] for line in out.stdout.decode().splitlines()]


def random_input(rng):
    size = rng.choice((6, 8, 12, 16, 24, 32, 48, 64))
    style = rng.randrange(4)
    if style == 0:
        return rng.randbytes(size)
    if style == 1:
        return bytes(rng.randrange(16) for _ in range(size))
    if style == 2:  # a few bytes, and one of them many times
        return rng.randbytes(size // 4) + bytes([rng.randrange(256)]) * rng.randrange(size) + rng.randbytes(4)
    few = [rng.randrange(256) for _ in range(4)]
    return bytes(rng.choice(few) for _ in range(size))


def make_inputs(source, oracle, folder, per_label, seed):
    """[(path, label)]: up to per_label inputs of each bug. What fires two canaries holds two bugs: left out."""
    rng = random.Random(f"{seed} {name_of(source)}")
    wanted = {label: per_label for label in labels_in(source)}
    inputs = []
    two = 0
    os.makedirs(folder, exist_ok=True)
    for start in range(0, INPUTS_MAX, BATCH):
        if not any(wanted.values()):
            break
        paths = []
        for i in range(start, start + BATCH):
            paths.append(os.path.join(folder, f"{i:05d}"))
            with open(paths[-1], "wb") as file:
                file.write(random_input(rng))
        for path, labels in zip(paths, ask_oracle(oracle, paths)):
            two += len(set(labels)) > 1
            if len(set(labels)) == 1 and wanted[labels[0]] > 0:
                wanted[labels[0]] -= 1
                inputs.append((path, labels[0]))
            else:
                os.unlink(path)
    return inputs, two, sorted(label for label, n in wanted.items() if n == per_label)
