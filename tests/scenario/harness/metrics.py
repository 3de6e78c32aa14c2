# SPDX-License-Identifier: MIT
"""A strict reader of Prometheus' text format 0.0.4, and of what this project promises of its names.
It shares nothing with the program that writes it."""
import math
import re

from .check import Failed, check

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
SAMPLE = re.compile(rf"({NAME})(?:{{(.*)}})? (\S+)")
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\\n]|\\[\\n])+)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram|summary|untyped)")
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Inf)|NaN")
PARTS = ("_bucket", "_sum", "_count")


class Family:
    def __init__(self, name):
        self.name, self.kind, self.samples = name, None, {}  # (name, labels): value


def labels_of(text, line):
    found = {}
    while text:
        match = LABEL.match(text)
        check(match, f"bad labels: {line}")
        check(match.group(1) not in found, f"a label twice: {line}")
        found[match.group(1)] = match.group(2)
        text = text[match.end():]
        check(text or not match.group(3), f"a comma at the end: {line}")
    return found


def read_sample(family, line):
    match = SAMPLE.fullmatch(line)
    check(match, f"no sample: {line!r}")
    name, labels, number = match.group(1), labels_of(match.group(2) or "", line), match.group(3)
    check(NUMBER.fullmatch(number), f"no number: {line}")
    check(match.group(2) != "", f"empty braces: {line}")
    check(family and family.kind, f"a sample before HELP and TYPE: {line}")
    wanted = [family.name + part for part in PARTS] if family.kind == "histogram" else [family.name]
    check(name in wanted, f"a sample of another family than {family.name}: {line}")
    check(("le" in labels) == name.endswith("_bucket"), f"le where it does not belong: {line}")
    key = (name, tuple(sorted(labels.items())))
    check(key not in family.samples, f"a series twice: {line}")
    family.samples[key] = float(number)


def families_of(text):
    """In order; each with HELP, TYPE and samples, together and once."""
    check(text.endswith("\n"), "the last line does not end")
    families = {}
    now = None
    for line in text[:-1].split("\n"):
        if not line.startswith("#"):
            read_sample(now, line)
            continue
        if match := HELP.fullmatch(line):
            check(match.group(1) not in families, f"a family twice: {line}")
            check(now is None or now.samples, f"a family without samples before {line}")
            now = families[match.group(1)] = Family(match.group(1))
        elif match := TYPE.fullmatch(line):
            check(now and now.name == match.group(1) and not now.kind, f"TYPE without its HELP: {line}")
            now.kind = match.group(2)
        else:
            raise Failed(f"neither HELP, TYPE nor a sample: {line!r}")
    check(now and now.samples, "the last family has no samples")
    return families


def judge_histogram(family):
    """Buckets rise, end in +Inf, and that is the count; a sum beside them."""
    rows = {}
    for (name, labels), value in family.samples.items():
        others = tuple(pair for pair in labels if pair[0] != "le")
        row = rows.setdefault(others, {"_bucket": []})
        if name.endswith("_bucket"):
            row["_bucket"].append((float(dict(labels)["le"]), value))
        else:
            row[name[len(family.name):]] = value
    for labels, row in rows.items():
        where = f"{family.name} {dict(labels)}"
        bounds = [bound for bound, _ in row["_bucket"]]
        counts = [count for _, count in row["_bucket"]]
        check(bounds and bounds == sorted(set(bounds)), f"{where}: bounds {bounds}")
        check(bounds[-1] == math.inf, f"{where}: no +Inf")
        check(counts == sorted(counts), f"{where}: buckets are not cumulative: {counts}")
        check(row.get("_count") == counts[-1], f"{where}: {row.get('_count')} is not {counts[-1]}")
        check(row.get("_sum", -1) >= 0, f"{where}: no sum")


def judge_family(family):
    name = family.name
    check(name.startswith("sbc_"), f"{name} does not begin with sbc_")
    check(name.endswith("_total") == (family.kind == "counter"), f"{name} is a {family.kind}")
    check(not name.endswith(PARTS), f"{name} ends like a part of a histogram")
    check(not re.search(r"_(ms|us|ns|milliseconds|microseconds|minutes|kb|kilobytes|bits)(_|$)", name),
          f"{name}: times are in seconds, sizes in bytes")
    shapes = {tuple(key for key, _ in labels if key != "le") for _, labels in family.samples}
    check(len(shapes) == 1, f"{name}: series with different labels {shapes}")
    if family.kind == "counter":
        check(all(0 <= value < math.inf for value in family.samples.values()), f"{name} counts oddly")
    if family.kind == "histogram":
        judge_histogram(family)


def judge_metrics(text):
    """The families by name, all of them right."""
    families = families_of(text)
    for family in families.values():
        judge_family(family)
    return families
