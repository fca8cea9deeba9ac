"""The store as ordinary tables: bodies put in by hand, files that cannot be written, other
people's transactions, schemas and tables, and what queries over it may look like."""
import contextlib
import ctypes
import ctypes.util
import itertools
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest

import support
import test_https
from support import value

SCHEMA = (support.ROOT / "sql" / "store.sql").read_text(encoding="utf-8")
COUNTS = "SELECT id, count(*) FROM naver_serp GROUP BY id"
# What no store may show: items that belong to no task, tasks without a body, a task that says
# it is whole and has other items than its range.
ORPHANS = """
SELECT 'item of no task', item FROM naver_serp_items WHERE task NOT IN (SELECT task FROM naver_serp_tasks)
UNION ALL SELECT 'task of no body', id FROM naver_serp_tasks WHERE id NOT IN (SELECT id FROM naver_serp_cache)
UNION ALL SELECT 'range', id FROM naver_serp_tasks t WHERE last_item - first_item + 1 <>
  (SELECT count(*) FROM naver_serp_items i WHERE i.task = t.task)"""


def task_id(n):
    return "03020115-1535-0066-0aaa-%012x" % n


A, B, C, D = map(task_id, range(0xa, 0xe))


def body(id, n, domain="x.example"):
    """A ready answer of n items, as bytes."""
    items = [{"type": "organic", "rank_absolute": k + 1, "domain": domain, "title": f"{id}/{k}"} for k in range(n)]
    return support.answer(json.dumps(items), id, data=json.dumps({"keyword": "k" + id[-1:], "device": "mobile"}))


def state_body(code, id):
    """An answer that has no rows."""
    return json.dumps({"version": "0", "status_code": 20000, "status_message": "Ok.", "tasks": [
        {"id": id, "status_code": code, "status_message": "As asked.", "result": None}]}).encode()


def rows(con, sql, *values):
    return con.execute(sql, values).fetchall()


def counts(con, sql=COUNTS, *values):
    return dict(con.execute(sql, values).fetchall())


def load(con):
    con.enable_load_extension(True)
    con.load_extension(support.EXTENSION)
    con.enable_load_extension(False)
    return con


def file_bytes(path):
    """The database and its journals, byte for byte."""
    return {suffix: pathlib.Path(path + suffix).read_bytes() for suffix in ("", "-journal", "-wal")
            if os.path.exists(path + suffix)}


class Lite:
    """SQLite's C interface, for what Python's module hides: sqlite3_close(), rows before an error."""

    lib = ctypes.CDLL(ctypes.util.find_library("sqlite3") or "libsqlite3.so.0")
    lib.sqlite3_errmsg.restype = lib.sqlite3_column_text.restype = ctypes.c_char_p
    for _name in ("close", "errmsg", "enable_load_extension", "get_autocommit"):
        getattr(lib, "sqlite3_" + _name).argtypes = [ctypes.c_void_p] + [ctypes.c_int] * (_name[0:2] == "en")
    lib.sqlite3_load_extension.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
    lib.sqlite3_prepare_v2.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    for _name in ("step", "finalize", "reset"):
        getattr(lib, "sqlite3_" + _name).argtypes = [ctypes.c_void_p]
    lib.sqlite3_column_text.argtypes = [ctypes.c_void_p, ctypes.c_int]
    ROW, DONE, BUSY = 100, 101, 5

    def __init__(self, path=":memory:"):
        self.db = ctypes.c_void_p()
        assert self.lib.sqlite3_open(str(path).encode(), ctypes.byref(self.db)) == 0
        self.lib.sqlite3_enable_load_extension(self.db, 1)

    def load(self):
        rc = self.lib.sqlite3_load_extension(self.db, support.EXTENSION.encode(), None, None)
        assert rc == 0, self.error()
        return self

    def error(self):
        return self.lib.sqlite3_errmsg(self.db).decode()

    def prepare(self, sql):
        statement = ctypes.c_void_p()
        rc = self.lib.sqlite3_prepare_v2(self.db, sql.encode(), -1, ctypes.byref(statement), None)
        assert rc == 0, self.error()
        return statement

    def step(self, statement):
        return self.lib.sqlite3_step(statement)

    def finalize(self, statement):
        return self.lib.sqlite3_finalize(statement)

    def run(self, sql):
        """The first column of all rows there were, and the error that ended them or None."""
        statement, found = self.prepare(sql), []
        while (rc := self.step(statement)) == self.ROW:
            text = self.lib.sqlite3_column_text(statement, 0)
            found.append(text if text is None else text.decode())
        error = None if rc == self.DONE else self.error()
        self.finalize(statement)
        return found, error

    def close(self):
        """What sqlite3_close() returns: SQLITE_BUSY while statements are open."""
        return self.lib.sqlite3_close(self.db)


class Store(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self):
        fast = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # No disk to wait for
        self.folder = tempfile.mkdtemp(prefix="naver_serp.", dir=fast)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.serial = itertools.count()

    def path(self):
        """A new file's name."""
        return os.path.join(self.folder, "%d.db" % next(self.serial))

    def plain(self, path=":memory:", **options):
        """A connection without the extension."""
        con = sqlite3.connect(path, isolation_level=None, **options)
        self.addCleanup(con.close)
        return con

    def connect(self, path=":memory:", **options):
        return load(self.plain(path, **options))

    def filled(self, path, *bodies, pragmas=()):
        """Makes the store in a file by plain SQL and puts (id, body) pairs into it."""
        with contextlib.closing(self.plain(path)) as con:
            for pragma in pragmas:
                con.execute("PRAGMA " + pragma)
            con.executescript(SCHEMA)
            con.executemany("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", bodies)
        return path

    def memory(self, *bodies):
        """An in-memory store with the extension and bodies put in by hand."""
        con = self.connect()
        con.executescript(SCHEMA)
        con.executemany("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", bodies)
        return con

    def check_whole(self, con, expected):
        """By scan, one by one, as a list and in the tables, these are the tasks and their numbers of items."""
        self.assertEqual(counts(con), expected)
        for id, n in expected.items():
            self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?, 'cache')", id), n)
        self.assertEqual(counts(con, "SELECT id, count(*) FROM naver_serp WHERE mode = 'cache' AND id IN"
                                     " (SELECT value FROM json_each(?)) GROUP BY id", json.dumps(list(expected))), expected)
        self.check_tables(con, expected)

    def check_tables(self, con, expected, schema="main"):
        """The tables themselves, with nothing left over."""
        self.assertEqual(counts(con, f"SELECT id, count(*) FROM {schema}.naver_serp_tasks JOIN {schema}.naver_serp_items"
                                     " USING (task) GROUP BY id"), expected)
        self.assertEqual(counts(con, f"SELECT id, parsed <> 0 FROM {schema}.naver_serp_cache"), dict.fromkeys(expected, 1))
        sql = ORPHANS.replace("FROM naver", f"FROM {schema}.naver").replace("JOIN naver", f"JOIN {schema}.naver")
        self.assertEqual(rows(con, sql), [])
        self.assertEqual(rows(con, "PRAGMA integrity_check"), [("ok",)])

    def error(self, con, sql, *values):
        with self.assertRaises(sqlite3.Error) as caught:
            con.execute(sql, values).fetchall()
        return str(caught.exception)


