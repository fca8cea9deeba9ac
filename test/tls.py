"""Certificates for the tests, made with the `openssl` command.

    import tls
    files = tls.make("build/tls")      # or tls.make() for a folder of this run's own
    files.ca                           # what a client trusts: NAVER_SERP_CA_FILE
    files.server, files.server_key     # for localhost, sandbox.localhost, 127.0.0.1, ::1
    files.other_ca                     # a CA that signed nothing here
    files.wrong, files.wrong_key       # signed by `ca`, but for wrong.example only

From a shell: `python3 test/tls.py FOLDER` makes them and prints their paths.

All keys are P-256: the whole set takes about 0.2 s. A folder that holds a set younger than
MAX_AGE is used as it is, so one folder a test run means one set a test run. Several
processes may call make() on one folder at once: each makes its set aside and the first to
rename it into place wins.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

DAYS = 30  # Validity
MAX_AGE = 86400  # Seconds after which a set is made anew, well before it expires

Files = namedtuple("Files", "ca server server_key other_ca wrong wrong_key")
NAMES = Files("ca.pem", "server.pem", "server.key", "other_ca.pem", "wrong.pem", "wrong.key")

CONFIG = """\
[req]
distinguished_name = dn
prompt = no
[dn]
CN = {name}
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {san}
"""

_own_folder = None  # make() without a folder: one temporary folder for this process


def make(folder=None):
    """Makes the set in `folder` unless it is there; returns the paths as a Files."""
    global _own_folder
    if folder is None:
        if _own_folder is None:
            _own_folder = tempfile.TemporaryDirectory(prefix="naver_serp_tls.")
        folder = os.path.join(_own_folder.name, "tls")
    folder = os.path.abspath(folder)
    if not _fresh(folder):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as scratch:
            new = os.path.join(scratch, "new")
            os.mkdir(new)
            _make_all(new)
            _put(new, folder, scratch)
    return Files(*(os.path.join(folder, name) for name in NAMES))


def _fresh(folder):
    try:
        age = time.time() - max(os.stat(os.path.join(folder, n)).st_mtime for n in NAMES)
    except OSError:
        return False
    return age < MAX_AGE


def _put(new, folder, scratch):
    """Renames `new` to `folder`, moving an old or half a set out of the way."""
    while not _fresh(folder):
        with contextlib.suppress(OSError):  # Another process may have moved it first
            os.rename(folder, os.path.join(scratch, "old"))
        with contextlib.suppress(OSError):  # Another process's set may be there already
            os.rename(new, folder)


def _make_all(folder):
    path = lambda name: os.path.join(folder, name)
    _ca(path("ca"), "naver_serp test CA")
    _ca(path("other_ca"), "another test CA")
    _leaf(path("server"), path("ca"), "localhost",
          "DNS:localhost,DNS:sandbox.localhost,IP:127.0.0.1,IP:::1")
    _leaf(path("wrong"), path("ca"), "wrong.example", "DNS:wrong.example")


def _ca(base, name):
    _key_and_config(base, name, "DNS:unused.example")
    _openssl("req", "-x509", "-new", "-key", base + ".key", "-out", base + ".pem", "-days", str(DAYS),
             "-config", base + ".cnf", "-extensions", "ca")


def _leaf(base, ca, name, san):
    _key_and_config(base, name, san)
    _openssl("req", "-new", "-key", base + ".key", "-out", base + ".csr", "-config", base + ".cnf")
    _openssl("x509", "-req", "-in", base + ".csr", "-out", base + ".pem", "-days", str(DAYS),
             "-CA", ca + ".pem", "-CAkey", ca + ".key", "-set_serial", str(time.time_ns()),
             "-extfile", base + ".cnf", "-extensions", "leaf")


def _key_and_config(base, name, san):
    _openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", base + ".key")
    with open(base + ".cnf", "w") as f:
        f.write(CONFIG.format(name=name, san=san))


def _openssl(*args):
    done = subprocess.run(("openssl",) + args, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("openssl %s: %s" % (" ".join(args), done.stderr.strip()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: tls.py FOLDER")
    for label, file in make(sys.argv[1])._asdict().items():
        print("%s=%s" % (label, file))
