"""Thousands of hard problems against their exact optima.

    python tests/python/exact_campaign.py --seeds 0:5000 --jobs 2

prints each violation in a line that begins with the seed that makes the problem, then tables.
Seeds from 1,000,000 on make problems of more rows: up to 1,600 instead of mostly 60. One problem
alone, as a script that needs numpy and this package only:

    python tests/python/exact_campaign.py --script 1234

Problems are judged in processes of their own, which are ended when they hang: that is a violation
like any other, as is a process that dies.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_HERE = Path(__file__).resolve()
sys.path[:0] = [str(_HERE.parent), str(_HERE.parents[1])]

#: Kinds that tell how tight a report is, and break no promise of the documentation.
NOTES = (
    "gap, float32 weights",
    "gap, last digits",
    "dual, last digits",
    "gap of the weights of the duals",
    # Their entries differ, and with them the order of the sums; ranks of theirs are not certified.
    "equal rows, zeros written",
)


_ANSWERED = "answered\n"


def judge_in_processes(
    seeds: Sequence[int], *, jobs: int = 1, limit: float = 60.0
) -> Iterator[dict[str, Any]]:
    """Judge problems in worker processes, and yield what became of each, in any order.

    Parameters
    ----------
    seeds : sequence of int
    jobs : int
        Worker processes.
    limit : float
        Seconds for the library's part of one; then its process is killed, and that is the
        violation.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for seed in seeds:
        waiting.put(seed)
    done: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threads = [
        threading.Thread(target=_serve, args=(waiting, done, limit), daemon=True)
        for _ in range(jobs)
    ]
    for thread in threads:
        thread.start()
    for _ in seeds:
        yield done.get()
    for thread in threads:
        thread.join()


def _serve(
    waiting: queue.SimpleQueue[int], done: queue.SimpleQueue[dict[str, Any]], limit: float
) -> None:
    worker = None
    while True:
        try:
            seed = waiting.get_nowait()
        except queue.Empty:
            break
        worker = worker or _start_worker()
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(f"{seed}\n")
        worker.stdin.flush()
        hung = threading.Event()

        def kill(process: subprocess.Popen[str] = worker, hung: threading.Event = hung) -> None:
            hung.set()
            process.kill()

        timer = threading.Timer(limit, kill)
        timer.start()
        line = worker.stdout.readline()
        timer.cancel()
        if line == _ANSWERED:  # and the exact solver, whose steps are counted, may take its time
            line = worker.stdout.readline()
        if line:
            done.put(json.loads(line))
            continue
        worker.communicate()
        code = worker.returncode
        what = ("hang", f"no answer in {limit:g} s") if hung.is_set() else ("died", f"exit {code}")
        done.put(_unanswered(seed, what))
        worker = None
    if worker is not None:
        worker.communicate()  # ends it, as its input does


def _start_worker() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(_HERE), "--worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )


def _unanswered(seed: int, what: tuple[str, str]) -> dict[str, Any]:
    from exact_problems import draw, exact_problem, hardness

    case = draw(seed)
    return {
        "seed": seed,
        "kind": case.kind,
        "storage": case.storage,
        "history": case.history,
        "method": case.settings["method"],
        "loss": case.settings["loss"],
        "status": what[0],
        "fit_status": what[0],
        "bound": float("nan"),
        "tol": case.settings["tol"],
        "max_iter": case.settings["max_iter"],
        "seconds": 0.0,
        "found": [what],
        "describe": case.describe(),
        "size": case.rows.size,
        "hardness": hardness(exact_problem(case)),
        "error": float("nan"),
        "resolution": 0.0,
    }


def work() -> None:
    """Judge the problems whose seeds come in by standard input."""
    from exact_problems import draw, judge

    def answered() -> None:
        print(_ANSWERED, end="", flush=True)

    for line in sys.stdin:
        print(judge(draw(int(line)), answered).as_json(), flush=True)


def script(seed: int) -> str:
    """Write a problem, if it has no history, as a script of its own."""
    from exact_problems import background_of, draw, exact_problem

    from reference import exact

    case = draw(seed)
    optimum = exact.solve(exact_problem(case))
    exact_scores = [float(optimum.score(x).mid()) for x in case.values]

    def array(a: Any) -> str:
        return f"np.array({np.asarray(a).astype(float).tolist()})"

    def examples(given: list[Any]) -> str:
        return (
            "["
            + ", ".join(
                str(e) if isinstance(e, int) else f"{array(e)}.astype(np.{case.working})"
                for e in given
            )
            + "]"
        )

    query = {k: v for k, v in case.query.items() if k != "call"}
    masks = {k: v for k, v in query.items() if isinstance(v, np.ndarray)}
    arguments = ", ".join(
        f"{k}=np.array({v.astype(int).tolist()}, bool)" if k in masks else f"{k}={v!r}"
        for k, v in query.items()
    )
    lines = [
        f"# seed {seed}: {case.describe()}",
        f"# background: {np.flatnonzero(background_of(case)).tolist()}",
        "import numpy as np, exemplar_svm as esvm",
    ]
    if case.storage == "bfloat16":
        lines.append("import ml_dtypes")
    dtype = "ml_dtypes.bfloat16" if case.storage == "bfloat16" else f"np.{case.rows.dtype}"
    lines.append(f"X = {array(case.rows)}.astype({dtype})")
    if case.is_csr:
        lines.append("from scipy import sparse; X = sparse.csr_matrix(X)")
    extra = "" if case.scales is None else f", row_scales={array(case.scales)}.astype(np.float32)"
    lines += [
        f"exact = {array(exact_scores)}",
        f"index = esvm.ExemplarIndex(X, **{case.settings!r}{extra})",
        f"positives = {examples(case.positives)}",
    ]
    weights = ""
    if case.positive_weights is not None:
        weights += f", positive_weights={case.positive_weights!r}"
    if case.negatives:
        lines.append(f"negatives = {examples(case.negatives)}")
        weights += f", negatives=negatives, negative_weight={case.negative_weights!r}"
    if case.query["call"] == "search":
        lines.append(f"r = index.search(positives[0], {arguments})")
    else:
        lines.append(f"r = index.search_shared(positives{weights}, {arguments})")
    lines += [
        "found = r.indices >= 0",
        "print(r.report)",
        "print('errors', r.scores[found] - exact[r.indices[found]])",
        f"m = index.fit(positives{weights}); print(m.report_)",
        "print('errors of the model', X @ m.coef_.astype(float) + m.intercept_ - exact)",
    ]
    if case.steps:
        lines.append(f"# The case has a history, which this leaves out: {case.steps}")
    return "\n".join(lines)


