"""A name server that never answers: interrupting and closing do not wait for it.

Runs in a network and mount namespace of its own (unshare, from util-linux), where nothing
but loopback exists and /etc/resolv.conf names a socket that stays silent.
"""
import os
import subprocess
import sys
import tempfile
import unittest

import support

INSIDE = """
import fcntl, os, socket, struct, subprocess, sys, threading, time
sys.path.insert(0, sys.argv[1])
import support
up = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(up, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
subprocess.run(["mount", "--bind", sys.argv[2], "/etc/resolv.conf"], check=True)
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))
os.environ.update(DATAFORSEO_LOGIN="a", DATAFORSEO_PASSWORD="b")
con = support.connect()
con.execute("SELECT naver_serp_config('base_url', 'https://hung.example.com')")
begun = time.monotonic()
threading.Timer(0.5, con.interrupt).start()
try:
    con.execute("SELECT * FROM naver_serp('03171324-1535-0066-0000-770617fdc9a8')").fetchall()
except Exception as e:
    print(type(e).__name__, e.sqlite_errorname)
print("interrupted", time.monotonic() - begun)
silent.settimeout(2)
print("asked", b"hung" in silent.recv(512))
begun = time.monotonic()
con.close()
print("closed", time.monotonic() - begun)
"""


class Resolver(unittest.TestCase):
    def test_interrupt_and_close_do_not_wait(self):
        unshare = ["unshare", "--map-root-user", "--mount", "--net"]
        if subprocess.run(unshare + ["true"], capture_output=True).returncode:
            self.skipTest("no namespaces here")
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
            conf.write("nameserver 127.0.0.1\n")
            conf.flush()
            done = subprocess.run(unshare + [sys.executable, "-c", INSIDE,
                                             os.path.dirname(os.path.abspath(__file__)), conf.name],
                                  capture_output=True, text=True, timeout=60, cwd=support.ROOT)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
        self.assertEqual(lines.pop("OperationalError"), "SQLITE_INTERRUPT")
        self.assertEqual(lines["asked"], "True")
        self.assertLess(float(lines["interrupted"]), 2)  # A resolver gives up after 5 s or more
        self.assertLess(float(lines["closed"]), 2)


if __name__ == "__main__":
    unittest.main()
