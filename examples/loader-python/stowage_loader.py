"""Reads a version of a dataset by the document that `stowage dataset access NAME --mode manifest` writes.

Python 3.10 or later, the standard library alone. No byte is given out before the SHA-256 of its block was checked, and a read goes on at the same byte from the
next replica when a server refuses, is silent, drips, breaks off, has other bytes or another object.

    manifest = Manifest("cats.jsonl")
    loader = Loader(manifest)
    for entry, data in loader.iterate(threads=8):    # small files, in order, read ahead
        train(entry.path, data)
    with loader.open("shards/0001.tar") as file:      # a large one: seek, read, tarfile.open(fileobj=file)
        file.seek(1 << 30)

See docs/access.md for the format.
"""

import hashlib
import io
import json
import os
import threading
import time
from array import array
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from replicas import Failure, Replica

FORMAT = 1
#: How often each replica may fail at one block before the read gives up: twice, so that one that hiccups can help again.
ROUNDS = 2


class ManifestError(Exception):
    """The document is not whole, not one, or of a newer format."""


class ReadError(Exception):
    """Every replica failed. The message names each and says why."""


class Entry:
    """A file of the version."""

    __slots__ = ("path", "size", "digest", "content_type", "ways", "block_ways")

    def __init__(self, line, replicas):
        self.path = line["path"]
        self.size = line["size"]
        self.digest = line["digest"]
        self.content_type = line.get("contentType")
        #: (replica, URL or path of a file), best first
        self.ways = _ways(replicas, line["at"], line.get("key"))
        blocks = line.get("blocks")
        self.block_ways = _ways(replicas, blocks["at"], blocks.get("key")) if blocks else []


def _ways(replicas, at, key):
    found = []
    for replica, way in zip(replicas, at):
        if way == 1:
            found.append((replica, replica.mount + key))
        elif way is not None:
            found.append((replica, way))
    return found


class Manifest:
    """The document in a file. Only where each line begins is kept in memory: 8 bytes a file."""

    def __init__(self, path, replicas=None):
        self._fd = os.open(path, os.O_RDONLY)
        self._offsets = array("Q")
        last = None
        at = 0
        with open(path, "rb") as lines:
            for line in lines:
                if last is not None:
                    self._offsets.append(at - len(last))
                last = line
                at += len(line)
        end = self._parse(last or b"")
        if end.get("end") is not True or end.get("files") != len(self._offsets) - 1:
            raise ManifestError(f"{path} is not whole: it has no end, or too few files")
        self._offsets.append(at - len(last))
        self.next = end.get("next")
        self.header = header = self._line(0)
        if header.get("kind") != "stowage-access-manifest":
            raise ManifestError(f"{path} is no access manifest of Stowage")
        if header.get("format", 0) > FORMAT:
            raise ManifestError(f"{path} has format {header['format']}; this loader knows {FORMAT}")
        self.identity = header["manifest"]
        self.block_size = header["blockSize"]
        self.expires_at = header["expiresAt"]
        known = replicas if replicas is not None else {}
        for one in header["replicas"]:
            known.setdefault(one["source"], Replica(one["source"])).mount = one.get("mount")
        self.replicas = known
        self._order = [known[one["source"]] for one in header["replicas"]]

    def __len__(self):
        return len(self._offsets) - 2

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Entry(self._line(index + 1), self._order)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def find(self, path):
        """The index of a path. The lines are in the order of their paths as UTF-8."""
        wanted = path.encode("utf-8", "surrogatepass")
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._line(middle + 1)["path"].encode("utf-8", "surrogatepass") < wanted:
                low = middle + 1
            else:
                high = middle
        if low < len(self) and self[low].path == path:
            return low
        raise KeyError(path)

    def close(self):
        os.close(self._fd)

    def _line(self, number):
        start, end = self._offsets[number], self._offsets[number + 1]
        return self._parse(os.pread(self._fd, end - start, start))

    @staticmethod
    def _parse(line):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise ManifestError(f"a line is no JSON: {error}") from error
        if not isinstance(value, dict):
            raise ManifestError("a line is no object")
        return value


