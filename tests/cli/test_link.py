# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``bpfvm link``: writes one object, or says in one line why not."""

from __future__ import annotations

from pathlib import Path

from bpfvm.paths import built_objects
from tests.cli.conftest import Bpfvm

WHITELIST, TWO_ORDERS = (built_objects() / f"{name}.bpf.o" for name in ("whitelist", "two_orders"))


def test_two_policies_in_one_object(bpfvm: Bpfvm, tmp_path: Path) -> None:
    out = tmp_path / "both.bpf.o"
    assert bpfvm("link", out, WHITELIST, TWO_ORDERS).code == 0
    data = bpfvm("prog", "list", out, "--json").json
    assert {each["name"] for each in data["struct_ops"]} == {"whitelist", "pol_a", "pol_b"}
    assert "allowed" in {each["name"] for each in data["maps"]}
    verified = bpfvm("prog", "verify", out)
    assert verified.code == 0, verified.out


def test_a_name_defined_twice(bpfvm: Bpfvm, tmp_path: Path) -> None:
    out = tmp_path / "twice.bpf.o"
    done = bpfvm("link", out, WHITELIST, WHITELIST)
    assert done.code == 3
    assert "conflicting non-weak symbol" in done.error_line()
    assert not out.exists()


def test_files_that_cannot_be_read_or_written(bpfvm: Bpfvm, tmp_path: Path) -> None:
    assert bpfvm("link", tmp_path / "out.o", tmp_path / "none.o").code == 3
    assert bpfvm("link", tmp_path / "no" / "out.o", WHITELIST).code == 3
    assert bpfvm("link", tmp_path / "out.o").code == 2
