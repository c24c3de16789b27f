"""Locks that a forked child does not find held by a thread that it does not have."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager


class ForkableLock:
    """A lock that is another one in a forked child.

    Attributes
    ----------
    was_held : bool
        Whether a thread held it when this process was forked: what it guards may be half changed.
    """

    def __init__(self, *, reentrant: bool) -> None:
        self._make = threading.RLock if reentrant else threading.Lock
        self._lock = self._make()
        self._n_holding = 0
        self.was_held = False
        _locks.add(self)

    @contextmanager
    def held(self, *, wait: bool = True) -> Iterator[bool]:
        """Hold the lock; yield whether it is held, which it may not be without waiting."""
        lock = self._lock  # what is taken is what is released, also if there was a fork meanwhile
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
