# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ciphers by the vectors of their standards, and the kfuncs on them."""

from __future__ import annotations

import errno
import struct
import sys

import pytest

pytest.importorskip("cryptography", reason="needs the package cryptography (pip install 'bpfvm[crypto]')")

from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import s32, s64
from bpfvm.memory import Memory
from bpfvm.runtime import Runtime
from bpfvm.runtime.dynptr import LOCAL, Dynptr
from bpfvm.runtime.kfuncs.crypto import Crypto
from tests.unit.runtime.frames import call_kfunc, put

KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")  # SP 800-38A, appendix F
TEXT = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
BY_BLOCKS = bytes.fromhex("3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf")
CHAINED = bytes.fromhex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2")
VECTOR = bytes(range(16))


def test_modes() -> None:
    by_blocks, chained = Crypto(KEY, 0), Crypto(KEY, 16)
    assert by_blocks.apply(TEXT, b"", decrypt=False) == BY_BLOCKS
    assert by_blocks.apply(BY_BLOCKS, b"", decrypt=True) == TEXT
    assert chained.apply(TEXT, VECTOR, decrypt=False) == CHAINED
    assert chained.apply(CHAINED, VECTOR, decrypt=True) == TEXT


def test_without_the_package_a_trap_names_it(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(Unsupported, match=r"pip install 'bpfvm\[crypto\]'"):
        create(runtime, params())


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(Memory(checker="kasan"), None)


def run(runtime: Runtime, name: str, *args: int) -> int:
    return call_kfunc(runtime, f"bpf_crypto_{name}", *args)


def params(
    kind: bytes = b"skcipher", algo: bytes = b"ecb(aes)", key: bytes = KEY, auth: int = 0, used: int = 0
) -> bytes:
    return struct.pack("<14sH128s256sII", kind, used, algo, key, len(key), auth)


def create(runtime: Runtime, given: bytes) -> tuple[int, int]:
    """(context, errno)"""
    error = put(runtime, b"\xff" * 4)
    made = run(runtime, "ctx_create", put(runtime, given), len(given), error)
    return made, s32(runtime.memory.load(error, 4))


def test_contexts_are_refused_as_in_the_kernel(runtime: Runtime) -> None:
    assert create(runtime, params()[:-4]) == (0, -errno.EINVAL)
    assert create(runtime, params(used=1)) == (0, -errno.EINVAL)
    assert create(runtime, params(kind=b"aead")) == (0, -errno.ENOENT)
    assert create(runtime, params(auth=4)) == (0, -errno.EOPNOTSUPP)
    for size in (0, 15, 17, 200):
        assert create(runtime, params(key=bytes(size))) == (0, -errno.EINVAL)
    with pytest.raises(Unsupported, match=r"xts\(aes\)"):
        create(runtime, params(algo=b"xts(aes)"))


def dynptr(runtime: Runtime, data: bytes) -> int:
    made = Dynptr(runtime, put(runtime, bytes(16)))
    made.set(put(runtime, data), LOCAL, len(data))
    return made.addr


def contents(runtime: Runtime, addr: int) -> bytes:
    found = Dynptr(runtime, addr).read(0, Dynptr(runtime, addr).size)
    assert isinstance(found, bytes)
    return found


def test_encryption_and_decryption(runtime: Runtime) -> None:
    made, error = create(runtime, params(algo=b"cbc(aes)"))
    assert not error
    source, to, vector = (dynptr(runtime, each) for each in (TEXT, bytes(40), VECTOR))
    assert run(runtime, "encrypt", made, source, to, vector) == 0
    assert contents(runtime, to) == CHAINED + bytes(8)
    assert contents(runtime, vector) == CHAINED[16:]
    back, again = dynptr(runtime, bytes(32)), dynptr(runtime, VECTOR)
    assert run(runtime, "decrypt", made, dynptr(runtime, CHAINED), back, again) == 0
    assert contents(runtime, back) == TEXT
    assert run(runtime, "encrypt", made, source, to, 0) == -errno.EINVAL
    assert run(runtime, "encrypt", made, source, dynptr(runtime, bytes(31)), vector) == -errno.EINVAL


def test_blocks_that_are_not_whole(runtime: Runtime) -> None:
    made, _ = create(runtime, params())
    to = dynptr(runtime, bytes(32))
    assert run(runtime, "encrypt", made, dynptr(runtime, TEXT[:20]), to, 0) == -errno.EINVAL
    assert contents(runtime, to) == BY_BLOCKS[:16] + bytes(16)


def test_the_last_reference_frees_a_context(runtime: Runtime) -> None:
    made, _ = create(runtime, params())
    assert run(runtime, "ctx_acquire", made) == s64(made)
    run(runtime, "ctx_release", made)
    assert made & (1 << 64) - 1 in runtime.crypto
    run(runtime, "ctx_release", made)
    assert runtime.crypto == {}
