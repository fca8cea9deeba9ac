"""What JSON can hold that C, cJSON or SQLite would lose, and what is no JSON.

Each body goes in twice: through naver_serp_import, and by hand through INSERT. The
decisions that are tested are those of ext/scan.h.
"""
import json
import re
import sqlite3
import unittest

from support import (INT64_MAX, INT64_MIN, answer, connect, data_files, exact, ids, import_file,
                     insert_body, read_bytes, rows, stored, value)

ID = "03020115-1535-0066-0099-000000000001"
MARK = "\ufffd"


def nested(depth, brackets=(b"[", b"]")):
    return brackets[0] * depth + brackets[1] * depth


class Case(unittest.TestCase):
    def setUp(self):
        self.con = self.fresh()

    def fresh(self):
        con = connect()
        self.addCleanup(con.close)
        con.execute("SELECT naver_serp_config('mode', 'cache')")
        return con

    def put(self, body):
        """The body stored in each way, in a database of its own; yields connections."""
        for way in ("import", "import of text", "insert", "insert of text"):
            con = self.fresh()
            text = "CAST(? AS TEXT)" if "text" in way else "?"
            if "insert" in way:
                insert_body(con, ID, b"")
                con.execute(f"UPDATE naver_serp_cache SET body = {text}", (body,))
            else:
                self.assertEqual(value(con, f"SELECT naver_serp_import({text})", body), ID)
            yield con
            con.close()

    def items(self, items):
        """For each way, the rows that an answer with these items gives."""
        for con in self.put(answer(items)):
            yield rows(con, "SELECT * FROM naver_serp(?)", ID)

    def item(self, members):
        """For each way, the one row of an item with these members (JSON, no braces)."""
        for got in self.items(b"[{" + (members if isinstance(members, bytes) else members.encode()) + b"}]"):
            self.assertEqual(len(got), 1)
            yield got[0]

    def refused(self, body, message):
        """Import refuses the body and stores nothing; by hand it is an unreachable task
        that says the same. `message` is a regular expression."""
        for text in ("?", "CAST(? AS TEXT)"):
            con = self.fresh()
            with self.assertRaisesRegex(sqlite3.OperationalError, message):
                con.execute(f"SELECT naver_serp_import({text})", (body,))
            self.assertEqual(stored(con), 0)
            insert_body(con, ID, b"")
            con.execute(f"UPDATE naver_serp_cache SET body = {text}", (body,))
            [(state, said)] = con.execute("SELECT state, status_message FROM naver_serp_task(?)", (ID,))
            self.assertEqual(state, "unreachable")
            self.assertRegex(said, message)
            for sql in (f"SELECT * FROM naver_serp('{ID}')", "SELECT * FROM naver_serp"):
                with self.assertRaisesRegex(sqlite3.OperationalError, message):
                    con.execute(sql).fetchall()
                self.assertEqual(con.execute("SELECT count(*) FROM naver_serp_items").fetchone(), (0,))
            con.close()

    def refused_at(self, body, at, reason=""):
        self.refused(body, rf"{reason}.* at byte {at}\b")


