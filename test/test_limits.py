"""Limits and stops of the host: sqlite3_limit(), a heap limit, the progress handler and interrupts."""
import contextlib
import sqlite3
import subprocess
import sys
import unittest

import support
import test_https
from support import value
from test_store import COUNTS, ORPHANS, Store, body, counts, load, rows, task_id

N, ITEMS = 6, 30
EXPECTED = {task_id(k): ITEMS for k in range(N)}
ASKS = (COUNTS, f"SELECT count(*) FROM naver_serp('{task_id(2)}')", "SELECT count(*) FROM naver_serp_task",
        "SELECT naver_serp_import('%s')" % body(task_id(99), ITEMS).decode())


class TestLimits(test_https.Online, Store):

    def setUp(self):
        test_https.Online.setUp(self)
        Store.setUp(self)

    def archive(self):
        return self.filled(self.path(), *((id, body(id, n)) for id, n in EXPECTED.items()))

    def check_nothing_half(self, path):
        """By another connection: what is there is whole, and a query without the limit gives all."""
        with contextlib.closing(load(self.plain(path))) as con:
            self.assertEqual(rows(con, ORPHANS), [])
            self.assertEqual(rows(con, "PRAGMA integrity_check"), [("ok",)])
            there = counts(con, "SELECT id, count(*) FROM main.naver_serp_tasks JOIN main.naver_serp_items USING (task) GROUP BY id")
            self.assertLessEqual(set(there.values()), {ITEMS})
            con.execute("DELETE FROM naver_serp_cache WHERE id = ?", (task_id(99),))
            self.assertEqual(counts(con), EXPECTED)

    @unittest.skipUnless(hasattr(sqlite3.Connection, "setlimit"), "needs Python 3.11")
    def test_limits_of_sqlite(self):
        """Each limit at falling values: the right rows or an error that is one."""
        failed = 0
        for name, values in (("LENGTH", (100000, 3000, 1500, 500, 100)), ("SQL_LENGTH", (5000, 1500, 600, 200)),
                             ("VARIABLE_NUMBER", (30, 10, 2, 1)), ("COLUMN", (60, 40, 20, 5)), ("VDBE_OP", (1000, 200, 50, 25)),
                             ("ATTACHED", (0,)), ("EXPR_DEPTH", (10, 3, 1)), ("TRIGGER_DEPTH", (1, 0)), ("COMPOUND_SELECT", (1,)),
                             ("FUNCTION_ARG", (4, 1)), ("LIKE_PATTERN_LENGTH", (1,))):
            for limit in values:
                path = self.archive()
                con = self.connect(path)
                for ask in ASKS:
                    with self.subTest(name, limit=limit, ask=ask[:50]):
                        con.setlimit(getattr(sqlite3, "SQLITE_LIMIT_" + name), limit)
                        try:
                            found = con.execute(ask).fetchall()
                            if ask is COUNTS:
                                self.assertEqual(dict(found), EXPECTED)
                        except (sqlite3.Error, OverflowError, MemoryError) as e:
                            failed += 1
                            if name != "VDBE_OP":  # There SQLite itself says no more than SQLITE_NOMEM
                                self.assertGreater(len(str(e)), 8, repr(e))
                        self.assertFalse(con.in_transaction)
                con.close()
                self.check_nothing_half(path)
        self.assertGreater(failed, 20)

    def test_a_fetch_over_the_limit_of_length(self):
        """A fetched answer longer than a value may be: said, and nothing kept."""
        con, (task,) = self.connect(self.path()), self.ready(1, ITEMS)
        self.configure(con, retries=0)
        con.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 5000)
        text = self.error(con, "SELECT count(*) FROM naver_serp(?)", task)
        self.assertRegex(text, "too big|larger|unreachable")
        con.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10**9)
        self.assertEqual(value(con, test_https.COUNT, task), ITEMS)
        self.check_tables(con, {task: ITEMS})

    def test_a_heap_limit(self):
        """hard_heap_limit of falling size in a process of its own: rows, or 'out of memory'; the file stays sound."""
        code = ("import sys; sys.path.insert(0, sys.argv[1]); import support\n"
                "con = support.connect(sys.argv[2])\ncon.execute('PRAGMA hard_heap_limit = ' + sys.argv[3])\n"
                "for ask in sys.argv[4:]:\n"
                "    try: print(con.execute(ask).fetchall()[0])\n"
                "    except (support.sqlite3.Error, MemoryError) as e: print('failed', type(e).__name__, e)\n")
        seen = set()
        for limit in (10**7, 900_000, 600_000, 450_000, 350_000, 280_000, 230_000, 200_000):
            path = self.archive()
            run = subprocess.run([sys.executable, "-B", "-c", code, str(support.ROOT / "test"), path, str(limit), *ASKS],
                                 capture_output=True, text=True, check=False, timeout=60)
            with self.subTest(limit=limit):
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                for line in run.stdout.splitlines():
                    seen.add(line.startswith("failed"))
                    if line.startswith("failed"):
                        self.assertRegex(line, "(?i)memory|full|naver_serp")
                self.check_nothing_half(path)
        self.assertEqual(seen, {True, False})

    def test_a_progress_handler_that_stops(self):
        """After n looks it returns 1: SQLITE_INTERRUPT, no transaction open, nothing half stored; then all goes on."""
        for ask in ASKS:
            stopped = 0
            for looks in (0, 1, 2, 5, 12, 30, 80, 200, 500):
                path, left = self.archive(), [looks]
                con = self.connect(path)

                def look():
                    left[0] -= 1
                    return left[0] < 0
                con.set_progress_handler(look, 20)
                with self.subTest(ask[:50], looks=looks):
                    try:
                        con.execute(ask).fetchall()
                    except sqlite3.OperationalError as e:
                        stopped += 1
                        self.assertIn("interrupted", str(e))
                    con.set_progress_handler(None, 0)
                    self.assertFalse(con.in_transaction)
                    con.close()
                    self.check_nothing_half(path)
            self.assertGreater(stopped, 0, ask)

    def test_interrupted_between_rows(self):
        con = self.connect(self.archive())
        cursor = con.execute("SELECT title FROM naver_serp")
        cursor.fetchone()
        con.interrupt()
        with self.assertRaisesRegex(sqlite3.OperationalError, "interrupted"):
            cursor.fetchall()
        self.assertFalse(con.in_transaction)
        self.assertEqual(counts(con), EXPECTED)
        self.check_tables(con, EXPECTED)


if __name__ == "__main__":
    unittest.main()
