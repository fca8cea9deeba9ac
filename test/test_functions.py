"""naver_serp_import, naver_serp_config, naver_serp_version, and where they may be used."""
import json
import os
import pathlib
import re
import sqlite3
import tempfile
import unittest

from support import (EXTENSION, answer, connect, exact, ids, import_file, insert_body, read_bytes, rows,
                     shell, stored, value)

ID = "03020115-1535-0066-0099-000000000001"
SQLError = sqlite3.OperationalError
INTEGERS = {  # name: default, least, greatest
    "concurrency": (30, 1, 1000),
    "requests_per_minute": (2000, 1, 100000),
    "retries": (4, 0, 20),
    "retry_delay_ms": (500, 1, 60000),
    "connect_timeout_ms": (10000, 1, 2000000),
    "timeout_ms": (120000, 1, 2000000),
    "wait_seconds": (0, 0, 2592000),
    "max_body_bytes": (67108864, 1, 1000000000),
    "max_post_tasks": (100, 0, 1000000),
}
CHOICES = {  # name: words, the default first
    "mode": ("auto", "cache", "refresh"),
    "on_error": ("fail", "skip"),
    "progress": ("auto", "on", "off"),
}
TEXTS = {  # name: default, another value, a value that is refused or None
    "base_url": ("https://api.dataforseo.com", "https://sandbox.dataforseo.com", "ftp://x"),
    "schema": ("main", "other", ""),
    "ca_file": ("", "/a b/ca.pem", None),
}
DEFAULTS = {**{k: v[0] for k, v in INTEGERS.items()}, **{k: v[0] for k, v in CHOICES.items()},
            **{k: v[0] for k, v in TEXTS.items()}}
GOOD_URLS = ["https://api.dataforseo.com", "https://api.dataforseo.com/", "https://sandbox.dataforseo.com",
             "https://proxy.example.com:8443/dataforseo", "HTTPS://API.example.com", "https://10.0.0.1",
             "https://[2001:db8::1]:444", "http://localhost", "http://LOCALHOST:8080", "http://127.0.0.1:1",
             "http://127.1.2.3", "http://[::1]:8080/x"]
BAD_URLS = {
    "plain http": ["http://api.dataforseo.com", "http://127.0.0.1.example.com", "http://localhost.example.com",
                   "http://10.0.0.1", "http://128.0.0.1", "http://[::2]", "http://example.com:80",
                   "http://localhost.", "http://[2001:db8::1]"],
    "user name, query or fragment": ["https://user:secret@example.com", "https://user@example.com",
                                     "https://@example.com", "https://example.com?x=1", "https://example.com?",
                                     "https://example.com/#", "http://localhost@example.com",
                                     "http://127.0.0.1:80@example.com"],
    "must start with https": ["", "api.dataforseo.com", "ftp://example.com", "file:///etc/passwd", "https:/example.com",
                              "//example.com", "https", "javascript:1", "gopher://localhost"],
    "host or port": ["https://", "https:///v3", "https://example.com:", "https://example.com:x",
                     "https://example.com:99999", "https://ex%61mple.com", "http://127.0.0.1%00.example.com"],
    "space, a control character, a backslash or one that is not ASCII":
        [" https://example.com", "https://example.com ", "https://exa mple.com", "https://example.com\n",
         "https://example.com\\@localhost", "https://예시.kr", "https://example.com\x7f", "http://localhost\t"],
}


class Case(unittest.TestCase):
    def setUp(self):
        self.con = connect()
        self.addCleanup(lambda: self.con.close())

    def fails(self, message, sql, *values):
        with self.assertRaisesRegex(SQLError, message):
            self.con.execute(sql, values).fetchall()

    def config(self, *values):
        return value(self.con, f"SELECT naver_serp_config({', '.join('?' * len(values))})", *values)