class Numbers(Case):
    def test_integers_are_exact_up_to_64_bits(self):
        for n in (2**53 - 1, 2**53, 2**53 + 1, 10**15, 10**15 + 1, 10**18 + 1, INT64_MAX, INT64_MAX - 1,
                  INT64_MIN, INT64_MIN + 1, -2**53 - 1, 2**31, -2**31 - 1):
            with self.subTest(n=n):
                for row in self.item(f'"rank_absolute":{n},"rating":{n},"cid":{n},"faq":[{n}],"new":{n}'):
                    self.assertEqual((row["rank_absolute"], row["rating"], row["cid"]), (n, n, str(n)))
                    self.assertEqual((row["faq"], row["unmapped"]), (f"[{n}]", f'{{"new":{n}}}'))

    def test_integers_beyond_64_bits_keep_every_digit(self):
        for n in (INT64_MAX + 1, INT64_MIN - 1, 2**64, -10**30, int("9" * 400)):
            with self.subTest(n=n):
                for row in self.item(f'"cid":{n},"rank_absolute":{n},"rating":{n},"faq":[{n}],"new":{n}'):
                    self.assertEqual((row["cid"], row["rating"]), (str(n), str(n)))
                    self.assertEqual(repr(row["rank_absolute"]), repr(float(str(n))))  # INTEGER affinity
                    self.assertEqual((row["faq"], row["unmapped"]), (f"[{n}]", f'{{"new":{n}}}'))

    def test_a_fraction_or_an_exponent_makes_a_real(self):
        for literal in ("4.0", "4.50", "0.1", "1e2", "1E2", "1e+2", "1.5e-3", "12345678.12345678",
                        "0.1234567890123456789", "1e308", "5e-324", "1e-400", "0e0", "0.0", "1e0",
                        "179769313486231570e291", "0.30000000000000004", "123456789012345680.0"):
            with self.subTest(literal=literal):
                for row in self.item(f'"rating":{literal},"faq":{{"a":[{literal}]}},"new":{literal}'):
                    self.assertIs(type(row["rating"]), float)
                    self.assertEqual(row["rating"], float(literal))
                    self.assertEqual(row["faq"], f'{{"a":[{literal}]}}')
                    self.assertEqual(row["unmapped"], f'{{"new":{literal}}}')

    def test_an_integer_stays_one(self):
        for row in self.item('"rating":4,"faq":[4,4.0]'):
            self.assertIs(type(row["rating"]), int)
            self.assertEqual(row["faq"], "[4,4.0]")

    def test_what_is_too_large_is_infinite_and_stays_as_written_inside_json(self):
        for literal in ("1e999", "-1e999", "1e99999999999999999999", "123e4567"):
            with self.subTest(literal=literal):
                for row in self.item(f'"rating":{literal},"cid":{literal},"faq":[{literal}]'):
                    self.assertEqual(row["rating"], float(literal))
                    self.assertEqual(row["cid"], "-Inf" if literal[0] == "-" else "Inf")
                    self.assertEqual(row["faq"], f"[{literal}]")

    def test_minus_zero(self):
        for row in self.item('"rating":-0,"page":-0,"highlighted":-0.0,"faq":[-0,-0.0,-0e0]'):
            self.assertEqual([repr(row[c]) for c in ("rating", "page", "highlighted")], ["0", "0", "-0.0"])
            self.assertEqual(row["faq"], "[-0,-0.0,-0e0]")

    def test_numbers_in_the_wrapper_and_the_task(self):
        body = answer(result='[{"items":[{}],"se_results_count":9007199254740993,"pages_count":2.0}]',
                      task_members='"time":1e2,"result_count":9223372036854775807,')
        for con in self.put(body):
            self.assertEqual(
                con.execute("SELECT se_results_count, pages_count, time, result_count, typeof(cost)"
                            " FROM naver_serp_task").fetchall(),
                [(9007199254740993, 2, "100.0", INT64_MAX, "real")])

    def test_status_codes_in_other_spellings(self):
        for code, state in (("20000.0", "ready"), ('"20000"', "ready"), ("40401.0", "gone")):
            with self.subTest(code=code):
                body = answer("[{}]").replace(b'"status_code":20000', b'"status_code":' + code.encode())
                for con in self.put(body):
                    self.assertEqual(con.execute("SELECT state, status_code FROM naver_serp_task").fetchall(),
                                     [(state, int(float(code.strip('"'))))])

    def test_numbers_that_are_none(self):
        for literal in ("01", "-01", "00", "1.", "-1.", ".5", "-.5", "+1", "1e", "1e+", "1.e1", "-", "--1",
                        "0x1", "1_0", "1 0", "Infinity", "-Infinity", "NaN", "nan", "inf", "1f", "١"):
            with self.subTest(literal=literal):
                self.refused(answer(f'[{{"a":{literal}}}]'), r"not JSON \(.* at byte \d+\)")


