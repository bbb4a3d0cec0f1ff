"""SiamMAE (Gupta et al., NeurIPS 2023): trainer, evaluation and ablation tables."""

__version__ = "0.1.0"
