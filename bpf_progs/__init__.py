# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""BPF sources (policies, refused programs, our headers), their compiled objects, and the tools that build both."""
