# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bpftool struct_ops: what it prints."""

from __future__ import annotations

import json

import pytest

from bpfvm.struct_ops import show
from tests.struct_ops.kernel_types import World
from tests.struct_ops.objects import ObjectMaker, load
from tests.struct_ops.test_attach import two_policies


@pytest.fixture
def two(world: World) -> World:
    """A populated conf_ops map with one program, and an empty plain_ops map."""
    fd, _ = world.map("policy")
    prog_fd, _ = world.prog("test_1")
    world.sys.map_update_elem(fd, 0, world.value(test_1=prog_fd, data=5))
    world.map("other", "plain_ops", 0)
    return world


def test_list(two: World) -> None:
    assert show.list_maps(two.kernel).out == (
        "1: policy          conf_ops                        \n2: other           plain_ops                       \n"
    )
    assert show.list_maps(two.kernel, name="other").out.startswith("2: other")
    assert show.list_maps(two.kernel, map_id=1).out.startswith("1: policy")


def test_list_json(two: World) -> None:
    assert json.loads(show.list_maps(two.kernel, as_json=True).out) == [
        {"id": 1, "name": "policy", "kernel_struct_ops": "conf_ops"},
        {"id": 2, "name": "other", "kernel_struct_ops": "plain_ops"},
    ]
    assert show.list_maps(two.kernel, map_id=2, as_json=True).out == (
        '{"id":2,"name":"other","kernel_struct_ops":"plain_ops"}\n'
    )
    nothing = show.list_maps(two.kernel, name="nobody", as_json=True)
    assert (nothing.out, nothing.failed) == ("[]\n", True)


@pytest.mark.parametrize("command", [show.list_maps, show.dump_maps, show.unregister_maps])
def test_unknown_id(two: World, command: object) -> None:
    assert callable(command)
    assert command(two.kernel, map_id=9) == show.Output(
        err="Error: can't get map by id (9): No such file or directory\n", failed=True
    )


def test_unknown_name(two: World) -> None:
    assert show.list_maps(two.kernel, name="nobody").err == "Error: no struct_ops found for nobody\n"
    assert show.unregister_maps(two.kernel, name="nobody").err == "Error: no struct_ops found for nobody\n"


def test_dump_json(two: World) -> None:
    info, value = json.loads(show.dump_maps(two.kernel, name="policy", as_json=True).out)
    assert list(info) == ["bpf_map_info"]
    assert info["bpf_map_info"]["type"] == 26
    assert info["bpf_map_info"]["map_flags"] == 0x2000
    assert value["bpf_struct_ops_conf_ops"]["common"] == {
        "refcnt": {"refs": {"counter": 0}},
        "state": "BPF_STRUCT_OPS_STATE_READY",
    }
    data = value["bpf_struct_ops_conf_ops"]["data"]
    assert data["test_1"] == "int () prog_test_1/prog_id:1"
    assert data["test_2"] == "void (int a, short unsigned int b, long unsigned int c) 0"
    assert data["maybe_null"] == "int (int dummy, struct task_struct * task) 0"
    assert (data["data"], data["owner"], data["list"]) == (5, 0, {"next": 0, "prev": 0})


def test_dump_plain(two: World) -> None:
    text = show.dump_maps(two.kernel, name="other").out
    assert text.startswith('[{\n        "bpf_map_info": {\n            "type": 26,\n            "id": 2,\n')
    assert text.endswith(
        '    },{\n        "bpf_struct_ops_plain_ops": {\n            "common": {\n                "refcnt": {\n'
        '                    "refs": {\n                        "counter": 0\n                    }\n'
        '                },\n                "state": "BPF_STRUCT_OPS_STATE_INIT"\n            },\n'
        '            "data": {\n                "call": "int () 0",\n                "value": 0\n            }\n'
        "        }\n    }\n]\n"
    )


def test_dump_names_unknown_programs(two: World) -> None:
    two.kernel.progs.ids.remove(1)
    assert "<unknown_prog_name>/prog_id:1" in show.dump_maps(two.kernel, name="policy").out


def test_register_without_links(world: World) -> None:
    _, maps = load(world, two_policies(link=False))
    made = show.register_maps(list(maps.values()))
    assert made.err == "Registered conf_ops first id 1\nRegistered conf_ops second id 2\n"
    assert "unreg" not in world.conf.calls


def test_register_link_map_without_directory_is_undone(world: World) -> None:
    _, maps = load(world, two_policies())
    made = show.register_maps([maps["first"]])
    assert (made.err, made.failed) == ("Registered conf_ops first map id 1 link id 1\n", False)
    assert world.conf.calls[-1] == "unreg"


def test_register_link_map_with_directory_stays(world: World) -> None:
    _, maps = load(world, two_policies())
    assert not show.register_maps(list(maps.values()), link_dir="/sys/fs/bpf/dir/").failed
    assert world.kernel.bpffs.paths() == ["/sys/fs/bpf/dir/first", "/sys/fs/bpf/dir/second"]
    assert "unreg" not in world.conf.calls
    again = show.register_maps([maps["first"]], link_dir="/sys/fs/bpf/dir")
    assert again == show.Output(err="Error: can't pin link 3 for first: File exists\n", failed=True)


def test_register_failures(world: World) -> None:
    assert show.register_maps([], path="x.bpf.o").err == "Error: no struct_ops found in x.bpf.o\n"
    _, maps = load(world, two_policies())
    world.conf.answers["reg"] = -16
    made = show.register_maps([maps["first"]])
    assert made == show.Output(err="Error: can't register struct_ops first: Device or resource busy\n", failed=True)


def test_unregister(world: World) -> None:
    maker = ObjectMaker().struct("conf_ops", lambda b, c: [("data", c.int)])
    maker.var("plain", "conf_ops", link=False)
    _, maps = load(world, maker.var("linked", "conf_ops").build())
    show.register_maps(list(maps.values()))
    assert show.unregister_maps(world.kernel, name="plain").err == "Unregistered conf_ops plain id 1\n"
    assert show.unregister_maps(world.kernel, map_id=2) == show.Output(
        err="Error: can't unload conf_ops linked id 2: Operation not supported\n", failed=True
    )
    assert show.wrong_map("counters", 7) == "Error: counters id 7 is not a struct_ops map\n"
