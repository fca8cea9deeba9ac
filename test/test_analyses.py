"""The views and analyses of sql/, in the stock shell on files that know no extension.

The answers are put in through the extension, then read without it. What a script prints is
compared with test/expected/<name>.txt; the figures there follow from the data below.
"""
import json
import os
import pathlib
import re
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

    def test_analyses_say_that_there_are_some(self):
        notice = "answers not read yet: load naver_serp"
        self.store.parse()
        self.assertNotIn(notice, self.store.analysis("movers"))
        self.store.add("의자", "2026-03-01", [blog(1, "c")])
        for name in READERS:
            self.assertRegex(self.store.analysis(name), notice + r"[^\n]*\n.*\n│ 1 ")
        self.store.sql("DELETE FROM naver_serp_cache WHERE parsed = 0")


class Tracking(Analyses):
    """Some keywords over three dates; blog.example.com is mine."""

    @classmethod
    def fill(cls, store):
        # A morning's answer, of which the later one of that day takes the place.
        store.add("캠핑 의자", "2026-03-01 01:00:00", [blog(9, "old"), news(1, "old")])
        store.add("캠핑 의자", "2026-03-01", [
            shop(1, "a"), blog(3, "chair"), blog(5, "chair2"),
            organic(8, "http://www.blog.example.com/chair/")])
        store.add("캠핑 의자", "2026-03-08", [
            blog(1, "chair"), shop(2, "a"), news(4, "n1", title="캠핑 소식")])
        store.add("캠핑 의자", "2026-03-15", [
            shop(1, "a"), blog(2, "chair2"), blog(9, "chair"),
            blog(3, "ad", type="paid"), blog(4, "place", type="local_pack")])
        # On mobile one of three tasks failed; its answer has no datetime, only a day of fetching.
        mobile = "https://m.blog.example.com/chair"
        store.add("캠핑 의자", "2026-03-01", [
            organic(2, mobile), organic(5, "https://example.com/")], device="mobile")
        store.add("캠핑 의자", None, None, code=40101, device="mobile", fetched="2026-03-08")
        store.add("캠핑 의자", "2026-03-15", [
            organic(7, mobile), organic(4, "https://www.example.com")], device="mobile")
        # Not compared on the 15th: pending, gone, no task at all; only there on the 15th.
        store.add("텐트 추천", "2026-03-01", [blog(4, "tent")])
        store.add("텐트 추천", "2026-03-08", [news(1, "n2"), blog(4, "tent"), shop(6, "tent")])
        store.add("텐트 추천", None, None, code=40602, fetched="2026-03-15")
        store.add("만료", "2026-03-08", [blog(5, "d")])
        store.add("만료", None, None, code=40403, fetched="2026-03-15")
        store.add("사라진 작업", "2026-03-08", [blog(2, "h")])
        store.add("새 키워드", "2026-03-15", [blog(1, "new")])
        store.add("새 키워드", None, None, code=40101, device="mobile", fetched="2026-03-08")
        # Ranked nowhere: an answer that says so.
        store.add("iphone 케이스", "2026-03-08", [shop(3, "a"), blog(10, "case")])
        store.add("iphone 케이스", None, None, code=40102, fetched="2026-03-15")
        # Asked for less, and for more, than the time before.
        store.add("랜턴", "2026-03-08", [
            news(2, "n1", title="캠핑 소식"), shop(3, "lamp"), blog(20, "lamp")], depth=30)
        store.add("랜턴", "2026-03-15", [organic(3, "https://Shop.Example.KR/lamp")], depth=15)
        store.add("깊은 검색", "2026-03-08", [news(1, "n3")])
        store.add("깊은 검색", "2026-03-15", [
            news(1, "n3"), shop(5, "deep"), blog(50, "deep")], depth=100)
        # Ranked, at no known rank.
        store.add("무순위", "2026-03-08", [blog(None, "x")])
        store.add("무순위", "2026-03-15", [shop(2, "f"), blog(6, "x")])
        # More than 30 days before.
        store.add("옛 키워드", "2026-01-10", [blog(1, "past"), shop(4, "past")])

    def test_rank_history(self):
        """By keyword and device over dates; a domain in capitals and with www. is the same."""
        self.expect("rank_history", self.store.analysis(
            "rank_history", domain="WWW.Blog.Example.COM"))

    def test_rank_history_of_a_folder(self):
        """Only what is below the folder, on desktop, on the dates asked for."""
        self.expect("rank_history_folder", self.store.analysis(
            "rank_history", domain="https://blog.example.com/chair/", device="Desktop",
            **{"from": 20260305}))

    def test_what_no_parameter_can_be_is_said(self):
        """It would give an empty list, as if nobody ranked."""
        for name, value, message in (
                ("device", "phone", ":device is desktop or mobile"),
                ("limit", "abc", "write :limit as a number")):
            with self.subTest(name):
                _, err, code = self.store.shell(f".param set :{name} {value}",
                                                ".read sql/share_of_voice.sql")
                self.assertEqual(code, 1)
                self.assertIn(message, err)

    def test_rank_history_of_nobody_in_particular(self):
        """Without a domain it is that of the site with most results on the newest date."""
        self.assertIn("│ blog.example.com │ 10       │", self.store.analysis("rank_history"))

    def test_movers(self):
        """Pending, failed, gone and missing tasks lose nobody a rank; an empty answer does."""
        script = (support.ROOT / "sql" / "movers.sql").read_text(encoding="utf-8")
        out, err, code = self.store.shell(stdin=script)
        self.assertEqual((err, code), ("", 0))
        self.expect("movers", out)

    def test_movers_of_a_domain(self):
        self.expect("movers_domain", self.store.analysis(
            "movers", domain="*.example.com", **{"from": "\"'2026-03-01'\"", "to": 20260315}))

    def test_share_of_voice(self):
        """Each result weighs 1/rank, of each keyword's and device's last answer."""
        self.expect("share_of_voice", self.store.analysis("share_of_voice"))

    def test_share_of_voice_at_a_date(self):
        self.expect("share_of_voice_date", self.store.analysis(
            "share_of_voice", to=20260310, keyword="'캠핑*'"))

    def test_neighbours(self):
        self.expect("neighbours", self.store.analysis("neighbours", domain="blog.example.com"))

    def test_cannibalisation(self):
        self.expect("cannibalisation", self.store.analysis(
            "cannibalisation", domain="blog.example.com"))

    def test_cannibalisation_of_a_page_listed_twice(self):
        """http, www. and a slash at the end make no other page."""
        self.expect("cannibalisation_date", self.store.analysis(
            "cannibalisation", domain="blog.example.com", to=20260301))

    def test_dropped_pages(self):
        self.expect("dropped_pages", self.store.analysis("dropped_pages"))

    def test_dropped_pages_of_a_domain(self):
        out = self.store.analysis("dropped_pages", domain="blog.example.com")
        self.assertIn("blog.example.com/case", out)
        self.assertNotIn("news.example", out)

    def test_a_file_that_may_not_be_written(self):
        """Nothing but search.sql writes; what they make is theirs until the shell ends."""
        for name in READERS:
            with self.subTest(name):
                script = f".read sql/{name}.sql"
                twice, err, code = self.store.shell(script, script, options=("-readonly",))
                self.assertEqual((err, code), ("", 0))
                self.assertEqual(twice, 2 * self.store.analysis(name))

    def test_dates_that_are_none(self):
        """The shell makes 2022 of 2026-03-01: refused, not taken for a date without data."""
        for value, word in (("2026-03-01", "write :from as 20260301"),
                            ("yesterday", "write :from as 20260301"),
                            ("20260231", "write :from as 20260301"),
                            ("20260316", ":from is before :to")):
            with self.subTest(value):
                out, err, code = self.store.shell(
                    f".param set :from {value}", ".param set :to 20260315", ".read sql/movers.sql")
                self.assertEqual((out, code), ("", 1))
                self.assertIn(word, err)

    def test_plans(self):
        """A domain's results are found by its index, two dates' by the ranges of their tasks."""
        plan = self.store.shell(".param set :domain x", ".read sql/common.sql",
                                "EXPLAIN QUERY PLAN SELECT * FROM mine;")[0]
        self.assertIn("SEARCH i USING INDEX naver_serp_items_domain (domain=?)", plan)
        self.assertIn("SEARCH d USING INDEX daily_task (task=?)", plan)
        plan = self.store.shell(".read sql/common.sql",
                                "EXPLAIN QUERY PLAN SELECT * FROM organic;")[0]
        self.assertIn("SEARCH i USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", plan)


