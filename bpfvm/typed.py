# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Names of `typing` that only type checkers look at, and `NamedTuple`, for modules that every run imports.

A run of the reference interpreter takes some milliseconds, and importing `typing` or `dataclasses` as long again each.
Annotations aren't evaluated, so at run time the names need not mean anything.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any as Any
    from typing import ClassVar as ClassVar
    from typing import Final as Final
    from typing import NamedTuple as NamedTuple
    from typing import NoReturn as NoReturn
else:
    Any = ClassVar = Final = NoReturn = None

    class _Declared(type):
        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            names = list(body.get("__annotations__", ()))
            made = namedtuple(name, names, defaults=[body.pop(each) for each in names if each in body])
            return type(name, (made,), {"__slots__": (), **body})

    class NamedTuple(metaclass=_Declared):
        """As `typing.NamedTuple`."""
