# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fixtures of the struct_ops tests."""

from __future__ import annotations

import pytest

from tests.struct_ops.kernel_types import World


@pytest.fixture
def world() -> World:
    """A fresh kernel with the conformance types."""
    return World()
