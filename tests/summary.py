"""Adds up what ./test has run: prints failures and why tests were skipped, then the sum.

usage: summary.py BUILD unit|e2e|vm...
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

EXCERPT = 40  # lines of a failed test's log
CHECKS = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.M)
SKIPPED = re.compile(r"^SKIPPED: (\w+): (.*)$", re.M)


class Sum:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.reasons = {}  # why skipped: names of tests

    def fail(self, name, text, count=1):
        self.failed += count
        print(f"\nFAILED {name}")
        for line in text.strip().splitlines()[-EXCERPT:]:
            print(f"    {line}")

    def skip(self, name, reason):
        self.skipped += 1
        self.reasons.setdefault(reason, []).append(str(name))

    def close(self):
        for reason, names in self.reasons.items():
            print(f"\nSKIPPED {len(names)}, because: {reason}")
            print("    " + "\n    ".join(names))
        print(f"\n{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed or not self.passed else 0


def add_unit(total, build):
    """One .trs and one .log per test program; libcheck says how many tests are in it."""
    records = sorted(build.glob("tests/**/*.trs"))
    if not records:
        total.fail("unit tests", "make check has run nothing")
    for record in records:
        name = record.relative_to(build).with_suffix("")
        result = re.search(r":test-result: (\w+)", record.read_text()).group(1)
        log = record.with_suffix(".log").read_text(errors="replace")
        counts = [tuple(map(int, found)) for found in CHECKS.findall(log)]
        checks, bad = sum(c[0] for c in counts), sum(c[1] + c[2] for c in counts)
        skipped = SKIPPED.findall(log)  # libcheck counts them as passed
        for check, why in skipped:
            total.skip(f"{name}: {check}", why)
        total.passed -= len(skipped)
        if result == "PASS":
            total.passed += checks or 1
        elif result == "SKIP":
            total.skip(name, (log.strip().splitlines() or ["no reason given"])[-1])
        else:
            total.passed += checks - bad
            total.fail(name, log, max(bad, 1))


def add_pytest(total, build, part):
    path = build / f"{part}.xml"
    cases = list(ElementTree.parse(path).iter("testcase")) if path.exists() else []
    if not cases:
        total.fail(part, f"pytest has run nothing in tests/{part}")
    for case in cases:
        name = f"{case.get('classname').replace('.', '/')}.py::{case.get('name')}"
        found = {child.tag: child for child in case}
        if "failure" in found or "error" in found:
            child = found.get("failure", found.get("error"))
            total.fail(name, child.text or child.get("message", ""))
        elif "skipped" in found:
            total.skip(name, found["skipped"].get("message", "no reason given"))
        else:
            total.passed += 1


def main():
    build, parts = pathlib.Path(sys.argv[1]), sys.argv[2:]
    total = Sum()
    for part in parts:
        if part == "unit":
            add_unit(total, build)
        else:
            add_pytest(total, build, part)
    return total.close()


if __name__ == "__main__":
    sys.exit(main())