class Import(Case):
    def test_null_gives_null_and_stores_nothing(self):
        self.assertIsNone(value(self.con, "SELECT naver_serp_import(NULL)"))
        self.assertEqual(stored(self.con), 0)

    def test_the_id_comes_back_and_the_rows_are_there(self):
        for body in (answer('[{"title":"캠핑"},{}]'), answer('[{"title":"캠핑"},{}]').decode()):
            con = connect()
            with self.subTest(type=type(body)):
                self.assertEqual(value(con, "SELECT naver_serp_import(?)", body), ID)
                self.assertEqual(con.execute("SELECT id, typeof(body), parsed <> 0, origin FROM naver_serp_cache").fetchall(),
                                 [(ID, "blob", 1, None)])
                self.assertEqual(con.execute("SELECT title FROM naver_serp_items").fetchall(), [("캠핑",), (None,)])
                self.assertEqual(con.execute("SELECT title FROM naver_serp(?)", (ID,)).fetchall(), [("캠핑",), (None,)])
            con.close()

    def test_every_final_answer_is_taken(self):
        for name, task_id in ids().items():
            if re.search(r"/(empty|failed|gone)_", name) and b'"tasks": null' not in read_bytes(name):
                with self.subTest(file=name):
                    self.assertEqual(import_file(self.con, name), task_id)
                    self.assertEqual(value(self.con, "SELECT state FROM naver_serp_tasks WHERE id = ?", task_id),
                                     name[len("states/"):].split("_")[0])

    def test_no_other_answer_is_taken_or_stored(self):
        n = 0
        for name in ids():
            if re.search(r"/(pending|refused|retry|unknown)_|/task", name):
                n += 1
                state = re.sub("retry|unknown|tasks?", "unreachable", name[len("states/"):].split("_")[0])
                with self.subTest(file=name):
                    self.fails(rf"^naver_serp_import: .*\({state}\): not a final answer, nothing was stored$",
                               "SELECT naver_serp_import(?)", read_bytes(name))
                    self.assertEqual(stored(self.con), 0)
        self.assertGreater(n, 20)

    def test_a_final_answer_without_an_id_is_refused_with_the_way_out(self):
        for body in (answer("[{}]", task_id=""),
                     answer("[{}]").replace(b'"id":', b'"ID":')):
            self.fails(r"names no task.*INSERT INTO naver_serp_cache\(id, body\)", "SELECT naver_serp_import(?)", body)
            self.assertEqual(stored(self.con), 0)

    def test_the_reason_names_the_task_and_the_message(self):
        name = "states/pending_40602.json"
        self.fails(ids()[name] + ".*Queue", "SELECT naver_serp_import(?)", read_bytes(name))

    def test_again_replaces(self):
        for items, titles in (('[{"title":"1"},{"title":"2"}]', ["1", "2"]), ('[{"title":"3"}]', ["3"]),
                              ('[{"title":"3"}]', ["3"]), ('[{"title":"4"},{},{}]', ["4", None, None])):
            self.assertEqual(value(self.con, "SELECT naver_serp_import(?)", answer(items)), ID)
            for table in ("naver_serp", "naver_serp_items"):
                self.assertEqual([t for t, in self.con.execute(f"SELECT title FROM {table}")], titles)
            self.assertEqual(value(self.con, "SELECT count(*) FROM naver_serp_tasks"), 1)
            self.assertEqual(value(self.con, "SELECT body FROM naver_serp_cache"), answer(items))

    def other(self, code, result="null"):
        return answer(result=result).replace(b'"status_code":20000', f'"status_code":{code}'.encode())

    def test_an_answer_with_rows_is_never_replaced_by_one_without(self):
        by_hand = connect()
        insert_body(by_hand, ID, answer('[{"title":"kept"}]'))  # Not parsed yet
        value(self.con, "SELECT naver_serp_import(?)", answer('[{"title":"kept"}]'))
        for con in (self.con, by_hand):
            for body, state in ((answer("[]"), "empty"), (answer("null"), "empty"), (self.other(40102), "empty"),
                                (self.other(40403), "gone"), (self.other(40000), "gone"),
                                (self.other(40101), "failed")):
                with self.subTest(body=body):
                    with self.assertRaisesRegex(SQLError, f"'{state}': nothing was changed"):
                        con.execute("SELECT naver_serp_import(?)", (body,))
                    self.assertEqual(con.execute("SELECT title FROM naver_serp").fetchall(), [("kept",)])
                    self.assertEqual(value(con, "SELECT body FROM naver_serp_cache"), answer('[{"title":"kept"}]'))
        by_hand.close()
        self.con.execute("DELETE FROM naver_serp_cache")
        self.assertEqual(value(self.con, "SELECT naver_serp_import(?)", answer("[]")), ID)

    def test_an_answer_without_rows_is_replaced_by_any_final_one(self):
        for body, state in ((self.other(40403), "gone"), (answer("[]"), "empty"), (self.other(40101), "failed"),
                            (self.other(40401), "gone"), (answer("[{}]"), "ready")):
            value(self.con, "SELECT naver_serp_import(?)", body)
            self.assertEqual(self.con.execute("SELECT state FROM naver_serp_task").fetchall(), [(state,)])

    def test_a_failed_import_leaves_what_is_stored(self):
        value(self.con, "SELECT naver_serp_import(?)", answer('[{"title":"kept"}]'))
        for body in (b"x", self.other(40602), self.other(50000), answer('[{"title":"cut"}]')[:-1]):
            self.fails("nothing was stored", "SELECT naver_serp_import(?)", body)
            self.assertEqual(self.con.execute("SELECT title FROM naver_serp").fetchall(), [("kept",)])

    def test_many_in_one_statement(self):
        names = [n for n in ids() if re.search(r"^\w+\.json$|/(empty|failed)_", n)]
        self.con.execute("CREATE TABLE files(body)")
        self.con.executemany("INSERT INTO files VALUES (?)", [(read_bytes(n),) for n in names])
        got = self.con.execute("SELECT naver_serp_import(body) FROM files").fetchall()
        self.assertEqual([i for i, in got], [ids()[n] for n in names])
        self.assertEqual(value(self.con, "SELECT count(*) FROM naver_serp_cache WHERE parsed <> 0"), len(names))

    def test_into_another_schema(self):
        self.con.execute("ATTACH ':memory:' AS other")
        self.config("schema", "other")
        value(self.con, "SELECT naver_serp_import(?)", answer("[{}]"))
        self.assertEqual(value(self.con, "SELECT count(*) FROM other.naver_serp_items"), 1)
        self.assertEqual(value(self.con, "SELECT count(*) FROM main.sqlite_schema"), 0)

    def test_a_rollback_undoes_it(self):
        self.con.execute("BEGIN")
        value(self.con, "SELECT naver_serp_import(?)", answer("[{}]"))
        self.con.execute("ROLLBACK")
        self.assertEqual(value(self.con, "SELECT count(*) FROM sqlite_schema"), 0)
        self.assertEqual(self.con.execute("SELECT * FROM naver_serp").fetchall(), [])
        self.assertEqual(value(self.con, "SELECT naver_serp_import(?)", answer("[{}]")), ID)
        self.assertEqual(len(self.con.execute("SELECT * FROM naver_serp").fetchall()), 1)

    def test_last_insert_rowid_stays(self):
        self.con.execute("CREATE TABLE t(a)")
        self.con.execute("INSERT INTO t(rowid) VALUES (777)")
        value(self.con, "SELECT naver_serp_import(?)", answer("[{}]"))
        self.assertEqual(value(self.con, "SELECT last_insert_rowid()"), 777)

    def test_number_of_arguments(self):
        for call in ("naver_serp_import()", "naver_serp_import(1, 2)", "naver_serp_config(1, 2, 3)",
                     "naver_serp_version(1)"):
            self.fails("wrong number of arguments", f"SELECT {call}")


