"""Scores of a grouping against the truth, and the fixed keys that it is compared with."""

from collections import Counter, defaultdict


def f1(precision, recall):
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def pairs(n):
    return n * (n - 1) // 2


def score(truth, group):
    """Both are lists of the same length, one entry for each crash."""
    n = len(truth)
    by_truth = Counter(truth)
    by_group = Counter(group)
    both = Counter(zip(truth, group))
    together = sum(pairs(c) for c in both.values())
    p = together / max(1, sum(pairs(c) for c in by_group.values()))
    r = together / max(1, sum(pairs(c) for c in by_truth.values()))
    bp = sum(c * c / by_group[g] for (_, g), c in both.items()) / max(1, n)
    br = sum(c * c / by_truth[t] for (t, _), c in both.items()) / max(1, n)
    major = set()
    groups_of = defaultdict(set)
    for g in by_group:
        counts = sorted(((c, str(t), t) for (t, other), c in both.items() if other == g), reverse=True)
        major.add(counts[0][2])
    for t, g in both:
        groups_of[t].add(g)
    return {
        "pair_p": p, "pair_r": r, "pair_f1": f1(p, r), "b3_p": bp, "b3_r": br, "b3_f1": f1(bp, br),
        "bugs": len(by_truth), "groups": len(by_group),
        "over": sum(len(groups) - 1 for groups in groups_of.values()),
        "under": sum(len({t for t, other in both if other == g}) - 1 for g in by_group),
        "hidden": sorted(str(t) for t in by_truth if t not in major),
    }


def stability(keys):
    """Of all pairs of builds that one input crashes, the share that is in one group. keys: [(input, group)]."""
    by_input = defaultdict(list)
    for name, group in keys:
        by_input[name].append(group)
    same = total = 0
    for groups in by_input.values():
        total += pairs(len(groups))
        same += sum(pairs(c) for c in Counter(groups).values())
    return same / max(1, total)


# --- fixed keys ---

def collapse(names):
    """Repeats of cycles of 1 to 10 frames count once."""
    out = []
    i = 0
    while i < len(names):
        for length in range(1, 11):
            if len(out) >= length and out[-length:] == names[i:i + length]:
                i += length
                break
        else:
            out.append(names[i])
            i += 1
    return out


def frames_of(record, line):
    out = []
    for frame in record["frames"]:
        if frame["stack"] == "crash" and frame.get("counts"):
            name = (frame["function"] or frame["module"] or "?").split("(")[0]
            out.append(f"{name}:{frame['line']}" if line else name)
    return out


def fixed_keys():
    """{name: function of a record}."""
    keys = {}
    for top in (1, 3, 5, None):
        for with_type in (False, True):
            for line in (False, True):
                for collapsed in (False, True):
                    name = f"top-{top}" if top else "full"
                    name += (" +type" if with_type else "") + (" +line" if line else "")
                    name += " +collapse" if collapsed else ""

                    def key(record, top=top, with_type=with_type, line=line, collapsed=collapsed):
                        names = frames_of(record, line)
                        names = collapse(names) if collapsed else names
                        kind = record["crash_type"].split("\n")[0] if with_type else ""
                        return (kind, *names[:top])
                    keys[name] = key
    keys["ClusterFuzz (type, state)"] = lambda record: (record["crash_type"], record["crash_state"])
    keys["hash.major"] = lambda record: record["hash"]["major"]
    return keys
