"""sql/report.sql: what its page says, without the extension, and as a real browser shows it.

The tests of class Shown need Chromium and its driver (test/deps.sh browser), and are skipped
where there are none.
"""
import base64
import hashlib
import html
import html.parser
import json
import os
import re
import shutil
import socketserver
import subprocess
import tempfile
import threading
import unittest
import urllib.request

import support

DOMAIN = "www.chair.example"
SITE = "chair.example"
CSP = re.compile(r'<meta http-equiv="Content-Security-Policy".*?>', re.S)
DAYS = ["2025-12-29", "2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26"]
FAILED, UNASKED, ABSENT = "failed", None, 0
HOSTILE = "<b onmouseover=alert(1)>의자</b> & \"따옴표\" 'x' ]]> &lt;"
LONG = "아주 긴 검색어 " * 8
# The domain's rank on each of DAYS. ABSENT: the answer is without it.
RANKS = {
    "캠핑 의자": [3, 2, 1, 2, 1],
    HOSTILE: [5, UNASKED, 4, 4, 6],
    "iphone": [2, 3, ABSENT, ABSENT, 7],
    "텐트": [4, 4, 4, 4, ABSENT],
    "랜턴": [8, 8, 8, 8, FAILED],
    "침낭": [9, 9, 9, 9, 9],
    LONG: [15, 15, 15, ABSENT, 15],
    "남의 것": [ABSENT] * 5,
    "실패만": [UNASKED, UNASKED, UNASKED, UNASKED, FAILED],
}


class Store:
    """A database file that is filled through the extension, and its report."""

    def __init__(self, case):
        self.folder = tempfile.TemporaryDirectory()
        case.addClassCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "serp.db")
        self.tasks = 0

    def answer(self, con, keyword, at, items, device="mobile", state="ready"):
        """Imports one answer with these items; returns its id."""
        self.tasks += 1
        task = {"id": "03020115-1535-0066-0000-%012d" % self.tasks, "status_code": 20000,
                "data": {"keyword": keyword, "device": device},
                "result": [{"keyword": keyword, "type": "organic", "datetime": at, "items": items}]}
        if state == "failed":
            task.update(status_code=40101, result=None)
        con.execute("SELECT naver_serp_import(?)",
                    (json.dumps({"status_code": 20000, "tasks": [task]}),))
        return task["id"]

    def report(self, domain=None, device=None, script=None, args=(), **days):
        """The page, as the stock shell writes it."""
        for name, value in days.items():
            args = (*args, "-cmd", ".param set :%s %s" % (name.strip("_"), value))
        for name, value in ((":domain", domain), (":device", device)):
            if value is not None:
                quoted = "'%s'" % value.replace("'", "''")
                quoted = quoted.replace("\\", "\\\\").replace('"', '\\"')
                args = (*args, "-cmd", '.param set %s "%s"' % (name, quoted))
        if script is None:
            script = (support.ROOT / "sql" / "report.sql").read_text(encoding="utf-8")
        run = subprocess.run([support.SHELL, "-init", os.devnull, *args, self.path],
                             input=script.encode(), capture_output=True, timeout=60, check=False)
        if run.returncode or run.stderr:
            raise AssertionError("%d %s" % (run.returncode, run.stderr.decode()))
        return run.stdout.decode()


def organic(rank, domain, title="제목", url=None):
    return {"type": "organic", "rank_group": rank, "rank_absolute": rank, "domain": domain,
            "title": title, "url": url or "https://%s/p/%d" % (domain, rank)}


def page_items(rank, title="제목", url=None):
    """Ten results of others, an advertisement, and the domain's result, twice."""
    items = [organic(n, "other%d.example" % n) for n in range(1, 11) if n != rank]
    if rank:
        items += [organic(rank + 20, DOMAIN), organic(rank, DOMAIN, title, url)]
    return items + [{"type": "paid", "rank_absolute": 1, "domain": DOMAIN}]


def fill(store, title="제목", url=None, other="<i>other</i>.example"):
    """The store of RANKS; a result of another domain, a type and a device are hostile too."""
    con = support.connect(store.path)
    con.executescript((support.ROOT / "sql" / "store.sql").read_text(encoding="utf-8"))
    for keyword, ranks in RANKS.items():
        for day, rank in zip(DAYS, ranks):
            if rank == FAILED:
                # It was posted on that day: even so it is no answer.
                failed = store.answer(con, keyword, None, None, state="failed")
                con.execute("INSERT INTO naver_serp_posts(id, posted_at) VALUES (?, ?)",
                            (failed, day + " 09:00:00 +00:00"))
            elif rank is not UNASKED:
                items = page_items(rank, title, url)
                if day != DAYS[1]:
                    items += [organic(2, other), {"type": "local_pack", "rank_absolute": 3},
                              {"type": "x<script>document.title='pwned'</script>"}]
                store.answer(con, keyword, day + " 09:00:00 +00:00", items)
    # Older answers of the same days, stored later; and another device.
    store.answer(con, "캠핑 의자", DAYS[4] + " 08:59:59 +00:00", page_items(10))
    store.answer(con, "침낭", DAYS[4] + " 00:00:00 +00:00", [])
    for day in DAYS:
        store.answer(con, "캠핑 의자", day + " 10:00:00 +00:00", page_items(6), device="desktop")
    store.answer(con, "x", DAYS[4] + " 10:00:00 +00:00", [], device='"><img src=x>')
    con.execute("INSERT INTO naver_serp_posts(keyword, id) VALUES ('a', 'id 1'), ('b', 'id 2')")
    con.execute("INSERT INTO naver_serp_cache(id, body) VALUES ('by hand', '{}')")
    con.close()


ANSWERS = """
  SELECT task, first_item, last_item, keyword, date(datetime) AS day FROM naver_serp_tasks AS t
   WHERE device = :device AND datetime = (
     SELECT max(datetime) FROM naver_serp_tasks AS u
      WHERE u.keyword = t.keyword AND u.device = t.device AND date(u.datetime) = date(t.datetime))
"""


