# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The public API: one emulated machine (``Session``) and what was loaded into it (``LoadedObject``)."""

from __future__ import annotations

from bpfvm.session.link import Link
from bpfvm.session.loaded import LoadedObject
from bpfvm.session.session import Session

__all__ = ["Link", "LoadedObject", "Session"]
