"""The views and analyses of sql/, in the stock shell on files that know no extension.

The answers are put in through the extension, then read without it. What a script prints is
compared with test/expected/<name>.txt; the figures there follow from the data below.
"""
import json
import os
import pathlib
import sqlite3
import subprocess
import tempfile
import unittest

import support

EXPECTED = pathlib.Path(__file__).resolve().parent / "expected"
READERS = ("rank_history", "movers", "share_of_voice", "features", "neighbours",
           "cannibalisation", "dropped_pages")
ID = "03150115-1535-0066-0000-%012d"
MESSAGES = {20000: "Ok.", 40101: "Internal SE Server Error.", 40102: "No Search Results.",
            40403: "Results Expired.", 40602: "Task In Queue."}


def organic(rank, url, title=None, description=None, **members):
    """An organic result; its domain is that of the URL."""
    return {"type": "organic", "rank_group": 1, "rank_absolute": rank, "domain": url.split("/")[2],
            "title": title, "description": description, "url": url, **members}


def blog(rank, path, **members):
    return organic(rank, "https://blog.example.com/" + path, **members)


def shop(rank, path, **members):
    return organic(rank, "https://shop.example.kr/" + path, **members)


def news(rank, path, **members):
    return organic(rank, "https://news.example.co.kr/" + path, **members)


def result(keyword, date, items):
    """A result of one keyword; a date without an hour is one at 09:00 UTC."""
    moment = date if date is None or " " in date else date + " 09:00:00"
    return {"keyword": keyword, "type": "organic", "se_domain": "search.naver.com",
            "datetime": moment and moment + " +00:00", "items": items}


class Store:
    """A store that is filled through the extension and read without it."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "serp.db")
        self.count = 0

    def add(self, keyword, date, items, code=20000, device="desktop", depth=None, fetched=None,
            results=None):
        """An answer, put in by hand; without items, one that has no result."""
        self.count += 1
        data = {"api": "serp", "function": "task_get", "se": "naver", "se_type": "organic",
                "keyword": keyword, **({"device": device} if device else {}),
                **({"depth": depth} if depth else {})}
        if items is not None:
            results = [result(keyword, date, items)]
        task = {"id": ID % self.count, "status_code": code, "status_message": MESSAGES[code],
                "cost": 0, "data": data, "result": results}
        body = json.dumps({"status_code": 20000, "status_message": "Ok.", "tasks": [task]},
                          ensure_ascii=False)
        con = support.connect(self.path)
        support.insert_body(con, task["id"], body)
        if fetched:
            con.execute("UPDATE naver_serp_cache SET fetched_at = ? WHERE id = ?",
                        (fetched + " 10:00:00 +00:00", task["id"]))
        con.close()
        return task["id"]

    def parse(self):
        """Parses what nothing has parsed yet, as any query through naver_serp does."""
        con = support.connect(self.path)
        con.execute("SELECT count(*) FROM naver_serp_task").fetchone()
        con.close()

    def sql(self, sql):
        """Rows, by a connection without the extension."""
        con = sqlite3.connect(self.path, isolation_level=None)
        rows = con.execute(sql).fetchall()
        con.close()
        return rows

    def shell(self, *commands, stdin=None, options=()):
        """What the stock shell prints for the commands, or for a script on standard input."""
        done = subprocess.run(
            [support.SHELL, "-batch", "-init", os.devnull, *options, self.path, *commands],
            input=stdin, capture_output=True, text=True, cwd=support.ROOT, timeout=60)
        return done.stdout, done.stderr, done.returncode

    def analysis(self, name, **parameters):
        """What sql/<name>.sql prints with these parameters, as the shell takes them."""
        out, err, code = self.shell(*(f".param set :{k} {v}" for k, v in parameters.items()),
                                    f".read sql/{name}.sql")
        if err or code:
            raise AssertionError(err)
        return out


class Analyses(unittest.TestCase):
    """Subclasses fill one store; the tests read it."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.store = Store(folder.name)
        cls.fill(cls.store)
        cls.store.parse()

    def expect(self, name, printed):
        """Compares with test/expected/<name>.txt."""
        self.maxDiff = None
        self.assertEqual(printed, (EXPECTED / (name + ".txt")).read_text(encoding="utf-8"))


