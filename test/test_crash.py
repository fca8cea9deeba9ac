"""kill -9 at random moments of a bulk fetch: TRIALS of them (60), seeded by SEED; `make soak` runs 600."""
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import unittest

import support
import test_https
from support import value
from test_store import ORPHANS, Store, counts, load, rows

CHILD = """
import os, sys
sys.path.insert(0, sys.argv[1])
env = dict(os.environ)
import support
os.environ.update(env)
con = support.connect(sys.argv[2])
con.execute("SELECT naver_serp_config('concurrency', 5)")
print("go", flush=True)
seen = None
for id, in con.execute("SELECT id FROM naver_serp WHERE id IN (%s)" % sys.argv[3]):
    if id != seen:
        seen = id
        print(id, flush=True)
print("done", flush=True)
sys.stdin.read()
"""
ITEMS, TASKS = 20, 24


WORK = {
    "read": "SELECT count(*) FROM naver_serp WHERE domain > 'a'",
    "fetch": "SELECT count(*) FROM naver_serp WHERE id IN (SELECT value FROM json_each(:ids)) AND on_error = 'skip'",
    "refresh": "SELECT count(*) FROM naver_serp WHERE id IN (SELECT value FROM json_each(:ids)) AND mode = 'refresh' AND on_error = 'skip'",
    "insert": "INSERT OR REPLACE INTO naver_serp_cache(id, body) SELECT 'by hand ' || abs(random() % 20), :body",
}
WORKER = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
env = dict(os.environ)
import support
os.environ.update(env)
con = support.connect(sys.argv[2])
con.execute("PRAGMA busy_timeout = %s" % sys.argv[6])
until, n = time.monotonic() + 2, 0
while time.monotonic() < until:
    try:
        con.execute(sys.argv[3], {"ids": sys.argv[4], "body": sys.argv[5]}).fetchall()
        n += 1
    except support.sqlite3.OperationalError as e:
        if "locked" not in str(e) and "busy" not in str(e):
            raise
con.close()
print(n)
"""


class TestSideBySide(test_https.Online, Store):
    """Processes that read, fetch, ask again and insert, all on one file at a time."""

    def setUp(self):
        test_https.Online.setUp(self)
        Store.setUp(self)

    def test_many_processes_on_one_file(self):
        for mode, timeout in (("wal", 1000), ("delete", 1000), ("wal", 0), ("delete", 0)):
            with self.subTest(mode=mode, timeout=timeout):
                ids = self.ready(30, ITEMS)
                path = self.filled(self.path())
                support.connect(path).execute(f"PRAGMA journal_mode = {mode}").connection.close()
                body = support.answer("[" + ",".join(['{"title": "t", "domain": "x.example"}'] * 7) + "]")
                workers = [subprocess.Popen([sys.executable, "-B", "-S", "-c", WORKER, str(support.ROOT / "test"), path, sql,
                                             json.dumps(ids), body.decode(), str(timeout)], stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, text=True,
                                            env={**os.environ, **self.d.env(), "NAVER_SERP_REQUESTS_PER_MINUTE": "100000"})
                           for sql in WORK.values()]
                done = [worker.communicate(timeout=60) for worker in workers]
                self.assertEqual([err for _, err in done], [""] * len(WORK))
                if timeout:
                    self.assertTrue(all(int(out) > 0 for out, _ in done), done)
                with contextlib.closing(load(self.plain(path))) as con:
                    self.assertEqual(value(con, "PRAGMA integrity_check"), "ok")
                    rows(con, "SELECT count(*) FROM naver_serp")
                    self.assertEqual(rows(con, ORPHANS), [])
                    found = counts(con)
                    self.assertEqual({n for id, n in found.items() if id in ids} - {ITEMS}, set())
                    self.assertEqual({n for id, n in found.items() if id not in ids} - {7}, set())
                    if timeout:
                        self.assertEqual(len([id for id in found if id in ids]), len(ids))


class TestLimitsOfTheMachine(test_https.Online, Store):

    def setUp(self):
        test_https.Online.setUp(self)
        Store.setUp(self)

    def run_child(self, code, *arguments):
        done = subprocess.run([sys.executable, "-B", "-S", "-c", WORKER.split("con =")[0] + code, str(support.ROOT / "test"), *arguments],
                              capture_output=True, text=True, timeout=120, env={**os.environ, **self.d.env()})
        self.assertEqual((done.stderr, done.returncode), ("", 0))
        return done.stdout.split()

    def test_a_file_that_may_not_grow(self):
        """RLIMIT_FSIZE: what the file does not take is served all the same, and the file stays whole."""
        ids, path = self.ready(40, 50), self.path()
        rows_, kept = self.run_child("""
import resource
con = support.connect(sys.argv[2])
con.execute("CREATE TABLE mine(x)")
con.execute("PRAGMA temp_store = memory")
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
print(con.execute("SELECT count(*) FROM naver_serp WHERE id IN (SELECT value FROM json_each(?))", (sys.argv[3],)).fetchone()[0])
print(con.execute("SELECT count(*) FROM naver_serp_task WHERE mode = 'cache' AND id IN (SELECT value FROM json_each(?))"
                  " AND state = 'ready'", (sys.argv[3],)).fetchone()[0])
