"""Files that take the place of others when they are complete, and are found as ``open`` finds them.

Whoever opens the name finds the old file or the new one, also after a crash. Symbolic links are
followed, the permissions of a file that is replaced are kept, and what a save that was killed has
left behind is removed by the next one in the same folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

# Short, whatever the file is called: names have a limit. It says nothing of who writes.
_TEMPORARY = re.compile(r"\.exemplar-svm-[0-9a-f]{12}\.tmp")
_MOST_LINKS = 40  # Linux's limit
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def kind_of(found: os.stat_result) -> str | None:
    """Say what a file is that can be neither read nor replaced like a regular one, or None."""
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
        If it is something else or may not be written, or if the new file cannot be. What was there
        is then as it was.
    """
    name = os.fsdecode(path)
    existing = _replaceable(name)
    target = _followed(name)
    folder, last = os.path.split(target)
    if last in ("", os.curdir, os.pardir):
        raise _error(errno.EISDIR if last or folder else errno.ENOENT, name)
    _remove_abandoned(folder or os.curdir)
    try:
        # Nobody else can read it before it has the permissions of the file that it replaces.
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
            if os.name != "nt":  # while it is locked
                os.replace(temporary, target)
        if os.name == "nt":  # which renames no open file
            _replace_on_windows(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync(folder or os.curdir)


def _error(number: int, name: str, reason: str | None = None) -> OSError:
    return OSError(number, reason or os.strerror(number), name)


def _replaceable(name: str) -> os.stat_result | None:
    """Return what is known about the file there, None if there is none."""
    try:
        found = os.stat(name)
    except FileNotFoundError:  # nothing, or a link to nothing
        return None
    if stat.S_ISDIR(found.st_mode):
        raise _error(errno.EISDIR, name)
    kind = kind_of(found)
    if kind is not None:
        raise _error(errno.EINVAL, name, f"an index is saved to a regular file, but this is {kind}")
    # Renaming needs no permission to write the file, but a caller expects that it matters.
    if not os.access(name, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise _error(errno.EACCES, name)
    return found


def _followed(name: str) -> str:
    """Follow symbolic links in the last component; those before it are the system's business."""
    followed = name
    for _ in range(_MOST_LINKS):
        try:
            link = os.readlink(followed)
        except OSError:  # no link, or nothing
            return followed
        followed = os.path.join(os.path.dirname(followed), link)
    raise _error(errno.ELOOP, name)


def _create(folder: str, mode: int) -> tuple[str, int]:
    """Create a temporary file, locked as long as it is open: it is not abandoned."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        path = os.path.join(folder, f".exemplar-svm-{secrets.token_hex(6)}.tmp")
        descriptor = os.open(path, flags, mode)
        try:
            if sys.platform != "win32":
                # Some file systems know no locks; nobody can take it for abandoned there.
                with contextlib.suppress(OSError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.exists(path):
                return path, descriptor
        except BaseException:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        os.close(descriptor)  # somebody has removed it in the moment before it was locked


def _remove_abandoned(folder: str) -> None:
    """Remove the temporary files that nobody is writing."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if _TEMPORARY.fullmatch(name):
                with contextlib.suppress(OSError):
                    _remove_unless_locked(os.path.join(folder, name))


def _remove_unless_locked(path: str) -> None:
    if sys.platform == "win32":  # which removes no open file
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
    """Give a new file the permissions of the one that it replaces; its owner where that may be."""
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
    """Bring a new name to the disk, where the system can."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # files may be made there, but not listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system without
            raise
    finally:
        os.close(descriptor)
