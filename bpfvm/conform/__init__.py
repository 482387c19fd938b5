# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A conformance suite for verifiers: annotated programs, and what a verifier says of them.

The programs carry their expectation as BTF declaration tags (`expectation`), in the vocabulary of the kernel tree's own
tests. `bpfvm conform` asks a verifier, ours or any command, and compares.
"""