class TestByHand(Store):
    """Bodies that people put in, change and take away with plain SQL."""

    def test_a_body_is_parsed_by_the_next_query(self):
        for loaded, kind, made in itertools.product((True, False), (bytes, str), ("python", "shell")):
            with self.subTest(loaded=loaded, kind=kind, made=made):
                path = self.path()
                if made == "shell":
                    with open(support.ROOT / "sql" / "store.sql", "rb") as f:
                        subprocess.run([support.SHELL, "-init", os.devnull, path], stdin=f, check=True)
                else:
                    self.filled(path)
                con = self.connect(path) if loaded else self.plain(path)
                text = body(A, 3) if kind is bytes else body(A, 3).decode()
                con.execute("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", (A, text))
                self.assertEqual(rows(con, "SELECT * FROM naver_serp_items"), [])
                self.check_whole(con if loaded else load(con), {A: 3})
                self.assertEqual(value(con, "SELECT body FROM naver_serp_cache"), text)

    def test_each_way_of_asking_parses(self):
        asks = {"scan": "SELECT count(*) FROM naver_serp", "one": f"SELECT count(*) FROM naver_serp('{A}')",
                "list": f"SELECT count(*) FROM naver_serp WHERE id IN ('{A}', NULL)",
                "cache": f"SELECT count(*) FROM naver_serp('{A}', 'cache')",
                "task scan": "SELECT 3 FROM naver_serp_task", "task": f"SELECT 3 FROM naver_serp_task('{A}')"}
        for name, sql in asks.items():
            with self.subTest(ask=name):
                con = self.memory((A, body(A, 3)))
                self.assertEqual(rows(con, sql), [(3,)])
                self.check_tables(con, {A: 3})

    def test_the_id_is_that_of_the_row_and_not_that_of_the_body(self):
        con = self.memory(("my own name", body(B, 3)))
        self.check_whole(con, {"my own name": 3})
        self.assertEqual(rows(con, "SELECT id FROM naver_serp_task"), [("my own name",)])

    def test_derived_rows_go_with_their_body(self):
        text = body(A, 5)
        changes = {
            "INSERT OR REPLACE INTO naver_serp_cache(id, body) VALUES (:a, :text)": {A: 5, B: 2},
            "REPLACE INTO naver_serp_cache(id, body, parsed) VALUES (:a, :text, 1)": {A: 5, B: 2},
            "UPDATE naver_serp_cache SET body = :text WHERE id = :a": {A: 5, B: 2},
            "UPDATE naver_serp_cache SET body = :text, parsed = 1 WHERE id = :a": {A: 5, B: 2},
            "UPDATE naver_serp_cache SET body = :text": {A: 5, B: 5},
            "INSERT INTO naver_serp_cache(id, body) VALUES (:a, :text) ON CONFLICT(id) DO UPDATE SET"
            " body = excluded.body": {A: 5, B: 2},
            "INSERT OR IGNORE INTO naver_serp_cache(id, body) VALUES (:a, :text)": {A: 3, B: 2},
            "UPDATE naver_serp_cache SET id = :c WHERE id = :a": {C: 3, B: 2},
            "UPDATE naver_serp_cache SET id = id": {A: 3, B: 2},
            "UPDATE OR REPLACE naver_serp_cache SET id = :b WHERE id = :a": {B: 3},
            "UPDATE naver_serp_cache SET parsed = 0": {A: 3, B: 2},
            "UPDATE naver_serp_cache SET parsed = 7 WHERE id = :a": {A: 3, B: 2},
            "DELETE FROM naver_serp_cache WHERE id = :a": {B: 2},
            "DELETE FROM naver_serp_cache": {},
        }
        values = {"a": A, "b": B, "c": C, "text": text}
        for loaded, recursive, (sql, expected) in itertools.product((True, False), (0, 1), changes.items()):
            with self.subTest(sql, loaded=loaded, recursive_triggers=recursive):
                path = self.filled(self.path(), (A, body(A, 3)), (B, body(B, 2)))
                con = self.connect(path)
                self.check_whole(con, {A: 3, B: 2})
                other = con if loaded else self.plain(path)
                other.execute(f"PRAGMA recursive_triggers = {recursive}")
                other.execute(sql, {k: v for k, v in values.items() if ":" + k in sql})
                changed = [i for i in (A, B, C) if value(con, "SELECT count(*) FROM naver_serp_cache WHERE id = ?"
                                                              " AND parsed = 0", i)]
                if "body" in sql and "IGNORE" not in sql:
                    self.assertTrue(changed)
                    self.assertEqual(rows(con, "SELECT 1 FROM naver_serp_tasks WHERE id IN (SELECT value FROM json_each(?))",
                                          json.dumps(changed)), [], "rows of the old body are left")
                self.assertEqual(rows(con, ORPHANS), [])
                self.check_whole(con, expected)
                self.assertEqual(counts(con, "SELECT id, count(*) FROM naver_serp_task GROUP BY id"),
                                 dict.fromkeys(expected, 1))

    def test_rows_are_those_of_the_new_body(self):
        con = self.memory((A, body(A, 2, "old.example")))
        for sql in ("UPDATE naver_serp_cache SET body = ?", "REPLACE INTO naver_serp_cache(body, id) VALUES (?, '%s')" % A):
            with self.subTest(sql):
                new = "new%d.example" % len(sql)
                self.assertEqual(value(con, "SELECT count(*) FROM naver_serp WHERE domain = ?", new), 0)
                con.execute(sql, (body(A, 2, new),))
                self.assertEqual(rows(con, "SELECT DISTINCT domain FROM naver_serp"), [(new,)])

    def test_databases_merge(self):
        for loaded in (True, False):
            with self.subTest(loaded=loaded):
                here = self.filled(self.path(), (A, body(A, 3)), (B, body(B, 2)))
                there = self.filled(self.path(), (A, body(A, 9)), (C, body(C, 4)), (D, body(D, 1)))
                for path, n in ((here, 5), (there, 14)):
                    with contextlib.closing(load(self.plain(path))) as con:
                        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp"), n)
                con = self.connect(here) if loaded else self.plain(here)
                con.execute("ATTACH ? AS other", (there,))
                self.assertEqual(value(con, "SELECT min(parsed <> 0) FROM other.naver_serp_cache"), 1)
                con.execute("INSERT OR IGNORE INTO naver_serp_cache SELECT * FROM other.naver_serp_cache")
                self.assertEqual(counts(con, "SELECT id, parsed <> 0 FROM naver_serp_cache"), {A: 1, B: 1, C: 0, D: 0})
                self.check_whole(con if loaded else load(con), {A: 3, B: 2, C: 4, D: 1})
                self.assertEqual(value(con, "SELECT count(*) FROM other.naver_serp_items"), 14)

    def test_derived_rows_that_are_deleted_come_back(self):
        con = self.memory((A, body(A, 3)), (B, body(B, 2)))
        for sql in ("DELETE FROM naver_serp_tasks", f"DELETE FROM naver_serp_tasks WHERE id = '{A}'",
                    "DELETE FROM naver_serp_items; UPDATE naver_serp_cache SET parsed = 0",
                    f"DELETE FROM naver_serp_tasks WHERE id = '{A}'; UPDATE naver_serp_cache SET parsed = 0"):
            for ask in ("by id", "scan"):
                with self.subTest(sql, ask=ask):
                    self.assertEqual(counts(con), {A: 3, B: 2})
                    con.executescript(sql)
                    self.assertEqual(rows(con, ORPHANS.split("UNION ALL SELECT 'range'")[0]), [])
                    if ask == "by id":
                        self.assertEqual(rows(con, "SELECT count(*) FROM naver_serp WHERE id IN (?, ?)", A, B), [(5,)])
                    self.check_whole(con, {A: 3, B: 2})
                con.execute("UPDATE naver_serp_cache SET parsed = 0")

    def test_derived_tables_that_are_dropped_come_back(self):
        for drop, sql in itertools.product((("tasks", "items"), ("items",), ("tasks",)),
                                           ("SELECT count(*) FROM naver_serp", f"SELECT count(*) FROM naver_serp('{A}', 'cache')")):
            with self.subTest(sql, drop=drop):
                con = self.memory((A, body(A, 3)))
                self.check_whole(con, {A: 3})
                for name in drop:
                    con.execute("DROP TABLE naver_serp_" + name)
                try:
                    self.assertEqual(rows(con, sql), [(3,)])
                except sqlite3.Error as e:  # As good: says what is wrong with which table
                    self.assertRegex(str(e), "naver_serp_(%s)" % "|".join(drop))

    def test_further_columns_indexes_and_views_do_no_harm(self):
        con = self.memory((A, body(A, 3)))
        con.executescript("""
            ALTER TABLE naver_serp_items ADD COLUMN note DEFAULT 'mine';
            ALTER TABLE naver_serp_cache ADD COLUMN project;
            CREATE INDEX by_title ON naver_serp_items(title, domain);
            CREATE VIEW mine AS SELECT domain, note FROM naver_serp_items JOIN naver_serp_tasks USING (task);""")
        self.check_whole(con, {A: 3})
        self.assertEqual(rows(con, "SELECT * FROM mine"), [("x.example", "mine")] * 3)

    def test_ids_that_are_no_text_are_refused(self):
        con = self.memory((B, body(B, 2)))
        for id in ("", b"ab", "zz\0b"):
            with self.subTest(id=id), self.assertRaisesRegex(sqlite3.IntegrityError, "CHECK"):
                con.execute("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", (id, body(A, 3)))
        for id in (7, 1.5, "\u00e9'"):
            con.execute("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", (id, body(A, 3)))
        self.check_whole(con, {B: 2, "7": 3, "1.5": 3, "\u00e9'": 3})


class TestMalformed(Store):
    """Bodies put in by hand that are no answers, or none that is final."""

    BAD = {"empty": "", "blank": " \n", "text": "not JSON", "object": "{}", "array": "[]", "null": "null",
           "HTML": "<html></html>", "half": body(A, 3)[:-20], "bytes": b"\xff\xfe\0", "no task":
           '{"status_code":20000,"status_message":"Ok.","tasks":[]}', "number": 7}

    def test_rows_of_other_tasks_come_first_and_the_error_names_the_id(self):
        for name, bad in self.BAD.items():
            for id in ("bad", "\u00e4 bad", "zz bad"):
                with self.subTest(bad=name, id=id):
                    path = self.filled(self.path(), ("good", body(A, 3)), (id, bad), ("zgood", body(B, 2)))
                    lite = Lite(path).load()
                    for _ in range(2):
                        found, error = lite.run("SELECT id FROM naver_serp")
                        self.assertEqual(sorted(found), ["good"] * 3 + ["zgood"] * 2)
                        self.assertIn(id, error)
                        self.assertTrue(error.endswith("(unreachable): replace the body that was put in by hand"))
                    self.assertEqual(lite.close(), 0)
                    con = self.plain(path)
                    stored = bad if bad != 7 else 7
                    self.assertEqual(rows(con, "SELECT body FROM naver_serp_cache WHERE id = ?", id), [(stored,)])

    def test_skip_leaves_them_out_and_naver_serp_task_shows_them(self):
        for name, bad in self.BAD.items():
            with self.subTest(bad=name):
                con = self.memory(("good", body(A, 3)), (B, bad))
                self.assertEqual(counts(con, "SELECT id, count(*) FROM naver_serp WHERE on_error = 'skip' GROUP BY id"),
                                 {"good": 3})
                self.assertEqual(rows(con, "SELECT id, count(*) FROM naver_serp WHERE id IN ('good', ?) AND mode = 'cache'"
                                           " AND on_error = 'skip'", B), [("good", 3)])
                self.assertEqual(counts(con, "SELECT id, state FROM naver_serp_task"), {"good": "ready", B: "unreachable"})
                (state, message), = rows(con, "SELECT state, status_message FROM naver_serp_task(?, 'cache')", B)
                self.assertEqual(state, "unreachable")
                self.assertGreater(len(message), 5)

    def test_asked_for_alone_the_error_says_why(self):
        for name, bad in self.BAD.items():
            if name != "no task":  # Has a code, so it is asked for again
                with self.subTest(bad=name):
                    con = self.memory(("bad", bad))
                    for mode in ("auto", "cache"):
                        error = self.error(con, "SELECT * FROM naver_serp('bad', ?)", mode)
                        self.assertIn("task bad: ", error)
                        self.assertIn("unreachable", error)

    def test_many_are_counted(self):
        con = self.memory(*(("bad%02d" % k, "?") for k in range(12)), ("good", body(A, 1)))
        error = self.error(con, "SELECT * FROM naver_serp")
        self.assertIn("12 stored tasks gave no rows: 12 unreachable; bad00: ", error)
        self.assertIn("naver_serp_task", error)

    def test_mended_by_a_new_body(self):
        con = self.memory(("bad", "?"), ("good", body(A, 1)))
        self.error(con, "SELECT * FROM naver_serp")
        con.execute("UPDATE naver_serp_cache SET body = ? WHERE id = 'bad'", (body(A, 3),))
        self.check_whole(con, {"bad": 3, "good": 1})
        con.execute("UPDATE naver_serp_cache SET body = '?' WHERE id = 'good'")
        self.error(con, "SELECT * FROM naver_serp")
        con.execute("DELETE FROM naver_serp_cache WHERE id = 'good'")
        self.check_whole(con, {"bad": 3})

    def test_states_without_rows(self):
        """Final ones are no error of a scan; pending and refused ones must not look like 'not ranked'."""
        for code, state, final in ((40102, "empty", True), (40401, "gone", True), (40103, "failed", True),
                                   (40602, "pending", False), (20100, "pending", False), (40200, "refused", False)):
            with self.subTest(code=code):
                con = self.memory(("good", body(A, 3)), ("other", state_body(code, B)))
                self.assertEqual(rows(con, "SELECT state, status_code FROM naver_serp_task WHERE id = 'other' AND"
                                           " mode = 'cache'"), [(state, code)])
                self.assertEqual(counts(con, "SELECT id, state FROM naver_serp_task"), {"good": "ready", "other": state})
                if final:
                    self.assertEqual(counts(con), {"good": 3})
                else:
                    error = self.error(con, "SELECT * FROM naver_serp")
                    self.assertIn("other", error)
                    self.assertIn(state, error)
                self.assertEqual(value(con, "SELECT count(*) FROM naver_serp WHERE on_error = 'skip'"), 3)

    def test_a_stored_pending_body_under_a_free_name_is_not_called_absent(self):
        con = self.memory(("my own name", state_body(40602, B)))
        self.assertEqual(rows(con, "SELECT state FROM naver_serp_task('my own name')"), [("pending",)])


