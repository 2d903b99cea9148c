#!/usr/bin/env python3
"""Runs the cloudflare provider against a mock server made from the vendor's OpenAPI file.

usage: cloudflare_contract.py PROGRAM FOLDER

The mock (Prism, pinned) is installed from the npm registry into FOLDER, once. Exit 77, said aloud,
where there is no npm or its registry cannot be reached.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

PRISM = "@stoplight/prism-cli@5.14.2"
SPEC = pathlib.Path(__file__).resolve().parents[1] / "data" / "cloudflare-dns-openapi.json"
INSTALL_WITHIN, START_WITHIN, RUN_WITHIN = 180, 60, 120
SKIP = 77


def skip(why):
    print(f"SKIPPED, nothing was compared with the vendor's file: {why}")
    sys.exit(SKIP)


def installed(folder):
    """The mock's program, installed if it is not there."""
    program = folder / "node_modules" / ".bin" / "prism"
    if program.exists():
        return program
    if shutil.which("npm") is None:
        skip("there is no npm")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
                               "--prefix", str(folder), PRISM],
                              timeout=INSTALL_WITHIN, check=False)
    except subprocess.TimeoutExpired:
        skip(f"npm took more than {INSTALL_WITHIN} s")
    if done.returncode != 0 or not program.exists():
        skip("npm could not install it")
    return program


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(url, server):
    """Until it answers, which it does with 401."""
    until = time.monotonic() + START_WITHIN
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(url + "/zones?name=example.com", timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.3)
    sys.exit("the mock did not start")


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    prism = installed(folder)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with open(folder / "prism.log", "w", encoding="utf-8") as log:
        server = subprocess.Popen([str(prism), "mock", "-h", "127.0.0.1", "-p", str(port),
                                   "--errors", str(SPEC)], stdout=log, stderr=log)
        try:
            wait_for(url, server)
            environment = dict(os.environ, POINTSMAN_MOCK=url)
            done = subprocess.run([program], env=environment, timeout=RUN_WITHIN, check=False)
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
