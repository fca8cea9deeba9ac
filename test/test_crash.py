"""kill -9 at random moments of a bulk fetch: TRIALS of them (60), seeded by SEED; `make soak` runs 600."""
import contextlib
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
