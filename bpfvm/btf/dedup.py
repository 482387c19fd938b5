# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Making one of types that say the same, however they are tied into each other.

Types get colours: first what they say by themselves, then, again and again, that and the colours of what they refer to,
until no more colours appear. Types of one colour can't be told apart (as states are told apart when a finite automaton
is made minimal). A forward declaration becomes the struct of its name if there is only one. Variables, functions and
sections stay what they are: two of the same words are still two.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from bpfvm.btf import types as t
from bpfvm.btf.refs import references, renumbered

_UNIQUE = (t.Var, t.Func, t.Datasec)


def dedup(types: Sequence[t.BtfType]) -> tuple[list[t.BtfType], list[int]]:
    """``types`` are those with the ids 1, 2 …; returns the types that stay and, by old id, the new ids (0 stays 0)."""
    same = _classes(types)
    known = _definitions(types, same)
    with_bodies = [renumbered(each, lambda old: known.get(old, old)) for each in types]
    same = [known.get(each, each) for each in _classes(with_bodies)]
    kept = sorted(set(same) - {0})
    place = {old: new for new, old in enumerate(kept, 1)} | {0: 0}
    new_ids = [place[each] for each in same]
    return [renumbered(with_bodies[old - 1], new_ids.__getitem__) for old in kept], new_ids


def _classes(types: Sequence[t.BtfType]) -> list[int]:
    """By id, the first id of the same colour."""
    refs = [(), *(references(each) for each in types)]
    seeds: list[Hashable] = [("void",), *(_seed(number, each) for number, each in enumerate(types))]
    colours, count = _numbered(seeds)
    while True:
        finer, more = _numbered([(colours[i], *(colours[ref] for ref in refs[i])) for i in range(len(refs))])
        if more == count:
            break
        colours, count = finer, more
    first: dict[int, int] = {}
    return [first.setdefault(colour, type_id) for type_id, colour in enumerate(colours)]


def _seed(number: int, found: t.BtfType) -> Hashable:
    """What a type says without its ids. (Enum and ENUM64 are one class here, struct and union, too.)"""
    if isinstance(found, _UNIQUE):
        return number
    return found.kind_name, renumbered(found, lambda _: 0)


def _numbered(keys: Sequence[Hashable]) -> tuple[list[int], int]:
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys], len(numbers)


def _definitions(types: Sequence[t.BtfType], same: Sequence[int]) -> dict[int, int]:
    """Forward declaration → the one struct or union that it can stand for."""
    bodies: dict[tuple[str, bool], set[int]] = {}
    for type_id, each in enumerate(types, 1):
        if isinstance(each, t.Struct) and each.name:
            bodies.setdefault((each.name, each.is_union), set()).add(same[type_id])
    found = {}
    for type_id, each in enumerate(types, 1):
        candidates = bodies.get((each.name, each.is_union), set()) if isinstance(each, t.Fwd) else set()
        if len(candidates) == 1:
            (found[type_id],) = candidates
    return found
