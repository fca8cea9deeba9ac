"""Columns against the JSON members they come from: nothing lost, nothing invented.

The model below says what every column of naver_serp, naver_serp_task and their stored
tables holds for an answer. It shares nothing with the extension: Python's json reads the
answer with numbers as written, and affinity is written out from SQLite's documentation.
"""
import os
import random
import re
import sqlite3
import unittest
from unittest import mock

from double import Double
from support import (INT64_MAX, INT64_MIN, Number, Pairs, answer, connect, data_files, exact,
                     ids, import_file, insert_body, member, read_bytes, read_json, rows, value)

ITEM = """type rank_group rank_absolute domain title url description page position breadcrumb
    is_image is_video is_featured_snippet is_malicious is_web_story is_paid amp_version
    pre_snippet extended_snippet timestamp cache_url phone cid xpath rating highlighted links
    faq extended_people_also_search items extra description_rows rectangle unmapped""".split()
ITEM_JSON = ITEM[ITEM.index("rating"):]
ITEM_INTEGER = ["rank_group", "rank_absolute", "page"] + ITEM[10:17]
ITEM_HIDDEN = "id mode on_error keyword device tag datetime se_results_count".split()
TASK = """id state status_code status_message source keyword se_domain location_code
    language_code device os tag check_url datetime spell refinement_chips item_types
    se_results_count pages_count items_count cost time data path version fetched_at type
    result_count origin unmapped""".split()
TASK_JSON = "spell refinement_chips item_types data path unmapped".split()
TASK_INTEGER = """status_code location_code se_results_count pages_count items_count
    result_count""".split()
TASK_HIDDEN = ["task_id", "mode"]
OF_RESULT = """keyword type se_domain location_code language_code device os tag check_url
    datetime spell item_types refinement_chips pages_count items_count
    se_results_count""".split()
OF_DATA = {"keyword": "keyword", "type": "se_type", "se_domain": "se_domain",
           "location_code": "location_code", "language_code": "language_code",
           "device": "device", "os": "os", "tag": "tag"}
ITEM_AFFINITY = {c: "" if c in ITEM_JSON else "INTEGER" if c in ITEM_INTEGER else "TEXT"
                 for c in ITEM}
TASK_AFFINITY = {c: "" if c in TASK_JSON else "INTEGER" if c in TASK_INTEGER else
                 "NUMERIC" if c == "cost" else "TEXT" for c in TASK}
FINAL = ("ready", "empty", "gone", "failed")
NUMERIC_TEXT = re.compile(r"[ \t\n\v\f\r]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
                          r"[ \t\n\v\f\r]*")


class Json:
    """An object or array on its way to a column."""

    def __init__(self, node):
        self.node = node


# ---- The model ------------------------------------------------------------------------

def cell(node):
    """A JSON value as SQL has it before affinity."""
    if isinstance(node, Number):
        if not re.fullmatch(r"-?[0-9]+", node):
            return float(node)
        return int(node) if INT64_MIN <= int(node) <= INT64_MAX else str(node)
    if isinstance(node, list):
        return Json(node)
    return int(node) if isinstance(node, bool) else node


def real_to_text(real):
    """SQLite's text of a REAL: 15 digits, always with a point."""
    if real in (float("inf"), float("-inf")):
        return "Inf" if real > 0 else "-Inf"
    digits, e, exponent = f"{real if real else 0.0:.15g}".partition("e")
    return digits + ("" if "." in digits else ".0") + e + exponent


def with_affinity(cell_value, affinity):
    if affinity == "TEXT" and isinstance(cell_value, float):
        return real_to_text(cell_value)
    if affinity == "TEXT" and isinstance(cell_value, int):
        return str(cell_value)
    if affinity in ("INTEGER", "NUMERIC"):
        if isinstance(cell_value, str):
            number = NUMERIC_TEXT.fullmatch(cell_value)
            if not number:
                return cell_value
            cell_value = cell(Number(number[1].removeprefix("+")))
            if isinstance(cell_value, str):
                cell_value = float(cell_value)
        if isinstance(cell_value, float) and abs(cell_value) < 2.0**63 and cell_value.is_integer():
            return int(cell_value)
    return cell_value


