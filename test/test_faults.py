"""Faults in loops: memory that runs out, answers that break off, hosts that do unusual things.

test/faults.c is the host; `make faults` (FAULTS=all) tries every allocation, else the long
loops try a part of them, evenly spread.
"""
import base64
import os
import platform
import re
import socket
import subprocess
import tempfile
import unittest

import support
import test_https
from double import Double, answer

ALL = os.environ.get("FAULTS") == "all"
ITEMS = 5  # Of each task
IMPORTED = "03020115-1535-0066-0000-000000000099"


@unittest.skipUnless(platform.libc_ver()[0] == "glibc", "the host replaces glibc's malloc")
class Host(unittest.TestCase):
    """Builds the host; runs a scenario in it, with a double of its own."""

    plain = True

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="naver_serp.")
        cls.addClassCleanup(folder.cleanup)
        cls.folder, cls.program = folder.name, os.path.join(folder.name, "faults")
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "sqlite3", "libcurl", "libcjson"],
                               capture_output=True, text=True, check=True).stdout.split()
        subprocess.run(["cc", "-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-o", cls.program,
                        str(support.ROOT / "test" / "faults.c"), *flags, "-ldl", "-pthread"], check=True)
        with open(os.path.join(cls.folder, "answer.json"), "wb") as f:
            f.write(answer(IMPORTED, "k", ITEMS))
        cls.d = Double(plain=cls.plain).start()
        cls.addClassCleanup(cls.d.stop)
        cls.ids = cls.d.generate(4, items=ITEMS)
        cls.d.fault("body", call="tasks_ready", times=None,
                    body=support.read_bytes("states/tasks_ready.json"))

    def run_host(self, scenario, layer="sqlite", mode="once", tries=0):
        """What the host prints. About so many allocations are tried, 0: all."""
        env = {**os.environ, **self.d.env()}
        if self.plain:  # An address needs no look-up, which would be a thread of its own
            env["NAVER_SERP_BASE_URL"] = "http://127.0.0.1:%d" % self.d.port
        run = subprocess.run([self.program, support.EXTENSION, self.folder, layer, mode, scenario, str(tries),
                              str(self.d.port), str(ITEMS), *self.ids],
                             env=env, capture_output=True, text=True, timeout=1200, check=False)
        self.assertEqual((run.returncode, run.stderr), (0, ""), scenario)
        return run.stdout

    def loop(self, scenario, layers=("sqlite", "curl", "malloc"), tries=25):
        for layer in layers:
            for mode in ("once", "forever"):
                with self.subTest(layer=layer, mode=mode):
                    said = self.run_host(scenario, layer, mode, 0 if ALL else tries)
                    failed, right, refused = map(int, re.fullmatch(
                        r".*: (\d+) of \d+ allocations failed, (\d+) right, (\d+) refused\n", said).groups())
                    self.assertGreater(failed, 0)
                    self.assertEqual(right + refused, failed)
                    if ALL:
                        print(said, end="")


class Memory(Host):
    """Each allocation fails: the right answer or an error, whole tasks, no leak; see faults.c."""

    def test_load(self):
        self.loop("load", tries=0)

    def test_import(self):
        self.loop("import", ("sqlite", "malloc"), tries=100)

    def test_fetch(self):
        self.loop("fetch")

    def test_bulk(self):
        self.loop("bulk")

    def test_query(self):
        self.loop("query", ("sqlite",))

    def test_derive(self):
        self.loop("derive", ("sqlite", "malloc"))

    def test_task(self):
        self.loop("task")

    def test_ready(self):
        self.loop("ready", tries=0)

    def test_post(self):
        self.loop("post", tries=200)

    def test_config(self):
        self.loop("config", ("sqlite",), tries=0)

    def test_close(self):
        """At the close, answers that only temp could take are stored: that needs memory."""
        self.loop("close", ("sqlite", "malloc"))

    def test_utf_16(self):
        """Each text is converted for such a file, which needs memory: none becomes NULL."""
        self.loop("import16", ("sqlite",))
        self.loop("close16", ("sqlite",), tries=20)


class MemoryHttps(Host):
    """libcurl's with TLS. Not malloc's: OpenSSL would be what is tested."""

    plain = False

    def test_fetch(self):
        self.loop("fetch", ("curl",), tries=60)

    def test_bulk(self):
        self.loop("bulk", ("curl",))

    def test_ready(self):
        self.loop("ready", ("curl",), tries=0)