class Unwritable(Store):
    """Ways in which `main` cannot be written: each gives the connection to ask, and makes it writable again."""

    WAYS = ("query_only", "locked", "reader holds up the commit", "stale snapshot", "stale snapshot of a cursor", "full")

    @contextlib.contextmanager
    def way(self, name, path):
        con = self.connect(path)
        con.execute("PRAGMA busy_timeout = 1")
        other = self.plain(path)
        other.execute("CREATE TABLE IF NOT EXISTS mine(x)")
        other.execute("REPLACE INTO mine(rowid, x) VALUES (1, 1), (2, 2)")
        if name == "query_only":
            con.execute("PRAGMA query_only = 1")
            yield con
            self.assertEqual(value(con, "PRAGMA query_only"), 1)
            con.execute("PRAGMA query_only = 0")
        elif name == "locked":
            other.execute("BEGIN IMMEDIATE")
            yield con
            other.execute("COMMIT")
        elif name == "reader holds up the commit":
            other.execute("BEGIN")
            other.execute("SELECT * FROM mine").fetchall()
            yield con
            other.execute("COMMIT")
        elif name.startswith("stale"):
            other.execute("PRAGMA journal_mode = WAL")
            cursor = None
            if name == "stale snapshot":
                con.execute("BEGIN")
                con.execute("SELECT * FROM mine").fetchall()
            else:
                cursor = con.execute("SELECT * FROM mine")
                cursor.fetchone()
            other.execute("INSERT INTO mine VALUES (3)")
            yield con
            if name == "stale snapshot":
                con.execute("COMMIT")
            else:
                cursor.close()
        elif name == "full":
            con.execute("PRAGMA max_page_count = %d" % value(con, "PRAGMA page_count"))
            yield con
            con.execute("PRAGMA max_page_count = 1000000")
        if name != "reader holds up the commit":  # Has a test of its own
            self.assertFalse(con.in_transaction)


class TestFallback(Unwritable):
    """Bodies put in by hand where their rows cannot be written."""

    N = 40  # Bodies of some size, so that a full disk is noticed

    def store(self, **options):
        return self.filled(self.path(), *((task_id(k), body(task_id(k), k % 7 + 20)) for k in range(self.N)), **options)

    @property
    def expected(self):
        return {task_id(k): k % 7 + 20 for k in range(self.N)}

    def test_rows_are_served_and_move_later(self):
        for name in self.WAYS:
            with self.subTest(way=name):
                path = self.store()
                with self.way(name, path) as con:
                    before = rows(con, "SELECT id, parsed, typeof(body) FROM main.naver_serp_cache")
                    for _ in range(2):
                        self.assertEqual(counts(con), self.expected)
                        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", task_id(3)), 23)
                        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp WHERE id IN (?, ?)", task_id(3), task_id(4)), 47)
                        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp_task WHERE state = 'ready'"), self.N)
                    if name != "full":  # Some may fit in there
                        self.assertEqual(rows(con, "SELECT id, parsed, typeof(body) FROM main.naver_serp_cache"), before)
                        self.assertEqual(value(con, "SELECT count(*) FROM main.naver_serp_tasks"), 0)
                self.assertEqual(counts(con), self.expected)
                self.check_tables(con, self.expected)

    def test_statements_that_open_more_tables_afterwards(self):
        """Tables made in temp meanwhile do not end them. (SQLite ends those on a full disk, and query_only
        forbids them.)"""
        for sql in ("CREATE TEMP TABLE copied AS SELECT id FROM naver_serp_task WHERE state = 'ready'",
                    "CREATE TEMP TABLE copied AS SELECT DISTINCT s.id FROM (VALUES (1), (2)) JOIN naver_serp AS s"):
            for name in ("locked", "stale snapshot", "stale snapshot of a cursor"):
                with self.subTest(way=name, sql=sql), self.way(name, self.store()) as con:
                    con.execute(sql)
                    self.assertEqual(value(con, "SELECT count(*) FROM copied"), self.N)
            with self.subTest(way="mode=ro", sql=sql):
                con = self.connect("file:%s?mode=ro" % self.store(), uri=True)
                con.execute(sql)
                self.assertEqual(value(con, "SELECT count(*) FROM copied"), self.N)

    def test_a_commit_held_up_leaves_no_transaction_open(self):
        path = self.store()
        with self.way("reader holds up the commit", path) as con:
            for sql in ("SELECT count(*) FROM naver_serp", f"SELECT count(*) FROM naver_serp('{A}')"):
                with self.subTest(sql):
                    rows(con, sql)
                    self.assertFalse(con.in_transaction, "the savepoint is still open")
        other = self.plain(path)
        other.execute("PRAGMA busy_timeout = 1")
        other.execute("INSERT INTO mine VALUES (7)")
        self.assertEqual(counts(con), self.expected)
        self.check_tables(other, self.expected)

    def test_files_that_are_opened_for_reading(self):
        for uri in ("file:%s?mode=ro", "file:%s?immutable=1", "file:%s?mode=ro&immutable=1"):
            for made in (True, False):
                with self.subTest(uri=uri, made=made):
                    path = self.store() if made else self.path()
                    if not made:
                        self.plain(path).execute("CREATE TABLE mine(x)")
                    before = file_bytes(path)
                    con = self.connect(uri % path, uri=True)
                    self.assertEqual(counts(con), self.expected if made else {})
                    if made:
                        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", A), 23)
                    con.close()
                    self.assertEqual(file_bytes(path), before)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root, to become somebody else")
    def test_files_and_folders_of_somebody_else(self):
        os.chmod(self.folder, 0o755)
        code = ("import sys; sys.path.insert(0, sys.argv[1]); import support\n"
                "con = support.connect(sys.argv[2])\n"
                "for i in range(2): print(con.execute('SELECT count(*), count(DISTINCT id) FROM naver_serp').fetchone())\n"
                "print(con.execute('SELECT count(*) FROM naver_serp(?)', (sys.argv[3],)).fetchone())\n"
                "try: con.execute('DELETE FROM naver_serp_cache WHERE id = 7'); con.execute('DELETE FROM main.naver_serp_cache')\n"
                "except Exception as e: print(type(e).__name__)\n")
        total = sum(self.expected.values())
        for name, mode, owner, folder_mode in (("file 444", 0o444, 0, 0o777), ("folder 555", 0o666, 0, 0o555),
                                               ("own file 444", 0o444, 65534, 0o555)):
            with self.subTest(name):
                folder = os.path.join(self.folder, name)
                os.mkdir(folder)
                path = shutil.copy(self.store(), os.path.join(folder, "x.db"))
                os.chown(path, owner, owner)
                os.chmod(path, mode)
                os.chmod(folder, folder_mode)
                before = file_bytes(path)
                run = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-B", "-c",
                                      code, str(support.ROOT / "test"), path, task_id(3)], capture_output=True, text=True)
                self.assertEqual((run.stdout, run.stderr), (f"({total}, {self.N})\n" * 2 + "(23,)\nOperationalError\n", ""))
                self.assertEqual(file_bytes(path), before)

    def test_origin_and_time_are_those_of_the_file(self):
        path = self.filled(self.path())
        with contextlib.closing(self.plain(path)) as con:
            con.execute("INSERT INTO naver_serp_cache(id, body, origin, fetched_at) VALUES (?, ?, 'o.example', '2020')",
                        (A, body(A, 3)))
        con = self.connect(f"file:{path}?mode=ro", uri=True)
        for sql in ("SELECT origin, fetched_at FROM naver_serp_task", f"SELECT origin, fetched_at FROM naver_serp_task('{A}')"):
            with self.subTest(sql):
                self.assertEqual(rows(con, sql), [("o.example", "2020")])

    def test_rows_in_temp_do_not_outlive_their_body(self):
        for change, expected in (("DELETE FROM main.naver_serp_cache", {}),
                                 ("UPDATE main.naver_serp_cache SET id = 'b'", {"b": 3})):
            with self.subTest(change):
                path = self.filled(self.path(), (A, body(A, 3)))
                con = self.connect(path)
                con.execute("PRAGMA query_only = 1")
                cursor = con.execute("SELECT * FROM naver_serp")
                cursor.fetchone()
                cursor.close()
                con.execute("PRAGMA query_only = 0")
                con.execute(change)
                self.assertEqual(counts(con), expected)

    def test_a_full_disk_at_every_page(self):
        """However many pages are left, every row comes, and what is written is whole."""
        for spare, journal in itertools.product(range(0, 24), ("DELETE", "WAL")):
            with self.subTest(spare=spare, journal=journal):
                path = self.filled(self.path(), (A, body(A, 30)), (B, body(B, 30)), pragmas=(f"journal_mode = {journal}",))
                con = self.connect(path)
                con.execute("PRAGMA max_page_count = %d" % (value(con, "PRAGMA page_count") + spare))
                for sql in ("SELECT id, count(*) FROM naver_serp GROUP BY id",
                            "SELECT s.id, count(*) FROM main.naver_serp_cache c CROSS JOIN naver_serp(c.id) s GROUP BY s.id"):
                    self.assertEqual(counts(con, sql), {A: 30, B: 30})
                    self.assertFalse(con.in_transaction)
                con.execute("PRAGMA max_page_count = 100000")
                self.assertEqual(counts(con), {A: 30, B: 30})
                self.check_tables(con, {A: 30, B: 30})

    def test_an_import_that_does_not_fit_leaves_nothing(self):
        for spare in range(0, 24, 3):
            with self.subTest(spare=spare):
                con = self.connect(self.path())
                con.execute("CREATE TABLE mine(x)")
                con.execute("PRAGMA max_page_count = %d" % (2 + spare))
                try:
                    value(con, "SELECT naver_serp_import(?)", body(A, 30))
                    expected = {A: 30}
                except sqlite3.Error as e:
                    self.assertIn("full", str(e))
                    expected = {}
                self.assertFalse(con.in_transaction)
                self.assertEqual(counts(con), expected)
                self.assertEqual(rows(con, "PRAGMA integrity_check"), [("ok",)])