def item_columns(item):
    """What naver_serp has for one element of `items`."""
    if not isinstance(item, Pairs):
        return {**dict.fromkeys(ITEM), "unmapped": Json(item)}
    return members_to_columns(item, [c for c in ITEM if c != "unmapped"], ITEM)


def members_to_columns(pairs, has_column, columns):
    found, rest = dict.fromkeys(columns), Pairs()
    seen = set()
    for name, node in pairs:
        if name in has_column and name not in seen:
            seen.add(name)
            found[name] = cell(node)
        else:
            rest.append((name, node))
    found["unmapped"] = Json(rest) if rest else None
    return found


def listed(node):
    """The elements of what should be an array."""
    return node if type(node) is list else [] if node is None else [node]


def code_of(level):
    code = member(level, "status_code")
    return int(code) if isinstance(code, Number) and re.fullmatch(r"[0-9]{5}", code) else 0


def state_of(code, has_items, n_task, function):
    if n_task > 1 or code == 20000 and not has_items and function not in (None, "task_get"):
        return "unreachable"
    if code == 20000:
        return "ready" if has_items else "empty"
    for state, codes in {"pending": {20100, 40601, 40602}, "empty": {40102},
                         "failed": {40101, 40103},
                         "gone": {*range(40000, 40006), 40401, *range(40403, 40409)},
                         "refused": {40100, 40104, 40200, 40201, 40203, 40204, 40207, 40210},
                         }.items():
        if code in codes:
            return state
    return "unreachable"


def answer_rows(body, task_id):
    """(rows of naver_serp_task, rows of naver_serp) for a stored body."""
    root = exact(body)
    tasks = listed(member(root, "tasks"))
    task = tasks[0] if tasks else None
    level = root if code_of(task) in (0, 20000) and code_of(root) != 20000 else task
    results = [r for r in listed(member(task, "result")) if r is not None]
    items = [i for r in results for i in listed(member(r, "items"))]
    code, data = code_of(level), member(task, "data")
    function = member(data, "function")
    state = state_of(code, bool(items), len(tasks), function)
    message = member(level, "status_message")
    if len(tasks) > 1:
        message = f"holds {len(tasks)} tasks, expected one"
    elif state == "unreachable" and code == 20000:
        message = f"an answer of {function}, not of task_get"
    common = {"id": task_id, "state": state, "status_code": code, "source": "store",
              "status_message": message, "version": cell(member(root, "version")), "data": cell(data)}
    common.update((c, cell(member(task, c))) for c in ("cost", "time", "path", "result_count"))
    task_rows = []
    for result in results or [Pairs()]:
        if isinstance(result, Pairs):
            without_items = Pairs(result)
            if member(result, "items") is not None:
                without_items.remove(("items", member(result, "items")))
            row = members_to_columns([m for m in without_items if m != ("items", None)],
                                     OF_RESULT, TASK)
        else:
            row = {**dict.fromkeys(TASK), "unmapped": Json(result)}
        row.update(common)
        for column, name in OF_DATA.items():
            if row[column] is None:
                row[column] = cell(member(data, name))
        task_rows.append(row)
    return task_rows, [item_columns(i) for i in items] if state == "ready" else []


def plain(sql_value):
    """A value with its type, so that 1, 1.0 and -0.0 differ."""
    return type(sql_value).__name__, repr(sql_value)


