"""Index files: what is in them, how they are written so that none is ever half there, and read.

A file is a preamble, a header in JSON, and sections of numbers as they lie in memory. It is
little-endian throughout; docs/files.md describes it. The format is Python's business and not the
core's, because checksums, memory maps and renames are in its standard library on every system.
"""

from __future__ import annotations

import contextlib
import json
import mmap as memory_map
import os
import secrets
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ._typing import FloatArray

VERSION = 1
#: Eight bits, and both kinds of line ends: a transfer as text spoils it, as it does PNG's.
_MAGIC = b"\x89ESVM\r\n\x1a"
_PREAMBLE = struct.Struct("<8sIII")  # magic, version, bytes of the header, its checksum
_ALIGNMENT = 64
_LARGEST_HEADER = 1 << 20
_CHUNK = 1 << 22
#: Too large to be read whenever a file is mapped. "signatures" only guess; what is wrong in the
#: others is wrong in the answers.
_BULKY = frozenset({"rows", "signatures", "sketch", "gram"})
_DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
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
    """What a file holds, where it was read or mapped to."""

    path: str
    settings: dict[str, Any]
    rows: FloatArray  # (n, d)
    parts: dict[str, Bytes]
    memory: Bytes
    sections: tuple[_Section, ...]

    def verify(self, *, bulky: bool = True) -> None:
        """Compare the checksums.

        Parameters
        ----------
        bulky : bool
            Also of the rows and what is as large as they are.

        Raises
        ------
        ValueError
            Naming the section that is not what was saved.
        """
        for section in self.sections:
            if bulky or section.name not in _BULKY:
                found = zlib.crc32(self.memory[section.offset :][: section.bytes].data)
                if f"{found:08x}" != section.crc32:
                    raise _corrupt(self.path, f"the checksum of {section.name!r} does not fit")


def write(
    path: str | os.PathLike[str],
    settings: Mapping[str, Any],
    rows: tuple[FloatArray, FloatArray],
    parts: Mapping[str, Bytes],
) -> None:
    """Write a file under another name, and rename it when it is complete and on the disk.

    Parameters
    ----------
    path : path-like
        Replaced at once if it exists.
    settings : mapping
        Of the index, in what JSON can say.
    rows : two arrays, shapes (n_1, d) and (n_2, d)
        One behind the other.
    parts : mapping of str to bytes
        What is known about the rows.
    """
    _require_little_endian()
    target = Path(os.fsdecode(path))
    n_rows, n_features = len(rows[0]) + len(rows[1]), rows[0].shape[1]
    sizes = {name: values.nbytes for name, values in parts.items()}
    sizes["rows"] = n_rows * n_features * rows[0].itemsize

    def header(checksums: Mapping[str, int]) -> bytes:
        place, sections = 0, []
        for name, size in sizes.items():
            crc32 = f"{checksums.get(name, 0):08x}"
            sections.append(
                {"name": name, "offset": place, "bytes": size, "crc32": crc32},
            )
            place = _aligned(place + size)
        fields = {
            "storage": "dense",
            "dtype": rows[0].dtype.name,
            "shape": [n_rows, n_features],
            "settings": dict(settings),
            "sections": sections,
        }
        text = json.dumps(fields, allow_nan=False).encode()
        # Blanks up to where the first section begins.
        end = _aligned(_PREAMBLE.size + len(text))
        return text.ljust(end - _PREAMBLE.size)

    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            checksums: dict[str, int] = {}
            file.write(bytes(_PREAMBLE.size) + header(checksums))
            for name, values in parts.items():
                checksums[name] = _write_section(file, iter([values]))
            checksums["rows"] = _write_section(file, _chunks(rows))
            # Checksums have as many digits, whatever they are: the header fits where it was.
            text = header(checksums)
            file.seek(0)
            file.write(_PREAMBLE.pack(_MAGIC, VERSION, len(text), zlib.crc32(text)) + text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.replace(temporary, target)
        except PermissionError as error:
            if os.name != "nt":
                raise
            raise PermissionError(
                f"{target} cannot be replaced; Windows does not allow it while an index that was "
                "opened from it with mmap=True is in use"
            ) from error
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if os.name == "posix":  # so that the new name is on the disk, too
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: str | os.PathLike[str], *, mmap: bool, verify: bool) -> IndexFile:
    """Read or map a file, and check what it says about itself.

    Parameters
    ----------
    path : path-like
    mmap : bool
        Leave the sections in the file and map it, for reading, in place of reading them.
    verify : bool
        Compare the checksums of all sections, not only of the small ones.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no index file, is of a later version, is truncated, or does not fit its checksums.
    """
    _require_little_endian()
    name = os.fsdecode(path)
    with open(name, "rb") as file:
        preamble = file.read(_PREAMBLE.size)
        if preamble[: len(_MAGIC)] != _MAGIC[: len(preamble)] or not preamble:
            raise ValueError(f"{name} is no index file of exemplar-svm")
        if len(preamble) < _PREAMBLE.size:
            raise _corrupt(name, "it is truncated")
        _, version, header_bytes, header_checksum = _PREAMBLE.unpack(preamble)
        if version != VERSION:
            raise ValueError(
                f"{name} has version {version} of the index file format, "
                f"but this version of exemplar-svm reads version {VERSION} alone"
            )
        if header_bytes > _LARGEST_HEADER:
            raise _corrupt(name, "its header is too large")
        text = file.read(header_bytes)
        if len(text) < header_bytes:
            raise _corrupt(name, "it is truncated")
        if zlib.crc32(text) != header_checksum:
            raise _corrupt(name, "the checksum of its header does not fit")
        memory: Bytes
        if mmap:
            mapped = memory_map.mmap(file.fileno(), 0, access=memory_map.ACCESS_READ)
            memory = np.frombuffer(mapped, np.uint8)
        else:
            file.seek(0)
            memory = np.fromfile(file, np.uint8)
    found = _interpret(name, text, memory)
    found.verify(bulky=verify)
    return found


