"""Where encoders come from: a run of ours, timm, or somebody's checkpoint. One file each.

A source is named by ``configs/features/NAME.yaml`` and has `Source`'s three methods; nothing is
registered. Sources import torch only when they load.
"""
