"""The device that computes, its precision and its settings for speed."""

import ctypes
import os
import sys
from contextlib import AbstractContextManager, nullcontext

import torch

from siammae.system.errors import ConfigError

KERNELS = 256  # several times what a step of one shape needs
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def choose_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` takes CUDA, then Apple's GPU, then the CPU.

    Raises:
        ConfigError: when the named device is not on this machine.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next((kind for kind, there in available.items() if there), "cpu")
    if not available.get(name.split(":")[0], True):
        raise ConfigError(f"device={name} is not on this machine; device=auto chooses one that is")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """Return ``bf16`` or ``fp32``; ``auto`` takes bf16 where the device computes it natively."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"
    if device.type == "cpu":
        # Private to torch, hence guarded: without the answer float32 is the safe one.
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        return "bf16" if supported() else "fp32"
    return "fp32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Return a context for mixed precision, which changes nothing for fp32."""
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def keep_memory() -> None:
    """Let glibc keep the large blocks of a step for the next one.

    By default glibc gives them back to the kernel, and every step pays the page faults again
    (measured: 1.13 to 1.17 times slower). Without glibc this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def bound_kernel_caches() -> None:
    """Let torch keep few of the kernels that a CPU's oneDNN compiles, one for each shape.

    oneDNN and torch's layer above it keep 1,024 each, with 0.6 MB a kernel (measured). With clips
    of mixed sizes nearly every batch has a shape of its own, so a trainer grew by 0.5 MB a step up
    to that. Values in the environment count; they are read with the first kernel.
    """
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, str(KERNELS))


def fast_matmul(device: torch.device) -> None:
    """Let float32 matrix products use faster kernels.

    On CPUs without AMX "medium" selects oneDNN, which stays true float32 (about twice as fast on
    AMD); with AMX it would round to bf16. On CUDA "high" allows TF32.
    """
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    elif device.type == "cpu":
        amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
        torch.set_float32_matmul_precision("highest" if amx() else "medium")
