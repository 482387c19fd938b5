# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Make the emulated kernel's BTF out of what clang recorded for `thpmm/kernel/emulated.c`.

Three changes, all on the raw section:

* members named ``__hole_*`` go, the size of their struct stays: the field does not exist, its room does;
* only functions, their declaration tags, the types of the ``__root_*`` variables and what those need are kept;
* functions become static, as pahole writes them into a kernel's own BTF.
"""

from __future__ import annotations

from bpf_progs.btf_order import settled
from bpf_progs.btf_raw import DECL_TAG, FUNC, STRUCT, UNION, VAR, RawType, Strings, read, section, string, type_bytes

HOLE_PREFIX = "__hole_"
ROOT_PREFIX = "__root_"


def prune(data: bytes) -> bytes:
    """The `.BTF` section of emulated.o in, the emulated kernel's BTF out. ValueError if it is not BTF."""
    types, strings = read(data)
    for btf_type in types:
        if btf_type.kind in (STRUCT, UNION):
            btf_type.entries = [e for e in btf_type.entries if not string(strings, e[0]).startswith(HOLE_PREFIX)]
            btf_type.vlen = len(btf_type.entries)
        elif btf_type.kind == FUNC:
            btf_type.vlen = 0
    needed, table = _needed(types), Strings()
    kept = [old for old in settled(types) if old in needed]
    return section(type_bytes(types, strings, kept, table), table)


def _needed(types: list[RawType]) -> set[int]:
    """Ids reachable from functions, tags of functions and the types of root variables."""
    todo = [t.third for t in types if t.kind == VAR and t.name.startswith(ROOT_PREFIX)]
    todo += [i for i, t in enumerate(types) if t.kind == FUNC]
    todo += [i for i, t in enumerate(types) if t.kind == DECL_TAG and types[t.third].kind == FUNC]
    seen: set[int] = set()
    while todo:
        type_id = todo.pop()
        if type_id and type_id not in seen:
            seen.add(type_id)
            todo.extend(types[type_id].references())
    return seen
