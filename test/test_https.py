"""One task over HTTPS: what is asked, what is kept, and what each failure says."""
import contextlib
import gzip
import itertools
import json
import os
import re
import socket
import sqlite3
import tempfile
import unittest

import support
from double import SETTINGS, Double, answer

ABSENT_ID = "03020115-1535-0066-00ff-000000000000"
HINTS = {
    "pending": "ask again later, or set wait_seconds",
    "failed": "post the keyword again",
    "gone": "check the id, or post the keyword again",
    "refused": "look into your DataForSEO account, then ask again",
    "unreachable": "try again later",
    "absent": "check the id; mode 'auto' fetches a task that is not stored",
}
STORED_GONE_HINT = "post the keyword again; mode 'refresh' asks for this one once more"
REFUSED_HINT = ("the API refused DATAFORSEO_LOGIN and DATAFORSEO_PASSWORD: set them as "
                "app.dataforseo.com/api-access shows them")
CODE_HINTS = {
    40403: "answers are kept for 30 days: post the keyword again",
    40400: "check the setting base_url: it ends before /v3",
    40402: "check the setting base_url: it ends before /v3",
    40100: REFUSED_HINT,
    40104: "verify the account at app.dataforseo.com, then ask again",
}
CREDENTIALS_HINT = ("set DATAFORSEO_LOGIN and DATAFORSEO_PASSWORD in the environment as "
                    "app.dataforseo.com/api-access shows them")
KEPT_NOTE = "; the stored answer was kept, mode 'cache' reads it"
SUMMARY_TAIL = " (naver_serp_task shows each; on_error 'skip' leaves them out)"
TASK = "SELECT state, status_code, status_message, source FROM naver_serp_task(?)"
COUNT = "SELECT count(*) FROM naver_serp(?)"


class Online(unittest.TestCase):
    """A double of the API for the class; credentials, settings and counts anew for each test."""

    serial = itertools.count()

    @classmethod
    def setUpClass(cls):
        cls.d = Double().start()
        cls.addClassCleanup(cls.d.stop)

    def setUp(self):
        self.d.clear_faults()
        self.d.set(**SETTINGS)
        self.d.reset_counts()
        self.environ(**self.d.env())

    def environ(self, **variables):
        """Sets environment variables (None: unset) until the test ends."""
        for name, value in variables.items():
            before = os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
            self.addCleanup(self._restore, name, before)

    @staticmethod
    def _restore(name, before):
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before

    def connect(self, path=":memory:", **settings):
        """A connection with quick retries and the given settings, closed after the test."""
        con = support.connect(path)
        self.addCleanup(con.close)
        self.configure(con, retry_delay_ms=1, **settings)
        return con

    @staticmethod
    def configure(con, **settings):
        for item in settings.items():
            con.execute("SELECT naver_serp_config(?, ?)", item)

    def file(self):
        """A path for a database of this test."""
        folder = tempfile.TemporaryDirectory(prefix="naver_serp.")
        self.addCleanup(folder.cleanup)
        return os.path.join(folder.name, "serp.db")

    def ready(self, count=1, items=3):
        """Ids, new in this class, of tasks with so many items."""
        first = next(self.serial) * 10000
        return self.d.generate(count, items=items, first=first)

    def new_id(self):
        """An id that the double does not know."""
        return "03020115-1535-0066-ffff-%012x" % next(self.serial)

    def load(self, state):
        return self.d.load(str(support.ROOT / "data" / "states" / (state + ".json")))

    def requests(self):
        """Requests since the last look."""
        n = self.d.counts()["requests"]
        self.d.reset_counts()
        return n

    def error(self, con, sql, *values):
        """The text of the error that a query ends in."""
        with self.assertRaises(sqlite3.Error) as caught:
            con.execute(sql, values).fetchall()
        return str(caught.exception)

    def task(self, con, task_id, mode=None):
        """(state, status_code, status_message, source) of the only row of a task."""
        rows = con.execute("SELECT state, status_code, status_message, source FROM naver_serp_task"
                           " WHERE id = ? AND mode = ?", (task_id, mode or "auto")).fetchall()
        self.assertEqual(len(rows), 1)
        return rows[0]

    def cached(self, con):
        """Ids in the store."""
        if not support.value(con, "SELECT count(*) FROM sqlite_schema WHERE name = 'naver_serp_cache'"):
            return []
        return [i for i, in con.execute("SELECT id FROM naver_serp_cache ORDER BY id")]