class Case(unittest.TestCase):
    def setUp(self):
        self.con = connect()
        self.addCleanup(lambda: self.con.close())
        self.con.execute("SELECT naver_serp_config('mode', 'cache')")

    def store(self, name):
        """Imports a file of data/, or puts it in by hand where import refuses it."""
        task_id = ids()[name]
        expected, _ = answer_rows(read_bytes(name), task_id)
        if expected[0]["state"] in FINAL and member(exact(read_bytes(name)), "tasks"):
            self.assertEqual(import_file(self.con, name), task_id)
        else:
            with self.assertRaises(sqlite3.OperationalError):
                import_file(self.con, name)
            insert_body(self.con, task_id, read_bytes(name))
        return task_id

    def assert_row(self, got, expected, affinity):
        for column, declared in affinity.items():
            want = expected[column]
            if isinstance(want, Json):
                self.assertIs(type(got[column]), str, column)
                self.assertEqual(exact(got[column]), want.node, column)
            else:
                self.assertEqual(plain(got[column]), plain(with_affinity(want, declared)), column)

    def assert_rows(self, got, expected, affinity):
        self.assertEqual(len(got), len(expected))
        for i, (row, want) in enumerate(zip(got, expected)):
            with self.subTest(row=i):
                self.assert_row(row, want, affinity)

    def assert_answer(self, body, task_id):
        """Every way to the rows of one stored answer gives what the model says."""
        task_rows, item_rows = answer_rows(body, task_id)
        task_affinity = {c: a for c, a in TASK_AFFINITY.items() if c not in ("fetched_at", "origin")}
        stored_affinity = {c: a for c, a in task_affinity.items() if c != "source"}
        self.assert_rows(rows(self.con, "SELECT * FROM naver_serp_task(?)", task_id),
                         task_rows, task_affinity)
        if task_rows[0]["state"] in ("ready", "empty"):
            self.assert_rows(rows(self.con, "SELECT * FROM naver_serp(?)", task_id),
                             item_rows, ITEM_AFFINITY)
        self.assert_rows(rows(self.con, "SELECT * FROM naver_serp_tasks WHERE id = ? ORDER BY task",
                              task_id), task_rows, stored_affinity)
        self.assert_rows(rows(self.con, "SELECT * FROM naver_serp_items WHERE task IN (SELECT task"
                              " FROM naver_serp_tasks WHERE id = ?) ORDER BY item", task_id),
                         item_rows, ITEM_AFFINITY)


class Affinity(unittest.TestCase):
    def test_the_model_is_what_this_sqlite_does(self):
        samples = [None, 0, 1, -1, INT64_MAX, INT64_MIN, 1.0, -0.0, 0.5, 4.5, 1e5, 1e15, 1e16,
                   2.5e-7, 123456.789, 9007199254740992.0, 2.0**63, -2.0**63, 1e300, float("inf"),
                   float("-inf"), "", " ", "x", "1", " 1 ", "+1", "-1", "01", "1.", ".5", ".", "1.0",
                   "1.5", "1e2", "1e", "1e+2x", "0x10", "1_0", "Inf", "nan", "1,5", "\n7\t",
                   "9223372036854775807", "9223372036854775808", "-9223372036854775808", "\u0661",
                   "1\u00a0", "캠핑"]
        con = sqlite3.connect(":memory:")
        con.execute('CREATE TABLE t(a TEXT, b INTEGER, c NUMERIC, d)')
        for sample in samples:
            with self.subTest(sample=sample):
                con.execute("DELETE FROM t")
                con.execute("INSERT INTO t VALUES (?1, ?1, ?1, ?1)", (sample,))
                got = con.execute("SELECT * FROM t").fetchone()
                for affinity, found in zip(("TEXT", "INTEGER", "NUMERIC", ""), got):
                    self.assertEqual(plain(found), plain(with_affinity(sample, affinity)), affinity)
        con.close()


