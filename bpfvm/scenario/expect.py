# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Holding what was expected against what was seen; every difference is one line for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpfvm.errors import errno_name

_TEXTS = ("oops", "report", "log", "trace")
_SUBSETS = ("counters", "vmstat", "managed", "lists", "stats", "mm_users", "alive")
_STATES = {"INIT": 0, "INUSE": 1, "TOBEFREE": 2, "READY": 3}


def differences(expect: Mapping[str, Any] | None, seen: Mapping[str, Any]) -> list[str]:
    """What did not hold. A step that says nothing about errno, oops and report must have had none of them."""
    found = []
    for name, wanted in (expect or {}).items():
        found += _differ(name, wanted, seen)
    for name, none in (("errno", "0"), ("oops", ""), ("report", "")):
        if name not in (expect or {}) and seen.get(name, none) != none:
            found.append(f"unexpected {name}: {seen[name]}")
    return found


def _differ(name: str, wanted: Any, seen: Mapping[str, Any]) -> list[str]:
    got = seen.get(name)
    if name in _TEXTS:
        texts = wanted if isinstance(wanted, list) else [wanted]
        return [
            f"{name}: expected {text!r}, seen {got or 'nothing'!r}" for text in texts if str(text) not in str(got or "")
        ]
    if name in _SUBSETS and isinstance(wanted, Mapping):
        have = got if isinstance(got, Mapping) else {}
        return [
            f"{name}: {key} expected {_show(value)}, seen {_show(have.get(key))}"
            for key, value in wanted.items()
            if not _same(have.get(str(key), 0 if name in ("counters", "vmstat") else None), value)
        ]
    if name == "errno":
        wanted = errno_name(wanted) if isinstance(wanted, int) else str(wanted)
        return [] if wanted == got else [f"errno: expected {wanted}, seen {got}"]
    if name == "calls":
        return (
            [] if _calls(wanted) == _calls(got) else [f"calls: expected {_show_calls(wanted)}, seen {_show_calls(got)}"]
        )
    if name == "state":
        wanted = _STATES.get(str(wanted), wanted)
    return [] if _same(got, wanted) else [f"{name}: expected {_show(wanted)}, seen {_show(got)}"]


def _same(got: Any, wanted: Any) -> bool:
    if isinstance(got, tuple | list) and isinstance(wanted, tuple | list):
        return list(got) == list(wanted)
    if isinstance(wanted, bool) or isinstance(got, bool):
        return bool(got) == bool(wanted)
    if isinstance(wanted, str) and isinstance(got, int):
        return wanted == str(got)
    return bool(got == wanted)


def _calls(calls: Any) -> list[tuple[str, int]]:
    """``[type, mask]`` pairs; the TVA_ prefix may be left out."""
    return [(str(kind).removeprefix("TVA_"), int(str(mask), 0)) for kind, mask in (calls or ())]


def _show_calls(calls: Any) -> str:
    return ", ".join(f"{kind} {mask:#x}" for kind, mask in _calls(calls)) or "none"


def _show(value: Any) -> str:
    return "null" if value is None else str(value)
