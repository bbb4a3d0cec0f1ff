"""Methods whose step needs all samples of the batch: two real processes train what one does."""

import pytest

from .test_distributed import SAME, TWO, same

# What these methods have no use for is left out of the smallest settings.
UNUSED = ("decoder.width", "decoder.depth", "decoder.heads", "decoder.dropout")
UNUSED += ("mask_ratio", "frame_gap")
SETTINGS = [setting for setting in SAME if setting.partition("=")[0] not in UNUSED]
METHODS = {
    "simclr": ("method.hidden=32", "method.width=16"),
    "dino": ("method.hidden=32", "method.bottleneck=16", "method.prototypes=32", "targets.views=4"),
}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_the_weights_of_one(train, tmp_path, method):
    """Negatives of SimCLR, and the centre of DINO, come from both halves of the batch."""
    settings = (f"method={method}", *METHODS[method], *SETTINGS)
    for runs, launch in (("whole", ()), ("pair", TWO)):
        done = train(tmp_path, f"runs_dir={runs}", *settings, drop=UNUSED, launch=launch)
        assert done.returncode == 0, done.stderr
    assert same(tmp_path / "pair", tmp_path / "whole")