class TestFallbackOnline(Unwritable, test_https.Online):
    """Fetched answers where they cannot be stored: paid for, so never thrown away."""

    connect = Store.connect

    def setUp(self):
        test_https.Online.setUp(self)
        Store.setUp(self)
        self.environ(NAVER_SERP_RETRY_DELAY_MS="1")

    def check_served(self, con, ids, n):
        """All rows, asked for once each."""
        self.assertEqual(counts(con, "SELECT id, count(*) FROM naver_serp WHERE id IN (SELECT value FROM json_each(?))"
                                     " GROUP BY id", json.dumps(ids)), dict.fromkeys(ids, n))
        for id in ids:
            self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", id), n)
        self.assertEqual(counts(con), dict.fromkeys(ids, n))
        self.assertEqual(counts(con, "SELECT id, state FROM naver_serp_task"), dict.fromkeys(ids, "ready"))

    def test_answers_are_served_and_move_later(self):
        for name, made in itertools.product(self.WAYS, (True, False)):
            with self.subTest(way=name, made=made):
                ids, path = self.ready(5, 20), self.path()
                self.requests()
                if made:
                    self.filled(path)
                with self.way(name, path) as con:
                    tables = rows(con, "SELECT name FROM main.sqlite_schema")
                    for _ in range(2):
                        self.check_served(con, ids, 20)
                        self.assertEqual(rows(con, "SELECT name FROM main.sqlite_schema"), tables)
                        if made and name != "full":
                            self.assertEqual(value(con, "SELECT count(*) FROM main.naver_serp_cache"), 0)
                self.check_served(con, ids, 20)
                self.assertEqual(self.requests(), 5)
                self.check_tables(con, dict.fromkeys(ids, 20))
                self.assertFalse(con.in_transaction)
                con.close()
                con = self.connect(path)
                self.check_served(con, ids, 20)
                self.assertEqual(rows(con, "SELECT DISTINCT origin FROM naver_serp_cache"), [("localhost:%d" % self.d.port,)])
                self.assertEqual(self.requests(), 0)

    def test_files_that_are_opened_for_reading(self):
        for uri in ("file:%s?mode=ro", "file:%s?immutable=1"):
            with self.subTest(uri):
                ids, path = self.ready(5), self.path()
                self.requests()
                self.plain(path).execute("CREATE TABLE mine(x)")
                before = file_bytes(path)
                con = self.connect(uri % path, uri=True)
                self.check_served(con, ids, 3)
                self.check_served(con, ids, 3)
                self.assertEqual(self.requests(), 5)
                con.close()
                self.assertEqual(file_bytes(path), before)

    def test_a_full_disk_at_every_page(self):
        ids = self.ready(3, 30)
        listed = json.dumps(ids)
        for spare in range(0, 40, 2):
            for sql in ("SELECT id, count(*) FROM naver_serp WHERE id IN (SELECT value FROM json_each(?)) GROUP BY id",):
                with self.subTest(sql, spare=spare):
                    con = self.connect(self.path())
                    con.executescript("CREATE TABLE mine(x); INSERT INTO mine VALUES (1)")
                    con.execute("PRAGMA max_page_count = %d" % (2 + spare))
                    self.requests()
                    self.assertEqual(counts(con, sql, listed), dict.fromkeys(ids, 30))
                    self.check_served(con, ids, 30)
                    self.assertFalse(con.in_transaction)
                    con.execute("PRAGMA max_page_count = 100000")
                    self.check_served(con, ids, 30)
                    self.check_tables(con, dict.fromkeys(ids, 30))
                    self.assertEqual(self.requests(), 3)
                    con.close()

    def test_last_insert_rowid_stays(self):
        ids = self.ready(3)
        for query_only in (0, 1):
            with self.subTest(query_only=query_only):
                con = self.connect()
                con.executescript("CREATE TABLE mine(x); INSERT INTO mine(rowid) VALUES (4711)")
                con.execute(f"PRAGMA query_only = {query_only}")
                rows(con, "SELECT * FROM naver_serp WHERE id IN (SELECT value FROM json_each(?))", json.dumps(ids))
                self.assertEqual(value(con, "SELECT last_insert_rowid()"), 4711)

    def test_a_pending_body_put_in_by_hand_is_asked_for_and_replaced(self):
        pending, gone, ready = self.ready(3)
        self.d.add(pending, state_body(40602, pending))
        con = self.connect()
        con.executescript(SCHEMA)
        con.executemany("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)",
                        [(ready, state_body(40602, ready)), (pending, state_body(40602, pending))])
        self.assertEqual(value(con, "SELECT state FROM naver_serp_task(?, 'cache')", ready), "pending")
        self.requests()
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", ready), 3)
        self.assertEqual(self.requests(), 1)
        self.assertIn("pending", self.error(con, "SELECT * FROM naver_serp(?)", pending))
        self.assertEqual(self.requests(), 1)
        self.assertEqual(counts(con, "SELECT id, state FROM naver_serp_task"), {ready: "ready", pending: "pending"})
        self.assertEqual(counts(con, "SELECT id, count(*) FROM naver_serp WHERE on_error = 'skip' GROUP BY id"), {ready: 3})

    def test_fetching_inside_writing_statements(self):
        for name, (sql, check) in TestTransactions.WRITERS.items():
            for begin in (False, True):
                with self.subTest(name, begin=begin):
                    first, second = self.ready(2)
                    self.requests()
                    con = self.connect(self.path())
                    con.executescript("CREATE TABLE mine(id, n); INSERT INTO mine VALUES ('%s', 0), ('no', 0)" % first)
                    if begin:
                        con.execute("BEGIN")
                    con.execute(sql.replace("ID", first))
                    if begin:
                        con.execute("COMMIT")
                    self.assertEqual(rows(con, check.replace("ID", first)), [(3,)])
                    self.check_whole(con, {first: 3})
                    self.assertEqual(self.requests(), 1)

    def test_a_rollback_loses_answers_and_nothing_else(self):
        for query_only in (0, 1):
            for made in (False, True):
                with self.subTest(query_only=query_only, made=made):
                    first, second = self.ready(2)
                    con = self.connect()
                    con.executescript("CREATE TABLE mine(x);" + SCHEMA * made)
                    con.execute(f"PRAGMA query_only = {query_only}")
                    con.execute("BEGIN")
                    self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", first), 3)
                    con.execute("ROLLBACK")
                    self.check_served(con, [], 0)
                    self.check_served(con, [second], 3)
                    self.assertEqual(rows(con, "PRAGMA integrity_check"), [("ok",)])


