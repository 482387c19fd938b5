# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is known at one point of one path: registers, stack slots, references."""
