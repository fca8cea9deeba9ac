"""Several processes and connections on one store; crashes, interrupts and forks while bodies
that were put in by hand are parsed."""
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import unittest

import support
import test_https
from support import value
from test_store import COUNTS, ORPHANS, SCHEMA, Lite, Store, body, counts, load, rows, task_id

# A process of its own: argv is the folder of the tests, a database and what the code wants.
CHILD = """
import sqlite3, sys
sys.path.insert(0, sys.argv[1])
import support, test_store as t
con = support.connect(sys.argv[2])
con.execute("PRAGMA busy_timeout = 20000")
"""
MODES = ("WAL", "DELETE")


def items_of(k):
    """How many items the k-th body of an archive has."""
    return k % 5 + 1


class Processes(Store):

    def archive(self, count, mode="DELETE", n=items_of):
        """A file with so many bodies put in by hand, none parsed."""
        return self.filled(self.path(), *((task_id(k), body(task_id(k), n(k))) for k in range(count)),
                           pragmas=(f"journal_mode = {mode}",))

    def child(self, code, *args):
        process = subprocess.Popen([sys.executable, "-B", "-c", CHILD + code, str(support.ROOT / "test"), *map(str, args)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def check_no_half_task(self, con, expected):
        """Whatever is there is whole: a task's rows, and all of them where it counts as parsed."""
        self.assertEqual(rows(con, "PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(rows(con, ORPHANS), [])
        there = counts(con, "SELECT id, count(item) FROM naver_serp_tasks LEFT JOIN naver_serp_items USING (task) GROUP BY id")
        self.assertEqual(there, {id: expected[id] for id in there})
        parsed = {id for id, in rows(con, "SELECT id FROM naver_serp_cache WHERE parsed <> 0")}
        self.assertLessEqual(parsed, set(there))
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp_cache"), len(expected))
        return len(parsed)


class TestCompany(Processes):
    """Processes that share a file."""

    def run_all(self, children):
        for process in children:
            out, err = process.communicate(timeout=60)
            self.assertEqual((err, process.returncode), ("", 0))
            yield out

    def test_the_same_archive_is_parsed_by_two_at_once(self):
        code = "print(*con.execute('SELECT count(*), count(DISTINCT id) FROM naver_serp').fetchone())"
        for mode in MODES:
            with self.subTest(mode):
                path = self.archive(300, mode)
                expected = {task_id(k): items_of(k) for k in range(300)}
                children = [self.child(code, path) for _ in range(3)]
                for out in self.run_all(children):
                    self.assertEqual(out.split(), [str(sum(expected.values())), "300"])
                con = self.connect(path)
                self.assertEqual(counts(con), expected)
                self.check_tables(con, expected)

    def test_readers_writers_and_importers_at_once(self):
        """Each child puts bodies in by hand, imports, changes and deletes its own, and reads all."""
        code = """
first = int(sys.argv[3])
for k in range(first, first + 30):
    id = t.task_id(k)
    if k % 3:
        con.execute("INSERT INTO main.naver_serp_cache(id, body) VALUES (?, ?)", (id, t.body(id, 4)))
    else:
        con.execute("SELECT naver_serp_import(?)", (t.body(id, 4),)).fetchone()
    if k % 4 == 1:
        con.execute("UPDATE main.naver_serp_cache SET body = ? WHERE id = ?", (t.body(id, 6), id))
    wanted = 6 if k % 4 == 1 else 4
    for ask in ("SELECT count(*) FROM naver_serp(?)", "SELECT count(*) FROM naver_serp WHERE id = ? OR id = 'no'"):
        found = con.execute(ask + (" WHERE" if "WHERE" not in ask else " AND") + " on_error = 'skip' AND mode = 'cache'", (id,)).fetchone()[0]
        assert found == wanted, (id, found, wanted)
    counted = t.counts(con)
    assert set(counted.values()) <= {4, 6}, counted
    assert counted[id] == wanted, (id, counted[id])
    if k % 5 == 2:
        con.execute("DELETE FROM main.naver_serp_cache WHERE id = ?", (id,))
con.execute("SELECT count(*) FROM naver_serp").fetchone()
"""
        for mode in MODES:
            with self.subTest(mode):
                path = self.archive(0, mode)
                children = [self.child(code, path, first) for first in (0, 30, 60)]
                list(self.run_all(children))
                con = self.connect(path)
                expected = {task_id(k): 6 if k % 4 == 1 else 4 for k in range(90) if k % 5 != 2}
                self.assertEqual(counts(con), expected)
                self.check_tables(con, expected)

    def test_a_store_made_by_two_at_once(self):
        code = "con.execute('SELECT naver_serp_import(?)', (t.body(t.task_id(int(sys.argv[3])), 3),)).fetchone()"
        for mode in MODES:
            with self.subTest(mode):
                path = self.path()
                self.plain(path).execute(f"PRAGMA journal_mode = {mode}")
                list(self.run_all([self.child(code, path, k) for k in range(4)]))
                self.check_whole(self.connect(path), {task_id(k): 3 for k in range(4)})

    def test_a_lock_of_another_process(self):
        """Rows are served meanwhile, and written once it is gone."""
        code = "con.execute('BEGIN IMMEDIATE'); print('go', flush=True); sys.stdin.read(); con.execute('COMMIT')"
        expected = {task_id(k): items_of(k) for k in range(150)}
        for mode in MODES:
            with self.subTest(mode):
                path = self.archive(150, mode)
                con = self.connect(path, timeout=0.001)
                process = self.child(code, path)
                self.assertEqual(process.stdout.readline(), "go\n")
                for _ in range(2):
                    self.assertEqual(counts(con), expected)
                    self.assertFalse(con.in_transaction)
                    self.assertEqual(value(con, "SELECT count(*) FROM main.naver_serp_tasks"), 0)
                list(self.run_all([process]))
                self.assertEqual(counts(con), expected)
                self.check_tables(con, expected)

    def test_what_another_process_changes_is_seen(self):
        """Prepared statements and what is known of the tables are looked at anew by each query."""
        for mode in MODES:
            with self.subTest(mode):
                path = self.path()
                con = self.connect(path)
                con.execute(f"PRAGMA journal_mode = {mode}")
                self.assertEqual(counts(con), {})
                steps = ((SCHEMA + "INSERT INTO naver_serp_cache(id, body) VALUES ('a', '%s');" % body("a", 3).decode(), {"a": 3}),
                         ("UPDATE naver_serp_cache SET id = 'b';", {"b": 3}),
                         ("CREATE INDEX mine ON naver_serp_items(title); ALTER TABLE naver_serp_cache ADD COLUMN mine;", {"b": 3}),
                         ("DROP TABLE naver_serp_cache; DROP TABLE naver_serp_items; DROP TABLE naver_serp_tasks;", {}),
                         (SCHEMA + "INSERT INTO naver_serp_cache(id, body) VALUES ('c', '%s');" % body("c", 2).decode(), {"c": 2}))
                for sql, expected in steps:
                    out = subprocess.run([support.SHELL, "-init", os.devnull, "-bail", path], input=sql, capture_output=True, text=True)
                    self.assertEqual((out.stderr, out.returncode), ("", 0))
                    self.assertEqual(counts(con), expected)
                    self.assertEqual(value(con, "SELECT count(*) FROM naver_serp_task"), len(expected))


class TestCrash(Processes):
    """kill -9 while a large archive is parsed: 15 times, or REDERIVE times (`make soak`: 300)."""

    CODE = """
con.execute("PRAGMA synchronous = %s" % sys.argv[3])
con.execute("CREATE TEMP TABLE mine(id, n)")
print("go", flush=True)
con.execute(sys.argv[4]).fetchall()
print("done", flush=True)
sys.stdin.read()
"""
    SQL = ("SELECT count(*) FROM naver_serp", "SELECT count(*) FROM naver_serp_cache c CROSS JOIN naver_serp(c.id)",
           "INSERT INTO mine SELECT id, count(*) FROM naver_serp GROUP BY id")

    def test_killed_at_any_moment(self):
        random.seed(os.environ.get("SEED", "kill"))
        count, halfway = 350, 0
        expected = {task_id(k): items_of(k) * 4 for k in range(count)}
        masters = {mode: self.archive(count, mode, lambda k: items_of(k) * 4) for mode in MODES}
        path = self.path()
        for trial in range(int(os.environ.get("REDERIVE", 15))):
            mode, sql = MODES[trial % 2], self.SQL[trial % 3]
            with self.subTest(trial=trial, mode=mode, sql=sql):
                shutil.copy(masters[mode], path)
                process = self.child(self.CODE, path, "OFF", sql)
                self.assertEqual(process.stdout.readline(), "go\n", process.stderr)
                # How much was done shows in the files: the moment follows progress, not the clock
                goal = random.random() * 400_000
                grown = lambda: sum(os.path.getsize(path + s) for s in ("", "-wal") if os.path.exists(path + s))
                start = os.path.getsize(masters[mode])
                while grown() - start < goal and process.poll() is None and not self.is_done(process):
                    pass
                process.send_signal(signal.SIGKILL)
                process.wait()
                with contextlib.closing(self.plain(path)) as plain:
                    halfway += 0 < self.check_no_half_task(plain, expected) < count
                with contextlib.closing(load(self.plain(path))) as con:
                    self.assertEqual(counts(con), expected)
                    self.check_tables(con, expected)
                for suffix in ("", "-journal", "-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(path + suffix)
        self.assertGreater(halfway, 0, "no trial killed it halfway")

    @staticmethod
    def is_done(process):
        import select
        return bool(select.select([process.stdout], [], [], 0.001)[0])


class TestInterrupt(Processes):
    """sqlite3_interrupt() while bodies are parsed."""

    def interrupted_at(self, con, sql, step):
        """Runs a query and interrupts it at its n-th look; the error, or None if it was over before.
        Looks count once the statement runs: what planning looks at cannot be interrupted."""
        looks, running = [0], []

        def look():
            looks[0] += bool(running)
            if looks[0] == step:
                con.interrupt()
            return 0
        con.set_trace_callback(lambda text: running.append(1) if text == sql else None)
        con.set_progress_handler(look, 50)
        try:
            con.execute(sql).fetchall()
        except sqlite3.OperationalError as e:
            return e
        finally:
            con.set_progress_handler(None, 0)
            con.set_trace_callback(None)
        self.assertLess(looks[0], step, "the interrupt was lost")
        return None

    def test_at_any_moment(self):
        expected = {task_id(k): items_of(k) for k in range(150)}
        for sql in ("SELECT count(*) FROM naver_serp", "SELECT count(*) FROM naver_serp_task",
                    "SELECT count(*) FROM naver_serp WHERE mode = 'cache' AND id IN (SELECT id FROM naver_serp_cache)",
                    "INSERT INTO mine SELECT title FROM naver_serp", f"SELECT count(*) FROM naver_serp('{task_id(4)}')"):
            for begin in (False, True):
                con = self.connect(self.archive(150))
                con.execute("CREATE TABLE mine(x)")
                step, n = 1, 0
                while True:
                    with self.subTest(sql, begin=begin, step=step):
                        if begin and not con.in_transaction:
                            con.execute("BEGIN")
                        error = self.interrupted_at(con, sql, step)
                        if not begin:
                            self.assertFalse(con.in_transaction, "a transaction is still open")
                        self.check_no_half_task(con, expected)
                    if error is None:
                        break
                    self.assertEqual((error.sqlite_errorname, str(error)), ("SQLITE_INTERRUPT", str(error)))
                    self.assertIn("interrupted", str(error))
                    n += 1
                    step = step * 2 if step < 100 else step + 400
                if con.in_transaction:
                    con.execute("COMMIT")
                self.assertGreater(n, 0)
                self.assertEqual(counts(con), expected)
                self.check_tables(con, expected)

    def interrupted_before(self, con, sql, step):
        """Runs a query and interrupts it where SQLite begins the n-th statement, ours inside it included. The
        error or None, and whether it came to that statement."""
        seen = [0]

        def trace(_):
            seen[0] += 1
            if seen[0] == step:
                con.interrupt()
        con.set_trace_callback(trace)
        try:
            con.execute(sql).fetchall()
        except sqlite3.OperationalError as e:
            return e, True
        finally:
            con.set_trace_callback(None)
        return None, seen[0] >= step

    def test_before_each_statement(self):
        """What is done by then has to be undone, although SQLite runs nothing more."""
        expected = {task_id(k): items_of(k) for k in range(4)}
        asks = {"scan": "SELECT count(*) FROM naver_serp", "one": "SELECT count(*) FROM naver_serp('%s')" % task_id(3),
                "list": "SELECT count(*) FROM naver_serp WHERE mode = 'cache' AND id IN (SELECT id FROM main.naver_serp_cache)",
                "import": "SELECT naver_serp_import('%s')" % body(task_id(2), 3).decode()}
        master, path = self.archive(4), self.path()
        for (name, sql), query_only in itertools.product(asks.items(), (0, 1)):
            if query_only and name == "import":
                continue
            went_wrong = {"transaction open": [], "query_only changed": [], "other error": []}
            reached, step = True, 0
            # Late steps are the making of tables in temp, between whose statements nothing helps.
            while reached and (step < 60 or not query_only):
                step += 1
                con = self.connect(shutil.copy(master, path))
                con.execute(f"PRAGMA query_only = {query_only}")
                rows(con, "SELECT * FROM naver_serp(NULL)")  # The tables are looked at, so that the rest is what counts
                error, reached = self.interrupted_before(con, sql, step)
                if error and error.sqlite_errorname != "SQLITE_INTERRUPT":
                    went_wrong["other error"].append((step, str(error)))
                if con.in_transaction:
                    went_wrong["transaction open"].append(step)
                    con.execute("ROLLBACK")
                rows(con, "SELECT * FROM naver_serp(NULL)")  # Mends what could not be while interrupted
                if value(con, "PRAGMA query_only") != query_only:
                    went_wrong["query_only changed"].append(step)
                with contextlib.closing(self.plain(path)) as plain:
                    self.check_no_half_task(plain, expected)
                con.execute("PRAGMA query_only = 0")
                self.assertEqual(counts(con), expected)
                con.close()
            for what, steps in went_wrong.items():
                with self.subTest(name, query_only=query_only, what=what, of=step):
                    self.assertEqual(steps, [])
            self.assertGreater(step, 10)

    def test_from_another_thread(self):
        path = self.archive(600, n=lambda k: 10)
        con = self.connect(path, check_same_thread=False)
        seen, sql = threading.Event(), "SELECT count(*) FROM naver_serp"
        con.set_trace_callback(lambda text: seen.set() if text == sql else None)
        thread = threading.Thread(target=lambda: (seen.wait(), con.interrupt()))
        thread.start()
        with self.assertRaises(sqlite3.OperationalError) as caught:
            rows(con, sql)
        thread.join()
        con.set_trace_callback(None)
        self.assertEqual(caught.exception.sqlite_errorname, "SQLITE_INTERRUPT")
        self.assertFalse(con.in_transaction)
        expected = dict.fromkeys(map(task_id, range(600)), 10)
        self.check_no_half_task(con, expected)
        self.assertEqual(counts(con), expected)

    def test_where_main_cannot_be_written(self):
        path = self.archive(60)
        expected = {task_id(k): items_of(k) for k in range(60)}
        con = self.connect(f"file:{path}?mode=ro", uri=True)
        step, n = 1, 0
        while (error := self.interrupted_at(con, "SELECT count(*) FROM naver_serp", step)) is not None:
            self.assertEqual(error.sqlite_errorname, "SQLITE_INTERRUPT")
            step, n = step * 2, n + 1
        self.assertGreater(n, 3)
        self.assertEqual(counts(con), expected)

    def test_query_only_is_still_on(self):
        con = self.connect(self.archive(60))
        con.execute("PRAGMA query_only = 1")
        step = 1
        while self.interrupted_at(con, "SELECT count(*) FROM naver_serp", step) is not None:
            rows(con, "SELECT * FROM naver_serp(NULL)")  # Mends what could not be while interrupted
            self.assertEqual(value(con, "PRAGMA query_only"), 1)
            step *= 2
        self.assertEqual(value(con, "PRAGMA query_only"), 1)


class TestConnections(Processes):
    """Several connections of one process."""

    def test_one_is_closed_while_the_other_is_reading(self):
        path = self.archive(20)
        total = sum(map(items_of, range(20)))
        first, second = self.connect(path), self.connect(path)
        cursors = [con.execute("SELECT title FROM naver_serp") for con in (first, second)]
        for cursor in cursors:
            cursor.fetchone()
        cursors[0].close()
        first.close()
        self.assertEqual(len(cursors[1].fetchall()), total - 1)
        third = self.connect(path)
        second.close()
        self.assertEqual(value(third, "SELECT count(*) FROM naver_serp"), total)

    def test_one_is_opened_and_closed_while_the_other_parses_in_a_thread(self):
        path, other = self.archive(400, n=lambda k: 10), self.archive(5)
        result = []

        def work():
            with contextlib.closing(load(sqlite3.connect(path, isolation_level=None))) as con:
                result.append(value(con, "SELECT count(*) FROM naver_serp"))
        thread = threading.Thread(target=work)
        thread.start()
        opened = 0
        while thread.is_alive() or opened == 0:
            with contextlib.closing(load(sqlite3.connect(other, isolation_level=None))) as con:
                self.assertEqual(value(con, "SELECT count(*) FROM naver_serp"), 15)
                con.execute("UPDATE naver_serp_cache SET parsed = 0")
            opened += 1
        thread.join()
        self.assertEqual(result, [4000])

    def test_threads_with_a_connection_each(self):
        for mode in MODES:
            with self.subTest(mode):
                path, results = self.archive(200, mode), []

                def work():
                    with contextlib.closing(load(sqlite3.connect(path, isolation_level=None, timeout=20))) as con:
                        results.append(counts(con))
                threads = [threading.Thread(target=work) for _ in range(3)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                expected = {task_id(k): items_of(k) for k in range(200)}
                self.assertEqual(results, [expected] * 3)
                con = self.connect(path)
                self.assertEqual(counts(con), expected)
                self.check_tables(con, expected)

    def test_loaded_twice(self):
        con = self.connect(self.archive(5))
        con.execute("SELECT naver_serp_config('retries', 9)")
        for _ in range(3):
            self.assertEqual(value(con, "SELECT count(*) FROM naver_serp"), 15)
            load(con)
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp_task"), 5)

    def test_loaded_twice_with_a_cursor_open(self):
        con = self.connect(self.archive(5))
        cursor = con.execute("SELECT title FROM naver_serp")
        cursor.fetchone()
        with contextlib.suppress(sqlite3.OperationalError):  # SQLite may refuse to replace functions in use
            load(con)
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp"), 15)
        self.assertEqual(len(cursor.fetchall()), 14)
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp_task"), 5)
        load(con)
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp"), 15)

    def test_loaded_twice_closes(self):
        for between in ((), ("SELECT * FROM naver_serp",), ("SELECT naver_serp_import('%s')" % body("x", 1).decode(),)):
            with self.subTest(between=len(between)):
                lite = Lite(self.archive(3)).load()
                for sql in between:
                    lite.run(sql)
                lite.load()
                for sql in between:
                    lite.run(sql)
                self.assertEqual(lite.close(), 0)

    def test_loaded_into_many_connections(self):
        path = self.archive(3)
        with contextlib.ExitStack() as stack:
            many = [stack.enter_context(contextlib.closing(load(self.plain(path)))) for _ in range(40)]
            self.assertEqual([value(con, "SELECT count(*) FROM naver_serp") for con in many], [6] * 40)


class TestFork(Processes, test_https.Online):
    """A process that forks with a connection open."""

    connect = Store.connect

    def setUp(self):
        test_https.Online.setUp(self)
        Store.setUp(self)

    def in_child(self, work):
        """What work() returns in a forked process, through JSON; that process ends without clean-up."""
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.write(w, json.dumps(work()).encode())
                status = 0
            except BaseException as e:  # Shown by the parent
                os.write(w, json.dumps("%s: %s" % (type(e).__name__, e)).encode())
            finally:
                os._exit(status)
        os.close(w)
        with open(r, encoding="utf-8") as f:
            text = f.read()
        self.assertEqual(os.waitpid(pid, 0)[1], 0, text)
        return json.loads(text)

    def test_a_child_with_a_connection_of_its_own(self):
        first, second, third = self.ready(3)
        path = self.path()
        con = self.connect(path)
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", first), 3)

        def work():
            own = load(sqlite3.connect(path, isolation_level=None))
            return [value(own, "SELECT count(*) FROM naver_serp(?)", id) for id in (first, second)]
        self.assertEqual(self.in_child(work), [3, 3])
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", third), 3)
        self.check_whole(con, dict.fromkeys((first, second, third), 3))
        self.assertEqual(self.d.counts()["requests"], 3)

    def test_a_child_with_the_connection_of_its_parent(self):
        """SQLite allows that for a database in memory only; a TLS connection can never be shared."""
        first, second, third = self.ready(3)
        con = self.connect()
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", first), 3)

        def work():
            return [value(con, "SELECT count(*) FROM naver_serp(?)", second), value(con, "SELECT count(*) FROM naver_serp")]
        self.assertEqual(self.in_child(work), [3, 6])
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", third), 3)
        self.check_whole(con, dict.fromkeys((first, third), 3))
        log = {entry["id"]: entry["connection"] for entry in self.d.log() if entry["call"] == "task_get"}
        self.assertNotEqual(log[second], log[first], "the child used its parent's TLS connection")
        self.assertEqual(log[third], log[first], "the parent lost its connection")

    def test_a_child_that_ends_harms_nothing(self):
        first, second = self.ready(2)
        con = self.connect(self.path())
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", first), 3)
        cursor = con.execute("SELECT title FROM naver_serp")
        cursor.fetchone()
        self.assertEqual(self.in_child(lambda: 1), 1)
        self.assertEqual(len(cursor.fetchall()), 2)
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp(?)", second), 3)
        self.assertEqual(value(con, "SELECT count(*) FROM naver_serp"), 6)


if __name__ == "__main__":
    unittest.main()
