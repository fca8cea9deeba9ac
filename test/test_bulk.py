"""Many tasks at once: batches, streaming, retries, limits, stopping, crashes, company."""
import contextlib
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import unittest

import support
import test_https
from double import answer
from test_https import COUNT, SUMMARY_TAIL, TASK

IDS = "(SELECT value FROM json_each(:ids))"
NOT_SENT_AGAIN = 0.3  # Seconds without a request after which none is expected

# A process of its own: argv[1] is its environment, the rest is up to the code that follows.
CHILD = """
import json, os, resource, sys, time
sys.path.insert(0, sys.argv[2])
import support
os.environ.update(json.loads(sys.argv[1]))
con = support.connect(sys.argv[3])
for item in json.loads(sys.argv[4]).items():
    con.execute("SELECT naver_serp_config(?, ?)", item)
"""


class Bulk(test_https.Online):

    def many(self, count, items=3):
        """Sorted ids of ready tasks, and the same as JSON."""
        tasks = sorted(self.ready(count, items))
        return tasks, json.dumps(tasks)

    def until(self, condition, what, seconds=10):
        """Waits for a condition that is expected within moments."""
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.005)

    def interrupt(self, when, con, sql, **values):
        """Runs a query and interrupts it as soon as `when()`, in a thread, has returned.
        Gives the seconds from there to the end of the query, and its error, if any."""
        error, at = None, []

        def watch():
            try:
                when()
            finally:
                at.append(time.monotonic())
                con.interrupt()
        thread = threading.Thread(target=watch)
        thread.start()
        try:
            con.execute(sql, values).fetchall()
        except sqlite3.Error as e:
            error = e
        end = time.monotonic()
        thread.join()
        return end - at[0], error

    def child(self, code, path, *args, settings=()):
        """Starts a process that has `con` on a file and runs code."""
        settings = {"retry_delay_ms": 1, **dict(settings)}
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD + code, json.dumps(self.d.env()), str(support.ROOT / "test"), path,
             json.dumps(settings), *args], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process


class TestBatches(Bulk):
    """One list, one batch."""

    def test_every_form_of_a_list_is_one_batch(self):
        con = self.connect(concurrency=4)
        self.d.set(latency=0.03)
        con.execute("CREATE TABLE tasks(id TEXT PRIMARY KEY, keyword TEXT)")
        for count in (3, 12):
            tasks, as_json = self.many(count)
            con.execute("DELETE FROM tasks")
            con.executemany("INSERT INTO tasks(id) VALUES (?)", [(t,) for t in tasks])
            quoted = [f"'{t}'" for t in tasks]
            forms = {
                "list": f"s.id IN ({', '.join(quoted)})",
                "rows": "s.id IN (SELECT id FROM tasks)",
                "json": "s.id IN (SELECT value FROM json_each(:ids))",
                "or": "(" + " OR ".join("s.id = " + q for q in quoted) + ")",
            }
            for table in ("naver_serp", "naver_serp_task"):
                for name, where in forms.items():
                    with self.subTest(count=count, table=table, form=name):
                        sql = f"SELECT DISTINCT s.id FROM {table} s WHERE s.mode = 'refresh' AND {where}"
                        self.check_batch(con, sql, as_json, tasks)

    def check_batch(self, con, sql, as_json, tasks):
        self.d.reset_counts()
        self.assertEqual(sorted(i for i, in con.execute(sql, {"ids": as_json})), tasks)
        counts = self.d.counts()
        self.assertEqual(counts["requests"], len(tasks))
        self.assertGreater(counts["max_in_flight"], 1)
        self.assertLessEqual(counts["max_in_flight"], 4)
        self.assertLessEqual(counts["connections"], 4)

    def test_the_join_recipe_is_one_batch(self):
        """Whatever is known of the sizes, with few and with many tasks."""
        self.d.set(latency=0.03)
        sql = "SELECT DISTINCT s.id FROM tasks t JOIN {} s ON s.id = t.id WHERE s.id IN (SELECT id FROM tasks)"
        for count in (3, 12, 40):
            for key in ("PRIMARY KEY", ""):
                for analyze in ("", "ANALYZE"):
                    for table in ("naver_serp", "naver_serp_task"):
                        with self.subTest(count=count, key=key, analyze=analyze, table=table):
                            con = self.connect(concurrency=4)
                            con.execute(f"CREATE TABLE tasks(id TEXT {key}, keyword TEXT)")
                            tasks, as_json = self.many(count, 1)
                            con.executemany("INSERT INTO tasks(id) VALUES (?)", [(t,) for t in tasks])
                            con.execute(analyze)
                            self.check_batch(con, sql.format(table), as_json, tasks)

    def test_connections_are_kept_between_batches(self):
        con = self.connect(concurrency=3)
        self.d.set(latency=0.02)
        for _ in range(3):
            con.execute(f"SELECT count(*) FROM naver_serp WHERE id IN {IDS}", {"ids": self.many(9)[1]})
        counts = self.d.counts()
        self.assertEqual(counts["requests"], 27)
        self.assertLessEqual(counts["connections"], 3)

    def test_concurrency_of_one_is_one_after_another(self):
        con = self.connect(concurrency=1)
        con.execute(f"SELECT count(*) FROM naver_serp WHERE id IN {IDS}", {"ids": self.many(9)[1]})
        counts = self.d.counts()
        self.assertEqual((counts["requests"], counts["max_in_flight"], counts["connections"]), (9, 1, 1))

    def test_only_what_is_missing_is_asked_for(self):
        con, (tasks, as_json) = self.connect(), self.many(20)
        con.execute(f"SELECT * FROM naver_serp WHERE id IN {IDS}", {"ids": json.dumps(tasks[:15])}).fetchall()
        self.requests()
        found = con.execute(f"SELECT source, count(*) FROM naver_serp_task WHERE id IN {IDS} GROUP BY 1",
                            {"ids": as_json}).fetchall()
        self.assertEqual(found, [("network", 5), ("store", 15)])
        self.assertEqual(self.requests(), 5)

    def test_one_row_per_task_whatever_became_of_it(self):
        con = self.connect(retries=0, concurrency=5)
        tasks = self.many(30)[0]
        wanted = {task: "ready" for task in tasks}
        for name, (state, *_) in test_https.states().items():
            if state != "refused":
                wanted[self.load(name)] = state
        wanted.update({self.new_id(): "gone", "x": "absent"})
        found = con.execute(f"SELECT id, state FROM naver_serp_task WHERE id IN {IDS}",
                            {"ids": json.dumps(list(wanted) * 2)}).fetchall()
        self.assertEqual(sorted(found), sorted(wanted.items()))
        for task in wanted:
            self.assertEqual(self.d.requests_for(task), task != "x")