class ImportMessages(unittest.TestCase):
    """The text names the task and the reason, apart from each other."""

    def test_a_pending_answer(self):
        con = connect()
        body = '{"status_code":20000,"tasks":[{"id":"t1","status_code":40602,"status_message":"Task In Queue."}]}'
        with self.assertRaises(SQLError) as caught:
            con.execute("SELECT naver_serp_import(?)", (body,)).fetchall()
        self.assertEqual(str(caught.exception), "naver_serp_import: task t1: Task In Queue. (pending): "
                         "not a final answer, nothing was stored")


class Config(Case):
    def test_defaults(self):
        self.assertEqual(json.loads(value(self.con, "SELECT naver_serp_config()")), DEFAULTS)
        for key, default in DEFAULTS.items():
            with self.subTest(key=key):
                self.assertEqual(repr(self.config(key)), repr(default))

    def test_all_settings_are_json(self):
        self.config("ca_file", '/a"b\\c\n캠핑/ca.pem')
        got = exact(value(self.con, "SELECT json_object('x', naver_serp_config())"))
        self.assertEqual(dict(got[0][1])["ca_file"], '/a"b\\c\n캠핑/ca.pem')
        self.assertEqual(dict(got[0][1]).keys(), DEFAULTS.keys())

    def test_integers(self):
        for key, (default, least, greatest) in INTEGERS.items():
            with self.subTest(key=key):
                for good in (least, greatest, least + 1, str(greatest), default):
                    self.assertEqual(repr(self.config(key, good)), repr(int(good)))
                    self.assertEqual(repr(self.config(key)), repr(int(good)))
                for bad in (least - 1, greatest + 1, -1, -2**63, 2**63 - 1, 1.0, 1.5, "", " 1", "1 ", "x", "1x", "0x1",
                            "1e3", "99999999999999999999999", "1\0", float("inf")):
                    self.fails(f"naver_serp_config: .*{key}.*{least} to {greatest}",
                               "SELECT naver_serp_config(?, ?)", key, bad)
                    self.assertEqual(self.config(key), default)

    def test_choices(self):
        for key, words in CHOICES.items():
            with self.subTest(key=key):
                for word in words:
                    self.assertEqual(self.config(key, word), word)
                    self.assertEqual(self.config(key), word)
                for bad in ("", words[0].upper(), words[0] + " ", "|", "|".join(words), words[0][:-1], 0, 1,
                            words[0] + "\0"):
                    self.fails("naver_serp_config: .*" + key + ".*" + re.escape("|".join(words)),
                               "SELECT naver_serp_config(?, ?)", key, bad)
                    self.assertEqual(self.config(key), words[-1])

    def test_texts(self):
        for key, (_, other, bad) in TEXTS.items():
            with self.subTest(key=key):
                self.assertEqual(self.config(key, other), other)
                self.assertEqual(self.config(key), other)
                for refused in (bad, other + "\0x"):
                    if refused is not None:
                        self.fails(f"naver_serp_config: .*{key}", "SELECT naver_serp_config(?, ?)", key, refused)
                        self.assertEqual(self.config(key), other)

    def test_a_blob_is_the_wrong_type(self):
        for key, default in DEFAULTS.items():
            with self.subTest(key=key):
                self.fails(f"naver_serp_config: .*{key}", "SELECT naver_serp_config(?, ?)", key,
                           str(default or "x").encode())

    def test_null_gives_the_default_back(self):
        others = {**{k: v[2] for k, v in INTEGERS.items()}, **{k: v[-1] for k, v in CHOICES.items()},
                  **{k: v[1] for k, v in TEXTS.items()}}
        self.assertEqual(others.keys(), DEFAULTS.keys())
        for key, other in others.items():
            with self.subTest(key=key):
                self.assertNotEqual(other, DEFAULTS[key])
                self.assertEqual(self.config(key, other), other)
                self.assertEqual(self.config(key, None), DEFAULTS[key])
                self.assertEqual(self.config(key), DEFAULTS[key])

    def test_an_unknown_key_is_answered_with_all_keys(self):
        for key in ("", "Mode", "mode ", "modes", "password", "dataforseo_password", 1, None):
            for values in ((key,), (key, "auto"), (key, None)):
                with self.subTest(values=values), self.assertRaises(SQLError) as caught:
                    self.config(*values)
                message = str(caught.exception)
                self.assertIn("naver_serp_config: no setting", message)
                self.assertEqual(set(message.split("there are: ")[1].split(", ")), DEFAULTS.keys())

    def test_base_urls(self):
        for url in GOOD_URLS:
            with self.subTest(url=url):
                self.assertEqual(self.config("base_url", url), url)
                self.assertEqual(self.config("base_url"), url)
        for reason, urls in BAD_URLS.items():
            for url in urls:
                with self.subTest(url=url):
                    self.fails(f"base_url: .*{reason}" if url else "base_url",
                               "SELECT naver_serp_config('base_url', ?)", url)
                    self.assertEqual(self.config("base_url"), GOOD_URLS[-1])

    def test_a_password_in_a_refused_url_is_not_repeated(self):
        with self.assertRaises(SQLError) as caught:
            self.config("base_url", "https://user:hunter2@example.com")
        self.assertNotIn("hunter2", str(caught.exception))

    def test_settings_belong_to_the_connection(self):
        self.config("retries", 7)
        other = connect()
        self.addCleanup(other.close)
        self.assertEqual(value(other, "SELECT naver_serp_config('retries')"), 4)

    def test_settings_are_used(self):
        insert_body(self.con, ID, b"no JSON")
        self.config("mode", "cache")
        self.fails("no JSON|not JSON", "SELECT * FROM naver_serp(?)", ID)
        self.config("on_error", "skip")
        self.assertEqual(self.con.execute("SELECT * FROM naver_serp(?)", (ID,)).fetchall(), [])
        self.assertEqual(self.con.execute("SELECT state FROM naver_serp_task(?)", ("0" * 8,)).fetchall(), [("absent",)])