def states():
    """What each file of data/states stands for: {file: (state, code, message)}."""
    found = {}
    for name in support.data_files():
        match = re.fullmatch(r"states/((empty|pending|failed|gone|refused|retry|unknown)_.*)\.json", name)
        if match:
            body = support.read_json(name)
            said = body["tasks"][0] if body["tasks"] else body
            said = body if said["status_code"] == 20000 else said
            state = {"retry": "unreachable", "unknown": "unreachable"}.get(match[2], match[2])
            found[match[1]] = state, said["status_code"], said["status_message"]
    return found


def hint(state, code):
    return CODE_HINTS.get(code, HINTS[state])


class TestModes(Online):
    """When the network is asked, and when the store answers."""

    def test_the_first_query_fetches_and_the_second_does_not(self):
        con, (task,) = self.connect(), self.ready(items=3)
        for expected in (1, 0, 0):
            self.assertEqual(support.value(con, COUNT, task), 3)
            self.assertEqual(self.requests(), expected)

    def test_other_connections_find_what_one_has_fetched(self):
        path, (task,) = self.file(), self.ready(items=3)
        self.assertEqual(support.value(self.connect(path), COUNT, task), 3)
        self.requests()
        self.assertEqual(support.value(self.connect(path), COUNT, task), 3)
        self.assertEqual(self.requests(), 0)

    def test_source_says_where_an_answer_came_from(self):
        con, (task,) = self.connect(), self.ready()
        self.assertEqual([self.task(con, task)[3] for _ in range(2)], ["network", "store"])
        self.assertEqual(self.task(con, task, "refresh")[3], "network")

    def test_refresh_fetches_again_and_replaces(self):
        con, task = self.connect(), self.new_id()
        self.d.add(task, answer(task, "old", 3), answer(task, "new", 5))
        query = "SELECT count(*), max(keyword) FROM naver_serp(?, ?)"
        for mode, expected in (("auto", (3, "old")), ("refresh", (5, "new")), ("auto", (5, "new"))):
            self.assertEqual(con.execute(query, (task, mode)).fetchone(), expected)
        self.assertEqual(self.requests(), 2)
        self.assertEqual(support.value(con, "SELECT count(*) FROM naver_serp_items"), 5)

    def test_cache_never_fetches(self):
        con, (task,) = self.connect(), self.ready(items=3)
        self.assertEqual(self.task(con, task, "cache"), ("absent", None, "not stored", None))
        self.assertEqual(self.error(con, "SELECT * FROM naver_serp(?, 'cache')", task),
                         f"naver_serp: task {task}: not stored (absent): {HINTS['absent']}")
        self.assertEqual(self.requests(), 0)
        self.assertEqual(self.cached(con), [])
        con.execute(COUNT, (task,))
        self.assertEqual(support.value(con, "SELECT count(*) FROM naver_serp(?, 'cache')", task), 3)

    def test_the_setting_mode_is_the_default(self):
        con, (task,) = self.connect(mode="cache"), self.ready()
        self.assertEqual(con.execute(TASK, (task,)).fetchone()[0], "absent")
        self.configure(con, mode="refresh")
        for _ in range(2):
            self.assertEqual(con.execute(TASK, (task,)).fetchone()[3], "network")
        self.assertEqual(self.requests(), 2)

    def test_modes_do_not_mix_in_one_statement(self):
        """That 'cache' found nothing must not answer for 'auto'."""
        con, (task,) = self.connect(), self.ready()
        found = con.execute("SELECT state FROM naver_serp_task(:id, 'cache') UNION ALL "
                            "SELECT state FROM naver_serp_task(:id, 'auto')", {"id": task}).fetchall()
        self.assertEqual(found, [("absent",), ("ready",)])

    def test_null_gives_no_rows_and_no_request(self):
        con = self.connect()
        for table in ("naver_serp", "naver_serp_task"):
            for where in ("id = NULL", "id IN (NULL)", "id = x'00'"):
                with self.subTest(table=table, where=where):
                    self.assertEqual(con.execute(f"SELECT * FROM {table} WHERE {where}").fetchall(), [])
        self.assertEqual(self.requests(), 0)

    def test_without_an_id_only_the_store_is_read(self):
        con, tasks = self.connect(), self.ready(3, items=2)
        for mode in ("auto", "refresh"):
            self.assertEqual(con.execute("SELECT * FROM naver_serp WHERE mode = ?", (mode,)).fetchall(), [])
        con.execute(COUNT, (tasks[1],))
        self.requests()
        for mode in ("auto", "cache", "refresh"):
            self.assertEqual(
                con.execute("SELECT id, count(*) FROM naver_serp WHERE mode = ?", (mode,)).fetchall(),
                [(tasks[1], 2)])
            self.assertEqual(
                con.execute("SELECT id, source FROM naver_serp_task WHERE mode = ?", (mode,)).fetchall(),
                [(tasks[1], "store")])
        self.assertEqual(self.requests(), 0)

    def test_ids_of_another_shape_are_never_sent(self):
        con, (task,) = self.connect(), self.ready()
        text = "not stored, and no task id (8-4-4-4-12 hexadecimal digits)"
        wrong = ("", "x", "%", task[:-1], task + "0", task + ".xml", task + "/", task + "?a", " " + task, task + "\n",
                 task.replace("-", ""), task.replace("-", "_"), "{" + task + "}", "g" + task[1:], "../" + task[3:],
                 task[:-1] + "０", "0302011-51535-0066-0000-000000000000", task + "\0.xml", 42, 4.5)
        for value in wrong:
            with self.subTest(id=value):
                self.assertEqual(con.execute(TASK, (value,)).fetchall(), [("absent", None, text, None)])
        self.assertEqual(self.error(con, "SELECT * FROM naver_serp('x')"),
                         f"naver_serp: task x: {text} (absent): check the id")
        self.assertEqual(self.requests(), 0)
        self.assertEqual(self.cached(con), [])

    def test_ids_of_another_shape_are_found_in_the_store(self):
        con = self.connect()
        support.insert_body(con, "mine", support.answer('[{"type":"paid"}]', "mine"))
        self.assertEqual(con.execute("SELECT id, type FROM naver_serp('mine')").fetchall(), [("mine", "paid")])

    def test_ids_of_upper_case_are_asked_for_as_they_are(self):
        con, task = self.connect(), "ABCDEF01-1535-0066-0000-ABCDEFABCDEF"
        self.d.add(task, answer(task.lower(), "k", 2))
        for expected in (1, 0):
            self.assertEqual(con.execute("SELECT DISTINCT id FROM naver_serp(?)", (task,)).fetchall(), [(task,)])
            self.assertEqual(self.requests(), expected)

    def test_nothing_is_done_at_prepare_and_explain(self):
        path, (task,) = self.file(), self.ready()
        con = self.connect(path)
        for prefix in ("EXPLAIN ", "EXPLAIN QUERY PLAN ", "CREATE TEMP VIEW v AS "):
            for query in (f"SELECT * FROM naver_serp('{task}', 'refresh')",
                          f"SELECT * FROM naver_serp_task WHERE id IN ('{task}', 'x')", "SELECT * FROM naver_serp"):
                con.execute(prefix + query).fetchall()
                con.execute("DROP VIEW IF EXISTS temp.v")
        self.assertEqual(self.requests(), 0)
        self.assertEqual(support.value(con, "SELECT count(*) FROM sqlite_schema"), 0)
        self.assertEqual(os.path.getsize(path), 0)

    def test_the_origin_is_the_host_that_answered(self):
        con, (real,) = self.connect(), self.ready()
        host = self.d.base_url.partition("//")[2]
        con.execute(COUNT, (real,))
        support.import_file(con, "sample.json")
        self.configure(con, base_url=self.d.sandbox_url)
        sandbox = "00000000-0000-0000-0000-000000000000"
        result, = support.read_json("full.json")["tasks"][0]["result"]
        self.assertEqual(support.value(con, COUNT, sandbox), len(result["items"]))
        self.assertEqual(dict(con.execute("SELECT id, origin FROM naver_serp_cache")),
                         {real: host, support.ids()["sample.json"]: None, sandbox: "sandbox." + host})


    def test_the_sandbox_gives_way_to_the_api_and_never_the_other_way(self):
        con, (task,) = self.connect(retries=0), self.ready()
        dummy = len(support.read_json("full.json")["tasks"][0]["result"][0]["items"])
        query = "SELECT count(*) FROM naver_serp(?, ?)"
        real = 3

        def counts(url, **modes):
            self.configure(con, base_url=url)
            return [con.execute(query, (task, mode)).fetchone()[0] for mode in modes or ("auto", "cache", "refresh")]

        self.assertEqual(counts(self.d.sandbox_url), [dummy] * 3)
        self.d.reset_counts()
        self.assertEqual(counts(self.d.sandbox_url, auto=1), [dummy])
        self.assertEqual(self.requests(), 0, "the sandbox is not asked twice")
        self.configure(con, base_url=self.d.base_url)
        self.d.fault("status", id=task, status=500, times=None)
        self.assertEqual(self.task(con, task)[0], "unreachable")
        self.d.clear_faults()
        self.assertEqual(con.execute(query, (task, "cache")).fetchone(), (dummy,))
        self.assertEqual(counts(self.d.base_url, auto=1), [real])
        self.d.reset_counts()
        self.assertEqual(counts(self.d.sandbox_url), [real] * 3)
        self.assertEqual(self.requests(), 0)
        # What the API does not know is gone, whatever the sandbox said.
        self.assertEqual(support.value(con, COUNT, ABSENT_ID), dummy)
        self.configure(con, base_url=self.d.base_url)
        self.assertEqual([self.task(con, ABSENT_ID, mode)[0] for mode in ("cache", "auto", "cache")],
                         ["ready", "gone", "gone"])