class Views(Analyses):
    """Every view, on the sample answers with all that is documented and all that is odd."""

    @classmethod
    def fill(cls, store):
        con = support.connect(store.path)
        support.import_file(con, "full.json")
        support.import_file(con, "odd.json")
        con.execute("UPDATE naver_serp_cache SET fetched_at = '2026-03-05 23:59:59 +00:00'")
        con.close()
        # Text where lists are documented, and among the objects in them.
        store.add("글 사이", "2026-03-06", [
            organic(1, "https://a.example.kr/", title="글", rating="별 다섯", links="글", faq="글",
                    extended_people_also_search="글"),
            organic(2, "https://b.example.kr/", links=["글", None, {"title": "링크 x"}],
                    faq={"items": ["글", {"title": "물음 x", "links": ["글", {"title": "답 x"}]}]},
                    extended_people_also_search=["글", {"title": "글 x"}, None]),
            {"type": "video", "rank_absolute": 3, "items": ["글", 7, {"title": "영상 x"}]},
            {"type": "images", "rank_absolute": 4, "items": ["글", {"alt": "그림 x"}]},
            {"type": "related_searches", "rank_absolute": 5, "items": "글"}])
        store.parse()
        out, err, _ = store.shell(stdin=(support.ROOT / "sql" / "views.sql").read_text())
        assert (out, err) == ("", ""), err

    def test_each_view(self):
        """Nested lists are rows with keyword, date and rank; odd shapes lose no other row."""
        columns = {
            "organic": "domain, title, rating, rating_max, votes, published",
            "paid": "domain, title, ad_aclk, description_rows",
            "local_pack": "title, phone, cid, is_paid, rating, votes",
            "map": "title, position",
            "sitelinks": "type, domain, place, title, url, description, ad_aclk",
            "faq": "domain, place, question, answer",
            "faq_links": "place, question, link_place, title, url",
            "also_searched": "domain, place, query",
            "videos": "place, source, title, published, url",
            "images": "place, alt, url",
            "related_searches": "place, query",
        }
        printed = ""
        for view, names in columns.items():
            out, err, _ = self.store.shell(
                ".nullvalue NULL", ".mode list",
                f"SELECT keyword, date, device, rank, {names} FROM naver_serp_{view}"
                f" ORDER BY item, {names};")
            self.assertEqual(err, "", view)
            printed += f"{view}: {names}\n{out}"
        self.expect("views", printed)

    def test_every_element_is_there_once(self):
        count = "SELECT count(*), count(DISTINCT item) FROM naver_serp_elements"
        self.assertEqual(self.store.sql(count), [(32, 32)])

    def test_they_can_be_read_again(self):
        """Reading views.sql twice changes nothing, not even an open transaction."""
        schema = "SELECT name, sql FROM sqlite_schema ORDER BY name"
        before = self.store.sql(schema)
        for commands in ([".read sql/views.sql"],
                         ["BEGIN; CREATE TABLE passing(a);", ".read sql/views.sql", "ROLLBACK;"]):
            self.assertEqual(self.store.shell(*commands), ("", "", 0))
            self.assertEqual(self.store.sql(schema), before)

    def test_no_view_reaches_the_extension(self):
        """They name the stored tables alone, so any connection can read them all."""
        for name, in self.store.sql("SELECT name FROM sqlite_schema WHERE type = 'view'"):
            with self.subTest(name):
                self.store.sql(f"SELECT * FROM {name}")
        self.assertEqual(self.store.sql("SELECT count(*) FROM sqlite_schema WHERE type = 'view'"),
                         [(12,)])

    def test_plans(self):
        """A domain's and a keyword's results are found without reading those of others."""
        of_a_task = "SEARCH i USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
        for condition, search in (
                ("domain = 'x'", "SEARCH i USING INDEX naver_serp_items_domain (domain=?)"),
                ("keyword = 'x'", of_a_task), ("id = 'x'", of_a_task)):
            with self.subTest(condition):
                plan = [row[3] for row in self.store.sql(
                    f"EXPLAIN QUERY PLAN SELECT * FROM naver_serp_organic WHERE {condition}")]
                self.assertIn(search, plan)
                self.assertEqual([step for step in plan if step.startswith("SCAN")], [])


class Unparsed(Analyses):
    """Bodies that nothing has parsed."""

    @classmethod
    def fill(cls, store):
        store.add("캠핑", "2026-03-01", [blog(1, "a")])
        store.shell(".read sql/views.sql")

    def test_they_come_with_the_next_query(self):
        self.store.parse()
        self.store.add("텐트", "2026-03-01", [blog(1, "b")])
        keywords = "SELECT keyword FROM naver_serp_organic ORDER BY keyword"
        self.assertEqual(self.store.sql(keywords), [("캠핑",)])
        self.store.parse()
        self.assertEqual(self.store.sql(keywords), [("캠핑",), ("텐트",)])


if __name__ == "__main__":
    unittest.main()
