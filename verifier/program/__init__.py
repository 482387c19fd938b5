# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is looked at before the walk: types, control flow, subprograms, what the program is attached to."""
