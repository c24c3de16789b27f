"""The format of index files, and how they are written and read.

A file is a preamble, a header in JSON, and sections of numbers as they lie in memory. It is
little-endian throughout; docs/files.md describes it. Files are read and written in Python, not in
the core, because its standard library has checksums, memory maps and renames on every system.
"""

from __future__ import annotations

import importlib
import json
import math
import mmap as memory_map
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ._atomic_file import kind_of, replacing
from ._saved import SavedIndex, StoredRows
from ._sparse import SparseRows

VERSION = 1
#: A byte above 127 and both kinds of line ends, as in PNG: a transfer as text spoils them.
_MAGIC = b"\x89ESVM\r\n\x1a"
_PREAMBLE = struct.Struct("<8sIII")  # magic, version, bytes of the header, its checksum
_ALIGNMENT = 64
_LARGEST_HEADER = 1 << 20
_CHUNK = 1 << 22
#: Too large to be read whenever a file is mapped. Errors in sign codes ("signatures") and in the
#: values of postings cost only time; errors in the others make answers wrong.
_BULKY = frozenset(
    {"rows", "row_values", "row_columns", "added_rows"}
    | {"signatures", "posting_rows", "posting_values", "sketch", "gram"}
)
_DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}
_NARROW_DTYPES: dict[str, np.dtype[Any]] = {
    "float16": np.dtype(np.float16),
    "int8": np.dtype(np.int8),
}
_COLUMN_DTYPES: dict[str, np.dtype[Any]] = {
    "int32": np.dtype(np.int32),
    "int64": np.dtype(np.int64),
}

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class _Section:
    name: str
    offset: int
    bytes: int
    crc32: str


@dataclass(frozen=True)
class IndexFile:
    """The content of a file, read or mapped into memory."""

    path: str
    saved: SavedIndex
    memory: Bytes
    sections: tuple[_Section, ...]

    def verify(self, *, bulky: bool = True) -> None:
        """Compare the checksums.

        Parameters
        ----------
        bulky : bool
            Compare those of the rows, and of sections as large as the rows, too.

        Raises
        ------
        ValueError
            If a section is not what was saved; the message names it.
        """
        for section in self.sections:
            if bulky or section.name not in _BULKY:
                checksum = 0
                memory = self.memory[section.offset :][: section.bytes]
                for first in range(0, len(memory), _CHUNK):  # Python handles signals in between
                    checksum = zlib.crc32(memory[first : first + _CHUNK].data, checksum)
                if f"{checksum:08x}" != section.crc32:
                    raise _corrupt(self.path, f"the checksum of {section.name!r} does not match")


def write(
    path: str | os.PathLike[str],
    saved: SavedIndex,
    check: Callable[[IndexFile], object],
) -> None:
    """Write a file under another name, and rename it when it is complete and on the disk.

    Parameters
    ----------
    path : path-like
        Replaced in one step if it exists.
    saved : SavedIndex
    check : callable
        Raises ValueError if the file that was written cannot be opened; it then replaces nothing.
    """
    _require_little_endian()
    name = os.fsdecode(path)
    kind, rows = _described(saved.stored)
    sections = {**{part: (values,) for part, values in saved.parts.items()}, **rows}
    sizes = {name: sum(part.nbytes for part in arrays) for name, arrays in sections.items()}

    def header(checksums: Mapping[str, int]) -> bytes:
        place, listed = 0, []
        for name, size in sizes.items():
            crc32 = f"{checksums.get(name, 0):08x}"
            listed.append({"name": name, "offset": place, "bytes": size, "crc32": crc32})
            place = _aligned(place + size)
        fields = {
            **kind,
            "settings": saved.settings,
            "sections": listed,
        }
        text = json.dumps(fields, allow_nan=False).encode()
        # Blanks fill the header up to the first section.
        end = _aligned(_PREAMBLE.size + len(text))
        return text.ljust(end - _PREAMBLE.size)

    with replacing(path) as file:
        checksums: dict[str, int] = {}
        file.write(bytes(_PREAMBLE.size) + header(checksums))
        for section, arrays in sections.items():
            checksums[section] = _write_section(file, _copies(arrays))
        # All checksums have the same number of digits: the final header has the same size.
        text = header(checksums)
        file.seek(0)
        file.write(_PREAMBLE.pack(_MAGIC, VERSION, len(text), zlib.crc32(text)) + text)
        file.flush()
        try:
            check(_read(file, name, mmap=True, verify=False))
        except ValueError as error:
            raise ValueError(
                f"{name} was not written, because it could not be opened again: {error}. Were the "
                "rows changed during the save, or before it without a call of refresh()?"
            ) from error


def read(path: str | os.PathLike[str], *, mmap: bool, verify: bool) -> IndexFile:
    """Read or map a file, and check its header and checksums.

    Parameters
    ----------
    path : path-like
    mmap : bool
        Map the file for reading instead of reading its sections.
    verify : bool
        Compare the checksums of all sections, not only of small ones.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no index file, has a later version, is truncated, or does not match its checksums.
    """
    _require_little_endian()
    name = os.fsdecode(path)
    kind = kind_of(os.stat(name))
    if kind is not None:  # reading it could block for ever
        raise ValueError(f"{name} is no index file of exemplar-svm, but {kind}")
    with open(name, "rb") as file:
        return _read(file, name, mmap=mmap, verify=verify)


