"""Push-down: whatever part of a query is handed on to the store, the rows are those that SQLite
itself gives for a plain table of the same rows and the same affinities.

Most of it is random: PUSHDOWN_QUERIES (4000) queries over six stores, made from PUSHDOWN_SEED (4).
A failure prints the seed and the query's place; PUSHDOWN_ONLY="indexed/17" runs that one again. In
a query's text «...» stands for what differs between the two tables: see put_in().
"""
import contextlib
import itertools
import json
import os
import random
import time
import re
import sqlite3
import types
import unittest

import double
import support
import test_https
import test_store
from test_store import rows, value

QUERIES = int(os.environ.get("PUSHDOWN_QUERIES", 4000))
SEED = os.environ.get("PUSHDOWN_SEED", "4")
ONLY = os.environ.get("PUSHDOWN_ONLY")

# ---- The rows ---------------------------------------------------------------------------

# What is found in any column, whatever its type: JSON values that look alike in some way.
TEXTS = ["", " ", "0", "1", "01", "1.0", "1.5", "1e0", "+1", " 1", "1 ", "2", "12", "012", "12.0",
         "12.50", "0x1", "x", "X", "x ", "abc", "ABC", "aBc", "abc ", "abcd", "a%c", "a_c", "a*c",
         "a[b]c", "a?c", "%", "\\", "한국", "한국어", "한국 ", "😀", "😀x", "é", "É", "\uffff",
         "null", "true", "[1]", '{"a":1}', "9223372036854775807", "9223372036854775808", "1e300",
         "4.5", "0.1", "www.example.com", "WWW.example.com"]
NUMBERS = [0, 1, 2, 3, 5, 12, -1, 100, 1.5, 4.5, 0.1, 12.5, 12.0, -0.0, 1e300, -1e300, 1e18,
           2**53, 2**53 + 1, float(2**53), support.INT64_MAX, support.INT64_MIN, 2**63,
           123456789012345678901234567890]
STRUCTURES = [{"a": 1}, [1], [], {}, ["캠핑", 2], True, False, None]
# The same again and again in several types, so that much of what is compared is nearly equal.
ALIKE = ["1", "01", "1.0", " 1 ", 1, 1.5, "1.5", "12", "012", 12, 12.5, "4.5", 4.5, 4, "x", "X",
         "x ", "", "abc", "ABC", "abcd"]
ANYTHING = TEXTS + NUMBERS + STRUCTURES + ALIKE * 3

# What a column usually holds; few values, so that conditions meet some rows and not others.
SITES = ["www.example.com", "shop.example.kr", "blog.example.com", "Blog.Example.com",
         "map.example.kr"]
USUAL = {
    "type": ["organic"] * 3 + ["paid", "images", "video", "related_searches", "hologram"],
    "rank_group": [1, 2, 3, 4, 5], "rank_absolute": [1, 2, 3, 4, 5, 6, 7, 8], "page": [1, 2, 3],
    "domain": SITES,
    "title": ["캠핑 의자", "Camping", "camping", "CAMPING chair", "camping_chair",
              "100% camping", "캠핑"],
    "url": ["https://%s/%d" % (site, n) for site in SITES for n in (1, 2)],
    "position": ["left", "right"],
    "cid": ["12", "0012", "9007199254740993"],
    "phone": ["02-123-4567", "021234567"],
    "timestamp": ["2026-01-0%d 00:00:00 +00:00" % n for n in (1, 2, 3)],
    "rating": [{"value": 4.5, "votes_count": 12}, {"value": 4, "votes_count": 3}, 4.5, 4],
    "highlighted": [["캠핑"], ["camping", "의자"]],
    "links": [[{"title": "x", "url": "https://x.example"}]],
}
FLAGS = ["is_image", "is_video", "is_featured_snippet", "is_malicious", "is_web_story", "is_paid",
         "amp_version"]
USUAL.update(dict.fromkeys(FLAGS, [True, False]))
RESULT = {
    "keyword": ["캠핑 의자", "iphone", "iPhone", "12"], "se_domain": ["search.naver.com"],
    "location_code": [0, 2410], "language_code": ["ko", "KO"], "type": ["organic"],
    "datetime": ["2026-01-02 00:00:00 +00:00"], "spell": [{"keyword": "x"}],
    "refinement_chips": [[]], "item_types": [["organic"]], "se_results_count": [0, 12, 5000000],
    "pages_count": [1, 2],
}
IDS = ["12", "012", "12.0", "my answer", "My Answer", "my answer ", "한국", "a%c",
       "03020115-1535-0066-0bbb-000000000001", "03020115-1535-0066-0bbb-000000000002"]
ABSENT = "03020115-1535-0066-0bbb-0000000000ff"
FETCHED = "03020115-1535-0066-0bbb-0000000000f1"


def odd_members(rnd, names, usual):
    """An object with some of the members, of the usual kind or of any."""
    found = {}
    for name in names:
        dice = rnd.random()
        if dice < 0.55 and name in usual:
            found[name] = rnd.choice(usual[name])
        elif dice < 0.8:
            found[name] = rnd.choice(ANYTHING)
    return found


def odd_answer(task_id, columns, seed):
    """A ready answer full of values that nobody expects, of one result or more, as bytes."""
    rnd = random.Random("%s %s" % (seed, task_id))
    results = []
    for n in range(rnd.choice((1, 1, 2, 3))):
        items = []
        for _ in range(rnd.choice((0, 9, 14, 18)) if n else 18):
            item = odd_members(rnd, columns, USUAL)
            item["xpath"] = "/%s/%d/%d" % (seed, n, len(items))
            if rnd.random() < 0.2:
                item["unknown"] = rnd.choice(ANYTHING)
            items.append(item)
        result = odd_members(rnd, RESULT, RESULT)
        result.update(items=items, items_count=rnd.choice(ANYTHING),
                      check_url="https://x.example/%s%d" % (seed, n))
        results.append(result)
    data = {"device": rnd.choice(("mobile", "desktop", 1)), "tag": rnd.choice(ANYTHING),
            "os": rnd.choice(("ios", None))}
    task = {"id": task_id, "status_code": 20000, "status_message": "Ok.",
            "cost": rnd.choice((0.0006, 0.0012, 0, "0.0006")),
            "time": rnd.choice(TEXTS), "path": rnd.choice(ANYTHING), "result_count": len(results),
            "data": data, "result": results}
    return json.dumps({"version": rnd.choice(("0.1", 0.1)), "status_code": 20000,
                       "status_message": "Ok.", "tasks": [task]}).encode()


def bodies(columns, seed="first"):
    """(id, body) of everything a store of these tests holds."""
    for name, task_id in support.ids().items():
        keep = name == "odd.json" or name.startswith("states/")
        yield task_id if keep else name, support.read_bytes(name)
    for n in range(2):
        task_id = "03020115-1535-0066-0bbb-00000000000%d" % n
        yield "double/%d" % n, double.answer(task_id, "캠핑 의자", 15 + n)
    for task_id in IDS:
        yield task_id, odd_answer(task_id, columns, seed)


OWN = """
CREATE TABLE {0}.own(k INTEGER PRIMARY KEY, n, t TEXT, i INTEGER, m NUMERIC, r REAL, b BLOB,
                     c TEXT COLLATE NOCASE, w TEXT COLLATE RTRIM);
CREATE INDEX {0}.own_t ON own(t);
CREATE INDEX {0}.own_i ON own(i);
CREATE TABLE {0}.wanted(id TEXT, label TEXT, rank INTEGER);
"""
OWN_COLUMNS = ("k", "n", "t", "i", "m", "r", "b", "c", "w")
INDEXES = """
CREATE INDEX {0}.own_type ON naver_serp_items(type);
CREATE INDEX {0}.own_rank ON naver_serp_items(rank_absolute);
CREATE INDEX {0}.own_title ON naver_serp_items(title COLLATE NOCASE);
CREATE INDEX {0}.own_cid ON naver_serp_items(cid COLLATE RTRIM, rank_group DESC);
CREATE INDEX {0}.own_url ON naver_serp_items(url, title) WHERE type = 'organic';
CREATE INDEX {0}.own_page ON naver_serp_items(page) WHERE page IS NOT NULL;
CREATE INDEX {0}.own_expression ON naver_serp_items(lower(domain), length(title));
CREATE INDEX {0}.own_rating ON naver_serp_items(rating);
CREATE INDEX {0}.own_task ON naver_serp_items(task, rank_absolute DESC);
CREATE INDEX {0}.own_cover ON naver_serp_items(domain, rank_absolute, title);
CREATE INDEX {0}.own_keyword ON naver_serp_tasks(keyword);
CREATE INDEX {0}.own_tag ON naver_serp_tasks(tag COLLATE NOCASE, se_results_count);
CREATE INDEX {0}.own_state ON naver_serp_tasks(state, status_code DESC);
ANALYZE;
"""


def backwards(x, y):
    return (x[::-1] > y[::-1]) - (x[::-1] < y[::-1])


def regexp(pattern, text):
    return text is not None and pattern is not None and str(pattern)[:3] in str(text)