""", path, json.dumps(ids))
        self.assertEqual((int(rows_), int(kept)), (2000, 40))
        with contextlib.closing(load(self.plain(path))) as con:
            self.assertEqual(value(con, "PRAGMA integrity_check"), "ok")
            self.assertEqual(set(counts(con).values()) - {50}, set())

    def test_ten_thousand_queries_leak_nothing(self):
        """Neither memory nor descriptors, those that fetch and those that fail included."""
        ids = self.ready(20, 3)
        before, after, files, files_after = map(int, self.run_child("""
import json, re
con = support.connect(sys.argv[2])
ids = json.loads(sys.argv[3])
def look():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]), len(os.listdir("/proc/self/fd"))
def turn(n):
    for k in range(n):
        con.execute("SELECT * FROM naver_serp WHERE id = ?", (ids[k % 20],)).fetchall()
        if k % 4 == 0:
            con.execute("SELECT count(*) FROM naver_serp WHERE rank_absolute < ? AND domain IN ('a', 'b')", (k,)).fetchall()
        if k % 100 == 0:
            con.execute("SELECT count(*) FROM naver_serp WHERE mode = 'refresh' AND id = ?", (ids[3],)).fetchall()
            try:
                con.execute("SELECT * FROM naver_serp('03020115-1535-0066-ffff-00000000ffff')").fetchall()
            except support.sqlite3.OperationalError:
                pass
            con.execute("SELECT naver_serp_config('retries', 1)").fetchall()
turn(1500)
first = look()
turn(7500)
second = look()
print(first[0], second[0], first[1], second[1])
""", self.path(), json.dumps(ids)))
        self.assertLess(after - before, 600, "KiB grown")
        self.assertEqual(files_after, files)


class TestKilledFetch(test_https.Online, Store):

    def setUp(self):
        test_https.Online.setUp(self)
        Store.setUp(self)

    def killed(self, path, ids, goal, pause):
        """Starts a fetch and kills it a moment after it reported so many tasks; those it reported."""
        listed = ",".join(f"'{id}'" for id in ids)
        with subprocess.Popen([sys.executable, "-B", "-S", "-c", CHILD, str(support.ROOT / "test"), path, listed],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **self.d.env()}) as process:
            reported = []
            while len(reported) < goal:
                reported.append(process.stdout.readline().decode().strip())
                self.assertNotEqual(reported[-1], "", "it ended by itself")
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
            reported += process.stdout.read().decode().split("\n")[:-1]
        return set(reported) & set(ids)

    def test_killed_at_any_moment(self):
        seed, trials, halfway = os.environ.get("SEED", "fetch"), int(os.environ.get("TRIALS", 60)), 0
        random.seed(seed)
        self.d.set(latency=0.002)
        ids = self.ready(TASKS, ITEMS)
        for trial in range(trials):
            mode, goal, pause = ("WAL", "DELETE")[trial % 2], random.randrange(1, TASKS), random.random() * 0.01
            with self.subTest(seed=seed, trial=trial, mode=mode, goal=goal, pause=pause):
                path = self.path()
                with contextlib.closing(self.plain(path)) as plain:
                    plain.execute("PRAGMA journal_mode = " + mode)
                reported = self.killed(path, ids, goal, pause)
                with contextlib.closing(self.plain(path)) as plain:
                    self.assertEqual(rows(plain, "PRAGMA integrity_check"), [("ok",)])
                    kept = set()
                    if value(plain, "SELECT count(*) FROM sqlite_schema WHERE name = 'naver_serp_cache'"):
                        self.assertEqual(rows(plain, ORPHANS), [])
                        kept = {id for id, in rows(plain, "SELECT id FROM naver_serp_cache")}
                        self.assertEqual(counts(plain, "SELECT id, count(*) FROM naver_serp_tasks JOIN naver_serp_items"
                                                       " USING (task) GROUP BY id"), dict.fromkeys(kept, ITEMS))
                self.assertLessEqual(reported, kept, "reported, and lost")
                halfway += 0 < len(kept) < TASKS
                self.d.reset_counts()
                with contextlib.closing(load(self.plain(path))) as con:
                    listed = ",".join(f"'{id}'" for id in ids)
                    self.assertEqual(counts(con, f"SELECT id, count(*) FROM naver_serp WHERE id IN ({listed}) GROUP BY id"),
                                     dict.fromkeys(ids, ITEMS))
                    self.check_tables(con, dict.fromkeys(ids, ITEMS))
                self.assertEqual({e["id"] for e in self.d.log()}, set(ids) - kept)
                self.assertEqual(self.d.counts()["requests"], TASKS - len(kept))
        self.assertGreater(halfway, trials // 3, "too few were killed halfway")


if __name__ == "__main__":
    unittest.main()
