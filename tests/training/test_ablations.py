"""The choices of the paper's ablations through the real entry point, all of them at once."""

import json

import pytest
import timm
import torch
from safetensors.torch import load_file

KNOBS = [
    "encoding=joint",
    "decoder=joint",
    "masking=symmetric",
    "masking.past_ratio=0.5",
    "targets.direction=past",
    "augment=spatial_jitter",
    "augment.colour.strength=1",
    "schedule.length=1.5",
    "frame_gap=[2,6]",
]


@pytest.mark.slow
def test_frame_mae_from_jittered_frames_backwards_and_longer(train, tmp_path, only_run):
    done = train(tmp_path, *KNOBS, drop=("decoder.dropout",))
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["steps"] == 18
    assert list((run / "pictures").glob("restored-*.jpg"))
    state = torch.load(next((run / "checkpoints").glob("*18.pt")), weights_only=False)["model"]
    assert state["encoding.future_embedding"].abs().max() > 0
    # What a run is for is an ordinary ViT: the joint encoder's extra vector is no part of it.
    vit = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=32,
        patch_size=8,
        embed_dim=32,
        depth=1,
        num_heads=2,
        num_classes=0,
    )
    vit.load_state_dict(load_file(run / "encoder.safetensors"), strict=True)