class Table:
    """One of the two virtual tables, as the queries are made for it."""

    def __init__(self, con, mark, name, plain, tie):
        self.mark, self.name, self.plain = mark, name, plain
        self.tie = tie  # Columns that tell its rows apart
        found = rows(con, f"SELECT name, type, hidden FROM pragma_table_xinfo('{name}')")
        self.all = [(column, kind) for column, kind, hidden in found
                    if column not in ("mode", "on_error")]
        self.visible = [column for column, kind, hidden in found if not hidden]
        self.json = [column for column, kind in self.all if not kind]

    def copy(self, con):
        """Makes the plain table: the same columns, and what json_quote() makes of the JSON ones."""
        names = [name for name, _ in self.all]
        con.execute("CREATE TABLE %s(%s)" % (self.plain, ", ".join(
            ["%s %s" % column for column in self.all]
            + [f"quote_{name} TEXT" for name in self.json])))
        con.execute("INSERT INTO %s SELECT %s FROM %s" % (self.plain, ", ".join(
            names + [f"json_quote({name})" for name in self.json]), self.name))
        self.values = {}  # {column: what it holds}
        for name in names:
            sql = f"SELECT {name} FROM {self.plain} WHERE {name} IS NOT NULL"
            self.values[name] = [v for v, in rows(con, sql)]


class World:
    """A store, and plain tables of the same rows beside it."""

    def __init__(self, con, schema="main", plain="main"):
        self.con = con
        for setting in (("mode", "cache"), ("on_error", "skip"), ("schema", schema)):
            con.execute("SELECT naver_serp_config(?, ?)", setting)
        con.create_collation("backwards", backwards)
        con.create_function("regexp", 2, regexp, deterministic=True)
        self.schema, self.plain = schema, plain
        self.S = Table(con, "S", "naver_serp", plain + ".plain",
                       ("id", "xpath", "type", "rank_group", "title", "url", "unmapped"))
        self.T = Table(con, "T", "naver_serp_task", plain + ".plain_task",
                       ("id", "check_url", "unmapped"))

    def fill(self, seed="first"):
        con, quoted = self.con, '"%s"' % self.schema
        con.executescript(re.sub(r"(?<=EXISTS )naver_serp", quoted + ".naver_serp",
                                 test_store.SCHEMA))
        con.executemany(f"INSERT INTO {quoted}.naver_serp_cache(id, body) VALUES (?, ?)",
                        bodies(self.S.visible, seed))
        return self

    def copy(self):
        """Makes the plain tables, and people's own tables of values that may meet theirs."""
        con = self.con
        self.S.copy(con)
        self.T.copy(con)
        con.executescript(OWN.format(self.plain))
        rnd = random.Random(SEED)
        simple = [v for v in TEXTS + NUMBERS if type(v) is not int or -2**63 <= v < 2**63]
        mixed = (simple + [None, b"1", b"abc"] + SITES + USUAL["title"] + USUAL["cid"]
                 + ["organic", 2, 3] + ALIKE * 3)
        con.executemany(f"INSERT INTO {self.plain}.own VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
                        [[rnd.choice(mixed) for _ in OWN_COLUMNS[1:]] for _ in range(14)])
        self.stored = [v for v, in rows(con, f"SELECT DISTINCT id FROM {self.T.plain}")]
        con.executemany(f"INSERT INTO {self.plain}.wanted VALUES (?, ?, ?)",
                        [(v, "label %d" % n, n % 4) for n, v in enumerate(IDS)])
        return self

    def index(self):
        """Indexes of the user's own, and what ANALYZE finds."""
        self.con.executescript(INDEXES.format('"%s"' % self.schema))
        return self


# ---- The queries ------------------------------------------------------------------------

def put_in(sql, real):
    """The text of a query for the virtual tables (real) or for the plain ones."""
    def one(match):
        mark, _, rest = match.group(1).partition(":")
        if mark in ("S", "T"):
            name, plain = (("naver_serp", "plain"), ("naver_serp_task", "plain_task"))[mark == "T"]
            if rest:  # As a function of an id
                return f"{name}({rest})" if real else f"(SELECT * FROM {plain} WHERE id = {rest})"
            return name if real else plain
        if mark == "json":  # The subtype shows: JSON stays as it is, text is quoted
            alias, column = rest.split(".")
            return f"json_quote({rest})" if real else f"{alias}.quote_{column}"
        if mark == "mode":  # Of a row that is none, as LEFT JOIN has it, this is not true either
            return rest if real else rest.split(".")[0] + ".id IS NOT NULL"
        # What only the real one is told; and what keeps SQLite from taking a column of the plain
        # one for a constant in ORDER BY, DISTINCT and the like, as 3.40 wrongly does after c = 12,
        # which '12' and '012' both meet where 12 comes with a numeric affinity.
        return rest if real else {"limit": "", "+": "+"}[mark]
    return re.sub("«([^»]*)»", one, sql)


def fold(collation):
    """What the values that are equal under a collation have in common."""
    def folded(v):
        if isinstance(v, str) and collation == "nocase":
            return re.sub("[A-Z]+", lambda found: found.group().lower(), v)
        return v.rstrip(" ") if isinstance(v, str) and collation == "rtrim" else v
    return folded


def exact(row):
    """A row with the types of its values: 1 is not 1.0, and -0.0 is not 0.0."""
    return tuple(map(repr, row))


def merged(row):
    """A row without the difference between 1 and 1.0, of which DISTINCT keeps one or the other."""
    return exact(int(v) if isinstance(v, float) and v.is_integer() else v for v in row)


class Query(types.SimpleNamespace):
    """sql with its marks, values {name: value}, and how the rows are compared:

    order   None: as a multiset; "all": one by one; a list of collations: as a multiset, and the
            last columns, one for each collation, in their order
    limit   None, or (limit, offset) of a query that names no order: any rows, so many of them
    merged  whether 1 may stand for 1.0
    """

    def compare(self, con):
        """(number of rows that had to come, None or what differs)."""
        expected = con.execute(put_in(self.sql, False), self.values).fetchall()
        found = con.execute(put_in(self.sql, True), self.values).fetchall()
        canonical = merged if self.merged else exact
        want, got = list(map(canonical, expected)), list(map(canonical, found))
        if self.limit:
            limit, offset = self.limit
            n = max(0, len(want) - offset)
            wrong = len(got) != (n if limit < 0 else min(n, limit)) or surplus(got, want)
            n = len(got)
        elif self.order == "all":
            wrong, n = want != got, len(want)
        else:
            wrong, n = sorted(want) != sorted(got), len(want)
            if self.order and not wrong:
                keys = len(self.order)
                wrong = ([[f(v) for f, v in zip(map(fold, self.order), row[-keys:])]
                          for row in expected]
                         != [[f(v) for f, v in zip(map(fold, self.order), row[-keys:])]
                             for row in found])
        if not wrong:
            return n, None
        return n, "\n".join([
            put_in(self.sql, True), "values: %r" % (self.values,),
            "%d rows, expected %d%s" % (len(got), len(want), " at most" if self.limit else ""),
            "missing: %s" % surplus(want, got)[:3], "too many: %s" % surplus(got, want)[:3]])


def surplus(some, others):
    """The elements of one list that the other has not, or has less often."""
    others = list(others)
    return [x for x in some if not (x in others and (others.remove(x) or True))]


