"""What Python says of an exception that nobody caught. usage: python3 faults.py WORD"""
import sys
import traceback


def read_magic(data):
    return data[7]


def parse(data):
    try:
        return read_magic(data)
    except IndexError as e:
        raise ValueError("bad magic") from e


def recurse(n):
    return recurse(n + 1)


def main():
    word = sys.argv[1]
    if word == "index":
        read_magic(b"abc")
    elif word == "cause":
        parse(b"abc")
    elif word == "recurse":
        recurse(1)
    elif word == "atheris":
        try:
            read_magic(b"abc")
        except IndexError:
            print("\n === Uncaught Python exception: ===\nIndexError: index out of range", file=sys.stderr)
            print("Traceback (most recent call last):", file=sys.stderr)
            traceback.print_tb(sys.exc_info()[2])
            print("\n==12== ERROR: libFuzzer: fuzz target exited", file=sys.stderr)


main()
