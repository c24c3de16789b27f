"""Files that replace others at once, when they are complete.

Whoever opens the name finds the old file or the new one, also after a crash. Symbolic links are
followed, and the permissions of the old file are kept. If a save is killed, the next one in the
same folder removes what it has left behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

# Short, however long the file's own name is: names have a limit.
_TEMPORARY = re.compile(r"\.exemplar-svm-[0-9a-f]{12}\.tmp")
_MOST_LINKS = 40  # Linux's limit
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def kind_of(found: os.stat_result) -> str | None:
    """Name the kind of a file that cannot be read and replaced like a regular one; else None."""
    return _KINDS.get(stat.S_IFMT(found.st_mode))


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new file, for reading and writing, that replaces ``path`` if nothing is raised.

    Parameters
    ----------
    path : path-like
        A regular file, a symbolic link to one or to nothing, or nothing.

    Raises
    ------
    OSError
        If ``path`` is something else or may not be written, or if the new file cannot be written.
        The old file is then unchanged.
    """
    name = os.fsdecode(path)
    existing = _replaceable(name)
    target = _followed(name)
    folder, last = os.path.split(target)
    if last in ("", os.curdir, os.pardir):
        raise _error(errno.EISDIR if last or folder else errno.ENOENT, name)
    _remove_abandoned(folder or os.curdir)
    try:
        # Others cannot read the new file before it has the permissions of the old one.
        temporary, descriptor = _create(folder, 0o666 if existing is None else 0o600)
    except OSError as error:
        error.filename = name
        raise
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if existing is not None:
                _take_over(existing, temporary)
            if os.name != "nt":  # while the lock is held
                os.replace(temporary, target)
        if os.name == "nt":  # Windows renames no open file
            _replace_on_windows(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync(folder or os.curdir)


def _error(number: int, name: str, reason: str | None = None) -> OSError:
    return OSError(number, reason or os.strerror(number), name)


def _replaceable(name: str) -> os.stat_result | None:
    """Return the status of the file that is to be replaced; None if there is none."""
    try:
        found = os.stat(name)
    except FileNotFoundError:  # nothing, or a link to nothing
        return None
    if stat.S_ISDIR(found.st_mode):
        raise _error(errno.EISDIR, name)
    kind = kind_of(found)
    if kind is not None:
        raise _error(errno.EINVAL, name, f"an index is saved to a regular file, but this is {kind}")
    # Renaming needs no permission to write the file, but callers expect that it does.
    if not os.access(name, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise _error(errno.EACCES, name)
    return found


def _followed(name: str) -> str:
    """Follow symbolic links in the last component; the system follows those before it."""
    followed = name
    for _ in range(_MOST_LINKS):
        try:
            link = os.readlink(followed)
        except OSError:  # no link, or nothing
            return followed
        followed = os.path.join(os.path.dirname(followed), link)
    raise _error(errno.ELOOP, name)


def _create(folder: str, mode: int) -> tuple[str, int]:
    """Create a temporary file. It is locked while it is open, which shows that it is in use."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        path = os.path.join(folder, f".exemplar-svm-{os.urandom(6).hex()}.tmp")
        descriptor = os.open(path, flags, mode)
        try:
            if sys.platform != "win32":
                # Some file systems have no locks: no file there can be taken for abandoned.
                with contextlib.suppress(OSError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.exists(path):
                return path, descriptor
        except BaseException:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        os.close(descriptor)  # another process removed it just before it was locked


def _remove_abandoned(folder: str) -> None:
    """Remove the temporary files that no process is writing."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if _TEMPORARY.fullmatch(name):
                with contextlib.suppress(OSError):
                    _remove_unless_locked(os.path.join(folder, name))


def _remove_unless_locked(path: str) -> None:
    if sys.platform == "win32":  # Windows removes no open file
        os.unlink(path)
    else:
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW
        descriptor = os.open(path, flags)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
        finally:
            os.close(descriptor)


def _take_over(existing: os.stat_result, temporary: str) -> None:
    """Give a new file the permissions of the old one, and its owner if the system allows it."""
    if sys.platform != "win32":
        own = os.stat(temporary)
        for ids in ((existing.st_uid, -1), (-1, existing.st_gid)):
            if ids not in ((own.st_uid, -1), (-1, own.st_gid)):
                with contextlib.suppress(OSError):
                    os.chown(temporary, *ids)
    os.chmod(temporary, stat.S_IMODE(existing.st_mode))


def _replace_on_windows(temporary: str, target: str) -> None:
    try:
        os.replace(temporary, target)
    except PermissionError as error:
        raise PermissionError(
            f"{target} cannot be replaced; Windows does not allow it while an index that was "
            "opened from it with mmap=True is in use"
        ) from error


def _sync(folder: str) -> None:
    """Write a new name to the disk, if the system can."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that allows files to be made, but not listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # the file system cannot
            raise
    finally:
        os.close(descriptor)