class TestTransactions(Store):
    """Other people's transactions and statements around ours."""

    # name: (a statement that reads naver_serp, a query that then gives 3)
    WRITERS = {
        "INSERT SELECT": ("INSERT INTO mine(n) SELECT rank_absolute FROM naver_serp('ID')",
                          "SELECT count(*) FROM mine WHERE n > 0"),
        "CREATE TABLE AS": ("CREATE TABLE new AS SELECT * FROM naver_serp('ID')", "SELECT count(*) FROM new"),
        "CREATE TEMP TABLE AS": ("CREATE TEMP TABLE new AS SELECT * FROM naver_serp('ID')", "SELECT count(*) FROM new"),
        "UPDATE": ("UPDATE mine SET n = 3 WHERE id IN (SELECT id FROM naver_serp('ID'))", "SELECT n FROM mine WHERE id = 'ID'"),
        "UPDATE FROM": ("UPDATE mine SET n = s.rank_absolute FROM naver_serp s WHERE s.id = mine.id AND s.id = 'ID'"
                        " AND s.rank_absolute = 3", "SELECT n FROM mine WHERE id = 'ID'"),
        "DELETE": ("DELETE FROM mine WHERE id IN (SELECT id FROM naver_serp('ID'))",
                   "SELECT 3 WHERE NOT EXISTS (SELECT 1 FROM mine WHERE id = 'ID')"),
        "REPLACE": ("REPLACE INTO mine(rowid, n) SELECT 1, rank_absolute FROM naver_serp('ID')",
                    "SELECT n FROM mine WHERE rowid = 1"),
    }

    def test_inside_writing_statements(self):
        for name, (sql, check) in self.WRITERS.items():
            for begin in (False, True):
                with self.subTest(name, begin=begin):
                    con = self.connect(self.filled(self.path(), (A, body(A, 3))))
                    con.executescript("CREATE TABLE mine(id, n); INSERT INTO mine VALUES ('%s', 0), ('no', 0)" % A)
                    if begin:
                        con.execute("BEGIN")
                    con.execute(sql.replace("ID", A))
                    if begin:
                        con.execute("COMMIT")
                    self.assertEqual(rows(con, check.replace("ID", A)), [(3,)])
                    self.check_whole(con, {A: 3})

    def test_rollback_and_commit(self):
        makes = {"import": ("SELECT naver_serp_import(:body)", False), "derive": ("SELECT count(*) FROM naver_serp", True),
                 "hand": ("INSERT INTO naver_serp_cache(id, body) VALUES ('%s', :body)" % A, True)}
        ends = {"BEGIN": "ROLLBACK", "BEGIN IMMEDIATE": "ROLLBACK", "SAVEPOINT mine": "ROLLBACK TO mine; RELEASE mine",
                "SAVEPOINT naver_serp": "ROLLBACK TO naver_serp; RELEASE naver_serp"}
        for (name, (sql, made)), (begin, end), undo, between in itertools.product(
                makes.items(), ends.items(), (True, False), (None, "SELECT count(*) FROM naver_serp", "SELECT 1 FROM naver_serp_task")):
            with self.subTest(name, begin=begin, undo=undo, between=between):
                con = self.memory() if made else self.connect()
                if name == "derive":
                    con.execute("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", (A, body(A, 3)))
                con.execute(begin)
                con.execute(sql, {"body": body(A, 3)} if ":body" in sql else {}).fetchall()
                if between:
                    rows(con, between)
                if undo:
                    for step in end.split("; "):
                        con.execute(step)
                else:
                    con.execute("COMMIT" if begin.startswith("B") else "RELEASE " + begin.split()[1])
                self.assertFalse(con.in_transaction)
                self.assertEqual(counts(con), {} if undo and name != "derive" else {A: 3})
                value(con, "SELECT naver_serp_import(?)", body(B, 2))
                self.check_whole(con, {B: 2} if undo and name != "derive" else {A: 3, B: 2})

    def test_a_failing_statement_takes_its_own_work_back(self):
        for made, begin in itertools.product((True, False), (True, False)):
            with self.subTest(made=made, begin=begin):
                con = self.memory() if made else self.connect()
                con.execute("CREATE TABLE mine(x CHECK(x < 3))")
                if begin:
                    con.execute("BEGIN")
                    con.execute("INSERT INTO mine VALUES (1)")
                with self.assertRaises(sqlite3.IntegrityError):
                    con.execute("INSERT INTO mine SELECT rank_absolute FROM naver_serp(naver_serp_import(?))", (body(A, 3),))
                self.assertEqual(con.in_transaction, begin)
                self.assertEqual(value(con, "SELECT count(*) FROM naver_serp"), value(
                    con, "SELECT count(*) FROM naver_serp(?, 'cache', 'skip')", A))
                value(con, "SELECT naver_serp_import(?)", body(A, 3))
                if begin:
                    con.execute("COMMIT")
                    self.assertEqual(rows(con, "SELECT * FROM mine"), [(1,)])
                self.check_whole(con, {A: 3})

    def test_autocommit_stays_on(self):
        con = self.memory((A, body(A, 3)), ("bad", "?"))
        for sql in ("SELECT * FROM naver_serp WHERE on_error = 'skip'", f"SELECT * FROM naver_serp('{A}')",
                    "SELECT naver_serp_import('%s')" % body(B, 1).decode(), "SELECT * FROM naver_serp_task LIMIT 1"):
            with self.subTest(sql):
                rows(con, sql)
                self.assertFalse(con.in_transaction)

    def test_work_is_on_disk_when_the_query_is_over(self):
        path = self.filled(self.path(), (A, body(A, 3)))
        con = self.connect(path)
        rows(con, "SELECT count(*) FROM naver_serp")
        self.check_tables(self.plain(path), {A: 3})
        value(con, "SELECT naver_serp_import(?)", body(B, 2))
        self.check_tables(self.plain(path), {A: 3, B: 2})

    def test_last_insert_rowid_stays(self):
        con = self.memory((A, body(A, 3)))
        con.executescript("CREATE TABLE mine(x); INSERT INTO mine(rowid) VALUES (4711)")
        for sql in ("SELECT count(*) FROM naver_serp", "SELECT naver_serp_import('%s')" % body(B, 1).decode(),
                    f"SELECT * FROM naver_serp('{B}')"):
            with self.subTest(sql):
                rows(con, sql)
                self.assertEqual(value(con, "SELECT last_insert_rowid()"), 4711)
                con.execute("UPDATE naver_serp_cache SET parsed = 0")
        cursor = con.execute("INSERT INTO mine SELECT title FROM naver_serp")
        self.assertEqual((value(con, "SELECT last_insert_rowid()"), cursor.rowcount), (4715, 4))

    def test_a_temp_view_works(self):
        con = self.memory((A, body(A, 3)))
        con.execute("CREATE TEMP VIEW mine AS SELECT id, title FROM naver_serp WHERE rank_absolute > 1")
        self.assertEqual(value(con, "SELECT count(*) FROM mine"), 2)
        con.execute("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", (B, body(B, 2)))
        self.assertEqual(counts(con, "SELECT id, count(*) FROM mine GROUP BY id"), {A: 2, B: 1})
        self.assertEqual(value(con, "SELECT count(*) FROM mine WHERE id = ?", B), 1)

    def test_a_cursor_outlives_a_commit(self):
        con = self.connect(self.filled(self.path(), (A, body(A, 30)), (B, body(B, 30))))
        con.execute("CREATE TABLE mine(x)")
        con.execute("BEGIN")
        cursor = con.execute("SELECT title FROM naver_serp")
        cursor.fetchone()
        con.execute("INSERT INTO mine VALUES (1)")
        con.execute("COMMIT")
        self.assertEqual(len(cursor.fetchall()), 59)
        self.check_whole(con, {A: 30, B: 30})

    def test_a_cursor_sees_bodies_come_and_go_without_harm(self):
        con = self.memory((A, body(A, 30)), (B, body(B, 30)))
        cursor = con.execute("SELECT title FROM naver_serp")
        cursor.fetchone()
        con.execute("DELETE FROM naver_serp_cache WHERE id = ?", (B,))
        con.execute("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", (C, body(C, 5)))
        self.assertEqual(counts(con), {A: 30, C: 5})
        self.assertTrue(set(cursor.fetchall()) >= {(f"{A}/{k}",) for k in range(1, 30)})
        self.check_whole(con, {A: 30, C: 5})

    def test_tables_made_while_a_cursor_is_open_are_seen(self):
        con = self.connect()
        cursor = con.execute("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT count(*) FROM naver_serp WHERE on_error = 'skip'"
                             " UNION ALL SELECT 3 UNION ALL SELECT 4")
        task = con.execute("SELECT id FROM naver_serp_task WHERE id IN ('a', 'b', 'c') AND mode = 'cache'")
        cursor.fetchone(), task.fetchone()
        con.executescript(SCHEMA)
        con.execute("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", (A, body(A, 3)))
        self.check_whole(con, {A: 3})


class TestSchemas(Store):
    """The store in another database than main."""

    def test_any_name(self):
        for schema in ("x", "two words", 'a"b', "it's", "select", "한국어", "[x]", "a.b", "%w", "X-1", "naver_serp"):
            with self.subTest(schema):
                con = self.connect()
                quoted = '"' + schema.replace('"', '""') + '"'
                con.execute("ATTACH ? AS " + quoted, (self.path(),))
                con.execute("SELECT naver_serp_config('schema', ?)", (schema,))
                value(con, "SELECT naver_serp_import(?)", body(A, 3))
                con.execute(f"INSERT INTO {quoted}.naver_serp_cache(id, body) VALUES (?, ?)", (B, body(B, 2)))
                self.check_tables_of(con, quoted, {A: 3, B: 2})
                self.assertEqual(rows(con, "SELECT name FROM main.sqlite_schema"), [])
                con.execute(f"DELETE FROM {quoted}.naver_serp_cache WHERE id = ?", (A,))
                self.check_tables_of(con, quoted, {B: 2})

    def check_tables_of(self, con, schema, expected):
        self.assertEqual(counts(con), expected)
        self.check_tables(con, expected, schema)

    def test_case_does_not_matter(self):
        con = self.connect()
        con.execute("SELECT naver_serp_config('schema', 'MAIN')")
        value(con, "SELECT naver_serp_import(?)", body(A, 3))
        self.check_whole(con, {A: 3})

    def test_main_and_attached_are_kept_apart(self):
        con = self.memory((A, body(A, 3)))
        con.execute("ATTACH ? AS x", (self.filled(self.path(), (A, body(A, 5)), (B, body(B, 2))),))
        for _ in range(2):
            con.execute("SELECT naver_serp_config('schema', 'x')")
            self.assertEqual(counts(con), {A: 5, B: 2})
            con.execute("SELECT naver_serp_config('schema', NULL)")
            self.assertEqual(counts(con), {A: 3})

    def test_an_unknown_schema_is_named_and_nothing_is_broken(self):
        con = self.memory((A, body(A, 3)))
        for schema in ("nowhere", 'no"where', "temp"):
            with self.subTest(schema):
                con.execute("SELECT naver_serp_config('schema', ?)", (schema,))
                for sql in ("SELECT * FROM naver_serp", f"SELECT * FROM naver_serp('{A}')", "SELECT * FROM naver_serp_task",
                            "SELECT naver_serp_import('%s')" % body(B, 1).decode()):
                    self.assertIn(schema.split('"')[-1], self.error(con, sql))
                con.execute("SELECT naver_serp_config('schema', 'main')")
                self.assertEqual(counts(con), {A: 3})

    def test_detach(self):
        con = self.connect()
        path = self.filled(self.path(), (A, body(A, 3)))
        con.execute("ATTACH ? AS x", (path,))
        con.execute("SELECT naver_serp_config('schema', 'x')")
        self.assertEqual(counts(con), {A: 3})
        con.execute("DETACH x")
        self.assertIn("x", self.error(con, "SELECT * FROM naver_serp"))
        con.execute("ATTACH ? AS x", (path,))
        self.assertEqual(counts(con), {A: 3})
        con.execute("DETACH x")
        con.execute("SELECT naver_serp_config('schema', 'main')")
        self.assertEqual(counts(con), {})

    def test_another_file_under_the_same_name(self):
        """Even one whose schema_version happens to be the same."""
        full, bare = self.filled(self.path(), (A, body(A, 3))), self.path()
        with contextlib.closing(self.plain(full)) as con:
            version = value(con, "PRAGMA schema_version")
        with contextlib.closing(self.plain(bare)) as con:
            con.execute("CREATE TABLE mine(x)")
            con.execute(f"PRAGMA schema_version = {version}")
        for order in ((full, bare, full), (bare, full, bare)):
            with self.subTest(first="store" if order[0] == full else "bare"):
                con = self.connect()
                con.execute("SELECT naver_serp_config('schema', 'x')")
                for path in order:
                    con.execute("ATTACH ? AS x", (path,))
                    self.assertEqual(counts(con), {A: 3} if path == full else {})
                    con.execute("DETACH x")

    def test_changed_while_a_cursor_is_open(self):
        con = self.memory((A, body(A, 30)))
        con.execute("ATTACH ? AS x", (self.filled(self.path(), (B, body(B, 2))),))
        cursor = con.execute("SELECT id FROM naver_serp")
        cursor.fetchone()
        try:
            con.execute("SELECT naver_serp_config('schema', 'x')").fetchall()
        except sqlite3.Error:
            return  # Refusing would do as well
        self.assertEqual(counts(con), {B: 2})
        self.assertEqual(len(cursor.fetchall()), 29)