class Surface(Case):
    def test_columns_come_in_the_order_of_the_design(self):
        for table, columns in (("naver_serp", ITEM), ("naver_serp_task", TASK)):
            with self.subTest(table=table):
                cursor = self.con.execute(f"SELECT * FROM {table}")
                self.assertEqual([d[0] for d in cursor.description], columns)

    def test_declared_types_agree_with_the_stored_tables(self):
        self.store("sample.json")
        for table, stored_table, affinity, hidden in (
                ("naver_serp", "naver_serp_items", ITEM_AFFINITY, ITEM_HIDDEN),
                ("naver_serp_task", "naver_serp_tasks", TASK_AFFINITY, TASK_HIDDEN)):
            with self.subTest(table=table):
                info = self.con.execute("SELECT name, type, hidden FROM pragma_table_xinfo(?)",
                                        (table,)).fetchall()
                self.assertEqual({n: t for n, t, h in info if not h}, affinity)
                self.assertEqual([n for n, t, h in info if h], hidden)
                kept = dict(self.con.execute("SELECT name, type FROM pragma_table_xinfo(?)",
                                             (stored_table,)).fetchall())
                for column in set(affinity) - {"source", "fetched_at", "origin"}:
                    self.assertEqual(kept[column], affinity[column], column)

    def test_hidden_columns_can_be_selected(self):
        task_id = self.store("full.json")
        [task] = answer_rows(read_bytes("full.json"), task_id)[0]
        got = rows(self.con, f"SELECT {', '.join(ITEM_HIDDEN)} FROM naver_serp(?)", task_id)
        self.assertEqual(len(got), len(read_json("full.json")["tasks"][0]["result"][0]["items"]))
        want = {c: task[c] for c in ITEM_HIDDEN if c in task}
        want.update(mode="cache", on_error="fail")
        for row in got:
            self.assertEqual(row, want)
        self.assertEqual(
            rows(self.con, "SELECT task_id, mode FROM naver_serp_task(?, 'cache')", task_id),
            [{"task_id": task_id, "mode": "cache"}])

    def test_comparisons_follow_the_affinity(self):
        self.store("odd.json")
        for where, n in (("rank_absolute = '3'", 1), ("rank_absolute = 3", 1), ("cid = 21607745", 1),
                         ("cid = '21607745'", 1), ("page = '9007199254740993'", 1),
                         ("page = 9007199254740992", 0), ("url = 12345", 1), ("type = 7", 1),
                         ("rank_absolute > '9223372036854775806'", 1), ("rating = '4.5'", 1),
                         ("rating = 4.5", 1), ("domain = 0", 1)):
            with self.subTest(where=where):
                for table in ("naver_serp", "naver_serp_items"):
                    self.assertEqual(value(self.con, f"SELECT count(*) FROM {table} WHERE {where}"), n)


