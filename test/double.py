#!/usr/bin/env python3
"""A double of the API: HTTPS, HTTP Basic, the calls under /v3/serp/naver/organic/, faults on demand.

Pure standard library, Python 3.9 and up. Listens on loopback only, in a process of its own.

From Python
    from double import Double, answer
    with Double() as d:                          # Double(latency=0.1, max_in_flight=30, ...)
        d.base_url, d.ca_file, d.user, d.password
        d.env()                                  # the four as environment variables
        d.add(id, body)                          # body: bytes, str or an object to dump as JSON
        d.add(id, pending, (500, "oops"), body)  # 1st, 2nd, 3rd request; the last one repeats
        d.load("data/states/gone_40401.json")    # returns the id; d.load(folder): {file: id}
        ids = d.generate(1000, items=100)        # ready answers of about 90 KB
        d.fault("status", status=500, times=2)   # see Faults
        d.set(per_minute=100)                    # see Settings
        d.advance(31 * 86400)                    # the double's clock: results expire, queues end
        d.counts(), d.requests_for(id), d.log(), d.posted(), d.reset_counts()
    `answer(id, keyword, items=100)` makes one generated answer's bytes without a server.

From a shell
    python3 test/double.py --generate 10 --load data/full.json --set latency=0.1
  prints four NAME=value lines (base URL, CA file, login, password) that can be exported, then
  the ids it knows, then serves until SIGTERM or Ctrl-C (with --until-eof: until stdin ends). Control:
    curl --cacert CA BASE_URL/_control                                    # the counts
    curl --cacert CA BASE_URL/_control -d '{"op":"fault","kind":"status","status":500}'
  Every op is a method op_... of Api below; arguments as there. /_control needs no credentials,
  is never counted, delayed or faulted.

Calls
  GET task_get/advanced/ID   What was added, as it was added. A task made by task_post: 40601 for
      `handed_seconds`, 40602 until `queue_seconds` are over, then a generated answer (same
      keyword and depth, same items). Unknown: 40401. 30 days after its birth any task: 40403.
  POST task_post             Fields checked as the API's reference says, 40501 names the field.
  GET tasks_ready            Posted or generated tasks (of the last 3 days, not yet collected,
      at most 1000, in order of posting; none with a postback_url). In every five entries one has tag null
      (unless the task has one), one no endpoint_html, one date_posted null.
  Anything else: HTTP 404, 40400; an id of another shape: HTTP 404, 40402.
  Sandbox (Host begins with "sandbox", as in d.sandbox_url, or setting sandbox): any id gives
      data/full.json under that id, posts are free and not spent.

Settings (defaults in SETTINGS below)
  latency            seconds before every answer
  queue_seconds      from task_post to ready
  handed_seconds     the first part of that, answered 40601
  unknown            HTTP status of an unknown id: 200 or 404
  price              of 15 results at priority 1
  per_minute         requests taken in 60 s, 0 no limit; beyond: rate_status
  rate_status        429: HTTP 429; 200: body 40202
  retry_after        seconds, sent with that 429 if not null
  ready_per_minute   the same limit for tasks_ready, always body 40202
  max_in_flight      requests at once, 0 no limit; beyond: body 40209
  sandbox            every host is the sandbox

Faults: d.fault(kind, id=None, call=None, times=1, after=0, process=..., **parameters)
  For the next `times` matching requests (None: always) after the first `after` ones. `id` and
  `call` ("task_get", "task_post", "tasks_ready") narrow the match. The first fault set that
  matches is used up; "latency" adds to another one. Authentication is tested before faults.
  Faults of the connection work on the real answer, which the double has processed (tasks are
  created: process=False asks for the opposite). Faults of the answer replace it, unprocessed
  (process=True asks for the opposite).
    Of the connection
      latency   seconds=1
      reset     bytes=0      RST after so many bytes of the response, head included
      close     bytes=0      orderly end after so many bytes of the response, head included
      truncate  bytes=100    orderly end after so many bytes of the body; the head promises all
      stall                  never answers, keeps the connection
      drip      bytes=1, seconds=0.1   the response in pieces
      chunked   bytes=1000   Transfer-Encoding: chunked, in pieces
    Of the answer
      status    status=500, body=None, headers={}, retry_after=None; without body: HTML for 502,
                503 and 504, none for 3xx, else an answer with a fitting status_code
      body      body, status=200, headers={}         any bytes; Content-Type unless in headers
      bomb      megabytes=100, fill=" "              gzip'ed, about 1 KB a megabyte on the wire (in full to
                                                     a client that does not ask for gzip)
      flood     megabytes=100, fill=" "              chunked, megabytes in full on the wire

Counts: d.counts()
  requests, calls {"GET task_get": n, ...}, statuses {HTTP status as text: n; "0" for none sent},
  connections (that carried a request), in_flight (received and not yet answered, whatever the
  answer), max_in_flight, cancelled (the client left before the answer was out), posts (POST
  task_post received), created (tasks), spent (money), auth_failures, limited (answered 429, 40202
  or 40209 by a limit), faults (used up).
Log: d.log(), one entry a request, oldest first
  {"time", "connection" (number), "method", "path", "call", "id", "host", "gzip", "agent", "status", "fault"}
  status is null until the answer begins and 0 where none was sent; the last LOG_MAX are kept.
Posted: d.posted(), one entry a task in any task_post, accepted or not
  {"id", "status_code", "cost", "data" (as posted), "sandbox", "time"}
"""

import argparse
import asyncio
import base64
import collections
import glob
import gzip
import hashlib
import http.client
import json
import math
import os
import random
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import zlib

