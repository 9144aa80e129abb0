"""Formats made at random, each with the input that is known to be the least one for its bug.

A format is a strict parser in C (LLVMFuzzerTestOneInput), crashing inputs for it, and the size of the least input. The bug
is a heap overflow in canary(); a parser that is cut off or fed nonsense often overflows in decoy(), another bug.
"""

import random
import struct
import zlib

HEAD = r"""
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
typedef const unsigned char bytes;
__attribute__((noinline)) static void canary(size_t n) { volatile char *p = malloc(4); p[n] = 1; free((void *)p); }
__attribute__((noinline)) static void decoy(size_t n) { volatile char *p = malloc(2); p[n] = 1; free((void *)p); }
"""

NUMBER = r"""
static size_t number(bytes *p, int width, int big) {
  size_t v = 0;
  for (int i = 0; i < width; i++) v = v << 8 | p[big ? i : width - 1 - i];
  return v;
}
"""


class Format:
    def __init__(self, name, source, inputs, ideal):
        self.name, self.source, self.inputs, self.ideal = name, HEAD + source, inputs, ideal


def noise(r, n):
    return bytes(r.choice((0, 1, 32, 65, 97, 200, 255, r.randrange(256))) for _ in range(n))


def nested(r):
    """Elements of tag, length and value; containers within containers; the bug is a leaf at some depth."""
    width, big, depth = r.choice((1, 2, 2, 4)), r.randrange(2), r.randint(1, 4)
    box, leaf, other = r.sample(range(1, 255), 3)
    magic = noise(r, 2) + bytes([r.randrange(1, 256)])
    source = NUMBER + f"""
static int walk(bytes *p, size_t n, int depth) {{
  while (n > 0) {{
    if (n < 1 + {width}) return 0;
    size_t len = number(p + 1, {width}, {big});
    if (len > n - 1 - {width}) {{ if (p[0] == {leaf}) decoy(2); return 0; }}
    bytes *v = p + 1 + {width};
    if (p[0] == {box}) {{ if (!walk(v, len, depth + 1)) return 0; }}
    else if (p[0] == {leaf} && depth == {depth} && len >= 3 && v[0] == {magic[0]} && v[1] == {magic[1]} && v[2] == {magic[2]}) canary(4);
    else if (p[0] != {leaf} && p[0] != {other}) return 0;
    p = v + len; n -= 1 + {width} + len;
  }}
  return 1;
}}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {{ walk(data, size, 0); return 0; }}
"""
    order = "big" if big else "little"
    limit = min(256 ** width - 1, 4000)

    def element(tag, value):
        return bytes([tag]) + len(value).to_bytes(width, order) + value

    def junk(room):
        out = b""
        while len(out) < room // 3:
            out += element(r.choice((other, leaf)), noise(r, r.randint(0, max(1, room // 8))))
        return out[:0] if len(out) > room else out

    def make():
        inner = element(leaf, magic + noise(r, r.randint(0, limit // 8)))
        for _ in range(depth):
            room = limit - len(inner)
            inner = element(box, junk(room // 2) + inner + junk(room // 2))
        return junk(limit // 2) + inner + junk(limit // 2)

    return Format(f"nested {width * 8}-bit {'BE' if big else 'LE'} depth {depth}", source, [make(), make()],
                  (depth + 1) * (1 + width) + 3)


def chunks(r):
    """A signature and chunks of length, type, data and CRC-32, as PNG has; wrong sums end the reading."""
    big, first = r.randrange(2), r.randrange(2)
    sign = noise(r, 4)
    head, kind, other = (bytes(r.sample(range(65, 91), 4)) for _ in range(3))
    magic = bytes(r.randrange(1, 256) for _ in range(4))
    array = ", ".join
    source = NUMBER + f"""
static uint32_t crc(bytes *p, size_t n) {{
  uint32_t c = 0xffffffff;
  for (size_t i = 0; i < n; i++) {{ c ^= p[i]; for (int k = 0; k < 8; k++) c = c >> 1 ^ (0xedb88320 & -(c & 1)); }}
  return ~c;
}}
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {{
  static const unsigned char sign[] = {{{array(map(str, sign))}}}, head[] = {{{array(map(str, head))}}};
  static const unsigned char kind[] = {{{array(map(str, kind))}}}, magic[] = {{{array(map(str, magic))}}};
  int seen = {1 - first};
  if (n < 4 || memcmp(p, sign, 4) != 0) return 0;
  p += 4; n -= 4;
  while (n >= 12) {{
    size_t len = number(p, 4, {big});
    if (len > n - 12) {{ if (seen && len < 99999) decoy(2); return 0; }}
    if (crc(p + 4, len + 4) != number(p + 8 + len, 4, {big})) return 0;
    if (memcmp(p + 4, head, 4) == 0) seen = seen || len >= 2;
    if (memcmp(p + 4, kind, 4) == 0 && seen && len >= 4 && memcmp(p + 8, magic, 4) == 0) canary(4);
    p += 12 + len; n -= 12 + len;
  }}
  return 0;
}}
"""
    pack = ">I" if big else "<I"

    def chunk(name, data):
        return struct.pack(pack, len(data)) + name + data + struct.pack(pack, zlib.crc32(name + data))

    def make():
        out = sign + chunk(head, noise(r, r.randint(2, 30)))
        for _ in range(r.randint(2, 9)):
            out += chunk(other, noise(r, r.randint(0, 900)))
        out += chunk(kind, magic + noise(r, r.randint(0, 400)))
        return out + b"".join(chunk(other, noise(r, r.randint(0, 300))) for _ in range(r.randint(0, 4)))

    return Format(f"chunks CRC-32 {'BE' if big else 'LE'}{' after a header' if first else ''}", source, [make(), make()],
                  4 + (14 if first else 0) + 16)


def decimal(r):
    """Text records "LENGTH:payload," within each other."""
    depth = r.randint(1, 3)
    key = bytes(r.sample(range(97, 123), 3))
    source = f"""
static int walk(bytes *p, size_t n, int depth) {{
  while (n > 0) {{
    size_t len = 0, i = 0;
    while (i < n && i < 6 && isdigit(p[i])) len = len * 10 + (p[i++] - '0');
    if (i == 0 || i == n || p[i] != ':') return 0;
    i++;
    if (len >= n - i) {{ if (depth > 0) decoy(2); return 0; }}
    if (p[i + len] != ',') return 0;
    if (depth == {depth} && len >= 3 && memcmp(p + i, "{key.decode()}", 3) == 0) canary(4);
    if (len > 0 && isdigit(p[i]) && !walk(p + i, len, depth + 1)) return 0;
    p += i + len + 1; n -= i + len + 1;
  }}
  return 1;
}}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {{ walk(data, size, 0); return 0; }}
"""

    def record(data):
        return str(len(data)).encode() + b":" + data + b","

    def word(most):
        return bytes(r.randrange(97, 123) for _ in range(r.randint(1, most)))

    def make():
        inner = record(key + word(300))
        for _ in range(depth):
            inner = record(b"".join(record(word(90)) for _ in range(r.randint(1, 5))) + inner
                           + b"".join(record(word(90)) for _ in range(r.randint(0, 4))))
        return b"".join(record(word(200)) for _ in range(r.randint(1, 5))) + inner

    least = key
    for _ in range(depth + 1):
        least = record(least)
    return Format(f"decimal lengths depth {depth}", source, [make(), make()], len(least))


def total(r):
    """A header of magic, the length of the whole and the sum of all bytes behind it."""
    width, big = r.choice((2, 4)), r.randrange(2)
    magic, mark = noise(r, 3), bytes(r.randrange(1, 256) for _ in range(4))
    source = NUMBER + f"""
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {{
  static const unsigned char magic[] = {{{", ".join(map(str, magic))}}}, mark[] = {{{", ".join(map(str, mark))}}};
  size_t sum = 0;
  if (n < 5 + {width} || memcmp(p, magic, 3) != 0) return 0;
  if (number(p + 3, {width}, {big}) != n) {{ if (p[3 + {width}] == 0) decoy(2); return 0; }}
  for (size_t i = 5 + {width}; i < n; i++) sum += p[i];
  if ((sum & 0xffff) != number(p + 3 + {width}, 2, {big})) return 0;
  if (n > 5 + {width} && memmem(p + 5 + {width}, n - 5 - {width}, mark, 4) != NULL) canary(4);
  return 0;
}}
"""
    order = "big" if big else "little"

    def make():
        body = noise(r, r.randint(200, 4000)) + mark + noise(r, r.randint(200, 4000))
        return magic + (len(body) + 5 + width).to_bytes(width, order) + (sum(body) & 0xffff).to_bytes(2, order) + body

    return Format(f"total {width * 8}-bit {'BE' if big else 'LE'}, byte sum", source, [make(), make()], 9 + width)


def grammar(r):
    """Balanced lists of words; the bug is one word in a list within a list that begins with another."""
    outer, inner = ("".join(chr(r.randrange(97, 123)) for _ in range(n)) for n in (3, 4))
    source = f"""
static bytes *end;
static bytes *list(bytes *p, int in) {{
  int first = 1, is_outer = 0;
  for (;;) {{
    while (p < end && isspace(*p)) p++;
    if (p == end) return NULL;
    if (*p == ')') return p + 1;
    if (*p == '(') {{ p = list(p + 1, is_outer); if (p == NULL) return NULL; first = 0; continue; }}
    bytes *w = p;
    while (p < end && isalnum(*p)) p++;
    if (p == w) {{ if (*p == '#') decoy(2); return NULL; }}
    is_outer = is_outer || (first && p - w == 3 && memcmp(w, "{outer}", 3) == 0);
    if (in && p - w == 4 && memcmp(w, "{inner}", 4) == 0 && p < end && *p == ')') {{
      int open = 1;
      for (bytes *q = p + 1; q < end; q++) open += *q == '(' ? -1 : *q == ')' ? 1 : 0;
      if (open >= 2) canary(4);
    }}
    first = 0;
  }}
}}
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {{
  end = p + n;
  if (n > 0 && *p == '(') list(p + 1, 0); else if (n > 2 && *p == '#') decoy(2);
  return 0;
}}
"""

    def word():
        return "".join(chr(r.randrange(97, 123)) for _ in range(r.randint(1, 9)))

    def items(depth):
        return " ".join("(" + items(depth - 1) + ")" if depth > 0 and r.random() < .4 else word() for _ in range(r.randint(1, 7)))

    def make():
        text = f"({outer} {items(3)} ({items(2)} {inner}) {items(2)})"
        for _ in range(r.randint(2, 5)):
            text = f"({items(3)}\n {text}\n {items(3)})"
        return text.encode()

    return Format("lists of words", source, [make(), make()], len(f"({outer}({inner}))"))


FAMILIES = (nested, chunks, decimal, total, grammar)


def make_formats(seed, each):
    r = random.Random(seed)
    return [family(r) for family in FAMILIES for _ in range(each)]
