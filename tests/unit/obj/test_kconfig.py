# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Configuration files, and what programs see of them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from bpfvm.errors import BadInput, UsageError
from bpfvm.obj.edit import get_global
from bpfvm.obj.externs import KconfigValue
from bpfvm.obj.kconfig import read_kconfig
from bpfvm.obj.open import open_object
from tests.unit.obj.bpf_cc import compile_c

TEXT = """
# CONFIG_OFF is not set
CONFIG_ON=y
CONFIG_MOD=m
CONFIG_HZ=1000
CONFIG_MASK=0xff
CONFIG_NEG=-5
CONFIG_NAME="a \\"b\\""
"""
SOURCE = """
enum libbpf_tristate { TRI_NO = 0, TRI_YES = 1, TRI_MODULE = 2 };
extern _Bool CONFIG_ON __kconfig; extern enum libbpf_tristate CONFIG_MOD __kconfig; extern int CONFIG_HZ __kconfig;
extern u8 CONFIG_MASK __kconfig; extern long CONFIG_NEG __kconfig; extern char CONFIG_NAME[4] __kconfig;
extern _Bool CONFIG_OFF __kconfig __weak;
SEC("tc") int prog(void *ctx)
{ return CONFIG_ON + CONFIG_MOD + CONFIG_HZ + CONFIG_MASK + CONFIG_NEG + CONFIG_NAME[1] + CONFIG_OFF; }
"""


def test_file(tmp_path: Path) -> None:
    plain, packed = tmp_path / "config", tmp_path / "config.gz"
    plain.write_text(TEXT)
    packed.write_bytes(gzip.compress(TEXT.encode()))
    wanted = {"CONFIG_ON": "y", "CONFIG_MOD": "m", "CONFIG_HZ": 1000, "CONFIG_MASK": 255, "CONFIG_NEG": -5}
    assert read_kconfig(plain) == read_kconfig(packed) == wanted | {"CONFIG_NAME": 'a "b"'}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"# x\nCONFIG_A\n", "line 2 is not NAME=VALUE"),
        (b"CONFIG_A=maybe\n", "line 1: value 'maybe'"),
        (b'CONFIG_A="\n', "line 1: value"),
        (b"\x1f\x8b\x08nonsense", "malformed gzip"),
        (gzip.compress(bytes(17 << 20)), "larger than"),
    ],
)
def test_malformed(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "config"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=text):
        read_kconfig(path)


def test_values_in_the_object(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(TEXT)
    spec = open_object(compile_c(SOURCE), kconfig=read_kconfig(path))
    values = {name: get_global(spec, name) for name in spec.kconfig}
    assert values == {
        "CONFIG_ON": 1,
        "CONFIG_MOD": 2,
        "CONFIG_HZ": 1000,
        "CONFIG_MASK": 255,
        "CONFIG_NEG": -5,
        "CONFIG_NAME": b'a "\0',
        "CONFIG_OFF": 0,
    }
    assert not spec.kconfig_unset
    assert "CONFIG_HZ" in open_object(compile_c(SOURCE)).kconfig_unset


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"CONFIG_ON": "m"}, "implies tristate or char"),
        ({"CONFIG_ON": 2}, "is not a bool"),
        ({"CONFIG_MASK": 256}, "doesn't fit in 1 bytes"),
        ({"CONFIG_HZ": "fast"}, "isn't a valid integer"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, KconfigValue], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        open_object(compile_c(SOURCE), kconfig=values)