class TestFormats(Store):
    """Whatever the file is like."""

    PRAGMAS = ("journal_mode = WAL", "journal_mode = TRUNCATE", "journal_mode = PERSIST", "journal_mode = MEMORY",
               "journal_mode = OFF", "encoding = 'UTF-16le'", "encoding = 'UTF-16be'", "page_size = 512", "page_size = 65536",
               "auto_vacuum = FULL", "auto_vacuum = INCREMENTAL", "foreign_keys = ON", "synchronous = OFF", "synchronous = EXTRA",
               "secure_delete = ON", "locking_mode = EXCLUSIVE", "case_sensitive_like = ON", "trusted_schema = OFF",
               "recursive_triggers = ON", "temp_store = MEMORY", "cell_size_check = ON", "cache_size = 1", "mmap_size = 100000000",
               "defer_foreign_keys = ON", "reverse_unordered_selects = ON", "legacy_alter_table = ON", "full_column_names = ON",
               "short_column_names = OFF", "count_changes = ON", "automatic_index = OFF", "ignore_check_constraints = ON")

    def test_everything_works_and_stays_sound(self):
        for pragma, memory in itertools.product(self.PRAGMAS, (False, True)):
            with self.subTest(pragma, memory=memory):
                path = ":memory:" if memory else self.path()
                con = self.connect(path)
                con.execute("PRAGMA " + pragma)
                value(con, "SELECT naver_serp_import(?)", body(A, 3))
                con.execute("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?), (?, ?)",
                            (B, body(B, 2).decode(), C, body(C, 40)))
                expected = {A: 3, B: 2, C: 40}
                self.assertEqual(counts(con), expected)
                self.assertEqual([t for t, in rows(con, "SELECT title FROM naver_serp(?)", C)], [f"{C}/{k}" for k in range(40)])
                con.execute("DELETE FROM naver_serp_cache WHERE id = ?", (C,))
                con.execute("UPDATE naver_serp_cache SET body = ? WHERE id = ?", (body(B, 5), B))
                con.execute("VACUUM")
                self.check_whole(con, {A: 3, B: 5})
                con.execute("VACUUM")
                con.close()
                if not memory:
                    with contextlib.closing(self.plain(path)) as plain:
                        self.check_tables(plain, {A: 3, B: 5})
                    self.assertFalse(os.path.exists(path + "-wal"))
                    os.remove(path)

    def test_text_of_any_script_from_utf16(self):
        items = json.dumps([{"type": "organic", "title": "검색 😀 é \u0001", "domain": "x"}])
        for encoding, ascii_only in itertools.product(("UTF-8", "UTF-16le", "UTF-16be"), (True, False)):
            with self.subTest(encoding, ascii_only=ascii_only):
                con = self.plain()
                con.execute(f"PRAGMA encoding = '{encoding}'")
                con.executescript(SCHEMA)
                text = support.answer(items if ascii_only else json.dumps(json.loads(items), ensure_ascii=False).replace(
                    "\u0001", "\\u0001"), A).decode()
                con.executemany("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", [(A, text), ("한", text.encode())])
                self.assertEqual(rows(load(con), "SELECT title FROM naver_serp"), [("검색 😀 é \u0001",)] * 2)
                self.assertEqual(rows(con, "SELECT title FROM naver_serp('한')"), [("검색 😀 é \u0001",)])


class TestNothingWritten(Store):
    """Load, prepare, EXPLAIN and reading where nothing is stored leave no trace."""

    READS = ("SELECT * FROM naver_serp", "SELECT * FROM naver_serp_task", "SELECT naver_serp_version()",
             "SELECT naver_serp_config('mode')", f"SELECT * FROM naver_serp WHERE id IN ('{A}') AND mode = 'cache' AND on_error = 'skip'",
             f"SELECT 1 FROM naver_serp_task('{A}', 'cache') WHERE state <> 'absent'", "SELECT * FROM naver_serp(NULL)",
             "SELECT naver_serp_import(NULL) WHERE 0")

    def test_reading_makes_no_tables(self):
        path = self.path()
        con = self.connect(path)
        for sql in self.READS:
            for prefix in ("", "EXPLAIN ", "EXPLAIN QUERY PLAN "):
                with self.subTest(prefix + sql):
                    found = rows(con, prefix + sql)
                    if sql.startswith("SELECT *") and not prefix:
                        self.assertEqual(found, [])
                    self.assertEqual(rows(con, "SELECT name FROM sqlite_schema UNION ALL SELECT name FROM sqlite_temp_schema"), [])
                    self.assertEqual(os.path.getsize(path) if os.path.exists(path) else 0, 0)

    def test_a_failing_import_makes_no_tables(self):
        con = self.connect()
        for bad in ("?", "", state_body(40602, A), body("", 3)):
            self.error(con, "SELECT naver_serp_import(?)", bad)
        self.assertEqual(rows(con, "SELECT name FROM sqlite_schema"), [])

    def test_prepare_and_explain_parse_nothing(self):
        path = self.filled(self.path(), (A, body(A, 3)))
        before = file_bytes(path)
        lite = Lite(path).load()
        for sql in ("SELECT * FROM naver_serp", f"SELECT * FROM naver_serp('{A}')", "SELECT * FROM naver_serp_task"):
            lite.finalize(lite.prepare(sql))
            lite.run("EXPLAIN " + sql)
            lite.run("EXPLAIN QUERY PLAN " + sql)
        self.assertEqual(lite.close(), 0)
        self.assertEqual(file_bytes(path), before)

    def test_a_whole_store_is_only_read(self):
        path = self.filled(self.path(), (A, body(A, 3)), ("bad", "?"))
        lite = Lite(path).load()
        lite.run("SELECT * FROM naver_serp")
        before = file_bytes(path)
        for sql in ("SELECT * FROM naver_serp", f"SELECT * FROM naver_serp('{A}')", "SELECT * FROM naver_serp_task",
                    "SELECT * FROM naver_serp_task('bad')", "SELECT * FROM naver_serp('bad')"):
            lite.run(sql)
        self.assertEqual(lite.close(), 0)
        self.assertEqual(file_bytes(path), before)


class TestClosing(Store):
    """sqlite3_close(), which refuses while anything of ours is open."""

    IMPORT = "SELECT naver_serp_import('%s')" % body(B, 2).decode()

    def test_after_each_use(self):
        uses = ((), (self.IMPORT,), ("SELECT * FROM naver_serp",), ("SELECT * FROM naver_serp_task",), ("SELECT naver_serp_version()",),
                ("SELECT naver_serp_config('mode', 'cache')",), ("SELECT naver_serp_import('?')",), (self.IMPORT, self.IMPORT),
                ("SELECT * FROM naver_serp", self.IMPORT, f"SELECT * FROM naver_serp('{B}')"),
                ("ATTACH ':memory:' AS x", "SELECT naver_serp_config('schema', 'x')", self.IMPORT, "DETACH x"),
                ("ATTACH ':memory:' AS x", "SELECT naver_serp_config('schema', 'x')", self.IMPORT, "SELECT * FROM naver_serp"),
                ("PRAGMA query_only = 1", "SELECT * FROM naver_serp", "SELECT * FROM naver_serp_task('bad')"),
                ("BEGIN", self.IMPORT, "SELECT * FROM naver_serp"), ("BEGIN", self.IMPORT, "ROLLBACK", "SELECT * FROM naver_serp"),
                ("SELECT * FROM naver_serp", "DROP TABLE naver_serp_items", "SELECT * FROM naver_serp", "VACUUM"))
        for use, made in itertools.product(uses, (True, False)):
            with self.subTest(use=[u[:40] for u in use], made=made):
                path = self.path()
                if made:
                    self.filled(path, (A, body(A, 3)), ("bad", "?"))
                lite = Lite(path).load()
                for sql in use:
                    if made or "DROP" not in sql:
                        lite.run(sql)
                self.assertEqual(lite.close(), 0)
                if os.path.exists(path):
                    os.remove(path)

    def test_after_statements_that_were_not_read_to_their_end(self):
        for sql in ("SELECT * FROM naver_serp", f"SELECT * FROM naver_serp('{A}')", "SELECT * FROM naver_serp_task",
                    "SELECT * FROM naver_serp WHERE id = 'bad' OR domain = 'x.example'",
                    "SELECT * FROM naver_serp_task t, naver_serp(t.id) s", self.IMPORT + " UNION ALL SELECT 2"):
            with self.subTest(sql):
                lite = Lite(self.filled(self.path(), (A, body(A, 3)), ("bad", "?"))).load()
                statement = lite.prepare(sql)
                self.assertEqual(lite.step(statement), Lite.ROW)
                self.assertEqual(lite.close(), Lite.BUSY)
                lite.finalize(statement)
                self.assertEqual(lite.close(), 0)

    def test_files_can_be_removed_after_close(self):
        path = self.filled(self.path(), (A, body(A, 3)), pragmas=("journal_mode = WAL",))
        con = self.connect(path)
        cursor = con.execute("SELECT * FROM naver_serp")
        cursor.fetchone()
        cursor.close()
        con.close()
        self.assertEqual(os.listdir(self.folder), [os.path.basename(path)])

    def test_the_file_is_let_go(self):
        path = self.filled(self.path(), (A, body(A, 3)))
        con = self.connect(path)
        rows(con, "SELECT * FROM naver_serp")
        con.close()
        held = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                if os.path.exists(f"/proc/self/fd/{fd}")] if os.path.isdir("/proc/self/fd") else []
        self.assertNotIn(path, held)


