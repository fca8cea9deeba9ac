#!/usr/bin/env python3
"""Runs every test of this folder: test/run.py [PATTERN...].

A PATTERN is a part of a test's name ("test_store", "Https.test_wrong_password"); without
one, all run; -PATTERN leaves tests out. The last line counts: "N passed, N failed". Exit status 1 if one failed or
none ran.
"""

import os
import sqlite3
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class Result(unittest.TextTestResult):
    """Counts what passed; a test with failing subtests counts as one failure."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def startTest(self, test):
        self.begun = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        seconds = time.monotonic() - self.begun
        if seconds > 5:
            self.stream.write("  [%.0f s: %s]\n" % (seconds, test.id()))
        super().stopTest(test)


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def main(patterns):
    if not hasattr(sqlite3.connect(":memory:"), "enable_load_extension"):
        sys.exit("run.py: the sqlite3 module of %s cannot load extensions; run it with a "
                 "Python that can, such as Debian's /usr/bin/python3" % sys.executable)
    sys.path.insert(0, HERE)
    tests = list(flatten(unittest.defaultTestLoader.discover(HERE, "test_*.py")))
    wanted = [p for p in patterns if p[0] != "-"] or [""]
    unwanted = [p[1:] for p in patterns if p[0] == "-"]
    tests = [t for t in tests if any(p in t.id() for p in wanted) and not any(p in t.id() for p in unwanted)]
    runner = unittest.TextTestRunner(resultclass=Result, verbosity=1, stream=sys.stdout)
    result = runner.run(unittest.TestSuite(tests))
    bad = {getattr(t, "test_case", t).id() for t, _ in result.failures + result.errors}
    skipped = ", %d skipped" % len(result.skipped) if result.skipped else ""
    print("%d passed, %d failed%s" % (result.passed, len(bad), skipped))
    return 1 if bad or not result.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
