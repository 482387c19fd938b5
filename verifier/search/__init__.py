# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The walk over all paths: which are left to go, which are known already, what loops need."""
