"""The rows of an index as they come and go: one snapshot of the core after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._examples import as_row_numbers
from ._locks import ForkableLock
from ._query import QueryReader
from ._saved import SavedIndex, StoredRows
from ._settings import IndexSettings
from ._sparse import SparseRows, for_core, is_sparse
from ._typing import FloatArray, IndexArray, Rows, RowsChosen
from ._validation import as_sparse_vectors, thread_count, working_dtype


class Snapshots:
    """What an index and its sessions share: the present snapshot, and how it is replaced.

    A snapshot never changes. A search takes the present one once, and needs no lock.
    """

    def __init__(
        self,
        settings: IndexSettings,
        embeddings: NDArray[Any] | SparseRows,
        row_scales: NDArray[np.float32] | None,
        core: _core.Index,
        n_threads: int,
    ) -> None:
        self.settings = settings
        self.embeddings = embeddings  # the caller's rows; the core owns those that were added
        self.row_scales = row_scales
        self.n_features = int(embeddings.shape[1])
        self.dtype = working_dtype(embeddings.dtype)  # that searches compute with
        self.core = core  # the present snapshot
        self.n_threads = n_threads
        self.sizes = {core.n_rows}  # every number of rows there has been: lengths of masks
        self._search_defaults = settings.for_search()
        self._changing = ForkableLock(reentrant=True)

    @classmethod
    def build(
        cls,
        settings: IndexSettings,
        stored: StoredRows,
        n_threads: int,
        parts: dict[str, NDArray[np.uint8]] | None = None,
        progress: Callable[[int, float], object] | None = None,
    ) -> Snapshots:
        """Build an index with the rows that were added to it; from its parts, if there are any."""
        added = stored.added if isinstance(stored.added, np.ndarray) else None
        core = settings.build(
            for_core(stored.rows),
            n_threads,
            parts,
            row_scales=stored.row_scales,
            added=None if parts is None else added,
            progress=progress,
        )
        if parts is None and added is not None:
            core = core.with_rows(added, n_threads)
        return cls(settings, stored.rows, stored.row_scales, core, n_threads)

    @classmethod
    def restore(cls, saved: SavedIndex, n_threads: int) -> Snapshots:
        """Rebuild a saved index from its parts."""
        settings = IndexSettings.from_json(saved.settings)
        return cls.build(settings, saved.stored, n_threads, saved.parts)

    def saved(self) -> SavedIndex:
        """Return what `restore` needs."""
        core = self.core
        return SavedIndex(self.settings.as_json(), self.stored(core), core.parts())

    def copy(self) -> Snapshots:
        """Return a copy that shares the rows in memory; changes of one do not affect the other."""
        other = Snapshots(
            self.settings, self.embeddings, self.row_scales, self.core, self.n_threads
        )
        other.sizes |= self.sizes
        return other

    def stored(self, core: _core.Index) -> StoredRows:
        """View the rows of a snapshot as they are stored."""
        added = core.added()
        if isinstance(self.embeddings, SparseRows):
            data, indices, indptr = added
            added = SparseRows(data, indices, indptr, (len(indptr) - 1, self.n_features))
        return StoredRows(self.embeddings, self.row_scales, added)

    def __str__(self) -> str:
        core = self.core
        removed = core.n_rows - core.n_live
        sparse = "sparse " if isinstance(self.embeddings, SparseRows) else ""
        rows = f"{core.n_rows} {sparse}rows" + (f", {removed} of them removed," if removed else "")
        return (
            f"{rows} of {self.n_features} features, {self.embeddings.dtype}, C={self.settings.C:g}"
        )

    def reader(self, core: _core.Index | None = None) -> QueryReader:
        """Read the arguments of a call for a snapshot, by default the present one."""
        snapshot = self.core if core is None else core
        return QueryReader(snapshot, self.dtype, self.n_features, self.sizes)

    def search_settings(
        self,
        C: float | None = None,
        prior: float | None = None,
        tol: float | None = None,
        max_iter: int | None = None,
        certify: int | None = None,
        standardize: bool = False,
    ) -> _core.SearchSettings:
        """Read the settings of a call, which override those of the index."""
        if C is prior is tol is max_iter is certify is None and standardize is False:
            return self._search_defaults
        return self.settings.for_search(C, prior, tol, max_iter, certify, standardize)

    def threads(self, n_threads: int | None) -> int:
        """Read ``n_threads=`` of a call."""
        return self.n_threads if n_threads is None else thread_count(n_threads)

    def add(self, rows: Rows) -> IndexArray:
        """Add rows, and return their numbers."""
        added: FloatArray | SparseRows
        if isinstance(self.embeddings, SparseRows) and is_sparse(rows):
            added = as_sparse_vectors(
                rows, "rows", self.dtype, self.n_features, "the index holds rows"
            )
        else:
            added, _ = self.reader().vectors(rows, "rows")
        given = for_core(added)

        def with_rows(core: _core.Index) -> _core.Index:
            grown = core.with_rows(given, self.n_threads)
            self.sizes.add(grown.n_rows)  # before anybody can make a mask of that length
            return grown

        before = self._replace(with_rows)
        return np.arange(before.n_rows, before.n_rows + len(added))

    def remove(self, row_numbers: RowsChosen) -> None:
        """Remove rows."""

        def without_rows(core: _core.Index) -> _core.Index:
            # np.unique of numpy 2.3 and 2.4 aborts a process that ends while a daemon thread is in
            # it, where it is asked for nothing but the values.
            rows = np.sort(as_row_numbers(row_numbers, "row_numbers", self.reader(core).rows))
            distinct = rows[np.diff(rows, prepend=-1) != 0]
            return core.without_rows(distinct, self.n_threads)

        self._replace(without_rows)

    def refresh(self) -> None:
        """Compute anew what the index knows about its rows."""
        self._replace(lambda core: core.refreshed(self.n_threads))

    def _replace(self, change: Callable[[_core.Index], _core.Index]) -> _core.Index:
        """Put another snapshot in the place of the present one, and return that."""
        with self._changing.held():
            while True:
                before = self.core
                after = change(before)
                # Unless a signal's handler has changed the index meanwhile, in this thread.
                if self.core is before:
                    self.core = after
                    return before

    def compacted(self) -> tuple[Snapshots, IndexArray]:
        """Copy the live rows, and return the new number of each row: -1 for removed ones."""
        core = self.core
        live = core.live()
        kept = np.arange(core.n_rows) if live is None else np.flatnonzero(live)
        numbers = np.full(core.n_rows, -1, np.int64)
        numbers[kept] = np.arange(len(kept))
        stored = self.stored(core).only(kept)
        return Snapshots.build(self.settings, stored, self.n_threads), numbers