class Environment(unittest.TestCase):
    def run_with(self, env, sql="SELECT naver_serp_config();"):
        return shell(sql, env=env)

    def test_each_variable_is_the_default(self):
        env = {k: str(v[2]) for k, v in INTEGERS.items()}
        env.update({k: v[-1] for k, v in CHOICES.items()}, **{k: v[1] for k, v in TEXTS.items()})
        env = {"NAVER_SERP_" + k.upper(): v for k, v in env.items()}
        self.assertEqual(len(env), len(DEFAULTS))
        out, err, code = self.run_with(env)
        self.assertEqual((err, code), ("", 0))
        for key, got in json.loads(out).items():
            with self.subTest(key=key):
                self.assertEqual(str(got), env["NAVER_SERP_" + key.upper()])
        resets = "".join(f"SELECT naver_serp_config('{k}', '{v}'); SELECT naver_serp_config('{k}', NULL);"
                         for k, v in DEFAULTS.items())
        out, err, code = self.run_with(env, resets)
        self.assertEqual((err, code), ("", 0))
        self.assertEqual(out.split("\n")[1::2], [env["NAVER_SERP_" + k.upper()] for k in DEFAULTS])

    def test_an_empty_variable_is_none(self):
        out, err, code = self.run_with({"NAVER_SERP_" + k.upper(): "" for k in DEFAULTS})
        self.assertEqual((err, code), ("", 0))
        self.assertEqual(json.loads(out), DEFAULTS)

    def test_other_variables_are_none(self):
        out, _, code = self.run_with({"NAVER_SERP_retries": "9", "NAVER_SERP_RETRIES_": "9", "RETRIES": "9"})
        self.assertEqual((json.loads(out), code), (DEFAULTS, 0))

    def test_a_bad_value_fails_the_load_and_names_the_variable(self):
        bad = {**{k: str(v[2] + 1) for k, v in INTEGERS.items()}, **{k: "maybe" for k in CHOICES},
               "base_url": "http://example.com"}
        allowed = {**{k: f"{v[1]} to {v[2]}" for k, v in INTEGERS.items()},
                   **{k: "|".join(v) for k, v in CHOICES.items()}, "base_url": "plain http is only for"}
        for key, text in bad.items():
            variable = "NAVER_SERP_" + key.upper()
            with self.subTest(variable=variable):
                out, err, code = self.run_with({variable: text})
                self.assertEqual(out, "")
                self.assertNotEqual(code, 0)
                self.assertIn(f"environment variable {variable}: bad value", err)
                self.assertIn(allowed[key], err)

    def test_a_load_that_failed_leaves_nothing_behind(self):
        os.environ["NAVER_SERP_RETRIES"] = "many"
        self.addCleanup(lambda: os.environ.pop("NAVER_SERP_RETRIES", None))
        con = sqlite3.connect(":memory:")
        self.addCleanup(con.close)
        con.enable_load_extension(True)
        with self.assertRaisesRegex(SQLError, "NAVER_SERP_RETRIES"):
            con.load_extension(EXTENSION)
        with self.assertRaisesRegex(SQLError, "no such function"):
            con.execute("SELECT naver_serp_version()")
        with self.assertRaisesRegex(SQLError, "no such table"):
            con.execute("SELECT * FROM naver_serp")
        del os.environ["NAVER_SERP_RETRIES"]
        con.load_extension(EXTENSION)
        self.assertEqual(value(con, "SELECT naver_serp_config('retries')"), 4)

    def test_a_default_that_went_bad_is_refused_like_any_value(self):
        for key, bad in (("retries", "many"), ("mode", "x"), ("base_url", "http://example.com")):
            variable = "NAVER_SERP_" + key.upper()
            con = connect()
            self.addCleanup(con.close)
            os.environ[variable] = bad
            try:
                with self.subTest(variable=variable):
                    with self.assertRaisesRegex(SQLError, variable):
                        con.execute(f"SELECT naver_serp_config('{key}', NULL)").fetchall()
                    self.assertEqual(value(con, f"SELECT naver_serp_config('{key}')"), DEFAULTS[key])
            finally:
                del os.environ[variable]

    def test_credentials_show_nowhere(self):
        env = {"DATAFORSEO_LOGIN": "l0gin-shows", "DATAFORSEO_PASSWORD": "passw0rd-shows",
               "DATAFORSEO_USERNAME": "us3r-shows"}
        out, err, code = self.run_with(env, "SELECT naver_serp_config(); SELECT naver_serp_version();")
        self.assertEqual(code, 0)
        self.assertNotIn("-shows", out + err)


