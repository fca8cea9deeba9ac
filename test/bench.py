#!/usr/bin/env python3
"""make bench: ratios, each measured side by side in one run: test/bench.py [--answers N] [--runs N]

The corpus is N generated answers of 100 items (default 1,000; always the same ones). Every
figure is the median of several runs, in milliseconds of processor time of this process for
an answer; only the ratios mean anything on another machine.

  parse       cJSON_ParseWithLength and cJSON_Delete over the bodies, nothing else
  store       naver_serp_import of the bodies in one transaction, in memory and in a file
  count       items by type over everything stored: through naver_serp, over the stored table
              itself, and by json_each over the same bodies

The second table is wall-clock time against the test double, at 100 ms latency:

  fetch       --ids N answers (default 1,000) by one `id IN (...)`, stored in a file: over the
              ideal of ceil(N / 30) * 100 ms, over curl --parallel on the same URLs (which
              neither stores nor parses), and over one request after another (naver_serp with
              concurrency 1 on a tenth of the ids, scaled)
  memory      peak of a process that fetches --many N ids (default 10,000), over one of 100
"""

import argparse
import contextlib
import ctypes
import ctypes.util
import math
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import support  # noqa: E402
from double import Double, answer  # noqa: E402

ID = "03171324-1535-0066-0000-%012x"


def corpus(n):
    return [answer(ID % i, "keyword %d" % i, items=100) for i in range(n)]


def measured(function, runs, before=lambda: None):
    """Median seconds of processor time, after one run that does not count."""
    times = []
    for run in range(runs + 1):
        before()
        begun = time.process_time()
        function()
        if run:
            times.append(time.process_time() - begun)
    return statistics.median(times)


def parse_alone(bodies):
    lib = ctypes.CDLL(ctypes.util.find_library("cjson"))
    lib.cJSON_ParseWithLength.restype = ctypes.c_void_p
    lib.cJSON_ParseWithLength.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    lib.cJSON_Delete.argtypes = [ctypes.c_void_p]

    def run():
        for body in bodies:
            lib.cJSON_Delete(lib.cJSON_ParseWithLength(body, len(body)))
    return run


def store_all(con, bodies):
    def run():
        con.execute("BEGIN")
        for body in bodies:
            con.execute("SELECT naver_serp_import(?)", (body,)).fetchone()
        con.execute("COMMIT")
    return run


def query(con, sql, expected):
    def run():
        found = con.execute(sql).fetchall()
        if found != expected:
            sys.exit("bench: another answer than expected from: " + sql)
    return run


BY_TYPE = {
    "naver_serp": "SELECT type, count(*) FROM naver_serp GROUP BY 1 ORDER BY 1",
    "stored table": "SELECT type, count(*) FROM naver_serp_items GROUP BY 1 ORDER BY 1",
    "json_each": "SELECT i.value ->> 'type', count(*) FROM naver_serp_cache c,"
                 " json_each(CAST(c.body AS TEXT), '$.tasks[0].result[0].items') i"
                 " GROUP BY 1 ORDER BY 1",
}


