"""sqlite3_naverserp_offline_init: the same surface with the network switched off for good."""
import contextlib
import ctypes
import os
import sqlite3
import sys
import unittest

import support
import test_https
from support import rows, value
from test_store import Lite

ENTRY = "sqlite3_naverserp_offline_init"
OFF = "the network is switched off for this connection"


def load_offline(con):
    """The way for each Python: an argument from 3.12, SQL before."""
    con.enable_load_extension(True)
    if sys.version_info >= (3, 12):
        con.load_extension(support.EXTENSION, entrypoint=ENTRY)
    else:
        con.execute("SELECT load_extension(?, ?)", (support.EXTENSION, ENTRY))
    con.enable_load_extension(False)
    return con


class TestOffline(test_https.Online):

    def offline(self, path=":memory:"):
        con = sqlite3.connect(path, isolation_level=None)
        self.addCleanup(con.close)
        return load_offline(con)

    def check_off(self, con, task):
        """Nothing that could make a request makes one, and each says why."""
        absent = "not stored, and " + OFF
        for mode in ("auto", "cache", None):
            self.assertEqual(con.execute("SELECT state, status_code, status_message, source FROM naver_serp_task"
                                         " WHERE id = ? AND mode = ?", (task, mode)).fetchall(),
                             [("absent", None, absent, None)])
        self.assertEqual(self.error(con, "SELECT * FROM naver_serp(?)", task),
                         f"naver_serp: task {task}: {absent} (absent): check the id")
        self.assertEqual(rows(con, "SELECT * FROM naver_serp(?, 'auto', 'skip')", task), [])
        for table in ("naver_serp", "naver_serp_task"):
            self.assertEqual(self.error(con, f"SELECT * FROM {table}(?, 'refresh')", task),
                             f"naver_serp: mode 'refresh' is not possible: {OFF}".replace("naver_serp:", table + ":"))
        self.assertEqual(self.error(con, "SELECT * FROM naver_serp_ready"), "naver_serp_ready: " + OFF)
        self.assertEqual(self.error(con, "INSERT INTO naver_serp_post(keyword) VALUES ('k')"),
                         "naver_serp_post: nothing can be posted: " + OFF)
        self.assertTrue(value(con, "SELECT naver_serp_version()").endswith("; " + OFF))
        counts = self.d.counts()
        self.assertEqual((counts["requests"], counts["connections"]), (0, 0))

    def test_everything_is_refused_or_absent(self):
        self.check_off(self.offline(), *self.ready())

    def test_no_setting_brings_it_back(self):
        con, (task,) = self.offline(), self.ready()
        for key, setting in (("mode", "auto"), ("wait_seconds", 1), ("base_url", self.d.base_url), ("mode", None),
                             ("ca_file", self.d.ca_file), ("retries", 20), ("on_error", "fail")):
            con.execute("SELECT naver_serp_config(?, ?)", (key, setting))
            self.check_off(con, task)
        con.execute("SELECT naver_serp_config('mode', 'refresh')")
        self.assertIn(OFF, self.error(con, "SELECT * FROM naver_serp(?)", task))
        self.assertEqual(self.requests(), 0)

    def test_what_is_stored_is_served(self):
        """Import, bodies put in by hand and all queries work as ever."""
        con = self.offline()
        task = support.import_file(con, "sample.json")
        support.insert_body(con, "by hand", support.answer('[{"type":"organic"}]'))
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", task), 8)
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp"), 9)
        self.assertEqual(value(con, "SELECT source FROM naver_serp_task('by hand')"), "store")
        self.assertEqual(rows(con, "SELECT * FROM naver_serp_post"), [])
        support.insert_body(con, "03020115-1535-0066-0aaa-0000000000ff", support.read_bytes("states/pending_40602.json"))
        self.assertEqual(value(con, "SELECT state FROM naver_serp_task('03020115-1535-0066-0aaa-0000000000ff')"), "pending")

    def test_both_entries_on_different_connections(self):
        online, offline, (first, second) = self.connect(), self.offline(), self.ready(2)
        self.check_off(offline, first)
        self.assertEqual(value(online, test_https.COUNT, first), 3)
        self.assertEqual(self.requests(), 1)
        self.check_off(offline, first)
        offline.close()
        self.assertEqual(value(online, test_https.COUNT, second), 3)
        self.assertNotIn(OFF, value(online, "SELECT naver_serp_version()"))
        # A connection at the address of one that was offline starts anew
        for _ in range(20):
            self.offline().close()
            with contextlib.closing(support.connect()) as con:
                self.assertNotIn(OFF, value(con, "SELECT naver_serp_version()"))

    def test_loaded_online_afterwards(self):
        con, (task,) = self.offline(), self.ready()
        for _ in range(3):
            con.enable_load_extension(True)
            con.load_extension(support.EXTENSION)
            self.check_off(con, task)

    def test_loaded_offline_afterwards(self):
        """Also for what the first load left behind: cursors, and a transaction with tasks to post."""
        con, (first, second) = self.connect(), self.ready(2)
        self.configure(con, concurrency=1)
        self.assertEqual(value(con, test_https.COUNT, first), 3)
        con.execute("BEGIN")
        con.execute("INSERT INTO naver_serp_post(keyword) VALUES ('k')")
        cursor = con.execute("SELECT id FROM naver_serp WHERE id IN (?, ?)", (first, second))
        cursor.fetchone()
        self.d.reset_counts()
        with contextlib.suppress(sqlite3.OperationalError):  # SQLite replaces no function while a statement runs
            load_offline(con)
        with contextlib.suppress(sqlite3.OperationalError):  # What was under way may arrive
            cursor.fetchall()
        self.assertIn(OFF, self.error(con, "COMMIT"))
        self.assertEqual(self.d.posted(), [])
        self.d.reset_counts()
        self.check_off(con, self.ready()[0])

    def test_both_orders_from_c(self):
        """There each load succeeds; what is registered last is in use, and is offline."""
        for order in ((None, ENTRY), (ENTRY, None), (ENTRY, ENTRY), (ENTRY, None, None, ENTRY, None)):
            with self.subTest(order=order):
                lite = Lite()
                for entry in order:
                    rc = lite.lib.sqlite3_load_extension(lite.db, support.EXTENSION.encode(),
                                                         ctypes.c_char_p(entry and entry.encode()), None)
                    self.assertEqual(rc, 0, lite.error())
                (version,), _ = lite.run("SELECT naver_serp_version()")
                self.assertTrue(version.endswith("; " + OFF), version)
                self.assertEqual(lite.run("SELECT state FROM naver_serp_task('%s')" % self.ready()[0]), (["absent"], None))
                self.assertEqual(lite.close(), 0)
        self.assertEqual(self.requests(), 0)

    def test_from_the_shell(self):
        task, = self.ready()
        out, err, status = support.shell(
            f".load '{support.EXTENSION}' {ENTRY}\nSELECT state FROM naver_serp_task('{task}');\n"
            f"SELECT * FROM naver_serp('{task}', 'refresh');", env=dict(os.environ))
        self.assertEqual((out, status), ("absent\n", 1))
        self.assertIn("mode 'refresh' is not possible: " + OFF, err)
        self.assertEqual(self.requests(), 0)


if __name__ == "__main__":
    unittest.main()