class TestStreaming(Bulk):
    """Rows come out while other requests are under way; nobody waits for what nobody reads."""

    def test_a_slow_task_holds_up_no_other(self):
        con, (tasks, as_json) = self.connect(concurrency=4), self.many(12)
        self.d.fault("latency", id=tasks[0], seconds=0.6)
        found = [i for i, in con.execute(f"SELECT id FROM naver_serp WHERE id IN {IDS}", {"ids": as_json})]
        self.assertEqual(sorted(found), sorted(tasks * 3))
        self.assertEqual(found[-3:], [tasks[0]] * 3)

    def test_rows_are_read_while_a_task_stalls(self):
        con, (tasks, as_json) = self.connect(concurrency=4), self.many(12)
        self.d.fault("stall", id=tasks[0])
        cursor = con.execute(f"SELECT id FROM naver_serp WHERE id IN {IDS}", {"ids": as_json})
        found = {cursor.fetchone()[0] for _ in range(11 * 3 - 1)}  # sqlite3 reads one row ahead
        self.assertEqual(found, set(tasks[1:]))
        self.assertEqual(self.d.counts()["in_flight"], 1)
        cursor.close()
        self.until(lambda: self.d.counts()["in_flight"] == 0, "closing the cursor cancels")
        self.assertEqual(self.d.counts()["cancelled"], 1)
        self.assertEqual(self.cached(con), tasks[1:])

    def test_stored_tasks_do_not_wait_for_the_network(self):
        con, (tasks, as_json) = self.connect(concurrency=4), self.many(6)
        con.execute(f"SELECT * FROM naver_serp WHERE id IN {IDS}", {"ids": json.dumps(tasks[3:])}).fetchall()
        for task in tasks[:3]:
            self.d.fault("stall", id=task)
        cursor = con.execute(f"SELECT id FROM naver_serp WHERE id IN {IDS}", {"ids": as_json})
        self.assertEqual({cursor.fetchone()[0] for _ in range(3 * 3 - 1)}, set(tasks[3:]))
        cursor.close()

    def test_what_is_not_read_is_not_asked_for(self):
        tasks, as_json = self.many(300, 2)
        self.d.set(latency=0.02)
        query = f"SELECT id FROM naver_serp WHERE id IN {IDS} AND mode = 'refresh'"
        for name, sql, rows in (("limit", query + " LIMIT 3", 3), ("exists", f"SELECT EXISTS ({query})", 1),
                                ("close", query, 3)):
            with self.subTest(name):
                con = self.connect(concurrency=4)
                self.d.reset_counts()
                cursor = con.execute(sql, {"ids": as_json})
                self.assertEqual(len(cursor.fetchmany(rows)), rows)
                cursor.close()
                self.assertLessEqual(self.d.counts()["requests"], 20)
                self.until(lambda: self.d.counts()["in_flight"] == 0, "the rest is cancelled")
                time.sleep(NOT_SENT_AGAIN)
                self.assertLessEqual(self.d.counts()["requests"], 20)

    def test_a_cursor_that_rests_does_not_lose_what_arrives(self):
        con, (tasks, as_json) = self.connect(concurrency=4), self.many(8)
        cursor = con.execute(f"SELECT id FROM naver_serp WHERE id IN {IDS}", {"ids": as_json})
        found = [cursor.fetchone()[0] for _ in range(5)]
        time.sleep(0.3)
        other = self.many(4)[0]  # Another statement of the same connection, in between
        self.assertEqual(support.value(con, COUNT, other[0]), 3)
        found += [i for i, in cursor]
        self.assertEqual(sorted(found), sorted(tasks * 3))
        self.assertEqual(self.requests(), 9)


