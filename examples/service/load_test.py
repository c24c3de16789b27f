"""Load a service on the loopback, compare its answers with known ones, and end it under load.

    python load_test.py SERVICE [REQUESTS]

SERVICE is the built program; REQUESTS (default 2000) are spread over eight clients. The Python
standard library and numpy are needed. Exits with 1 and a sentence if any check fails.
"""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

CLIENTS = 8
K = 5
N_ROWS, N_FEATURES = 4_000, 64

JSON, RAW = "application/json", "application/octet-stream"
VECTOR = [0.1] * N_FEATURES
BYTES = np.full(N_FEATURES, 0.1, "<f4").tobytes()


def asking(**changes: Any) -> bytes:
    return json.dumps({"query": VECTOR, **changes}).encode()


BAD_REQUESTS = (
    ("/search", b"", JSON),
    ("/search", b"this is no JSON", JSON),
    ("/search", asking()[:-1], JSON),
    ("/search", b"[]", JSON),
    ("/search", b'{"k": 3}', JSON),
    ("/search", b'{"query": [1e999]}', JSON),
    ("/search", b'{"query": "\xff\xfe"}', JSON),
    ("/search", b'{"query": ' + b"[" * 50_000, JSON),
    ("/search", asking(query="text"), JSON),
    ("/search", asking(query=VECTOR[1:]), JSON),
    ("/search", asking(query=["x"] * N_FEATURES), JSON),
    ("/search", asking(query=[*VECTOR[1:], None]), JSON),
    ("/search", asking(query=[*VECTOR[1:], float("nan")]), JSON),
    ("/search", asking(query=[*VECTOR[1:], 1e39]), JSON),
    ("/search", asking(query=[3e38] * N_FEATURES), JSON),  # refused by the search itself
    ("/search", asking(k=0), JSON),
    ("/search", asking(k=-1), JSON),
    ("/search", asking(k=1.5), JSON),
    ("/search", asking(k=10**30), JSON),
    ("/search", asking(timeout_ms=-1), JSON),
    ("/search", asking(timeout_ms="soon"), JSON),
    ("/search", asking(timeout_ms=1e300), JSON),
    ("/search", asking(kk=3), JSON),
    ("/search", BYTES[:-1], RAW),
    ("/search", BYTES + BYTES, RAW),
    ("/search", BYTES[4:] + np.float32("nan").tobytes(), RAW),
    ("/search?k=0", BYTES, RAW),
    ("/search?k=five", BYTES, RAW),
    ("/search?timeout_ms=nan", BYTES, RAW),
    ("/search_shared", asking(), JSON),
    ("/search_shared", b'{"positives": []}', JSON),
    ("/search_shared", json.dumps({"positives": [VECTOR, VECTOR[1:]]}).encode(), JSON),
    ("/search_shared", BYTES * 65, RAW),
)


class UnexpectedError(Exception):
    """The service did what it must not."""


def expect(condition: bool, sentence: str) -> None:
    if not condition:
        raise UnexpectedError(sentence)


