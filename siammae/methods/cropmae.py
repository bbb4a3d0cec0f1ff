"""CropMAE (Eymael et al., 2024): SiamMAE without time, on two crops of one frame."""

from siammae.methods.siammae import SiamMAE


class CropMAE(SiamMAE):
    """Restores one view of a frame from another. It has a name of its own and nothing else.

    What differs from `SiamMAE` is what it is given: that both views are of one frame is an option
    of ``targets``, which crops they are one of ``augment`` (`GlobalLocal`).
    """
