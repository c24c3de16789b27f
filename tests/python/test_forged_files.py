"""Forged index files with matching checksums: whatever they hold, nothing hangs, crashes or leaks.

`forged.py` makes them, and runs longer by hand.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import forged
import numpy as np
import pytest

import exemplar_svm as esvm


@pytest.mark.parametrize("first", [0, 80, 160])
def test_forged_files_are_errors_or_indices(tmp_path, first):
    command = [sys.executable, forged.__file__, str(tmp_path), str(first), str(first + 80)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=600, cwd=Path(__file__).parent
    )
    assert done.returncode == 0, f"seed {done.stdout.split()[-1:]}: {done.stderr[-2000:]}"
    assert done.stdout.endswith("done\n")


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    kinds = forged.kinds()
    return dict(zip(kinds, forged.saved(tmp_path_factory.mktemp("kinds")), strict=True))


def refuses(tmp_path, content, sentence=""):
    path = tmp_path / "index"
    path.write_bytes(content)
    for mmap in (False, True):
        begin = time.process_time()
        with pytest.raises(ValueError, match=f"index is a damaged index file: .*{sentence}"):
            esvm.ExemplarIndex.open(path, mmap=mmap)
        assert time.process_time() - begin < 2.0


BEYOND = [-1, -64, 1, 63, 2**31, 2**61 + 1, 2**63, 2**64, 10**400, True, False, None, 64.0]
BEYOND += ["64", [], {}, [64]]


@pytest.mark.parametrize("field", ["offset", "bytes"])
def test_places_of_sections_are_whole_numbers_of_the_file(tmp_path, contents, field):
    for content in contents.values():
        header, _ = forged.header_of(content)
        for section in (header["sections"][1], header["sections"][-1]):
            before = section[field]
            for value in BEYOND:
                section[field] = value
                refuses(tmp_path, forged.with_header(content, header))
            section[field] = before


def test_sections_do_not_overlap(tmp_path, contents):
    # The scales and errors of a sketch are of one size: each would do for the other.
    content = contents["sketch"]
    header, _ = forged.header_of(content)
    by_name = {section["name"]: section for section in header["sections"]}
    same = by_name["sketch_scales"]
    by_name["sketch_errors"].update(offset=same["offset"], crc32=same["crc32"])
    refuses(tmp_path, forged.with_header(content, header), "its sections are not those of an index")


@pytest.mark.parametrize(
    "shape",
    [[-1, 6], [108, 0], [108, 7], [2**31, 6], [2**62, 2**62], [2**61, 8], [108, 2**61], [108.0, 6],
     [True, 6], [108], [108, 6, 1], [], None, "108", {"108": 6}, [[108], 6], 648],
)  # fmt: skip
def test_shapes_are_those_of_the_rows(tmp_path, contents, shape):
    for content in contents.values():
        header, _ = forged.header_of(content)
        refuses(tmp_path, forged.with_header(content, {**header, "shape": shape}))


@pytest.mark.parametrize("field", ["storage", "dtype", "settings", "sections", "shape"])
@pytest.mark.parametrize("value", [[], {}, None, 3, "", "x", [["rows"]], True, 1.5])
def test_fields_of_another_kind_are_told(tmp_path, contents, field, value):
    content = contents["signatures"]
    header, _ = forged.header_of(content)
    path = tmp_path / "index"
    path.write_bytes(forged.with_header(content, {**header, field: value}))
    with pytest.raises(ValueError, match=r"damaged index file|this version of exemplar-svm reads"):
        esvm.ExemplarIndex.open(path)


def test_settings_are_checked_as_arguments_are(tmp_path, contents):
    content = contents["signatures"]
    header, _ = forged.header_of(content)
    for name in [*header["settings"], "other"]:
        for value in ([], {}, "x", -1, 10**30, [[]] * 3, {"a": 1}):
            settings = {**header["settings"], name: value}
            if name in ("center", "check_finite"):
                continue
            refuses(tmp_path, forged.with_header(content, {**header, "settings": settings}))


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 500_000,
        b'{"a":' * 150_000,
        b'{"shape": ' + b"1" * 1_000_000 + b"}",
        b'{"shape": -' + b"9" * 1_000_000 + b"}",
        b'{"shape": [1e999999999, 1]}',
        b'{"shape": NaN}',
        b'"' + b"a" * 1_000_000,
        b"\xff" * 1000,
        b'{"sections": [' + b"{}," * 300_000 + b"{}]}",
        b" " * 1_000_000,
    ],
    ids=range(10),
)
def test_large_headers_are_refused_at_once(tmp_path, contents, text):
    refuses(
        tmp_path, forged.with_text(contents["full"], text), "its header is not that of an index"
    )


def test_a_header_longer_than_any_is_not_read(tmp_path, contents):
    text = json.dumps({"a": "b" * (1 << 20)}).encode()
    refuses(tmp_path, forged.with_text(contents["full"], text), "its header is too large")


@pytest.mark.parametrize("first", ["descending", "repeated", "beyond"])
def test_lists_of_postings_are_checked(tmp_path, contents, first):
    content = bytearray(contents["postings"])
    header, begin = forged.header_of(content)
    section = next(each for each in header["sections"] if each["name"] == "posting_rows")
    place = begin + section["offset"]
    rows = np.frombuffer(content[place : place + section["bytes"]], np.uint32).copy()
    if first == "descending":
        rows[:2] = rows[1::-1]
    else:
        rows[1] = rows[0] if first == "repeated" else 1100
    content[place : place + rows.nbytes] = rows.tobytes()
    refuses(tmp_path, forged.refitted(bytes(content)), "the postings")