LATENCY = 0.1
CONCURRENCY = 30
FETCH = """
import os, re, sys, time
sys.path.insert(0, sys.argv[1])
settings = {k: v for k, v in os.environ.items() if k.startswith(("NAVER_SERP_", "DATAFORSEO_"))}
import support
os.environ.update(settings)
con = support.connect(sys.argv[2])
con.execute("CREATE TEMP TABLE ids(id)")
con.executemany("INSERT INTO ids VALUES (?)", ((line.strip(),) for line in sys.stdin))
begun = time.monotonic()
n, = con.execute("SELECT count(*) FROM naver_serp WHERE id IN (SELECT id FROM ids)").fetchone()
seconds = time.monotonic() - begun
# Not ru_maxrss, which a process inherits from the one that started it.
print(n, seconds, re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def fetch(double, folder, ids, **settings):
    """Rows, seconds and peak KiB of a process that fetches the ids into a new file."""
    environment = dict(os.environ, **double.env(), NAVER_SERP_REQUESTS_PER_MINUTE="100000",
                       **{"NAVER_SERP_" + k.upper(): str(v) for k, v in settings.items()})
    path = os.path.join(folder, "fetch.db")
    for name in (path, path + "-journal"):
        if os.path.exists(name):
            os.unlink(name)
    done = subprocess.run([sys.executable, "-c", FETCH, HERE, path], input="\n".join(ids),
                          capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit("bench: " + done.stderr)
    n, seconds, peak = done.stdout.split()
    return int(n), float(seconds), int(peak)


def curl_parallel(double, folder, ids):
    """Seconds that curl takes for the same URLs."""
    config = os.path.join(folder, "curl.cfg")
    with open(config, "w") as f:
        f.write('cacert = "%s"\nuser = "%s:%s"\n' % (double.ca_file, double.user, double.password))
        for i in ids:
            f.write('url = "%s/v3/serp/naver/organic/task_get/advanced/%s"\noutput = "/dev/null"\n'
                    % (double.base_url, i))
    begun = time.monotonic()
    subprocess.run(["curl", "--silent", "--no-progress-meter", "--compressed", "--parallel", "--parallel-max",
                    str(CONCURRENCY), "--config", config], check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - begun


def network(n_ids, n_many, runs):
    with Double() as double, tempfile.TemporaryDirectory() as folder:
        ids = double.generate(n_ids, items=100)
        double.set(latency=LATENCY)
        double.reset_counts()
        seconds = []
        for _ in range(runs):
            n, s, _ = fetch(double, folder, ids)
            assert n == 100 * n_ids
            seconds.append(s)
        wall = statistics.median(seconds)
        counts = double.counts()
        ideal = math.ceil(n_ids / CONCURRENCY) * LATENCY
        curl = statistics.median(curl_parallel(double, folder, ids) for _ in range(runs))
        few = max(n_ids // 10, 1)
        one = fetch(double, folder, ids[:few], concurrency=1)[1] * n_ids / few
        double.set(latency=0)
        small = fetch(double, folder, ids[:min(100, n_ids)])[2]
        many = fetch(double, folder, (ids + double.generate(n_many - n_ids, items=100))
                     if n_many > n_ids else ids)[2]
        print("\n%d ids of 90 KB at %.0f ms; connections %d a run, most in flight %d" % (
            n_ids, LATENCY * 1000, counts["connections"] // runs, counts["max_in_flight"]))
        print("| what | s | against | s | ratio | goal |\n|---|---|---|---|---|---|")
        for name, a, other, b, goal in (
                ("fetch", wall, "ideal", ideal, "1.10 or less"),
                ("fetch", wall, "curl --parallel", curl, "1.00 or less"),
                ("one after another", one, "fetch", wall, "25 or more")):
            print("| %s | %.2f | %s | %.2f | %.2f | %s |" % (name, a, other, b, a / b, goal))
        print("| peak of %d ids, MiB | %.0f | of %d | %.0f | %.2f | 1.30 or less |" % (
            max(n_many, n_ids), many / 1024, min(100, n_ids), small / 1024, many / small))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--answers", type=int, default=1000)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--ids", type=int, default=1000)
    options.add_argument("--many", type=int, default=10000)
    options = options.parse_args()
    n, runs = options.answers, options.runs
    bodies = corpus(n)
    rows = []

    def report(what, seconds, peer, peer_seconds, goal):
        rows.append((what, "%.3f" % (seconds / n * 1000), peer,
                     "%.3f" % (peer_seconds / n * 1000), "%.2f" % (seconds / peer_seconds),
                     goal))

    parse = measured(parse_alone(bodies), runs)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for where, path in (("memory", ":memory:"), ("a file", os.path.join(folder, "b.db"))):
            con = stack.enter_context(contextlib.closing(support.connect(path)))
            con.execute("SELECT naver_serp_import(?)", (bodies[0],)).fetchall()
            stored = measured(store_all(con, bodies), runs,
                              lambda con=con: con.execute("DELETE FROM naver_serp_cache"))
            report("store, in " + where, stored, "cJSON parse", parse,
                   "3.00 or less" if where == "memory" else "")
        expected = con.execute(BY_TYPE["stored table"]).fetchall()
        seconds = {name: measured(query(con, sql, expected), runs)
                   for name, sql in BY_TYPE.items()}
    report("json_each, count by type", seconds["json_each"], "naver_serp",
           seconds["naver_serp"], "5.00 or more")
    report("naver_serp, count by type", seconds["naver_serp"], "stored table",
           seconds["stored table"], "")

    print("%d answers of 100 items, %.0f MB of JSON; SQLite %s, %s, %s; median of %d runs" % (
        n, sum(map(len, bodies)) / 1e6, sqlite3.sqlite_version, platform.machine(),
        time.strftime("%Y-%m-%d"), runs))
    print("| what | ms an answer | against | ms an answer | ratio | goal |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print("| %s |" % " | ".join(row))
    network(options.ids, options.many, min(runs, 3))


if __name__ == "__main__":
    main()
