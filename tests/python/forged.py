"""Forged index files: any values and headers, with checksums that match.

``python forged.py FOLDER FIRST LAST`` makes the files of these seeds there, opens and searches
them, and ends with the number of a seed if one takes too long. Whatever a file holds, it is an
error or an index whose searches return.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import struct
import sys
import warnings
import zlib

import numpy as np
from conftest import clustered
from scipy import sparse

import exemplar_svm as esvm

PREAMBLE = 20
SECONDS = 60.0  # of processor time for one file


def header_of(content):
    """The fields of a file's header, and where its sections begin."""
    (size,) = struct.unpack_from("<I", content, 12)
    return json.loads(content[PREAMBLE : PREAMBLE + size]), PREAMBLE + size


def with_text(content, text):
    """The file with another text for its header, as if it had been saved with it."""
    text = text.ljust(-(-(PREAMBLE + len(text)) // 64) * 64 - PREAMBLE)
    preamble = struct.pack("<8sIII", content[:8], 1, len(text), zlib.crc32(text))
    return preamble + text + content[header_of(content)[1] :]


def with_header(content, header):
    """The file with other fields."""
    return with_text(content, json.dumps(header).encode())


def refitted(content):
    """The file with the checksums of what its sections hold now."""
    header, begin = header_of(content)
    for section in header["sections"]:
        first = begin + section["offset"]
        section["crc32"] = f"{zlib.crc32(content[first : first + section['bytes']]):08x}"
    return with_header(content, header)


def kinds():
    """Files with every section that there is, by what they hold."""
    few = clustered(90, 6, dtype=np.float32)
    many = clustered(1100, 6, dtype=np.float32)
    thin = np.where(np.random.default_rng(0).random(many.shape) < 0.4, many, 0)
    csr = sparse.csr_matrix(thin.astype(np.float64))
    wide = sparse.csr_matrix(thin)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    codes = np.round(few * 100).astype(np.int8)
    scales = np.linspace(0.005, 0.02, 90, dtype=np.float32)
    return {
        "full": esvm.ExemplarIndex(few, method="full", loss="hinge", class_weight=None),
        "gram": esvm.ExemplarIndex(few.astype(np.float64), method="gram", center=True),
        "sketch": esvm.ExemplarIndex(few, method="working_set", sketch="int8", center=True),
        "signatures": esvm.ExemplarIndex(many, method="working_set"),
        "float16": esvm.ExemplarIndex(few.astype(np.float16), method="full"),
        "scaled": esvm.ExemplarIndex(codes, row_scales=scales, method="working_set"),
        "sparse": esvm.ExemplarIndex(csr, method="full"),
        "postings": esvm.ExemplarIndex(wide, method="working_set", center=True),
    }


def saved(folder):
    """The bytes of files of each kind, most with rows that were added and removed."""
    path = os.path.join(folder, "saved")
    contents = []
    for name, index in kinds().items():
        if name not in ("full", "gram"):
            index.add(clustered(20, 6, seed=1))
            index.remove([3, len(index) - 2])
        index.save(path)
        with open(path, "rb") as file:
            contents.append(file.read())
    return contents


NUMBERS = [0.0, -0.0, 1.0, -1.0, 1e-320, 1e-45, 1e-30, 1e-8, 1e8, 1e19, 3e38, -3e38, 1e154, 1e300]
NUMBERS += [float("inf"), float("-inf"), float("nan")]
COUNTS = [-64, -1, 0, 1, 6, 63, 64, 90, 128, 1120, 2**31 - 1, 2**31, 2**32, 2**61, 2**62, 2**64]
OTHERS = [True, False, None, 0.0, 64.0, "", "x", "64", [], {}, [64], {"a": 1}, 10**400, 1e400]
TEXTS = ["dense", "narrow", "sparse", "float32", "float64", "float16", "bfloat16", "int8", "int32"]
TEXTS += ["int64", "rows", "norms", "live", "gram", "mean", "row_starts", "posting_rows", "other"]
VALUES = [*NUMBERS, *COUNTS, *OTHERS, *TEXTS, "full", "auto", "hinge", "working_set", [1.0, 2.0]]


def some(rng, choices):
    return choices[int(rng.integers(len(choices)))]


def change_values(rng, values):
    """Change some of the bytes of a section."""
    kind = some(rng, ["bytes", "one", "one", "all", "fill", "numbers", "shuffle", "scale"])
    if kind == "bytes":
        for _ in range(int(rng.integers(1, 9))):
            values[rng.integers(len(values))] = rng.integers(256)
        return
    if kind == "fill":
        values[:] = some(rng, [0, 1, 0x7F, 0x80, 0xFF])
        return
    dtype = np.dtype(some(rng, ["f4", "f4", "f8", "f8", "i4", "i8"]))
    part = values[: len(values) // dtype.itemsize * dtype.itemsize].view(dtype)
    if part.size == 0:
        return
    if kind == "shuffle":
        rng.shuffle(part)
        return
    pool = NUMBERS if dtype.kind == "f" else [n for n in COUNTS if abs(n) < 2**31]
    with np.errstate(all="ignore"):
        if kind == "one":
            part[rng.integers(part.size)] = some(rng, pool)
        elif kind == "all":
            part[:] = some(rng, pool)
        elif kind == "numbers":
            part[:] = rng.choice(np.array(pool), part.size).astype(dtype)
        elif dtype.kind == "f":
            part *= dtype.type(some(rng, NUMBERS))


def change_header(rng, header):
    sections = header["sections"]
    section = some(rng, sections)
    kind = some(
        rng,
        ["section", "section", "drop", "repeat", "swap", "setting", "setting", "field", "shape"],
    )
    if kind == "section":
        section[some(rng, ["offset", "bytes", "name", "crc32"])] = some(rng, VALUES)
    elif kind == "drop":
        sections.remove(section)
    elif kind == "repeat":
        sections.append(dict(section))
    elif kind == "swap":
        other = some(rng, sections)
        field = some(rng, ["name", "offset", "bytes"])
        section[field], other[field] = other[field], section[field]
    elif kind == "setting":
        header["settings"][some(rng, [*header["settings"], "other"])] = some(rng, VALUES)
    elif kind == "field":
        field = some(rng, [*header, "columns", "stored", "n_added", "sections", "settings"])
        header[field] = some(rng, VALUES)
    else:
        header["shape"] = [some(rng, [*COUNTS, 6, 7]) for _ in range(int(rng.integers(4)))]


def forged(content, seed):
    """A file like another one, but for a few changes."""
    rng = np.random.default_rng(seed)
    header, begin = header_of(content)
    body = np.frombuffer(content[begin:], np.uint8).copy()
    for _ in range(int(rng.integers(0, 4))):
        section = some(rng, header["sections"])
        part = body[section["offset"] :][: section["bytes"]].copy()
        if len(part):
            change_values(rng, part)
            body[section["offset"] :][: section["bytes"]] = part
    content = refitted(content[:begin] + body.tobytes())
    header, _ = header_of(content)
    for _ in range(int(rng.choice([0, 0, 0, 1, 2]))):
        # One change may have left nothing for the other.
        with contextlib.suppress(AttributeError, IndexError, KeyError, TypeError, ValueError):
            change_header(rng, header)
    return with_header(content, header)


def use(path, mmap):
    """Open a file, and ask for everything that an index can tell: returns, or raises ValueError."""
    index = esvm.ExemplarIndex.open(path, mmap=mmap)
    if index.n_features > 100:  # nobody asks with vectors of 16 GB
        return
    live = np.flatnonzero(index.live)
    ones, other = np.ones(index.n_features), np.linspace(-1, 1, index.n_features)
    # The settings of a file may ask for more epochs than anybody waits for.
    index.search(ones, k=5, max_iter=50)
    index.search([ones, other], k=5, max_iter=50, C=10.0, background=live[::2])
    index.search(ones, k=5, max_iter=50, C=1e-6, duplicates="ignore")
    index.decision_function(ones, max_iter=50)
    if len(live):
        index.search_shared([int(live[0])], k=5, negatives=[other], max_iter=50, timeout=5.0)
        index.fit([int(live[-1]), other], max_iter=50)
        session = index.session([int(live[-1])])
        session.search(k=3, max_iter=50)
        session.dislike(other)
        session.search(k=3, max_iter=50)
        index.vectors(live[-3:])
        index.remove(int(live[0]))
    index.add([other])
    index.search(ones, k=5, max_iter=50)
    index.compact()


def main(folder, first, last):
    contents = saved(folder)
    path = os.path.join(folder, "forged")
    warnings.simplefilter("ignore")
    for seed in range(first, last):
        with open(path, "wb") as file:
            file.write(forged(contents[seed % len(contents)], seed))
        print(seed, flush=True)
        if hasattr(signal, "setitimer"):  # ends the process when its time is up
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
        for mmap in (False, True):
            with contextlib.suppress(ValueError):
                use(path, mmap)
    print("done")


if __name__ == "__main__":
    faulthandler.enable()
    if hasattr(signal, "setitimer"):
        faulthandler.register(signal.SIGPROF, chain=True)  # says where
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
