# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Steps that make, change and end tasks."""

from __future__ import annotations

from typing import Any

from bpfvm.scenario.stage import Stage, size_in_bytes

Seen = dict[str, Any]


def _born(stage: Stage, task: Any, name: Any) -> Seen:
    stage.pids[str(name)] = task.pid
    return {"pid": task.pid}


def _name(args: dict[str, Any], default: str) -> str:
    return str(args.get("as") or f"{args['of']}_{default}")


def spawn(stage: Stage, args: dict[str, Any]) -> Seen:
    return _born(stage, stage.thp.spawn(str(args["as"])), args["as"])


def kthread(stage: Stage, args: dict[str, Any]) -> Seen:
    return _born(stage, stage.thp.kthread(str(args["as"])), args["as"])


def fork(stage: Stage, args: dict[str, Any]) -> Seen:
    name = _name(args, "child")
    return _born(stage, stage.thp.fork(args["of"], name, fail_at=args.get("fail_at")), name)


def vfork(stage: Stage, args: dict[str, Any]) -> Seen:
    name = _name(args, "vchild")
    return _born(stage, stage.thp.vfork(args["of"], name), name)


def posix_spawn(stage: Stage, args: dict[str, Any]) -> Seen:
    name = _name(args, "spawned")
    return _born(stage, stage.thp.posix_spawn(args["of"], name, exec=str(args.get("exec", "prog"))), name)


def clone(stage: Stage, args: dict[str, Any]) -> Seen:
    name = _name(args, "clone")
    flags = args.get("flags") or []
    names = tuple(flags.replace("|", " ").split()) if isinstance(flags, str) else tuple(flags)
    seen = _born(stage, stage.thp.clone(args["of"], name, flags=names), name)
    if args.get("exec"):
        stage.thp.exec(name, str(args["exec"]))
    return seen


def thread(stage: Stage, args: dict[str, Any]) -> Seen:
    name = _name(args, "thread")
    return _born(stage, stage.thp.thread(args["of"], name), name)


def exec_(stage: Stage, args: dict[str, Any]) -> Seen:
    stage.thp.exec(args["of"], str(args.get("path", "prog")), fail_at=args.get("fail_at"))
    return {}


def exit_(stage: Stage, args: dict[str, Any]) -> Seen:
    stage.thp.exit(args["task"])
    return {}


def kill(stage: Stage, args: dict[str, Any]) -> Seen:
    stage.thp.kill(args["task"])
    return {}


def reap(stage: Stage, args: dict[str, Any]) -> Seen:
    stage.thp.reap(args["task"])
    return {}


def prctl_thp_disable(stage: Stage, args: dict[str, Any]) -> Seen:
    return {"returns": stage.thp.prctl_thp_disable(args["in"], int(args["value"]), int(args.get("flags", 0)))}


def cgroup(stage: Stage, args: dict[str, Any]) -> Seen:
    if "create" in args:
        stage.thp.cgroup_create(str(args["create"]))
    if "move" in args:
        stage.thp.cgroup_move(args["move"], str(args["to"]))
    return {}


def pressure(stage: Stage, args: dict[str, Any]) -> Seen:
    given = {kind: float(args[kind]) for kind in ("some", "full") if kind in args}
    stage.thp.pressure(str(args.get("cgroup", "system")), **given)
    return {}


def sysfs(stage: Stage, args: dict[str, Any]) -> Seen:
    for knob, value in args.items():
        stage.thp.sysfs_write(str(knob), str(value))
    return {}


def brk(stage: Stage, args: dict[str, Any]) -> Seen:
    return {"returns": stage.thp.brk(args["in"], size_in_bytes(args.get("grow", 0)))}