class Features(Analyses):
    """Two keywords, two dates."""

    @classmethod
    def fill(cls, store):
        links = [{"type": "link_element", "title": "구입", "url": "https://shop.example.kr/buy"}]
        store.add("아이폰", "2026-03-01", [
            organic(1, "https://a.example.kr/", links=links, rating={"value": 4.5}),
            organic(3, "https://b.example.kr/", links=[], rating=None),
            {"type": "paid", "rank_absolute": 2, "links": links}])
        store.add("아이폰", "2026-03-02", [
            {"type": "images", "rank_absolute": 3, "items": []}, {"type": "knowledge_graph"},
            {"title": "no type", "rank_absolute": 9},
            organic(1, "https://a.example.kr/", is_featured_snippet=True)])
        store.add("떡볶이", None, None, code=40102, fetched="2026-03-01")
        store.add("떡볶이", "2026-03-02", [
            organic(4, "https://a.example.kr/", faq={"type": "faq_box", "items": []}),
            organic(2, "https://c.example.kr/")])
        store.add("떡볶이", None, None, code=40101, fetched="2026-03-03")

    def test_features(self):
        """Shares of the answers of a date, empty ones too, failed ones not; new and gone."""
        self.expect("features", self.store.analysis("features"))

    def test_features_of_some_dates(self):
        out = self.store.analysis("features", to=20260301)
        self.assertIn("features = no results\n     new = \n", out)
        self.assertIn("features = organic 2 @1, organic + rating 1 @1, organic + sitelinks 1 @1, "
                      "paid 1 @2, paid + sitelinks 1 @2\n     new = \n", out)
        self.assertNotIn("2026-03-02", out)