class TestForeignTables(Store):
    """Names of the store that are taken by something else."""

    def test_refused_by_name(self):
        columns = {"naver_serp_cache": "id TEXT PRIMARY KEY, body, origin, fetched_at, parsed"}
        foreign = {
            "view": "CREATE VIEW {t} AS SELECT 1 AS id, 2 AS body",
            "virtual table": "CREATE VIRTUAL TABLE {t} USING fts5(id, body)",
            "other table": "CREATE TABLE {t}(a, b)",
            "one column less": "ALTER TABLE {t} RENAME COLUMN {c} TO was",
            "generated column": "ALTER TABLE {t} RENAME COLUMN {c} TO was; ALTER TABLE {t} ADD COLUMN {c} AS (was)",
        }
        lost = {"naver_serp_cache": "origin", "naver_serp_tasks": "keyword", "naver_serp_items": "title"}
        for table, (name, sql), alone in itertools.product(support.TABLES, foreign.items(), (True, False)):
            if alone and "{c}" in sql:
                continue
            with self.subTest(table=table, foreign=name, alone=alone):
                con = self.connect()
                if not alone:
                    con.executescript(SCHEMA)
                    con.execute("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", (A, body(A, 3)))
                if "{c}" not in sql:
                    con.execute(f"DROP TABLE IF EXISTS {table}")
                con.executescript(sql.format(t=table, c=lost[table]))
                before = rows(con, "SELECT name, sql FROM sqlite_schema")
                for use in ("SELECT * FROM naver_serp", f"SELECT * FROM naver_serp('{A}')", "SELECT * FROM naver_serp_task",
                            "SELECT naver_serp_import('%s')" % body(B, 1).decode()):
                    error = self.error(con, use)
                    self.assertIn("main." + table, error)
                    self.assertIn("rename or drop", error)
                self.assertEqual(rows(con, "SELECT name, sql FROM sqlite_schema"), before)
                if not alone and table != "naver_serp_cache":
                    self.assertEqual(rows(con, "SELECT id, length(body) FROM naver_serp_cache"), [(A, len(body(A, 3)))])

    def test_what_the_error_advises_works(self):
        con = self.connect()
        con.execute("CREATE TABLE naver_serp_items(a)")
        self.error(con, "SELECT * FROM naver_serp")
        con.execute("ATTACH ':memory:' AS x")
        con.execute("SELECT naver_serp_config('schema', 'x')")
        value(con, "SELECT naver_serp_import(?)", body(A, 3))
        self.assertEqual(counts(con), {A: 3})
        con.execute("SELECT naver_serp_config('schema', 'main')")
        con.execute("ALTER TABLE naver_serp_items RENAME TO mine")
        value(con, "SELECT naver_serp_import(?)", body(B, 2))
        self.check_whole(con, {B: 2})

    def test_names_that_only_look_alike(self):
        con = self.connect()
        con.executescript("CREATE TABLE naver_serp_labels(id); CREATE TABLE [naver_serp_items ](a); CREATE TABLE xnaver_serp_cache(a)")
        value(con, "SELECT naver_serp_import(?)", body(A, 3))
        self.check_whole(con, {A: 3})

    def test_a_trigger_may_have_the_name_of_a_table(self):
        con = self.memory((A, body(A, 3)))
        con.execute("CREATE TABLE log(id)")
        for table in support.TABLES:
            con.execute(f"CREATE TRIGGER {table} AFTER INSERT ON {table} BEGIN INSERT INTO log VALUES (1); END")
        self.check_whole(con, {A: 3})

    def test_a_scalar_type_of_another_kind_is_refused(self):
        con = self.memory()
        sql = value(con, "SELECT sql FROM sqlite_schema WHERE name = 'naver_serp_items'")
        con.execute("DROP TABLE naver_serp_items")
        con.execute(re.sub(r"rank_absolute\s+INTEGER", "rank_absolute TEXT", sql))
        self.assertIn("main.naver_serp_items", self.error(con, "SELECT * FROM naver_serp"))


class TestPlainShell(Store):
    """The stock shell, without the extension."""

    def shell(self, path, sql):
        run = subprocess.run([support.SHELL, "-init", os.devnull, "-batch", "-bail", path], input=sql, capture_output=True,
                             text=True, check=False)
        self.assertEqual(run.stderr, "")
        return run.stdout.split()

    def test_reads_inserts_and_deletes(self):
        path, saved = self.filled(self.path(), (A, body(A, 3)), (B, body(B, 2))), os.path.join(self.folder, "saved.json")
        with contextlib.closing(self.connect(path)) as con:
            self.assertEqual(counts(con), {A: 3, B: 2})
        pathlib.Path(saved).write_bytes(body(C, 4))
        self.assertEqual(self.shell(path, f"""
            SELECT count(*), count(DISTINCT task) FROM naver_serp_items;
            SELECT count(*) FROM naver_serp_items JOIN naver_serp_tasks USING (task) WHERE domain = 'x.example' AND id = '{A}';
            DELETE FROM naver_serp_cache WHERE id = '{A}';
            SELECT count(*), count(DISTINCT task) FROM naver_serp_items;
            INSERT INTO naver_serp_cache(id, body) VALUES ('{C}', readfile('{saved}'));
            INSERT INTO naver_serp_cache(id, body) VALUES ('{D}', CAST(readfile('{saved}') AS TEXT));
            REPLACE INTO naver_serp_cache(id, body) VALUES ('{B}', readfile('{saved}'));
            SELECT count(*) FROM naver_serp_items; SELECT count(*) FROM naver_serp_cache;
            VACUUM; PRAGMA integrity_check;"""), ["5|2", "3", "2|1", "0", "3", "ok"])
        out, err, code = support.shell("SELECT id, count(*) FROM naver_serp GROUP BY 1 ORDER BY 1;", path)
        self.assertEqual((out.split(), err, code), ([f"{i}|4" for i in (B, C, D)], "", 0))

    def test_the_store_survives_dump_and_restore(self):
        path, copy = self.filled(self.path(), (A, body(A, 3)), (B, body(B, 2))), self.path()
        with contextlib.closing(self.connect(path)) as con:
            self.assertEqual(counts(con), {A: 3, B: 2})
        dump = subprocess.run([support.SHELL, "-init", os.devnull, path, ".dump"], capture_output=True, check=True).stdout
        subprocess.run([support.SHELL, "-init", os.devnull, copy], input=dump, check=True)
        self.check_whole(self.connect(copy), {A: 3, B: 2})

    def test_sql_of_the_store_can_be_run_again(self):
        path = self.filled(self.path(), (A, body(A, 3)))
        with contextlib.closing(self.connect(path)) as con:
            self.assertEqual(counts(con), {A: 3})
        self.shell(path, SCHEMA)
        self.check_tables(self.plain(path), {A: 3})

    def test_tables_made_by_the_extension_are_those_of_the_file(self):
        con = self.connect()
        value(con, "SELECT naver_serp_import(?)", body(A, 3))
        sql = "SELECT type, name, tbl_name, replace(replace(sql, '\"main\".', ''), ' IF NOT EXISTS', '') FROM sqlite_schema WHERE name <> 'naver_serp_posts' ORDER BY 1, 2"
        self.assertEqual(rows(con, sql), rows(self.memory(), sql))


