# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The words that compiled code and Python share: an array of u64, passed to every function as its first argument.

Compiled code holds no address of this process, so it can be kept on disk; everything of that kind is read from here.
"""

from __future__ import annotations

from array import array


class Slot:
    """Index of each word. Plain numbers, because every call uses some."""

    HOST = 0
    """host address of the second page of emulated memory, the first that may be touched"""
    LIMIT = 1
    """bytes of emulated memory that may be touched, counted from there"""
    SHADOW = 2
    """host address of the shadow byte of that page"""
    STACK_END = 3
    """emulated address behind the last frame"""
    BUDGET = 4
    """may_goto steps of a new frame"""
    FUEL = 5
    """instructions that may still run"""
    ABORT = 6
    """set by Python when it has raised: the frame is to be left"""
    TAKEN = 7
    """set by Python when a tail call was taken: r0 is the result of the frame"""
    CALL = 8
    """function pointers into Python from here on; see `callbacks`"""
    TAIL = 9
    PACKET = 10
    STOP = 11
    SPENT = 12
    RESUMED = 13
    """set by Python before a tail call to an unverified program: r0 to r9 go on from REGS"""
    REGS = 16
    """r0 to r10 of a frame that runs out of fuel, r0 to r9 of one that makes a tail call, what callx is to call"""
    WORDS = 27


class Why:
    """Why compiled code calls STOP."""

    ACCESS = 0
    """the shadow memory forbids the access of this slot"""
    REFUSED = 1
    """this slot can't be carried out"""
    DEPTH = 2
    """no frame is left for the function that starts at this slot"""
    OUTSIDE = 3
    """there is no memory where this slot wants to go"""


def new_state() -> array[int]:
    """All words zero. It must never be resized: its address is in use."""
    return array("Q", bytes(8 * Slot.WORDS))