class Hosts(Host):

    def test_posts_taken_back(self):
        """ROLLBACK TO takes back what came after; ids that a refused commit loses are in the log."""
        before = len(self.d.posted())
        said = self.run_host("posts")
        posted = self.d.posted()[before:]
        self.assertEqual([p["data"]["keyword"] for p in posted], ["a", "a", "a", "c", "d", "e"])
        lost = "".join("naver_serp_post: posted, not recorded (see naver_serp_ready): %s\n" % p["id"]
                       for p in posted[3:])
        self.assertEqual(said, "savepoint in autocommit mode: 0 \na|pending|\n"
                               "savepoint in a transaction: 0 \na|pending|\n"
                               "savepoint twice: 0 \na|pending|\n"
                               "hook: 19 constraint failed\nlog:\n" + lost +
                               "recorded: 0 \n0|\nlog at the close:\n")

    def test_hosts(self):
        """Loading twice, closing one of two, closing under a query, forking; nothing leaks."""
        rows = ITEMS * len(self.ids)
        twice = (f"loaded while a query runs: 1, its rows: {rows}\nits setting holds: 1\n"
                 f"loaded again: 0, rows: {rows}\nclosed: 0\n")
        other = f"rows of the other: {rows}, closed: 0, rows: {rows}, closed: 0\n"
        busy = (f"closed under a query: 5, closed_v2: 0, rows: {rows}\n"
                "closed_v2: 0, finalized: 0\n")
        fork = (f"child with idle connections: 0, with requests under way: 0, rows of the parent: {rows}\n"
                "closed: 0\n")
        stays = "after the last close: loaded\n"
        self.assertEqual(self.run_host("hosts"), "".join(
            part + "again: " + part + "leaked: 0 0 0\n" for part in (twice, other, busy, fork, stays)))

    def test_fork(self):
        """A child never sends over a connection of its parent's."""
        before = len(self.d.log())
        self.run_host("fork")
        parent, *child = [entry["connection"] for entry in self.d.log()[before:]][:1 + len(self.ids)]
        self.assertEqual(len(child), len(self.ids))
        self.assertNotIn(parent, child)


class Cuts(test_https.Online):
    """An answer that breaks off after any byte of its head or body is whole in the next try, or nothing."""

    @classmethod
    def setUpClass(cls):
        cls.d = Double(plain=True).start()
        cls.addClassCleanup(cls.d.stop)

    def size(self, task_id):
        """Bytes of the whole response, which differ a little in how far they can be compressed."""
        with socket.create_connection(("127.0.0.1", self.d.port)) as s:
            user = base64.b64encode(f"{self.d.user}:{self.d.password}".encode()).decode()
            s.sendall(("GET /v3/serp/naver/organic/task_get/advanced/%s HTTP/1.1\r\nHost: localhost\r\n"
                       "Accept-Encoding: gzip\r\nAuthorization: Basic %s\r\nConnection: close\r\n\r\n" % (task_id, user)).encode())
            return len(b"".join(iter(lambda: s.recv(65536), b"")))

    def cut_everywhere(self, body_of, items, step):
        """Fetches an answer cut after every step-th byte, by both kinds of end."""
        probe = self.new_id()
        self.d.add(probe, body_of(probe))
        whole = self.size(probe)
        self.assertGreater(whole, 200)
        cuts = {}
        for kind in ("reset", "close"):
            for n in range(0, whole, step):
                task_id = self.new_id()
                self.d.add(task_id, body_of(task_id))
                cuts[task_id] = (kind, min(n, self.size(task_id) - 1))
        for retries, times in ((0, None), (1, 1)):
            self.d.clear_faults()
            for task_id, (kind, n) in cuts.items():
                self.d.fault(kind, id=task_id, bytes=n, times=times)
            con = self.connect(retries=retries)
            values = ", ".join(f"('{task_id}')" for task_id in cuts)
            states = dict(con.execute("SELECT id, state FROM naver_serp_task"
                                      f" WHERE id IN (SELECT column1 FROM (VALUES {values}))"))
            self.assertEqual(set(states), set(cuts))
            stored = {}
            if support.stored(con):
                stored = dict(con.execute("SELECT id, count(item) FROM naver_serp_cache JOIN naver_serp_tasks t"
                                          " USING (id) LEFT JOIN naver_serp_items USING (task)"
                                          " WHERE parsed = stamp GROUP BY id"))
                orphans = ("SELECT count(*) FROM naver_serp_items"
                           " WHERE task NOT IN (SELECT task FROM naver_serp_tasks)")
                self.assertEqual(support.value(con, orphans), 0)
            self.assertEqual(stored, {i: items for i in states if states[i] == "ready"})
            if times is None:
                self.assertEqual({cuts[i]: s for i, s in states.items() if s != "unreachable"}, {})
            else:
                self.assertEqual({cuts[i]: s for i, s in states.items() if s != "ready"}, {})
        return len(cuts)

    def test_every_byte(self):
        def body(task_id):
            return support.answer('[{"type":"organic","rank_absolute":1},{"type":"paid"}]', task_id)
        n = self.cut_everywhere(body, 2, 1)
        if ALL:
            print("answers cut: %d, twice" % n)

    def test_steps_of_a_larger_one(self):
        n = self.cut_everywhere(lambda task_id: answer(task_id, "k", 15), 15, 7 if ALL else 211)
        if ALL:
            print("answers cut: %d, twice" % n)


if __name__ == "__main__":
    unittest.main()
