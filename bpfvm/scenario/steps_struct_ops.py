# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Steps that load objects and act on struct_ops maps and links."""

from __future__ import annotations

from typing import Any

from bpfvm.scenario.stage import Stage
from bpfvm.scenario.steps_process import Seen
from bpfvm.session import LoadedObject


def load(stage: Stage, args: dict[str, Any]) -> Seen:
    name = str(args["object"])
    loaded = stage.load(name, str(args.get("into", name)), stage.settings(args.get("set")))
    return {"verified": {prog: accepted.stats["processed"] for prog, accepted in loaded.programs.items()}}


def _object_of(stage: Stage, args: dict[str, Any], key: str = "map") -> tuple[LoadedObject, str]:
    name, map_name = stage.split_map(str(args[key]))
    into = str(args.get("into") or (name if name in stage.opened and not args.get("set") else ""))
    return stage.load(name, into, stage.settings(args.get("set"), map_name)), map_name


def attach(stage: Stage, args: dict[str, Any]) -> Seen:
    loaded, map_name = _object_of(stage, args)
    stage.links[str(args.get("as", map_name))] = loaded.attach(map_name)
    return {}


def update(stage: Stage, args: dict[str, Any]) -> Seen:
    loaded, map_name = _object_of(stage, args)
    old = args.get("old_map")
    expected = None
    if old is not None:
        old_object, old_name = stage.split_map(str(old))
        expected = stage.opened[old_object].struct_ops[old_name]
    loaded.update_link(stage.link(str(args["link"])), map_name, old_map=expected)
    return {}


def detach(stage: Stage, args: dict[str, Any]) -> Seen:
    stage.link(str(args["link"])).detach()
    return {}


def close(stage: Stage, args: dict[str, Any]) -> Seen:
    stage.link(str(args["link"])).close()
    return {}


def pin(stage: Stage, args: dict[str, Any]) -> Seen:
    stage.link(str(args["link"])).pin(str(args.get("path", f"/sys/fs/bpf/{args['link']}")))
    return {}


def unpin(stage: Stage, args: dict[str, Any]) -> Seen:
    stage.link(str(args["link"])).unpin()
    return {}


def map_update(stage: Stage, args: dict[str, Any]) -> Seen:
    loaded, map_name = _object_of(stage, args)
    if map_name in loaded.struct_ops:
        loaded.populate(map_name)
        return _map_seen(loaded, map_name)
    loaded.map_update(map_name, args["key"], args["value"])
    return {}


def map_lookup(stage: Stage, args: dict[str, Any]) -> Seen:
    loaded, map_name = _object_of(stage, args)
    if map_name in loaded.struct_ops:
        return _map_seen(loaded, map_name)
    return {"value": loaded.map_lookup(map_name, args.get("key", 0))}


def map_delete(stage: Stage, args: dict[str, Any]) -> Seen:
    loaded, map_name = _object_of(stage, args)
    if map_name in loaded.struct_ops:
        loaded.delete(map_name)
        return _map_seen(loaded, map_name)
    loaded.map_delete(map_name, args["key"])
    return {}


def _map_seen(loaded: LoadedObject, map_name: str) -> Seen:
    state, refcnt = loaded.struct_ops_state(map_name)
    return {"state": state, "refcnt": refcnt}
