"""Locks that are free in a forked child, whichever thread of the parent held them."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager


class ForkableLock:
    """A lock that is replaced in a forked child, which lacks the thread that may hold it.

    Attributes
    ----------
    was_held : bool
        Whether a thread held the lock when this process was forked. What the lock guards may then
        be half changed.
    """

    def __init__(self, *, reentrant: bool) -> None:
        self._make = threading.RLock if reentrant else threading.Lock
        self._lock = self._make()
        self._n_holding = 0
        self.was_held = False
        _locks.add(self)

    @contextmanager
    def held(self, *, wait: bool = True) -> Iterator[bool]:
        """Hold the lock; yield whether it could be taken, which may fail without waiting."""
        lock = self._lock  # a fork replaces it: release the one that was taken
        if not lock.acquire(blocking=wait):
            yield False
            return
        self._n_holding += 1
        try:
            yield True
        finally:
            if lock is self._lock:
                self._n_holding -= 1
            lock.release()

    def _renew(self) -> None:
        self.was_held = self.was_held or self._n_holding > 0
        self._lock = self._make()
        self._n_holding = 0


_locks: weakref.WeakSet[ForkableLock] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in list(_locks):
        lock._renew()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_all)