class Maker:
    """Makes one random query for a world."""

    def __init__(self, world, place):
        self.world = world
        self.rnd = random.Random("%s %s" % (SEED, place))
        self.values = {}
        self.scope = {}  # {alias: Table}
        self.mixed = False  # Some column holds 1 and 1.0 side by side

    def chance(self, p):
        return self.rnd.random() < p

    def pick(self, *choices):
        return self.rnd.choice(choices)

    # -- Values

    def write(self, v):
        """A value as a parameter or as a literal."""
        if self.chance(0.5) or isinstance(v, str) and "\0" in v:
            name = "p%d" % len(self.values)
            self.values[name] = v
            return ":" + name
        if v is None:
            return "NULL"
        if isinstance(v, bytes):
            return "x'%s'" % v.hex()
        if isinstance(v, str):
            return "'%s'" % v.replace("'", "''")
        return repr(v).replace("inf", "9e999")

    def any_value(self, stored):
        """One that is stored, one that looks like it, or any."""
        v = self.rnd.choice(stored) if stored and self.chance(0.75) else self.rnd.choice(
            [t for t in TEXTS + NUMBERS + ALIKE if type(t) is not int or -2**63 <= t < 2**63]
            + [None, b"1", b"abc", float("inf"), "1\0", ""])
        dice = self.rnd.random()
        if v is None or isinstance(v, bytes) or dice < 0.6:
            return v
        if isinstance(v, str):
            with contextlib.suppress(ValueError, OverflowError):
                if dice < 0.7 and -2**63 <= int(v) < 2**63:
                    return int(v)
            return self.pick(v.upper(), v.lower(), v + " ", v[:-1], v[:2], v.encode(), v + "0")
        return self.pick(str(v), float(v), v + 1 if abs(v) < 2**62 else v, "%s " % v, "0%s" % v)

    def column(self, alias=None, shown=False):
        """(text, name, table) of a column of the scope; an id only to be shown, see ids()."""
        alias = alias or self.rnd.choice(list(self.scope))
        table = self.scope[alias]
        while True:
            name = self.rnd.choice(table.all)[0]
            if table.mark == "S" and self.chance(0.3):
                name = self.pick("type", "rank_absolute", "rank_group", "domain", "title", "rating",
                                 "cid", "keyword")
            if shown or name not in ("id", "task_id"):
                return f"{alias}.{name}", name, table

    def shown(self, alias=None):
        """A column of the result."""
        text, name, table = self.column(alias, shown=True)
        self.mixed = self.mixed or name in table.json
        return "«+»" + text

    def operand(self, stored):
        """What a column is compared with; its affinity counts."""
        v = self.write(self.any_value(stored))
        dice = self.rnd.random()
        if dice < 0.66:
            return v
        if dice < 0.78:
            return "CAST(%s AS %s)" % (v, self.pick("TEXT", "INTEGER", "NUMERIC", "REAL", "BLOB"))
        if dice < 0.82:
            return self.pick("+%s", "(SELECT %s)", "coalesce(%s, 1)", "(%s || '')") % v
        if dice < 0.92:
            return "(SELECT %s FROM own WHERE k = %d)" % (self.rnd.choice(OWN_COLUMNS),
                                                          self.rnd.randint(1, 15))
        return self.column()[0] if self.scope else v

    def collate(self, p=0.12):
        names = ("nocase", "rtrim", "binary", "backwards")
        return " COLLATE " + self.pick(*names) if self.chance(p) else ""

    def pattern(self, stored):
        """(operator, pattern and what follows it) of LIKE, GLOB or REGEXP."""
        text = str(self.any_value(stored))
        start, middle = text[:self.rnd.randint(0, 5)], text[1:4]
        dice = self.rnd.random()
        if dice < 0.1:
            return "LIKE", self.write(self.pick(None, 1, "1%", 1.5, b"a%", "", "%", "_"))
        if dice < 0.2:
            escaped = re.sub(r"([%_!])", r"!\1", text)
            return "LIKE", self.write(self.pick(escaped, escaped[:3] + "%", "!" + text,
                                                "%" + escaped)) + " ESCAPE '!'"
        if dice < 0.65:
            return "LIKE", self.write(self.pick(start + "%", start.upper() + "%", text,
                                                text.swapcase(), "%" + middle + "%",
                                                "_" + text[1:], start + "_%", "%" + text[-2:]))
        if dice < 0.95:
            return "GLOB", self.write(self.pick(start + "*", start.upper() + "*", text,
                                                "*" + middle + "*", "?" + text[1:],
                                                "[%s]*" % (text[:1] or "x"), "[^a-c]*",
                                                start + "?*", "[]]*"))
        return "REGEXP", self.write(text)

    # -- Conditions

    def term(self, alias=None):
        column, name, table = self.column(alias)
        stored = table.values[name]
        make = self.rnd.choices(
            (self.compared, self.compared_otherwise, self.tested, self.listed, self.matched,
             self.wrapped, self.row_value),
            (34, 6, 10, 16, 14, 12, 8))[0]
        return make(column, stored)

    def compared(self, column, stored):
        operator = self.pick("=", "=", "=", "==", "<>", "!=", "<", "<=", ">", ">=", "IS", "IS NOT")
        left, right = column + self.collate(), self.operand(stored) + self.collate(0.08)
        return f"{right} {operator} {left}" if self.chance(0.2) else f"{left} {operator} {right}"

    def compared_otherwise(self, column, stored):
        left = self.pick("+%s", "CAST(%s AS TEXT)", "CAST(%s AS INTEGER)", "CAST(%s AS REAL)",
                         "%s || ''",
                         "coalesce(%s, 2)", "lower(%s)", "length(%s)", "typeof(%s)",
                         "(%s)") % column
        return "%s %s %s" % (left, self.pick("=", "<", ">=", "IS"), self.operand(stored))

    def tested(self, column, stored):
        return self.pick("%s IS NULL", "%s IS NOT NULL", "%s ISNULL", "%s NOTNULL", "%s IS TRUE",
                         "%s IS NOT TRUE", "NOT %s", "%s") % column

    def listed(self, column, stored):
        negated = self.pick("", "", "NOT ")
        column += self.collate()
        dice = self.rnd.random()
        if dice < 0.25:
            return "%s %sBETWEEN %s AND %s" % (column, negated, self.operand(stored),
                                               self.operand(stored))
        if dice < 0.7:
            elements = [self.operand(stored) for _ in range(self.pick(0, 1, 2, 3, 5))]
            return "%s %sIN (%s)" % (column, negated, ", ".join(elements))
        where = self.pick("", " WHERE k < 8", " WHERE k = 0",
                          f" WHERE n IS NOT NULL AND k <> {self.rnd.randint(1, 9)}")
        return "%s %sIN (SELECT %s FROM own%s)" % (column, negated, self.rnd.choice(OWN_COLUMNS),
                                                   where)

    def matched(self, column, stored):
        operator, pattern = self.pattern(stored)
        negated = self.pick("", "", "NOT ")
        if self.chance(0.08) and "ESCAPE" not in pattern:
            return f"{pattern} {negated}{operator} {column}"
        return f"{column}{self.collate(0.05)} {negated}{operator} {pattern}"

    def wrapped(self, column, stored):
        """Things that look as if they could be handed on."""
        v, w = self.operand(stored), self.operand(stored)
        return self.pick(f"{column} = {v} OR {column} = {w}", f"({column} = {v}) = 1",
                         f"NOT ({column} <> {v})",
                         f"CASE WHEN {column} > {v} THEN 1 END", f"{column} IN ({v}, {column})",
                         f"{v} IN ({column}, {w})",
                         f"({column} < {v}) IS NOT ({column} < {w})",
                         f"{column} = {v} AND {column} = {w}",
                         f"{column} = (SELECT max(n) FROM own)",
                         f"{column} = {v} AND {column} IS NOT {w}")

    def row_value(self, column, stored):
        """IN (SELECT n, ...) is left out: of any virtual table SQLite compares the parts of a row value
        without the affinity of the other side (README, Limits)."""
        other, name, table = self.column(column.split(".")[0])
        v, w = self.operand(stored), self.operand(table.values[name])
        return self.pick(f"({column}, {other}) = ({v}, {w})", f"({column}, {other}) < ({v}, {w})",
                         f"({column}, {other}) >= ({v}, {w})",
                         f"({column}, {other}) IN (VALUES ({v}, {w}), ({w}, {v}))",
                         f"({column}, {other}) IN (SELECT t, t FROM own)",
                         f"({column}, {other}) IS NOT ({v}, {w})")

    def ids(self, alias):
        """Which tasks. Of naver_serp_task only stored ones: another one is a row of its own there.
        The id is compared as text, never with what has a numeric affinity."""
        table = self.scope[alias]
        def one():
            if table.mark == "S" and self.chance(0.15):
                return self.pick(self.write(self.any_value(IDS)), "CAST(12 AS TEXT)",
                                 "(SELECT t FROM own WHERE k = 3)", "12.0", "+12")
            ids = self.world.stored if self.chance(0.3) else IDS
            return self.write(12 if self.chance(0.05) else self.rnd.choice(ids))
        column = alias + "." + ("id" if table.mark == "S" or self.chance(0.6) else "task_id")
        text = self.rnd.choice((
            lambda: f"{column} = {one()}", lambda: f"{column} IS {one()}",
            lambda: f"{one()} = {column}",
            lambda: f"{column} IN ({', '.join(one() for _ in range(self.pick(0, 1, 2, 4)))})",
            lambda: f"{column} IN (SELECT id FROM wanted WHERE rank < {self.rnd.randint(0, 5)})",
            lambda: f"({column} = {one()} OR {column} = {one()})",
            lambda: f"{column} = {one()}{self.collate(1)}",
            lambda: f"{column} > {one()}", lambda: f"{column} <> {one()}",
            lambda: f"{column} LIKE 'my%'",
            lambda: f"{column} GLOB '03*'", lambda: f"{column} IS NOT {one()}",
            lambda: f"{column} IS NOT NULL",
            lambda: f"{column} NOT IN ({one()}, {one()})",
            lambda: f"{column} BETWEEN {one()} AND {one()}"))()
        if self.chance(0.3):
            text += f" AND «mode:{alias}.mode = 'cache'»"
            if table.mark == "S":
                text += f" AND «mode:{alias}.on_error = 'skip'»"
        return text

    def where(self, depth=0, alias=None):
        dice = self.rnd.random()
        if depth < 3 and dice < (0.45, 0.35, 0.2)[depth]:
            return "(%s)" % self.pick(" AND ", " AND ", " OR ").join(
                self.where(depth + 1, alias) for _ in range(self.pick(2, 2, 3)))
        if depth and dice > 0.93:
            return "NOT (%s)" % self.where(depth + 1, alias)
        return "(%s)" % self.term(alias)

    def conditions(self, alias, ids=0.3):
        """Conditions on one table of the scope, or sometimes none."""
        terms = [self.ids(alias)] if self.chance(ids) else []
        if not terms and self.chance(0.05):
            return "1"
        more = self.pick(0, 1, 1, 2) if terms else self.pick(1, 1, 1, 2)
        terms += [self.where(0, alias) for _ in range(more)]
        self.rnd.shuffle(terms)
        return " AND ".join(terms)

    # -- Orders

    def orders(self, columns):
        """(ORDER BY terms, collations) over some columns."""
        terms, collations = [], []
        for column in columns:
            collation = self.collate(0.15)
            terms.append("«+»" + column.replace("«+»", "") + collation
                         + self.pick("", " ASC", " DESC", " DESC")
                         + self.pick("", "", "", " NULLS FIRST", " NULLS LAST"))
            collations.append(collation[len(" COLLATE "):])
        return terms, collations

    def tie(self, alias):
        return [f"«+»{alias}.{column}" for column in self.scope[alias].tie]

    # -- Shapes

    def table(self, alias, s_only=False):
        """Puts a table into the scope; its text in FROM."""
        table = self.world.S if s_only or self.chance(0.75) else self.world.T
        self.scope[alias] = table
        if self.chance(0.06):
            return f"«{table.mark}:{self.write(self.rnd.choice(IDS))}» AS {alias}"
        return f"«{table.mark}» AS {alias}"

    def query(self, sql, order=None, limit=None, merge=False):
        return Query(sql=sql, values=self.values, order=order, limit=limit,
                     merged=merge and self.mixed)

    def columns(self, *aliases):
        return [self.shown(self.rnd.choice(aliases)) for _ in range(self.pick(1, 1, 2, 3, 5))]

    def plain(self):
        source = self.table("a")
        table = self.scope["a"]
        shown = self.columns("a") + self.tie("a")[:2]
        json_columns = [self.rnd.choice(table.json) for _ in range(self.pick(0, 0, 1, 3))]
        shown += [f"«json:a.{name}»" for name in json_columns]
        return self.query(f"SELECT {', '.join(shown)} FROM {source} WHERE {self.conditions('a')}")

    def everything(self):
        source = self.table("a")
        shown = ", ".join("a." + column for column in self.scope["a"].visible)
        return self.query(f"SELECT {shown} FROM {source} WHERE {self.conditions('a')}")

    def ordered(self):
        source = self.table("a")
        keys = [self.column("a", shown=True)[0] for _ in range(self.pick(1, 1, 2, 3))]
        terms, collations = self.orders(keys)
        shown = self.tie("a")[:2] + self.columns("a") + keys
        return self.query(f"SELECT {', '.join(shown)} FROM {source} WHERE {self.conditions('a')}"
                          f" ORDER BY {', '.join(terms)}", order=collations)

    def limits(self):
        return self.pick(0, 1, 2, 5, 20, 1000, -1), self.pick(0, 0, 0, 1, 3, 10, 400)

    def limited(self):
        source = self.table("a")
        terms, _ = self.orders([self.column("a")[0] for _ in range(self.pick(0, 1, 1, 2))])
        shown = self.tie("a")[:2] + self.columns("a")
        return self.query("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d OFFSET %d" % (
            ", ".join(shown), source, self.conditions("a"), ", ".join(terms + self.tie("a")),
            *self.limits()), order="all")

    def some(self):
        limit = self.limits()
        source = self.table("a")
        shown = ", ".join(self.tie("a")[:2] + self.columns("a"))
        return self.query("SELECT %s FROM %s WHERE %s «limit:LIMIT %d OFFSET %d»"
                          % (shown, source, self.conditions("a"), *limit), limit=limit)

    def distinct(self):
        source = self.table("a")
        shown = self.columns("a")[:3]
        order, collations = "", None
        if self.chance(0.5):
            terms, collations = self.orders(shown[-1:])
            order = " ORDER BY " + terms[0]
        return self.query(f"SELECT DISTINCT {', '.join(shown)} FROM {source}"
                          f" WHERE {self.conditions('a')}{order}", order=collations, merge=True)

    def aggregates(self):
        column = self.shown("a")
        return self.pick(["count(*)"], ["count(*)", f"count({column})"],
                         [f"count(DISTINCT {column})"], [f"min({column})"],
                         [f"max({column})"], [f"min({column})", f"max({column})"],
                         [f"sum(length({column}))"],
                         ["count(*)", f"count(*) FILTER (WHERE {self.term('a')})"])

    def aggregated(self):
        source = self.table("a")
        return self.query(f"SELECT {', '.join(self.aggregates())} FROM {source}"
                          f" WHERE {self.conditions('a')}", merge=True)

    def grouped(self):
        source = self.table("a")
        keys = [self.shown("a") for _ in range(self.pick(1, 1, 2))]
        collation = self.collate(0.1)
        shown = (keys if not collation else []) + self.aggregates()
        having = self.pick("", "", " HAVING count(*) > 1",
                           f" HAVING min(a.{self.scope['a'].tie[1]}) IS NOT NULL")
        return self.query("SELECT %s FROM %s WHERE %s GROUP BY %s%s%s" % (
            ", ".join(shown), source, self.conditions("a"), ", ".join(keys), collation, having),
            merge=True)

    def joined(self):
        """With people's own table, either one first, on columns of any affinity."""
        source = self.table("a")
        column = self.column("a")[0]
        on = "%s %s %s" % (column + self.collate(0.08),
                           self.pick("=", "=", "=", "=", "IS", "<", ">=", "LIKE", "<>"),
                           "o." + self.rnd.choice(OWN_COLUMNS) + self.collate(0.05))
        if self.chance(0.2):
            on = "o.%s = %s" % (self.rnd.choice(OWN_COLUMNS), column)
        if self.chance(0.3):
            on += " AND " + self.term("a")
        join = self.pick(f"own AS o JOIN {source} ON {on}", f"{source} JOIN own AS o ON {on}",
                         f"own AS o CROSS JOIN {source} ON {on}",
                         f"{source} CROSS JOIN own AS o ON {on}",
                         f"own AS o LEFT JOIN {source} ON {on}",
                         f"{source} LEFT JOIN own AS o ON {on}")
        shown = ", ".join(["o.k"] + self.tie("a")[:2] + self.columns("a"))
        where = self.pick("1", self.conditions("a", 0.4), f"o.k < {self.rnd.randint(1, 9)}",
                          f"a.{self.scope['a'].tie[1]} IS NULL")
        return self.query(f"SELECT {shown} FROM {join} WHERE {where}")

    def joined_by_id(self):
        source = self.table("a", s_only=self.chance(0.7))
        join = self.pick(f"wanted AS w JOIN {source} ON a.id = w.id",
                         f"{source} JOIN wanted AS w ON w.id = a.id",
                         f"wanted AS w LEFT JOIN {source} ON a.id = w.id AND {self.term('a')}",
                         f"wanted AS w, {source} USING (id)",
                         f"wanted AS w LEFT JOIN {source} USING (id)")
        if "USING" not in join and self.chance(0.3):
            join += " AND a.id IN (SELECT id FROM wanted)"
        key = self.column("a")[0]
        terms, collations = self.orders([key])
        shown = ", ".join(["w.label"] + self.tie("a")[1:3] + [key])
        where = self.pick("1", self.term("a"), "w.rank = 1", "w.rank = " + self.column("a")[0])
        return self.query(f"SELECT {shown} FROM {join} WHERE {where} ORDER BY {terms[0]}",
                          order=collations)

    def two(self):
        """Both tables, or one with itself; a few rows on the left."""
        left = self.table("a", s_only=True)
        first = self.write(self.rnd.choice(IDS))
        narrow = self.conditions("a", 0)
        right = self.table("b")
        on = "b.id = a.id"
        if self.scope["b"].mark == "S" and self.chance(0.7):
            other = self.pick(self.column("a")[0], "a." + self.column("b")[1])
            on = f"{self.column('b')[0]} = {other}"
        if self.chance(0.4):
            on += " AND " + self.term("b")
        kind = self.pick("JOIN", "JOIN", "LEFT JOIN", "CROSS JOIN")
        shown = ", ".join(self.tie("a")[:2] + self.tie("b")[:2] + self.columns("a", "b"))
        return self.query(f"SELECT {shown} FROM {left} {kind} {right} ON {on}"
                          f" WHERE a.id = {first} AND {narrow}")

    def correlated(self):
        source = self.table("a")
        column = self.column("a")[0]
        on = f"{column} {self.pick('=', '=', '=', '<', '>', 'IS')} o.{self.rnd.choice(OWN_COLUMNS)}"
        if self.scope["a"].mark == "S" and self.chance(0.25):
            on = "a.id = o.id"
        inner = f"FROM {source} WHERE {on} AND {self.conditions('a', 0.3)}"
        outer = "wanted AS o" if on == "a.id = o.id" else "own AS o"
        key = "o.label" if on == "a.id = o.id" else "o.k"
        return self.query(self.pick(
            f"SELECT {key} FROM {outer} WHERE EXISTS (SELECT 1 {inner})",
            f"SELECT {key} FROM {outer} WHERE NOT EXISTS (SELECT 1 {inner})",
            f"SELECT {key}, (SELECT count(*) {inner}) FROM {outer}",
            f"SELECT {key}, (SELECT {self.tie('a')[1]} {inner} ORDER BY «+»{column} DESC,"
            f" {', '.join(self.tie('a'))} LIMIT 1) FROM {outer}",
            f"SELECT {key} FROM {outer} WHERE o.{'id' if 'wanted' in outer else 't'}"
            f" {self.pick('', 'NOT ')}IN (SELECT {column} {inner})"))

    def compound(self):
        parts = []
        columns = None
        for alias in ("a", "b"):
            source = self.table(alias, s_only=True)
            columns = columns or [self.column(alias)[1] for _ in range(self.pick(1, 2, 3))]
            parts.append("SELECT %s FROM %s WHERE %s" % (
                ", ".join(f"«+»{alias}.{c}" for c in columns), source, self.conditions(alias)))
            del self.scope[alias]
        operator = self.pick("UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT")
        self.mixed = operator != "UNION ALL"
        order, collations = "", None
        if self.chance(0.5):
            order, collations = f" ORDER BY {len(columns)} {self.pick('', 'DESC')}", [""]
        return self.query(f" {operator} ".join(parts) + order, order=collations, merge=True)

    def window(self):
        source = self.table("a")
        part = self.pick("", f"PARTITION BY «+»{self.column('a')[0]} ", "PARTITION BY a.id ")
        terms, _ = self.orders([self.column("a")[0]])
        if self.chance(0.5):
            terms[0] = "a.rank_absolute" if self.scope["a"].mark == "S" else "a.cost DESC"
        total = ", ".join(terms + self.tie("a"))
        function = self.pick(f"rank() OVER ({part}ORDER BY {terms[0]})",
                             f"dense_rank() OVER ({part}ORDER BY {terms[0]})",
                             f"count(*) OVER ({part}ORDER BY {terms[0]})",
                             f"row_number() OVER ({part}ORDER BY {total})",
                             f"lag({self.column('a')[0]}) OVER ({part}ORDER BY {total})",
                             f"count(*) OVER ({part})",
                             f"first_value({self.tie('a')[1]}) OVER ({part}ORDER BY {total})")
        shown = ", ".join(self.tie("a")[:3] + [function])
        return self.query(f"SELECT {shown} FROM {source} WHERE {self.conditions('a')}")

    def nested(self):
        """A condition and an order from outside on a query that has its own."""
        source = self.table("a")
        columns = list(dict.fromkeys(self.column("a")[1] for _ in range(3)))
        tie = self.scope["a"].tie[:2]
        inner = "SELECT %s FROM %s WHERE %s" % (
            ", ".join(f"a.{c} AS {c}" for c in dict.fromkeys([*columns, *tie])), source,
            self.conditions("a"))
        limit = ""
        if self.chance(0.3):
            terms, _ = self.orders([self.column("a")[0]])
            limit = " ORDER BY %s LIMIT %d OFFSET %d" % (
                ", ".join(terms + self.tie("a")), *self.limits())
        values, self.scope = self.scope["a"].values, {}
        outer = [self.compared("x." + c, values[c]) for c in columns[:self.pick(1, 2)]]
        return self.query(self.pick(
            "SELECT * FROM ({0}) AS x WHERE {1}",
            "WITH x AS MATERIALIZED ({0}) SELECT * FROM x WHERE {1}",
            "WITH x AS NOT MATERIALIZED ({0}) SELECT * FROM x WHERE {1}"
            " AND x.{2} = (SELECT max({2}) FROM x)",
        ).format(inner + limit, " AND ".join(outer), tie[0]))

    SHAPES = (("plain", 22), ("everything", 3), ("ordered", 14), ("limited", 8), ("some", 6),
              ("distinct", 6), ("aggregated", 6), ("grouped", 5), ("joined", 12),
              ("joined_by_id", 4), ("two", 5), ("correlated", 5), ("compound", 4), ("window", 4),
              ("nested", 3))

    def make(self):
        names, weights = zip(*self.SHAPES)
        return getattr(self, self.rnd.choices(names, weights)[0])()


