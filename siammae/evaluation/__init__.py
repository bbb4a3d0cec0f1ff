"""Measuring what frozen features are worth: label propagation, probes, and their scores.

The names below are public: configurations and users name classes by them, so moving a file
changes no configuration and no run's signature. Each module is imported at its first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "benchmarks.calibration": ["Calibration"],
        "benchmarks.davis": ["Davis"],
        "benchmarks.jhmdb": ["Jhmdb"],
        "benchmarks.kitti_flow": ["KittiFlow"],
        "benchmarks.kitti_mots": ["KittiMots"],
        "benchmarks.kitti_step": ["KittiStep"],
        "benchmarks.linear_parts": ["LinearParts"],
        "benchmarks.built_in": ["SpritesBenchmark", "SpritesParts", "SpritesPose"],
        "benchmarks.suite": ["Suite"],
        "benchmarks.uvo": ["Uvo"],
        "benchmarks.vip": ["Vip"],
        "benchmarks.vspw": ["Vspw"],
        "encoders.published": ["FileEncoder"],
        "encoders.timm_model": ["TimmEncoder"],
        "encoders.trained": ["RunEncoder"],
        "measuring.benchmark": ["Benchmark"],
        "measuring.mask_benchmark": ["MaskBenchmark"],
        "measuring.metric": ["Metric", "OverVideos"],
        "propagation.protocol": ["Propagation"],
    },
)
