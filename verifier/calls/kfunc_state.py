# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the arguments of one kfunc call told so far (kernel struct bpf_kfunc_call_arg_meta, 6.18)."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.btf import Btf
from bpfvm.obj.model import MapSpec
from verifier.calls.kfuncs import KfuncMeta
from verifier.memory.special_fields import Field


@dataclass(slots=True)
class KfuncCall:
    """One call. ref_obj_id: reference held by an argument; release_regno: register it is given back through (0:
    none); constant: value of the `__k` argument; btf, btf_id: type of the allocated object passed; owning: it is
    owned; root: list head or tree root passed; subprogno: callback; map, map_uid: map passed, or the one a timer or
    queue passed lives in; iter_spi, iter_frame: slot and frame of the iterator passed; dynptr_id, dynptr_kind,
    dynptr_ref: the initialised dynptr passed."""

    kfunc: KfuncMeta
    ref_obj_id: int = 0
    release_regno: int = 0
    constant: int | None = None
    btf: Btf | None = None
    btf_id: int = 0
    owning: bool = False
    root: Field | None = None
    subprogno: int = 0
    map: MapSpec | None = None
    map_uid: int = 0
    iter_spi: int = 0
    iter_frame: int = 0
    dynptr_id: int = 0
    dynptr_kind: int = 0
    dynptr_ref: int = 0

    @property
    def may_return_null(self) -> bool:
        """The result must be tested; a count taken of an object that is owned is not."""
        if self.kfunc.name == "bpf_refcount_acquire_impl" and self.owning:
            return False
        return self.kfunc.has("RET_NULL")
