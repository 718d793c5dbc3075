"""One replica as a loader sees it: a server that gives ranges by URL, or a folder that is mounted here."""

import http.client
import os
import ssl
import threading
import time
from urllib.parse import urlsplit

#: Bytes of one read from a socket or a file, at most.
PIECE = 256 * 1024
#: Seconds that a replica rests after it failed, longer with each time in a row, up to the second number.
REST, LONGEST_REST = 5.0, 60.0
#: Seconds from which on the rate of a finished answer tells something: below, most of it may be the way there.
SLOW_FROM = 0.5


class Failure(Exception):
    """A replica failed: unavailable, timeout, slow, integrity, replaced, not-found or denied."""

    def __init__(self, reason, message, filled=None):
        super().__init__(message)
        self.reason = reason
        self.filled = filled


class Replica:
    def __init__(self, name, mount=None):
        self.name = name
        #: The folder that keys are relative to, where the source is mounted.
        self.mount = mount
        self._rest_until = 0.0
        self._failures = 0
        self._slow = 0
        self._lock = threading.Lock()
        self._connections = threading.local()

    def is_resting(self):
        return time.monotonic() < self._rest_until

    def failed(self, reason):
        """What is wrong with one object is no reason to leave the others."""
        if reason not in ("unavailable", "timeout", "slow"):
            return
        with self._lock:
            now = time.monotonic()
            if now < self._rest_until:
                return
            self._failures += 1
            self._rest_until = now + min(LONGEST_REST, REST * self._failures)

    def succeeded(self):
        if self._failures and not self._slow and not self.is_resting():
            with self._lock:
                self._failures = 0

    def _note_rate(self, size, seconds, min_rate):
        """A small file comes before anybody finds it slow. Three in a row that took too long are a reason to rest."""
        if seconds < SLOW_FROM or size >= min_rate * seconds:
            self._slow = 0
            return
        self._slow += 1
        if self._slow >= 3:
            self._slow = 0
            self.failed("slow")

    def fetch(self, way, view, filled, start, size, etags, patience, min_rate):
        """Fills `view`, the bytes of an object of `size` bytes from `start`, from `filled` on; gives how far it is after each piece.

        Raises Failure. Seconds without a byte are at most `patience`; fewer than `min_rate` bytes a second over such a time are `slow`.
        """
        if way.startswith(("http://", "https://")):
            return self._fetch_url(way, view, filled, start, size, etags, patience, min_rate)
        return self._fetch_file(way, view, filled, start, size)

    def _fetch_file(self, path, view, filled, start, size):
        try:
            with open(path, "rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size != size:
                    raise Failure("integrity", "the file has another length")
                file.seek(start + filled)
                while filled < len(view):
                    count = file.readinto(view[filled : filled + PIECE])
                    if not count:
                        raise Failure("integrity", "the file ends too early")
                    filled += count
                    yield filled
        except FileNotFoundError as error:
            raise Failure("not-found", f"there is no {path}") from error
        except OSError as error:
            raise Failure("unavailable", str(error), filled) from error

    def _fetch_url(self, url, view, filled, start, size, etags, patience, min_rate):
        response = None
        began, first = time.monotonic(), filled
        try:
            response = self._request(url, filled + start, start + len(view), size, etags, patience)
            window, got = time.monotonic(), 0
            while filled < len(view):
                piece = response.read1(min(PIECE, len(view) - filled))
                if not piece:
                    raise Failure("unavailable", "the server broke off", filled)
                view[filled : filled + len(piece)] = piece
                filled += len(piece)
                got += len(piece)
                yield filled
                passed = time.monotonic() - window
                if passed >= patience:
                    if got < min_rate * passed and filled < len(view):
                        raise Failure("slow", "the server gives its bytes too slowly", filled)
                    window, got = time.monotonic(), 0
            # Reads the end of the answer, so that the connection can be used again.
            response.read()
            response = None
            self._note_rate(filled - first, time.monotonic() - began, min_rate)
        except TimeoutError as error:
            raise Failure("timeout", "the server is silent", filled) from error
        except (OSError, http.client.HTTPException) as error:
            raise Failure("unavailable", f"{type(error).__name__}: {error}", filled) from error
        finally:
            if response is not None:
                self._drop(url)

    def _request(self, url, first, end, size, etags, patience):
        """The answer, its length and object checked."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {"Host": parts.netloc, "Accept-Encoding": "identity"}
        whole = first == 0 and end == size
        if not whole and end > first:
            headers["Range"] = f"bytes={first}-{end - 1}"
        if self.name in etags:
            headers["If-Match"] = etags[self.name]
        for attempt in (1, 2):
            connection, is_new = self._connection(parts, patience)
            try:
                connection.request("GET", target, headers=headers)
                response = connection.getresponse()
                break
            except (ConnectionError, http.client.BadStatusLine, BrokenPipeError) as error:
                self._drop(url)
                # One that was kept may have been closed by the server meanwhile, which says nothing of it.
                if is_new or attempt == 2:
                    raise Failure("unavailable", f"{type(error).__name__}: {error}") from error
            except Exception:
                self._drop(url)
                raise
        try:
            self._check(response, whole, first, size, etags)
        except Failure:
            self._drop(url)
            raise
        return response

    def _check(self, response, whole, first, size, etags):
        status = response.status
        if status in (200, 206):
            told = response.headers.get("Content-Range", "")
            if status == 206 and told.rpartition("/")[2] != str(size):
                raise Failure("integrity", f"the object has another length: {told}")
            if status == 206 and not told.startswith(f"bytes {first}-"):
                raise Failure("integrity", f"the server gave another range: {told}")
            if status == 200 and (not whole or response.length not in (size, None)):
                raise Failure("integrity", "the object has another length, or the server gives no ranges")
            etag = response.headers.get("ETag")
            if etag is not None:
                etags.setdefault(self.name, etag)
            return
        if status == 412:
            # What was replaced may have been mended: the next time it is looked at anew, and its blocks are checked.
            etags.pop(self.name, None)
            raise Failure("replaced", "the object was replaced")
        reasons = {403: "denied", 401: "denied", 404: "not-found", 416: "integrity"}
        raise Failure(reasons.get(status, "unavailable"), f"the server answered {status}")

    def _connection(self, parts, patience):
        kept = self._connections.__dict__
        key = (parts.scheme, parts.netloc)
        connection = kept.get(key)
        is_new = connection is None
        if is_new:
            make = http.client.HTTPConnection
            options = {}
            if parts.scheme == "https":
                make = http.client.HTTPSConnection
                # With the certificates of the system, or of SSL_CERT_FILE.
                options["context"] = ssl.create_default_context()
            connection = kept[key] = make(parts.hostname, parts.port, timeout=patience, **options)
        connection.timeout = patience
        if connection.sock is not None:
            connection.sock.settimeout(patience)
        return connection, is_new or connection.sock is None

    def _drop(self, url):
        parts = urlsplit(url)
        connection = self._connections.__dict__.pop((parts.scheme, parts.netloc), None)
        if connection is not None:
            connection.close()