def _read(file: BinaryIO, name: str, *, mmap: bool, verify: bool) -> IndexFile:
    file.seek(0)
    preamble = file.read(_PREAMBLE.size)
    if preamble[: len(_MAGIC)] != _MAGIC[: len(preamble)] or not preamble:
        raise ValueError(f"{name} is no index file of exemplar-svm")
    if len(preamble) < _PREAMBLE.size:
        raise _corrupt(name, "it is truncated")
    _, version, header_bytes, header_checksum = _PREAMBLE.unpack(preamble)
    if version != VERSION:
        raise ValueError(
            f"{name} has version {version} of the index file format, "
            f"but this version of exemplar-svm reads only version {VERSION}"
        )
    if header_bytes > _LARGEST_HEADER:
        raise _corrupt(name, "its header is too large")
    text = file.read(header_bytes)
    if len(text) < header_bytes:
        raise _corrupt(name, "it is truncated")
    if zlib.crc32(text) != header_checksum:
        raise _corrupt(name, "the checksum of its header does not match")
    memory: Bytes
    if mmap:
        mapped = memory_map.mmap(file.fileno(), 0, access=memory_map.ACCESS_READ)
        memory = np.frombuffer(mapped, np.uint8)
    else:
        memory = _read_all(file)
    found = _interpret(name, text, memory)
    found.verify(bulky=verify)
    return found


def _read_all(file: BinaryIO) -> Bytes:
    """Read a file from its beginning, in chunks: Python handles signals between them."""
    file.seek(0)
    memory = np.empty(os.fstat(file.fileno()).st_size, np.uint8)
    end = 0
    while n_read := file.readinto(memory[end : end + _CHUNK].data):  # type: ignore[attr-defined]
        end += n_read
    return memory[:end]


def _interpret(path: str, text: bytes, memory: Bytes) -> IndexFile:
    """Find the sections that the header lists."""
    try:
        fields = json.loads(text, parse_int=_integer, parse_constant=_no_constant)
        shape, settings = fields["shape"], fields["settings"]
        storage, dtype = _text(fields["storage"]), _text(fields["dtype"])
        listed = [
            _Section(
                name=_text(section["name"]),
                offset=_count(section["offset"]) + _PREAMBLE.size + len(text),
                bytes=_count(section["bytes"]),
                crc32=_text(section["crc32"]),
            )
            for section in fields["sections"]
        ]
        n_rows, n_features = (_count(length) for length in shape)
        if not isinstance(settings, dict):
            raise TypeError("settings")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _corrupt(path, "its header is not that of an index") from error
    if storage not in ("dense", "narrow", "sparse") or dtype not in _DTYPES:
        raise ValueError(
            f"{path} holds {storage} rows of {dtype}, but this version of exemplar-svm "
            "reads dense, narrow and sparse rows, and computes in float32 and float64"
        )
    end = max((section.offset + section.bytes for section in listed), default=0)
    if len(memory) != end:
        raise _corrupt(path, f"it has {len(memory)} bytes, but {end} were written")
    views = {section.name: memory[section.offset :][: section.bytes] for section in listed}
    if (
        len(views) != len(listed)
        or any(section.offset % _ALIGNMENT for section in listed)
        or _overlap(listed)
        or not 0 < n_features < 1 << 31
    ):
        raise _corrupt(path, "its sections are not those of an index")
    try:
        stored = _READERS[storage](fields, views, n_rows, n_features)
    except (KeyError, TypeError, _SizeError) as error:
        raise _corrupt(path, "its rows are not those that its header describes") from error
    except ImportError as error:
        raise ValueError(
            f"{path} holds rows of bfloat16, which need ml_dtypes: pip install ml_dtypes"
        ) from error
    return IndexFile(path, SavedIndex(settings, stored, views), memory, tuple(listed))


class _SizeError(Exception):
    """A section does not have the size of its array."""


