"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

import exemplar_svm as esvm

_PACKAGES = ("numpy", "scipy", "scikit-learn", "faiss-cpu", "snapml", "threadpoolctl")
_VARIABLES = ("OPENBLAS_", "OMP_", "GOMP_", "MKL_", "FAISS_", "EXEMPLAR_SVM_ISA")


def describe() -> dict[str, Any]:
    """Describe the machine, the versions, and the BLAS kernels in use, for the JSON file."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "exemplar_svm": esvm.__version__,
        "active_isa": esvm.active_isa(),
        "supported_isas": esvm.supported_isas(),
        "has_openmp": esvm.has_openmp(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "threadpools": [
            {**pool, "filepath": Path(pool["filepath"]).name} for pool in threadpool_info()
        ],
        "environment": {
            name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)
        },
    }


def in_words(environment: dict[str, Any]) -> str:
    """Name the machine in the title of a picture."""
    return f"{environment['cpu']}, {environment['cores']} cores, {environment['active_isa']}"


def cpu_model() -> str:
    """Return the processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def usable_cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
