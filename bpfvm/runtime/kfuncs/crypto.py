# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Symmetric ciphers (kernel/bpf/crypto.c, crypto/bpf_crypto_skcipher.c; 6.18): AES by blocks and chained.

AES itself is the package `cryptography`'s (extra `crypto`).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import u32
from bpfvm.runtime.dynptr import Dynptr
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import kfunc

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

PARAMS_SIZE: Final = 408
"""struct bpf_crypto_params: type, 2 reserved bytes, algorithm, key, sizes of the key and of the authentication tag"""
TYPE_SIZE, ALGO_AT, ALGO_SIZE, KEY_AT, KEY_SIZE, KEY_LEN_AT, AUTHSIZE_AT = 14, 16, 128, 144, 256, 400, 404
BLOCK: Final = 16
KEY_SIZES: Final = (16, 24, 32)
VECTOR: Final = {"ecb(aes)": 0, "cbc(aes)": BLOCK}
"""algorithm → bytes of its vector"""
CTX_SIZE: Final = 64


@dataclass(slots=True)
class Crypto:
    """What a struct bpf_crypto_ctx stands for."""

    key: bytes
    vector: int
    references: int = 1

    def apply(self, data: bytes, vector: bytes, *, decrypt: bool) -> bytes:
        """Whole blocks turned into as many. Raises Unsupported without the package."""
        try:
            from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        except ImportError as error:
            what = "not emulated: ciphers without the package cryptography (pip install 'bpfvm[crypto]')"
            raise Unsupported(what) from error
        cipher = Cipher(algorithms.AES(self.key), modes.CBC(vector) if self.vector else modes.ECB())
        turn = cipher.decryptor() if decrypt else cipher.encryptor()
        return bytes(turn.update(data) + turn.finalize())


@kfunc
def crypto_ctx_create(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(struct bpf_crypto_params, its size, where the errno goes) → a context, or 0."""
    made = _cipher(rt, args[0], u32(args[1]))
    rt.memory.store(args[2], 4, made if isinstance(made, int) else 0)
    if isinstance(made, int):
        return 0
    addr = rt.memory.alloc(CTX_SIZE, what="bpf_crypto_ctx")
    rt.crypto[addr] = made
    return addr


def _cipher(rt: Runtime, params: int, size: int) -> Crypto | int:
    """The context that the parameters ask for, or a negative errno."""
    if size != PARAMS_SIZE or not params:
        return -errno.EINVAL
    raw = rt.memory.read(params, size)
    if any(raw[TYPE_SIZE:ALGO_AT]):
        return -errno.EINVAL
    kind, algo = (raw[at : at + room].split(b"\0")[0] for at, room in ((0, TYPE_SIZE), (ALGO_AT, ALGO_SIZE)))
    if kind != b"skcipher":
        return -errno.ENOENT
    vector = VECTOR.get(name := algo.decode("utf-8", "replace"))
    if vector is None:
        raise Unsupported(f"not emulated: bpf_crypto_ctx_create of '{name}'")
    if any(raw[AUTHSIZE_AT:]):
        return -errno.EOPNOTSUPP
    length = int.from_bytes(raw[KEY_LEN_AT:AUTHSIZE_AT], "little")
    if length not in KEY_SIZES:
        return -errno.EINVAL
    made = Crypto(raw[KEY_AT : KEY_AT + length], vector)
    made.apply(b"", bytes(vector), decrypt=False)  # a context that could not be used is not made
    return made


@kfunc
def crypto_ctx_acquire(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(context) → the context with a reference more."""
    rt.crypto[args[0]].references += 1
    return args[0]


@kfunc
def crypto_ctx_release(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(context): a reference less; the last one frees it."""
    found = rt.crypto[args[0]]
    found.references -= 1
    if not found.references:
        del rt.crypto[args[0]]
        rt.memory.free(args[0])
    return 0


@kfunc
def crypto_encrypt(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(context, from, to, vector or 0: dynptrs) → 0 or an errno."""
    return _crypt(rt, args, decrypt=False)


@kfunc
def crypto_decrypt(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(context, from, to, vector or 0: dynptrs) → 0 or an errno."""
    return _crypt(rt, args, decrypt=True)


def _crypt(rt: Runtime, args: Args, *, decrypt: bool) -> int:
    """Whole blocks are done even when others follow that aren't whole, which is -EINVAL."""
    found, source, to = rt.crypto[args[0]], Dynptr(rt, args[1]), Dynptr(rt, args[2])
    vector = Dynptr(rt, args[3]) if args[3] else None
    size = source.size
    if to.is_rdonly or not size or size > to.size or (vector.size if vector else 0) != found.vector:
        return -errno.EINVAL
    places = [each.address(0, each.size) for each in (source, to, vector) if each is not None]
    if not all(places) or (vector is not None and found.vector and vector.is_rdonly):
        return -errno.EINVAL
    data = rt.memory.read(places[0], size & ~(BLOCK - 1))
    done = found.apply(data, rt.memory.read(places[2], BLOCK) if found.vector else b"", decrypt=decrypt)
    if found.vector and done:
        rt.memory.write(places[2], (data if decrypt else done)[-BLOCK:])
    rt.memory.write(places[1], done)
    return -errno.EINVAL if size & BLOCK - 1 else 0
