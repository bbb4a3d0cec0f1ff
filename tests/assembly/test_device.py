"""Settings of the device that show in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

# Prints the MB that a process has after 320 and after 570 shapes of one kind of kernel.
SHAPES = """
import os, sys, torch
from siammae.assembly.device import bound_kernel_caches
if sys.argv[1] == "bound":
    bound_kernel_caches()
torch.set_num_threads(1)
for n in range(1, 571):
    x, w = torch.zeros(33, 60 + n), torch.zeros(40, 60 + n)
    torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], "")
    if n in (320, 570):
        lines = open("/proc/self/status").read().splitlines()
        print(next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024)
"""


def grown(how):
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        [sys.executable, "-c", SHAPES, how], env=known, capture_output=True, text=True, check=True
    )
    early, late = map(float, ended.stdout.split())
    return late - early


@pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and Path("/proc/self/status").exists()),
    reason="needs oneDNN and /proc",
)
def test_kernels_of_ever_new_shapes_do_not_fill_the_memory(monkeypatch):
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        monkeypatch.delenv(name, raising=False)
    assert grown("bound") < 0.4 * grown("free")