class TestAskedOnce(Bulk):
    """A statement asks for an id once, however often the query comes back to it."""

    QUERIES = {
        "equal values": "SELECT s.state FROM twice t CROSS JOIN naver_serp_task s ON s.id = t.id AND s.mode = :mode",
        "lists": f"SELECT s.state FROM three CROSS JOIN naver_serp_task s WHERE s.id IN {IDS} AND s.mode = :mode",
        "correlated": "SELECT (SELECT state FROM naver_serp_task s WHERE s.id = t.id AND s.mode = :mode) FROM twice t",
        "correlated in join": "SELECT (SELECT count(*) FROM naver_serp s WHERE s.id = t.id AND s.mode = :mode "
                              "AND s.on_error = 'skip') FROM three, twice t",
        "union all": " UNION ALL ".join(
            [f"SELECT state FROM naver_serp_task WHERE id IN {IDS} AND mode = :mode"] * 3),
        "union of both": f"SELECT type FROM naver_serp WHERE id IN {IDS} AND mode = :mode AND on_error = 'skip' "
                         f"UNION ALL SELECT state FROM naver_serp_task WHERE id IN {IDS} AND mode = :mode",
        "duplicates": "SELECT state FROM naver_serp_task WHERE id IN (SELECT id FROM twice UNION ALL SELECT NULL "
                      "UNION ALL SELECT id FROM twice) AND mode = :mode",
        "or": "SELECT state FROM naver_serp_task WHERE (id = :a OR id = :b OR id = :a OR id = NULL) AND mode = :mode",
        "or of lists": f"SELECT state FROM naver_serp_task WHERE mode = :mode AND (id IN {IDS} "
                       "OR (id = :a AND cost > 1))",
        "list of literals": "SELECT state FROM naver_serp_task WHERE id IN (:a, :b, :a, NULL, :b) AND mode = :mode",
        "cte": f"WITH x AS (SELECT * FROM naver_serp_task WHERE id IN {IDS} AND mode = :mode) "
               "SELECT x.state FROM x, three UNION ALL SELECT state FROM x",
    }

    # Two cursors of one statement hold the same answer. Run apart: this has crashed.
    TWO_CURSORS = {
        "self-join": f"SELECT a.state FROM naver_serp_task a JOIN naver_serp_task b ON a.id = b.id WHERE a.id IN {IDS} "
                     "AND a.mode = :mode AND b.mode = :mode",
        "both tables": "SELECT a.state FROM naver_serp_task a LEFT JOIN naver_serp b ON a.id = b.id AND b.mode = :mode "
                       f"AND b.on_error = 'skip' WHERE a.id IN {IDS} AND a.mode = :mode",
    }

    KINDS = {"ready": None, "pending": "pending_40602", "gone": "gone_40401", "failed": "failed_40101",
             "unreachable": "retry_50301"}

    def known(self, kind):
        """Two new ids of a kind."""
        file = self.KINDS[kind]
        tasks = [self.new_id(), self.new_id()]
        for task in tasks:
            self.d.add(task, support.read_bytes(f"states/{file}.json") if file else answer(task, "k", 2))
        return tasks

    def test_no_id_is_asked_for_twice(self):
        con = self.connect(retries=0, concurrency=3)
        con.execute("CREATE TABLE twice(id)")
        con.execute("CREATE TABLE three AS SELECT value FROM json_each('[1, 2, 3]')")
        for kind in self.KINDS:
            for mode in ("auto", "refresh"):
                for name, sql in self.QUERIES.items():
                    with self.subTest(kind=kind, mode=mode, query=name):
                        a, b = tasks = self.known(kind)
                        con.execute("DELETE FROM twice")
                        con.executemany("INSERT INTO twice VALUES (?)", [(t,) for t in tasks * 2])
                        rows = con.execute(sql, {"ids": json.dumps(tasks), "mode": mode, "a": a, "b": b}).fetchall()
                        self.assertGreaterEqual(len(rows), 2)
                        self.assertEqual([self.d.requests_for(t) for t in tasks], [1, 1])

    def test_two_cursors_share_an_answer(self):
        code = "print(len(con.execute(sys.argv[5], {'ids': sys.argv[6], 'mode': sys.argv[7]}).fetchall()))"
        for name, sql in self.TWO_CURSORS.items():
            for kind, mode in itertools.product(self.KINDS, ("auto", "refresh")):
                with self.subTest(query=name, kind=kind, mode=mode):
                    tasks = self.known(kind)
                    process = self.child(code, ":memory:", sql, json.dumps(tasks), mode, settings={"retries": 0})
                    out, _ = process.communicate()
                    rows = 4 if (name, kind) == ("both tables", "ready") else 2
                    self.assertEqual((process.returncode, out), (0, f"{rows}\n"))
                    self.assertEqual([self.d.requests_for(t) for t in tasks], [1, 1])

    def test_retries_are_not_started_anew(self):
        con, tasks = self.connect(retries=2), [self.new_id() for _ in range(3)]
        self.d.fault("status", status=500, times=None)
        sql = f"SELECT s.state FROM json_each('[1, 2, 3]') CROSS JOIN naver_serp_task s WHERE s.id IN {IDS}"
        found = con.execute(sql, {"ids": json.dumps(tasks)}).fetchall()
        self.assertEqual(found, [("unreachable",)] * 9)
        self.assertEqual([self.d.requests_for(t) for t in tasks], [3] * 3)

    def test_the_next_statement_asks_again(self):
        con, task = self.connect(), self.load("pending_40602")
        for _ in range(3):
            con.execute(TASK, (task,)).fetchall()
        self.assertEqual(self.d.requests_for(task), 3)