class Choice(Analyses):
    """Which answers count."""

    @classmethod
    def fill(cls, store):
        both = [result("두 결과", "2026-03-01", [blog(4, "one")]),
                result("두 결과", "2026-03-01", [blog(2, "two")])]
        store.add("두 결과", None, None, results=both)
        store.add("시간 없음", None, [blog(1, "a")], fetched="2026-03-02")
        store.add("기기 없음", "2026-03-01", [blog(1, "a")], device=None)
        store.add("기기 없음", "2026-03-02", [blog(2, "a")], device=None)
        store.add("[깨진* 키워드", "2026-03-01", [blog(3, "a")])
        store.add("많은 결과", "2026-03-01", [shop(rank, str(rank)) for rank in range(1, 16)])
        store.add("하루", "2026-03-01 01:00:00", [blog(1, "a")])
        store.add("하루", "2026-03-01 22:00:00", [blog(8, "b")])
        store.add("하루", "2026-03-01 12:00:00", [blog(1, "c")])

    def best(self, *commands):
        out, err, _ = self.store.shell(
            *commands, ".read sql/common.sql", ".mode list", ".headers off",
            "SELECT keyword, device, date, group_concat(rank) FROM mine GROUP BY 1, 2, 3;")
        self.assertEqual(err, "")
        return out.splitlines()

    def test_what_counts(self):
        """All results of the day's last answer; without a datetime, by the day of fetching.

        Without :domain, they are those of the site with most results on the newest date."""
        self.assertEqual(sorted(self.best()), sorted([
            "두 결과|desktop|2026-03-01|4,2", "시간 없음|desktop|2026-03-02|1", "기기 없음||2026-03-01|1",
            "기기 없음||2026-03-02|2", "[깨진* 키워드|desktop|2026-03-01|3", "하루|desktop|2026-03-01|8"]))

    def test_a_keyword_that_looks_like_a_pattern(self):
        self.assertEqual(self.best(".param set :keyword '[깨진* 키워드'"),
                         ["[깨진* 키워드|desktop|2026-03-01|3"])

    def test_without_a_device(self):
        """Tasks that name no device are compared among themselves."""
        out = self.store.analysis("movers", keyword="'기기*'")
        self.assertRegex(out, r"│ down +│ 1 +│ 2 +│ -1 +│ -0.50 +│ +│ blog.example.com │ 기기 없음")


