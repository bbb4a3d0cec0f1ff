"""What is pre-trained: views of a clip in, a loss out. A method knows no file and no configuration.

The names below are public: configurations and users name classes by them, so moving a file
changes no configuration and no run's signature. Each module is imported at its first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catmae": ["CatMAE"],
        "cropmae": ["CropMAE"],
        "dino": ["DINO"],
        "mae": ["MAE"],
        "mae_st": ["MAE_ST"],
        "method": ["Loss", "Method"],
        "multi_anchor": ["MultiAnchor"],
        "rsp": ["RSP"],
        "siammae": ["SiamMAE"],
        "simclr": ["SimCLR"],
        "supervised": ["Supervised"],
        "tobo": ["ToBo"],
    },
)