def failing_answers():
    """Faults after which another try can succeed."""
    state = lambda name: {"kind": "body", "body": support.read_bytes(f"states/{name}.json")}
    return {
        "500": {"kind": "status", "status": 500}, "502": {"kind": "status", "status": 502},
        "503": {"kind": "status", "status": 503, "retry_after": 0}, "429": {"kind": "status", "status": 429},
        "40202": state("retry_40202"), "40202 of the task": state("retry_40202_task"), "40209": state("retry_40209"),
        "50000": {**state("retry_50000"), "status": 500}, "50301": state("retry_50301"),
        "reset": {"kind": "reset"}, "reset in the head": {"kind": "reset", "bytes": 30},
        "truncation": {"kind": "truncate", "bytes": 100}, "half": {"kind": "body", "body": b'{"status_code": 20000, '},
        "html": {"kind": "body", "body": b"<html>"},
    }


class TestRetries(Bulk):
    """What is tried again, how often, and what never is."""

    def test_success_after_failures(self):
        for name, fault in failing_answers().items():
            for failures in (1, 3):
                with self.subTest(fault=name, failures=failures):
                    con, (task,) = self.connect(retries=3), self.ready()
                    self.d.clear_faults()
                    self.d.fault(id=task, times=failures, **fault)
                    self.assertEqual(support.value(con, COUNT, task), 3)
                    self.assertEqual(self.d.requests_for(task), failures + 1)

    def test_no_more_requests_than_retries_allow(self):
        for name, fault in failing_answers().items():
            for retries in (0, 2):
                with self.subTest(fault=name, retries=retries):
                    con, (task,) = self.connect(retries=retries), self.ready()
                    self.d.clear_faults()
                    self.d.fault(id=task, times=None, **fault)
                    self.assertEqual(con.execute(TASK, (task,)).fetchone()[0], "unreachable")
                    self.assertEqual(self.d.requests_for(task), retries + 1)

    def test_no_more_requests_on_a_kept_connection_either(self):
        """libcurl sends a request again by itself when a kept connection turns out dead."""
        con, (first, task) = self.connect(retries=2), self.ready(2)
        con.execute(COUNT, (first,)).fetchall()
        self.d.fault("reset", id=task, times=None)
        self.assertEqual(con.execute(TASK, (task,)).fetchone()[0], "unreachable")
        # One more than tries: libcurl itself asks again where the kept connection was dead.
        self.assertIn(self.d.requests_for(task), (3, 4))

    def test_a_batch_in_which_everything_fails_once(self):
        self.d.set(latency=0.01)
        for name, fault in failing_answers().items():
            with self.subTest(fault=name):
                con, (tasks, as_json) = self.connect(concurrency=4), self.many(8)
                self.d.clear_faults()
                self.d.reset_counts()
                for task in tasks:
                    self.d.fault(id=task, **fault)
                self.assertEqual(con.execute(f"SELECT count(*) FROM naver_serp WHERE id IN {IDS}",
                                             {"ids": as_json}).fetchone()[0], 24)
                counts = self.d.counts()
                self.assertEqual(counts["requests"], 16)
                self.assertLessEqual(counts["max_in_flight"], 4)

    def times(self, con, tasks, **fault):
        """Seconds of each request after the first, with a fault on the first task."""
        self.d.fault(id=tasks[0], **fault)
        self.d.reset_counts()
        found = con.execute(f"SELECT DISTINCT id FROM naver_serp WHERE id IN {IDS}", {"ids": json.dumps(tasks)})
        self.assertEqual(sorted(i for i, in found), tasks)
        log = self.d.log()
        return [(entry["id"], entry["time"] - log[0]["time"]) for entry in log]

    def test_retry_after_of_429_holds_everything(self):
        con, (tasks, _) = self.connect(concurrency=3), self.many(12)
        times = self.times(con, tasks, kind="status", status=429, retry_after=1)
        self.assertEqual(len(times), 13)
        early = [task for task, seconds in times if seconds < 0.9]
        self.assertIn(tasks[0], early)
        self.assertLessEqual(len(early), 6)  # Those that were under way, and what they made room for
        self.assertGreater(times[-1][1], 0.9)

    def test_retry_after_of_503_holds_its_task(self):
        con, (tasks, _) = self.connect(concurrency=2), self.many(6)
        times = self.times(con, tasks, kind="status", status=503, retry_after=1)
        self.assertEqual(len(times), 7)
        self.assertEqual({task for task, _ in times[:6]}, set(tasks))
        self.assertLess(times[5][1], 0.9)
        self.assertEqual(times[6][0], tasks[0])
        self.assertGreater(times[6][1], 0.9)

    def test_pauses_grow(self):
        con, (task,) = self.connect(retries=4), self.ready()
        self.configure(con, retry_delay_ms=40)
        self.d.fault("status", status=500, times=4)
        con.execute(COUNT, (task,)).fetchall()
        at = [entry["time"] for entry in self.d.log()]
        pauses = [b - a for a, b in zip(at, at[1:])]  # 40, 80, 160, 320 ms, each by half to three halves
        for pause, least in zip(pauses, (0.02, 0.04, 0.08, 0.16)):
            self.assertGreater(pause, least * 0.9)

    def test_what_cannot_change_is_never_asked_again(self):
        con = self.connect(retries=4)
        self.d.set(unknown=404)
        tasks = [self.load(n) for n, (state, *_) in test_https.states().items() if state in ("gone", "failed", "empty")]
        tasks += [self.new_id() for _ in range(20)]
        for _ in range(3):
            con.execute(f"SELECT id FROM naver_serp_task WHERE id IN {IDS}", {"ids": json.dumps(tasks)}).fetchall()
        self.assertEqual([self.d.requests_for(t) for t in tasks], [1] * len(tasks))

    def test_refused_stops_the_batch(self):
        self.d.set(latency=0.03)
        for name in ("refused_40100", "refused_40200", "refused_40201", "refused_40207", "refused_40210"):
            with self.subTest(name):
                con, (tasks, as_json) = self.connect(concurrency=3), self.many(40)
                self.d.reset_counts()
                self.d.fault("body", body=support.read_bytes(f"states/{name}.json"))
                state, code, message = test_https.states()[name]
                found = con.execute("SELECT id, state, status_code, status_message FROM naver_serp_task "
                                    f"WHERE id IN {IDS}", {"ids": as_json}).fetchall()
                refused = [i for i, *rest in found if rest == ["refused", code, message]]
                self.assertEqual(sorted(i for i, *_ in found), tasks)
                self.assertGreaterEqual(len(refused), 38)  # Two more may have been answered meanwhile
                time.sleep(NOT_SENT_AGAIN)
                self.assertLessEqual(self.requests(), 3)
                con.execute(TASK, (tasks[5],)).fetchall()  # The next statement tries anew
                self.assertEqual(self.requests(), 1)

    def test_refused_keeps_what_came_before(self):
        con, (tasks, as_json) = self.connect(concurrency=1), self.many(20)
        self.d.fault("body", after=7, body=support.read_bytes("states/refused_40200.json"), status=402)
        text = self.error(con, "SELECT * FROM naver_serp WHERE id IN (SELECT value FROM json_each(?))", as_json)
        self.assertIn("13 of 20 tasks gave no rows: 13 refused; ", text)
        self.assertEqual(self.requests(), 8)
        self.assertEqual(self.cached(con), tasks[:7])

    def test_missing_credentials_end_a_batch_without_a_request(self):
        self.environ(DATAFORSEO_PASSWORD=None)
        con, (tasks, as_json) = self.connect(), self.many(50)
        found = con.execute("SELECT state, status_message, count(*) FROM naver_serp_task "
                            f"WHERE id IN {IDS} GROUP BY 1, 2", {"ids": as_json}).fetchall()
        self.assertEqual(found, [("refused", "no credentials", 50)])
        self.assertEqual(self.requests(), 0)


