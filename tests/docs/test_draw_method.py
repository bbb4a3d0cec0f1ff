"""The picture of the method can be drawn."""

import importlib.util

import numpy as np
from PIL import Image

from siammae.system.paths import ROOT


def test_the_picture_shows_frames_and_hidden_patches(tmp_path):
    path = ROOT / "docs" / "draw_method.py"
    spec = importlib.util.spec_from_file_location("draw_method", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    red, green, blue = (np.full((40, 40, 3), colour, dtype=float) for colour in np.eye(3))
    hidden = np.ones((5, 5), dtype=bool)
    hidden[0, 4] = False
    script.draw(script.Example(red, green, blue, hidden)).savefig(tmp_path / "method.png")
    pixels = np.asarray(Image.open(tmp_path / "method.png").convert("RGB")).reshape(-1, 3)
    shares = {
        name: (pixels == 255 * colour).all(axis=1).mean()
        for name, colour in zip("rgb", np.eye(3), strict=True)
    }
    # The past and the restored frame are shown whole, the future one whole and in one patch of 25.
    assert 0.03 < shares["r"] < 0.06
    assert np.isclose(shares["r"], shares["b"], rtol=0.02)
    assert np.isclose(shares["g"] / shares["r"], 26 / 25, rtol=0.02)
