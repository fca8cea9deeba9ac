"""What the bench measures on: generated answers of 100 items, always the same ones.

Up to BASE answers are all different. Beyond, they come again under new ids, with one
domain renamed: that domain has as many rows among 20,000 answers as among BASE.
"""

import random

import double

ITEMS = 100  # of an answer
BASE = 2000  # Different answers
KINDS = ("shop%d.example.kr", "blog%d.example.com", "www.store%d.example.co.kr",
         "m.news%d.example.com")


def power_law(names):
    """The k-th name 1/k as often as the first, as a list that a choice is made from."""
    return [name for k, name in enumerate(names, 1) for _ in range(max(1, len(names) // (2 * k)))]


# double.answer chooses from these: 5,000 domains, the first one in 10 % of the items, the
# hundredth in 0.1 %.
double.DOMAINS = power_law([KINDS[k % len(KINDS)] % k for k in range(1, 5001)])


def task_id(n):
    return "03171324-1535-0066-0000-%012x" % n


def generate(n):
    """The first n answers, n at most BASE, as a list of bytes."""
    return [double.answer(task_id(i), "keyword %d" % i, items=ITEMS) for i in range(n)]


def repeated(base, n, domain):
    """The answers after those of base, up to the n-th. In them `domain` has another name."""
    renamed = domain.replace("example", "other")
    for i in range(len(base), n):
        body = base[i % len(base)].replace(domain.encode(), renamed.encode())
        yield body.replace(task_id(i % len(base)).encode(), task_id(i).encode())


def some_ids(n, wanted=1000):
    """Ids of stored tasks, in no order."""
    rnd = random.Random(n)
    return [task_id(i) for i in rnd.sample(range(n), min(n, wanted))]