class TestErrors(Bulk):
    """on_error: all rows first, then one error."""

    def setUp(self):
        super().setUp()
        self.good, _ = self.many(6)
        bad = ["pending_40602", "gone_40401", "failed_40103", "retry_50301"]
        self.bad = sorted([self.load(name) for name in bad] + [self.new_id() for _ in range(5)])
        self.list = ", ".join(f"'{task}'" for task in sorted(self.good + self.bad))

    def shell(self, sql):
        return support.shell(sql, env={**self.d.env(), "NAVER_SERP_RETRIES": "0"})

    def test_fail_gives_all_rows_and_then_one_error(self):
        out, err, status = self.shell(f"SELECT id FROM naver_serp WHERE id IN ({self.list});")
        self.assertEqual(sorted(out.split()), sorted(self.good * 3))
        self.assertEqual(err.count("naver_serp:"), 1)
        self.assertIn("naver_serp: 9 of 15 tasks gave no rows: 1 pending, 6 gone, 1 failed, 1 unreachable; ", err)
        self.assertIn("; and 6 more" + SUMMARY_TAIL, err)
        self.assertEqual(sum(task in err for task in self.bad), 3)
        self.assertNotEqual(status, 0)

    def test_skip_gives_all_rows(self):
        out, err, status = self.shell(f"SELECT id FROM naver_serp WHERE id IN ({self.list}) AND on_error = 'skip';")
        self.assertEqual(sorted(out.split()), sorted(self.good * 3))
        self.assertEqual((err, status), ("", 0))

    def test_a_failing_query_keeps_what_it_fetched(self):
        con = self.connect(retries=0)
        self.error(con, f"SELECT * FROM naver_serp WHERE id IN ({self.list})")
        self.requests()
        self.assertEqual(support.value(con, f"SELECT count(*) FROM naver_serp WHERE id IN ({self.list}) "
                                            "AND on_error = 'skip'"), 18)
        self.assertEqual(self.requests(), 2)  # Pending, unreachable

    def test_the_first_fetch_can_be_rolled_back(self):
        """The tables of the store go with it; the connection can still make them anew."""
        bad, tasks = self.new_id(), self.good
        both = f"id IN ('{tasks[0]}', '{bad}')"
        for name, statements in (
                ("rollback", ("BEGIN", f"SELECT count(*) FROM naver_serp('{tasks[0]}')", "ROLLBACK")),
                ("rollback to", ("BEGIN", "SAVEPOINT s", f"SELECT count(*) FROM naver_serp('{tasks[0]}')",
                                 "ROLLBACK TO s", "COMMIT")),
                ("create as", (f"CREATE TABLE r AS SELECT id FROM naver_serp WHERE {both}",)),
                ("insert", ("CREATE TABLE r(id)", f"INSERT INTO r SELECT id FROM naver_serp WHERE {both}"))):
            with self.subTest(name):
                con = self.connect()
                for sql in statements:
                    with contextlib.suppress(sqlite3.OperationalError):
                        con.execute(sql).fetchall()
                self.assertFalse(con.in_transaction)
                self.assertEqual(support.value(con, COUNT, tasks[0]), 3)
                self.assertEqual(support.value(con, COUNT, tasks[1]), 3)
                self.assertEqual(self.cached(con), tasks[:2])