class Version(Case):
    def test_names_the_four_parts(self):
        text = value(self.con, "SELECT naver_serp_version()")
        self.assertRegex(text, r"^naver_serp \d+\.\d+\.\d+, SQLite 3\.\d+\.\d+, libcurl \d+\.\d+\.\d+.*, cJSON 1\.7\.\d+$")
        self.assertIn(f"SQLite {sqlite3.sqlite_version},", text)

    def test_loading_twice_is_fine(self):
        value(self.con, "SELECT naver_serp_import(?)", answer("[{}]"))
        self.con.enable_load_extension(True)
        self.con.load_extension(EXTENSION)
        self.assertEqual(self.con.execute("SELECT id FROM naver_serp").fetchall(), [(ID,)])

    def test_loading_makes_no_table_and_no_file(self):
        self.assertEqual(value(self.con, "SELECT count(*) FROM sqlite_schema"), 0)
        self.assertEqual(value(self.con, "SELECT count(*) FROM temp.sqlite_schema"), 0)
        with tempfile.TemporaryDirectory() as folder:
            out, err, code = shell("SELECT count(*) FROM naver_serp;", db=pathlib.Path(folder, "x.db"))
            self.assertEqual((out, err, code), ("0\n", "", 0))
            self.assertEqual([p.stat().st_size for p in pathlib.Path(folder).iterdir()], [0])