class Loader:
    """Reads files of a manifest. Any number of threads may use one.

    stall: seconds that a read may go without a byte while another replica is left. A replica is left after three quarters of it.
    min_rate: bytes a second below which a replica is left for one that is not known to be as slow.
    renew: makes a new document of the same version and gives its path, or a Manifest; called when URLs have ended.
    on_failover: called with (path, from, to, offset, reason) when a read goes on elsewhere.
    """

    def __init__(self, manifest, stall=3.0, min_rate=65536, renew=None, on_failover=None):
        self.manifest = manifest
        self._patience = stall * 0.75
        self._min_rate = min_rate
        self._renew_with = renew
        self._on_failover = on_failover or (lambda *_: None)
        self._lock = threading.Lock()

    def read(self, which, start=0, length=None):
        """Bytes of a file, by its path or its index: all of them, or a range."""
        file = self._file(which)
        end = file.entry.size if length is None else min(file.entry.size, start + length)
        size = self.manifest.block_size
        if start == 0 and end == file.entry.size <= size:
            return file.block(0)
        if end <= start:
            return b""
        parts = []
        for number in range(start // size, max(start, end - 1) // size + 1):
            begin = number * size
            parts.append(file.block(number)[max(0, start - begin) : end - begin])
        return b"".join(parts)

    def open(self, which):
        """A file for reading and seeking; it takes a block (8 MiB) of memory."""
        return io.BufferedReader(_Stream(self._file(which)), 1 << 20)

    def iterate(self, order=None, threads=8, ahead=None):
        """(entry, bytes) of the files in an order of indexes, read ahead by threads. For files that fit into memory `ahead` times."""
        indexes = iter(range(len(self.manifest)) if order is None else order)
        with ThreadPoolExecutor(threads) as pool:
            waiting = deque()
            try:
                while True:
                    while len(waiting) < (ahead or threads * 2):
                        index = next(indexes, None)
                        if index is None:
                            break
                        waiting.append(pool.submit(self._whole, index))
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                for one in waiting:
                    one.cancel()

    def _whole(self, index):
        return self.manifest[index], self.read(index)

    def _file(self, which):
        manifest = self._fresh()
        index = manifest.find(which) if isinstance(which, str) else which
        return _File(self, manifest, index)

    def _fresh(self):
        manifest = self.manifest
        ends = manifest.expires_at
        if ends is not None and time.time() * 1000 > ends - 60_000:
            return self.renewed(manifest) or manifest
        return manifest

    def renewed(self, old):
        """The manifest after `old`, or None where there is no way to make one."""
        with self._lock:
            if self.manifest is not old:
                return self.manifest
            if self._renew_with is None:
                return None
            made = self._renew_with()
            manifest = made if isinstance(made, Manifest) else Manifest(made, old.replicas)
            if manifest.identity != old.identity or len(manifest) != len(old):
                raise ManifestError("the renewed manifest is about something else")
            self.manifest = manifest
            return manifest


class _File:
    """One file that is being read: its blocks, each from whichever replica gives it."""

    def __init__(self, loader, manifest, index):
        self._loader = loader
        self._manifest = manifest
        self._index = index
        self.entry = manifest[index]
        self._digests = None
        #: Of the object of a replica that was opened: what replaced it since is not the same object.
        self._etags = {}
        #: Replicas whose object was found bad: they come last for the rest of this file.
        self._bad = set()

    def _ordered(self, ways):
        """The ways in their order, but last those with a bad object, and before them those of replicas that failed a moment ago."""
        return sorted(ways, key=lambda way: (way[0] in self._bad, way[0].is_resting()))

    def block(self, number):
        size = self._manifest.block_size
        start = number * size
        length = min(size, self.entry.size - start)
        if self.entry.size <= size:
            return self._verified(start, length, bytes.fromhex(self.entry.digest))
        if self._digests is None:
            self._digests = self._block_digests()
        return self._verified(start, length, self._digests[number * 32 : number * 32 + 32])

    def _verified(self, start, length, digest):
        """One block, checked. A block from two replicas that is wrong is read again from one, so that only one can be to blame."""
        loader, faults, turn, renewed = self._loader, [], 0, False
        buffer = bytearray(length)
        filled = 0
        hands = set()
        slow = set()
        ways = self._ordered(self.entry.ways)
        if not ways:
            raise ReadError(f"{self.entry.path} cannot be read: the manifest names no replica of it")
        while True:
            replica, way = ways[turn % len(ways)]
            try:
                last = len(ways) == 1 or len(faults) + 1 >= len(ways) * ROUNDS
                hands.add(replica)
                quick = any(one not in slow and one is not replica for one, _ in ways)
                for filled in replica.fetch(
                    way,
                    memoryview(buffer),
                    filled,
                    start,
                    self.entry.size,
                    etags=self._etags,
                    patience=60.0 if last else loader._patience,
                    min_rate=loader._min_rate if quick and not last else 0,
                ):
                    pass
                if hashlib.sha256(buffer).digest() == digest:
                    replica.succeeded()
                    return bytes(buffer)
                filled = 0
                if len(hands) > 1:
                    hands = set()
                    continue
                raise Failure("integrity", "the bytes do not have their digest")
            except Failure as failure:
                filled = failure.filled if failure.filled is not None else filled
                if failure.reason == "integrity":
                    filled = 0
                if failure.reason == "slow":
                    slow.add(replica)
                if failure.reason == "denied" and not renewed:
                    renewed = True
                    if self._renew() and self.entry.ways:
                        ways = self._ordered(self.entry.ways)
                        continue
                replica.failed(failure.reason)
                if failure.reason in ("integrity", "replaced", "not-found"):
                    self._bad.add(replica)
                faults.append(f"{replica.name}: {failure}")
                if len(faults) >= len(ways) * ROUNDS:
                    raise ReadError(f"{self.entry.path} cannot be read. {'; '.join(dict.fromkeys(faults))}") from failure
                if filled == 0:
                    hands = set()
                turn += 1
                to = ways[turn % len(ways)][0].name
                loader._on_failover(self.entry.path, replica.name, to, start + filled, failure.reason)

    def _renew(self):
        manifest = self._loader.renewed(self._manifest)
        if manifest is None:
            return False
        self._manifest = manifest
        self.entry = manifest[self._index]
        return True

    def _block_digests(self):
        """The digests of the blocks, from whichever replica has them; where none has, they are made of the file itself."""
        blocks = -(-self.entry.size // self._manifest.block_size)
        want = bytes.fromhex(self.entry.digest)
        for replica, way in self._ordered(self.entry.block_ways) * ROUNDS:
            buffer = bytearray(blocks * 32)
            try:
                for _ in replica.fetch(way, memoryview(buffer), 0, 0, len(buffer), {}, self._loader._patience, 0):
                    pass
            except Failure as failure:
                replica.failed(failure.reason)
                continue
            if hashlib.sha256(buffer).digest() == want:
                return bytes(buffer)
        size = self._manifest.block_size
        for replica, way in self._ordered(self.entry.ways):
            digests = b""
            try:
                for start in range(0, self.entry.size, size):
                    buffer = bytearray(min(size, self.entry.size - start))
                    view = memoryview(buffer)
                    for _ in replica.fetch(way, view, 0, start, self.entry.size, {}, 60.0, 0):
                        pass
                    digests += hashlib.sha256(buffer).digest()
            except Failure as failure:
                replica.failed(failure.reason)
                continue
            if hashlib.sha256(digests).digest() == want:
                return digests
        raise ReadError(f"{self.entry.path} cannot be read: no replica has it whole, or the digests of its blocks")


class _Stream(io.RawIOBase):
    """A file to read and seek in. Keeps the block it read last."""

    def __init__(self, file):
        self._file = file
        self._at = 0
        self._block = (-1, b"")

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self._at

    def seek(self, offset, whence=os.SEEK_SET):
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.entry.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the file")
        self._at = base + offset
        return self._at

    def readinto(self, into):
        if self._at >= self._file.entry.size:
            return 0
        size = self._file._manifest.block_size
        number = self._at // size
        if self._block[0] != number:
            self._block = (number, self._file.block(number))
        begin = self._at - number * size
        part = self._block[1][begin : begin + len(into)]
        into[: len(part)] = part
        self._at += len(part)
        return len(part)
