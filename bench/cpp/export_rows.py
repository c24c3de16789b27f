"""Write the real rows and queries that the Python benchmarks use as .npy files, for C++.

    python bench/cpp/export_rows.py FOLDER && export EXEMPLAR_SVM_BENCH_ROWS=FOLDER

EXEMPLAR_SVM_DATA names the folder of the embeddings.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
import data

SHAPES = ((1_000, 1_536), (10_000, 384), (60_000, 384))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for n, d in SHAPES:
        found = data.load(n, d, n_queries=60)
        print(f"{found.name}: {found.source}")
        np.save(folder / f"{n}x{d}-rows.npy", found.rows)
        np.save(folder / f"{n}x{d}-queries.npy", found.queries)


if __name__ == "__main__":
    main()
