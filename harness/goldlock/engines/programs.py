"""Two programs of a few instructions, for images that have none of their own: one that stays, one that removes files.

Each is a static ELF executable put together here, so that nothing has to be compiled, shipped or trusted.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from goldlock.errors import CouldNotRunError

_BASE = 0x400000
_HEADERS = 64 + 56
# struct sigaction as the kernel takes it: SIG_IGN (1), no flags, no restorer, an empty mask. A first process that
# ignores SIGCHLD need not wait for the orphans that it inherits.
_IGNORE = struct.pack("<4Q", 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    elf: int
    """e_machine of the ELF header."""
    stay: bytes
    remove: bytes


def stay(architecture: str) -> bytes:
    """A program that does nothing until it is killed; as first process it lets go of what is orphaned to it."""
    machine = _machine(architecture)
    return _executable(machine.elf, machine.stay)


def remove(architecture: str) -> bytes:
    """A program that removes the files and empty folders named by its arguments, in their order."""
    machine = _machine(architecture)
    return _executable(machine.elf, machine.remove)


def _machine(architecture: str) -> _Machine:
    if architecture not in _MACHINES:
        raise CouldNotRunError(
            f"goldlock has no program that holds an image without Python on an engine of architecture"
            f" {architecture!r}, only on {' and '.join(_MACHINES)}",
            hint="put a Python into the image and name it as subject.python, or use another engine",
        )
    return _MACHINES[architecture]()


def _executable(machine: int, code: bytes) -> bytes:
    """One segment that holds everything; System V ABI, chapters 4 and 5 (ELF-64)."""
    size = _HEADERS + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",  # e_ident: 64 bits, little-endian, version 1, System V
        2,  # e_type: ET_EXEC
        machine,  # e_machine
        1,  # e_version
        _BASE + _HEADERS,  # e_entry: the code follows the headers
        64,  # e_phoff: the program header follows this one
        0,  # e_shoff: no sections
        0,  # e_flags
        64,  # e_ehsize
        56,  # e_phentsize
        1,  # e_phnum
        0,  # e_shentsize
        0,  # e_shnum
        0,  # e_shstrndx
    )
    segment = struct.pack(
        "<IIQQQQQQ",
        1,  # p_type: PT_LOAD
        5,  # p_flags: read and execute
        0,  # p_offset: the file from its beginning
        _BASE,  # p_vaddr
        _BASE,  # p_paddr
        size,  # p_filesz
        size,  # p_memsz
        0x10000,  # p_align: the largest page of either architecture
    )
    return header + segment + code


def _x86_64() -> _Machine:
    stay = (
        b"\xbf\x11\x00\x00\x00"  # mov edi, 17           SIGCHLD
        b"\x48\x8d\x35\x18\x00\x00\x00"  # lea rsi, [rip + 24]   the action behind the code
        b"\x31\xd2"  # xor edx, edx          no old action
        b"\x41\xba\x08\x00\x00\x00"  # mov r10d, 8           bytes of a signal set
        b"\xb8\x0d\x00\x00\x00"  # mov eax, 13           rt_sigaction
        b"\x0f\x05"  # syscall
        b"\xb8\x22\x00\x00\x00"  # mov eax, 34           pause
        b"\x0f\x05"  # syscall
        b"\xeb\xf7" + _IGNORE  # jmp -9                to the pause
    )
    remove = (
        b"\x58\x58"  # pop rax, pop rax      argc and argv[0]
        b"\x5b"  # pop rbx               the next argument
        b"\x48\x85\xdb"  # test rbx, rbx
        b"\x74\x16"  # jz +22                behind the last one
        b"\x48\x89\xdf"  # mov rdi, rbx
        b"\xb8\x57\x00\x00\x00"  # mov eax, 87           unlink
        b"\x0f\x05"  # syscall
        b"\x48\x89\xdf"  # mov rdi, rbx
        b"\xb8\x54\x00\x00\x00"  # mov eax, 84           rmdir
        b"\x0f\x05"  # syscall
        b"\xeb\xe4"  # jmp -28               to the next argument
        b"\x31\xff"  # xor edi, edi
        b"\xb8\x3c\x00\x00\x00"  # mov eax, 60           exit
        b"\x0f\x05"  # syscall
    )
    return _Machine(elf=62, stay=stay, remove=remove)  # EM_X86_64


def _aarch64() -> _Machine:
    svc, cwd = 0xD4000001, 0x92800000 | 99 << 5  # movn x0, #99: AT_FDCWD, -100

    def mov(register: int, value: int) -> int:
        return 0xD2800000 | value << 5 | register

    def words(*instructions: int) -> bytes:
        return struct.pack(f"<{len(instructions)}I", *instructions)

    stay = (
        words(
            mov(0, 17),  # SIGCHLD
            0x10000161,  # adr x1, +44           the action behind the code
            mov(2, 0),  # no old action
            mov(3, 8),  # bytes of a signal set
            mov(8, 134),  # rt_sigaction
            svc,
            mov(0, 0),
            mov(1, 0),
            mov(3, 0),
            mov(8, 73),  # ppoll of nothing, without end
            svc,
            0x17FFFFFB,  # b -20                 to the first of these
        )
        + _IGNORE
    )
    remove = words(
        0x910043F3,  # add x19, sp, #16      past argc and argv[0]
        0xF8408661,  # ldr x1, [x19], #8     the next argument
        0xB4000141,  # cbz x1, +40           behind the last one
        cwd,
        mov(2, 0),
        mov(8, 35),  # unlinkat
        svc,
        cwd,
        mov(2, 0x200),  # AT_REMOVEDIR
        mov(8, 35),
        svc,
        0x17FFFFF6,  # b -40                 to the next argument
        mov(0, 0),
        mov(8, 93),  # exit
        svc,
    )
    return _Machine(elf=183, stay=stay, remove=remove)  # EM_AARCH64


_MACHINES: dict[str, Callable[[], _Machine]] = {"amd64": _x86_64, "arm64": _aarch64}
"""By the name that engines give an architecture, which is Go's."""