# ---- The tests --------------------------------------------------------------------------

class TestSameRows(test_https.Online, test_store.Store):
    """Random queries give the rows of the plain table."""

    WORLDS = ("plain", "indexed", "utf-16le", "utf-16be", "attached", "temp")
    connect = test_store.Store.connect

    def setUp(self):
        test_https.Online.setUp(self)
        test_store.Store.setUp(self)

    def check(self, name, world, requests=0):
        """Runs the queries of a world; `requests` were made for it, and no more may be."""
        con, n, some, bad = world.con, QUERIES // len(self.WORLDS), 0, []
        twice = rows(con, "SELECT count(*), %s FROM %s GROUP BY %s HAVING count(*) > 1" % (
            ", ".join(f"count(DISTINCT quote({column}))" for column, _ in world.S.all),
            world.S.plain, ", ".join(world.S.tie)))
        self.assertFalse([row for row in twice if max(row[1:]) > 1],
                         "rows that are not told apart by Table.tie")
        numbers = range(n)
        if ONLY:
            numbers = [int(ONLY.partition("/")[2])] if ONLY.startswith(name + "/") else []
        for k in numbers:
            n_row, difference = self.run_query(world, f"{name}/{k}", k)
            some += n_row > 0
            if difference:
                bad.append(f"PUSHDOWN_SEED={SEED} PUSHDOWN_ONLY={name}/{k}: {difference}")
        if bad:
            self.fail(f"{len(bad)} of {len(numbers)} queries:\n\n" + "\n\n".join(bad[:3]))
        if ONLY is None and n > 100:
            self.assertGreater(some, 0.4 * n, "most queries give no row: they prove little")
        self.assertEqual(self.d.counts()["requests"], requests)

    def run_query(self, world, place, k):
        con = world.con
        query = Maker(world, place).make()
        con.execute(f"PRAGMA case_sensitive_like = {k % 4 == 3}")
        con.execute(f"PRAGMA reverse_unordered_selects = {k % 8 > 5}")
        # Under RTRIM an automatic index of SQLite 3.40 does not find 'x' where 'x ' is looked for
        con.execute("PRAGMA automatic_index = %d" % (not re.search(r"rtrim|\bo\.w\b", query.sql)))
        try:
            return query.compare(con)
        except sqlite3.Error as e:
            return 0, f"{e!r}\n{put_in(query.sql, True)}\nvalues: {query.values}"

    def test_plain_store(self):
        world = World(self.connect()).fill().copy()
        for table, source in (
                (world.S, "naver_serp_items i JOIN naver_serp_tasks t USING (task) ORDER BY item"),
                (world.T, "naver_serp_tasks t JOIN naver_serp_cache c USING (id) ORDER BY task")):
            names = [name for name, _ in table.all if name not in ("task_id", "source")]
            where = {name: "i." for name in table.visible if table is world.S}
            where.update(origin="c.", fetched_at="c.")
            stored = ", ".join(where.get(name, "t.") + name for name in names)
            found = rows(world.con, f"SELECT {', '.join(names)} FROM {table.plain} ORDER BY rowid")
            expected = rows(world.con, f"SELECT {stored} FROM {source}")
            self.assertEqual([exact(row) for row in found], [exact(row) for row in expected])
        for column, start in (("rating", "{"), ("rating", '"'), ("links", "[")):  # JSON, and text
            sql = f"SELECT count(*) FROM plain WHERE substr(quote_{column}, 1, 1) = ?"
            self.assertTrue(value(world.con, sql, start))
        self.check("plain", world)

    def test_indexes_of_the_users(self):
        self.check("indexed", World(self.connect()).fill().copy().index())

    def utf16(self, encoding):
        con = self.plain()
        con.execute(f"PRAGMA encoding = '{encoding}'")
        con.execute("CREATE TABLE mine(x)")
        self.assertEqual(value(con, "PRAGMA encoding"), encoding)
        return World(test_store.load(con)).fill().copy()

    def test_utf_16le(self):
        self.check("utf-16le", self.utf16("UTF-16le").index())

    def test_utf_16be(self):
        self.check("utf-16be", self.utf16("UTF-16be"))

    def test_store_in_another_schema(self):
        con = self.connect()
        con.execute("ATTACH ? AS \"two words\"", (self.path(),))
        self.check("attached", World(con, schema="two words").fill().copy().index())

    def test_rows_in_temp_that_hide_others(self):
        """Some answers are newer in temp than in the file, some only there, some derived there."""
        path, ids = self.path(), [IDS[-2], IDS[-1], FETCHED]
        con = sqlite3.connect(path, isolation_level=None)
        with contextlib.closing(test_store.load(con)):
            world = World(con).fill()
            columns = world.S.visible
            con.executemany("REPLACE INTO naver_serp_cache(id, body) VALUES (?, ?)",
                            [(v, odd_answer(v, columns, "stale")) for v in ids[:2]])
            value(con, "SELECT count(*) FROM naver_serp")
            world.index()
            con.executemany("REPLACE INTO naver_serp_cache(id, body) VALUES (?, ?)",
                            [(v, odd_answer(v, columns, "late")) for v in IDS[:3]])
        for v in ids:
            self.d.add(v, odd_answer(v, columns, "fresh"))
        lock = self.plain(path)
        con = self.connect(path)
        con.execute("PRAGMA busy_timeout = 0")
        lock.execute("BEGIN IMMEDIATE")
        world = World(con, plain="model")
        con.execute("ATTACH ':memory:' AS model")
        value(con, "SELECT count(*) FROM naver_serp WHERE id IN (?, ?, ?) AND mode = 'refresh'",
              *ids)
        world.copy()
        for sql, n in (
                ("SELECT count(DISTINCT id) FROM temp.naver_serp_tasks WHERE id IN (?, ?, ?)", 3),
                ("SELECT count(DISTINCT id) FROM main.naver_serp_tasks WHERE id IN (?, ?, ?)", 2)):
            self.assertEqual(value(con, sql, *ids), n)
        unparsed = "SELECT count(*) FROM main.naver_serp_cache WHERE parsed = 0"
        self.assertEqual(value(con, unparsed), 3)
        for kind, there in (("stale", False), ("fresh", True), ("late", True), ("first", True)):
            found = value(con, "SELECT count(*) FROM plain WHERE xpath GLOB ?", f"/{kind}/*")
            self.assertEqual(found > 50, there, kind)
        self.check("temp", world, requests=3)
        self.assertEqual(value(con, unparsed), 3)


