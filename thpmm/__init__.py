# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The emulated memory management: tasks, address spaces, page faults, huge pages, and BPF-THP on top of struct_ops.

thp = thpmm.boot(kernel, profile="v11")
thp.spawn("a")
thp.fresh_fault("a").order
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from bpfvm.btf import Btf
from bpfvm.struct_ops.kernel import Kernel
from thpmm.bpf_thp.profiles import PROFILES, ThpProfile, thp_profile
from thpmm.emulation import Thp
from thpmm.journal import HookCall, Seen
from thpmm.machine import MachineSize
from thpmm.results import CollapseResult, FaultResult, ScanResult, SmapsResult

__all__ = [
    "PROFILES",
    "CollapseResult",
    "FaultResult",
    "HookCall",
    "ScanResult",
    "Seen",
    "SmapsResult",
    "Thp",
    "ThpProfile",
    "boot",
    "kernel_btf",
]


@cache
def kernel_btf(*, patch04: bool = False) -> Btf:
    """The emulated kernel's types; with ``patch04`` enum tva_type has TVA_SWAP_PAGEFAULT."""
    name = "emulated-patch04.btf" if patch04 else "emulated.btf"
    return Btf.parse((resources.files(__name__) / "kernel" / name).read_bytes(), name="vmlinux")


def boot(
    kernel: Kernel,
    profile: str | ThpProfile = "v11",
    *,
    fixes: Iterable[str] = (),
    hazards: Iterable[str] = (),
    patches: Iterable[int] = (),
    sysfs: Mapping[str, str | int] | None = None,
    memory_mb: int = 512,
    swap_mb: int = 256,
    fragmentation: float = 0.0,
) -> Thp:
    """Start the subsystem on a kernel whose BTF is kernel_btf(): registers ``bpf_thp_ops``, makes init and kernel
    threads.

    ``fixes`` and ``hazards`` switch single remedies of the profile on and off by hazard name (H1 …); ``patches`` adds
    further patches of the series (4, 5, 6); ``sysfs`` sets knobs; ``fragmentation`` is the share of 2 MiB blocks that
    are spoilt. Raises UsageError, SyscallError for a knob."""
    chosen = thp_profile(profile, fixes=fixes, hazards=hazards, patches=patches)
    thp = Thp(kernel, chosen, MachineSize(memory_mb, swap_mb), sysfs)
    if fragmentation:
        thp.fragment(fragmentation)
    return thp