def _take(
    views: dict[str, Bytes], name: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Remove a section from the others, and return it as an array."""
    section = views.pop(name)
    if section.nbytes != math.prod(shape) * dtype.itemsize:
        raise _SizeError(name)
    return section.view(dtype).reshape(shape)


def _dense(fields: Any, views: dict[str, Bytes], n_rows: int, n_features: int) -> StoredRows:
    return StoredRows(_take(views, "rows", _DTYPES[fields["dtype"]], (n_rows, n_features)))


def _narrow(fields: Any, views: dict[str, Bytes], n_rows: int, n_features: int) -> StoredRows:
    n_added = fields["n_added"]
    if fields["dtype"] != "float32" or type(n_added) is not int or not 0 <= n_added <= n_rows:
        raise _SizeError("added_rows")
    n_first, float32 = n_rows - n_added, _DTYPES["float32"]
    dtype = _narrow_dtype(fields["stored"])
    scaled = dtype == np.int8 and "row_scales" in views
    return StoredRows(
        _take(views, "rows", dtype, (n_first, n_features)),
        _take(views, "row_scales", float32, (n_first,)) if scaled else None,
        _take(views, "added_rows", float32, (n_added, n_features)) if n_added else None,
    )


def _narrow_dtype(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        dtype: np.dtype[Any] = np.dtype(importlib.import_module("ml_dtypes").bfloat16)
        return dtype
    return _NARROW_DTYPES[name]


def _sparse(fields: Any, views: dict[str, Bytes], n_rows: int, n_features: int) -> StoredRows:
    column_dtype, dtype = _COLUMN_DTYPES[fields["columns"]], _DTYPES[fields["dtype"]]
    n_entries = views["row_columns"].nbytes // column_dtype.itemsize
    # The core checks the values of starts and columns.
    return StoredRows(
        SparseRows(
            data=_take(views, "row_values", dtype, (n_entries,)),
            indices=_take(views, "row_columns", column_dtype, (n_entries,)),
            indptr=_take(views, "row_starts", column_dtype, (n_rows + 1,)),
            shape=(n_rows, n_features),
        )
    )


_READERS: dict[str, Callable[[Any, dict[str, Bytes], int, int], StoredRows]] = {
    "dense": _dense,
    "narrow": _narrow,
    "sparse": _sparse,
}


def _overlap(sections: list[_Section]) -> bool:
    places = sorted((section.offset, section.offset + section.bytes) for section in sections)
    return any(begin < end for (_, end), (begin, _) in pairwise(places))


def _integer(digits: str) -> int:
    # Python 3.10 takes half a minute to read a million digits.
    if len(digits) > 20:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(f"{value!r} is no count")
    return value


def _aligned(place: int) -> int:
    return -(-place // _ALIGNMENT) * _ALIGNMENT


def _described(stored: StoredRows) -> tuple[dict[str, Any], dict[str, tuple[NDArray[Any], ...]]]:
    """Return the header's fields about rows, and the arrays of each of their sections."""
    rows, added = stored.rows, stored.added
    n_added = stored.n_added
    kind: dict[str, Any] = {"storage": "dense", "dtype": rows.dtype.name}
    kind["shape"] = [len(rows) + n_added, rows.shape[1]]
    if isinstance(rows, SparseRows):
        given = [rows, added] if isinstance(added, SparseRows) else [rows]
        both = tuple(replace(part, indptr=part.indptr.copy()) for part in given)
        starts = _joined_starts(both)
        kind |= {"storage": "sparse", "columns": starts.dtype.name}
        return kind, {
            "row_starts": (starts,),
            "row_columns": tuple(part.indices[_entries(part)] for part in both),
            "row_values": tuple(part.data[_entries(part)] for part in both),
        }
    behind = (added,) if isinstance(added, np.ndarray) and n_added else ()
    if rows.dtype.name in _DTYPES:
        return kind, {"rows": (rows, *behind)}
    kind |= {"storage": "narrow", "dtype": "float32", "stored": rows.dtype.name}
    kind["n_added"] = n_added
    sections: dict[str, tuple[NDArray[Any], ...]] = {"rows": (rows,)}
    if stored.row_scales is not None:
        sections["row_scales"] = (stored.row_scales,)
    if behind:
        sections["added_rows"] = behind
    return kind, sections


def _entries(rows: SparseRows) -> slice:
    return slice(int(rows.indptr[0]), int(rows.indptr[-1]))


def _joined_starts(parts: tuple[SparseRows, ...]) -> NDArray[Any]:
    """Return where the rows begin once the entries of all parts are joined."""
    starts, end = [np.zeros(1, np.int64)], 0
    for part in parts:
        starts.append(part.indptr[1:] - int(part.indptr[0]) + np.int64(end))
        end = int(starts[-1][-1]) if len(part) else end
    joined = np.concatenate(starts)
    column_dtype = parts[0].indices.dtype
    return joined if end > np.iinfo(column_dtype).max else joined.astype(column_dtype)


def _copies(arrays: tuple[NDArray[Any], ...]) -> Iterator[Bytes]:
    """Copy arrays at any stride to bytes, a few entries of their first axis at a time.

    Each entry is copied once, so that checksum and file agree even if the caller changes the rows.
    """
    for part in arrays:
        at_once = max(_CHUNK // max(part.nbytes // max(len(part), 1), 1), 1)
        for first in range(0, len(part), at_once):
            chunk = np.array(part[first : first + at_once], order="C", copy=True)
            yield chunk.reshape(-1).view(np.uint8)


def _write_section(file: BinaryIO, chunks: Iterator[Bytes]) -> int:
    """Write a section at the next aligned place, and return its checksum."""
    file.write(bytes(_aligned(file.tell()) - file.tell()))
    checksum = 0
    for chunk in chunks:
        checksum = zlib.crc32(chunk.data, checksum)
        file.write(chunk.data)
    return checksum


def _corrupt(path: str, reason: str) -> ValueError:
    return ValueError(f"{path} is a damaged index file: {reason}")


def _require_little_endian() -> None:
    if sys.byteorder != "little":
        raise ValueError("index files are little-endian, which this machine is not")
