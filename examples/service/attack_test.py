"""Attack a service on the loopback: it must refuse what is ambiguous, and answer everybody else.

    python attack_test.py SERVICE

SERVICE is the built program. The Python standard library and numpy are needed. Takes about a
minute. Exits with 1 and a sentence if any check fails.
"""

from __future__ import annotations

import gzip
import http.client
import json
import selectors
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from load_test import N_FEATURES, N_ROWS, RAW, Client, Service, UnexpectedError, expect

STALLED = 300  # more than there are places
PATIENCE = 5.0  # seconds that an answer may take while others attack

SEARCH = json.dumps({"query": [0.1] * N_FEATURES, "k": 3}).encode()
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def post(body: bytes, *fields: bytes, path: bytes = b"/search") -> bytes:
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: x", *fields, b"", body]
    return b"\r\n".join(lines)


def sized(body: bytes, *fields: bytes) -> bytes:
    return post(body, b"Content-Length: %d" % len(body), *fields)


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def get(*fields: bytes) -> bytes:
    return b"\r\n".join([b"GET /health HTTP/1.1", b"Host: x", *fields, b"", b""])


LENGTH, CHUNKED = b"Content-Length: %d" % len(SEARCH), b"Transfer-Encoding: chunked"

# Requests to refuse, and the code. Each hides another request, which must not be answered.
REFUSED: dict[str, tuple[bytes, int]] = {
    "two lengths": (post(SEARCH, LENGTH, LENGTH), 400),
    "two lengths that differ": (post(SEARCH, LENGTH, b"content-length: 3"), 400),
    "a length and chunks": (post(chunks(SEARCH), LENGTH, CHUNKED), 400),
    "chunks and a length": (post(chunks(SEARCH), CHUNKED, LENGTH), 400),
    "a length and chunks that are none": (post(SEARCH, LENGTH, CHUNKED), 400),
    "a length and chunks in a GET": (get(b"Content-Length: 5", CHUNKED), 400),
    "two codings": (post(chunks(SEARCH), CHUNKED, CHUNKED), 400),
    "an unknown coding": (post(SEARCH, b"Transfer-Encoding: gzip, chunked"), 501),
    "a coding in disguise": (post(SEARCH, b"Transfer-Encoding: %63hunked"), 501),
    "chunks in HTTP/1.0": (
        post(chunks(SEARCH), CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0"),
        400,
    ),
    **{
        f"a length of {length!r}": (post(SEARCH, b"Content-Length:" + length), code)
        for length, code in (
            (b" many", 400),
            (b" -1", 400),
            (b" +5", 400),
            (b"", 400),
            (b" 5 5", 400),
            (b" 5, 5", 400),
            (b" 0x10", 400),
            (b" 5.0", 400),
            (b" %35", 400),
            (b" 1000000000", 413),
            (b" 18446744073709551615", 413),
            (b" 18446744073709551621", 413),
            (b" 9" + b"9" * 1000, 413),
        )
    },
    "a space before a colon": (post(SEARCH, b"Content-Length : 5"), 400),
    "a folded line": (get(b"X: a", b" Content-Length: 5"), 400),
    "a line without a colon": (get(b"Content-Length"), 400),
    "a field without a name": (get(b": 5"), 400),
    "a bare line feed": (get(b"X: a\nContent-Length: 5"), 400),
    "a bare carriage return": (get(b"X: a\rContent-Length: 5"), 400),
    "lines that end in line feeds": (get().replace(b"\r", b""), 400),
    "a null": (get(b"X: \0"), 400),
    "two hosts": (get(b"Host: y"), 400),
    "ranges": (get(b"Range: bytes=" + b"0-," * 1000 + b"0-"), 400),
    "many fields": (get(*[b"X: y"] * 100), 431),
    "a long field": (get(b"X: " + b"y" * 20_000), 431),
    "fields without end": (b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, 431),
    "a long address": (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 414),
    "another protocol": (b"\x16\x03\x01\x02\0\x01\0\n\r\n", 400),
    "no version": (b"GET /health\r\n\r\n", 400),
}


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def answers_to(port: int, *pieces: bytes, pause: float = 0.05) -> list[tuple[int, bytes]]:
    """Send bytes, piece by piece, and return codes and bodies of all answers until the end."""
    with connect(port) as client:
        try:
            for i, piece in enumerate(pieces):
                if i > 0:
                    time.sleep(pause)
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the service has stopped reading
        received = b""
        try:
            while data := client.recv(65536):
                received += data
        except ConnectionResetError:
            pass
    answers = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        code = int(head.split()[1])
        fields = dict(
            line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
        )
        length = int(fields.get(b"content-length", 0))
        answers.append((code, rest[:length]))
        received = rest[length:]
    return answers


def codes(answers: list[tuple[int, bytes]]) -> list[int]:
    return [code for code, _ in answers]


def refuses_what_is_ambiguous(port: int) -> None:
    for name, (request, code) in REFUSED.items():
        answers = answers_to(port, request + HEALTH)
        expect(codes(answers) == [code], f"{name} was answered by {codes(answers)}, not {[code]}")
        expect("error" in json.loads(answers[0][1]), f"{name} was refused without a sentence")
    print(f"refused {len(REFUSED)} ambiguous or oversized requests")


def answers_what_is_not(port: int) -> None:
    """Send unusual but valid requests."""
    zipped = b"Content-Encoding: gzip"
    packed = gzip.compress(SEARCH)
    in_order: dict[str, tuple[list[bytes], list[int]]] = {
        "two requests at once": ([HEALTH + HEALTH], [200, 200]),
        "a search and a request behind it": ([sized(SEARCH) + HEALTH], [200, 200]),
        "a head in pieces": ([HEALTH[:9], HEALTH[9:-3], HEALTH[-3:]], [200]),
        "a body in pieces": ([sized(SEARCH)[:-9], SEARCH[-9:]], [200]),
        "fields in lower case": ([sized(SEARCH).replace(b"Content-L", b"content-l")], [200]),
        "a compressed body": ([sized(packed, zipped)], [200]),
        "HTTP/1.0": ([HEALTH.replace(b"1.1", b"1.0")], [200]),
        "a client that waits for leave": (
            [post(b"", LENGTH, b"Expect: 100-continue"), SEARCH],
            [100, 200],
        ),
        # The end of these is uncertain, so nothing after them is read.
        "chunks": ([post(chunks(SEARCH[:9], SEARCH[9:]), CHUNKED) + HEALTH], [200]),
        "a GET with a body": ([get(b"Content-Length: %d" % len(HEALTH)) + HEALTH], [200]),
        "a POST to nowhere": ([sized(HEALTH).replace(b"/search", b"/nowhere")], [404]),
        "a PUT": ([sized(HEALTH).replace(b"POST", b"PUT")], [404]),
        "chunks that end early": ([post(b"5\r\nabc", CHUNKED)], [400]),
        "chunks of no size": ([post(b"zz\r\n" + HEALTH, CHUNKED)], [400]),
        "chunks of negative size": ([post(b"-5\r\n" + HEALTH, CHUNKED)], [400]),
        "a body that ends early": ([sized(SEARCH)[:-5]], [400]),
        "a multipart body": (
            [sized(SEARCH, b"Content-Type: multipart/form-data; boundary=b")],
            [415],
        ),
    }
    for name, (pieces, expected) in in_order.items():
        found = codes(answers_to(port, *pieces))
        expect(found == expected, f"{name}: answered by {found}, not {expected}")
    print(f"answered {len(in_order)} unusual requests")


def stops_at_the_limit(port: int) -> None:
    """Send bodies that grow as they are decoded."""
    most = patience(port)
    bomb = gzip.compress(b"\0" * 100_000_000)
    zipped = b"Content-Encoding: gzip"
    lavish: dict[str, tuple[bytes, set[int]]] = {
        "a body that is too large": (sized(b"x" * 10_000_000), {413}),
        "chunks without end": (post(chunks(*[b"x" * 9000] * 1000), CHUNKED), {400, 413}),
        "small chunks without end": (post(chunks(*[b"x"] * 100_000), CHUNKED), {400, 413}),
        "a bomb": (sized(bomb, zipped), {413}),
        "a bomb in chunks": (post(chunks(bomb), zipped, CHUNKED), {413}),
        "a bomb for nobody": (sized(bomb, zipped).replace(b"/search", b"/nobody"), {404}),
        "a multipart bomb": (
            sized(bomb, zipped, b"Content-Type: multipart/form-data; boundary=b"),
            {415},
        ),
    }
    for name, (request, expected) in lavish.items():
        began = time.perf_counter()
        found = codes(answers_to(port, request))
        took = time.perf_counter() - began
        expect(len(found) == 1 and found[0] in expected, f"{name} was answered by {found}")
        expect(took < most, f"{name} took {took:.1f} s")
    print(f"stopped at the limit of {len(lavish)} bodies")


def patience(port: int) -> float:
    """Return how long an answer may take, given how long it takes without an attack."""
    took = []
    for _ in range(9):
        began = time.perf_counter()
        Client(port).ask("/health")
        took.append(time.perf_counter() - began)
    return max(PATIENCE, 100 * sorted(took)[len(took) // 2])


class Stalled:
    """Clients that keep a connection and the service waiting, and reconnect when cut off."""

    def __init__(self, port: int, opening: bytes, drip: bytes, n: int) -> None:
        self.port, self.opening, self.drip, self.n = port, opening, drip, n
        self.ended = threading.Event()
        self.n_cut = 0
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        waiting = selectors.DefaultSelector()
        for _ in range(self.n):
            self.open(waiting)
        while not self.ended.is_set():
            for key, _ in waiting.select(timeout=0.02):
                try:
                    data = key.fileobj.recv(4096)
                except OSError:
                    data = b""
                if not data:
                    self.close(waiting, key.fileobj)
                    self.n_cut += 1
                    self.open(waiting)
            for key in list(waiting.get_map().values()):
                try:
                    key.fileobj.send(self.drip)
                except BlockingIOError:
                    pass
                except OSError:
                    self.close(waiting, key.fileobj)
                    self.open(waiting)
        for key in list(waiting.get_map().values()):
            self.close(waiting, key.fileobj)

    def open(self, waiting: selectors.BaseSelector) -> None:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            client.settimeout(0.2)
            client.connect(("127.0.0.1", self.port))
            client.setblocking(False)
            client.send(self.opening)
        except OSError:
            pass
        # Clients that do not read do not notice that they were cut off.
        events = selectors.EVENT_READ if self.drip or len(self.opening) < 1000 else 0
        waiting.register(client, events or selectors.EVENT_WRITE)

    @staticmethod
    def close(waiting: selectors.BaseSelector, client: socket.socket) -> None:
        waiting.unregister(client)
        client.close()


@contextmanager
def stalled(port: int, opening: bytes, drip: bytes = b"") -> Iterator[Stalled]:
    clients = Stalled(port, opening, drip, STALLED)
    clients.thread.start()
    try:
        time.sleep(0.5)
        yield clients
    finally:
        clients.ended.set()
        clients.thread.join()


def stalled_clients_starve_nobody(port: int, queries: np.ndarray) -> None:
    kinds = {
        "say nothing": (b"", b""),
        "send a head byte by byte": (b"GET /health HTTP/1.1\r\nX: ", b"x"),
        "send a body byte by byte": (post(b"", LENGTH), b" "),
        "do not read": (b"GET /metrics HTTP/1.1\r\n\r\n" * 900, b""),
    }
    for name, (opening, drip) in kinds.items():
        latencies = []
        most = patience(port)
        with stalled(port, opening, drip):
            for q in range(20):
                began = time.perf_counter()
                status, _ = Client(port).ask("/health")
                expect(status == 200, f"/health said {status}")
                latencies.append(time.perf_counter() - began)
                answer = Client(port).search(queries[q % len(queries)])
                expect(answer["rows"][0] == q % len(queries), "a search found another row")
        worst = max(latencies)
        expect(worst < most, f"/health took {worst:.1f} s while {STALLED} clients {name}")
        print(f"/health within {1000 * worst:.0f} ms while {STALLED} clients {name}")


def searches_do_not_starve_health(port: int) -> None:
    """Send more searches at once than may wait."""
    n_clients, ended = 150, threading.Event()
    seen: Counter[int] = Counter()
    most = patience(port)
    positives = np.random.default_rng(1).standard_normal((60, N_FEATURES)).astype("<f4").tobytes()

    def ask() -> None:
        client = Client(port)
        while not ended.is_set():
            try:
                status, _ = client.ask("/search_shared?k=1000", positives, RAW)
                seen[status] += 1
            except (OSError, http.client.HTTPException):
                seen[0] += 1  # another connection took its place
                client = Client(port)

    threads = [threading.Thread(target=ask) for _ in range(n_clients)]
    for thread in threads:
        thread.start()
    latencies = []
    try:
        time.sleep(1.0)
        for _ in range(20):
            began = time.perf_counter()
            status, _ = Client(port).ask("/health")
            expect(status == 200, f"/health said {status}")
            latencies.append(time.perf_counter() - began)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    expect(seen[200] > 0 and seen[503] > 0, f"{n_clients} clients were answered by {seen}")
    expect(set(seen) <= {0, 200, 503}, f"{n_clients} clients were answered by {seen}")
    worst = max(latencies)
    expect(worst < most, f"/health took {worst:.1f} s while {n_clients} clients search")
    print(f"/health within {1000 * worst:.0f} ms while {n_clients} clients search: {dict(seen)}")


def patience_ends(port: int) -> None:
    """Check that limits on a whole request hold for a single client too."""

    def trickle(opening: bytes, drip: bytes, most: float, expected: bytes) -> None:
        began = time.perf_counter()
        received = b""
        with connect(port) as client:
            client.settimeout(0.2)
            client.sendall(opening)
            while time.perf_counter() - began < 2 * most:
                try:
                    if drip:
                        client.send(drip)
                    data = client.recv(4096)
                except TimeoutError:
                    continue
                except OSError:
                    break
                received += data
                if not data:
                    break
        took = time.perf_counter() - began
        expect(took < most, f"{opening[:40]!r} and {drip!r} were served for {took:.1f} s")
        expect(expected in received, f"{opening[:40]!r} was answered by {received[:80]!r}")

    cases = (
        (b"", b"", 5.0, b""),
        (HEALTH, b"", 5.0, b"200"),
        (b"GET /health HTTP/1.1\r\nX: ", b"x", 5.0, b" 408 "),
        (post(b"", LENGTH), b" ", 10.0, b" 400 "),
        (post(b"", CHUNKED), b"1\r\n \r\n", 10.0, b" 400 "),
    )
    failures: list[str] = []
    slack = patience(port)

    def run(case: tuple[bytes, bytes, float, bytes]) -> None:
        opening, drip, seconds, expected = case
        try:
            trickle(opening, drip, seconds + slack, expected)
        except (UnexpectedError, OSError) as error:
            failures.append(str(error))

    threads = [threading.Thread(target=run, args=(case,)) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(not failures, "; ".join(failures))
    print("slow clients were sent away")


def ends_while_clients_stall(service: Service) -> None:
    most = 2 * patience(service.port)
    with stalled(service.port, b"GET /health HTTP/1.1\r\n", b"x"):
        began = time.perf_counter()
        code = service.end()
        took = time.perf_counter() - began
    expect(code == 0, f"the service ended with {code}")
    expect(took < most, f"the service took {took:.1f} s to end")
    print(f"ended within {took:.1f} s while {STALLED} clients stall")


def peak_memory(pid: int) -> str:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return "unknown"
    lines = status.read_text().splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("VmHWM"))


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N_ROWS, N_FEATURES)).astype(np.float32) + np.float32(0.5)
    queries = rows[:20] + np.float32(0.05)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        np.save(path, rows)
        service = Service(sys.argv[1], path)
        attacks: list[Callable[[], None]] = [
            lambda: refuses_what_is_ambiguous(service.port),
            lambda: answers_what_is_not(service.port),
            lambda: stops_at_the_limit(service.port),
            lambda: stalled_clients_starve_nobody(service.port, queries),
            lambda: searches_do_not_starve_health(service.port),
            lambda: patience_ends(service.port),
            lambda: print("peak memory", peak_memory(service.process.pid)),
            lambda: ends_while_clients_stall(service),
        ]
        try:
            for attack in attacks:
                attack()
        except (UnexpectedError, OSError, http.client.HTTPException) as error:
            print(f"attack_test: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
        finally:
            service.process.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
