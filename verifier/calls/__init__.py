# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers and kernel functions: who may call them, their arguments, what they leave behind."""