class TestComparisons(test_store.Store):
    """The affinity of a column and of what it is compared with decide, as in any table."""

    ITEMS = [{"title": "a", "rank_absolute": 1, "domain": "5", "cid": "12", "rating": 4.5},
             {"title": "b", "rank_absolute": "1", "domain": 5, "cid": 12, "rating": "4.5"},
             {"title": "c", "rank_absolute": 1.5, "domain": "05", "cid": "012",
              "rating": {"value": 4.5}},
             {"title": "d", "rank_absolute": "x", "domain": "5.0", "cid": "12.0", "rating": 4},
             {"title": "e"}]
    # Conditions on s (naver_serp) and o (own: i INTEGER, t TEXT, r REAL, n), and the titles
    CASES = {
        "s.rank_absolute = '1'": "ab", "'1.0' = s.rank_absolute": "ab",
        "s.rank_absolute = ' 1 '": "ab",
        "s.rank_absolute IS 1.0": "ab", "s.rank_absolute = x'31'": "", "s.rank_absolute = 'x'": "d",
        "s.rank_absolute > 100": "d", "s.rank_absolute < 'w'": "abc",
        "s.rank_absolute IN ('1', 'x')": "abd",
        "s.rank_absolute NOT IN ('1', 1.5)": "d", "s.rank_absolute BETWEEN '1' AND '2'": "abc",
        "+s.rank_absolute = '1'": "", "s.rank_absolute || '' = 1": "",
        "s.rank_absolute = CAST('1' AS TEXT)": "ab",
        "s.domain = 5": "ab", "5.0 = s.domain": "d", "s.domain < 5": "c", "s.domain >= 5": "abd",
        "s.domain = CAST(5 AS INTEGER)": "abcd", "s.domain > CAST(4 AS REAL)": "abcd",
        "s.domain IN (5, 5.0)": "abd",
        "s.domain = x'35'": "", "s.domain > x'00'": "", "s.domain < x'00'": "abcd",
        "s.domain = '5' COLLATE rtrim": "ab",
        "s.cid = 12": "ab", "s.cid = 12.0": "d", "s.cid IS '012'": "c", "s.cid LIKE 12": "ab",
        "s.cid LIKE '12%'": "abd",
        "s.rating = 4.5": "a", "s.rating = '4.5'": "b", "s.rating = CAST('4.5' AS TEXT)": "b",
        "s.rating > 4": "abc",
        "s.rating < '5'": "abd", "s.rating IN (4, '4.5')": "bd",
        "s.rating = CAST('4.5' AS REAL)": "ab",
        "s.domain = o.i": "abcd", "s.domain = o.t": "ab", "s.domain = o.n": "",
        "o.r = s.domain": "abcd",
        "s.rating = o.t": "", "s.rank_absolute = o.t": "", "s.rating > o.i": "c",
        "s.title > o.n": "abcde",
        "s.domain = (SELECT i FROM own)": "abcd", "s.domain IN (SELECT i FROM own)": "abcd",
        "s.domain IN (SELECT n FROM own)": "",
        "s.type IS NULL": "abcde", "s.rating IS NOT NULL": "abcd", "s.rating = NULL": "",
        "s.rating IS NULL": "e",
        "s.cid <> '12'": "cd", "s.cid IS NOT '12'": "cde", "NOT s.cid = '12'": "cd",
        "s.title = 'A'": "",
        "s.title = 'A' COLLATE nocase": "a", "s.title COLLATE nocase IN ('A', 'B')": "ab",
        "s.title LIKE 'A'": "a",
        "s.title GLOB 'A'": "", "s.title GLOB '[ab]'": "ab", "s.title BETWEEN 'b' AND 'd'": "bcd",
    }

    def setUp(self):
        super().setUp()
        self.con = self.memory(("x", support.answer(json.dumps(self.ITEMS), "x")))
        self.world = World(self.con)
        self.world.S.copy(self.con)
        self.con.executescript("""
            CREATE TABLE own(i INTEGER, t TEXT, r REAL, n);
            INSERT INTO own VALUES (5, 5, 5, 5);
            CREATE TABLE p AS SELECT 5 AS i;""")

    def titles(self, sql, *values):
        return "".join(sorted(title or "-" for title, in rows(self.con, sql, *values)))

    def test_each(self):
        for index in (False, True):
            if index:
                for n, columns in enumerate(("rank_absolute", "domain, title", "cid", "rating",
                                             "title")):
                    self.con.execute(f"CREATE INDEX own_{n} ON naver_serp_items({columns})")
            for condition, expected in self.CASES.items():
                for where in (condition, f"{condition} AND s.id = 'x'",
                              f"{condition} AND s.id IN ('x', 'y') AND s.mode = 'cache'"):
                    for tables in (("own o", "{} s"), ("{} s", "own o")):
                        with self.subTest(where, tables=tables, index=index):
                            sql = "SELECT s.title FROM %s CROSS JOIN %s WHERE " % tables
                            self.assertEqual(self.titles(sql.format("naver_serp") + where),
                                             expected)
                            where_plain = where.replace("s.mode = 'cache'", "1")
                            self.assertEqual(self.titles(sql.format("plain") + where_plain),
                                             expected, "the model is wrong")

    # What is compared with what, for each pair of affinities
    GRID = ALIKE[:-2] + [5, 0, -1, 1e300, 2**53 + 1, float(2**53), support.INT64_MAX, 9.3e18,
                         "9223372036854775807", "1e0", "0x1"]
    COLUMNS = {"naver_serp": ("rank_absolute", "domain", "rating", "se_results_count", "keyword"),
               "naver_serp_task": ("cost", "keyword", "se_results_count", "spell")}
    OPERANDS = ("o.n", "o.t", "o.i", "o.m", "o.r", "o.b", "+o.n", "CAST(o.n AS TEXT)",
                "CAST(o.n AS INTEGER)", "CAST(o.n AS REAL)",
                "o.t COLLATE nocase", "o.c")
    OPERATORS = ("s.{0} = {1}", "s.{0} < {1}", "s.{0} >= {1}", "s.{0} <> {1}", "s.{0} IS {1}",
                 "s.{0} IS NOT {1}", "{1} <= s.{0}",
                 "s.{0} IN ({1}, 'y')", "s.{0} BETWEEN {1} AND 'w'", "s.{0} COLLATE nocase = {1}",
                 "s.{0} COLLATE rtrim > {1}",
                 "s.{0} LIKE {1}", "s.{0} GLOB {1}", "s.{0} NOT LIKE {1}",
                 "(s.{0}, s.id) >= ({1}, 0)")

    def test_each_pair_of_affinities(self):
        bodies = []
        for n, v in enumerate([None] + self.GRID):
            result = {"keyword": v, "se_results_count": v, "spell": v,
                      "items": [{"rank_absolute": v, "domain": v, "rating": v}]}
            bodies.append((str(n), json.dumps({"version": "0", "status_code": 20000, "tasks": [
                {"id": str(n), "status_code": 20000, "cost": v, "result": [result]}]}).encode()))
        con = self.memory(*bodies)
        world = World(con)
        world.S.copy(con)
        world.T.copy(con)
        con.executescript(OWN.format("main"))
        for v in self.GRID + [None, b"1", b"x"]:
            con.execute("INSERT INTO own VALUES (NULL, ?1, ?1, ?1, ?1, ?1, ?1, ?1, ?1)", (v,))
        some = 0
        for table, plain in (("naver_serp", "plain"), ("naver_serp_task", "plain_task")):
            for column, operand, operator in itertools.product(self.COLUMNS[table], self.OPERANDS,
                                                               self.OPERATORS):
                with self.subTest(operator.format(column, operand), table=table):
                    sql = ("SELECT o.k, s.id FROM own o CROSS JOIN %s s WHERE "
                           + operator.format(column, operand))
                    expected = sorted(rows(con, sql % plain))
                    found = sorted(rows(con, sql % table))
                    if found != expected:
                        self.fail(f"missing: {surplus(expected, found)[:5]},"
                                  f" too many: {surplus(found, expected)[:5]}")
                    some += bool(expected)
        self.assertGreater(some, 1200)

    def test_a_condition_of_an_outer_join_leaves_out_no_row_of_the_other_side(self):
        """SQLite 3.40 offers LIKE, GLOB, <>, IS NOT, NOT NULL of such an ON to the left table."""
        joins = ["{0} s LEFT JOIN own o ON o.i = 5 AND {1}",
                 "{0} s LEFT JOIN own o ON {1} AND s.title = o.t",
                 "{0} s LEFT JOIN {0} o ON o.title = s.title AND {1}",
                 "{0} s LEFT JOIN (own o JOIN p ON o.i = p.i) ON {1}",
                 "p CROSS JOIN {0} s LEFT JOIN own o ON o.i = p.i AND {1}",
                 "own o LEFT JOIN {0} s ON {1}"]
        if sqlite3.sqlite_version_info >= (3, 39):
            joins += ["own o RIGHT JOIN {0} s ON o.i = 5 AND {1}", "own o FULL JOIN {0} s ON {1}",
                      "{0} s FULL JOIN own o ON {1}"]
        for join, condition in itertools.product(joins, (
                "s.title = 'a'", "s.title < 'b'", "s.title IS 'a'", "s.title IS NULL",
                "s.type NOT NULL", "s.type IS NOT NULL", "s.title <> 'a'", "s.title IS NOT 'a'",
                "s.title LIKE 'a%'", "s.title LIKE '%a'", "s.title GLOB 'a*'", "s.title REGEXP 'a'",
                "s.title IN ('a', 'b')", "s.title NOT IN ('a')", "s.title BETWEEN 'a' AND 'b'",
                "s.rank_absolute LIKE 1", "s.title > 'c' COLLATE nocase", "s.id IS NOT 'x'",
                "s.keyword <> 'k'")):
            with self.subTest(join=join, condition=condition):
                sql = "SELECT s.title FROM " + join
                expected = self.titles(sql.format("plain", condition))
                self.assertEqual(self.titles(sql.format("naver_serp", condition)), expected)
                if not join.startswith("own o LEFT"):
                    self.assertEqual("".join(sorted(set(expected) - {"-"})), "abcde")

    def test_each_value_of_a_statement_that_is_run_again(self):
        values = [1, "1", 1.0, None, b"1", "x", 5, "5", 5.0, "05", 4.5, "4.5", 12, "12",
                  float("inf"), 1, "a\0", "", support.INT64_MAX]
        for column in ("rank_absolute", "domain", "cid", "rating", "title"):
            for operator in ("=", "<", ">=", "IS", "IS NOT", "LIKE"):
                sql = f"SELECT title FROM %s WHERE {column} {operator} ?"
                for v in values:
                    with self.subTest(sql, value=v):
                        self.assertEqual(self.titles(sql % "naver_serp", v),
                                         self.titles(sql % "plain", v))

    def test_like_is_what_the_connection_says(self):
        sql = "SELECT title FROM naver_serp WHERE title LIKE 'A%' AND cid LIKE '12%'"
        for setting, expected in ((0, "a"), (1, ""), (0, "a")):
            self.con.execute(f"PRAGMA case_sensitive_like = {setting}")
            self.assertEqual(self.titles(sql), expected)
        for name in ("like", "glob"):
            self.con.create_function(name, 2, lambda pattern, text: text in ("c", "d", "012"))
            self.assertEqual(self.titles(f"SELECT title FROM naver_serp WHERE title {name} 'a%'"),
                             "cd")
            self.assertEqual(self.titles(f"SELECT title FROM naver_serp WHERE cid {name} '12'"),
                             "c")


