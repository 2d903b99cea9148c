#!/usr/bin/python3
"""A slow line, where the kernel has no netem: delay_line.py --device NAME --ms N [--jitter-ms N].

Makes a TUN device in its network namespace; every packet that is routed into it comes out of it
again, later. Packets keep their order. Ends with SIGTERM, and the device with it.
"""

import argparse
import collections
import fcntl
import os
import random
import selectors
import signal
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
PACKETS_MOST = 20_000  # More than this in flight are dropped, as a full line would.


def open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", required=True)
    parser.add_argument("--ms", type=float, required=True)
    parser.add_argument("--jitter-ms", type=float, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    tun = open_tun(options.device)
    ready = selectors.DefaultSelector()
    ready.register(tun, selectors.EVENT_READ)
    line = collections.deque()
    while True:
        rest = max(0.0, line[0][0] - time.monotonic()) if line else None
        if ready.select(rest):
            packet = os.read(tun, 65536)
            due = time.monotonic() + (options.ms + random.uniform(0, options.jitter_ms)) / 1000
            if line:
                due = max(due, line[-1][0])
            if len(line) < PACKETS_MOST:
                line.append((due, packet))
        while line and line[0][0] <= time.monotonic():
            os.write(tun, line.popleft()[1])


if __name__ == "__main__":
    main()
