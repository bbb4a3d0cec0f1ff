"""Clips, pairs of frames and their augmentation. It knows no model.

The names below are public: configurations and users name classes by them, so moving a file
changes no configuration and no run's signature. Each module is imported at its first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augment.colour": ["ColourJitter"],
        "augment.global_local": ["GlobalLocal"],
        "augment.multi_crop": ["MultiCrop"],
        "augment.pair_augment": ["PairAugment"],
        "augment.rotation": ["AnyAngle", "NoRotation", "RightAngles", "Rotation", "SmallAngles"],
        "augment.views": ["Views"],
        "built_in.puppets": ["Puppets"],
        "built_in.sprites": ["Sprites"],
        "packing.packed": ["Packed"],
        "reading.video": ["open_clip"],
        "sampling.clip_frames": ["ClipFrames"],
        "sampling.mixture": ["Mixture"],
        "sampling.same_frame": ["SameFrame"],
        "sampling.several_targets": ["SeveralTargets"],
        "sampling.targets": ["SingleTarget", "Targets"],
        "sets.davis": ["Davis"],
        "sets.hmdb51": ["HMDB51"],
        "sets.images": ["Images"],
        "sets.kinetics400": ["Kinetics400"],
        "sets.kitti_raw": ["KittiRaw"],
        "sets.released": ["ReleasedSet"],
        "sets.sequences": ["ImageFolders", "Sequences"],
        "sets.ssv2": ["SomethingSomethingV2"],
        "sets.ucf101": ["UCF101"],
        "sets.uvo": ["Uvo"],
        "sets.videos": ["ClipSource", "Videos"],
        "sets.vspw": ["Vspw"],
    },
)