class Text(Case):
    def test_replaced_is_only_what_would_be_lost(self):
        for written, want in (
                (r"a\u0000b", f"a{MARK}b"), (r"\u0000", MARK), (r"\\u0000", r"\u0000"),
                (r"a\ud800b", f"a{MARK}b"), (r"\udc00", MARK), (r"\ud800\ud800", MARK * 2),
                (r"\udc00\ud800", MARK * 2), (r"\ud83d\n", MARK + "\n"), (r"\ud83d\u0041", MARK + "A"),
                (r"\ud83d\ude00", "😀"), (r"\uD83D\uDE00", "😀"), (r"\ud83d\ud83d\ude00", MARK + "😀"),
                (r"\udbff\udfff", "\U0010ffff"), (r"\ud800\udc00", "\U00010000"), (r"\uffff", "\uffff"),
                (r"\u0001\u001f\u007f", "\x01\x1f\x7f"), (r"\b\f\n\r\t\"\\\/", '\b\f\n\r\t"\\/'),
                (r"https:\/\/a\/b", "https://a/b"), ("https:////", "https:////"), (r"\uD55C글", "한글"),
                (r"\ufeff", "\ufeff"), ("\ufeff", "\ufeff"), ("\u2028\u2029\x7f", "\u2028\u2029\x7f")):
            with self.subTest(written=written):
                name = f"n{written}"
                for row in self.item(f'"title":"{written}","rating":"{written}","faq":["{written}"],'
                                     f'"extra":{{"{name}":"{written}"}},"{name}":"{written}"'):
                    self.assertEqual((row["title"], row["rating"]), (want, want))
                    self.assertEqual(exact(row["faq"]), [want])
                    self.assertEqual(exact(row["extra"]), [("n" + want, want)])
                    self.assertEqual(exact(row["unmapped"]), [("n" + want, want)])

    def test_bytes_that_are_not_utf8_become_marks(self):
        for raw in (b"\xff", b"a\x80b", b"\xc3(", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80",
                    b"\xed\xa0\xbd\xed\xb8\x80", b"\xf0\x80\x80\xaf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80",
                    b"\xe2\x82", b"\xf0\x9f\x98", b"\xea\xb0\x80\xea\xb0", b"\xf0\x9f\x98\x80\xff\xe2\x82\xac",
                    b"\xef\xbf\xbd\xef\xbf\xbe", b"x" * 30 + b"\xb0\xa1" + b"y" * 30, bytes(range(128, 256))):
            with self.subTest(raw=raw):
                want = raw.decode("utf-8", "replace")
                for row in self.item(b'"title":"' + raw + b'","faq":["' + raw + b'"],"n' + raw + b'":1'):
                    self.assertEqual(row["title"], want)
                    self.assertEqual(exact(row["faq"]), [want])
                    self.assertEqual(exact(row["unmapped"]), [("n" + want, "1")])

    def test_other_bytes_than_utf8_between_values_are_refused(self):
        for raw in (b"\xff", b"\xc2\xa0", b"\xe2\x80\x8b"):
            body = answer(b"[{}," + raw + b"{}]")
            self.refused_at(body, body.index(raw))

    def test_a_byte_order_mark_is_skipped_at_the_start_only(self):
        body = answer('[{"title":"x"}]')
        for con in self.put(b"\xef\xbb\xbf" + body):
            self.assertEqual(value(con, "SELECT title FROM naver_serp(?)", ID), "x")
        for bad, at in ((b"\xef\xbb\xbf" * 2 + body, 3), (b" \xef\xbb\xbf" + body, 1),
                        (body + b"\xef\xbb\xbf", len(body)), (b"\xef\xbb" + body, 0)):
            with self.subTest(at=at):
                self.refused_at(bad, at)
        utf16 = body.decode().encode("utf-16")
        with self.assertRaisesRegex(sqlite3.OperationalError, "at byte 0"):
            self.con.execute("SELECT naver_serp_import(?)", (utf16,))

    def test_raw_control_characters_are_refused(self):
        for c in range(32):
            body = answer('[{"title":"a' + chr(c) + 'b"}]')
            with self.subTest(c=c):
                self.refused_at(body, body.index(b'"a' + bytes([c])) + 2, "control character")

    def test_escapes_that_are_none(self):
        for bad in (r"\x41", r"\a", r"\'", r"\0", r"\U0041", r"\u12", r"\u12g4", r"\u 041", r"\ud800\u12x4",
                    "\\\n"):
            with self.subTest(bad=bad):
                self.refused(answer('[{"title":"' + bad + '"}]'), r"escape.* at byte \d+")