class Answers(Case):
    def test_every_column_of_every_answer(self):
        for name in data_files():
            with self.subTest(file=name):
                task_id = self.store(name)
                self.assert_answer(read_bytes(name), task_id)

    def test_states_are_what_the_files_are_named(self):
        for name in data_files():
            if name.startswith("states/") and not re.search("task_post|tasks_ready", name):
                want = re.sub("retry|unknown", "unreachable", name[7:].split("_")[0])
                with self.subTest(file=name):
                    task_id = self.store(name)
                    self.assertEqual(
                        self.con.execute("SELECT id, state FROM naver_serp_task(?)",
                                         (task_id,)).fetchall(), [(task_id, want)])

    def test_the_same_rows_without_an_id_and_with_a_list(self):
        names = ["full.json", "odd.json", "sample.json"]
        tasks = {self.store(name): name for name in names}
        expected = {i: answer_rows(read_bytes(n), i)[1] for i, n in tasks.items()}
        marks = ", ".join("?" * len(tasks))
        for sql, values in ((f"SELECT id, * FROM naver_serp WHERE id IN ({marks})", list(tasks)),
                            ("SELECT id, * FROM naver_serp", [])):
            with self.subTest(sql=sql):
                got = rows(self.con, sql, *values)
                self.assertEqual(len(got), sum(map(len, expected.values())))
                for task_id, want in expected.items():
                    self.assert_rows([r for r in got if r["id"] == task_id], want, ITEM_AFFINITY)

    def test_each_column_alone_is_the_same(self):
        task_id = self.store("odd.json")
        tasks, items = answer_rows(read_bytes("odd.json"), task_id)
        for table, affinity, expected in (("naver_serp", ITEM_AFFINITY, items),
                                          ("naver_serp_task", TASK_AFFINITY, tasks)):
            for column in set(affinity) - {"fetched_at", "origin"}:
                with self.subTest(table=table, column=column):
                    self.assert_rows(rows(self.con, f"SELECT {column} FROM {table}(?)", task_id),
                                     expected, {column: affinity[column]})

    def test_where_an_answer_came_from(self):
        task_id = self.store("sample.json")
        [row] = rows(self.con, "SELECT source, origin, fetched_at FROM naver_serp_task(?)", task_id)
        self.assertEqual((row["source"], row["origin"]), ("store", None))
        self.assertRegex(row["fetched_at"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+00:00$")

    def test_several_results_are_several_tasks_with_their_items(self):
        body = answer(result='[{"keyword":"a","items":[{"title":"1"},{"title":"2"}]},null,"x",'
                             '{"keyword":"b","items":{"title":"3"}},{"keyword":"c","items":null}]')
        task_id = value(self.con, "SELECT naver_serp_import(?)", body)
        self.assert_answer(body, task_id)
        self.assertEqual(
            self.con.execute("SELECT keyword, title FROM naver_serp(?)", (task_id,)).fetchall(),
            [("a", "1"), ("a", "2"), ("b", "3")])
        self.assertEqual(
            self.con.execute("SELECT keyword FROM naver_serp_task(?)", (task_id,)).fetchall(),
            [("a",), ("k",), ("b",), ("c",)])

    def check_request(self, columns):
        """With each of the columns in the result, null in it, and absent from it."""
        data = "{" + ",".join(f'"{name}":"of data"' for name in OF_DATA.values()) + "}"
        for column in columns:
            for own in (f'"{column}":"of result"', f'"{column}":null', '"x":1'):
                body = answer(result='[{"items":[{}],' + own + "}]", data=data)
                with self.subTest(own=own):
                    self.assert_answer(body, value(self.con, "SELECT naver_serp_import(?)", body))

    def test_what_the_result_lacks_comes_from_the_request(self):
        self.check_request(["keyword", "type", "se_domain", "location_code", "language_code"])

    def test_a_result_overrules_the_request_in_device_os_and_tag(self):
        self.check_request(["device", "os", "tag"])

    def test_no_member_of_a_result_is_lost(self):
        names = TASK + ["items", "Keyword", "", "unmapped", "keyword", "spell"]
        members = ",".join(f'"{n}":{i}.0' for i, n in enumerate(names))
        body = answer(result='[{"items":[{}],' + members + "}]")
        self.assert_answer(body, value(self.con, "SELECT naver_serp_import(?)", body))


class Subtype(Case):
    def nests(self, table, column, task_id):
        """For each row: json_object('x', column), read."""
        sql = f"SELECT {column}, json_object('x', {column}) FROM {table}(?)"
        return [(v, member(exact(o), "x")) for v, o in self.con.execute(sql, (task_id,))]

    def check(self, table, columns, expected, task_id):
        for column in columns:
            with self.subTest(column=column):
                for (got, nested), row in zip(self.nests(table, column, task_id), expected):
                    want = row[column]
                    if isinstance(want, Json):
                        self.assertEqual(nested, want.node)
                    elif isinstance(got, str):
                        self.assertEqual(nested, got)

    def test_objects_and_arrays_nest_and_texts_do_not(self):
        for name in ("sample.json", "full.json", "odd.json"):
            task_id = self.store(name)
            tasks, items = answer_rows(read_bytes(name), task_id)
            with self.subTest(file=name):
                self.check("naver_serp", ITEM, items, task_id)
                self.check("naver_serp_task", set(TASK) - {"fetched_at", "origin"}, tasks, task_id)

    def test_in_every_column_any_json_nests_and_text_that_looks_like_json_does_not(self):
        for sample in ('{"a":[1]}', "[1,{}]", "{}", "[]"):
            quoted = '"' + sample.replace('"', '\\"') + '"'
            item = lambda v: "{" + ",".join(f'"{c}":{v}' for c in ITEM[:-1]) + "}"
            result = ('[{"items":[' + item(sample) + "," + item(quoted) + "],"
                      + ",".join(f'"{c}":{sample}' for c in OF_RESULT if c not in OF_DATA) + "}]")
            body = answer(result=result, data='{"keyword":' + quoted + ',"tag":' + sample + "}")
            task_id = value(self.con, "SELECT naver_serp_import(?)", body)
            for column in ITEM[:-1]:
                with self.subTest(sample=sample, column=column):
                    self.assertEqual([n for _, n in self.nests("naver_serp", column, task_id)],
                                     [exact(sample), sample])
            self.check("naver_serp_task", ["keyword", "tag", "spell", "check_url", "pages_count"],
                       answer_rows(body, task_id)[0], task_id)

    def test_hidden_columns_of_the_task_are_text(self):
        body = answer(items="[{}]", data='{"keyword":"[1]","tag":"{}"}')
        task_id = value(self.con, "SELECT naver_serp_import(?)", body)
        for column, text in (("keyword", "[1]"), ("tag", "{}")):
            self.assertEqual(self.nests("naver_serp", column, task_id), [(text, text)])

    def test_path_operators(self):
        self.store("sample.json")
        self.assertEqual(
            value(self.con, "SELECT links ->> '$[0].url' FROM naver_serp WHERE links IS NOT NULL"),
            "https://www.apple.com/kr/iphone/buy/")
        self.assertEqual(value(self.con, "SELECT data ->> 'pingback_url' FROM naver_serp_task"),
                         "https://your-server.com/pingscript?id=$id&tag=$tag")


class Sample(Case):
    """The traps of the documentation's own example, by hand."""

    def setUp(self):
        super().setUp()
        self.id = self.store("sample.json")

    def column(self, name, where="1"):
        return [r[0] for r in self.con.execute(
            f"SELECT {name} FROM naver_serp(?) WHERE {where}", (self.id,))]

    def test_items_count_is_kept_and_not_believed(self):
        self.assertEqual(value(self.con, "SELECT items_count FROM naver_serp_task(?)", self.id), 117)
        self.assertEqual(len(self.column("1")), 8)

    def test_rows_come_in_the_order_of_the_answer(self):
        items = read_json("sample.json")["tasks"][0]["result"][0]["items"]
        ranks = [i["rank_absolute"] for i in items]
        self.assertNotEqual(ranks, sorted(ranks))
        self.assertEqual(ranks.count(2), 3)
        self.assertEqual(self.column("rank_absolute"), ranks)
        self.assertEqual(self.column("type"), [i["type"] for i in items])

    def test_related_searches_are_strings(self):
        [got] = self.con.execute("SELECT json_type(items), json_type(items, '$[0]'), items ->> 0"
                                 " FROM naver_serp WHERE type = 'related_searches'")
        [item] = [i for i in read_json("sample.json")["tasks"][0]["result"][0]["items"]
                  if i["type"] == "related_searches"]
        self.assertEqual(got, ("array", "text", item["items"][0]))
        self.assertIsInstance(item["items"][0], str)

    def test_texts_are_byte_for_byte(self):
        self.assertTrue(self.column("description", "rank_group = 1 AND type = 'organic'")[0]
                        .startswith("세상에서 가장 강력한 개인용 기기"))
        [url] = self.column("url", "type = 'paid' AND url LIKE 'https://adcr%' LIMIT 1")
        self.assertIn("?x=TXP4bCFiwDoPWdTqAdXnF////w==kE1WdFcyC+QcsUgeSJZDncZo2LIfkktrQKKZAM8cjOLF2/rN+AQ", url)
        self.assertRegex(value(self.con, "SELECT check_url FROM naver_serp_task"), "query=iphone&$")

    def test_absent_and_null_are_null(self):
        items = read_json("sample.json")["tasks"][0]["result"][0]["items"]
        for name in ("domain", "cache_url", "rating", "faq", "spell_of_none", "is_paid"):
            if name in ITEM:
                with self.subTest(column=name):
                    got = self.column(name)
                    self.assertEqual([v is None for v in got],
                                     [i.get(name) is None for i in items])
        self.assertEqual(self.column("DISTINCT typeof(is_image)", "is_image IS NOT NULL"), ["integer"])

    def test_zero_and_empty_are_no_null(self):
        self.assertEqual(self.con.execute("SELECT location_code, language_code, se_results_count,"
                                          " spell FROM naver_serp_task").fetchall(), [(0, "", 0, None)])


class Fidelity(Case):
    def test_types_of_values(self):
        for literal, text, integer, none in (
                ("null", None, None, None), ("true", "1", 1, 1), ("false", "0", 0, 0),
                ("7", "7", 7, 7), ("-7", "-7", -7, -7), ("4.0", "4.0", 4, 4.0), ("4.5", "4.5", 4.5, 4.5),
                ("1.2e1", "12.0", 12, 12.0), ("9007199254740993", "9007199254740993",
                                              9007199254740993, 9007199254740993),
                ("9223372036854775808", "9223372036854775808", 2.0**63, "9223372036854775808"),
                ('"12"', "12", 12, "12"), ('"1.50"', "1.50", 1.5, "1.50"), ('"x"', "x", "x", "x"),
                ('""', "", "", ""), ('"007"', "007", 7, "007"), ("[1, 2]", "[1,2]", "[1,2]", "[1,2]"),
                ('{"a" : 1.50}', '{"a":1.50}', '{"a":1.50}', '{"a":1.50}')):
            body = answer(f'[{{"cid":{literal},"page":{literal},"rating":{literal}}}]')
            with self.subTest(literal=literal):
                task_id = value(self.con, "SELECT naver_serp_import(?)", body)
                for table in ("naver_serp", "naver_serp_items"):
                    [got] = self.con.execute(f"SELECT cid, page, rating FROM {table}").fetchall()
                    self.assertEqual([plain(v) for v in got], [plain(v) for v in (text, integer, none)])
                self.assert_answer(body, task_id)


class Unstored(Case):
    """A pending task is no row of the store, and has the same columns all the same."""

    def test_what_the_network_says_has_the_same_affinity(self):
        bodies = {}
        for i, literal in enumerate(("null", "true", "7", "4.0", "1.5", "1e2", "9007199254740993",
                                     "9223372036854775808", '"12"', '" 1.50 "', '"x"', '"[1]"', "[1]", '{"a":1.0}')):
            task_id = f"03020115-1535-0066-0098-{i:012}"
            data = "{" + ",".join(f'"{name}":{literal}' for name in OF_DATA.values()) + "}"
            bodies[task_id] = answer(result="null", task_id=task_id, data=data,
                                     task_members=f'"time":{literal},"result_count":{literal},"path":{literal},'
                                     ).replace(b'"cost":0.0006', b'"cost":' + literal.encode()).replace(
                                         b'20000,"status_message":"Ok.","cost', b'40602,"status_message":"q","cost')
        with Double() as double, mock.patch.dict(os.environ, double.env()):
            for task_id, body in bodies.items():
                double.add(task_id, body)
            con = connect()
            self.addCleanup(con.close)
            for task_id, body in bodies.items():
                [want], _ = answer_rows(body, task_id)
                want.update(source="network", origin=None, fetched_at=None)
                self.assertEqual(want["state"], "pending")
                with self.subTest(cost=member(member(exact(body), "tasks")[0], "cost")):
                    self.assert_rows(rows(con, "SELECT * FROM naver_serp_task(?)", task_id), [want], TASK_AFFINITY)


class Generated(Case):
    """Answers with random members of random JSON types in every column."""
    TEXTS = ["", " ", "0", "12", " 12 ", "1e3", "1.0", "1.5e-2", "+5", ".5", "5.", "0x1f", "1_000",
             "-", "Inf", "NaN", "null", "true", "{}", "[1]", '{"a":1}', "[", "캠핑 의자", "😀", "\u0661",
             "é", "\ud7ff", "\ue000", "\ufeff", "\u2028", "\x7f", "\\", "/", '"', "'", "`", "\n\t\r\b\f",
             "\x01\x1f", "2026-03-02 01:15:00 +00:00", "9223372036854775807", "9223372036854775808",
             "x" * 300]
    NUMBERS = ["0", "-0", "1", "-1", "10", "0.5", "-0.5", "4.0", "4.50", "1e2", "1E+2", "12e-1", "1e22",
               "1e-7", "-0.0", "0e0", "0.1", "123456.789", "2147483648", "9007199254740993",
               "-9007199254740993", "9223372036854775807", "-9223372036854775808",
               "9223372036854775808", "-9223372036854775809", "123456789012345678901234567890",
               "999999999999999", "0.00001", "0.0001", "1e999", "-1e999"]

    def text(self, r):
        if r.random() < 0.2:
            return "".join(chr(r.choice((r.randrange(1, 128), r.randrange(0xa0, 0xd800),
                                         r.randrange(0x10000, 0x1fffe)))) for _ in range(r.randrange(40)))
        return r.choice(self.TEXTS)

    def quoted(self, r, text):
        out = ""
        for c in text:
            if c in '"\\' or c < " ":
                out += {'"': '\\"', "\\": "\\\\", "\n": "\\n"}.get(c) or f"\\u{ord(c):04X}"
            elif r.random() < 0.1:
                units = c.encode("utf-16-be").hex()
                out += "".join("\\u" + units[i:i + 4] for i in range(0, len(units), 4))
            else:
                out += "\\/" if c == "/" and r.random() < 0.5 else c
        return f'"{out}"'

    def json(self, r, depth=0):
        kind = r.randrange(8 if depth < 4 else 5)
        space = r.choice(("", "", " ", "\n  "))
        if kind == 0:
            return r.choice(("null", "true", "false"))
        if kind == 1:
            return r.choice((str(r.randrange(-9999, 99999)), str(round(r.uniform(-999, 999), 2))))
        if kind == 2:
            return r.choice(self.NUMBERS)
        if kind < 5:
            return self.quoted(r, self.text(r))
        if kind < 7:
            return ("[" + space + ("," + space).join(
                self.json(r, depth + 1) for _ in range(r.randrange(4))) + space + "]")
        return self.members(r, [self.text(r) for _ in range(r.randrange(4))], depth + 1)

    def members(self, r, names, depth=0):
        space = r.choice(("", "", " ", "\n  "))
        return ("{" + space + ("," + space).join(
            self.quoted(r, n) + ":" + space + self.json(r, depth) for n in names) + space + "}")

    def item(self, r):
        if r.random() < 0.05:
            return self.json(r)
        names = r.sample(ITEM[:-1], r.randrange(len(ITEM)))
        for extra in ("unmapped", "Type", "", "checks", self.text(r), r.choice(ITEM)):
            if r.random() < 0.15:
                names.insert(r.randrange(len(names) + 1), extra)
        return self.members(r, names)

    def body(self, r, n, task_id):
        items = "[" + ",".join(self.item(r) for _ in range(n)) + "]"
        names = [c for c in OF_RESULT if c not in ("device", "os", "tag") and r.random() < 0.7]
        result = self.members(r, names + ["more"])[:-1] + ',"items":' + items + "}"
        data = self.members(r, [n for n in OF_DATA.values() if r.random() < 0.7] + ["api"])
        return answer(result=f"[{result}]", data=data, task_id=task_id,
                      task_members='"time":' + self.json(r) + ',"path":' + self.json(r) + ",")

    def test_random_answers(self):
        for seed, encoding in enumerate(("UTF-8", "UTF-16le", "UTF-16be")):
            r = random.Random(seed)
            self.con.close()
            self.con = connect(encoding=f"'{encoding}'")
            self.con.execute("SELECT naver_serp_config('mode', 'cache')")
            for i in range(10):
                task_id = f"03020115-1535-0066-00{seed:02}-{i:012}"
                body = self.body(r, 100, task_id)
                with self.subTest(encoding=encoding, answer=i):
                    if i % 3:
                        value(self.con, "SELECT naver_serp_import(?)", body if i % 3 == 1 else body.decode())
                    else:
                        insert_body(self.con, task_id, body if i % 2 else body.decode())
                    self.assert_answer(body, task_id)


if __name__ == "__main__":
    unittest.main()