import tls

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FULL = os.path.join(ROOT, "data", "full.json")
PREFIX = "/v3/serp/naver/organic/"
ID_SHAPE = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

SETTINGS = {
    "latency": 0.0, "queue_seconds": 0.0, "handed_seconds": 0.0, "unknown": 200, "price": 0.0006,
    "per_minute": 0, "rate_status": 200, "retry_after": None, "ready_per_minute": 20,
    "max_in_flight": 0, "sandbox": False,
}
FAULTS = {  # kind: parameters and their defaults
    "latency": {"seconds": 1}, "reset": {"bytes": 0}, "close": {"bytes": 0}, "truncate": {"bytes": 100},
    "stall": {}, "drip": {"bytes": 1, "seconds": 0.1}, "chunked": {"bytes": 1000},
    "status": {"status": 500, "body": None, "headers": {}, "retry_after": None},
    "body": {"body": b"", "status": 200, "headers": {}},
    "bomb": {"megabytes": 100, "fill": " "}, "flood": {"megabytes": 100, "fill": " "},
}
ANSWER_FAULTS = ("status", "body", "bomb", "flood")

POST_MAX = 100  # Tasks in a call
READY_MAX = 1000  # Ids in an answer of tasks_ready
READY_AGE = 3 * 86400  # Seconds a task stays in tasks_ready
KEPT_AGE = 30 * 86400  # Seconds a result is kept
LOG_MAX = 100000  # Entries of the log
HEAD_MAX = 64 * 1024  # Bytes of a request's head
BODY_MAX = 64 * 1024 * 1024  # Bytes of a request's body (control adds bodies in bulk)
RST_DELAY = 0.005  # Seconds between the last byte and the RST, so that the client can read it

MESSAGES = {
    20000: "Ok.", 20100: "Task Created.", 40006: "You can set only 100 tasks at a time.",
    40100: "You are not Authorized to Access this Resource.", 40200: "Payment Required.",
    40202: "The rates limit per minute has been exceeded.", 40209: "Too many simultaneous requests.",
    40400: "Not Found.", 40401: "Task Not Found.", 40402: "Invalid Path.", 40403: "Results Expired.",
    40502: "POST Data Is Empty.", 40503: "POST Data Is Invalid.", 40601: "Task Handed.",
    40602: "Task In Queue.", 50000: "Internal Error.",
}
REASONS = dict(http.client.responses)
STATUS_CODES = {401: 40100, 402: 40200, 404: 40400, 429: 40202}  # For a status fault without a body


# ------------------------------------------------------------------------------- answers

def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def wrapper(code=20000, tasks=None, cost=0):
    """The outermost object of an answer."""
    failed = sum(1 for t in tasks or [] if t["status_code"] >= 40000)
    return {"version": "0.1.20260301", "status_code": code, "status_message": MESSAGES[code],
            "time": "0.0713 sec.", "cost": cost, "tasks_count": len(tasks or []),
            "tasks_error": failed, "tasks": tasks}


def task_entry(id, code, path, data, result=None, cost=0, message=None):
    """One element of `tasks`. `path` is what follows /v3/serp/naver/organic/."""
    return {"id": id, "status_code": code, "status_message": message or MESSAGES[code],
            "time": "0.0188 sec.", "cost": cost, "result_count": len(result or []),
            "path": (PREFIX + path).strip("/").split("/"), "data": data, "result": result}


def request_data(function, fields):
    """The `data` object, which echoes what was posted."""
    return {"api": "serp", "function": function, "se": "naver", "se_type": "organic", **fields}


def with_defaults(posted):
    """What the API echoes of a posted task: its fields, and these if it lacks them."""
    device = posted.get("device", "desktop")
    return {"priority": 1, "device": device, "os": "windows" if device == "desktop" else "android", **posted}


WORDS = """캠핑 의자 테이블 텐트 추천 가격 비교 후기 경량 접이식 방수 대형 소형 세트 할인 무료 배송 신상품 인기 순위
브랜드 매장 서울 부산 제주 여행 주말 가족 초보 전문 사용법 관리 세탁 수납 높이 무게 색상 초록 회색 베이지 튼튼한
가벼운 편안한 예쁜 오늘 내일 봄 여름 가을 겨울 행사 쿠폰 회원 구매 상품 정보 안내 정리 방법 이유 차이 선택""".split()
DOMAINS = (["shop%02d.example.kr" % n for n in range(20)] + ["blog%02d.example.com" % n for n in range(30)]
           + ["www.example.com", "www.example.co.kr", "map.example.kr", "news.example.co.kr"])


def answer(id, keyword, items=100, data=None):
    """A ready answer as bytes: `items` items, mostly organic, about 0.9 KB each.

    Everything but the id follows from keyword and items, so equal posts give equal results.
    `data` is what the answer echoes of the request (see with_defaults)."""
    rnd = random.Random("%s/%d" % (keyword, items))
    groups = collections.Counter()
    rows = [_item(rnd, groups, rank, keyword) for rank in range(1, items + 1)]
    data = data or with_defaults({"keyword": keyword})
    query = urllib.parse.quote(keyword)
    result = {
        "keyword": keyword, "type": "organic", "se_domain": data.get("se_domain", "search.naver.com"),
        "location_code": 0, "language_code": "",
        "check_url": "https://search.naver.com/search.naver?display=15&start=1&page=1&where=nexearch"
                     "&sm=tab_hty.top&query=%s&" % query,
        "datetime": "2026-03-02 01:15:09 +00:00", "spell": None, "refinement_chips": None,
        "item_types": list(groups), "se_results_count": rnd.randrange(10 ** 7),
        "pages_count": max(1, math.ceil(items / 15)), "items_count": items, "items": rows}
    entry = task_entry(id, 20000, "task_get/advanced/" + id, request_data("task_get", data), [result])
    return dump(wrapper(tasks=[entry]))


