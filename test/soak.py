"""What takes too long for `make test`: an answer of 1,000,000 items and one with a string of 64 MiB,
stored and read, with a bound on the memory that it takes. On Linux, for /proc/self/status."""
import os
import subprocess
import sys
import tempfile
import time
import unittest

import support

CHILD = r"""
import re, sys
sys.path.insert(0, sys.argv[1])
import support
def peak():  # Not ru_maxrss, which begins with what the parent had
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) >> 10
con = support.connect(sys.argv[3])
with open(sys.argv[2], "rb") as file:
    body = file.read()
before = peak()
con.execute("SELECT naver_serp_import(?)", (body,))
stored = peak() - before
rows = total = 0
for rank, length in con.execute("SELECT rank_absolute, length(title) FROM naver_serp"):
    rows += 1
    total += rank + length
sound = con.execute("PRAGMA integrity_check").fetchone()[0]
print(rows, total, sound, stored, peak() - before)
"""
MIB = 1 << 20


class TestLarge(unittest.TestCase):
    def measure(self, items):
        """Rows, the sum over them, and how many MiB more than the body alone it took to store the
        answer, and to read it too. The body is in the process before."""
        with tempfile.TemporaryDirectory() as work:
            path = os.path.join(work, "answer.json")
            with open(path, "wb") as file:
                file.write(support.answer(items))
            begun = time.monotonic()
            run = subprocess.run(
                [sys.executable, "-c", CHILD, os.path.dirname(__file__), path, os.path.join(work, "x.db")],
                check=True, capture_output=True, text=True, timeout=300)
            rows, total, sound, stored, read = run.stdout.split()
            print(f"{self.id()}: {os.path.getsize(path) >> 20} MiB, {time.monotonic() - begun:.1f} s;"
                  f" {stored} MiB more to store, {read} to read", flush=True)
        self.assertEqual(sound, "ok")
        return int(rows), int(total), int(stored), int(read)

    def test_a_million_items(self):
        n = 1000000
        items = b",".join(b'{"rank_absolute":%d,"title":"t"}' % k for k in range(n))
        rows, total, stored, read = self.measure(b"[" + items + b"]")
        self.assertEqual((rows, total), (n, n * (n - 1) // 2 + n))
        self.assertLess(stored, 6 * 35)  # Six times the body: what stands for each item is small
        self.assertLess(read, 6 * 35)

    def test_a_string_of_64_mib(self):
        size = 64 * MIB
        rows, total, stored, read = self.measure(b'[{"rank_absolute":7,"title":"' + b"x" * size + b'"}]')
        self.assertEqual((rows, total), (1, 7 + size))
        self.assertLess(stored, 4 * 64)  # Parsed, bound and written: no further copy
        self.assertLess(read, 4 * 64)


if __name__ == "__main__":
    unittest.main()