class TestLimits(Bulk):
    """Time: requests a minute, how long pending tasks are waited for."""

    def test_requests_per_minute(self):
        """Exactly as many as allowed, tries that failed included, over statements too."""
        con, (tasks, as_json) = self.connect(requests_per_minute=20, concurrency=6), self.many(25)
        self.d.fault("status", status=500, times=3)

        def spent():
            self.until(lambda: self.d.counts()["requests"] >= 20, "20 requests")
            time.sleep(NOT_SENT_AGAIN)
        query = f"SELECT count(*) FROM naver_serp WHERE id IN {IDS}"
        _, error = self.interrupt(spent, con, query, ids=as_json)
        self.assertIn("interrupted", str(error))
        self.assertEqual(self.requests(), 20)
        self.assertEqual(len(self.cached(con)), 17)
        missing = sorted(set(tasks) - set(self.cached(con)))
        _, error = self.interrupt(lambda: time.sleep(NOT_SENT_AGAIN), con, query, ids=json.dumps(missing))
        self.assertIn("interrupted", str(error))
        self.assertEqual(self.requests(), 0)

    def test_pending_tasks_are_waited_for(self):
        """One is ready at the second look; one never is, and is given up in time."""
        con, pending = self.connect(wait_seconds=6), support.read_bytes("states/pending_40602.json")
        soon, never = self.new_id(), self.new_id()
        self.d.add(soon, pending, answer(soon, "k", 3))
        self.d.add(never, pending)
        tasks, _ = self.many(4)
        begun = time.monotonic()
        found = dict(con.execute(f"SELECT id, state FROM naver_serp_task WHERE id IN {IDS}",
                                 {"ids": json.dumps(tasks + [soon, never])}).fetchall())
        seconds = time.monotonic() - begun
        print(f"wait_seconds = 6: gave up after {seconds:.1f} s")
        self.assertEqual(found, {**dict.fromkeys(tasks, "ready"), soon: "ready", never: "pending"})
        self.assertEqual(self.d.requests_for(soon), 2)
        self.assertLessEqual(self.d.requests_for(never), 3)
        self.assertTrue(5 < seconds < 8, seconds)

    def test_pending_tasks_hold_up_no_other(self):
        con = self.connect(wait_seconds=60, concurrency=2)
        waiting = [self.new_id() for _ in range(10)]
        for task in waiting:
            self.d.add(task, support.read_bytes("states/pending_40601.json"))
        tasks, _ = self.many(10)
        cursor = con.execute(f"SELECT id FROM naver_serp WHERE id IN {IDS}", {"ids": json.dumps(waiting + tasks)})
        self.assertEqual({cursor.fetchone()[0] for _ in range(29)}, set(tasks))
        cursor.close()
        self.assertEqual(self.requests(), 20)


