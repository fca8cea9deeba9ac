"""How the bench measures, and how it prints what it measured."""

import os
import statistics
import sys
import time

ENOUGH = 0.05  # Seconds a measured loop takes at least: shorter calls are repeated in it
BUDGET = 6.0  # Seconds after which a slow peer is not run again


def progress(text):
    print("bench: " + text, file=sys.stderr, flush=True)


class Peer:
    """One way to get something, and the seconds it took. `call(times)` does it so many times
    and returns the seconds of all and what it found; None: this peer cannot do it."""

    def __init__(self, name, call):
        self.name, self.call = name, call
        self.times, self.spent, self.found = [], 0.0, None

    @property
    def seconds(self):
        return statistics.median(self.times) if self.times else None


def calling(function):
    """A call for Peer out of a function that does it once and returns what it found."""
    def call(times):
        begun = time.perf_counter()
        for _ in range(times):
            found = function()
        return time.perf_counter() - begun, found
    return call


def compare(what, peers, runs):
    """Runs the peers in turns, each `runs` times after one that does not count (it does where
    it takes all of BUDGET); what they find must be what the first one finds."""
    progress(what)
    peers = [p for p in peers if p.call]
    for p in peers:
        first, p.found = p.call(1)
        p.repeats = min(max(int(ENOUGH / max(first, 1e-6)), 1), 1000)
        if first >= BUDGET:
            p.times, p.spent = [first], first
        check(what, p, peers[0])
    for _ in range(runs):
        for p in peers:
            if p.times and p.spent >= BUDGET:
                continue
            seconds, p.found = p.call(p.repeats)
            p.times.append(seconds / p.repeats)
            p.spent += seconds
            check(what, p, peers[0])


def check(what, peer, first):
    if peer.found != first.found:
        sys.exit("bench: %s: %s found %.300r, but %s %.300r"
                 % (what, peer.name, peer.found, first.name, first.found))


def ms(seconds):
    """Milliseconds in three digits or more."""
    value = seconds * 1000
    return "%.*f" % (0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3, value)


def ratio(a, b):
    value = a / b
    return "%.*f" % (0 if value >= 100 else 1 if value >= 10 else 2, value)


def table(title, header, rows):
    print("\n%s\n\n| %s |\n|%s" % (title, " | ".join(header), "---|" * len(header)))
    for row in rows:
        print("| %s |" % " | ".join(row))
    sys.stdout.flush()


def remove(path):
    """Removes a database file and what SQLite leaves beside it."""
    for name in (path, path + "-journal", path + "-wal", path + "-shm"):
        if os.path.exists(name):
            os.unlink(name)
