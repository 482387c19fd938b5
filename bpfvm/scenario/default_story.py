# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The story that ``bpfvm thp run`` tells when nobody wrote one: a policy's whole life, from attach to detach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpfvm.errors import BadInput
from bpfvm.obj.model import ObjectSpec, StructOpsSpec
from bpfvm.scenario.model import Scenario, Step

TYPE_NAME = "bpf_thp_ops"
SYSFS = {"enabled": "always", "hugepages-2048kB": "inherit"}


def policy_maps(spec: ObjectSpec) -> list[StructOpsSpec]:
    """The object's BPF-THP instances in file order. Raises BadInput when it has none."""
    maps = [each for each in spec.struct_ops.values() if each.type_name.partition("___")[0] == TYPE_NAME]
    if not maps:
        raise BadInput(
            f"no struct {TYPE_NAME} in .struct_ops or .struct_ops.link",
            path=spec.path,
            hint="is this a BPF-THP policy?",
        )
    return maps


def default_story(
    spec: ObjectSpec,
    *,
    settings: Mapping[str, Any] | None = None,
    sysfs: Mapping[str, str] | None = None,
    profile: str = "v11",
    checker: str = "kasan",
    kernel: str = "6.18",
) -> Scenario:
    """Spawn, attach, fault, fork, exec, posix_spawn, update (with a second map), exit, detach."""
    maps = policy_maps(spec)
    first = maps[0]
    given = dict(settings or {})
    for each in maps[:2]:  # the second one's pid matters only to profiles that hold it against the first one's
        given.setdefault(f"{each.name}.pid", "a")
    steps = [
        _step("spawn", {"as": "a"}),
        _step("fork", {"of": "a", "as": "earlier"}),
        _step("load", {"object": "policy", "into": "policy", "set": given}),
        _step("attach", {"map": f"policy.{first.name}", "into": "policy", "as": "link"}),
        _step("fault", {"in": "a"}),
        _step("fault", {"in": "earlier"}),
        _step("fork", {"of": "a", "as": "child"}),
        _step("fault", {"in": "child"}),
        _step("exec", {"of": "child", "path": "prog"}),
        _step("fault", {"in": "child"}),
        _step("posix_spawn", {"of": "a", "as": "spawned"}),
        _step("fault", {"in": "spawned"}),
        _step("fault", {"in": "a"}),
    ]
    if len(maps) > 1 and first.link and maps[1].link:
        steps += [
            _step("update", {"link": "link", "map": f"policy.{maps[1].name}", "into": "policy"}),
            _step("fault", {"in": "spawned"}),
        ]
    steps += [_step("exit", {"task": "child"})]
    steps += [_step("detach", {"link": "link"})] if first.link else []
    steps += [_step("fault", {"in": "spawned"})]
    return Scenario(
        name=f"the life of {spec.name}",
        path=spec.path,
        steps=tuple(steps),
        profile=profile,
        checker=checker,
        kernel=kernel,
        sysfs={**SYSFS, **(sysfs or {})},
        objects={"policy": spec.path},
    )


def _step(word: str, args: dict[str, Any]) -> Step:
    return Step(word, args)
