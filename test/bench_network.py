"""Fetching from the test double at 100 ms latency, in wall-clock time.

  fetch       n answers by one `id IN (...)`, stored in a file: over the ideal of
              ceil(n / 30) * 100 ms, over curl --parallel on the same URLs (which neither stores
              nor parses), and over one request after another (naver_serp with concurrency 1
              on a tenth of the ids, scaled)
  memory      peak of a process that fetches many ids, over one of 100
  connections that the double counted in one fetch
"""

import math
import os
import statistics
import subprocess
import sys
import time

from bench_table import progress, ratio, remove, table
from double import Double

HERE = os.path.dirname(os.path.abspath(__file__))
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
    """Seconds and peak KiB of a process that fetches the ids into a new file."""
    environment = dict(os.environ, **double.env(), NAVER_SERP_REQUESTS_PER_MINUTE="100000",
                       **{"NAVER_SERP_" + k.upper(): str(v) for k, v in settings.items()})
    path = os.path.join(folder, "fetch.db")
    remove(path)
    done = subprocess.run([sys.executable, "-c", FETCH, HERE, path], input="\n".join(ids),
                          capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit("bench: " + done.stderr)
    n, seconds, peak = done.stdout.split()
    if int(n) != 100 * len(ids):
        sys.exit("bench: %s rows fetched for %d ids of 100" % (n, len(ids)))
    return float(seconds), int(peak)


def curl_parallel(double, folder, ids):
    """Seconds that curl takes for the same URLs."""
    config = os.path.join(folder, "curl.cfg")
    with open(config, "w") as f:
        f.write('cacert = "%s"\nuser = "%s:%s"\n' % (double.ca_file, double.user, double.password))
        for i in ids:
            f.write('url = "%s/v3/serp/naver/organic/task_get/advanced/%s"\noutput = "/dev/null"\n'
                    % (double.base_url, i))
    begun = time.monotonic()
    subprocess.run(["curl", "--silent", "--no-progress-meter", "--compressed", "--parallel",
                    "--parallel-max", str(CONCURRENCY), "--config", config],
                   check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - begun


def measure(folder, n_ids, n_many, runs):
    with Double() as double:
        ids = double.generate(n_ids, items=100)
        double.set(latency=LATENCY)
        ours, curls, connections = [], [], []
        for run in range(runs):
            progress("fetching %d ids, run %d of %d" % (n_ids, run + 1, runs))
            double.reset_counts()
            ours.append(fetch(double, folder, ids)[0])
            connections.append(double.counts()["connections"])
            curls.append(curl_parallel(double, folder, ids))
        wall, curl = statistics.median(ours), statistics.median(curls)
        ideal = math.ceil(n_ids / CONCURRENCY) * LATENCY
        few = max(n_ids // 10, 1)
        progress("fetching %d ids, one after another" % few)
        one = fetch(double, folder, ids[:few], concurrency=1)[0] * n_ids / few
        double.set(latency=0)
        ids += double.generate(max(n_many - n_ids, 0), items=100, first=n_ids)
        smalls, manys = [], []
        for run in range(runs):
            progress("fetching %d ids, run %d of %d" % (len(ids), run + 1, runs))
            smalls.append(fetch(double, folder, ids[:100])[1])
            manys.append(fetch(double, folder, ids)[1])
        small, many = statistics.median(smalls), statistics.median(manys)
    rows = [[what, "%.2f s" % a, other, "%.2f s" % b, ratio(a, b), goal]
            for what, a, other, b, goal in (
                ("fetch", wall, "ideal", ideal, "1.10 or less"),
                ("fetch", wall, "curl --parallel, storing nothing", curl, "1.00 or less"),
                ("one after another", one, "fetch", wall, "25 or more"))]
    rows.append(["peak memory of {:,} ids".format(len(ids)), "%.0f MiB" % (many / 1024),
                 "of %d" % len(ids[:100]), "%.0f MiB" % (small / 1024), ratio(many, small),
                 "1.30 or less"])
    rows.append(["connections of a fetch", str(max(connections)), "in flight at most",
                 str(CONCURRENCY), ratio(max(connections), CONCURRENCY), "1.00 or less"])
    table("Fetching {:,} answers at {:.0f} ms latency".format(n_ids, LATENCY * 1000),
          ("what", "", "against", "", "ratio", "goal"), rows)