class TestInterrupt(Bulk):
    """Ctrl-C and sqlite3_interrupt() end any wait, and keep what is complete."""

    def interrupted(self, name, con, tasks, when=None):
        """Runs until `when`, interrupts, and looks at how long that took."""
        seconds, error = self.interrupt(when or (lambda: time.sleep(NOT_SENT_AGAIN)), con,
                                        f"SELECT count(*) FROM naver_serp WHERE id IN {IDS}", ids=json.dumps(tasks))
        print(f"interrupt while {name}: {seconds * 1000:.0f} ms")
        self.assertIsInstance(error, sqlite3.OperationalError)
        self.assertIn("interrupted", str(error))
        self.assertLess(seconds, 1)

    def test_any_wait_can_be_interrupted(self):
        pending = self.load("pending_40602")
        for name, settings, tasks, fault in (
                ("stalled", {}, self.many(3)[0], {"kind": "stall", "times": None}),
                ("the answer drips", {}, self.many(3)[0], {"kind": "drip", "bytes": 1, "seconds": 0.05, "times": None}),
                ("a retry waits", {"retry_delay_ms": 60000}, self.many(3)[0],
                 {"kind": "status", "status": 500, "times": None}),
                ("Retry-After lasts", {}, self.many(3)[0],
                 {"kind": "status", "status": 429, "retry_after": 100, "times": None}),
                ("pending", {"wait_seconds": 100}, [pending], None),
                ("the minute is spent", {"requests_per_minute": 1}, self.many(3)[0], None)):
            with self.subTest(name):
                con = self.connect()
                self.configure(con, **settings)
                self.d.clear_faults()
                if fault:
                    self.d.fault(**fault)
                self.interrupted(name, con, tasks)
                self.until(lambda: self.d.counts()["in_flight"] == 0, "requests are cancelled")
                self.d.clear_faults()
                if name != "Retry-After lasts":  # It is for the next statement, too
                    self.configure(con, requests_per_minute=2000, retry_delay_ms=1, wait_seconds=0)
                    task, = self.ready()
                    self.assertEqual(support.value(con, COUNT, task), 3)

    def test_what_is_complete_is_kept(self):
        path, (tasks, _) = self.file(), self.many(10)
        con = self.connect(path)
        self.d.fault("stall", id=tasks[4])

        def all_but_one():
            self.until(lambda: self.d.counts()["requests"] == 10 and self.d.counts()["in_flight"] == 1, "9 answers")
            time.sleep(NOT_SENT_AGAIN)
        self.interrupted("one of ten stalls", con, tasks, all_but_one)
        self.assertEqual(self.cached(self.connect(path)), tasks[:4] + tasks[5:])
        self.requests()
        self.assertEqual(con.execute(f"SELECT count(*) FROM naver_serp WHERE id IN {IDS}",
                                     {"ids": json.dumps(tasks)}).fetchone()[0], 30)
        self.assertEqual(self.requests(), 1)

    def test_ctrl_c_in_the_shell(self):
        path, (tasks, _) = self.file(), self.many(10)
        self.d.fault("stall", id=tasks[4])
        shell = subprocess.Popen(
            [support.SHELL, "-init", os.devnull, "-batch", "-cmd", f".load '{support.EXTENSION}'", path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **self.d.env()})
        self.addCleanup(shell.kill)
        shell.stdin.write("SELECT id FROM naver_serp WHERE id IN (%s);\n" % ", ".join(f"'{t}'" for t in tasks))
        shell.stdin.close()
        self.until(lambda: self.d.counts()["requests"] == 10 and self.d.counts()["in_flight"] == 1, "9 answers")
        time.sleep(NOT_SENT_AGAIN)
        begun = time.monotonic()
        shell.send_signal(signal.SIGINT)
        with contextlib.closing(shell.stdout), contextlib.closing(shell.stderr):
            out, err = shell.stdout.read(), shell.stderr.read()
            status = shell.wait(30)
        seconds = time.monotonic() - begun
        print(f"Ctrl-C in the shell: {seconds * 1000:.0f} ms")
        self.assertLess(seconds, 1)
        self.assertIn("interrupted", err)
        self.assertNotEqual(status, -signal.SIGINT)
        self.assertEqual(sorted(out.split()), sorted((tasks[:4] + tasks[5:]) * 3))
        self.assertEqual(self.cached(self.connect(path)), tasks[:4] + tasks[5:])