class TestOrder(test_store.Store):
    """Rows of one task come in the order of the answer, whatever else is asked."""

    CONDITIONS = ("1", "type = 'organic'", "domain = 'www.example.com'", "domain > 'b'",
                  "rank_absolute < 6", "rank_absolute >= '2'",
                  "title LIKE 'camp%'", "url GLOB 'https://*'", "page IS NULL", "page IS NOT NULL",
                  "rating IS NOT NULL",
                  "domain IN ('www.example.com', 'blog.example.com', 'map.example.kr')",
                  "cid BETWEEN '1' AND '9'",
                  "title = 'camping' COLLATE nocase",
                  "domain > 'b' AND type = 'organic' AND rank_absolute > 1",
                  "rank_group IN (5, 1, 3)")

    def test_rows_of_a_task(self):
        for indexed in (False, True):
            world = World(self.connect()).fill().copy()
            if indexed:
                world.index()
            for backwards in (0, 1):
                world.con.execute(f"PRAGMA reverse_unordered_selects = {backwards}")
                for where in self.CONDITIONS:
                    longest = 0
                    for v in IDS:
                        with self.subTest(where, id=v, indexed=indexed, backwards=backwards):
                            sql = "SELECT xpath FROM %s WHERE %s " + where.replace("%", "%%")
                            model = sql % ("plain", "id = ? AND") + " ORDER BY rowid"
                            expected = rows(world.con, model, v)
                            for source in (("naver_serp", "id = ? AND"), ("naver_serp(?)", "")):
                                self.assertEqual(rows(world.con, sql % source, v), expected)
                            longest = max(longest, len(expected))
                    self.assertGreater(longest, 2, where)


