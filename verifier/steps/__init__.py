# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One abstract function per operation; the table of them is in transfer."""