class TestCompany(Bulk):
    """Crashes, and others at work on the same file."""

    MODES = ("wal", "delete")
    FETCH = """
found = con.execute("SELECT s.id, count(*) FROM naver_serp s WHERE s.id IN (SELECT value FROM json_each(?)) GROUP BY 1",
                    (sys.argv[5],)).fetchall()
print(json.dumps(found))
"""

    def database(self, mode):
        path = self.file()
        with contextlib.closing(support.connect(path)) as con:
            con.execute(f"PRAGMA journal_mode = {mode}")
        return path

    def check_file(self, path, tasks):
        """All rows of all tasks are in the file, and it is sound."""
        with contextlib.closing(sqlite3.connect(path)) as con:
            self.assertEqual(con.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual([i for i, in con.execute("SELECT id FROM naver_serp_cache WHERE parsed <> 0 ORDER BY id")],
                             tasks)
            self.assertEqual([i for i, in con.execute("SELECT id FROM naver_serp_tasks ORDER BY id")], tasks)
            self.assertEqual(con.execute("SELECT count(*) FROM naver_serp_items").fetchone()[0], 3 * len(tasks))

    def test_killed_halfway(self):
        self.d.set(latency=0.01)
        for mode in self.MODES:
            with self.subTest(mode):
                path, (tasks, as_json) = self.database(mode), self.many(200)
                self.d.reset_counts()
                process = self.child(self.FETCH, path, as_json, settings={"concurrency": 4})
                self.until(lambda: self.d.counts()["requests"] >= 80, "80 requests")
                process.kill()
                process.wait()
                self.until(lambda: self.d.counts()["in_flight"] == 0, "the process is gone")
                asked = self.requests()
                con = self.connect(path)
                self.assertEqual(con.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
                stored = self.cached(con)
                print(f"kill -9 in {mode} mode: {len(stored)} of {asked} answers are there")
                self.assertGreaterEqual(len(stored), asked - 20)  # In flight, or in the batch being written
                self.assertLess(len(stored), 200)
                self.assertEqual(con.execute(f"SELECT count(*) FROM naver_serp WHERE id IN {IDS}",
                                             {"ids": as_json}).fetchone()[0], 600)
                self.assertEqual(self.requests(), 200 - len(stored))
                self.check_file(path, tasks)

    def test_two_processes_fetch_the_same(self):
        self.d.set(latency=0.01)
        for mode in self.MODES:
            with self.subTest(mode):
                path, (tasks, as_json) = self.database(mode), self.many(100)
                processes = [self.child(self.FETCH, path, as_json, settings={"concurrency": 4}) for _ in range(2)]
                for process in processes:
                    self.assertEqual(sorted(json.loads(process.stdout.read())), [[t, 3] for t in tasks])
                    self.assertEqual(process.wait(), 0)
                self.check_file(path, tasks)

    def test_two_processes_fetch_different_tasks(self):
        """Nothing that one of them fetched is lost because the other was writing."""
        self.d.set(latency=0.01)
        for mode in self.MODES:
            with self.subTest(mode):
                path, (tasks, _) = self.database(mode), self.many(100)
                halves = [tasks[:50], tasks[50:]]
                processes = [self.child(self.FETCH, path, json.dumps(half), settings={"concurrency": 4})
                             for half in halves]
                for process, half in zip(processes, halves):
                    self.assertEqual(sorted(json.loads(process.stdout.read())), [[t, 3] for t in half])
                    self.assertEqual(process.wait(), 0)
                self.check_file(path, tasks)

    def test_two_connections_fetch_the_same(self):
        self.d.set(latency=0.01)
        for mode in self.MODES:
            with self.subTest(mode):
                path, (tasks, as_json) = self.database(mode), self.many(60)
                found = []

                def fetch():
                    with contextlib.closing(support.connect(path)) as con:
                        self.configure(con, concurrency=4)
                        found.append(con.execute(f"SELECT id, count(*) FROM naver_serp WHERE id IN {IDS} GROUP BY 1",
                                                 {"ids": as_json}).fetchall())
                threads = [threading.Thread(target=fetch) for _ in range(2)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual([sorted(f) for f in found], [[(t, 3) for t in tasks]] * 2)
                self.check_file(path, tasks)

    def test_memory_does_not_grow_with_the_number_of_tasks(self):
        peaks = []
        code = """
con.execute("PRAGMA synchronous = OFF")
n = sum(1 for _ in con.execute("SELECT id FROM naver_serp WHERE id IN (SELECT id FROM tasks)"))
print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
        for count in (300, 3000):
            path = self.file()
            with contextlib.closing(sqlite3.connect(path)) as con, con:
                con.execute("CREATE TABLE tasks(id TEXT PRIMARY KEY)")
                con.executemany("INSERT INTO tasks VALUES (?)", [(t,) for t in self.ready(count, 2)])
            process = self.child(code, path, settings={"requests_per_minute": 100000})
            rows, peak = process.stdout.read().split()
            self.assertEqual(int(rows), 2 * count)
            peaks.append(int(peak))
        print(f"peak of 300 tasks: {peaks[0]}, of 3000: {peaks[1]} ({peaks[1] / peaks[0]:.2f})")
        self.assertLessEqual(peaks[1], 1.3 * peaks[0])


if __name__ == "__main__":
    unittest.main()
