"""Scores of a grouping against the truth, and the fixed keys that it is compared with."""

from collections import Counter, defaultdict


def f1(precision, recall):
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def pairs(n):
    return n * (n - 1) // 2


def bugs_of(truth):
    """The labels that are needed: those that some crash has alone, and one for each crash that has none of them."""
    bugs = {labels[0] for labels in truth if len(labels) == 1}
    for labels in sorted(set(truth)):
        if not bugs & set(labels):
            bugs.add(labels[0])
    return bugs


def majority(truth, group):
    """{group: the bug that most of its crashes may be; among equals, that most of them are alone}."""
    bugs = bugs_of(truth)
    may, alone = defaultdict(Counter), defaultdict(Counter)
    for labels, g in zip(truth, group):
        for label in bugs & set(labels):
            may[g][label] += 1
            alone[g][label] += len(labels) == 1
    return {g: max(sorted(counts), key=lambda label, g=g: (counts[label], alone[g][label])) for g, counts in may.items()}


def apart(labels, counts):
    """How many of these crashes, {labels: n}, are of another bug for certain."""
    return sum(n for other, n in counts.items() if not set(labels) & set(other))


def score(truth, group):
    """
    Both are lists of the same length, one entry for each crash; its truth is a tuple of labels, sorted. Two crashes of equal
    labels are one bug, of disjoint ones two; what is between is not known, and counts neither way.
    """
    n = len(truth)
    by_truth = Counter(truth)
    groups = defaultdict(Counter)
    for labels, g in zip(truth, group):
        groups[g][labels] += 1
    cells = [(labels, c, apart(labels, counts)) for counts in groups.values() for labels, c in counts.items()]
    together = sum(pairs(c) for _, c, _ in cells)
    wrong = sum(c * others for _, c, others in cells) // 2
    p = together / max(1, together + wrong)
    r = together / max(1, sum(pairs(c) for c in by_truth.values()))
    bp = sum(c * c / (c + others) for _, c, others in cells) / max(1, n)
    br = sum(c * c / by_truth[labels] for labels, c, _ in cells) / max(1, n)
    bugs = bugs_of(truth)
    sure = [{labels[0] for labels in counts if len(labels) == 1} for counts in groups.values()]
    known = sum(pairs(c) for c in by_truth.values()) + sum(c * apart(labels, by_truth) for labels, c in by_truth.items()) // 2
    return {
        "pair_p": p, "pair_r": r, "pair_f1": f1(p, r), "b3_p": bp, "b3_r": br, "b3_f1": f1(bp, br),
        "bugs": len(bugs), "groups": len(groups), "unknown": pairs(n) - known,
        "over": sum(max(0, sum(bug in some for some in sure) - 1) for bug in bugs),
        "under": sum(max(0, len(some) - 1) for some in sure),
        "hidden": sorted(bugs - set(majority(truth, group).values())),
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
