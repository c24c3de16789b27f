"""Types of command-line arguments."""

from __future__ import annotations

import argparse
import re
from pathlib import Path


def size(text: str) -> tuple[int, int]:
    """Read rows and features."""
    found = re.fullmatch(r"([1-9][\d_]*)x([1-9]\d*)", text.replace(",", ""))
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 10000x384")
    return int(found[1]), int(found[2])


def positive(text: str) -> int:
    """Read a number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def not_negative(text: str) -> int:
    """Read a number from 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def for_json(options: argparse.Namespace) -> dict[str, object]:
    """Return the settings of a run, without the folders of its files."""
    return {
        name: value.name if isinstance(value, Path) else value
        for name, value in vars(options).items()
        if name != "json"
    }
