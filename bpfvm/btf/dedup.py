# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Making one of types that say the same, however they are tied into each other.

Types are put into classes: first by what they say themselves, then a class is split whenever its types refer to
different classes, until none has to be split. Types of one class can't be told apart (this is how the states of a
finite automaton are merged; Hopcroft 1971). A forward declaration becomes the struct of its name if there is only one.
Variables, functions and sections stay what they are: two of the same words are still two.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from bpfvm.btf import types as t
from bpfvm.btf.refs import references, renumbered

_UNIQUE = (t.Var, t.Func, t.Datasec)


def dedup(types: Sequence[t.BtfType]) -> tuple[list[t.BtfType], list[int]]:
    """``types`` are those with the ids 1, 2 …; returns the types that stay and, by old id, the new ids (0 stays 0)."""
    known = _definitions(types, _Classes(types).first_ids())
    with_bodies = [renumbered(each, lambda old: known.get(old, old)) for each in types]
    same = [known.get(each, each) for each in _Classes(with_bodies).first_ids()]
    kept = sorted(set(same) - {0})
    place = {old: new for new, old in enumerate(kept, 1)} | {0: 0}
    new_ids = [place[each] for each in same]
    return [renumbered(with_bodies[old - 1], new_ids.__getitem__) for old in kept], new_ids


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


class _Classes:
    """The classes of types, by id; void is id 0."""

    def __init__(self, types: Sequence[t.BtfType]) -> None:
        self._refs: list[tuple[int, ...]] = [(), *(references(each) for each in types)]
        self._users: list[list[int]] = [[] for _ in self._refs]
        for user, refs in enumerate(self._refs):
            for ref in set(refs):
                self._users[ref].append(user)
        numbers: dict[Hashable, int] = {"void": 0}
        seeds = (_seed(number, each) for number, each in enumerate(types))
        self._class = [0, *(numbers.setdefault(seed, len(numbers)) for seed in seeds)]
        self._members: list[set[int]] = [set() for _ in numbers]
        for type_id, number in enumerate(self._class):
            self._members[number].add(type_id)

    def first_ids(self) -> list[int]:
        """By id, the first id of the same class."""
        changed: set[int] = set(range(len(self._refs)))
        while changed:
            changed = self._split_all(changed)
        first: dict[int, int] = {}
        return [first.setdefault(number, type_id) for type_id, number in enumerate(self._class)]

    def _split_all(self, changed: set[int]) -> set[int]:
        """Split the classes of types that refer to something whose class has changed; the types to look at next."""
        by_class: dict[int, list[int]] = {}
        for type_id in changed:
            by_class.setdefault(self._class[type_id], []).append(type_id)
        groups = [group for number, types in by_class.items() for group in self._parts(number, types)]
        for group in groups:
            number = len(self._members)
            for type_id in group:
                self._members[self._class[type_id]].discard(type_id)
                self._class[type_id] = number
            self._members.append(set(group))
        return {user for group in groups for type_id in group for user in self._users[type_id]}

    def _parts(self, number: int, changed: list[int]) -> list[list[int]]:
        """The parts that must leave a class: all but the largest. What hasn't changed still goes together."""
        members = self._members[number]
        parts: dict[tuple[int, ...], list[int]] = {}
        for type_id in changed:
            parts.setdefault(self._key(type_id), []).append(type_id)
        rest = len(members) - len(changed)
        groups = list(parts.values())
        if rest:
            seen = set(changed)
            joined = parts.pop(self._key(_another(members, seen)), [])
            groups = list(parts.values())
            if groups and max(map(len, groups)) > rest + len(joined):
                groups.append([each for each in members if each not in seen] + joined)
            else:
                return groups
        largest = max(groups, key=len)
        return [group for group in groups if group is not largest]

    def _key(self, type_id: int) -> tuple[int, ...]:
        return tuple([self._class[ref] for ref in self._refs[type_id]])


def _another(members: set[int], seen: set[int]) -> int:
    """A member that isn't in ``seen``. (Iterating from the start would pass over all that have left, each time.)"""
    taken = []
    while True:
        taken.append(members.pop())
        if taken[-1] not in seen:
            members.update(taken)
            return taken[-1]


def _seed(number: int, found: t.BtfType) -> Hashable:
    """What a type says without its ids."""
    if isinstance(found, _UNIQUE):
        return number
    return found.kind_name, renumbered(found, lambda _: 0)
