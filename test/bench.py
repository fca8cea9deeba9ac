#!/usr/bin/env python3
"""make bench: ratios, each measured side by side in one run.

    make bench                              # 200,000 items, about 4 minutes on 2 cores
    make bench BENCH=--short                # every part in little: that it works, no figures
    make bench BENCH="--items 2000000"      # and how a look-up grows; needs 6 GB, 8 minutes
    make bench BENCH="--only questions"     # store, questions, once, network

The corpus is generated, always the same (bench_corpus.py). Peers take turns; every figure is
the median of several runs, though a peer that has taken 6 seconds is not run again; every
peer's answer is compared with naver_serp's. Only the ratios mean anything on another machine.
What is compared with what is told at the head of

    bench_store.py    storing, the first row, loading, growth
    bench_queries.py  questions to what is stored, also in JSON by json_each, jq and DuckDB
    bench_network.py  fetching from the double of the API

DuckDB comes from npm, into build/; where that fails it is left out, and a line says so.
"""

import argparse
import contextlib
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_corpus  # noqa: E402
import bench_network  # noqa: E402
import bench_queries  # noqa: E402
import bench_store  # noqa: E402
import support  # noqa: E402
from bench_table import progress, table  # noqa: E402

PARTS = ("store", "questions", "once", "network")
SHORT = {"items": 5000, "runs": 1, "ids": 60, "many": 60}
DOMAIN_ROWS = 200  # About as many rows has the domain that is looked up


def read_options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=200000, help="stored (200,000)")
    parser.add_argument("--runs", type=int, default=5, help="of which medians are taken (5)")
    parser.add_argument("--ids", type=int, default=1000, help="fetched at 100 ms (1,000)")
    parser.add_argument("--many", type=int, default=10000, help="fetched for memory (10,000)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these parts")
    parser.add_argument("--short", action="store_true", help="little of everything, one run")
    options = parser.parse_args(arguments)
    if options.short:
        vars(options).update(SHORT)
    options.answers = max(options.items // bench_corpus.ITEMS, 1)
    return options


def head(arguments, options, duckdb):
    """Says when, where, with what, on what."""
    def version(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    command = "make bench" + (' BENCH="%s"' % " ".join(arguments) if arguments else "")
    print("`%s`, %s: %d cores %s, %s, Python %s, SQLite %s, cJSON %s, %s, %s" % (
        command, time.strftime("%Y-%m-%d"), os.cpu_count(), platform.machine(),
        platform.system(), platform.python_version(), sqlite3.sqlite_version,
        bench_store.cjson().cJSON_Version().decode(), version("jq", "--version").replace("-", " "),
        "DuckDB " + duckdb.version.lstrip("v") if duckdb.version else "no DuckDB"))
    print("Medians of %s, peers in turns, the same rows from all of them." % (
        "%d runs (slow peers fewer)" % options.runs if options.runs > 1 else "1 run"))
    if not duckdb.version:
        print("DuckDB is left out: %s." % duckdb.why)
    sys.stdout.flush()


def looked_up(store):
    """The domain that the questions are about: one with about DOMAIN_ROWS rows."""
    with contextlib.closing(support.connect(store)) as con:
        return support.value(con, "SELECT domain FROM naver_serp_items WHERE domain IS NOT NULL"
                             " GROUP BY 1 ORDER BY abs(count(*) - ?), 1 LIMIT 1", DOMAIN_ROWS)


def fill(store, lines, base, n, domain):
    """Stores the answers beyond base; writes all of them, a line each; returns their bytes."""
    with open(lines, "wb") as f:
        def written(bodies):
            for body in bodies:
                f.write(body + b"\n")
                yield body
        for _ in written(base):
            pass
        if n > len(base):
            progress("storing {:,} more answers".format(n - len(base)))
            with contextlib.closing(support.connect(store)) as con:
                bench_store.import_all(con, written(bench_corpus.repeated(base, n, domain)))
        return f.tell()


def measure_archive(options, folder, duckdb):
    """All about what is stored: storing it, questions to it, what is paid once."""
    n, runs = options.answers, options.runs
    store, small = os.path.join(folder, "store.db"), os.path.join(folder, "small.db")
    progress("generating answers")
    base = bench_corpus.generate(min(n, bench_corpus.BASE))
    once = []
    if "store" in options.only:
        once += bench_store.measure_storing(folder, base, runs)
    else:
        bench_store.storing(store, base)(1)
    domain = looked_up(store)
    if n > len(base):
        shutil.copy(store, small)
    size = fill(store, os.path.join(folder, "corpus.jsonl"), base, n, domain)
    del base
    with contextlib.closing(support.connect(store)) as con:
        items = support.value(con, "SELECT count(*) FROM naver_serp_items")
        if items != n * bench_corpus.ITEMS:
            sys.exit("bench: %d items are stored of %d answers" % (items, n))
        print("\n{:,} answers: {:,} items, {:,.0f} MB of JSON, {:,.0f} MB stored.".format(
            n, items, size / 1e6, os.path.getsize(store) / 1e6), flush=True)
        if "questions" in options.only:
            bench_queries.measure(bench_queries.Archive(con, folder, domain, n, duckdb), runs)
    if "once" in options.only:
        once += bench_store.measure_first_row(store, n, 60 * runs)
        once += bench_store.measure_loading(5 * runs)
        if n > bench_corpus.BASE:
            once += bench_store.measure_growth(
                large=store, small=small, sizes=[k * bench_corpus.ITEMS for k in
                                                 (n, bench_corpus.BASE)],
                domain=domain, runs=runs)
    if once:
        table("Storing, the first row, loading: milliseconds", bench_store.HEADER, once)


def main(arguments):
    options = read_options(arguments)
    if os.getloadavg()[0] > 1:
        progress("other work is going on (load %.1f): ratios will be off" % os.getloadavg()[0])
    work = os.path.join(support.ROOT, "build", "bench")
    os.makedirs(work, exist_ok=True)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=work))
        duckdb = stack.enter_context(contextlib.closing(
            bench_queries.DuckDB(work, 20 if options.short else 120)))
        head(arguments, options, duckdb)
        if set(options.only) != {"network"}:
            measure_archive(options, folder, duckdb)
        if "network" in options.only:
            bench_network.measure(folder, options.ids, options.many, min(options.runs, 3))


if __name__ == "__main__":
    main(sys.argv[1:])