def _interpret(path: str, text: bytes, memory: Bytes) -> IndexFile:
    """Find the sections that the header tells of."""
    try:
        fields = json.loads(text)
        storage, dtype_name = fields["storage"], fields["dtype"]
        shape, settings = fields["shape"], fields["settings"]
        listed = [
            _Section(
                name=str(section["name"]),
                offset=_count(section["offset"]) + _PREAMBLE.size + len(text),
                bytes=_count(section["bytes"]),
                crc32=str(section["crc32"]),
            )
            for section in fields["sections"]
        ]
        n_rows, n_features = (_count(length) for length in shape)
        if not isinstance(settings, dict):
            raise TypeError("settings")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _corrupt(path, "its header is not that of an index") from error
    if storage != "dense" or dtype_name not in _DTYPES:
        raise ValueError(
            f"{path} holds {storage} rows of {dtype_name}, "
            "but this version of exemplar-svm reads dense rows of float32 and float64"
        )
    dtype = _DTYPES[dtype_name]
    end = max((section.offset + section.bytes for section in listed), default=0)
    if len(memory) != end:
        raise _corrupt(path, f"it has {len(memory)} bytes, but {end} were written")
    views = {section.name: memory[section.offset :][: section.bytes] for section in listed}
    if (
        len(views) != len(listed)
        or any(section.offset % _ALIGNMENT for section in listed)
        or not 0 < n_features < 1 << 31
        or "rows" not in views
        or len(views["rows"]) != n_rows * n_features * dtype.itemsize
    ):
        raise _corrupt(path, "its sections are not those of an index")
    rows = views.pop("rows").view(dtype).reshape(n_rows, n_features)
    return IndexFile(path, settings, rows, views, memory, tuple(listed))


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(f"{value!r} is no count")
    return value


def _aligned(place: int) -> int:
    return -(-place // _ALIGNMENT) * _ALIGNMENT


def _chunks(rows: tuple[FloatArray, FloatArray]) -> Iterator[Bytes]:
    """Return rows at any stride as bytes, a few at a time."""
    for part in rows:
        at_once = max(_CHUNK // max(part.shape[1] * part.itemsize, 1), 1)
        for first in range(0, len(part), at_once):
            chunk = np.ascontiguousarray(part[first : first + at_once])
            yield chunk.reshape(-1).view(np.uint8)


def _write_section(file: BinaryIO, chunks: Iterator[Bytes]) -> int:
    """Write a section where the next one may begin, and return its checksum."""
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
