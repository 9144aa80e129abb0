"""Real crashes: the programs of the dedup bench, built for AFL++ with ASan, and the inputs that AFL++ found for them."""

import glob
import os
import random
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "../../.."))
sys.path.insert(0, os.path.join(HERE, "../dedup"))

import targets  # noqa: E402

AFL = ["-O1", "-fsanitize=address"]
FUZZER = ["-O1", "-fsanitize=address,fuzzer"]


def make_afl(name, work):
    """{program: path}; made once."""
    made = {program: os.path.join(work, "bin", f"{program}.afl") for program in targets.SOURCES[name].programs}
    if not all(map(os.path.exists, made.values())):
        copy = os.path.join(work, "src", f"{name}.afl")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(targets.fetch(targets.SOURCES[name].package), copy)
        os.makedirs(os.path.join(work, "bin"), exist_ok=True)
        for program, output in made.items():
            targets.SOURCES[name].make(targets.How("afl-clang-fast", targets.FLAGS + AFL, copy), program, output)
    return made


def make_fuzzer(name, work):
    """The path of libFuzzer's build, None where the program is no harness; main() is libFuzzer's in place of our own."""
    output = os.path.join(work, "bin", f"{name}.libfuzzer")
    harness = targets.HARNESSES.get(name)
    if harness is None or os.path.exists(output):
        return None if harness is None else output
    subprocess.run(["clang-14", *targets.FLAGS, *FUZZER, "-I", os.path.join(work, "src", f"{name}.afl"), "-o", output, harness, "-lm"],
                   cwd=TOP, check=True)
    return output


def cases_of(name, work):
    """[[case of each of its inputs] of each of its programs]."""
    made = make_afl(name, work)
    fuzzer = make_fuzzer(name, work)
    return [[dict({"set": "real", "name": f"{program} {os.path.basename(path)[:9]}", "input": path,
                   "command": [made[program], *arguments]}, **({"libfuzzer": fuzzer} if fuzzer else {}))
             for path in sorted(glob.glob(os.path.join(TOP, "corpora", program, "crashes", "[0-9]*")))]
            for program, arguments in targets.SOURCES[name].programs.items()]


def cases(work, only, seed, cannot):
    """Endless but for the inputs: one of each program in turn, each program's in an order made from the seed."""
    lists = []
    for name, source in targets.SOURCES.items():
        if not any(program.startswith(only) for program in source.programs):
            continue
        try:
            found = cases_of(name, work)
        except (subprocess.CalledProcessError, OSError) as e:
            cannot(f"{name}: {e}")
            continue
        lists += [some for some in found if some and some[0]["name"].startswith(only)]
    for some in lists:
        random.Random(f"{seed} {some[0]['name']}").shuffle(some)
    for turn in range(max(map(len, lists), default=0)):
        yield from (some[turn] for some in lists if turn < len(some))
