"""The extension under ASan and UBSan, TSan and valgrind: test/sanitize.py [short | PATTERN...].

First a host in C (test/host.c) with the double of the API: two threads under TSan, two with leaks
counted under ASan, one under valgrind. Then the tests of this folder under ASan and UBSan, but for
ELSEWHERE: those whose names contain a PATTERN, or all; not so with "short". Exit status 1 if there is a finding.
"""
import glob
import os
import subprocess
import sys
import tempfile

import support  # Takes settings and credentials out of the environment
from double import Double

COMMON = "-O1 -g -fno-omit-frame-pointer"
FLAGS = {
    "address": COMMON + " -fsanitize=address,undefined -fno-sanitize-recover=undefined",
    "thread": COMMON + " -fsanitize=thread",
    "valgrind": COMMON,
}
ENVIRONMENT = {
    "address": {"ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
                "UBSAN_OPTIONS": "print_stacktrace=1"},
    "thread": {"TSAN_OPTIONS": "halt_on_error=0:exitcode=66:second_deadlock_stack=1"},
    "valgrind": {},
}
VALGRIND = ["valgrind", "-q", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect",
            "--show-leak-kinds=definite,indirect", "--error-exitcode=66"]
THREADS = {"address": 2, "thread": 2, "valgrind": 1}
ROUNDS = {"address": 10, "thread": 10, "valgrind": 2}
ROWS = 10
# What ASan's preloaded library spoils: a browser and man die of it, the hosts and the installed
# library are other builds, test_faults has an allocator of its own, and freed memory is kept.
ELSEWHERE = ["-test_report", "-test_install", "-test_hosts", "-test_faults", "-test_ten_thousand_queries"]
# A sanitizer's report begins so; the tests' own output does not.
REPORTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:")


def folder(kind):
    return os.path.join("build", kind)


def build(kind):
    subprocess.run(["make", "--no-print-directory", "-s", "-j2", f"BUILD={folder(kind)}", "CC=gcc",
                    f"CFLAGS={FLAGS[kind]}", "all", folder(kind) + "/host"], check=True)


def run_host(kind):
    """True if the host ends well. What it says is shown."""
    with Double(ready_per_minute=100000) as double, tempfile.TemporaryDirectory() as work:
        ids = double.generate(20, items=ROWS)
        database = os.path.join(work, "host.db")
        subprocess.run([support.SHELL, database, "PRAGMA journal_mode = wal"], check=True, capture_output=True)
        command = VALGRIND * (kind == "valgrind") + [
            folder(kind) + "/host", folder(kind) + "/naver_serp", database, str(THREADS[kind]),
            str(ROUNDS[kind]), str(ROWS), *ids]
        run = subprocess.run(command, env={**os.environ, **ENVIRONMENT[kind], **double.env()},
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                             timeout=600, check=False)
    good = run.returncode == 0 and not any(word in run.stdout for word in REPORTS)
    said = run.stdout.strip()[:5000]
    print(f"host under {kind}: {THREADS[kind]} thread(s), {'ok' if good else 'FAILED'}:", said, flush=True)
    return good


def run_tests(patterns):
    """True if all tests pass and the sanitizers report nothing."""
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)
    with tempfile.TemporaryDirectory() as work:
        # Python itself leaks at its end; leaks are the host's business.
        env = {**os.environ, "LD_PRELOAD": library.stdout.strip(),
               "EXTENSION": os.path.abspath(folder("address") + "/naver_serp"),
               "ASAN_OPTIONS": f"detect_leaks=0:log_path={work}/asan",
               "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={work}/ubsan"}
        run = subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "run.py"), *ELSEWHERE, *patterns],
                             env=env, check=False)
        reports = glob.glob(work + "/*")
        for path in reports:
            with open(path, encoding="utf-8", errors="replace") as file:
                print(file.read())
    print(f"tests under address: exit status {run.returncode}, {len(reports)} reports", flush=True)
    return run.returncode == 0 and not reports


def main(arguments):
    os.chdir(support.ROOT)
    good = True
    for kind in FLAGS:
        build(kind)
        good &= run_host(kind)
    if arguments != ["short"]:
        good &= run_tests(arguments)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
