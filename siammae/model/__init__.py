"""The method: tensors in, tensors out. It knows no file, no video and no configuration tree.

The names below are public: configurations and users name classes by them, so moving a file
changes no configuration and no run's signature. Each module is imported at its first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "decoders": ["CrossDecoder", "CrossSelfDecoder", "JointDecoder"],
        "encoder": ["Encoder"],
        "encoding": ["JointEncoding", "SiameseEncoding"],
        "heads": ["PixelMean"],
        "masking.grid": ["AsymmetricGrid"],
        "masking.motion": ["MotionMasking"],
        "masking.uncertainty": ["UncertaintyMasking"],
        "masking.uniform": ["AsymmetricRandom", "SymmetricRandom"],
        "self_decoder": ["SelfDecoder"],
        "space_time": ["SpaceTimeDecoder"],
        "uncertainty.density": ["BetaNLL", "Gaussian", "LaplaceHead"],
        "uncertainty.dropout": ["MonteCarloDropout"],
        "uncertainty.ensemble": ["Ensemble"],
    },
)
