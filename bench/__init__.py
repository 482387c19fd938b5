# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How fast the engines are: seven programs in C, on every engine there is, in the kernel, and natively."""