def _item(rnd, groups, rank, keyword):
    """One item: every 15th is paid, every 20th related_searches, the rest organic."""
    text = lambda low, high: " ".join(rnd.choice(WORDS) for _ in range(rnd.randint(low, high)))
    kind = "paid" if rank % 15 == 2 else "related_searches" if rank % 20 == 15 else "organic"
    groups[kind] += 1
    domain = rnd.choice(DOMAINS)
    path = "%s/%d?n=%x" % (rnd.choice(("goods", "post", "view")), rnd.randrange(10 ** 9), rnd.getrandbits(64))
    item = {"type": kind, "rank_group": groups[kind], "rank_absolute": rank, "page": (rank + 14) // 15,
            "position": "left", "xpath": "/html[1]/body[1]/div[3]/div[2]/div[1]/div[1]/section[%d]/ul[1]/li[%d]"
            % (rank // 10 + 1, rank % 10 + 1)}
    if kind == "related_searches":
        item["items"] = ["%s %s" % (keyword, rnd.choice(WORDS)) for _ in range(8)]
    elif kind == "paid":
        item.update({
            "title": "%s %s" % (keyword, text(2, 4)), "domain": domain, "breadcrumb": domain,
            "url": "https://ad.example.com/click?u=%s&x=%x" % (domain, rnd.getrandbits(800)),
            "highlighted": [keyword], "extra": {"ad_aclk": "%x" % rnd.getrandbits(64)},
            "description": text(8, 16), "description_rows": None, "links": None})
    else:
        url = "https://%s/%s" % (domain, path)
        links = [{"type": "link_element", "title": text(1, 2), "description": None, "url": url + "#%d" % n}
                 for n in range(rnd.choice((0, 0, 0, 2)))]
        rating = None
        if rnd.random() < 0.2:
            rating = {"rating_type": "Max5", "value": rnd.randrange(20, 51) / 10,
                      "votes_count": rnd.randrange(5000), "rating_max": 5}
        item.update({
            "domain": domain, "title": "%s %s" % (keyword, text(3, 7)), "url": url, "cache_url": None,
            "breadcrumb": "%s › %s" % (domain, path.split("/")[0]), "is_image": rnd.random() < 0.3,
            "is_video": False, "is_featured_snippet": False, "is_malicious": False, "is_web_story": False,
            "description": text(18, 34), "pre_snippet": None, "extended_snippet": None, "amp_version": False,
            "rating": rating, "highlighted": [keyword], "links": links or None, "faq": None,
            "extended_people_also_search": None,
            "timestamp": "2026-%02d-%02d 00:00:00 +00:00" % (rnd.randint(1, 2), rnd.randint(1, 28))
            if rnd.random() < 0.5 else None})
    item["rectangle"] = None
    return item


def check_post(task):
    """The name of the first field that is wrong in a posted task, or None."""
    integer = lambda v, low, high: type(v) is int and low <= v <= high
    text = lambda v, most: isinstance(v, str) and len(v) <= most
    systems = {"desktop": ("windows", "macos"), "mobile": ("android", "ios")}
    keyword = task.get("keyword")
    if not isinstance(keyword, str) or not 0 < len(urllib.parse.unquote_plus(keyword)) <= 700:
        return "keyword"
    checks = {
        "keyword": lambda v: True,
        "priority": lambda v: integer(v, 1, 2),
        "depth": lambda v: integer(v, 1, 700),
        "max_crawl_pages": lambda v: integer(v, 1, 100),
        "device": lambda v: v in ("desktop", "mobile"),
        "os": lambda v: v in systems[task.get("device", "desktop")],
        "se_domain": lambda v: text(v, 255),
        "search_param": lambda v: text(v, 2000),
        "url": lambda v: text(v, 2000),
        "tag": lambda v: text(v, 255),
        "pingback_url": lambda v: text(v, 2000),
        "postback_url": lambda v: text(v, 2000) and "postback_data" in task,
        "postback_data": lambda v: v in ("regular", "advanced", "html"),
        "stop_crawl_on_match": lambda v: isinstance(v, list) and len(v) <= 10 and all(
            isinstance(m, dict) and set(m) == {"match_value", "match_type"}
            and all(isinstance(x, str) for x in m.values()) for m in v),
    }
    for field in sorted(task, key=lambda f: f == "os"):  # os last: it is judged by device
        if field not in checks or not _passes(checks[field], task[field]):
            return field
    return None


def _passes(check, value):
    try:
        return check(value)
    except TypeError:  # An unhashable or otherwise hopeless value
        return False


# ------------------------------------------------------------------------- requests, tasks

class Body:
    """A body and its gzip form, each made when first asked for and kept."""

    __slots__ = ("_plain", "_gz")

    def __init__(self, plain=None, gz=None):
        self._plain, self._gz = plain, gz

    def __bool__(self):
        return bool(self._plain or self._gz)

    def plain(self):
        return gzip.decompress(self._gz) if self._plain is None else self._plain

    def gz(self):
        if self._gz is None:
            self._gz = gzip.compress(self._plain, 4, mtime=0)
        return self._gz


class Response:
    """A status, headers and a body; encode() makes the bytes."""

    __slots__ = ("status", "headers", "body")

    def __init__(self, body, status=200, headers=None):
        self.body = body if isinstance(body, Body) else Body(body)
        self.status, self.headers = status, headers or {}

    def encode(self, gzip_asked, chunk=0):
        """The head's bytes and the body's; with `chunk` the body in chunks of that size."""
        headers = dict(self.headers)
        headers.setdefault("Content-Type", "application/json")
        if gzip_asked and self.body and "Content-Encoding" not in headers:
            payload = self.body.gz()
            headers["Content-Encoding"] = "gzip"
        else:
            payload = self.body.plain()
        if chunk:
            headers["Transfer-Encoding"] = "chunked"
            pieces = [payload[i:i + chunk] for i in range(0, len(payload), chunk)]
            payload = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
        else:
            headers["Content-Length"] = len(payload)
        lines = "".join("%s: %s\r\n" % pair for pair in headers.items())
        head = "HTTP/1.1 %d %s\r\n%s\r\n" % (self.status, REASONS.get(self.status, "Status"), lines)
        return head.encode(), payload


def error_response(code, status=200, headers=None):
    return Response(dump(wrapper(code)), status, headers)


class Request:
    """One parsed request, and what becomes of it."""

    __slots__ = ("method", "path", "headers", "body", "call", "id", "entry", "gzip")

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.gzip = "gzip" in headers.get("accept-encoding", "")
        self.entry = None  # Its line in the log
        self.call, self.id = "other", None
        if path.startswith(PREFIX):
            rest = path[len(PREFIX):]
            if rest.startswith("task_get/advanced/"):
                self.call, self.id = "task_get", rest[len("task_get/advanced/"):]
            elif rest in ("task_post", "tasks_ready"):
                self.call = rest


class Task:
    """What the double knows under an id. Either `scripted` answers, or a posted task."""

    __slots__ = ("id", "scripted", "served", "data", "born", "ready", "collected", "listed")

    def __init__(self, id, born, ready=0.0, scripted=None, data=None, listed=False):
        self.id, self.born, self.ready, self.data = id, born, ready, data
        self.scripted = scripted  # List of Response, or None until one is generated
        self.served = 0  # Scripted answers given so far
        self.listed = listed  # tasks_ready may name it
        self.collected = False  # A result has been handed out


class Fault:
    """A fault to inject, with the number of times it is still to be used."""

    def __init__(self, kind, id=None, call=None, times=1, after=0, process=None, **parameters):
        if kind not in FAULTS:
            raise ValueError("unknown fault %r; there are: %s" % (kind, ", ".join(FAULTS)))
        unknown = set(parameters) - set(FAULTS[kind])
        if unknown:
            raise ValueError("fault %s has no %s; it has: %s"
                             % (kind, ", ".join(unknown), ", ".join(FAULTS[kind]) or "none"))
        self.kind, self.id, self.call, self.times, self.after = kind, id, call, times, after
        self.process = kind not in ANSWER_FAULTS if process is None else process
        self.p = {**FAULTS[kind], **parameters}

    def take(self, request):
        """True if it applies to this request; then it is one use poorer."""
        if self.times == 0 or (self.id and self.id != request.id) or (self.call and self.call != request.call):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def replacement(self):
        """The Response of a fault of the answer."""
        p = self.p
        if self.kind == "bomb":
            return Response(Body(gz=bomb(p["megabytes"], p["fill"])))
        headers, status, body = dict(p["headers"]), p["status"], p["body"]
        if p.get("retry_after") is not None:
            headers["Retry-After"] = p["retry_after"]
        if body is None and status in (502, 503, 504):
            body = b"<html><head><title>%d</title></head><body><h1>nginx</h1></body></html>" % status
            headers.setdefault("Content-Type", "text/html")
        elif body is None and 300 <= status < 400:
            body = b""
        elif body is None:
            return error_response(STATUS_CODES.get(status, 50000), status, headers)
        return Response(body, status, headers)


_bombs = {}  # (megabytes, fill): gzip bytes


def bomb(megabytes, fill):
    """A gzip stream of so many MiB of one character, put together from copies of one piece."""
    if (megabytes, fill) not in _bombs:
        block = fill.encode() * (1 << 20)
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        piece = deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)
        crc = 0
        for _ in range(megabytes):
            crc = zlib.crc32(block, crc)
        head = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"
        tail = struct.pack("<II", crc, (megabytes << 20) & 0xFFFFFFFF)
        _bombs[megabytes, fill] = head + piece * megabytes + b"\x03\0" + tail
    return _bombs[megabytes, fill]


# -------------------------------------------------------------------------------- the API

class Api:
    """What the double knows and decides. Knows no sockets: requests in, responses out."""

    def __init__(self, user, password, settings):
        self.credentials = "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
        self.settings = dict(SETTINGS)
        self.op_set(**settings)
        self.tasks, self.faults, self.skew, self.serial = {}, [], 0.0, 0
        with open(FULL, "rb") as f:
            self.full = f.read()
        self.full_id = json.loads(self.full)["tasks"][0]["id"].encode()
        self.taken, self.ready_taken = collections.deque(), collections.deque()  # Times, for the limits
        self.in_flight = 0
        self.op_reset_counts()

    def now(self):
        return time.time() + self.skew

    # What Connection calls

    def begin(self, request, connection):
        """Counts a request that has come in and decides on it: (Response, Fault or None, seconds)."""
        self.n["requests"] += 1
        self.n["posts"] += request.call == "task_post" and request.method == "POST"
        self.calls["%s %s" % (request.method, request.call)] += 1
        self.per_id[request.id] += request.id is not None
        self.in_flight += 1
        self.n["max_in_flight"] = max(self.n["max_in_flight"], self.in_flight)
        request.entry = {
            "time": self.now(), "connection": connection, "method": request.method, "path": request.path,
            "call": request.call, "id": request.id, "host": request.headers.get("host"),
            "gzip": request.gzip, "agent": request.headers.get("user-agent"), "status": None, "fault": None}
        self.entries.append(request.entry)
        if request.headers.get("authorization") != self.credentials:
            self.n["auth_failures"] += 1
            headers = {"WWW-Authenticate": 'Basic realm="API"'}
            return error_response(40100, 401, headers), None, self.settings["latency"]
        delay, fault = self._fault(request)
        response = self._limited(request)
        if response:
            pass
        elif fault is None or fault.process:
            response = self._answer(request)
        if fault and fault.kind in ("status", "body", "bomb"):
            response = fault.replacement()
        elif fault and fault.kind == "flood":
            response = Response(b"")
        return response or Response(b""), fault, delay + self.settings["latency"]

    def answering(self, request, status):
        request.entry["status"] = status
        self.statuses[status] += 1

    def end(self, request, cancelled):
        self.in_flight -= 1
        self.n["cancelled"] += cancelled
        if request.entry["status"] is None:
            self.answering(request, 0)

    def count_connection(self):
        self.n["connections"] += 1
        return self.n["connections"]

    # Deciding

    def _fault(self, request):
        delay, found = 0.0, None
        for fault in self.faults:
            if (fault.kind == "latency" or found is None) and fault.take(request):
                self.n["faults"] += 1
                if fault.kind == "latency":
                    delay += fault.p["seconds"]
                else:
                    found = fault
                    request.entry["fault"] = fault.kind
        self.faults = [f for f in self.faults if f.times != 0]
        return delay, found

    def _limited(self, request):
        s = self.settings
        if s["max_in_flight"] and self.in_flight > s["max_in_flight"]:
            self.n["limited"] += 1
            return error_response(40209)
        if s["per_minute"] and not self._take(self.taken, s["per_minute"]):
            self.n["limited"] += 1
            headers = {"Retry-After": s["retry_after"]} if s["retry_after"] is not None else {}
            return error_response(40202, s["rate_status"], headers if s["rate_status"] == 429 else {})
        if request.call == "tasks_ready" and not self._take(self.ready_taken, s["ready_per_minute"]):
            self.n["limited"] += 1
            return error_response(40202)
        return None

    def _take(self, times, most):
        """Notes a request in a sliding minute; False if it is full."""
        now = self.now()
        while times and times[0] <= now - 60:
            times.popleft()
        if len(times) >= most:
            return False
        times.append(now)
        return True

    def _answer(self, request):
        sandbox = self.settings["sandbox"] or request.headers.get("host", "").startswith("sandbox")
        if (request.method, request.call) == ("GET", "task_get"):
            if not ID_SHAPE.fullmatch(request.id):
                return error_response(40402, 404)
            return self._sandbox_get(request.id) if sandbox else self._get(request.id)
        if (request.method, request.call) == ("POST", "task_post"):
            return self._post(request.body, sandbox)
        if (request.method, request.call) == ("GET", "tasks_ready"):
            return self._ready()
        return error_response(40400, 404)

    def _sandbox_get(self, id):
        return Response(self.full.replace(self.full_id, id.encode()))

    def _get(self, id):
        task, now = self.tasks.get(id), self.now()
        path = "task_get/advanced/" + id
        error = lambda code, fields: dump(wrapper(tasks=[
            task_entry(id, code, path, request_data("task_get", fields))]))
        if task is None:
            return Response(error(40401, {}), self.settings["unknown"])
        if now >= task.born + KEPT_AGE:
            return Response(error(40403, task.data or {}))
        if now < task.ready:
            handed = now < task.born + self.settings["handed_seconds"]
            return Response(error(40601 if handed else 40602, task.data))
        if task.scripted is None:
            keyword = urllib.parse.unquote_plus(task.data["keyword"])
            task.scripted = [Response(answer(id, keyword, task.data.get("depth", 15), task.data))]
        response = task.scripted[min(task.served, len(task.scripted) - 1)]
        task.served += 1
        task.collected = True
        return response

    def _post(self, body, sandbox):
        if not body.strip():
            return error_response(40502)
        try:
            posted = json.loads(body)
        except ValueError:
            return error_response(40503)
        if not isinstance(posted, list) or not posted:
            return error_response(40503)
        entries = [self._post_one(fields, n, sandbox) for n, fields in enumerate(posted)]
        return Response(dump(wrapper(tasks=entries, cost=round(sum(e["cost"] for e in entries), 6))))

    def _post_one(self, fields, n, sandbox):
        now, id, cost, message, posted = self.now(), self._new_id(), 0, None, fields
        wrong = check_post(fields) if isinstance(fields, dict) else None
        if n >= POST_MAX:
            code = 40006
        elif not isinstance(fields, dict):
            code, fields = 40503, {"posted": fields}
        elif wrong:
            code, message = 40501, "Invalid Field: '%s'." % wrong
        else:
            code, fields = 20100, with_defaults(fields)
            if not sandbox:
                cost = self.settings["price"] * math.ceil(fields.get("depth", 15) / 15) * fields["priority"]
                cost = round(cost, 6)
            self.tasks[id] = Task(id, now, now + self.settings["queue_seconds"], data=fields,
                                  listed="postback_url" not in fields)
            self.n["created"] += 1
            self.n["spent"] = round(self.n["spent"] + cost, 6)
        self.post_log.append({"id": id, "status_code": code, "cost": cost, "data": posted,
                              "sandbox": sandbox, "time": now})
        return task_entry(id, code, "task_post", request_data("task_post", fields), cost=cost, message=message)

    def _new_id(self):
        """Like the API's own: month, day, hour, minute first; unlike RFC 4122's."""
        self.serial += 1
        digits = hashlib.sha1(b"%d" % self.serial).hexdigest()
        stamp = time.strftime("%m%d%H%M", time.gmtime(self.now()))
        return "%s-1535-0066-%04d-%s" % (stamp, self.serial % 10000, digits[:12])

    def _ready(self):
        now = self.now()
        ready = [t for t in self.tasks.values()
                 if t.listed and not t.collected and t.ready <= now < t.born + READY_AGE][:READY_MAX]
        result = []
        for n, task in enumerate(ready):
            entry = {"id": task.id, "se": "naver", "se_type": "organic",
                     "date_posted": time.strftime("%Y-%m-%d %H:%M:%S +00:00", time.gmtime(task.born)),
                     "tag": (task.data or {}).get("tag"), "endpoint_regular": None,
                     "endpoint_advanced": PREFIX + "task_get/advanced/" + task.id,
                     "endpoint_html": PREFIX + "task_get/html/" + task.id}
            if n % 5 == 2:
                del entry["endpoint_html"]
            if n % 5 == 3:
                entry["date_posted"] = None
            if n % 5 == 4 and entry["tag"] is None:
                del entry["tag"]
            result.append(entry)
        data = request_data("tasks_ready", {})
        entry = task_entry(self._new_id(), 20000, "tasks_ready", data, result or None)
        return Response(dump(wrapper(tasks=[entry])))

    # Control: one op_... a name of "op"

    def control(self, body):
        """Runs one op given as JSON; an empty body asks for the counts."""
        try:
            arguments = json.loads(body) if body else {"op": "counts"}
            result = getattr(self, "op_" + arguments.pop("op"))(**arguments)
            return Response(dump(result))
        except (AttributeError, KeyError, TypeError, ValueError) as e:
            return Response(dump({"error": "%s: %s" % (type(e).__name__, e)}), 400)

    def op_counts(self):
        return {**self.n, "in_flight": self.in_flight, "calls": self.calls, "statuses": self.statuses}

    def op_reset_counts(self):
        """Counts and log start over; connections that are open now count again when used again."""
        self.n = dict.fromkeys(("requests", "connections", "max_in_flight", "cancelled", "posts", "created",
                                "auth_failures", "limited", "faults"), 0)
        self.n["spent"] = 0.0
        self.calls, self.statuses, self.per_id = (collections.Counter() for _ in range(3))
        self.entries, self.post_log = collections.deque(maxlen=LOG_MAX), []
        self.epoch = getattr(self, "epoch", 0) + 1

    def op_requests_for(self, id):
        return self.per_id[id]

    def op_log(self):
        return list(self.entries)

    def op_posted(self):
        return self.post_log

    def op_set(self, **settings):
        unknown = set(settings) - set(SETTINGS)
        if unknown:
            raise ValueError("unknown setting %s; there are: %s" % (", ".join(unknown), ", ".join(SETTINGS)))
        self.settings.update(settings)
        return self.settings

    def op_advance(self, seconds):
        self.skew += seconds

    def op_fault(self, body64=None, **arguments):
        if body64 is not None:
            arguments["body"] = base64.b64decode(body64)
        elif isinstance(arguments.get("body"), str):
            arguments["body"] = arguments["body"].encode()
        self.faults.append(Fault(**arguments))

    def op_clear_faults(self):
        self.faults = []

    def op_add(self, id, answers, listed=False):
        """`answers`: [[status, text], ...] or with the body as {"base64": ...}."""
        decode = lambda b: base64.b64decode(b["base64"]) if isinstance(b, dict) else b.encode()
        scripted = [Response(decode(body), status) for status, body in answers]
        if not scripted:
            raise ValueError("no answer given for %s" % id)
        self.tasks[id] = Task(id, self.now(), scripted=scripted, listed=listed)

    def op_remove(self, id):
        self.tasks.pop(id, None)

    def op_generate(self, count, items=100, keyword="검색어", first=0):
        """`count` ready tasks with keywords "검색어 0", ...; kept in gzip form only."""
        ids = []
        for n in range(first, first + count):
            id = "03020200-1535-0066-%04x-%012x" % (items & 0xFFFF, n)
            body = Body(gz=gzip.compress(answer(id, "%s %d" % (keyword, n), items), 4, mtime=0))
            self.tasks[id] = Task(id, self.now(), scripted=[Response(body)], listed=True)
            ids.append(id)
        return ids


# ---------------------------------------------------------------------------- connections

class Connection(asyncio.Protocol):
    """One client's connection: a small HTTP/1.1 parser in front of Api, and the faults."""

    def __init__(self, api):
        self.api = api
        self.transport = self.request = self.task = None
        self.buffer = bytearray()
        self.number, self.epoch = 0, 0  # In the counts, given with the first counted request
        self.closing = False  # The client asked for the end after this answer
        self.continued = False  # 100 Continue was sent for the request in the buffer
        self.writable = asyncio.Event()
        self.writable.set()

    # asyncio.Protocol

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        self.writable.set()
        if self.task:
            self.task.cancel()
            self.task = None
        if self.request:
            self._end(cancelled=True)

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def data_received(self, data):
        self.buffer += data
        if self.request is None:
            self._next()

    # One request after another

    def _next(self):
        """Takes the next whole request out of the buffer, if there is one, and starts on it."""
        while self.request is None and self.buffer and not self.transport.is_closing():
            request = self._parse()
            if request is None:
                return
            self.closing = request.headers.get("connection", "").lower() == "close"
            if request.path == "/_control":
                self._write(self.api.control(request.body), request.gzip)
                self._after()
            else:
                self._start(request)

    def _parse(self):
        """A Request, or None while there is not all of it. Closes on what it cannot read."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return self._refuse(431) if len(self.buffer) > HEAD_MAX else None
        lines = self.buffer[:end].decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or words[2] != "HTTP/1.1":
            return self._refuse(400)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if "transfer-encoding" in headers:
            return self._refuse(411)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_MAX:
            return self._refuse(413)
        stop = end + 4 + int(length)
        if len(self.buffer) < stop:
            if headers.get("expect", "").lower() == "100-continue" and not self.continued:
                self.continued = True
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return None
        body = bytes(self.buffer[end + 4:stop])
        del self.buffer[:stop]
        self.continued = False
        return Request(words[0], words[1], headers, body)

    def _refuse(self, status):
        self.buffer.clear()
        self._write(Response(b"", status), False)
        self.transport.close()

    def _start(self, request):
        if self.epoch != self.api.epoch:
            self.number, self.epoch = self.api.count_connection(), self.api.epoch
        self.request = request
        response, fault, delay = self.api.begin(request, self.number)
        loop = asyncio.get_running_loop()
        if fault and fault.kind not in ("status", "body", "bomb"):
            self.task = loop.create_task(self._faulty(response, fault, delay))
        elif delay > 0:
            loop.call_later(delay, self._finish, request, response)
        else:
            self._finish(request, response)

    def _finish(self, request, response):
        if self.request is request:  # Else the client has left
            self.api.answering(request, response.status)
            self._write(response, request.gzip)
            self._end()
            self._after()
            self._next()

    def _end(self, cancelled=False):
        request, self.request = self.request, None
        self.api.end(request, cancelled)

    def _after(self):
        if self.closing:
            self.transport.close()

    def _write(self, response, gzip_asked):
        self.transport.write(b"".join(response.encode(gzip_asked)))

    # Faults of the connection

    async def _faulty(self, response, fault, delay):
        request, p = self.request, fault.p
        if delay:
            await asyncio.sleep(delay)
        if fault.kind == "stall":
            await asyncio.get_running_loop().create_future()  # Until the client leaves
        chunk = p["bytes"] if fault.kind == "chunked" else 0
        head, payload = response.encode(request.gzip, chunk)
        cut = {"reset": p.get("bytes"), "close": p.get("bytes"),
               "truncate": len(head) + p.get("bytes", 0)}.get(fault.kind)
        self.api.answering(request, response.status if cut != 0 else 0)
        if fault.kind == "drip":
            await self._drip(head + payload, p["bytes"], p["seconds"])
        elif fault.kind == "flood":
            await self._flood(p["megabytes"], p["fill"])
        else:
            self.transport.write((head + payload)[:cut])
            await self.writable.wait()
        self.task = None
        self._end()
        if fault.kind == "reset":
            await asyncio.sleep(RST_DELAY)
            self._reset()
        elif cut is not None:
            self.transport.close()
        else:
            self._after()
            self._next()

    async def _drip(self, data, size, seconds):
        for i in range(0, len(data), size):
            if i > 0:
                await asyncio.sleep(seconds)
            self.transport.write(data[i:i + size])

    async def _flood(self, megabytes, fill):
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n%s\r\n" % (fill.encode() * 0x10000)
        for _ in range(megabytes * 16):
            self.transport.write(chunk)
            await asyncio.sleep(0)  # In which the client may turn out to be gone
            await self.writable.wait()
        self.transport.write(b"0\r\n\r\n")

    def _reset(self):
        """Ends the connection with a RST, without TLS's goodbye."""
        if not self.transport.is_closing():
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


async def serve(api, port, context, announce, until_eof):
    """Listens on 127.0.0.1 and, where there is one, ::1 at the same port, until it is to end."""
    loop = asyncio.get_running_loop()
    listen = lambda host, p: loop.create_server(lambda: Connection(api), host, p, ssl=context, backlog=1000)
    servers = [await listen("127.0.0.1", port)]
    port = servers[0].sockets[0].getsockname()[1]
    try:
        servers.append(await listen("::1", port))
    except OSError:
        pass  # No IPv6 here
    announce(port)
    if until_eof:
        await loop.run_in_executor(None, sys.stdin.buffer.read)
        os._exit(0)  # Connections that stall are not waited for
    await loop.create_future()


# ------------------------------------------------------------------------ the Python handle

class Double:
    """A double in a process of its own, which ends with stop(), or when this one dies.

    Double(port=0, cert="server", plain=False, tls_folder=None, user=..., password=..., **settings):
    cert="wrong" presents the certificate for wrong.example; plain=True speaks HTTP without TLS; tls_folder is
    where certificates are kept or made (default: made once a process). After stop(), start() again takes the
    same port, with nothing known. Everything may be called from any thread."""

    def __init__(self, port=0, cert="server", plain=False, tls_folder=None,
                 user="login@example.com", password="pa:ss wörd", **settings):
        self.port, self.cert, self.plain = port, cert, plain
        self.user, self.password, self.settings = user, password, settings
        self.tls = tls.make(tls_folder)
        self.ca_file, self.other_ca_file = self.tls.ca, self.tls.other_ca
        self.process = self._connection = None
        self._lock = threading.Lock()

    def start(self):
        command = [sys.executable, os.path.abspath(__file__), "--until-eof", "--port", str(self.port),
                   "--tls-folder", os.path.dirname(self.tls.ca), "--cert", self.cert,
                   "--user", self.user, "--password", self.password]
        command += ["--plain"] if self.plain else []
        for name, value in self.settings.items():
            command += ["--set", "%s=%s" % (name, json.dumps(value))]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        lines = dict(iter(lambda: self.process.stdout.readline().decode().strip().partition("=")[::2], ("", "")))
        if "NAVER_SERP_BASE_URL" not in lines:
            raise RuntimeError("the double did not start")
        self.base_url = lines["NAVER_SERP_BASE_URL"]
        self.port = int(self.base_url.rpartition(":")[2])
        self.sandbox_url = self.base_url.replace("localhost", "sandbox.localhost")
        return self

    def stop(self):
        """Ends the process; the port refuses connections from then on."""
        if self.process:
            self._hang_up()
            self.process.stdin.close()
            self.process.wait(10)
            self.process.stdout.close()
            self.process = None

    __enter__ = start

    def __exit__(self, *exc):
        self.stop()

    def env(self):
        """What a client needs, as environment variables."""
        return {"NAVER_SERP_BASE_URL": self.base_url, "NAVER_SERP_CA_FILE": self.ca_file,
                "DATAFORSEO_LOGIN": self.user, "DATAFORSEO_PASSWORD": self.password}

    def control(self, op, **arguments):
        """One op of Api, over /_control."""
        body = json.dumps({"op": op, **arguments})
        with self._lock:
            status, text = self._exchange(body)
        result = json.loads(text)
        if status != 200:
            raise ValueError(result["error"])
        return result

    def _exchange(self, body):
        if self._connection is None:
            if self.plain:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.port)
            else:  # Not verified: this is about control, and the certificate may be a wrong one
                context = ssl._create_unverified_context()
                self._connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context)
        try:
            self._connection.request("POST", "/_control", body)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._hang_up()
            raise

    def _hang_up(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    # Ops that need more than control()

    def add(self, id, *answers, status=200, listed=False):
        """Makes `id` known. Each answer is a body (bytes, str, or an object to dump) with `status`, or (status,
        body); the n-th request gets the n-th, the last repeats. `listed`: tasks_ready names it."""
        pairs = [a if isinstance(a, tuple) else (status, a) for a in answers]
        self.control("add", id=id, listed=listed, answers=[[s, _portable(b)] for s, b in pairs])
        return id

    def load(self, path):
        """Adds a file of data/ under its id (that in the body, else that which data/README.md gives it)
        with the HTTP status it comes with. A folder: all *.json in it, as {file name without .json: id}."""
        if os.path.isdir(path):
            return {os.path.basename(f)[:-5]: self.load(f) for f in sorted(glob.glob(os.path.join(path, "*.json")))}
        with open(path, "rb") as f:
            body = f.read()
        id, status = file_id_and_status(path, body)
        return self.add(id, body, status=status)

    def fault(self, kind, **arguments):
        body = arguments.get("body")
        if isinstance(body, bytes):
            arguments["body64"] = base64.b64encode(arguments.pop("body")).decode()
        self.control("fault", kind=kind, **arguments)

    def set(self, **settings):
        return self.control("set", **settings)

    def generate(self, count, items=100, keyword="검색어", first=0):
        return self.control("generate", count=count, items=items, keyword=keyword, first=first)

    def counts(self):
        return self.control("counts")

    def requests_for(self, id):
        return self.control("requests_for", id=id)

    def log(self):
        return self.control("log")

    def posted(self):
        return self.control("posted")

    def reset_counts(self):
        self.control("reset_counts")

    def clear_faults(self):
        self.control("clear_faults")

    def advance(self, seconds):
        self.control("advance", seconds=seconds)

    def remove(self, id):
        self.control("remove", id=id)


def _portable(body):
    if isinstance(body, bytes):
        return {"base64": base64.b64encode(body).decode()}
    return body if isinstance(body, str) else dump(body).decode()


def file_id_and_status(path, body):
    """The id and the HTTP status of a file of data/, by the rules of data/README.md."""
    parsed = json.loads(body)
    code, tasks = parsed["status_code"], parsed["tasks"]
    if tasks:
        id = tasks[0]["id"]
    else:
        id = "03020115-1535-0066-0000-%012d" % code
    return id, {40100: 401, 40200: 402, 40210: 402, 40400: 404, 40401: 404, 40402: 404, 50000: 500}.get(code, 200)


def main():
    parser = argparse.ArgumentParser(description="A double of the API; see the head of this file.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="HTTP without TLS")
    parser.add_argument("--cert", choices=("server", "wrong"), default="server")
    parser.add_argument("--tls-folder", help="where certificates are kept or made")
    parser.add_argument("--user", default="login@example.com")
    parser.add_argument("--password", default="password")
    parser.add_argument("--generate", type=int, default=0, metavar="N", help="N ready tasks")
    parser.add_argument("--items", type=int, default=100, help="items in each of them")
    parser.add_argument("--load", action="extend", nargs="+", default=[], metavar="FILE", help="files of data/")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting, as JSON")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    options = parser.parse_args()
    settings = {name: json.loads(value) for name, _, value in (s.partition("=") for s in options.set)}
    api = Api(options.user, options.password, settings)
    ids = api.op_generate(options.generate, options.items)
    for path in options.load:
        with open(path, "rb") as f:
            body = f.read()
        id, status = file_id_and_status(path, body)
        api.op_add(id, [[status, body.decode()]])
        ids.append(id)
    files = tls.make(options.tls_folder)
    context = None
    if not options.plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*((files.wrong, files.wrong_key) if options.cert == "wrong"
                                  else (files.server, files.server_key)))

    def announce(port):
        print("NAVER_SERP_BASE_URL=%s://localhost:%d" % ("http" if options.plain else "https", port))
        print("NAVER_SERP_CA_FILE=%s" % files.ca)
        print("DATAFORSEO_LOGIN=%s\nDATAFORSEO_PASSWORD=%s\n" % (options.user, options.password))
        print("".join(id + "\n" for id in ids), end="", flush=True)

    try:
        asyncio.run(serve(api, options.port, context, announce, options.until_eof))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