def tables(outcomes: list[dict[str, Any]]) -> str:
    """Count violations, and searches that did not converge, by what the problems were.

    "unfinished" counts searches that did not converge of those that could have: they had 1,000
    epochs, a ``tol`` of 1e-5 or more, and arithmetic that resolves scores to a tenth of it.
    "inexact" are those of them with a score that is off by more than ``10 tol``. "loose" are bounds
    above ``10 tol``, "vacuous" those that are not below 1, of all.
    """
    lines = []
    for key in ("kind", "storage", "method", "loss", "history"):
        lines.append(f"\n{key:<16}{_HEADER}")
        for value in sorted({o[key] for o in outcomes}):
            lines.append(_line(value, [o for o in outcomes if o[key] == value]))
    for wide, name in ((True, "float64"), (False, "float32")):
        lines.append(f"\nmax C|x|^2, {name:<4}{_HEADER}")
        rows = [o for o in outcomes if (o["storage"] in ("float64", "csr64")) == wide]
        for decade in range(-10, 25, 5):
            group = [o for o in rows if decade <= max(o["hardness"], -10) < decade + 5]
            if group:
                lines.append(_line(f"1e{decade} to 1e{decade + 5}", group))
    lines.append("\nviolations by kind (problems): all; of float64 rows; of float32 and narrower")
    counts: Counter[str] = Counter()
    of_wide: Counter[str] = Counter()
    for o in outcomes:
        for kind in {kind for kind, _ in o["found"]}:
            counts[kind] += 1
            of_wide[kind] += o["storage"] in ("float64", "csr64")
    for kind, count in counts.most_common():
        note = "  (a note, no broken promise)" if kind.startswith(NOTES) else ""
        lines.append(f"  {kind:<34} {count:6d} {of_wide[kind]:6d} {count - of_wide[kind]:6d}{note}")
    statuses = Counter(o["status"] for o in outcomes)
    violated = sum(bool(promises(o)) for o in outcomes)
    lines.append(f"\nstatus: {dict(statuses)}; violated: {violated} of {len(outcomes)}")
    return "\n".join(lines)


_HEADER = "  problems  violated  broken    unfinished   inexact  loose  vacuous"


def _line(name: str, group: list[dict[str, Any]]) -> str:
    patient = [o for o in group if could_converge(o)]
    unfinished = sum(o["status"] not in ("converged", "deadline") for o in patient)
    return (
        f"{name:<16}  {len(group):8d}  {sum(bool(promises(o)) for o in group):8d}  "
        f"{sum(broken(o) for o in group):6d}  {unfinished:5d} of {len(patient):<5d} "
        f"{sum(o['error'] > 10 * o['tol'] for o in patient):7d} "
        f"{sum(o['bound'] > 10 * o['tol'] for o in group):6d}  "
        f"{sum(not o['bound'] < 1 for o in group):7d}"
    )


def could_converge(outcome: dict[str, Any]) -> bool:
    """Whether there were epochs enough, and digits enough for ``tol``."""
    tol = outcome["tol"]
    return outcome["max_iter"] >= 1000 and tol >= max(1e-5, 10 * outcome["resolution"])


def promises(outcome: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the violations of an outcome, without notes."""
    return [(kind, text) for kind, text in outcome["found"] if not kind.startswith(NOTES)]


def broken(outcome: dict[str, Any]) -> bool:
    """Whether an answer is unusable whatever its report says."""
    unusable = {"invalid input", "not finite", "zero model", "exception", "hang", "died", "slow"}
    return any(kind in unusable for kind, _ in outcome["found"])


def main() -> int:
    """Run from the command line; the exit status tells whether there were violations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0:1000", help="first:last, or one seed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds per problem")
    parser.add_argument("--notes", action="store_true", help="print notes too")
    parser.add_argument("--json", type=Path, help="write every outcome there, one a line")
    parser.add_argument("--script", type=int, help="print the problem of a seed as a script")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work()
        return 0
    if arguments.script is not None:
        print(script(arguments.script))
        return 0
    first, _, last = arguments.seeds.partition(":")
    seeds = range(int(first), int(last) if last else int(first) + 1)
    outcomes = []
    if arguments.json:
        arguments.json.write_text("")
    for outcome in judge_in_processes(seeds, jobs=arguments.jobs, limit=arguments.limit):
        outcomes.append(outcome)
        if arguments.json:
            with arguments.json.open("a") as file:
                file.write(json.dumps(outcome) + "\n")
        shown = outcome["found"] if arguments.notes else promises(outcome)
        if shown:
            what = "; ".join(f"{kind}: {text}" for kind, text in shown)
            print(f"seed {outcome['seed']}: {what}  [{outcome['describe']}]", flush=True)
        if len(outcomes) % 500 == 0:
            print(f"# {len(outcomes)} of {len(seeds)}", flush=True)
    print(tables(outcomes))
    return int(any(promises(o) for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
