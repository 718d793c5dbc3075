"""Reads a dataset as a training job does, and says how it went: all files in order with threads, ranges of a large one at random, and
the large one from its begin to its end.

    npx stowage dataset access cats --mode manifest --output cats.jsonl
    python3 train.py cats.jsonl

Prints lines of JSON: a failover, how far it is, and at the end a summary.
"""

import argparse
import hashlib
import json
import random
import sys
import threading
import time

from stowage_loader import Loader, Manifest

printing = threading.Lock()


def tell(**what):
    with printing:
        print(json.dumps(what), flush=True)


class Longest:
    """The longest time between two reads that gave bytes."""

    def __init__(self):
        self.seconds = 0.0
        self._last = time.monotonic()

    def begin(self):
        self._last = time.monotonic()

    def passed(self):
        now = time.monotonic()
        self.seconds = max(self.seconds, now - self._last)
        self._last = now


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("manifest")
    parser.add_argument("--renewed", help="another document of the same version, for when the URLs have ended")
    parser.add_argument("--stall", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--passes", type=int, default=1, help="how often all small files are read")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds that a step of training takes")
    parser.add_argument("--ranges", type=int, default=0, help="ranges of the largest file at random")
    parser.add_argument("--large", action="store_true", help="read the largest file from its begin to its end")
    parser.add_argument("--wait", action="store_true", help="go on only when a line comes, after the first reads")
    args = parser.parse_args()

    failovers = []

    def on_failover(path, left, to, offset, reason):
        failovers.append(reason)
        tell(failover=path, left=left, to=to, offset=offset, reason=reason)

    manifest = Manifest(args.manifest)
    renew = (lambda: args.renewed) if args.renewed else None
    loader = Loader(manifest, stall=args.stall, renew=renew, on_failover=on_failover)
    small = [i for i, entry in enumerate(manifest) if entry.size <= manifest.block_size]
    longest = Longest()
    reads = 0
    total = 0
    digest = None

    def step(size):
        nonlocal reads, total
        longest.passed()
        reads += 1
        total += size
        if reads % 50 == 0 or reads == 1:
            tell(reads=reads, bytes=total)
        if args.pace:
            time.sleep(args.pace)
            longest.begin()

    def wait():
        if args.wait:
            args.wait = False
            tell(ready=True)
            sys.stdin.readline()
            longest.begin()

    order = small * args.passes
    random.Random(1).shuffle(order)
    for entry, data in loader.iterate(order, threads=args.threads):
        if len(data) != entry.size:
            raise SystemExit(f"{entry.path} has {len(data)} bytes")
        step(len(data))
        if reads == len(order) // 4:
            wait()
    if args.ranges or args.large:
        largest = max(range(len(manifest)), key=lambda i: manifest[i].size)
        size = manifest[largest].size
        with loader.open(largest) as file:
            dice = random.Random(2)
            for _ in range(args.ranges):
                at = dice.randrange(size)
                longest.begin()
                file.seek(at)
                step(len(file.read(min(4096, size - at))))
            if args.large:
                file.seek(0)
                sha = hashlib.sha256()
                longest.begin()
                while chunk := file.read(1 << 20):
                    sha.update(chunk)
                    step(len(chunk))
                    if file.tell() > size // 4:
                        wait()
                digest = sha.hexdigest()
    tell(done=True, reads=reads, bytes=total, failovers=failovers, longest=round(longest.seconds, 3), sha256=digest)


if __name__ == "__main__":
    main()