def query(store, sql, **values):
    """Rows of plain SQL, without the extension, over the answers that count."""
    con = support.sqlite3.connect(store.path)
    try:
        return con.execute("WITH a AS (%s) %s" % (ANSWERS, sql),
                           {"device": "mobile", "domain": DOMAIN, **values}).fetchall()
    finally:
        con.close()


def ranks(store, **values):
    """{keyword: {day: rank, None where the answer is without the domain}}."""
    found = {}
    for keyword, day, rank in query(store, """
            SELECT a.keyword, a.day, min(i.rank_absolute) FROM a
              LEFT JOIN naver_serp_items AS i ON i.task = a.task AND i.type = 'organic'
               AND i.domain = :domain
             GROUP BY a.keyword, a.day ORDER BY a.keyword, a.day""", **values):
        found.setdefault(keyword, {})[day] = rank
    return found


class Reader(html.parser.HTMLParser):
    """Tags in order, texts, and what is wrong with their nesting."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.tags, self.text, self.ids = [], [], [], [], {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if "id" in dict(attrs):
            self.ids[dict(attrs)["id"]] = self.ids.get(dict(attrs)["id"], 0) + 1
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def says(self):
        return " ".join(" ".join(self.text).split())


class Page(unittest.TestCase):
    """The page as text; no browser."""

    def store(self):
        return Store(type(self))

    def read(self, page):
        """The page parsed; it must be whole, well nested, and stand on its own."""
        reader = Reader(page)
        self.assertEqual((reader.wrong, reader.open), ([], []))
        self.assertEqual([i for i, n in reader.ids.items() if n > 1], [])
        self.assertEqual(page[:32], '<!DOCTYPE html>\n<html lang="en">')
        self.assertEqual(page[-8:], "</html>\n")
        self.assertEqual([t for t, _ in reader.tags if t in ("script", "img", "link", "iframe")], [])
        for tag, attributes in reader.tags:
            for name in ("src", "srcset", "xlink:href", "data", "action"):
                self.assertNotIn(name, attributes)
            self.assertRegex(attributes.get("href") or "#", "^#", tag)
        return reader

    def test_a_file_without_tables(self):
        """A new file gets a page that says what to do, and stays without tables."""
        store = self.store()
        reader = self.read(store.report())
        self.assertIn("No answers yet", reader.says())
        self.assertIn("naver_serp_import(readfile('answer.json'))", reader.says())
        self.assertEqual([t for t, _ in reader.tags if t in ("svg", "dl")], [])
        con = support.sqlite3.connect(store.path)
        self.assertEqual(con.execute("SELECT count(*) FROM sqlite_schema").fetchall(), [(0,)])
        con.close()

    def test_a_store_without_answers(self):
        """Failed tasks and unread bodies are no results page; both are counted."""
        store = self.store()
        con = support.connect(store.path)
        store.answer(con, "의자", None, None, state="failed")
        con.execute("INSERT INTO naver_serp_cache(id, body) VALUES ('by hand', '{}')")
        con.close()
        says = self.read(store.report()).says()
        self.assertIn("No answers yet", says)
        self.assertIn("not read yet: 1 .", says)
        self.assertRegex(says, "mobile failed 1")

    def test_nothing_is_written_and_it_repeats(self):
        """-readonly will do; the file stays as it is; the page is the same each time."""
        store = self.store()
        fill(store)
        def digest():
            with open(store.path, "rb") as f:
                return hashlib.sha256(f.read()).hexdigest()
        before = digest()
        page = store.report()
        self.assertEqual(store.report(args=("-readonly",)), page)
        self.assertEqual(digest(), before)
        self.assertEqual(os.listdir(store.folder.name), ["serp.db"])
        self.read(page)

    def test_one_day(self):
        """One day: points without lines, no movers, no changes, and it says so."""
        store = self.store()
        con = support.connect(store.path)
        store.answer(con, "의자", DAYS[0] + " 01:00:00 +00:00", page_items(3))
        con.close()
        page = store.report()
        reader = self.read(page)
        self.assertIn("One day so far", reader.says())
        self.assertIn("Movers are shown from the second on", reader.says())
        self.assertEqual(page.count('<circle cx="50.00%"'), 1)
        self.assertIn('<path d=""/>', page)
        self.assertIsNone(re.search('class="(up|down|same)"', page))

    def test_hosts_of_a_site(self):
        """With www. or m. a domain is the same site: its ranks, its share and its pages' paths."""
        store = self.store()
        con = support.connect(store.path)
        for day, mine in zip(DAYS, (organic(4, SITE), organic(2, "m." + SITE))):
            store.answer(con, "의자", day + " 01:00:00 +00:00",
                         [organic(1, "other.example"), mine, organic(8, DOMAIN),
                          organic(16, "m.other.example")])
        con.close()
        page = store.report("www.m.example")
        self.assertIn("m.example is in none of the answers", self.read(page).says())
        page = store.report("m." + SITE)
        says = self.read(page).says()
        self.assertIn("Up 1 의자 4 → 2 2", says)
        self.assertIn("place 2 of 2 domains", says)
        self.assertIn("1 other.example 63.0 %", says)  # 1 + 1/16 of that, 1/2 and 1/8
        self.assertIn("2 chair.example 37.0 %", says)
        self.assertIn('<span class="url"><bdi>/p/2</bdi>', page)

    def test_from_and_to(self):
        """The page of some days is the page of a store that has no others."""
        store = self.store()
        fill(store)
        first, last = (day.replace("-", "") for day in (DAYS[1], DAYS[3]))
        part = self.store()
        fill(part)
        con = support.connect(part.path)
        con.execute("DELETE FROM naver_serp_cache WHERE id IN (SELECT t.id FROM naver_serp_tasks AS t"
                    " LEFT JOIN naver_serp_posts AS p ON p.id = t.id"
                    " WHERE t.state <> 'failed' AND date(coalesce(t.datetime, p.posted_at)) NOT BETWEEN ? AND ?)", (DAYS[1], DAYS[3]))
        con.close()
        page = store.report(from_=first, to=last)
        self.assertIn("answers on 3 days", page)
        self.assertNotEqual(page, store.report())
        main = r"(?s)<section id=\"movers\">.*?</section>"
        self.assertEqual(re.search(main, page)[0], re.search(main, part.report())[0])
        self.assertEqual(store.report(from_="20000101", to="20990101"), store.report())
        for wrong, word in ({"from_": "20260231"}, "write :from as 20260301"), ({"to": "nonsense"}, "write :to as"), \
                ({"from_": "19990101", "to": "19990201"}, "there is no answer from :from to :to"):
            with self.assertRaisesRegex(AssertionError, word):
                store.report(**wrong)

    def test_domain_and_device(self):
        """:domain is found with or without www. and m.; :device chooses; another is only counted."""
        store = self.store()
        fill(store)
        page = store.report()
        self.assertIn('<h1 id="domain"><bdi>%s</bdi>' % SITE, page)
        self.assertEqual(store.report(domain=DOMAIN), page)
        self.assertEqual(store.report(domain="CHAIR.example"), page)
        self.assertEqual(store.report(domain="m.chair.example"), page)
        self.assertIn("other devices are kept apart and not in this report: \"><img src=x> (1), "
                      "desktop (5).", self.read(page).says())
        page = store.report(domain="www.other7.example", device="desktop")
        self.assertEqual(store.report(domain="www.other7.example", device="Desktop "), page)
        self.assertIn('<h1 id="domain"><bdi>other7.example</bdi>', page)
        self.assertIn("desktop · 29 Dec 2025 to 26 Jan 2026, answers on 5 days · 1 keyword",
                      self.read(page).says())

    def test_texts_are_escaped(self):
        """No text of the data holds a character of HTML's own, in an element or an attribute."""
        store = self.store()
        fill(store, "<&>\"'", other="\"'<&>")
        page = store.report()
        texts = re.findall("<bdi[^>]*>(.*?)</bdi>", page) + re.findall('title="(.*?)">', page)
        self.assertGreater(len(texts), 50)
        for text in texts:
            self.assertEqual(text, html.escape(html.unescape(text)).replace("&#x27;", "&#39;"))
        self.assertIn("&lt;&amp;&gt;&quot;&#39;", texts)
        self.assertIn("&quot;&#39;&lt;&amp;&gt;", texts)

    def test_lost_everywhere(self):
        """A domain that the last day's answers are without: no rank is made up for it."""
        store = self.store()
        con = support.connect(store.path)
        store.answer(con, "의자", DAYS[0] + " 01:00:00 +00:00", [organic(4, DOMAIN)])
        store.answer(con, "의자", DAYS[1] + " 01:00:00 +00:00", [organic(1, "other.example")])
        con.close()
        reader = self.read(store.report(domain=DOMAIN))
        self.assertIn("Keywords ranked 0 1 of 1 answered In the top 3 0 = 0 in the top 10 Average "
                      "rank – of the ranked keywords Share of voice 0.0 % 100 none of 1 domain",
                      reader.says())
        self.assertIn("Lost 1 의자 was 4", reader.says())

    def test_no_organic_result(self):
        """Answers without any organic result: no domain to report on, the rest is there."""
        store = self.store()
        con = support.connect(store.path)
        store.answer(con, "의자", DAYS[0] + " 01:00:00 +00:00", [{"type": "video"}])
        store.answer(con, "텐트", DAYS[0] + " 01:00:00 +00:00", [])
        con.close()
        reader = self.read(store.report())
        self.assertIn("No organic results mobile · 29 Dec 2025 · 2 keywords", reader.says())
        self.assertIn("video 50 %", reader.says())

    def test_an_answer_without_a_date(self):
        """Nothing found carries no date: it counts on the day it was posted, if that is known."""
        store = self.store()
        con = support.connect(store.path)
        con.executescript((support.ROOT / "sql" / "store.sql").read_text(encoding="utf-8"))
        store.answer(con, "의자", DAYS[0] + " 01:00:00 +00:00", [organic(4, DOMAIN)])
        for task_id in ("03020115-1535-0066-0009-000000040102", "03020115-1535-0066-0009-000000040103"):
            con.execute("SELECT naver_serp_import(?)", (json.dumps({"status_code": 20000, "tasks": [
                {"id": task_id, "status_code": 40102, "data": {"keyword": "의자", "device": "mobile"},
                 "result": None}]}),))
        con.execute("INSERT INTO naver_serp_posts(id, posted_at) VALUES"
                    "('03020115-1535-0066-0009-000000040102', ?)", (DAYS[1] + " 01:00:00 +00:00",))
        con.close()
        says = self.read(store.report(domain=DOMAIN)).says()
        self.assertIn("29 Dec 2025 to 5 Jan 2026, answers on 2 days", says)
        self.assertIn("Lost 1 의자 was 4", says)
        self.assertIn("1 answered without a date or a keyword, and left out.", says)

    def test_what_is_not_there(self):
        """A domain or device without answers: a page that names those that have some."""
        store = self.store()
        fill(store)
        evil = "no'\"><script>document.title='pwned'</script>"
        reader = self.read(store.report(domain=evil))
        self.assertIn(evil + " is in none of the answers", reader.says())
        self.assertEqual([t for t, _ in reader.tags if t in ("dl", "ol")], [])
        self.assertIn(SITE, reader.says())
        reader = self.read(store.report(device="<tablet>"))
        self.assertIn("No answers yet", reader.says())
        self.assertIn("Answers are stored for: \"><img src=x> (1), desktop (5), mobile (", reader.says())
        self.assertIn("for the device <tablet> .", reader.says())

    def test_many(self):
        """300 keywords on 100 days: lists are cut, what is left out is counted."""
        store = self.store()
        con = support.connect(store.path)
        con.execute("BEGIN")
        for n in range(300):
            items = [organic(1 + n % 30, DOMAIN)]
            items += [organic(40 + k, "d%d.example" % k) for k in range(20) if n == 0]
            items += [{"type": "t%d" % k} for k in range(20) if n == 0]
            store.answer(con, "검색어 %03d" % n, "2026-04-10 01:00:00 +00:00", items)
            store.answer(con, "검색어 %03d" % n, "2026-04-09 01:00:00 +00:00",
                         [organic(1 + (n + 1) % 30, DOMAIN)] if n < 200 else [])
        for n in range(99):
            store.answer(con, "검색어 000", "2025-%02d-%02d 01:00:00 +00:00" % (1 + n // 28, 1 + n % 28),
                         [organic(1 + n % 150, DOMAIN)])
        con.execute("COMMIT")
        con.close()
        page = store.report(DOMAIN)
        says = self.read(page).says()
        for words in ("300 keywords", "The 6 of 300 ranked keywords", "294 more are not drawn",
                      "the first 50 of 300; 250 more are left out", "11 earlier days are left out",
                      "11 more domains share the remaining", "9 rarer types are left out",
                      "and 184 more", "and 90 more"):
            self.assertIn(words, says)
        self.assertEqual(page.count('class="trend"><svg'), 50)
        self.assertEqual(page.count('<g class="line'), 6)
        # The items of an answer are found by their range of rows, however many there are.
        script = (support.ROOT / "sql" / "report.sql").read_text(encoding="utf-8")
        plans = store.report(script=script.replace(".eqp off", ".eqp on"))
        self.assertEqual(sorted(re.findall(r"(?:SEARCH|SCAN) i\b.*", plans)),
                         ["SEARCH i USING INDEX naver_serp_items_domain (domain=?)"] +
                         ["SEARCH i USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"] * 3)

    def test_numbers_of_share_of_voice_and_features(self):
        """The same as plain SQL gives over the stored tables."""
        store = self.store()
        fill(store)
        page = store.report()
        weights = query(store, """
            SELECT replace(domain, 'www.', '') AS site, sum(1.0 / rank_absolute)
              FROM a JOIN naver_serp_items USING (task)
             WHERE a.day = :last AND type = 'organic' GROUP BY site ORDER BY 2 DESC, 1""",
            last=DAYS[-1])
        total = sum(weight for _, weight in weights)
        shown = re.findall(r'<td class="place">(\d+)</td>.*?<bdi>(.*?)</bdi>.*?width="([\d.]+)%".*?'
                           r'<td class="n">([\d.]+) %</td>', page)
        self.assertEqual(len(shown), 10)
        for place, (row, (domain, weight)) in enumerate(zip(shown, weights), 1):
            self.assertEqual(row, (str(place), domain.replace("<", "&lt;").replace(">", "&gt;"),
                                   "%.2f" % (100 * weight / weights[0][1]),
                                   "%.1f" % (100 * weight / total)))
        # Changes: of the keywords answered on both days alone. 랜턴 failed on the last.
        pairs = query(store, """
            SELECT replace(domain, 'www.', '') AS site,
                   coalesce(sum(1.0 / rank_absolute) FILTER (WHERE a.day = :last), 0),
                   coalesce(sum(1.0 / rank_absolute) FILTER (WHERE a.day = :before), 0)
              FROM a JOIN naver_serp_items USING (task)
             WHERE type = 'organic' AND keyword IN (
               SELECT keyword FROM a WHERE day = :last INTERSECT
               SELECT keyword FROM a WHERE day = :before)
             GROUP BY site""", last=DAYS[-1], before=DAYS[-2])
        sums = [sum(row[i] for row in pairs) for i in (1, 2)]
        changes = {domain: round(100 * now / sums[0] - 100 * was / sums[1], 1)
                   for domain, now, was in pairs}
        signs = {"up": 1, "down": -1, "same": 0}
        shown = re.findall(r'<tr.*?<td class="place">.*?<bdi>(.*?)</bdi>.*?'
                           r' %</td><td class="n"><span class="(\w+)">([\d.]+|=)</span>', page)
        self.assertEqual({html.unescape(domain): signs[kind] * float(move.replace("=", "0"))
                          for domain, kind, move in shown},
                         {domain: changes[domain] for domain, _ in weights[:10]})
        self.assertTrue({"up", "down"} <= {kind for _, kind, _ in shown})
        pages = dict(query(store, "SELECT day, count(*) FROM a GROUP BY day"))
        for kind in ("organic", "paid", "local_pack"):
            cells = query(store, """
                SELECT day, count(DISTINCT a.task) FROM a JOIN naver_serp_items USING (task)
                 WHERE type = :type GROUP BY day""", type=kind)
            found = dict(cells)
            row = re.search(r'<th scope="row"><bdi>%s</bdi></th><td>(.*?)</td>'
                            % kind.replace("_", " "), page)[1]
            self.assertEqual(re.findall(r": (\d+) of (\d+)", row),
                             [(str(found.get(day, 0)), str(pages[day])) for day in DAYS])
            figure = re.search(r"<b><bdi>%s</bdi></b><b>(\d+) %%</b>.*?</figure>"
                               % kind.replace("_", " "), page)
            self.assertEqual(re.findall(r'height="([\d.]+)%"', figure[0]),
                             ["%.2f" % (100 * found.get(day, 0) / pages[day]) for day in DAYS])
            self.assertEqual(figure[1], "%.0f" % (100 * found.get(DAYS[-1], 0) / pages[DAYS[-1]]))


def chromium():
    """The browser's path; None where it or its driver is missing."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or \
        shutil.which("google-chrome")
    return found if shutil.which("chromedriver") else None


class Browser:
    """A headless Chromium, driven over the WebDriver protocol."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True)
        for line in self.driver.stdout:
            if port := re.search(r"successfully on port (\d+)", line):
                self.url = "http://127.0.0.1:" + port[1]
                break
        args = ["--headless", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                "--disable-background-networking", "--disable-component-update", "--no-first-run",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                "--user-data-dir=" + self.profile.name]
        if os.geteuid() == 0:
            args.append("--no-sandbox")
        options = {"args": args, "binary": chromium()}
        session = self.call("/session", capabilities={
            "alwaysMatch": {"goog:chromeOptions": options, "unhandledPromptBehavior": "ignore"}})
        self.url += "/session/" + session["sessionId"]

    def call(self, path, method="POST", **body):
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode() if method == "POST" else None,
            {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["value"]

    def js(self, script, *args):
        return self.call("/execute/sync", script=script, args=list(args))

    def cdp(self, command, **params):
        return self.call("/goog/cdp/execute", cmd=command, params=params)

    def size(self, width, height=844):
        """A window of that width in CSS pixels; a narrow one is a phone's."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=2 if width < 600 else 1, mobile=width < 600)

    def media(self, kind="", scheme="light"):
        self.cdp("Emulation.setEmulatedMedia", media=kind,
                 features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, path):
        self.call("/url", url="file://" + path)

    def close(self):
        try:
            self.call("", method="DELETE")
        finally:
            self.driver.terminate()
            self.driver.wait(timeout=30)
            self.driver.stdout.close()
            self.profile.cleanup()


class Trap(socketserver.ThreadingTCPServer):
    """Counts who connects to it: nobody, if the page refers to nothing outside."""
    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.visits = 0
        self.url = "http://127.0.0.1:%d/" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def process_request(self, request, client_address):
        self.visits += 1
        self.shutdown_request(request)


# In the page: is all of an element to be seen, or cut off by nothing but an ellipsis?
VISIBLE = """
  const seen = e => { const r = e.getBoundingClientRect(), s = getComputedStyle(e);
    return r.width > 0 && r.height > 0 && s.visibility == 'visible' && s.opacity > 0 &&
      r.left >= -0.5 && r.right <= innerWidth + 0.5; };
"""
# Contrast of every text with the page's background, and the lowest one's text.
CONTRAST = """
  const rgb = c => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = c => rgb(c).map(v => v / 255).map(v =>
    v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05); };
  const paper = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c; } };
  let low = [99, ''];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, s = getComputedStyle(e);
    if (!walker.currentNode.data.trim() || e.closest('title, desc')) continue;
    const r = ratio(e.namespaceURI.endsWith('svg') ? s.fill : s.color, paper(e));
    if (r < low[0]) low = [r, walker.currentNode.data];
  }
  const marks = [...document.querySelectorAll('.line path, .movers .up, .movers .down')].map(e =>
    ratio(e.namespaceURI.endsWith('svg') ? getComputedStyle(e).stroke : getComputedStyle(e).color,
          paper(e.closest('div'))));
  return {text: low, marks: Math.min(...marks), paper: light(paper(document.body))};
