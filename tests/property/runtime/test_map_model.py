# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Hash maps against a dict."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.errors import SyscallError
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime
from bpfvm.runtime.bprintf import format_text

step = st.tuples(
    st.sampled_from(("update", "update", "delete", "get")), st.integers(0, 12), st.binary(min_size=5, max_size=5)
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(step, max_size=80), st.sampled_from(("hash", "lru_hash")))
def test_a_hash_map_is_a_dict_of_limited_size(plan: list[tuple[str, int, bytes]], kind: str) -> None:
    found = Runtime(Memory(1 << 22, "kasan"), None).create_map(MapSpec("m", kind, 1, 5, 8))
    model: dict[bytes, bytes] = {}
    for action, number, value in plan:
        key = bytes([number])
        if action == "update":
            if key not in model and len(model) == 8:
                if kind == "hash":
                    with pytest.raises(SyscallError, match="E2BIG"):
                        found.update(key, value)
                    continue
                found.update(key, value)
                model = {each: model[each] for each in model if each in set(found.keys())}
                assert len(model) == 7
            else:
                found.update(key, value)
            model[key] = value
        elif key in model:
            assert found.get(key) == model[key]
            if action == "delete":
                found.delete(key)
                del model[key]
        else:
            with pytest.raises(SyscallError, match="ENOENT"):
                found.delete(key) if action == "delete" else found.get(key)
        assert list(found.items()) == list(model.items())


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=12).map(lambda tail: b"%" + tail), st.integers(0, (1 << 64) - 1))
def test_no_format_breaks_the_formatter(fmt: bytes, arg: int) -> None:
    text = format_text(Runtime(Memory(1 << 20), None), fmt.split(b"\0")[0], [arg] * 3)
    assert isinstance(text, bytes) or text == -22