class DirectOnly(Case):
    """What reaches outside the file cannot be called by what is written in a file."""
    CALLS = {"import": f"naver_serp_import('{answer('[{}]').decode()}')", "config": "naver_serp_config()",
             "config get": "naver_serp_config('retries')", "config set": "naver_serp_config('retries', 9)",
             "version": "naver_serp_version()"}
    TABLES = ("naver_serp", f"naver_serp('{ID}')", "naver_serp_task", f"naver_serp_task('{ID}')")

    def setUp(self):
        super().setUp()
        self.config("mode", "cache")
        self.con.execute("CREATE TABLE log(x)")
        self.con.execute("CREATE TABLE t(x)")

    def each_trust(self):
        for trusted in (1, 0):
            self.con.execute(f"PRAGMA trusted_schema = {trusted}")
            yield trusted

    def assert_nothing_happened(self):
        self.assertEqual(self.config("retries"), 4)
        self.assertEqual(stored(self.con), 0)
        self.assertEqual(value(self.con, "SELECT (SELECT count(*) FROM log) + (SELECT count(*) FROM t)"), 0)

    def test_no_function_works_in_a_view(self):
        for _ in self.each_trust():
            for name, call in self.CALLS.items():
                for view in (f"SELECT {call} AS x", f"SELECT 1 AS x WHERE {call} IS NOT NULL",
                             f"WITH c AS (SELECT {call} AS x) SELECT * FROM c"):
                    with self.subTest(call=name, view=view):
                        self.con.execute(f"CREATE VIEW v AS {view}")
                        self.fails("unsafe use of naver_serp_", "SELECT * FROM v")
                        self.con.execute("DROP VIEW v")
                        self.assert_nothing_happened()

    def test_no_function_works_in_a_trigger(self):
        for _ in self.each_trust():
            for name, call in self.CALLS.items():
                for body in (f"INSERT INTO log SELECT {call}", f"SELECT {call}", f"UPDATE log SET x = {call}",
                             f"DELETE FROM log WHERE x = {call}"):
                    with self.subTest(call=name, body=body):
                        self.con.execute(f"CREATE TRIGGER g AFTER INSERT ON t BEGIN {body}; END")
                        self.fails("unsafe use of naver_serp_", "INSERT INTO t VALUES (1)")
                        self.con.execute("DROP TRIGGER g")
                        self.assert_nothing_happened()
                with self.subTest(call=name, when=True):
                    self.con.execute(f"CREATE TRIGGER g AFTER INSERT ON t WHEN {call} = 1 BEGIN SELECT 1; END")
                    self.fails("unsafe use of naver_serp_", "INSERT INTO t VALUES (1)")
                    self.con.execute("DROP TRIGGER g")

    def test_no_function_works_in_a_default(self):
        for _ in self.each_trust():
            for name, call in self.CALLS.items():
                with self.subTest(call=name):
                    self.con.execute(f"CREATE TABLE d(a DEFAULT ({call}), b)")
                    self.fails("unsafe use of naver_serp_", "INSERT INTO d(b) VALUES (1)")
                    self.con.execute("DROP TABLE d")
                    self.assert_nothing_happened()

    def test_no_table_works_in_a_view(self):
        for _ in self.each_trust():
            for table in self.TABLES:
                for view in (f"SELECT * FROM {table}", f"SELECT 1 AS x WHERE EXISTS (SELECT 1 FROM {table})"):
                    with self.subTest(view=view):
                        self.con.execute(f"CREATE VIEW v AS {view}")
                        self.fails("unsafe use of virtual table", "SELECT * FROM v")
                        self.con.execute("DROP VIEW v")

    def test_no_table_works_in_a_trigger(self):
        for _ in self.each_trust():
            for table in self.TABLES:
                with self.subTest(table=table):
                    self.con.execute("CREATE TRIGGER g AFTER INSERT ON t BEGIN"
                                     f" INSERT INTO log SELECT count(*) FROM {table}; END")
                    self.fails("unsafe use of virtual table", "INSERT INTO t VALUES (1)")
                    self.con.execute("DROP TRIGGER g")
                    self.assert_nothing_happened()

    def test_all_work_in_temp_views_and_triggers(self):
        for _ in self.each_trust():
            for name, call in self.CALLS.items():
                with self.subTest(call=name):
                    self.con.execute(f"CREATE TEMP VIEW v AS SELECT {call} AS x")
                    want = value(self.con, f"SELECT {call}")
                    self.assertEqual(value(self.con, "SELECT x FROM v"), want)
                    self.con.execute(f"CREATE TEMP TRIGGER g AFTER INSERT ON main.t BEGIN INSERT INTO log SELECT {call}; END")
                    self.con.execute("INSERT INTO t VALUES (1)")
                    self.assertEqual(self.con.execute("SELECT x FROM log").fetchall(), [(want,)])
                    self.con.execute("DROP TRIGGER g")
                    self.con.execute("DROP VIEW v")
                    self.con.execute("DELETE FROM log")
            for table in self.TABLES:
                with self.subTest(table=table):
                    self.con.execute(f"CREATE TEMP VIEW v AS SELECT * FROM {table}")
                    self.assertEqual(rows(self.con, "SELECT * FROM v"), rows(self.con, f"SELECT * FROM {table}"))
                    self.assertEqual(len(rows(self.con, "SELECT * FROM v")), 1)
                    self.con.execute("DROP VIEW v")

    def test_persistent_views_on_the_stored_tables_work(self):
        value(self.con, "SELECT naver_serp_import(?)", answer('[{"title":"x"}]'))
        self.con.execute("CREATE VIEW v AS SELECT t.keyword, i.title FROM naver_serp_items i"
                         " JOIN naver_serp_tasks t USING (task)")
        for _ in self.each_trust():
            self.assertEqual(self.con.execute("SELECT * FROM v").fetchall(), [("k", "x")])


if __name__ == "__main__":
    unittest.main()
