"""Outgrowing a machine: stores merged by plain SQL, and handed over to ClickHouse and DuckDB.

ClickHouse is two real servers on loopback, in a temporary folder; its tests are skipped where
Debian's packages are not installed (test/deps.sh clickhouse). DuckDB comes from npm into
build/, as for the bench; its test is skipped where npm cannot serve it.
"""
import atexit
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest

import bench_queries
import support
import test_store

ROOT = str(support.ROOT)
SQL = os.path.join(ROOT, "sql")
SERVER = shutil.which("clickhouse-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
CLIENT = shutil.which("clickhouse-client")
ID = "03160115-1535-0066-0000-%012x"
OURS, THEIRS = "2026-03-01 00:00:00 +00:00", "2026-03-02 00:00:00 +00:00"
# Text that a hand-over may spoil, none of it unusual in titles.
TEXTS = ["캠핑 의자 추천", "tab\there", "line\nbreak\r\n", 'a "quoted", \'one\'', "back\\slash \\N \\t",
         "", None, "NULL", "\\N", "😀 이모지", "\u2028\u00a0", "{\"json\": [1]}", "; DROP TABLE x; --",
         "가\u0301", "\u0001\u001f\u007f", " spaces ", "0123", "1e5"]
WHOLE = ("rank_group", "rank_absolute", "page", "is_image", "is_video", "is_featured_snippet",
         "is_malicious", "is_web_story", "is_paid", "amp_version", "status_code",
         "location_code", "se_results_count", "pages_count", "items_count", "result_count")
# Questions that SQLite, ClickHouse and DuckDB take in the same words.
QUESTIONS = {
    "counts": "SELECT type, count(*), count(title), count(domain) FROM naver_serp_items"
              " GROUP BY type ORDER BY type",
    "share of voice": "SELECT domain, count(*), min(rank_absolute), sum(1.0 / rank_absolute)"
                      " FROM naver_serp_items WHERE type = 'organic' AND rank_absolute BETWEEN 1 AND 100"
                      " AND domain IS NOT NULL GROUP BY domain ORDER BY domain",
    "states": "SELECT state, count(*), count(keyword), sum(cost) FROM naver_serp_tasks"
              " GROUP BY state ORDER BY state",
}


def organic(task, place):
    """An item whose texts, domain and rank depend on both numbers."""
    n = task * 10 + place
    return {"type": "organic" if n % 7 else None, "rank_group": place + 1, "rank_absolute": place + 1,
            "domain": ["a.example", "블로그.example", None, "c.example"][n % 4],
            "title": TEXTS[n % len(TEXTS)], "description": TEXTS[(n + 1) % len(TEXTS)],
            "is_image": bool(n % 2), "links": [{"title": TEXTS[(n + 2) % len(TEXTS)]}] if n % 3 else None,
            "new member": {"text": TEXTS[(n + 3) % len(TEXTS)], "number": n / 7}}


def ready(task, items=10):
    """A ready answer, as bytes."""
    data = json.dumps({"keyword": TEXTS[task % len(TEXTS)], "device": "mobile", "tag": "t%d" % task})
    return support.answer(json.dumps([organic(task, k) for k in range(items)]), ID % task, data=data)


def put(path, answers, parse=True):
    """Stores (id, body[, fetched_at[, origin]]) in a file, replacing what it had."""
    with contextlib.closing(support.connect(path, synchronous=0)) as con:
        con.executescript(test_store.SCHEMA)
        for id, body, *rest in answers:
            fetched_at, origin = (*rest, None, None)[:2]
            con.execute("INSERT OR REPLACE INTO naver_serp_cache(id, origin, fetched_at, body)"
                        " VALUES (?, ?, ?, ?)", (id, origin, fetched_at or OURS, body))
        if parse:
            con.execute("SELECT count(*) FROM naver_serp_task").fetchone()


def derived(con, id):
    """All that is derived from an answer, but for the numbers that a file gives."""
    def without(rows, *numbers):
        return [{k: v for k, v in row.items() if k not in numbers} for row in rows]
    tasks = support.rows(con, "SELECT t.*, last_item - first_item + 1 AS places, first_item - task * 16777216"
                         " AS first FROM naver_serp_tasks t WHERE id = ? ORDER BY task", id)
    items = support.rows(con, "SELECT i.*, i.item - i.task * 16777216 AS place FROM naver_serp_tasks t JOIN"
                         " naver_serp_items i USING (task) WHERE id = ? ORDER BY i.item", id)
    return without(tasks, "task", "first_item", "last_item", "stamp"), without(items, "item", "task")


def merge(path, other):
    """As the head of sql/merge.sql says, with the stock shell; returns how many were taken."""
    for file in (path, other):
        subprocess.run([support.SHELL, "-init", os.devnull, file], input=test_store.SCHEMA.encode(), check=True)
    with open(os.path.join(SQL, "merge.sql"), "rb") as script:
        done = subprocess.run([support.SHELL, "-init", os.devnull, "-batch", "-cmd",
                               "PRAGMA synchronous = 0", "-cmd", "ATTACH 'file:%s?mode=ro' AS other" % other, path],
                              stdin=script, capture_output=True, check=False)
    if done.returncode or done.stderr:
        raise AssertionError(done.stderr.decode())
    return int(done.stdout)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.store, self.other = (os.path.join(folder.name, name) for name in ("serp.db", "other.db"))

    def open(self, path):
        con = sqlite3.connect(path)
        self.addCleanup(con.close)
        return con

    def dump(self, path):
        with contextlib.closing(sqlite3.connect(path)) as con:
            return list(con.iterdump())


class Merge(Folder):
    def test_rows_come_along_under_new_numbers(self):
        """Colliding numbers, answers of two results, odd values, none parsed again."""
        two = support.answer(result=b'[{"items":[{"title":"x"}]},{"items":[{"title":"y"},{"title":"z"}]}]')
        put(self.store, [(ID % n, ready(n)) for n in range(5)] + [("none", test_store.state_body(40403, "none"))])
        put(self.other, [(ID % n, ready(n, n)) for n in range(5, 12)]
            + [("odd", support.read_bytes("odd.json")), ("two", two)]
            + [(name, support.read_bytes(name)) for name in support.data_files() if name.startswith("states/gone")])
        ours, theirs = self.open(self.store), self.open(self.other)
        numbers = "SELECT task FROM naver_serp_tasks"
        self.assertTrue(set(ours.execute(numbers)) & set(theirs.execute(numbers)), "numbers collide")
        ids = [id for id, in theirs.execute("SELECT id FROM naver_serp_cache")]
        kept = {id: derived(ours, id) for id, in ours.execute("SELECT id FROM naver_serp_cache")}
        self.assertEqual(merge(self.store, self.other), len(ids))
        self.assertEqual(ours.execute(test_store.ORPHANS).fetchall(), [])
        cache = "SELECT id, origin, fetched_at, parsed, body FROM naver_serp_cache WHERE id = ?"
        for id in ids:
            self.assertEqual(derived(ours, id), derived(theirs, id), id)
            self.assertEqual(ours.execute(cache, (id,)).fetchone(), theirs.execute(cache, (id,)).fetchone())
        for id, rows in kept.items():
            self.assertEqual(derived(ours, id), rows)
        self.assertEqual(len(derived(ours, "two")[0]), 2)
        self.assertEqual(support.value(ours, "SELECT count(*) FROM naver_serp_cache WHERE parsed = 0"), 0)
        # What was copied is what the bodies give: all of it is parsed again, and is the same.
        copied = {id: derived(ours, id) for id in ids}
        with contextlib.closing(support.connect(self.store)) as con:
            con.execute("UPDATE naver_serp_cache SET body = body")
            self.assertEqual(support.value(con, "SELECT count(*) FROM naver_serp_items"), 0)
            con.execute("SELECT count(*) FROM naver_serp_task").fetchone()
        self.assertEqual({id: derived(ours, id) for id in ids}, copied)

    def test_again_changes_nothing(self):
        put(self.store, [(ID % n, ready(n)) for n in range(3)])
        put(self.other, [(ID % n, ready(n, 2), THEIRS) for n in range(2, 5)])
        theirs = self.dump(self.other)
        self.assertEqual(merge(self.store, self.other), 3)
        once = self.dump(self.store)
        self.assertEqual(merge(self.store, self.other), 0)
        self.assertEqual(self.dump(self.store), once)
        self.assertEqual(self.dump(self.other), theirs)

    def test_which_answer_wins(self):
        """Both files have the id: sandbox or not, rows or none, then age; parsed or not."""
        some, none = ready(1, 3), test_store.state_body(40403, ID % 1)
        bare = ready(1, 0)
        sandbox, live = "sandbox.dataforseo.com", "api.dataforseo.com"
        cases = [  # ours: body, fetched_at, origin; theirs; whether theirs wins
            ((some, OURS, live), (ready(1, 5), THEIRS, live), True),
            ((some, THEIRS, live), (ready(1, 5), OURS, live), False),
            ((some, OURS, live), (ready(1, 5), OURS, live), False),
            ((some, OURS, live), (none, THEIRS, live), False),
            ((some, OURS, live), (bare, THEIRS, live), False),
            ((none, THEIRS, live), (some, OURS, live), True),
            ((none, OURS, live), (none + b" ", THEIRS, live), True),
            ((some, OURS, live), (ready(1, 5), THEIRS, sandbox), False),
            ((none, THEIRS, live), (some, THEIRS, sandbox), False),
            ((some, THEIRS, sandbox), (none, OURS, live), True),
            ((some, OURS, None), (ready(1, 5), THEIRS, live), True),
            ((b"no JSON", OURS, live), (some, OURS, live), True),
        ]
        for parsed in (True, False):
            for k, (ours, theirs, wins) in enumerate(cases):
                with self.subTest(case=k, parsed=parsed):
                    for path in (self.store, self.other):
                        if os.path.exists(path):
                            os.remove(path)
                    put(self.store, [(ID % 1, *ours)], parsed and ours[0] != b"no JSON")
                    put(self.other, [(ID % 1, *theirs)], parsed)
                    self.assertEqual(merge(self.store, self.other), int(wins))
                    with contextlib.closing(sqlite3.connect(self.store)) as con:
                        self.assertEqual(con.execute("SELECT body, fetched_at, origin FROM naver_serp_cache").fetchall(),
                                         [theirs if wins else ours])
                        self.assertEqual(con.execute(test_store.ORPHANS).fetchall(), [])

    def test_unparsed_is_parsed_by_the_next_query(self):
        put(self.store, [(ID % 1, ready(1, 3))])
        put(self.other, [(ID % 2, ready(2, 4)), (ID % 1, ready(1, 6), THEIRS)], parse=False)
        self.assertEqual(merge(self.store, self.other), 2)
        con = support.connect(self.store)
        self.addCleanup(con.close)
        self.assertEqual(test_store.counts(con), {ID % 1: 6, ID % 2: 4})
        self.assertEqual(con.execute(test_store.ORPHANS).fetchall(), [])

    def test_posts(self):
        """Posts of both files, once each; those without an id by all that they say."""
        insert = ("INSERT INTO naver_serp_posts(keyword, tag, id, state, cost, posted_at, options)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?)")
        a = ("캠핑", None, ID % 1, "pending", 0.0006, OURS, None)
        b = ("b", "x", ID % 2, "pending", 0.0006, THEIRS, '{"a":1}')
        lost = ("c", None, None, "unreachable", None, OURS, None)
        later = ("c", None, None, "unreachable", None, THEIRS, None)
        for path, posts in ((self.store, (a, lost)), (self.other, (lost, b, later, a))):
            put(path, [])
            with contextlib.closing(sqlite3.connect(path)) as con, con:
                con.executemany(insert, posts)
        for _ in range(2):
            merge(self.store, self.other)
            self.assertEqual(self.open(self.store).execute(
                "SELECT keyword, tag, id, state, cost, posted_at, options FROM naver_serp_posts"
                " ORDER BY post").fetchall(), [a, lost, b, later])

    def test_many_posts(self):
        """Twice the posts take twice the steps, with and without ids, not four times."""
        with open(os.path.join(SQL, "merge.sql"), encoding="utf-8") as f:
            script = f.read().replace(".bail on\n", "")
        steps = []
        for n in (500, 1000):
            for path, first in ((self.store, 0), (self.other, n // 2)):
                put(path, [])
                with contextlib.closing(sqlite3.connect(path)) as con, con:
                    con.execute("DELETE FROM naver_serp_posts")
                    con.executemany("INSERT INTO naver_serp_posts(keyword, id, posted_at) VALUES (?, ?, ?)",
                                    [("k%d" % k, ID % k if k % 2 else None, OURS) for k in range(first, first + n)])
            steps.append(0)

            def step():
                steps[-1] += 1
            con = self.open(self.store)
            con.execute("ATTACH ? AS other", (self.other,))
            con.set_progress_handler(step, 100)
            con.executescript(script)
            con.set_progress_handler(None, 0)
            self.assertEqual(support.value(con, "SELECT count(*) FROM main.naver_serp_posts"), n * 3 // 2)
        self.assertLess(steps[1], 3 * steps[0])

    def test_every_column_of_the_store_is_copied(self):
        """A column that sql/store.sql gains is not forgotten here."""
        with open(os.path.join(SQL, "merge.sql"), encoding="utf-8") as f:
            script = f.read()
        con = self.open(":memory:")
        con.executescript(test_store.SCHEMA)
        for table in support.TABLES + ("naver_serp_posts",):
            names = [name for name, in con.execute("SELECT name FROM pragma_table_info(?)", (table,))]
            listed = script.split("INSERT INTO main.%s(" % table)[1].split(")")[0]
            self.assertEqual(sorted(listed.replace(",", " ").split()),
                             sorted(name for name in names if name != "post"))


def numbered(con):
    """Tasks and items of a store as sql/lines.sql promises them, found in another way."""
    ids, tasks, items = {}, [], []
    for task in support.rows(con, "SELECT t.*, origin, ifnull(fetched_at, '') AS fetched_at FROM naver_serp_tasks t"
                             " JOIN naver_serp_cache USING (id) ORDER BY task"):
        number = ids[task["id"]] = ids.get(task["id"], -1) + 1
        key = {"id": task["id"], "fetched_at": task["fetched_at"], "result": number}
        shared = {name: task[name] for name in ("keyword", "device", "tag", "datetime")}
        for item in support.rows(con, "SELECT * FROM naver_serp_items WHERE task = ?", task["task"]):
            items.append({**item, **key, **shared, "item": item["item"] % 2**24})
            del items[-1]["task"], items[-1]["odd"]
        tasks.append({**task, **key})
        for name in ("task", "odd", "stamp", "first_item", "last_item"):
            del tasks[-1][name]
    return tasks, items


def typed(row):
    """A stored row as an engine with typed columns has it."""
    def value(name, cell):
        if name in WHOLE:
            return cell if isinstance(cell, int) else None
        if name == "cost":
            return float(cell) if isinstance(cell, (int, float)) else None
        return cell if cell is None or name in ("result", "item") else str(cell)
    return {name: value(name, cell) for name, cell in row.items()}


def in_order(rows):
    return sorted(map(sorted, map(dict.items, rows)),
                  key=lambda row: [dict(row).get(name) for name in ("id", "fetched_at", "result", "item")])


class HandOver(Folder):
    """A store with what may go wrong: all of data/, hostile text, an answer of two results."""

    def setUp(self):
        super().setUp()
        two = support.answer(result=b'[{"items":[{"title":"x"}]},{"items":[{"title":"y"},{"title":"z"}]}]')
        put(self.store, [(ID % n, ready(n)) for n in range(40)] + [("two", two), ("tab\tin 'id'", ready(41, 2))]
            + [(name, support.read_bytes(name)) for name in support.data_files()])

    def assert_answers(self, ask):
        """ask(sql) gives the rows of another engine: those of SQLite, sums but for rounding."""
        con = self.open(self.store)
        for name, sql in QUESTIONS.items():
            with self.subTest(name):
                ours, theirs = con.execute(sql).fetchall(), ask(sql)
                ours, theirs = (sorted(map(tuple, rows), key=repr) for rows in (ours, theirs))
                self.assertGreater(len(ours), 2)
                self.assertEqual([row[:-1] for row in theirs], [row[:-1] for row in ours])
                for mine, other in zip(ours, theirs):
                    self.assertAlmostEqual(mine[-1] or 0, other[-1] or 0, places=9)

    def assert_same(self, tasks, items):
        """Rows as dicts: those of the store, cell by cell."""
        for ours, theirs in zip(numbered(self.open(self.store)), (tasks, items)):
            self.assertEqual(in_order(theirs), in_order(map(typed, ours)))


def free_ports(n):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


class Server:
    """A ClickHouse server on loopback with all it has in a folder of its own."""

    def __init__(self, folder, port, http, shards):
        os.makedirs(os.path.join(folder, "data"))
        os.makedirs(os.path.join(folder, "tmp"))
        self.port = port
        users, config = os.path.join(folder, "users.xml"), os.path.join(folder, "config.xml")
        with open(users, "w") as f:
            f.write("<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default>"
                    "<password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile>"
                    "<quota>default</quota></default></users></yandex>")
        shard = "<shard><replica><host>127.0.0.1</host><port>%d</port></replica></shard>"
        with open(config, "w") as f:
            f.write("<yandex><logger><level>warning</level><log>{0}/log</log></logger>"
                    "<listen_host>127.0.0.1</listen_host><tcp_port>{1}</tcp_port><http_port>{2}</http_port>"
                    "<path>{0}/data/</path><tmp_path>{0}/tmp/</tmp_path><users_config>{3}</users_config>"
                    "<default_profile>default</default_profile><default_database>default</default_database>"
                    "<mark_cache_size>67108864</mark_cache_size><remote_servers><naver_serp>{4}</naver_serp>"
                    "</remote_servers></yandex>".format(folder, port, http, users,
                                                        "".join(shard % p for p in shards)))
        self.process = subprocess.Popen([SERVER, "--config-file=" + config], cwd=folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(self.process.kill)  # Where an interrupt keeps stop() from being called.

    def wait(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.ask("SELECT 1")
            except subprocess.SubprocessError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def arguments(self):
        return ["--host", "127.0.0.1", "--port", str(self.port)]

    def run(self, sql, data=None, *options):
        """The client's output as bytes; data goes with an INSERT."""
        return subprocess.run([CLIENT, *self.arguments(), *options, "--query", sql], input=data or b"",
                              capture_output=True, check=True, timeout=60).stdout

    def ask(self, sql):
        lines = self.run(sql + " FORMAT JSONCompact", None, "--output_format_json_quote_64bit_integers=0")
        return [tuple(row) for row in json.loads(lines)["data"]]

    def rows(self, table):
        lines = self.run("SELECT * FROM %s FORMAT JSONEachRow" % table, None,
                         "--output_format_json_quote_64bit_integers=0")
        return [json.loads(line) for line in lines.split(b"\n") if line]

    def stop(self):
        """At once: an orderly end takes seconds, and all it has is temporary."""
        self.process.kill()
        self.process.wait()


@unittest.skipUnless(SERVER and CLIENT, "ClickHouse is not installed: test/deps.sh clickhouse")
class ClickHouse(HandOver):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        ports = free_ports(4)
        cls.shards = []
        for k in (0, 1):
            cls.shards.append(Server(os.path.join(folder.name, str(k)), ports[k], ports[2 + k], ports[:2]))
            cls.addClassCleanup(cls.shards[-1].stop)
        for server in cls.shards:
            server.wait()

    def setUp(self):
        """Empty tables on both shards, made as sql/clickhouse.sql says."""
        super().setUp()
        self.server = self.shards[0]
        with open(os.path.join(SQL, "clickhouse.sql"), "rb") as f:
            schema = f.read()
        for server in self.shards:
            for kind in ("tasks", "items"):
                for suffix in ("", "_all", "_best", "_local"):
                    server.run("DROP TABLE IF EXISTS naver_serp_%s%s" % (kind, suffix))
            for _ in range(2):  # Twice: what is there stays.
                subprocess.run([CLIENT, *server.arguments(), "--multiquery"], input=schema, capture_output=True,
                               check=True, timeout=60)

    def load(self, path):
        """Tasks and items that sql/clickhouse.sh says it loaded."""
        done = subprocess.run([os.path.join(SQL, "clickhouse.sh"), path, *self.server.arguments()],
                              capture_output=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        words = done.stdout.split()
        return int(words[0]), int(words[2])

    def both(self):
        return self.server.rows("naver_serp_tasks"), self.server.rows("naver_serp_items")

    def test_two_shards_hold_what_the_store_holds(self):
        """Every cell of every row, the questions' answers, ids whole on a shard, both in use."""
        tasks, items = numbered(self.open(self.store))
        self.assertEqual(self.load(self.store), (len(tasks), len(items)))
        self.assert_same(*self.both())
        self.assert_answers(self.server.ask)
        self.assert_answers(self.shards[1].ask)
        ids = [[set(server.ask("SELECT DISTINCT id FROM naver_serp_%s_local" % kind)) for server in self.shards]
               for kind in ("tasks", "items")]
        for of_tasks, of_items in zip(*ids):
            self.assertGreater(len(of_items), 5)
            self.assertLessEqual(of_items, of_tasks)
        self.assertFalse(ids[0][0] & ids[0][1])

    def test_loading_goes_on_where_it_ended(self):
        """Again: nothing. Then what is new, a fetched again answer with fewer rows, another store."""
        first = self.load(self.store)
        self.assertEqual(self.load(self.store), (0, 0))
        put(self.store, [(ID % 50, ready(50)), (ID % 3, ready(3, 4), THEIRS)])
        self.assertEqual(self.load(self.store), (2, 14))
        self.assert_same(*self.both())
        self.assert_answers(self.server.ask)
        self.assertEqual(self.server.ask("SELECT count(*) FROM naver_serp_items_all"), [(first[1] + 14,)])
        put(self.other, [(ID % 60, ready(60, 5), "2020-01-01 00:00:00 +00:00"), (ID % 50, ready(50))])
        self.assertEqual(self.load(self.other), (1, 5))
        merge(self.store, self.other)
        self.assert_same(*self.both())

    def test_the_better_answer_of_two_stores_is_seen(self):
        """As sql/merge.sql decides, whichever store is loaded first: sandbox, rows, then age."""
        sandbox, live = "sandbox.dataforseo.com", "api.dataforseo.com"
        gone = test_store.state_body(40403, ID % 2)
        put(self.store, [(ID % 1, ready(1, 3), OURS, live), (ID % 2, ready(2, 3), OURS, live),
                         (ID % 3, ready(3, 3), OURS, live), (ID % 4, gone.replace(b"000002", b"000004"), THEIRS, live)])
        put(self.other, [(ID % 1, ready(1, 5), THEIRS, sandbox), (ID % 2, gone, THEIRS, live),
                         (ID % 3, ready(3, 5), THEIRS, live), (ID % 4, ready(4, 2), OURS, live)])
        self.load(self.other)
        self.load(self.store)
        merge(self.store, self.other)
        self.assert_same(*self.both())

    def test_the_same_lines_twice_and_half_a_load(self):
        """Rows that came twice are seen once; items whose tasks are missing are not seen."""
        self.load(self.store)
        lines(self.store, self.folder)
        for kind in ("items", "tasks"):
            with open(os.path.join(self.folder, "naver_serp_%s.jsonl" % kind), "rb") as f:
                again = f.read()
            self.server.run("INSERT INTO naver_serp_%s_all FORMAT JSONEachRow" % kind, again,
                            "--insert_distributed_sync=1")
        self.assertEqual(self.server.ask("SELECT count(*) FROM naver_serp_items_all"),
                         [(2 * len(numbered(self.open(self.store))[1]),)])
        self.assert_same(*self.both())
        half = json.dumps({"id": ID % 3, "fetched_at": THEIRS, "result": 0, "item": 0, "title": "half"})
        self.server.run("INSERT INTO naver_serp_items_all FORMAT JSONEachRow", half.encode(),
                        "--insert_distributed_sync=1")
        self.assert_same(*self.both())

    def test_any_folder_and_any_name(self):
        """Called by a link, from the store's folder; a store whose name looks like an option."""
        os.symlink(os.path.join(SQL, "clickhouse.sh"), os.path.join(self.folder, "load"))
        name = "-it's \"one\".db"
        put(os.path.join(self.folder, name), [(ID % 1, ready(1, 3))])
        done = subprocess.run(["./load", name, *self.server.arguments()], cwd=self.folder,
                              capture_output=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(self.server.ask("SELECT count(*) FROM naver_serp_items"), [(3,)])

    def test_no_room_for_the_lines(self):
        """Is an error, and not a load of nothing."""
        def no_room():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        done = subprocess.run([os.path.join(SQL, "clickhouse.sh"), self.store, *self.server.arguments()],
                              capture_output=True, check=False, timeout=60, preexec_fn=no_room,
                              restore_signals=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn(b"clickhouse.sh: not all lines could be written", done.stderr)

    def test_a_server_that_is_not_there(self):
        """Is an error, and leaves no folder behind."""
        done = subprocess.run([os.path.join(SQL, "clickhouse.sh"), self.store, "--host", "127.0.0.1", "--port",
                               str(free_ports(1)[0])], capture_output=True, check=False, timeout=60,
                              env={**os.environ, "TMPDIR": self.folder})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"Connection refused", done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), ["serp.db"])


def lines(store, folder):
    """Writes the lines of a store into a folder; returns what the script says about them."""
    with open(os.path.join(SQL, "lines.sql"), "rb") as script:
        return subprocess.run([support.SHELL, "-init", os.devnull, "-batch", "-readonly", store], stdin=script,
                              cwd=folder, capture_output=True, check=True, timeout=60).stdout


def read_lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f.read().split("\n") if line]


class Lines(HandOver):
    def test_lines_are_the_rows(self):
        """As JSON reads them, without the extension and without writing; unparsed answers not."""
        before = test_store.file_bytes(self.store)
        said = lines(self.store, self.folder)
        self.assertEqual(test_store.file_bytes(self.store), before)
        found = [read_lines(os.path.join(self.folder, "naver_serp_%s.jsonl" % kind)) for kind in ("tasks", "items")]
        self.assertEqual(said, b"%d tasks, %d items\n" % tuple(map(len, found)))
        self.assert_same(*found)
        put(self.store, [(ID % 70, ready(70))], parse=False)
        with contextlib.closing(sqlite3.connect(self.store)) as con, con:
            con.execute("UPDATE naver_serp_cache SET parsed = 0 WHERE id = 'two'")
        lines(self.store, self.folder)
        self.assertEqual(len(read_lines(os.path.join(self.folder, "naver_serp_tasks.jsonl"))), len(found[0]) - 2)


class DuckDB(HandOver):
    def run_all(self, *statements):
        """What DuckDB answers to each, in one process that works in self.folder."""
        done = subprocess.run(["node", os.path.join(ROOT, "test", "bench_duckdb.js"), self.work],
                              input="".join(json.dumps({"sql": sql, "times": 1}) + "\n" for sql in statements),
                              capture_output=True, text=True, cwd=self.folder, check=True, timeout=60)
        answers = [json.loads(line) for line in done.stdout.split("\n") if line][1:]
        for answer in answers:
            self.assertNotIn("error", answer)
        return [[tuple(row) for row in answer["rows"]] for answer in answers]

    def setUp(self):
        self.work = os.path.join(ROOT, "build", "bench")
        os.makedirs(self.work, exist_ok=True)
        try:
            why = bench_queries.DuckDB.install(self.work, 20)
        except FileNotFoundError as error:
            why = "there is no %s" % error.filename
        except subprocess.TimeoutExpired:
            why = "npm took too long"
        if why or not shutil.which("node"):
            self.skipTest("no DuckDB: %s" % (why or "there is no node"))
        super().setUp()

    def test_tables_and_parquet_hold_what_the_store_holds(self):
        """Every cell of every row from the tables and from Parquet alone, and the questions."""
        lines(self.store, self.folder)
        with open(os.path.join(SQL, "duckdb.sql"), encoding="utf-8") as f:
            script = f.read()
        self.run_all(script, script)  # Twice: made again.
        for table in ("naver_serp_%s", "'naver_serp_%s.parquet'"):
            found = []
            for kind in ("tasks", "items"):
                back = "COPY (FROM %s) TO 'back.jsonl' (FORMAT json)" % (table % kind)
                self.run_all(*([back] if "parquet" in table else [script, back]))
                found.append(read_lines(os.path.join(self.folder, "back.jsonl")))
            self.assert_same(*found)
        types = "SELECT DISTINCT column_type FROM (DESCRIBE FROM 'naver_serp_*.parquet') ORDER BY 1"
        self.assertEqual(self.run_all(types.replace("*", "items"), types.replace("*", "tasks")),
                         [[("BIGINT",), ("VARCHAR",)], [("BIGINT",), ("DOUBLE",), ("VARCHAR",)]])
        for name in os.listdir(self.folder):
            if name.endswith(".jsonl"):
                os.remove(os.path.join(self.folder, name))
        views = "".join("CREATE VIEW naver_serp_{0} AS FROM 'naver_serp_{0}.parquet';".format(kind)
                        for kind in ("tasks", "items"))
        self.assert_answers(lambda sql: self.run_all(views, sql)[1])

    def test_an_empty_store(self):
        os.remove(self.store)
        put(self.store, [])
        lines(self.store, self.folder)
        with open(os.path.join(SQL, "duckdb.sql"), encoding="utf-8") as f:
            self.assertEqual(self.run_all(f.read(), "SELECT count(*) FROM naver_serp_items",
                                          "SELECT count(*) FROM 'naver_serp_tasks.parquet'")[1:], [[(0,)], [(0,)]])


del Folder, HandOver  # What is left has tests.


if __name__ == "__main__":
    unittest.main()
