"""What the docstrings under fields and under an enum's values say; read from the sources, as Python forgets them."""

from __future__ import annotations

import ast
import inspect
import re
from enum import Enum
from textwrap import dedent


def of_fields(owner: type) -> dict[str, str]:
    """Field to docstring, for a class and what it inherits from; fields without one are left out."""
    found: dict[str, str] = {}
    for each in reversed(owner.__mro__):
        if each.__module__.partition(".")[0].startswith("goldlock"):
            found.update(_stated(each))
    return found


def of_values(owner: type[Enum]) -> dict[str, str]:
    """Value to docstring, for an enum of texts; values without one are left out."""
    return {owner[name].value: said for name, said in _stated(owner).items()}


def joined(docstring: str) -> str:
    """Return a docstring with each paragraph and list item on one line."""
    plain = inspect.cleandoc(docstring).replace("``", "`")
    return re.sub(r"(?<!\n)\n(?!\n|- |```)", " ", plain)


def _stated(owner: type) -> dict[str, str]:
    (body,) = ast.parse(dedent(inspect.getsource(owner))).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - getsource of a class
    found: dict[str, str] = {}
    name = ""
    for line in body.body:
        match line:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                continue
            case ast.Expr(value=ast.Constant(value=str(said))) if name:
                found[name] = joined(said)
        name = ""
    return found