class Client:
    """One persistent connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, path: str, body: bytes | None = None, kind: str = JSON):
        method = "GET" if body is None else "POST"
        self.connection.request(method, path, body, {"Content-Type": kind})
        response = self.connection.getresponse()
        return response.status, response.read()

    def search(self, vectors: np.ndarray, **options: Any) -> dict[str, Any]:
        single = vectors.ndim == 1
        body = {"query" if single else "positives": vectors.tolist(), "k": K, **options}
        status, answer = self.ask(
            "/search" if single else "/search_shared", json.dumps(body).encode()
        )
        expect(status == 200, f"a search was answered by {status}: {answer!r}")
        return json.loads(answer)

    def search_raw(self, vector: np.ndarray) -> dict[str, Any]:
        status, answer = self.ask(f"/search?k={K}", vector.astype("<f4").tobytes(), RAW)
        expect(status == 200, f"a search was answered by {status}: {answer!r}")
        return json.loads(answer)


@dataclass
class Seen:
    """What all clients have seen."""

    seconds: list[float] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class Service:
    """The running program."""

    def __init__(self, program: str, rows: Path) -> None:
        self.process = subprocess.Popen(
            [program, str(rows), "0", "2"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        expect(found is not None, f"the service said {line!r}")
        self.port = int(found[1])

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def check_ranking(answer: dict[str, Any]) -> None:
    """Check that the rows exist, are unique and descend by score."""
    rows, scores = answer["rows"], answer["scores"]
    expect(len(rows) == len(scores) <= K, f"{len(rows)} rows and {len(scores)} scores for k={K}")
    expect(len(set(rows)) == len(rows), f"a row twice in {rows}")
    expect(all(0 <= row < N_ROWS for row in rows), f"there are no such rows: {rows}")
    expect(scores == sorted(scores, reverse=True), f"not in order: {scores}")


def one_of_each(client: Client, q: int, queries: np.ndarray, known: list[Any], seen: Seen) -> None:
    """Send one query in the way that its number selects."""
    i = q % len(queries)
    began = time.perf_counter()
    if q % 7 == 3:
        path, body, kind = BAD_REQUESTS[q // 7 % len(BAD_REQUESTS)]
        status, answer = client.ask(path, body, kind)
        expect(status == 400, f"{path} with {body[:60]!r} was answered by {status}")
        expect("error" in json.loads(answer), "a refusal without a sentence")
        seen.codes[400] += 1
        return
    if q % 7 == 5:
        answer = client.search(queries[i], timeout_ms=0.01 * 4 ** (q // 7 % 8))
        expect(answer["status"] in ("deadline", "converged"), f"status {answer['status']}")
        check_ranking(answer)
    elif q % 7 == 6:
        answer = client.search(queries[[i, (i + 1) % len(queries)]])
        expect(answer["status"] == "converged", f"status {answer['status']}")
    else:
        answer = client.search_raw(queries[i]) if q % 2 else client.search(queries[i])
        expect(answer["status"] == "converged", f"status {answer['status']}")
        expect(answer == known[i], f"query {i} found {answer}, not {known[i]}")
        seen.seconds.append(time.perf_counter() - began)
    seen.codes[200] += 1
    seen.statuses[answer["status"]] += 1


def on_clients(port: int, body: Any, seen: Seen) -> list[threading.Thread]:
    """Start body(client, number) on as many threads as there are clients."""

    def run(number: int) -> None:
        try:
            body(Client(port), number)
        except (UnexpectedError, OSError, http.client.HTTPException, ValueError) as error:
            seen.failures.append(f"client {number}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(c,)) for c in range(CLIENTS)]
    for thread in threads:
        thread.start()
    return threads


def counted(text: str, code: int) -> int:
    """Return the requests for a search that /metrics says were answered by a code."""
    name = "exemplar_svm_http_requests_total"
    found = re.findall(
        rf'^{name}\{{endpoint="/search(?:_shared)?",code="{code}"\}} (\d+)$', text, re.MULTILINE
    )
    expect(len(found) == 2, f"/metrics has no {name} of code {code}")
    return sum(map(int, found))


def load(service: Service, queries: np.ndarray, known: list[Any], n_requests: int) -> None:
    seen = Seen()
    began = time.perf_counter()

    def body(client: Client, number: int) -> None:
        for q in range(number, n_requests, CLIENTS):
            one_of_each(client, q, queries, known, seen)

    for thread in on_clients(service.port, body, seen):
        thread.join()
    took = time.perf_counter() - began
    expect(not seen.failures, "; ".join(seen.failures[:3]))

    status, text = Client(service.port).ask("/metrics")
    expect(status == 200, "no /metrics")
    requests = counted(text.decode(), 200)
    # The known answers took one search per query.
    expect(
        requests == seen.codes[200] + len(queries), f"{requests} counted, {seen.codes[200]} seen"
    )
    refused = counted(text.decode(), 400)
    expect(refused == seen.codes[400], f"{refused} refusals counted, {seen.codes[400]} seen")
    p50, p99 = np.quantile(seen.seconds, [0.5, 0.99]) * 1e3
    print(
        f"{n_requests} requests of {CLIENTS} clients: {n_requests / took:.0f} per second; searches "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; {dict(seen.codes)}, {dict(seen.statuses)}"
    )


def end_under_load(service: Service, queries: np.ndarray, known: list[Any]) -> None:
    """Check that accepted requests are answered in full and the program then ends by itself."""
    seen = Seen()
    draining = threading.Event()

    def body(client: Client, number: int) -> None:
        for q in range(number, 1_000_000, CLIENTS):
            try:
                answer = client.search(queries[q % len(queries)])
            except (OSError, http.client.HTTPException):
                expect(draining.is_set(), "a connection broke before the service was ended")
                return
            expect(answer == known[q % len(queries)], "a wrong answer while ending")
            seen.codes[200] += 1

    threads = on_clients(service.port, body, seen)
    time.sleep(0.5)
    before = seen.codes[200]
    draining.set()
    ended: list[int] = []
    ending = threading.Thread(target=lambda: ended.append(service.end()))
    ending.start()
    time.sleep(0.3)
    status, answer = Client(service.port).ask("/health")
    expect(status == 503 and b"draining" in answer, f"/health said {status} while draining")
    ending.join()
    for thread in threads:
        thread.join(timeout=60)
        expect(not thread.is_alive(), "a client waits for an answer for ever")
    expect(not seen.failures, "; ".join(seen.failures[:3]))
    expect(ended == [0], f"the service ended with {ended}")
    print(f"ended under load: {seen.codes[200] - before} requests answered while draining, exit 0")


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    n_requests = int(sys.argv[2]) if len(sys.argv) > 2 else 2_000
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N_ROWS, N_FEATURES)).astype(np.float32) + np.float32(0.5)
    queries = rows[:40] + np.float32(0.05)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        np.save(path, rows)
        service = Service(sys.argv[1], path)
        try:
            client = Client(service.port)
            status, _ = client.ask("/health")
            expect(status == 200, f"/health said {status}")
            status, _ = client.ask("/nothing")
            expect(status == 404, f"an unknown path was answered by {status}")
            status, _ = client.ask("/search", b"x" * 10_000_000)
            expect(status == 413, f"a body of 10 MB was answered by {status}")
            client = Client(service.port)
            known = [client.search(query) for query in queries]
            for i, found in enumerate(known):
                check_ranking(found)
                expect(found["status"] == "converged", f"status {found['status']}")
                expect(found["rows"][0] == i, f"query {i} did not find its row first")
            load(service, queries, known, n_requests)
            end_under_load(service, queries, known)
        except (UnexpectedError, OSError, http.client.HTTPException) as error:
            print(f"load_test: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
        finally:
            service.process.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
