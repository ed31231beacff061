"""The system calls that code in the sandbox may not make, as a program for the kernel (seccomp, classic BPF).

Namespaces hide files and networks; this keeps the process one process, so that its limits on CPU and memory are limits on
all that it does. Threads are let through, since they share them. What asks the kernel for namespaces, keys, tracing or
memory outside those limits is refused too. A refused call fails with EPERM, as if the rights were missing.
"""

from __future__ import annotations

import errno
import platform
import struct

_CLONE_THREAD = 0x00010000
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_OF, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000
"""Numbers from here on are calls of another interface of the same processor."""

_BOTH = (
    *(425, 426, 427),  # io_uring_setup, io_uring_enter, io_uring_register
    *(428, 429, 430, 431, 432, 433, 442),  # open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr
)

MACHINES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        56,
        (
            *(57, 58, 41, 101, 272, 308),  # fork, vfork, socket, ptrace, unshare, setns
            *(165, 166, 155, 161, 304),  # mount, umount2, pivot_root, chroot, open_by_handle_at
            *(248, 249, 250),  # add_key, request_key, keyctl
            *(321, 298, 323, 310, 311),  # bpf, perf_event_open, userfaultfd, process_vm_readv, process_vm_writev
            *(246, 320, 175, 313, 176),  # kexec_load, kexec_file_load, init_module, finit_module, delete_module
            *(319, 29, 68, 240),  # memfd_create, shmget, msgget, mq_open
        ),
    ),
    "aarch64": (
        0xC00000B7,
        220,
        (
            *(198, 117, 97, 268),
            *(40, 39, 41, 51, 265),
            *(217, 218, 219),
            *(280, 241, 282, 270, 271),
            *(104, 294, 105, 273, 106),
            *(279, 194, 186, 180),
        ),
    ),
}
"""By machine the audit number of its architecture, the number of `clone`, and those of the calls that are refused (on aarch64
in the same order, and without fork and vfork, which it does not have)."""

_CLONE3 = 435


def program(machine: str | None = None) -> bytes:
    """The filter for a machine (this one, when None) as the kernel reads it. Raises ValueError for one that is unknown."""
    machine = machine or platform.machine()
    if machine not in MACHINES:
        raise ValueError(f"no filter of system calls is known for {machine}; there are {', '.join(MACHINES)}")
    architecture, clone, refused = MACHINES[machine]
    no, absent = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, no),
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, absent),  # the C library then takes clone, whose flags can be read
    ]
    for number in (*refused, *_BOTH):
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, no)]
    lines += [
        (_EQUAL, 0, 3, clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_ANY_OF, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, no),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