class Search(unittest.TestCase):
    """Full-text search, and its index as answers come and go."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.store = Store(folder.name)
        self.first = self.store.add("캠핑", "2026-03-01", [
            blog(1, "chair", title="캠핑의자를 고르는 법", description="가볍고 튼튼한 제품을 " + "차례로 " * 30),
            blog(2, "case", title="iPhone 케이스", description="IPHONE 12 용\n책 모양 케이스"),
            blog(3, "desk", title="책상과 의자"),
            shop(4, "nothing"),
            blog(5, "sale", title="행사", description='"할인" 50% AND 무료')])
        self.store.add("의자", "2026-03-02", [blog(7, "chair", title="캠핑의자를 고르는 법 (2026)")])
        self.store.parse()

    def urls(self, words):
        out = self.store.analysis("search", words=f"'{words}'")
        return [line.split("/")[-1] for line in out.splitlines() if line.startswith("      url = ")]

    def test_no_escape_reaches_the_terminal(self):
        hostile = "\x1b[2J의자를\x9b2J"
        url = "https://x.example/" + hostile
        task = self.store.add("escape", "2026-03-03", [organic(9, url, title=hostile, description=hostile)])
        self.store.parse()
        out = self.store.analysis("search", words="'2J의자를'")
        self.assertEqual(out.count("␛[2J의자를␛2J"), 3)
        self.assertNotRegex(out, "[\x1b\x9b]")
        self.store.sql("DELETE FROM naver_serp_cache WHERE id = '%s'" % task)

    def test_a_locked_file_leaves_nothing_open(self):
        """What is inserted in the same session is not lost with a transaction of the script's."""
        con = sqlite3.connect(self.store.path, isolation_level=None)
        con.execute("BEGIN IMMEDIATE")
        out, err, code = self.store.shell(options=("-interactive",), stdin=".read sql/search.sql\nBEGIN;\nSELECT 'went on';\n")
        con.close()
        self.assertIn("went on", out)
        self.assertIn("database is locked", err)
        self.assertNotIn("within a transaction", err)

    def test_output(self):
        """The page once, with its newest title, and how often it was found."""
        self.maxDiff = None
        self.assertEqual(self.store.analysis("search", words="의자를"),
                         (EXPECTED / "search.txt").read_text(encoding="utf-8"))

    def test_words(self):
        """Within words, in both columns, all of them, in any case; short ones by instr()."""
        for words, found in (
                ("캠핑의자", ["chair"]), ("의자", ["chair", "desk"]), ("책", ["case", "desk"]),
                ("의자 책", ["desk"]), ("튼튼한 법", ["chair"]), ("의자\u3000책", ["desk"]),
                ("iphone", ["case"]), ("모양 iPHONE", ["case"]), ("ip", ["case"]),
                ("IP", ["case"]), ("튼튼한 케이스", []), ('할"인', []),
                ("텐트", []), ("텐트를", []), ("책 텐트를", []), ("고르는 법을", []),
                ('"할인"', ["sale"]), ("50%", ["sale"]), ("AND", ["sale"]), ("%", ["sale"]),
                ("*", [])):
            with self.subTest(words):
                self.assertEqual(sorted(self.urls(words)), found)

    def test_without_words(self):
        """The keyword of the newest answer."""
        self.assertIn("│ 의자    │ 3", self.store.analysis("search"))

    def test_limit(self):
        out = self.store.analysis("search", words="의자", limit=1)
        self.assertEqual(out.count("url = "), 1)

    def test_the_index_follows_the_store(self):
        """New answers are added, replaced and deleted ones taken out, others left alone."""
        self.assertEqual(self.urls("튼튼한"), ["chair"])
        self.store.add("새로", "2026-03-03", [blog(1, "new", title="튼튼한 새 의자")])
        self.store.parse()
        self.assertEqual(sorted(self.urls("튼튼한")), ["chair", "new"])
        kept = ("SELECT task, stamp FROM naver_serp_text_tasks WHERE task NOT IN "
                f"(SELECT task FROM naver_serp_tasks WHERE id = '{self.first}')")
        before = self.store.sql(kept)
        self.assertEqual(len(before), 2)
        con = support.connect(self.store.path)
        body = support.value(con, "SELECT body FROM naver_serp_cache WHERE id = ?", self.first)
        con.execute("INSERT OR REPLACE INTO naver_serp_cache(id, body) VALUES (?, ?)",
                    (self.first, body.replace("튼튼한", "약한")))
        con.execute("SELECT count(*) FROM naver_serp_task").fetchone()
        con.close()
        self.assertEqual(self.urls("튼튼한"), ["new"])
        self.assertEqual(self.urls("약한"), ["chair"])
        self.assertEqual(self.store.sql(kept), before)
        self.store.sql(f"DELETE FROM naver_serp_cache WHERE id = '{self.first}'")
        self.assertEqual(self.urls("약한"), [])
        self.assertEqual(sorted(self.urls("의자")), ["chair", "new"])
        self.store.sql("INSERT INTO naver_serp_text(naver_serp_text) VALUES ('integrity-check')")
        self.assertEqual(self.store.sql("SELECT count(*) FROM naver_serp_text"), [(2,)])

    def test_a_task_number_used_again(self):
        """A deleted answer's number may be that of another answer afterwards."""
        self.urls("의자")
        last = "SELECT max(task) FROM naver_serp_tasks"
        number = self.store.sql(last)
        self.store.sql("DELETE FROM naver_serp_cache WHERE id = (SELECT id FROM naver_serp_tasks "
                       "ORDER BY task DESC LIMIT 1)")
        self.store.add("다른", "2026-03-04", [blog(1, "other", title="다른 이야기")])
        self.store.parse()
        self.assertEqual(self.store.sql(last), number)
        self.assertEqual(self.urls("이야기"), ["other"])
        self.assertEqual(self.urls("2026"), [])