def plan(con, sql, *values):
    """The lines of EXPLAIN QUERY PLAN, outermost table first."""
    return [detail for *_, detail in rows(con, "EXPLAIN QUERY PLAN " + sql, *values)]


class TestPlans(test_https.Online, test_store.Store):
    """What EXPLAIN QUERY PLAN says, and does not do."""

    connect = test_store.Store.connect

    def setUp(self):
        test_https.Online.setUp(self)
        test_store.Store.setUp(self)

    def test_explain_fetches_and_writes_nothing(self):
        self.d.add(ABSENT, test_store.body(ABSENT, 3))
        path = self.filled(self.path(), (test_store.A, test_store.body(test_store.A, 3)))
        con = self.connect(path)
        con.execute("CREATE TABLE mine(id TEXT, domain TEXT)")
        con.execute("INSERT INTO mine VALUES (?, 'x.example')", (ABSENT,))
        before = test_store.file_bytes(path)
        queries = list(map("SELECT title FROM {}{}{}".format, *zip(*itertools.product(
            ("naver_serp s", f"naver_serp('{ABSENT}') s", f"naver_serp('{ABSENT}', 'refresh') s",
             "mine m JOIN naver_serp s ON s.id = m.id",
             "mine m LEFT JOIN naver_serp s ON s.domain = m.domain",
             "naver_serp_task t JOIN naver_serp s USING (id)"),
            ("", f" WHERE s.id = '{ABSENT}' AND s.domain = 'x.example'",
             " WHERE s.id IN (SELECT id FROM mine) AND title LIKE 'a%'",
             " WHERE s.domain IN ('a', 'b') OR rank_absolute < 3",
             " WHERE EXISTS (SELECT 1 FROM naver_serp x WHERE x.id = s.id)"),
            ("", " ORDER BY rank_absolute LIMIT 3", " GROUP BY s.id")))))
        queries += [f"SELECT state FROM naver_serp_task WHERE id = '{ABSENT}' ORDER BY cost",
                    f"INSERT INTO mine(id, domain) SELECT id, domain FROM naver_serp('{ABSENT}')",
                    f"CREATE TABLE t AS SELECT * FROM naver_serp('{ABSENT}')"]
        for sql in queries:
            with self.subTest(sql):
                self.assertTrue(plan(con, sql))
                self.assertTrue(rows(con, "EXPLAIN " + sql))
                self.assertTrue(test_store.file_bytes(path) == before, "the file was written")
                self.assertEqual(self.d.counts()["requests"], 0)
        self.assertEqual(rows(con, "SELECT name FROM sqlite_temp_schema"), [])
        self.assertEqual(len(rows(con, queries[3] + " LIMIT 9")), 3)  # Run, they do
        self.assertEqual(self.d.counts()["requests"], 1)
        self.assertFalse(test_store.file_bytes(path) == before)

    def test_the_table_of_ids_is_read_first(self):
        """Or the store would be read as a whole, and what is not stored would not be asked for."""
        con = self.memory(*((test_store.task_id(k), test_store.body(test_store.task_id(k), 20))
                            for k in range(30)))
        joins = (("mine m JOIN {0} s ON s.id = m.id", ""),
                 ("{0} s JOIN mine m ON m.id = s.id", ""),
                 ("{0} s, mine m", " WHERE m.id = s.id"),
                 ("{0} s JOIN mine m USING (id)", ""),
                 ("mine m LEFT JOIN {0} s ON s.id = m.id", ""),
                 ("{0} s JOIN mine m ON m.id = s.id", " WHERE s.{1} > 'a'"),
                 ("{0} s JOIN mine m ON m.id = s.id", " WHERE m.rank = 1 AND s.{1} = 'a'"),
                 ("{0} s JOIN mine m ON m.id = s.id", " ORDER BY s.{1}"),
                 ("{0} s JOIN mine m ON m.id = s.id", " GROUP BY s.{1}"),
                 ("(SELECT DISTINCT id FROM mine) m JOIN {0} s ON s.id = m.id", ""))
        con.execute("CREATE TABLE mine(id TEXT, domain TEXT, rank)")
        con.executemany("INSERT INTO mine VALUES (?, 'x.example', 1)",
                        [(test_store.task_id(k),) for k in range(10)])
        for analyzed, (table, column), (join, where) in itertools.product(
                (False, True), (("naver_serp", "title"), ("naver_serp_task", "state")), joins):
            with self.subTest(join=join, where=where, table=table, analyzed=analyzed):
                if analyzed:
                    con.execute("ANALYZE")
                sql = ("SELECT s.{1} FROM " + join + where).format(table, column)
                lines = [line for line in plan(con, sql) if re.match(r"(SCAN|SEARCH) [ms]\b", line)]
                self.assertEqual([line.split()[1] for line in lines], ["m", "s"])
                self.assertIn("VIRTUAL TABLE", lines[1])

    def steps(self, con, sql, *values):
        """How often SQLite looks up in every 20 instructions, those of nested statements included."""
        looks = [0]

        def look():
            looks[0] += 1
        rows(con, sql, *values)
        con.set_progress_handler(look, 20)
        rows(con, sql, *values)
        con.set_progress_handler(None, 0)
        return looks[0]

    def indexed(self):
        con = self.memory(*((test_store.task_id(k), test_store.body(test_store.task_id(k), 50)) for k in range(40)))
        rows(con, "SELECT count(*) FROM naver_serp")
        con.execute("UPDATE naver_serp_items SET domain = 'd' || (item / 7 % 400), rank_absolute = item % 97, title = 'T' || item % 211")
        return con

    def test_indexes_of_the_store_serve_constraints(self):
        con = self.indexed()
        everything = self.steps(con, "SELECT title FROM naver_serp")
        for where, index in (("domain = 'd7'", None), ("domain = ?1", None), ("domain IN ('d7', 'd9')", None), ("domain GLOB 'd39*'", None),
                             ("domain >= 'd398'", None), ("rank_absolute = 5", "rank_absolute"), ("rank_absolute > ?2", "rank_absolute"),
                             ("rank_absolute IS NULL", "rank_absolute"), ("title = 't7' COLLATE nocase", "title COLLATE nocase"),
                             ("title LIKE 't20%'", "title COLLATE nocase")):
            with self.subTest(where):
                sql = "SELECT title FROM naver_serp WHERE " + where
                values = {"?1": ("d7",), "?2": (None, 94)}.get(where[-2:], ())
                before = self.steps(con, sql, *values)
                if index:
                    con.execute(f"CREATE INDEX mine ON naver_serp_items({index})")
                    after = self.steps(con, sql, *values)
                    con.execute("DROP INDEX mine")
                    self.assertLess(after, before / 3)
                else:
                    self.assertLess(before, everything / 4)

    def test_tasks_lead_to_their_items(self):
        con = self.indexed()
        everything = self.steps(con, "SELECT title FROM naver_serp")
        for where in ("keyword = 'k3'", "keyword IN ('k3', 'k4')", "device = 'tv'"):
            self.assertLess(self.steps(con, "SELECT title FROM naver_serp WHERE " + where), everything / 3, where)

    def test_long_lists_are_looked_up(self):
        con = self.indexed()
        everything = self.steps(con, "SELECT title FROM naver_serp")
        sql = "SELECT title FROM naver_serp WHERE domain IN (%s)" % ",".join("'no%d'" % n for n in range(500))
        self.assertLess(self.steps(con, sql), everything)
        con.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 40)
        self.assertEqual(rows(con, sql), [])

    def test_counting_reads_an_index(self):
        con = self.indexed()
        con.execute("UPDATE naver_serp_items SET description = printf('%2000s', 'x')")
        for column in ("count(*)", "count(domain)", "count(DISTINCT domain)"):
            self.assertEqual(rows(con, f"SELECT {column} FROM naver_serp"), rows(con, f"SELECT {column} FROM naver_serp_items"))

    def test_planning_waits_for_a_lock_once(self):
        path = self.filled(self.path(), (test_store.A, test_store.body(test_store.A, 3)))
        con, other = self.connect(path), self.connect(path)
        rows(con, "SELECT count(*) FROM naver_serp")
        con.execute("PRAGMA busy_timeout = 200")
        other.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        plan(con, "SELECT 1 FROM naver_serp a JOIN naver_serp b ON a.domain = b.domain JOIN naver_serp c ON c.title = b.title"
             " JOIN naver_serp d ON d.url = c.url")
        self.assertLess(time.monotonic() - begun, 1.5)  # 2.4 s and more with a wait for each look
        other.execute("ROLLBACK")

    def test_answers_that_go_to_temp_while_a_statement_runs(self):
        tasks = [test_store.task_id(k) for k in range(50, 54)]
        for task in tasks:
            self.d.add(task, test_store.body(task, 2))
        path = self.filled(self.path(), (test_store.A, test_store.body(test_store.A, 2)))
        sql = ("SELECT w.value, count(*) FROM json_each(?) w CROSS JOIN naver_serp_task f ON f.id = w.value"
               " CROSS JOIN naver_serp s GROUP BY 1 ORDER BY w.key")
        counts = [n for _, n in rows(self.connect(f"file:{path}?mode=ro", uri=True), sql, json.dumps(tasks))]
        self.assertEqual(counts, [4, 6, 8, 10])

    def test_only_what_is_used_is_read(self):
        """The task row is joined only where the query speaks of it."""
        con = self.indexed()
        self.assertLess(self.steps(con, "SELECT title FROM naver_serp") * 1.3,
                        self.steps(con, "SELECT title, keyword FROM naver_serp"))

    def test_the_rows_of_a_task_are_not_sorted(self):
        con = self.indexed()
        sql = f"SELECT title FROM naver_serp('{test_store.task_id(3)}')"
        self.assertLess(self.steps(con, sql + " LIMIT 1"), self.steps(con, sql) / 2)

    def test_the_plan_in_words(self):
        con = self.indexed()
        for sql, words in (
                ("SELECT type FROM naver_serp", "everything stored; columns 1"),
                ("SELECT type FROM naver_serp WHERE domain = 'x' AND rank_absolute <= 3 AND cid IS NULL",
                 "everything stored: domain = ?, rank_absolute <= ?, cid IS NULL; columns"),
                ("SELECT type FROM naver_serp('x') WHERE type IN ('a', 'b') ORDER BY rank_absolute DESC, title",
                 "id = ?: type IN ?; by rank_absolute desc, title; columns"),
                ("SELECT type FROM naver_serp WHERE id IN ('a', 'b') AND mode = 'cache' AND on_error = 'skip' AND title = 'x' COLLATE nocase",
                 "id in list, mode = ?, on_error = ?: title COLLATE \"NOCASE\" = ?; columns"),
                ("SELECT state FROM naver_serp_task WHERE keyword > 'a'", "everything stored: keyword > ?; columns")):
            self.assertIn(words, plan(con, sql)[0], sql)

    def test_collations_of_any_name(self):
        con = self.indexed()
        for name in ("select", "1st", "a b", 'quote"d', "x;y, z", "모음"):
            con.create_collation(name, lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
            sql = 'SELECT count(*) FROM naver_serp WHERE title = \'t7\' COLLATE "%s"' % name.replace('"', '""')
            self.assertEqual(rows(con, sql), rows(con, "SELECT count(*) FROM naver_serp WHERE lower(title) = 't7'"))

    def test_order_is_handed_on_where_it_costs_nothing(self):
        con = self.indexed()
        con.execute("CREATE INDEX mine ON naver_serp_items(rank_absolute)")
        for sql, sorts in (("SELECT title FROM naver_serp ORDER BY domain LIMIT 5", False), ("SELECT title FROM naver_serp ORDER BY title", True),
                           ("SELECT title FROM naver_serp ORDER BY rank_absolute DESC LIMIT 3", False), ("SELECT domain FROM naver_serp GROUP BY 1", True),
                           ("SELECT title FROM naver_serp ORDER BY domain", True), ("SELECT title FROM naver_serp WHERE domain > 'x' ORDER BY domain", False),
                           ("SELECT title FROM naver_serp('x') ORDER BY title DESC, url", False),
                           ("SELECT title FROM naver_serp ORDER BY domain COLLATE nocase", True),
                           ("SELECT title FROM naver_serp WHERE id IN ('x', 'y') ORDER BY domain", True)):
            self.assertEqual("USE TEMP B-TREE" in " ".join(plan(con, sql)), sorts, sql)
        self.assertLess(self.steps(con, "SELECT title FROM naver_serp ORDER BY domain LIMIT 5") * 20,
                        self.steps(con, "SELECT title FROM naver_serp"))

    def test_own_tables_are_joined_the_cheap_way(self):
        """A few domains of one's own look up their rows; many are looked up by them."""
        con = self.indexed()
        con.execute("CREATE TABLE mine(domain TEXT)")
        con.execute("INSERT INTO mine VALUES ('d7'), ('d8')")
        con.execute("ANALYZE")
        lines = plan(con, "SELECT s.title FROM naver_serp s JOIN mine m ON s.domain = m.domain")
        self.assertEqual([line.split()[1] for line in lines], ["m", "s"])
        self.assertIn("domain = ?", lines[1])


if __name__ == "__main__":
    unittest.main()
