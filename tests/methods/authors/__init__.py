"""Our methods beside their authors' code: the same weights, frames and draws, loss and gradients.

The authors' code is no part of this repository. Who has a checkout of it names its folder:

python -m tests.methods.authors cropmae ../CropMAE
"""