class Nothing(unittest.TestCase):
    def test_a_store_without_answers(self):
        """The scripts say so in their own way, and not by failing."""
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder)
            self.assertEqual(store.shell(".read sql/store.sql")[1], "")
            for name in (*READERS, "search"):
                with self.subTest(name):
                    self.assertNotIn("example", store.analysis(name))

    def test_one_error_says_what_is_wrong(self):
        """Another file than the store; another folder than that of sql/; a file to read only."""
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder)
            for name in READERS:
                script = support.ROOT / "sql" / (name + ".sql")
                for here, word in ((support.ROOT, "no answers are stored in this file: is its name right?"),
                                   (folder, 'cannot open "sql/common.sql"')):
                    with self.subTest(name, folder=here):
                        done = subprocess.run([support.SHELL, "-batch", "-init", os.devnull, store.path],
                                              stdin=script.open(), capture_output=True, text=True, cwd=here,
                                              timeout=60)
                        self.assertEqual((done.stdout, done.returncode), ("", 1))
                        self.assertRegex(done.stderr, r"\A[^\n]*%s[^\n]*\n\Z" % re.escape(word))
            store.shell(".read sql/store.sql")
            out, err, code = store.shell(".read sql/views.sql", options=("-readonly",))
            self.assertEqual((out, code, err.count("\n")), ("", 1, 1))


if __name__ == "__main__":
    unittest.main()
