#!/usr/bin/env python3
"""make bench: ratios, each measured side by side in one run: test/bench.py [--answers N] [--runs N]

The corpus is N generated answers of 100 items (default 1,000; always the same ones). Every
figure is the median of several runs, in milliseconds of processor time of this process for
an answer; only the ratios mean anything on another machine.

  parse       cJSON_ParseWithLength and cJSON_Delete over the bodies, nothing else
  store       naver_serp_import of the bodies in one transaction, in memory and in a file
  count       items by type over everything stored: through naver_serp, over the stored table
              itself, and by json_each over the same bodies
"""

import argparse
import contextlib
import ctypes
import ctypes.util
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import support  # noqa: E402
from double import answer  # noqa: E402

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


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--answers", type=int, default=1000)
    options.add_argument("--runs", type=int, default=5)
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


if __name__ == "__main__":
    main()
