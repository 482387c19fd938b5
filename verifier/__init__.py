# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A verifier for BPF programs that gives Linux's verdict, Linux's message and Linux's log.

`verify(program, VerifierEnv(kernel_btf, profile("6.18")))` returns a VerifiedProgram or raises errors.Rejected. What
it does not know it refuses by name ("bpfvm verifier: … is not supported yet").
"""

from __future__ import annotations

from typing import Final

from verifier.capabilities import ALL_CAPS, NO_CAPS, Capabilities, parse_caps
from verifier.profile import PROFILES, KernelProfile, profile
from verifier.program.attach import StructOpsTypeInfo, StructOpsTypes
from verifier.rejection import Rejection
from verifier.search import walk
from verifier.verify import VerifierEnv, check, verify, verify_target

COMPILED: Final = not str(walk.__file__).endswith(".py")
"""The hot modules are extension modules here (`make build-native`); they say the same as their sources."""

__all__ = [
    "ALL_CAPS",
    "COMPILED",
    "NO_CAPS",
    "PROFILES",
    "Capabilities",
    "KernelProfile",
    "Rejection",
    "StructOpsTypeInfo",
    "StructOpsTypes",
    "VerifierEnv",
    "check",
    "parse_caps",
    "profile",
    "verify",
    "verify_target",
]
