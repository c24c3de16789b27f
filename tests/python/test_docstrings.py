"""Public docstrings are complete: no placeholder is left, and every parameter is described."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

import exemplar_svm as esvm


def public():
    """Everything that a caller may call, by name; scikit-learn documents what its classes do."""
    for name in esvm.__all__:
        thing = getattr(esvm, name)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            yield name, thing
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                function = getattr(value, "__func__", value)
                if not member.startswith("_") and inspect.isfunction(function):
                    yield f"{name}.{member}", function


PUBLIC = dict(public())


def sections(docstring):
    """The lines of each section of a numpydoc docstring."""
    lines = inspect.cleandoc(docstring).splitlines()
    found, name = {}, None
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line and below == "-" * len(line):
            name = line
            found[name] = []
        elif name:
            found[name].append(line)
    return found


def documented(docstring):
    """The names of the parameters that a docstring describes."""
    heads = [line for line in sections(docstring).get("Parameters", []) if re.match(r"[\w*]", line)]
    return [name.lstrip("*") for head in heads for name in head.split(" : ")[0].split(", ")]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_docstring_is_complete(name):
    text = PUBLIC[name].__doc__
    assert text, name
    assert "%(" not in text
    for section in sections(text).values():
        for line in section:
            assert len(line) <= 100
            assert (len(line) - len(line.lstrip())) % 4 == 0, line


@pytest.mark.parametrize("name", PUBLIC)
def test_every_parameter_is_documented(name):
    thing = PUBLIC[name]
    text = thing.__doc__
    if inspect.isclass(thing) and "Attributes\n" in text and "Parameters\n" not in text:
        pytest.skip("a class that is only returned")
    if name in ("ConvergenceWarning", "Session"):
        pytest.skip("a class that callers do not make")
    expected = [
        parameter
        for parameter in inspect.signature(thing).parameters
        if parameter not in ("self", "cls")
    ]
    assert sorted(documented(text)) == sorted(expected)


def test_shared_paragraphs_are_written_out():
    timeout = "Seconds after which to return the best rows found so far"
    for search in (esvm.ExemplarIndex.search, esvm.ExemplarIndex.search_shared):
        assert timeout in inspect.getdoc(search)
    assert timeout in inspect.getdoc(esvm.Session.search)


def test_the_package_works_without_docstrings():
    code = """
import exemplar_svm as esvm, numpy as np
assert esvm.ExemplarIndex.search.__doc__ is None
print(esvm.ExemplarIndex(np.eye(9, 4)).search([1, 0, 0, 0], k=1).indices)
"""
    done = subprocess.run(
        [sys.executable, "-OO", "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[0]\n"