"""


@unittest.skipUnless(chromium(), "no chromium with chromedriver: test/deps.sh browser")
class Shown(unittest.TestCase):
    """The page as a browser shows it, of a store full of hostile texts.

    It is opened without its Content-Security-Policy: the escaping alone must hold.
    """

    @classmethod
    def setUpClass(cls):
        cls.trap = Trap()
        cls.addClassCleanup(cls.trap.server_close)
        cls.addClassCleanup(cls.trap.shutdown)
        cls.title = ("<img src=%sa onerror=document.title=/pwned/.source <script>"
                     "document.title='pwned'</script>]]><!-- & &amp; \"'\x1b[31m\u202e\x00\u0085끝 "
                     % cls.trap.url) + "길고긴제목" * 60
        cls.other = ("<svg onload=document.title=/pwned/.source </title></svg></style>\"'>"
                     "<script>document.title='pwned'</script><link rel=stylesheet href=%sb>"
                     % cls.trap.url)
        cls.url = "javascript:document.title='pwned'"
        cls.store = Store(cls)
        fill(cls.store, cls.title, cls.url, cls.other)
        cls.page = cls.store.report()
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.browser.media()
        self.browser.size(1280)
        self.open(CSP.sub("", self.page))

    def open(self, page):
        path = os.path.join(self.store.folder.name, "report.html")
        with open(path, "w", encoding="utf-8") as f:
            f.write(page)
        self.browser.open(path)

    def mutant(self, found, put):
        """The page as the script would write it with one of its parts changed."""
        script = (support.ROOT / "sql" / "report.sql").read_text(encoding="utf-8")
        self.assertEqual(script.count(found), 1)
        return self.store.report(script=script.replace(found, put))

    def test_nothing_is_executed_or_fetched(self):
        """Markup in keywords, titles, domains, types and devices is text and nothing else."""
        self.assertEqual(self.browser.js("return document.title"),
                         SITE + " · Naver ranks, 26 Jan 2026")
        self.assertEqual(self.browser.js("""return [...new Set([...document.querySelectorAll('*')]
            .flatMap(e => [...e.attributes]).map(a => a.name)
            .filter(n => n.startsWith('on') || n == 'src' || n == 'style'))]"""), ["style"])
        self.assertEqual(self.browser.js("""return document.querySelectorAll(
            'script, img, link, iframe, a, b[onmouseover], i, form, object, base').length"""), 0)
        self.assertEqual(self.browser.js(
            "return performance.getEntriesByType('resource').length"), 0)
        self.assertEqual(self.trap.visits, 0)

    def test_hostile_texts_are_shown_as_they_are(self):
        """What is visible is the text itself; control characters are replaced, long ones cut."""
        texts = self.browser.js("return [...document.querySelectorAll('bdi')].map(e => e.textContent)")
        shown = self.title.replace("\x00", "\ufffd")[:200] + "…"
        for character in "\x1b\u202e\u0085":
            shown = shown.replace(character, "\ufffd")
        self.assertIn("\ufffd[31m\ufffd\ufffd\ufffd끝", shown)
        for text in (HOSTILE, shown, self.url, self.other[:200], "\"><img src=x>",
                     "x<script>document.title='pwned'</script>"):
            self.assertIn(text, texts)
        self.assertEqual(self.browser.js(
            "return document.querySelector('.line circle title').textContent").count("\n"), 0)
        titles = self.browser.js("return [...document.querySelectorAll('[title]')].map(e => e.title)")
        self.assertIn(HOSTILE, titles)

    def test_the_trap_snaps_where_an_escape_is_missing(self):
        """Without the escape of "<" all of it happens, unless the page's own policy holds."""
        page = self.mutant("('<', '&lt;')", "('<', '<')")
        self.open(page)
        self.assertEqual(self.browser.js("return performance.getEntriesByType('resource').filter("
                                         "e => e.responseStatus > 0).length"), 0)
        self.assertEqual(self.trap.visits, 0)
        self.assertNotEqual(self.browser.js("return document.title"), "pwned")
        self.open(CSP.sub("", page))
        self.assertEqual(self.browser.js("return document.title"), "pwned")
        self.assertGreater(self.trap.visits, 0)
        self.trap.visits = 0

    def test_everything_fits_a_phone_and_a_desk(self):
        """All parts are there, have a size and are within the window; nothing scrolls sideways."""
        for width in (320, 390, 768, 1280):
            with self.subTest(width):
                self.browser.size(width)
                self.open(CSP.sub("", self.page))
                self.assertEqual(self.browser.js("return [innerWidth, document.documentElement"
                                                 ".scrollWidth, document.body.scrollWidth]")[:2],
                                 [width, width])
                for css, count in (("h1", 1), ("h2", 6), (".figures > div", 4), (".chart > div > svg", 2),
                                   (".line circle", 28), (".names li", 6), ("#up tr", 1),
                                   ("#down tr", 1), ("#new tr", 2), ("#lost tr", 1),
                                   ("#voice tbody tr", 10), ("#voice rect", 10),
                                   ("#voice tbody .n", 20), ("#voice tbody .n span", 10),
                                   ("#features figure svg", 4), ("#keywords tbody tr", 9),
                                   (".trend svg", 9), ("#states tbody tr", 5)):
                    found = self.browser.js(
                        VISIBLE + "return [...document.querySelectorAll(arguments[0])].map(seen)", css)
                    self.assertEqual(found, [True] * count, css)

    def test_keywords_are_legible(self):
        """Each keyword's text is on the phone's screen, in letters of 12 pixels or more."""
        self.browser.size(390)
        self.open(CSP.sub("", self.page))
        found = self.browser.js("""
            const range = document.createRange();
            return [...document.querySelectorAll('#keywords tbody th > bdi')].map(e => {
              range.selectNodeContents(e);
              const box = range.getBoundingClientRect(), cell = e.parentElement.getBoundingClientRect();
              return [e.innerText.trim(), box.left >= cell.left && box.right <= cell.right + 0.5 &&
                      box.height > 12]; })""")
        self.assertEqual(sorted(found), sorted([k.strip(), True] for k in RANKS))
        small = self.browser.js("""return [...document.querySelectorAll('body *')].filter(e =>
            e.innerText && parseFloat(getComputedStyle(e).fontSize) < 12).length""")
        self.assertEqual(small, 0)

    def test_points_are_the_ranks(self):
        """As many points as days ranked, at the height of their ranks; gaps where no answer is."""
        expected = ranks(self.store)
        days = sorted({day for found in expected.values() for day in found})
        self.assertEqual(days, DAYS)
        names = self.browser.js("""return [...document.querySelectorAll('.names li')].map(e =>
            [e.querySelector('b').className, e.querySelector('b').textContent,
             e.querySelector('bdi').textContent.trim()])""")
        self.assertEqual(len(names), 6)
        ladder = {int(rank): y for rank, y in self.browser.js("""
            return [...document.querySelectorAll('.axis span')].map(e =>
              [e.textContent, e.getBoundingClientRect().top + e.getBoundingClientRect().height / 2])
            """)}
        self.assertEqual(sorted(ladder), [1, 5, 10, 15])
        pixel = (ladder[15] - ladder[1]) / 14
        for line, label, keyword in names:
            with self.subTest(keyword):
                found = next(v for k, v in expected.items() if k.strip() == keyword)
                ranked = [day for day in days if found.get(day)]
                points = self.browser.js("""
                    const box = document.querySelector('.chart svg').getBoundingClientRect();
                    return [...document.querySelectorAll(`.line.${arguments[0]} circle:not(.off)`)].map(
                      e => { const r = e.getBoundingClientRect();
                        return [(r.left + r.width / 2 - box.left) / box.width, r.top + r.height / 2]; })
                    """, line)
                self.assertEqual(len(points), len(ranked))
                for (x, y), day in zip(points, ranked):
                    self.assertAlmostEqual(x, days.index(day) / 4, delta=0.002)
                    self.assertAlmostEqual(y, ladder[1] + pixel * (found[day] - 1), delta=1)
                off = self.browser.js("return document.querySelectorAll("
                                      "`.line.${arguments[0]} .off`).length", line)
                self.assertEqual(off, sum(rank is None for rank in found.values()))
                strokes = self.browser.js("return document.querySelector("
                                          "`.line.${arguments[0]} path`).getAttribute('d')", line)
                self.assertEqual(strokes.count("L"), sum(
                    bool(found.get(a) and found.get(b)) for a, b in zip(days, days[1:])))
                last = found.get(days[-1], "?")
                self.assertEqual(label, "–" if last is None else str(last))
                if last is None:
                    mark, name = self.browser.js("""return [`.line.${arguments[0]} .off:last-child`,
                        `.names li:has(.${arguments[0]})`].map(css => {
                        const r = document.querySelector(css).getBoundingClientRect();
                        return r.top + r.height / 2; })""", line)
                    self.assertAlmostEqual(mark, name, delta=4)

    def test_lines_differ_without_colour(self):
        """Each line has its own pair of dashes and points; what leads to its name has its dashes."""
        found = self.browser.js("""return [1, 2, 3, 4, 5, 6].map(n => {
            const style = css => getComputedStyle(document.querySelector(css.replace('%', 'c' + n)));
            const point = style('.line.% circle:not(.off)'), lead = document.querySelector(
              '.lead-line.c' + n);
            return [style('.line.% path').strokeDasharray, point.fill == point.stroke ||
                    point.fill == style('.line.%').color, lead &&
                    getComputedStyle(lead).strokeDasharray]; })""")
        self.assertEqual(len({(dashes, filled) for dashes, filled, _ in found}), 6)
        for dashes, _, lead in found:
            self.assertIn(lead, (None, dashes))
        self.assertGreater(sum(lead is not None for _, _, lead in found), 2)

    def test_a_line_below_another_shows(self):
        """Where lines coincide, the whole one lies below the dashed ones."""
        self.assertEqual(self.browser.js("""return [...document.querySelectorAll('g.line')].map(
            e => e.classList[1])"""), ["c1", "c2", "c3", "c4", "c5", "c6"])

    def test_what_a_small_screen_must_not_cut(self):
        """Ranks beyond the scale, and keywords and domains that begin alike."""
        store = Store(type(self))
        con = support.connect(store.path)
        keywords = ["캠핑 의자 경량 접이식 %d인용" % n for n in (1, 2)]
        domains = ["a-domain-that-is-long-%d.chair.example" % n for n in (1, 2)]
        for day in DAYS:
            for keyword, rank in zip(keywords, (7, 480)):
                store.answer(con, keyword, day + " 09:00:00 +00:00",
                             [organic(rank, domains[0]), organic(9, domains[1])])
        con.close()
        self.open(store.report(domains[0]))
        self.browser.size(360)
        texts = self.browser.js("""return [...document.querySelectorAll(
            '.names span, .axis span:last-child, #voice tbody .name, #voice tbody .n')].filter(e => {
              const range = document.createRange();
              range.selectNodeContents(e);
              const text = range.getBoundingClientRect(), box = e.getBoundingClientRect();
              return text.height <= box.height + 0.5 && text.width <= box.width + 0.5 &&
                (!e.matches('.n') || text.height < 24) &&
                e.scrollHeight <= e.clientHeight + 1 && e.scrollWidth <= e.clientWidth + 1 &&
                box.left >= 0 && box.right <= innerWidth; }).map(e => e.textContent)""")
        self.assertEqual(sorted(set(texts)), sorted({
            "100+", *keywords, *domains, "60.5 %", "39.5 %", "="}))
        axis = self.browser.js("return document.querySelector('.axis span:last-child').offsetHeight")
        self.assertLess(axis, 24)
        self.assertIn("beyond 100 is drawn at 100", self.browser.js(
            "return document.querySelector('#ranks .lead').innerText"))

    def test_trends_use_their_rows(self):
        """A trend is as high as the row leaves it: ranks 1 to 30 in it are not one flat line."""
        for row, trend in self.browser.js("""return [...document.querySelectorAll('.trend svg')].map(
            e => [e.closest('tr').offsetHeight, e.getBoundingClientRect().height])"""):
            self.assertLess(trend, row)
            self.assertGreater(trend, 40)

    def test_labels_stand_apart(self):
        """The labels of the lines neither overlap nor leave the chart, on a phone as well."""
        for width in (390, 1280):
            self.browser.size(width)
            boxes = self.browser.js("""
                const chart = document.querySelector('.chart').getBoundingClientRect();
                return [...document.querySelectorAll('.names li')].map(e => {
                  const r = e.getBoundingClientRect();
                  return [r.top, r.bottom, r.right <= chart.right, r.bottom <= chart.bottom]; })""")
            self.assertEqual(len(boxes), 6)
            for box, below in zip(boxes, boxes[1:] + [[9999]]):
                self.assertEqual(box[2:], [True, True])
                self.assertLessEqual(box[1], below[0] + 0.5)
                self.assertLess(box[1] - box[0], 38)

    def test_numbers(self):
        """Ranks, changes and figures of the last day are those of plain SQL."""
        expected = ranks(self.store)
        before, last = DAYS[-2:]
        rows = self.browser.js("""return [...document.querySelectorAll('#keywords tbody tr')].map(e =>
            [e.querySelector('bdi').textContent.trim(), ...[...e.querySelectorAll('.n')].map(
              n => n.textContent)])""")
        self.assertEqual(len(rows), len(RANKS))
        for keyword, rank, change, best in rows:
            found = next((v for k, v in expected.items() if k.strip() == keyword), {})
            now, was = found.get(last, "no answer"), found.get(before, "no answer")
            self.assertEqual(rank, "not ranked" if now is None else str(now), keyword)
            self.assertEqual(best, str(min([r for r in found.values() if r], default="")))
            if "no answer" in (now, was):
                move = ""
            elif now and was:
                move = str(abs(was - now)) if was != now else "="
            else:
                move = "new" if now else "lost" if was else ""
            self.assertEqual(change, move, keyword)
        # No answer is neither a rank nor a loss.
        self.assertIn(["랜턴", "no answer", "", "8"], rows)
        now = [r.get(last) for r in expected.values() if last in r]
        ranked = [r for r in now if r]
        figures = self.browser.js("return [...document.querySelectorAll('.figures b')].map("
                                  "e => e.textContent)")
        self.assertEqual(figures[:3], [str(len(ranked)), str(sum(r <= 3 for r in ranked)),
                                       "%.1f" % (sum(ranked) / len(ranked))])
        self.assertEqual(figures[3], self.browser.js(
            "return document.querySelector('#voice .mine .n').textContent"))
        # Changes: of the keywords answered on both days; a lower rank is better.
        pairs = [r for r in expected.values() if before in r and last in r]
        was, now_ranked = ([r[day] for r in pairs if r[day]] for day in (before, last))
        moves = [len(now_ranked) - len(was), sum(r <= 3 for r in now_ranked) - sum(r <= 3 for r in was),
                 round(round(sum(was) / len(was), 1) - round(sum(now_ranked) / len(now_ranked), 1), 1)]
        shown = self.browser.js("""return [...document.querySelectorAll('.figures dd span')].map(
            e => [e.className, e.textContent])""")
        self.assertEqual(shown[:3], [["up" if m > 0 else "down" if m else "same",
                                      "%g" % abs(m) if m else "="] for m in moves])
        self.assertEqual({kind for kind, _ in shown}, {"up", "down", "same"})
        notes = self.browser.js("return document.querySelector('.figures').innerText")
        self.assertIn("of %d answered" % len(now), notes)
        self.assertIn("%d of the %d keywords have no answer on 26 Jan 2026." %
                      (len(RANKS) - len(now), len(RANKS)),
                      self.browser.js("return document.querySelector('main').innerText"))

    def test_movers(self):
        """Up, down, new and lost, each with its ranks; the failed task moves nothing."""
        found = {kind: self.browser.js("""return [...document.querySelectorAll(
            `#${arguments[0]} tr`)].map(e => [...e.cells].map(c => c.textContent))""", kind)
                 for kind in ("up", "down", "new", "lost")}
        self.assertEqual(found, {
            "up": [["캠핑 의자", "2 → 1", "1"]], "down": [[HOSTILE, "4 → 6", "2"]],
            "new": [["iphone", "now 7"], [LONG, "now 15"]], "lost": [["텐트", "was 4"]]})
        lead = self.browser.js("return document.querySelector('#movers .lead').innerText")
        self.assertIn("1 keyword at the same rank, 1 without the domain on both days. 2 without an "
                      "answer on one of the days, or both, are not compared.", " ".join(lead.split()))

    def test_states_are_counted(self):
        """Tasks by device and state, and what is posted or unread, as plain SQL counts them."""
        rows = self.browser.js("""return [...document.querySelectorAll('#states tbody tr')].map(e =>
            [...e.cells].map(c => c.textContent))""")
        con = support.sqlite3.connect(self.store.path)
        self.assertEqual(rows, [[device, state, str(n)] for device, state, n in con.execute(
            "SELECT device, state, count(*) FROM naver_serp_tasks GROUP BY 1, 2 ORDER BY 1, 2")])
        con.close()
        notes = self.browser.js("return document.querySelector('#notes').innerText")
        self.assertIn("2 posted and not collected yet", notes)
        self.assertIn("1 put in by hand and not read yet", notes)

    def test_it_can_be_read_by_all(self):
        """Language, names of the charts, header cells, contrast in both colour schemes."""
        for scheme, dark in (("light", False), ("dark", True)):
            self.browser.media(scheme=scheme)
            found = self.browser.js(CONTRAST)
            self.assertGreaterEqual(found["text"][0], 4.5, found["text"][1])
            self.assertGreaterEqual(found["marks"], 3)
            self.assertEqual(found["paper"] < 0.1, dark)
        self.assertEqual(self.browser.js("return document.documentElement.lang"), "en")
        self.assertEqual(self.browser.js("""return [...document.querySelectorAll('bdi')].filter(e =>
            /[가-힣]/.test(e.textContent) != (e.lang == 'ko')).length"""), 0)
        self.assertEqual(self.browser.js("""
            return [...document.querySelectorAll('svg')].filter(e => !e.parentElement.closest('svg'))
              .filter(e => e.getAttribute('aria-hidden') != 'true').filter(e =>
                e.getAttribute('role') != 'img' || !e.getAttribute('aria-labelledby').split(' ')
                .every(id => document.getElementById(id).textContent.trim())).length"""), 0)
        self.assertEqual(self.browser.js("""return [...document.querySelectorAll('tbody tr')].filter(e =>
            !e.closest('#states') && !e.querySelector('th[scope=row]')).length"""), 0)

    def test_print(self):
        """In print: dark on white even where the screen is dark, nothing wider than the page."""
        self.browser.media("print", "dark")
        self.browser.size(680)
        self.assertGreater(self.browser.js(CONTRAST)["paper"], 0.9)
        self.assertLessEqual(self.browser.js("return document.documentElement.scrollWidth"), 680)
        self.browser.media()
        pdf = base64.b64decode(self.browser.call("/print", page={"width": 21.0, "height": 29.7}))
        self.assertEqual(pdf[:5], b"%PDF-")
        self.assertIn(len(re.findall(rb"/Type\s*/Page\b", pdf)), range(1, 6))

    def test_without_an_answer_it_still_stands(self):
        """The page of an empty file fits a phone too."""
        self.browser.size(390)
        self.open(Store(type(self)).report())
        self.assertEqual(self.browser.js("return document.documentElement.scrollWidth"), 390)
        self.assertTrue(self.browser.js(VISIBLE + "return seen(document.querySelector('pre'))"))

    def test_a_bar_and_its_number_stand_apart(self):
        """A share of 100 % does not touch its bar on a phone."""
        store = Store(type(self))
        con = support.connect(store.path)
        store.answer(con, "의자", DAYS[0] + " 01:00:00 +00:00", [organic(3, DOMAIN)])
        con.close()
        self.open(store.report())
        for width in (320, 360, 1280):
            self.browser.size(width)
            bar, number = self.browser.js("""const range = document.createRange();
                range.selectNodeContents(document.querySelector('#voice tbody .n'));
                return [document.querySelector('#voice rect').getBoundingClientRect().right,
                        range.getBoundingClientRect().left]""")
            self.assertLess(bar + 3, number)


if __name__ == "__main__":
    unittest.main()