class Structure(Case):
    def test_white_space_around_and_inside_is_fine(self):
        body = answer('[{"title":"x"}]')
        spaced = b" \t\r\n" + body.replace(b",", b"\r\n\t ,   \n          ").replace(b":", b" \n: ") + b" \n\t\r "
        for con in self.put(spaced):
            self.assertEqual(value(con, "SELECT title FROM naver_serp"), "x")

    def test_other_white_space_is_refused(self):
        for raw in (b"\v", b"\f", b"\x00", b"\x1f", b"\xc2\xa0", b"\xe3\x80\x80"):
            for body in (answer(b'[{"a":' + raw + b"1}]"), answer("[{}" + raw.decode() + "]"),
                         raw + answer("[]"), answer("[]") + raw):
                with self.subTest(body=body):
                    self.refused_at(body, body.index(raw))

    def test_anything_after_the_value_is_refused(self):
        body = answer("[{}]")
        for tail in (b"x", b"{}", b"]", b"}", b",", b" \n.", b"\0", b"//", b"null", body):
            with self.subTest(tail=tail):
                self.refused_at(body + tail, len(body) + len(tail) - len(tail.lstrip()), "text after")

    def test_a_nul_anywhere_is_refused(self):
        body = answer('[{"title":"ab","page":12}]')
        for at in range(0, len(body) + 1, 7):
            with self.subTest(at=at):
                self.refused_at(body[:at] + b"\0" + body[at:], at)

    def test_what_some_readers_forgive_is_refused(self):
        for items in ("[{},]", "[,{}]", "[{},,{}]", '[{"a":1,}]', '[{,"a":1}]', "[{'a':1}]", "[{a:1}]",
                      '[{"a" 1}]', '[{"a"}]', '[{"a":}]', '[{"a":1 "b":2}]', "[{}}", "[{]", "[1 2]", '["a]',
                      "[True]", "[NULL]", "[nul]", "[undefined]", "[{}]]", "[/**/]", "[#\n]", '["a" "b"]',
                      '[{"a"::1}]', "[{1:2}]", "[{null:1}]", "[;]", "[`a`]"):
            with self.subTest(items=items):
                self.refused(answer(items), r"not JSON \(.* at byte \d+\)")

    def test_the_byte_is_the_one_that_is_wrong(self):
        for body, at in ((b"x", 0), (b'{"a":tru}', 8), (b'{"a" 1}', 5), (b"[1,]", 3), (b"[01]", 2),
                         (b'\xef\xbb\xbf{"a":x}', 8), (b'["\\x"]', 3), (b'["\\u12G4"]', 6), (b"{", 1),
                         ('{"한":글}'.encode(), 7)):
            with self.subTest(body=body):
                self.refused_at(body, at)

    def test_bodies_that_are_empty_or_html(self):
        for body in (b"", b" ", b"\n\r\t ", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"):
            with self.subTest(body=body):
                self.refused(body, "empty body")
        for body in (b"<html>", b"\n <!DOCTYPE html>", b"\xef\xbb\xbf<p>"):
            with self.subTest(body=body):
                self.refused(body, "HTML instead of JSON")

    def test_json_that_is_no_answer(self):
        for body in (b"null", b"1", b'"x"', b"[]", b"{}", b"true", b'[{"status_code":20000}]', b'{"tasks":[]}',
                     b'{"status_code":20000}', b'{"status_code":20000,"tasks":[{}]}', b'{"status_code":1e400}',
                     b'{"status_code":20000,"tasks":[1]}', b'{"status_code":20000,"tasks":"x"}',
                     b'{"Status_Code":20000,"tasks":[{"status_code":null,"id":"x","result":[{}]}]}'):
            with self.subTest(body=body):
                self.refused(body, "not an answer|not a whole answer")

    def test_every_truncation_is_refused(self):
        body = answer(r'[{"title":"캠핑\u0041\ud83d\ude00\n","page":-1.5e+3,"is_paid":true,"x":[null,false]}]')
        value(self.fresh(), "SELECT naver_serp_import(?)", body)
        for n in range(1, len(body)):
            with self.assertRaisesRegex(sqlite3.OperationalError, r"at byte (\d+)\b", msg=n) as caught:
                self.con.execute("SELECT naver_serp_import(?)", (body[:n],))
            at = int(re.search(r"at byte (\d+)", str(caught.exception))[1])
            self.assertEqual(at, n, body[:n])
            self.assertEqual(stored(self.con), 0)

    def test_every_truncation_by_hand_is_unreachable_and_gives_no_row(self):
        body = answer(r'[{"title":"캠핑\ud83d\ude00"}]')
        for n in range(len(body) + 1):
            insert_body(self.con, f"{n:04}", body[:n])
        tasks = self.con.execute("SELECT id, state, status_message FROM naver_serp_task ORDER BY id").fetchall()
        self.assertEqual(len(tasks), len(body) + 1)
        for n, (task_id, state, message) in enumerate(tasks):
            if n < len(body):
                self.assertEqual((task_id, state), (f"{n:04}", "unreachable"))
                self.assertRegex(message, rf"at byte {n}\b" if n else "empty body")
            else:
                self.assertEqual(state, "ready")
        self.assertEqual(self.con.execute("SELECT id FROM naver_serp WHERE on_error = 'skip'").fetchall(),
                         [(f"{len(body):04}",)])

    def test_depth(self):
        around = 7  # wrapper, tasks, task, result, its element, items, item
        for brackets in ((b"[", b"]"), (b'{"a":', b"1}"), (b'[{"a":', b"0}]")):
            level = 2 if len(brackets[0]) > 5 else 1
            depth = (1000 - around) // level
            text = nested(depth, brackets)
            if brackets[0][:1] == b"{":
                text = brackets[0] * depth + b"1" + b"}" * depth
            elif level == 2:
                text = brackets[0] * depth + b"0" + b"}]" * depth
            with self.subTest(brackets=brackets):
                for row in self.item(b'"faq":' + text + b',"new":' + text):
                    self.assertEqual(row["faq"].encode(), text)
                    self.assertEqual(row["unmapped"].encode(), b'{"new":' + text + b"}")
        body = answer(b'[{"faq":' + nested(994) + b"}]")
        self.refused_at(body, body.index(b"[" * 900) + 993, "nested deeper than 1000")
        self.refused_at(b"[" * 1001, 1000, "nested deeper than 1000")
        self.refused_at(b"[" * 1000, 1000, "unexpected end")
        self.refused_at(b"[" * 200000, 1000, "nested deeper than 1000")
        self.refused(nested(1000), "not an answer")

    def test_many_siblings_are_no_depth(self):
        text = "[" + ",".join(["[]", "{}"] * 3000) + "]"
        for row in self.item(f'"faq":{text}'):
            self.assertEqual(row["faq"], text)


class Names(Case):
    def test_the_first_of_two_has_the_column_and_the_others_are_kept(self):
        for row in self.item('"title":"1","title":"2","TITLE":"3","title":{"title":"4"},"x":1,"x":2'):
            self.assertEqual(row["title"], "1")
            self.assertEqual(row["unmapped"], '{"title":"2","TITLE":"3","title":{"title":"4"},"x":1,"x":2}')
        for row in self.item('"title":null,"title":"2"'):
            self.assertIsNone(row["title"])
            self.assertEqual(row["unmapped"], '{"title":"2"}')

    def test_repeated_names_inside_a_value_are_kept(self):
        for row in self.item('"extra":{"a":1,"a":2,"A":3}'):
            self.assertEqual(row["extra"], '{"a":1,"a":2,"A":3}')

    def test_names_that_are_nearly_a_column(self):
        names = ["Title", "TITLE", "title ", " title", "titl", "titles", "", " ", "unmapped", "Unmapped", "id",
                 "mode", "item", "task", "odd", "keyword", "\u0442itle", "title\u200b", "a'b", 'a\\"b', "x" * 5000]
        members = ",".join(f'"{n}":{i}' for i, n in enumerate(names))
        for row in self.item(members):
            self.assertEqual(exact(row.pop("unmapped")), exact("{" + members + "}"))
            self.assertEqual(set(row.values()), {None})

    def test_a_name_that_only_a_nul_makes_longer_is_another(self):
        for row in self.item(r'"title\u0000":1,"\u0000title":2'):
            self.assertIsNone(row["title"])
            self.assertEqual(row["unmapped"], f'{{"title{MARK}":1,"{MARK}title":2}}')

    def test_a_name_written_with_escapes_is_the_same(self):
        for row in self.item(r'"\u0074itle":"x","cache\u005furl":"y"'):
            self.assertEqual((row["title"], row["cache_url"], row["unmapped"]), ("x", "y", None))

    def test_members_of_the_wrapper_are_matched_by_case_and_the_first_counts(self):
        body = answer('[{"title":"x"}]').replace(b'{"version"', b'{"TASKS":1,"Status_code":1,"version"')
        body = body[:-1] + b',"tasks":[],"status_code":50000}'
        for con in self.put(body):
            self.assertEqual(value(con, "SELECT title FROM naver_serp(?)", ID), "x")


class Outline(Case):
    """Items are left out of the document and parsed one by one (ext/scan.h). Where an escape
    may spell "items" they are not, so both ways can be compared."""

    def put_one(self, body):
        con = self.fresh()
        insert_body(con, ID, body)
        found = rows(con, "SELECT * FROM naver_serp WHERE on_error = 'skip'"), rows(con, "SELECT * FROM naver_serp_task")
        for row in found[1]:
            row.pop("fetched_at")
        con.close()
        return found

    def test_both_ways_give_the_same(self):
        for name in data_files():
            body = read_bytes(name)
            whole = body.replace(b'"items"', b'"\\u0069tems"')
            self.assertEqual(self.put_one(body), self.put_one(whole), name)

    def test_what_needs_rewriting_inside_an_item(self):
        for inside in (b'"\\u0000"', b'"\\ud800"', b'"\xff"', b"1e3", b"4.0", b"12345678901234567890",
                       b'{"a":[1.50,"\xc3"]}', "\"순위\"".encode()):
            for at in (b'{"title":%s}', b'{"x":%s},{"title":"after"}', b'{},{"links":[%s]},{}', b'5,%s,null'):
                body = answer(b"[" + at % inside + b"]")
                whole = body.replace(b'"items"', b'"\\u0069tems"')
                self.assertEqual(self.put_one(body), self.put_one(whole), body)

    def test_only_the_items_of_a_result_are_left_out(self):
        item = b'{"title":"t"}'
        other = b'{"items":[{"title":"no item"}],"tasks":[{"result":[{"items":[{}]}]}]}'
        self.assertEqual([r["title"] for r in self.put_one(answer(item, data=other.decode()))[0]], ["t"])
        for twice in (b'"items":null,"items":[{"b":1}]', b'"items":[{"title":"t"}],"items":[{"b":1}]',
                      b'"\\u0069tems":[{"title":"t"}],"items":[{"b":1}]',
                      b'"items":[{"title":"t"}],"\\u0069tems":[{"b":1}]'):
            got, tasks = self.put_one(answer(result=b'[{"keyword":"k",' + twice + b"}]"))
            self.assertEqual([r["title"] for r in got], [] if b"null" in twice else ["t"], twice)
            if b"null" not in twice:
                self.assertEqual(exact(tasks[0]["unmapped"])[0][1], exact(b'[{"b":1}]'), twice)

    def test_results_side_by_side(self):
        got, tasks = self.put_one(answer(result=b'[{"items":[{"title":"a"},{"title":"b"}]},{"items":[]},'
                                                b'{"items":[{"title":"c","extra":{"items":[{}]}}]}]'))
        self.assertEqual([r["title"] for r in got], ["a", "b", "c"])
        self.assertEqual(len(tasks), 3)

    def test_very_many_small_items(self):
        got, _ = self.put_one(answer(b"[" + b",".join([b"{}"] * 100000) + b"]"))
        self.assertEqual(len(got), 100000)


class Kept(Case):
    def test_bodies_are_stored_byte_for_byte(self):
        bodies = [b"\xef\xbb\xbf \n" + answer(b'[{"title":"\xff\xc0\\u0000\\ud800","page":1.50e1}]') + b" \r\n", answer("[]"), answer(r'[{"url":"a\/b"}]')]
        for body in bodies:
            con = self.fresh()
            con.execute("SELECT naver_serp_import(?)", (body,))
            con.execute("SELECT * FROM naver_serp").fetchall()
            self.assertEqual(con.execute("SELECT typeof(body), hex(body) FROM naver_serp_cache").fetchall(),
                             [("blob", body.hex().upper())])
        for name in data_files():
            if not re.search(r"states/(pending|refused|retry|unknown|task_post|tasks_ready)", name):
                with self.subTest(file=name):
                    task_id = import_file(self.con, name)
                    self.assertEqual(value(self.con, "SELECT hex(body) FROM naver_serp_cache WHERE id = ?", task_id),
                                     read_bytes(name).hex().upper())

    def test_a_body_by_hand_is_left_as_it_is(self):
        for body in (answer("[{}]"), answer("[{}]").decode(), "no JSON", b"\xff", b""):
            con = self.fresh()
            insert_body(con, ID, body)
            con.execute("SELECT * FROM naver_serp_task").fetchall()
            self.assertEqual(con.execute("SELECT body FROM naver_serp_cache").fetchall(), [(body,)])

    def test_text_of_a_utf16_database_is_read_as_utf8(self):
        for encoding in ("'UTF-16le'", "'UTF-16be'"):
            con = connect(encoding=encoding)
            self.addCleanup(con.close)
            body = answer(r'[{"title":"캠핑 😀 \ud83d\ude00","x":9007199254740993}]').decode()
            with self.subTest(encoding=encoding):
                self.assertEqual(value(con, "SELECT naver_serp_import(?)", body), ID)
                self.assertEqual(value(con, "SELECT CAST(body AS BLOB) FROM naver_serp_cache"), body.encode())
                insert_body(con, "by hand", body)
                for task_id in (ID, "by hand"):
                    self.assertEqual(
                        con.execute("SELECT title, unmapped FROM naver_serp(?, 'cache')", (task_id,)).fetchall(),
                        [("캠핑 😀 😀", '{"x":9007199254740993}')])

    def test_what_is_kept_as_json_is_valid(self):
        samples = [read_bytes(name) for name in ("odd.json", "full.json", "sample.json")]
        for part in (rb"\u0000\ud800", b"\xff\xed\xa0\x80", rb"\u0001\u001f\"\\\/\b\f\n\r\t\u2028", b"\x7f"):
            samples.append(answer(b'[{"new' + part + b'":"' + part + b'","faq":["' + part + b'"],"title":{"'
                                  + part + b'":1}},"' + part + b'",null,1e999,-0,4.0,123456789012345678901]'))
        samples.append(answer(b'[{"faq":' + nested(993) + b"}]"))
        n = 0
        for body in samples:
            con = self.fresh()
            con.execute("SELECT naver_serp_import(?)", (body,))
            for table, stored_table in (("naver_serp", "naver_serp_items"), ("naver_serp_task", "naver_serp_tasks")):
                columns = con.execute("SELECT cid, name, type = '' FROM pragma_table_info(?)", (table,)).fetchall()
                for k, name, usually in columns:
                    if name not in ("source", "fetched_at", "origin"):
                        found = con.execute(f"SELECT {name}, json_valid({name}) FROM {stored_table} WHERE typeof({name})"
                                            f" = 'text' AND (coalesce(odd, 0) >> {k} & 1) <> {usually}").fetchall()
                        n += len(found)
                        for text, valid in found:
                            self.assertEqual(valid, 1, (name, text))
        self.assertGreater(n, 100)


class Clients(Case):
    """Each of these loses the whole answer in one client of the API or another."""

    def test_items_that_lose_the_answer_elsewhere(self):
        good = '{"type":"organic","title":"good","rank_absolute":1}'
        for odd, column, want in (
                ('{"title":"no type"}', "type", None), ('{"type":null}', "type", None),
                ('{"type":7}', "type", "7"), ('{"type":"knowledge_graph"}', "type", "knowledge_graph"),
                ("null", "unmapped", "null"), ("{}", "unmapped", None), ('"text"', "unmapped", '"text"'),
                ("[]", "unmapped", "[]"), ("7.0", "unmapped", "7.0"), ("false", "unmapped", "false"),
                ('{"rating":"4.5"}', "rating", "4.5"), ('{"rating":4.5}', "rating", 4.5),
                ('{"rating":[4.5]}', "rating", "[4.5]"), ('{"cid":21607745}', "cid", "21607745"),
                ('{"phone":25550000}', "phone", "25550000"),
                ('{"extra":{"a":{"b":[1]}}}', "extra", '{"a":{"b":[1]}}'), ('{"extra":"x"}', "extra", "x"),
                ('{"rank_absolute":"3"}', "rank_absolute", 3), ('{"rank_absolute":"x"}', "rank_absolute", "x"),
                ('{"is_paid":"yes"}', "is_paid", "yes"), ('{"links":{"url":"u"}}', "links", '{"url":"u"}'),
                ('{"items":["a",{"b":1},null]}', "items", '["a",{"b":1},null]'),
                ('{"type":"related_searches","items":"x"}', "items", "x"),
                ('{"title":["a"]}', "title", '["a"]'), ('{"checks":[1]}', "unmapped", '{"checks":[1]}')):
            with self.subTest(odd=odd):
                for got in self.items(f"[{good},{odd},{good}]"):
                    self.assertEqual([r["title"] for r in got[::2]], ["good", "good"])
                    self.assertEqual(len(got), 3)
                    self.assertEqual(repr(got[1][column]), repr(want))

    def test_items_that_are_no_array(self):
        for items, n in (("null", 0), ("[]", 0), ('{"type":"organic"}', 1), ('"x"', 1), ("7", 1), ("[null]", 1),
                         ("[[]]", 1)):
            with self.subTest(items=items):
                for con in self.put(answer(items)):
                    self.assertEqual(len(con.execute("SELECT * FROM naver_serp(?)", (ID,)).fetchall()), n)
                    self.assertEqual(value(con, "SELECT state FROM naver_serp_task"), "ready" if n else "empty")

    def test_results_and_tasks_that_are_no_array(self):
        for body in (answer(result='{"items":[{"title":"x"}]}'),
                     answer('[{"title":"x"}]').replace(b'"tasks":[', b'"tasks":')[:-2] + b"}"):
            with self.subTest(body=body):
                for con in self.put(body):
                    self.assertEqual(con.execute("SELECT title FROM naver_serp(?)", (ID,)).fetchall(), [("x",)])

    def test_the_keyword_of_an_answer_without_a_result_is_decoded(self):
        """As the API decodes it, so that "c++" is one keyword whether or not something was found."""
        for posted, keyword in (("c%2B%2B+%ec%b1%85", "c++ 책"), ("100%25", "100%"), ("100%", "100%"), ("%zz%4", "%zz%4"),
                                ("a%00b", "a%00b"), ("%ff+x", "%ff+x"), ("plain", "plain"), ("%2525", "%25")):
            for con in self.put(answer(result="null", data=json.dumps({"keyword": posted}))):
                self.assertEqual(rows(con, "SELECT keyword, data ->> 'keyword' AS posted FROM naver_serp_task"),
                                 [{"keyword": keyword, "posted": posted}])
        for con in self.put(answer(result='[{"keyword":"c%2B"},{}]', data='{"keyword":"c%2B"}')):
            self.assertEqual([r["keyword"] for r in rows(con, "SELECT keyword FROM naver_serp_task")], ["c%2B", "c+"])

    def test_pending_is_not_empty_and_empty_is_not_failed(self):
        files = ids()
        for name, state in (("states/pending_40602.json", "pending"), ("states/empty_40102.json", "empty"),
                            ("states/failed_40101.json", "failed")):
            insert_body(self.con, files[name], read_bytes(name))
            with self.subTest(file=name):
                self.assertEqual(value(self.con, "SELECT state FROM naver_serp_task(?)", files[name]), state)
                query = self.con.execute
                if state == "empty":
                    self.assertEqual(query("SELECT * FROM naver_serp(?)", (files[name],)).fetchall(), [])
                else:
                    with self.assertRaisesRegex(sqlite3.OperationalError, state):
                        query("SELECT * FROM naver_serp(?)", (files[name],))


if __name__ == "__main__":
    unittest.main()
