# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where the shipped BPF objects are: inside an installed package, or in the checkout."""

from __future__ import annotations

from pathlib import Path

from bpfvm.errors import BadInput

_PACKAGE = Path(__file__).resolve().parent
_PLACES = (_PACKAGE / "data" / "built", _PACKAGE.parent / "bpf_progs" / "built")


def built_objects() -> Path:
    """The folder of the shipped objects. Raises BadInput when the installation lacks it."""
    for place in _PLACES:
        if place.is_dir():
            return place
    raise BadInput("the shipped BPF objects are missing", path=str(_PLACES[-1]), hint="run `make progs`")


def find_object(written: str, *, beside: Path | None = None) -> Path:
    """An object file as written: relative to ``beside``, then to here, then to the shipped objects. Raises BadInput."""
    candidates = [Path(written)] if Path(written).is_absolute() else []
    if not candidates:
        if beside is not None:
            candidates.append(beside / written)
        candidates += [Path(written), built_objects() / Path(written).name]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise BadInput(
        "no such object file", path=written, hint="looked in " + ", ".join(str(c.parent) for c in candidates)
    )