class TestStates(Online):
    """Each state of an answer: as a row, as an error, in the store."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.d.load(str(support.ROOT / "data" / "states"))
        cls.states = [(folder[name], *said) for name, said in sorted(states().items())]
        assert len(cls.states) > 40

    def each(self):
        for task, state, code, message in self.states:
            with self.subTest(state=state, code=code, id=task):
                yield task, state, code, message

    def of_state(self, wanted):
        """The id of the first answer of a state."""
        return next(task for task, state, *_ in self.states if state == wanted)

    def test_every_answer_is_one_row_of_naver_serp_task(self):
        con = self.connect(retries=2)
        for task, state, code, message in self.each():
            self.assertEqual(self.task(con, task), (state, code, message, "network"))
            self.assertEqual(self.requests(), 3 if 40202 == code or 40209 == code or code >= 50000 else 1)

    def test_error_texts(self):
        con = self.connect(retries=0)
        for task, state, code, message in self.each():
            if state == "empty":
                self.assertEqual(con.execute("SELECT * FROM naver_serp(?)", (task,)).fetchall(), [])
                continue
            said = message.removesuffix(".")
            self.assertEqual(self.error(con, "SELECT * FROM naver_serp(?)", task),
                             f"naver_serp: task {task}: {code} {said} ({state}): {hint(state, code)}")

    def test_final_answers_are_asked_for_once(self):
        path = self.file()
        for task, state, code, message in self.each():
            if state in ("empty", "failed", "gone"):
                for con, source, requests in ((self.connect(path), "network", 1), (self.connect(path), "store", 0)):
                    self.assertEqual(self.task(con, task), (state, code, message, source))
                    con.execute("SELECT * FROM naver_serp(?, 'auto', 'skip')", (task,)).fetchall()
                    if state == "gone" and source == "store":
                        self.assertTrue(self.error(con, "SELECT * FROM naver_serp(?)", task).endswith(
                            CODE_HINTS[code] if code == 40403 else STORED_GONE_HINT))
                    self.assertEqual(self.requests(), requests)
                self.assertIn(task, self.cached(con))

    def test_passing_answers_are_not_kept(self):
        con = self.connect(retries=0)
        for task, state, code, message in self.each():
            if state in ("pending", "refused", "unreachable"):
                for _ in range(2):
                    self.assertEqual(self.task(con, task), (state, code, message, "network"))
                self.assertEqual(self.requests(), 2)
                self.assertEqual(support.stored(con), 0)

    def test_pending_becomes_ready(self):
        con, task = self.connect(), self.new_id()
        self.d.add(task, support.read_bytes("states/pending_40602.json"), answer(task, "k", 4))
        self.assertEqual(self.task(con, task)[0], "pending")
        self.assertEqual(support.value(con, COUNT, task), 4)
        self.assertEqual(self.requests(), 2)

    def test_what_an_error_echoes_is_shown(self):
        con, task = self.connect(), self.load("pending_40602")
        data = support.read_json("states/pending_40602.json")["tasks"][0]["data"]
        row, = support.rows(con, "SELECT * FROM naver_serp_task(?)", task)
        self.assertEqual(row["keyword"], data["keyword"])
        self.assertEqual(json.loads(row["data"]), data)
        self.assertEqual(row["id"], task)

    def test_naver_serp_task_never_fails(self):
        con = self.connect(retries=0)
        wanted = {task: state for task, state, *_ in self.states if state != "refused"}
        wanted.update({"x": "absent", ABSENT_ID: "gone"})
        found = con.execute("SELECT id, state FROM naver_serp_task WHERE id IN (SELECT value FROM json_each(?))",
                            (json.dumps(list(wanted)),)).fetchall()
        self.assertEqual(sorted(found), sorted(wanted.items()))

    def test_summary_of_several(self):
        con = self.connect(concurrency=1, retries=0)
        self.d.set(latency=0.02)  # So that answers come one by one: the first three are named
        good, = self.ready()
        names = ("empty_40102", "failed_40101", "gone_40401", "pending_40602", "retry_50301")
        tasks = sorted([good, "x"] + [self.load(name) for name in names])
        text = self.error(con, "SELECT * FROM naver_serp WHERE id IN (SELECT value FROM json_each(?))",
                          json.dumps(tasks))
        self.assertEqual(
            text, "naver_serp: 5 of 7 tasks gave no rows: 1 pending, 1 gone, 1 failed, 1 unreachable, 1 absent"
            "; 03020115-1535-0066-0000-000000040101: 40101 Internal SE Server Error"
            "; 03020115-1535-0066-0000-000000040401: 40401 Task Not Found"
            "; 03020115-1535-0066-0000-000000040602: 40602 Task In Queue; and 2 more" + SUMMARY_TAIL)

    def test_summary_of_refused_counts_those_never_sent(self):
        con, refused = self.connect(concurrency=1), self.load("refused_40200")
        self.d.set(latency=0.05)  # So that nothing else is looked at before the answer
        tasks = sorted([refused] + [refused[:-12] + "%012d" % (50000 + n) for n in range(6)])
        text = self.error(con, "SELECT * FROM naver_serp WHERE id IN (SELECT value FROM json_each(?))",
                          json.dumps(tasks))
        named = "".join(f"; {task}: 40200 Payment Required" for task in tasks[:3])
        self.assertEqual(text, f"naver_serp: 7 of 7 tasks gave no rows: 7 refused{named}; and 4 more{SUMMARY_TAIL}")
        self.assertEqual(self.requests(), 1)

    def test_skip_leaves_failures_out(self):
        con = self.connect(retries=0)
        good, = self.ready(items=3)
        states_ = ("empty", "pending", "gone", "failed", "unreachable", "refused")
        for bad in [self.of_state(s) for s in states_] + ["x"]:
            with self.subTest(id=bad):
                self.assertEqual(con.execute("SELECT * FROM naver_serp(?, 'auto', 'skip')", (bad,)).fetchall(), [])
        tasks = json.dumps([good] + [self.of_state(s) for s in states_[:-1]])
        query = "SELECT id FROM naver_serp WHERE id IN (SELECT value FROM json_each(?))"
        self.assertEqual(con.execute(query + " AND on_error = 'skip'", (tasks,)).fetchall(), [(good,)] * 3)
        self.configure(con, on_error="skip")
        self.assertEqual(con.execute(query, (tasks,)).fetchall(), [(good,)] * 3)
        self.error(con, query + " AND on_error = 'fail'", tasks)

    def test_rows_are_only_replaced_by_rows(self):
        """On 'refresh': the failure is told, what is stored stays and is read again."""
        con = self.connect(retries=0)
        for task, state, code, message in self.each():
            mine = self.new_id()
            said = [d for d in self.d.load(str(support.ROOT / "data" / "states")).items() if d[1] == task][0][0]
            body = support.read_bytes(f"states/{said}.json").replace(task.encode(), mine.encode())
            self.d.add(mine, answer(mine, "k", 3), body)
            self.assertEqual(support.value(con, COUNT, mine), 3)
            self.assertEqual(self.task(con, mine, "refresh")[:3], (state, code, message + KEPT_NOTE))
            if state != "empty":
                self.assertEqual(
                    self.error(con, "SELECT * FROM naver_serp(?, 'refresh')", mine),
                    f"naver_serp: task {mine}: {code} {message}{KEPT_NOTE} ({state}): {hint(state, code)}")
            self.requests()
            for mode in ("auto", "cache"):
                self.assertEqual(support.value(con, "SELECT count(*) FROM naver_serp(?, ?)", mine, mode), 3)
            self.assertEqual(self.requests(), 0)

    def test_an_answer_of_another_task_is_not_kept(self):
        con, task = self.connect(retries=0), self.new_id()
        self.d.add(task, support.read_bytes("sample.json"))
        self.assertEqual(self.task(con, task)[:3], (
            "unreachable", None, "the answer is of another task, 03171324-1535-0066-0000-770617fdc9a8"))
        self.assertEqual(self.task(con, task, "cache")[0], "absent")

    def test_an_answer_without_rows_is_replaced(self):
        con, task = self.connect(), self.new_id()
        failed, gone = (re.sub(rb"03020115-[-0-9a-f]{27}", task.encode(), support.read_bytes(f"states/{name}.json"))
                        for name in ("failed_40101", "gone_40403"))
        self.d.add(task, failed, gone, answer(task, "k", 2))
        self.assertEqual([self.task(con, task, m)[0] for m in ("auto", "refresh", "auto", "refresh", "auto")],
                         ["failed", "gone", "gone", "ready", "ready"])


class TestConnection(Online):
    """TLS, credentials and hosts."""

    def unreachable(self, con, task=ABSENT_ID):
        """The message of a task that nobody answered; nothing may be stored."""
        state, code, message, source = self.task(con, task)
        self.assertEqual((state, code, source), ("unreachable", None, None))
        self.assertEqual(self.error(con, "SELECT * FROM naver_serp(?)", task),
                         f"naver_serp: task {task}: {message.removesuffix('.')} (unreachable): {HINTS[state]}")
        self.assertEqual(support.stored(con), 0)
        return message

    def test_connections_are_kept_between_statements(self):
        con = self.connect()
        for task in self.ready(5):
            con.execute(COUNT, (task,)).fetchall()
        counts = self.d.counts()
        self.assertEqual((counts["requests"], counts["connections"]), (5, 1))

    def test_what_a_request_looks_like(self):
        con, (task,) = self.connect(), self.ready()
        con.execute(COUNT, (task,))
        entry, = self.d.log()
        self.assertEqual(entry["method"], "GET")
        self.assertEqual(entry["path"], "/v3/serp/naver/organic/task_get/advanced/" + task)
        self.assertEqual(entry["host"], self.d.base_url.partition("//")[2])
        self.assertTrue(entry["gzip"])
        self.assertRegex(entry["agent"], r"^naver_serp/\d")

    def test_gzip_and_plain_bodies_are_stored_alike(self):
        con, task = self.connect(), self.new_id()
        body = answer(task, "k", 3)
        for headers, sent in (({"Content-Encoding": "gzip"}, gzip.compress(body)),
                              ({"Content-Encoding": "identity"}, body)):
            self.d.fault("body", body=sent, headers=headers)
            self.assertEqual(self.task(con, task, "refresh")[0], "ready")
            self.assertEqual(support.value(con, "SELECT CAST(body AS BLOB) FROM naver_serp_cache"), body)
        self.d.fault("chunked", bytes=100)
        self.d.add(task, body)
        self.assertEqual(self.task(con, task, "refresh")[0], "ready")
        self.assertEqual(support.value(con, "SELECT CAST(body AS BLOB) FROM naver_serp_cache"), body)

    def test_wrong_password(self):
        path, secret = self.file(), "s3cr3t-w0rd"
        self.environ(DATAFORSEO_PASSWORD=secret)
        con = self.connect(path)
        message = "You are not Authorized to Access this Resource"
        text = self.error(con, "SELECT * FROM naver_serp(?)", ABSENT_ID)
        self.assertEqual(text, f"naver_serp: task {ABSENT_ID}: 40100 {message} (refused): {REFUSED_HINT}")
        self.assertEqual(self.task(con, ABSENT_ID), ("refused", 40100, message + ".", "network"))
        self.assertEqual(self.d.counts()["auth_failures"], 2)
        self.assertNotIn(secret, support.value(con, "SELECT naver_serp_config()"))
        self.assertEqual(support.stored(con), 0)
        with open(path, "rb") as f:
            self.assertNotIn(secret.encode(), f.read())

    def test_credentials_that_change_are_used_at_once(self):
        con, (task,) = self.connect(), self.ready()
        with contextlib.suppress(sqlite3.Error):
            self.environ(DATAFORSEO_PASSWORD="wrong")
            con.execute(COUNT, (task,))
        self.environ(DATAFORSEO_PASSWORD=self.d.password)
        self.assertEqual(support.value(con, COUNT, task), 3)

    def test_missing_credentials(self):
        con = self.connect()
        for name in ("DATAFORSEO_LOGIN", "DATAFORSEO_PASSWORD"):
            for value in (None, ""):
                with self.subTest(name=name, value=value):
                    self.environ(**self.d.env())
                    self.environ(**{name: value})
                    self.assertEqual(self.task(con, ABSENT_ID), ("refused", None, "no credentials", None))
                    self.assertEqual(
                        self.error(con, "SELECT * FROM naver_serp(?)", ABSENT_ID),
                        f"naver_serp: task {ABSENT_ID}: no credentials (refused): {CREDENTIALS_HINT}")
        self.assertEqual(self.requests(), 0)

    def test_the_store_needs_no_credentials(self):
        con, (task,) = self.connect(), self.ready(items=3)
        con.execute(COUNT, (task,))
        self.environ(DATAFORSEO_LOGIN=None, DATAFORSEO_PASSWORD=None)
        self.assertEqual(support.value(con, COUNT, task), 3)

    def test_alias_of_the_login(self):
        con, tasks = self.connect(), self.ready(3, items=3)
        for task, login, alias in zip(tasks, (None, "", self.d.user), (self.d.user, self.d.user, "other")):
            with self.subTest(login=login, alias=alias):
                self.environ(DATAFORSEO_LOGIN=login, DATAFORSEO_USERNAME=alias)
                self.assertEqual(support.value(con, COUNT, task), 3)

    def test_unknown_authority(self):
        con = self.connect(ca_file=self.d.other_ca_file)
        self.assertRegex(self.unreachable(con), r"certificate.*\(set ca_file for a private authority\)$")
        self.assertEqual(self.requests(), 0)
        self.configure(con, ca_file="")
        self.assertRegex(self.unreachable(con), r"certificate.*\(set ca_file for a private authority\)$")
        self.assertEqual(self.requests(), 0)

    def test_a_ca_file_that_is_not_there(self):
        con = self.connect(ca_file="/nonexistent/ca.pem")
        self.assertIn("ca_file", self.unreachable(con))

    def test_wrong_host_name(self):
        with Double(cert="wrong") as wrong:
            con = self.connect(base_url=wrong.base_url)
            self.assertRegex(self.unreachable(con), "subject name")
            self.assertEqual(wrong.counts()["requests"], 0)

    def test_closed_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            con = self.connect(base_url="https://127.0.0.1:%d" % s.getsockname()[1], retries=1)
            self.assertRegex(self.unreachable(con), r"(?i)connect")

    def test_time_limits(self):
        con = self.connect(timeout_ms=300, retries=1)
        self.d.fault("stall", times=None)
        self.assertEqual(self.unreachable(con), "no answer within timeout_ms (300)")
        self.assertEqual(self.requests(), 4)
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.configure(con, base_url="https://127.0.0.1:%d" % silent.getsockname()[1], timeout_ms=5000,
                           connect_timeout_ms=200, retries=0)
            self.assertEqual(self.unreachable(con), "no connection within connect_timeout_ms (200)")

    def test_redirects_are_not_followed(self):
        con, (task,) = self.connect(), self.ready()
        other, = self.ready()
        for status in (301, 302, 303, 307, 308):
            with self.subTest(status=status):
                location = f"{self.d.base_url}/v3/serp/naver/organic/task_get/advanced/{other}"
                self.d.fault("status", status=status, headers={"Location": location})
                self.assertEqual(self.task(con, task),
                                 ("unreachable", None, f"empty body (HTTP {status})", "network"))
                self.assertEqual((self.d.requests_for(task), self.d.requests_for(other)), (1, 0))
                self.d.reset_counts()
        self.assertEqual(support.stored(con), 0)

    def test_plain_http_is_for_loopback_only(self):
        con = self.connect()
        for url in ("http://localhost:1", "http://127.0.0.1", "http://127.1.2.3:99/x", "http://[::1]:1",
                    "HTTP://LOCALHOST"):
            with self.subTest(url=url):
                self.configure(con, base_url=url)
        for url in ("http://example.com", "http://127.0.0.1.example.com", "http://localhost.example.com",
                    "http://128.0.0.1", "http://127.0.0.1@example.com", "ftp://localhost", "localhost", "https://",
                    "https://user:pw@example.com", "https://example.com?x", "https://example.com#x",
                    "file:///etc/passwd"):
            with self.subTest(url=url):
                text = self.error(con, "SELECT naver_serp_config('base_url', ?)", url)
                self.assertTrue(text.startswith("naver_serp_config: bad value for base_url: "), text)
                self.assertNotIn("pw", text)  # It may be a real password
                self.environ(NAVER_SERP_BASE_URL=url)
                with self.assertRaises(sqlite3.OperationalError) as caught:
                    support.connect()
                self.assertIn("environment variable NAVER_SERP_BASE_URL: ", str(caught.exception))
                self.assertNotIn("pw", str(caught.exception))
        with Double(plain=True) as plain:
            task, = plain.generate(1, items=3)
            self.configure(con, base_url=plain.base_url)
            self.assertEqual(support.value(con, COUNT, task), 3)


class TestBodies(Online):
    """Answers that are none: each says what it is, none is stored."""

    def check(self, message, retries=2, requests=3, state="unreachable", source="network", **fault):
        """One faulty answer, again and again, then a good one."""
        con, (task,) = self.connect(retries=retries), self.ready(items=3)
        self.d.clear_faults()
        self.d.reset_counts()
        self.d.fault(times=None, **fault)
        found = self.task(con, task)
        self.assertEqual((found[0], found[1], found[3]), (state, None, source))
        self.assertRegex(found[2], message)
        self.assertEqual(self.requests(), requests)
        self.assertEqual(support.stored(con), 0)
        self.d.clear_faults()
        self.assertEqual(support.value(con, COUNT, task), 3)

    def test_malformed_json(self):
        for body, at in ((b'{"status_code":20000,', 21), (b"[1,2", 4), (b"{} x", 3), (b"nul", 3)):
            with self.subTest(body=body):
                self.check(rf"^not JSON \(.+ at byte {at}\)$", kind="body", body=body)

    def test_half_a_good_answer(self):
        body = answer(ABSENT_ID, "k", 3)
        self.check(r"^not JSON \(.+ at byte 1000\)$", kind="body", body=body[:1000])

    def test_json_that_is_no_answer(self):
        for body in (b"{}", b"[]", b"null", b'"text"', b"20000", b'{"tasks":[]}'):
            with self.subTest(body=body):
                self.check("^not an answer of the API: no status_code$", kind="body", body=body)

    def test_empty_body(self):
        for body in (b"", b" \n"):
            with self.subTest(body=body):
                self.check("^empty body$", kind="body", body=body)

    def test_html_instead_of_json(self):
        html = b"<!DOCTYPE html><html><body>Welcome</body></html>"
        self.check("^HTML instead of JSON$", kind="body", body=html)
        self.check(r"^HTML instead of JSON \(HTTP 502\)$", kind="status", status=502)
        self.check(r"^HTML instead of JSON \(HTTP 400\)$", kind="body", status=400, body=html, requests=1)
        self.check(r"^HTML instead of JSON \(HTTP 403\)$", kind="body", status=403, body=html, requests=1,
                   state="refused")

    def test_html_of_a_404_is_not_kept_for_ever(self):
        """It is some proxy's word, not the API's about this task."""
        con, (task,) = self.connect(), self.ready(items=3)
        self.d.fault("status", status=404, body="<html><body>nginx</body></html>")
        self.assertRegex(self.task(con, task)[2], r"^HTML instead of JSON \(HTTP 404\)$")
        self.assertEqual(self.cached(con), [])
        self.assertEqual(support.value(con, COUNT, task), 3)

    def test_truncated_body(self):
        self.check(r"\w", kind="truncate", bytes=100, source=None)

    def test_connection_lost(self):
        for kind, size in (("reset", 0), ("reset", 40), ("close", 0)):
            with self.subTest(kind=kind, bytes=size):
                self.check(r"\w", kind=kind, bytes=size, source=None)
        self.check("^empty body$", kind="close", bytes=40)  # An orderly end within the head

    def test_an_answer_of_many_tasks(self):
        con, task = self.connect(), self.load("task_post")
        self.assertEqual(self.task(con, task), ("unreachable", 20100, "holds 3 tasks, expected one", "network"))
        self.assertEqual(support.stored(con), 0)

    def test_bodies_over_the_limit(self):
        limit, text = 1 << 20, r"^the answer is larger than max_body_bytes \(1048576\)$"
        plain = {"body": b" " * (limit + 1), "headers": {"Content-Encoding": "identity"}}
        for fault in ({"kind": "body", **plain}, {"kind": "bomb", "megabytes": 20}, {"kind": "flood", "megabytes": 20}):
            with self.subTest(kind=fault["kind"]):
                con, (task,) = self.connect(max_body_bytes=limit), self.ready()
                self.d.clear_faults()
                self.d.fault(times=None, **fault)
                state, code, message, source = self.task(con, task)
                self.assertEqual((state, code, source), ("unreachable", None, None))
                self.assertRegex(message, text)
                self.assertEqual(self.requests(), 1)  # Another try would bring the same
                self.assertEqual(support.stored(con), 0)

    def test_a_body_of_exactly_the_limit(self):
        task = self.new_id()
        body = answer(task, "k", 3)
        self.d.add(task, body)
        con = self.connect(max_body_bytes=len(body) - 1)
        self.assertEqual(self.task(con, task)[0], "unreachable")
        self.configure(con, max_body_bytes=len(body))
        self.assertEqual(support.value(con, COUNT, task), 3)


if __name__ == "__main__":
    unittest.main()
