"""CropMAE is CropMAE with other options: those of its authors' code."""

from siammae.assembly.build import build_model
from siammae.methods.cropmae import CropMAE


def test_the_settings_are_the_authors(settings_of):
    settings = settings_of("method=cropmae", "preset=gpu")
    model = build_model(settings)
    assert type(model) is CropMAE
    assert (settings.mask_ratio, settings.frame_gap) == (0.985, None)
    decoder, layer = model.decoder, model.decoder.layers[0]
    assert (decoder.width, len(decoder.layers), decoder.heads) == (256, 4, 8)
    assert (decoder.memory_positions, decoder.memory_cls) == (False, True)
    assert not list(decoder.memory_norm.parameters())
    assert (list(layer.sublayers), layer.pre) == (["cross", "mlp", "self"], False)
    assert (layer.sublayers["mlp"].layers[0].out_features, layer.dropout.p) == (2048, 0.1)