class TestQueries(Store):
    """SQL around naver_serp gives what the same SQL over the stored tables gives."""

    @classmethod
    def setUpClass(cls):
        cls.con = support.connect()
        cls.addClassCleanup(cls.con.close)
        cls.con.executescript(SCHEMA)
        for n, id in ((5, A), (3, B), (4, C)):
            value(cls.con, "SELECT naver_serp_import(?)", body(id, n, "%s.example" % id[-1]))
        value(cls.con, "SELECT naver_serp_import(?)", state_body(40102, D))
        for name in ("sample.json", "full.json", "odd.json"):
            support.import_file(cls.con, name)
        cls.con.executescript(f"""
            CREATE TABLE labels(id TEXT, domain TEXT, label TEXT);
            INSERT INTO labels VALUES ('{A}', 'a.example', 'first'), ('{B}', 'b.example', 'second'), ('{D}', NULL, 'none'),
              (NULL, NULL, 'null');""")
        # The model: a plain table of the same columns
        cls.visible = [r[1] for r in cls.con.execute("PRAGMA table_xinfo(naver_serp)") if not r[6]]
        cls.tasks = [r[1] for r in cls.con.execute("PRAGMA table_info(naver_serp_tasks)")]
        cls.con.executescript("""
            CREATE TABLE model AS SELECT i.item AS item, t.id AS id, t.keyword AS keyword, %s
              FROM naver_serp_items i JOIN naver_serp_tasks t USING (task) ORDER BY i.item;
            CREATE TABLE model_task AS SELECT id, state, status_code, keyword FROM naver_serp_tasks;"""
                              % ", ".join("i." + c for c in cls.visible))

    def check_same(self, sql):
        """sql is about S (items) and T (tasks)."""
        expected = rows(self.con, re.sub(r"\bT\b", "model_task", re.sub(r"\bS\b", "model", sql)))
        sql = re.sub(r"\bT\b", "naver_serp_task", re.sub(r"\bS\b", "naver_serp", sql))
        self.assertEqual(rows(self.con, sql), expected)
        return expected

    def test_or_gives_each_row_once(self):
        for where, n in ((f"id = '{A}' OR domain = 'b.example'", 8), (f"id = '{A}' OR domain = 'a.example'", 5),
                         (f"domain = 'a.example' OR id IN ('{A}', '{B}')", 8), (f"id = '{A}' OR id = '{B}' OR rank_absolute = 1", None),
                         (f"id = '{A}' OR id = '{A}'", 5), (f"(id = '{A}' AND rank_absolute > 2) OR (id = '{A}' AND rank_absolute < 4)", 5),
                         (f"id = '{A}' OR type IS NULL OR domain IS NULL", None), (f"NOT (id <> '{A}')", 5)):
            with self.subTest(where):
                found = self.check_same(f"SELECT id, title, domain FROM S WHERE {where} ORDER BY 1, 2, 3")
                if n:
                    self.assertEqual(len(found), n)
        self.assertEqual(len(rows(self.con, f"SELECT id FROM naver_serp_task WHERE id = '{A}' OR state = 'ready'")), 6)

    OVERLAP = f"(id = '{A}' AND rank_absolute > 1) OR (id = '{A}' AND rank_absolute < 3) OR (id = '{B}' AND title <> '')"

    def check_or_plan(self, con, sql):
        """Rows of a query that SQLite runs one side of an OR after the other, told apart by rowid only."""
        self.assertIn("MULTI-INDEX OR", str(rows(con, "EXPLAIN QUERY PLAN " + sql)))
        return rows(con, sql)

    def test_or_plan_gives_each_row_once(self):
        found = self.check_or_plan(self.con, f"SELECT title FROM naver_serp WHERE {self.OVERLAP}")
        self.assertEqual(sorted(found), rows(self.con, f"SELECT title FROM model WHERE {self.OVERLAP} ORDER BY 1"))

    def test_or_plan_over_rows_in_temp(self):
        path = self.filled(self.path(), (A, body(A, 3)), (B, body(B, 2)))
        con = self.connect(f"file:{path}?mode=ro", uri=True)
        for _ in range(2):
            self.assertEqual(sorted(self.check_or_plan(con, f"SELECT title FROM naver_serp WHERE {self.OVERLAP}")),
                             [(f"{A}/{k}",) for k in range(3)] + [(f"{B}/{k}",) for k in range(2)])

    def test_or_plan_over_tasks_that_are_not_stored(self):
        found = self.check_or_plan(self.con, f"SELECT id, state FROM naver_serp_task WHERE mode = 'cache' AND ((id = 'no' AND state > '')"
                                             " OR (id = 'no' AND status_code IS NULL) OR (id = 'nor this' AND state = 'absent')"
                                             f" OR (id = '{D}' AND state > ''))")
        self.assertEqual(sorted(found), [(D, "empty"), ("no", "absent"), ("nor this", "absent")])

    def test_left_join_with_naver_serp_on_the_left_is_a_scan(self):
        sql = "SELECT s.id, s.title, l.label FROM S s LEFT JOIN labels l ON l.id = s.id"
        self.assertGreater(len(self.check_same(sql)), 30)
        self.check_same("SELECT count(*), count(l.label) FROM S s LEFT JOIN labels l ON s.id = l.id AND l.label = 'first'")
        self.check_same("SELECT s.title FROM S s LEFT JOIN labels l ON l.id = s.id WHERE l.id IS NULL")
        self.check_same("SELECT s.title, l.label FROM S s LEFT JOIN labels l USING (id) WHERE s.rank_absolute = 1")
        self.check_same("SELECT s.title, l.label FROM S s CROSS JOIN labels l WHERE l.id = s.id")

    def test_left_join_with_naver_serp_on_the_right_asks_for_each(self):
        for join in ("labels l LEFT JOIN S s ON s.id = l.id", "labels l LEFT JOIN S s ON s.id = l.id AND s.rank_absolute > 2",
                     "labels l LEFT JOIN S s USING (id)", "labels l JOIN S s ON s.id = l.id", "labels l, S s WHERE s.id = l.id",
                     "labels l LEFT JOIN S s ON s.domain = l.domain", "T t LEFT JOIN S s ON s.id = t.id",
                     "labels l LEFT JOIN T t ON t.id = l.id LEFT JOIN S s ON s.id = t.id"):
            with self.subTest(join):
                self.check_same(f"SELECT s.id, s.title FROM {join} ORDER BY 1, 2")

    def test_right_and_full_join(self):
        if sqlite3.sqlite_version_info < (3, 39):
            self.skipTest("needs SQLite 3.39")
        for join in ("labels l RIGHT JOIN S s ON l.id = s.id", "labels l FULL JOIN S s ON l.id = s.id",
                     "S s RIGHT JOIN labels l ON l.id = s.id", "labels l RIGHT JOIN S s ON l.domain = s.domain"):
            with self.subTest(join):
                self.check_same(f"SELECT l.label, s.id, s.title FROM {join} ORDER BY 1, 2, 3")

    def test_natural_join(self):
        self.con.execute("CREATE TEMP TABLE sites AS SELECT DISTINCT domain, 'site ' || domain AS site FROM model LIMIT 3")
        self.addCleanup(self.con.execute, "DROP TABLE sites")
        self.check_same("SELECT domain, site, title FROM S NATURAL JOIN sites ORDER BY 1, 2, 3")
        self.check_same("SELECT domain, site, title FROM sites NATURAL LEFT JOIN S ORDER BY 1, 2, 3")

    def test_lateral(self):
        for sql in ("SELECT t.id, s.title FROM {t} t, naver_serp(t.id) s", "SELECT t.id, s.title FROM {t} t JOIN naver_serp(t.id, 'cache') s",
                    "SELECT t.id, s.title FROM {t} t LEFT JOIN naver_serp(t.id) s", "SELECT t.id, s.title FROM naver_serp(t.id) s, {t} t",
                    "SELECT t.id, s.title FROM {t} t JOIN naver_serp s ON s.id = t.id",
                    "SELECT t.id, s.title FROM {t} t JOIN naver_serp s USING (id)"):
            for table in ("naver_serp_task", "labels", "(SELECT id FROM labels WHERE id IS NOT NULL)"):
                with self.subTest(sql.format(t=table)):
                    found = rows(self.con, sql.format(t=table) + " ORDER BY 1, 2")
                    model = table.replace("naver_serp_task", "model_task")
                    outer = "LEFT JOIN" if "LEFT" in sql else "JOIN"
                    self.assertEqual(found, rows(self.con, f"SELECT t.id, s.title FROM {model} t {outer} model s ON s.id = t.id ORDER BY 1, 2"))

    def test_correlated_subqueries(self):
        for sql in ("SELECT label FROM labels l WHERE EXISTS (SELECT 1 FROM S s WHERE s.id = l.id)",
                    "SELECT label FROM labels l WHERE NOT EXISTS (SELECT 1 FROM S s WHERE s.id = l.id AND s.rank_absolute = 4)",
                    "SELECT label, (SELECT count(*) FROM S s WHERE s.id = l.id), (SELECT max(title) FROM S s WHERE s.id = l.id) FROM labels l",
                    "SELECT label FROM labels l WHERE l.id IN (SELECT id FROM S s WHERE s.domain = l.domain)",
                    "SELECT title FROM S s WHERE rank_absolute = (SELECT max(rank_absolute) FROM S x WHERE x.id = s.id) ORDER BY 1",
                    "SELECT id FROM T t WHERE NOT EXISTS (SELECT 1 FROM S s WHERE s.id = t.id)",
                    "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < 3) SELECT k, title FROM n JOIN S s"
                    " ON s.rank_absolute = n.k ORDER BY 1, 2"):
            with self.subTest(sql):
                self.assertTrue(self.check_same(sql))

    def test_each_table_joined_with_the_other_and_with_itself(self):
        for sql in ("SELECT s.id, s.title, t.state FROM T t JOIN S s ON s.id = t.id", "SELECT s.title, t.keyword FROM S s JOIN T t ON t.id = s.id",
                    "SELECT s.title, t.keyword FROM S s JOIN T t USING (id) WHERE t.state = 'ready'",
                    "SELECT t.keyword, count(*) FROM T t, S s WHERE t.id = s.id AND s.rank_absolute < 3 GROUP BY t.keyword",
                    "SELECT a.title, b.title FROM S a JOIN S b ON a.id = b.id AND a.rank_absolute < b.rank_absolute",
                    f"SELECT s.title FROM T t JOIN S s ON s.id = t.id WHERE t.id IN ('{A}', '{B}')",
                    f"SELECT s.title FROM T t JOIN S s ON s.id = t.id WHERE s.id = '{A}'",
                    "SELECT s.title, l.label FROM labels l JOIN T t ON t.id = l.id JOIN S s ON s.id = t.id"):
            with self.subTest(sql):
                self.check_same(sql + (" ORDER BY 1, 2" if ", " in sql.split(" FROM ")[0] else " ORDER BY 1"))

    def test_aggregates_windows_and_sets(self):
        for sql in ("SELECT count(*) FROM S ", "SELECT count(*), count(domain), count(DISTINCT domain) FROM S ",
                    "SELECT domain, count(*), min(rank_absolute) FROM S GROUP BY domain ORDER BY 1",
                    "SELECT type, count(*) FROM S GROUP BY 1 HAVING count(*) > 2 ORDER BY 1",
                    "SELECT DISTINCT type FROM S ORDER BY 1", "SELECT DISTINCT id, domain FROM S ORDER BY 1, 2",
                    "SELECT id, title, row_number() OVER (PARTITION BY id ORDER BY rank_absolute DESC, title) FROM S ORDER BY 1, 3",
                    "SELECT id, title, lag(title) OVER (PARTITION BY id ORDER BY title) FROM S ORDER BY 1, 2",
                    "SELECT title FROM S UNION SELECT label FROM labels ORDER BY 1",
                    "SELECT title FROM S EXCEPT SELECT title FROM S WHERE rank_absolute > 2 ORDER BY 1",
                    "SELECT count(*) FROM T ", "SELECT count(*) FROM S WHERE 0", "SELECT count(*) FROM S WHERE title LIKE '%/1'",
                    "SELECT 1 FROM S LIMIT 3", "SELECT json_group_array(title) FROM S WHERE id = '%s'" % A):
            with self.subTest(sql):
                self.check_same(sql)

    def test_order_by_each_column_and_limit(self):
        for column in self.visible:
            for direction in ("", " DESC"):
                with self.subTest(column + direction):
                    self.check_same(f"SELECT {column}, id, title FROM S ORDER BY {column}{direction}, id, title, rank_absolute, unmapped")
        total = value(self.con, "SELECT count(*) FROM model")
        for limit, offset in ((1, 0), (5, 3), (0, 0), (-1, 10), (1000, total - 1), (1000, total), (3, total + 5)):
            with self.subTest(limit=limit, offset=offset):
                self.check_same(f"SELECT id, title FROM S LIMIT {limit} OFFSET {offset}")
                self.check_same(f"SELECT id, title FROM S WHERE id IN ('{A}', '{B}') LIMIT {limit} OFFSET {offset}")

    def test_rowids_are_unique(self):
        for sql in ("SELECT rowid FROM naver_serp", "SELECT rowid FROM naver_serp_task",
                    f"SELECT rowid FROM naver_serp_task WHERE id IN ('no', 'nor this', '{A}', '{B}', '{D}') AND mode = 'cache'"):
            with self.subTest(sql):
                found = [r for r, in rows(self.con, sql)]
                self.assertEqual(len(found), len(set(found)))
                self.assertGreater(len(found), 4)

    def test_conditions_on_ids(self):
        for where in (f"id = '{A}'", f"id IS '{A}'", f"id IN ('{A}', '{C}')", f"id > '{A}'", f"id BETWEEN '{A}' AND '{B}'", "id LIKE '%b'",
                      f"id IN (SELECT id FROM labels WHERE label <> 'none') AND id <> '{A}'", f"id = '{A}' AND id = '{B}'",
                      f"id IN ('{A}', '{B}') AND id IN ('{B}', '{C}')", f"id = '{A}' COLLATE nocase", f"upper(id) = upper('{A}')",
                      f"id || '' = '{A}'", "id IS NOT NULL", "id IS NULL", "id = NULL", "id NOT IN ('x')"):
            with self.subTest(where):
                self.check_same(f"SELECT id, title FROM S WHERE {where} ORDER BY 1, 2")

    def test_a_statement_can_be_run_again_and_again(self):
        for n in range(3):
            for id, count in ((A, 5), (B, 3), (D, 0)):
                self.assertEqual(value(self.con, "SELECT count(*) FROM naver_serp(?)", id), count)


if __name__ == "__main__":
    unittest.main()
