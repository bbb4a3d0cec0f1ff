"""Checkpoints in published layouts give the features of a plain timm model."""

import importlib.util
import math
from pathlib import Path

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from siammae.data.augment.normalising import MEAN, STD
from siammae.evaluation.encoders.convert import shape_of
from siammae.evaluation.encoders.layouts import LAYOUTS
from siammae.evaluation.encoders.published import FORMATS, FileEncoder
from siammae.evaluation.features import EncoderFeatures, SharedFeatures
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.propagation.sequence import encoded
from siammae.system.errors import ConfigError, DataError

spec = importlib.util.spec_from_file_location("layouts", Path(__file__).parent / "layouts.py")
layouts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(layouts)
PATCH, SIDE, WIDTH = layouts.PATCH, layouts.SIDE, layouts.WIDTH

IMAGES_LAYOUTS = [
    ("mae", "mae", layouts.mae),
    ("plain", "mae", layouts.mae_encoder),
    ("cropmae", "cropmae", layouts.cropmae),
    ("rsp", "rsp", layouts.rsp),
    ("dino", "dino", layouts.dino),
    ("dino", "dino", layouts.dino_student),
    ("plain", "dino", dict),
    ("simclr", "simclr", layouts.moco_v3),
    ("simclr", "simclr", layouts.solo_learn),
]


@pytest.fixture
def write(tmp_path):
    def save(content, name="checkpoint.pth"):
        torch.save(content, tmp_path / name)
        return str(tmp_path / name)

    return save


def images(height=SIDE, width=SIDE):
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(3))


def tokens(model, pixels, prefix=1):
    with torch.no_grad():
        return model.forward_features(pixels)[:, prefix:]


def load(path, **settings):
    with torch.no_grad():
        source = FileEncoder(path, **settings)
        return source.load(), source


@pytest.mark.parametrize(("found", "named", "layout"), IMAGES_LAYOUTS)
def test_image_layouts_give_the_plain_model_s_features(write, found, named, layout):
    model = layouts.plain_vit()
    path = write(layout(model.state_dict()))
    for asked in (None, named):
        encoder, source = load(path, format=asked)
        assert source.found == (asked or found)
        assert encoder.patch_size == PATCH
        torch.testing.assert_close(encoder.features(images()), tokens(model, images()))


@pytest.mark.parametrize(
    "wrapper",
    [
        *["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model."],
        *["net.", "model._orig_mod.", "net.encoder.", "model.net.", "encoder._orig_mod."],
    ],
)
@pytest.mark.parametrize("holder", [None, "state_dict", "model", "module", "encoder"])
def test_what_trainers_put_before_names_is_taken_off(write, wrapper, holder):
    """torch.compile, DistributedDataParallel, Lightning and DeepSpeed."""
    model = layouts.plain_vit()
    state = {f"{wrapper}{name}": tensor for name, tensor in model.state_dict().items()}
    encoder, _ = load(write(state if holder is None else {holder: state}))
    torch.testing.assert_close(encoder.features(images()), tokens(model, images()))


def test_two_models_in_one_file_are_not_mixed(write):
    state = layouts.plain_vit().state_dict()
    both = {f"{prefix}{name}": t for name, t in state.items() for prefix in ("model.", "net.")}
    with pytest.raises(DataError, match=r"two of its names mean .*more than one model"):
        FileEncoder(write(both)).load()


def test_safetensors_are_read_too(tmp_path):
    model = layouts.plain_vit()
    save_file(model.state_dict(), tmp_path / "vit.safetensors")
    encoder, _ = load(str(tmp_path / "vit.safetensors"))
    torch.testing.assert_close(encoder.features(images()), tokens(model, images()))


def test_positions_are_resized_as_the_field_does(write):
    model = layouts.plain_vit()
    encoder, _ = load(write(layouts.mae(model.state_dict())))
    pixels = images(6 * PATCH, 5 * PATCH)
    table = model.pos_embed.detach().clone()
    grid = table[:, 1:].reshape(1, 4, 4, WIDTH).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, (6, 5), mode="bicubic").permute(0, 2, 3, 1).reshape(1, 30, WIDTH)
    model.pos_embed = torch.nn.Parameter(torch.cat([table[:, :1], grid], dim=1))
    model.patch_embed.grid_size = (6, 5)
    expected = tokens(model, pixels)
    for _ in range(2):
        torch.testing.assert_close(encoder.features(pixels), expected)
        other = encoder.features(images())  # and back again: the table is that of the file
        model.pos_embed = torch.nn.Parameter(table)
        model.patch_embed.grid_size = (4, 4)
        torch.testing.assert_close(other, tokens(model, images()))


def test_mae_st_folds_time_and_normalises_as_it_was_trained(write):
    model = layouts.plain_vit()
    encoder, source = load(write(layouts.mae_st(model.state_dict())))
    assert source.found == "mae_st"
    mean, std = (torch.tensor(pair).view(1, 3, 1, 1) for pair in (MEAN, STD))
    theirs = (images() * std + mean - 0.45) / 0.225
    expected = tokens(model, theirs)
    torch.testing.assert_close(encoder.features(images()), expected, atol=2e-5, rtol=1e-4)


def test_videomae_has_no_cls_token_and_counts_positions_in_a_line(write):
    model = layouts.plain_vit(class_token=False)
    with torch.no_grad():
        for block in model.blocks:
            block.attn.qkv.bias[WIDTH : 2 * WIDTH] = 0  # keys have none
    encoder, source = load(write(layouts.videomae(model.state_dict())))
    assert source.found == "videomae"
    side = 224 // PATCH
    table = torch.zeros(1, side * side, WIDTH)
    for place in range(side * side):
        for channel in range(WIDTH):
            angle = place / 10000 ** (2 * (channel // 2) / WIDTH)
            table[0, place, channel] = math.cos(angle) if channel % 2 else math.sin(angle)
    model.pos_embed = torch.nn.Parameter(table)
    model.patch_embed.grid_size = (side, side)
    pixels = images(224, 224)
    torch.testing.assert_close(
        encoder.features(pixels), tokens(model, pixels, prefix=0), atol=2e-5, rtol=1e-4
    )


def test_layer_scales_of_beit_are_read(write):
    model = layouts.plain_vit(init_values=0.3)
    state = {
        name.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2"): value
        for name, value in model.state_dict().items()
    }
    encoder, _ = load(write(state))
    torch.testing.assert_close(encoder.features(images()), tokens(model, images()))


@pytest.mark.parametrize(("layer", "kept"), [(0, 1), (-2, 1), (1, 2), (-1, 2)])
def test_the_final_norm_follows_the_layer(write, layer, kept):
    model = layouts.plain_vit()
    encoder, source = load(write(layouts.mae(model.state_dict())), layer=layer)
    model.blocks = model.blocks[:kept]
    torch.testing.assert_close(encoder.features(images()), tokens(model, images()))
    assert ("layer" in source.label()) == (layer != -1)


@pytest.mark.parametrize("layer", [2, -3])
def test_a_layer_that_is_not_there(write, layer):
    path = write(layouts.mae(layouts.plain_vit().state_dict()))
    with pytest.raises(ConfigError, match=f"layer={layer}: the encoder has 2 blocks, 0 to 1"):
        FileEncoder(path, layer=layer).load()


def test_heads_follow_from_the_width_with_the_known_exceptions(write):
    def heads(width, prefix="", given=None):
        state = {
            "patch_embed.proj.weight": torch.empty(width, 3, 14, 14),
            "blocks.0.mlp.fc1.weight": torch.empty(4 * width, 1),
            "pos_embed": torch.empty(1, 16, 1),
        }
        return shape_of(state, given, prefix)["num_heads"]

    assert [heads(width) for width in (192, 384, 768, 1024, 1280, 1408)] == [3, 6, 12, 16, 16, 16]
    assert heads(384, "base_encoder.") == 12  # MoCo v3's ViT-S
    assert heads(768, "base_encoder.") == 12
    assert heads(384, given=8) == 8
    model = layouts.plain_vit(num_heads=4)
    encoder, _ = load(write(layouts.mae(model.state_dict())), heads=4)
    torch.testing.assert_close(encoder.features(images()), tokens(model, images()))
    with pytest.raises(DataError, match="heads=5 does not divide its width of 192"):
        FileEncoder(write(layouts.mae(model.state_dict())), heads=5).load()


def test_keys_left_over_on_either_side_are_listed(write):
    state = dict(layouts.plain_vit().state_dict())
    with pytest.raises(DataError, match=r"unmatched: neck\.weight"):
        FileEncoder(write({"model": {**state, "neck.weight": torch.ones(2)}})).load()
    del state["blocks.1.norm2.bias"]
    with pytest.raises(DataError, match=r"missing: blocks\.1\.norm2\.bias"):
        FileEncoder(write({"model": state})).load()
    state["blocks.1.norm2.bias"] = torch.ones(7)
    with pytest.raises(DataError, match=r"norm2\.bias \(7,\) instead of \(192,\)"):
        FileEncoder(write({"model": state})).load()
    renamed = {"outside.weight": torch.ones(2), **layouts.dino(state)["teacher"]}
    with pytest.raises(DataError, match=r"unmatched: outside\.weight"):
        FileEncoder(write({"teacher": renamed})).load()


def test_a_format_that_the_file_is_not_of(write):
    state = layouts.plain_vit().state_dict()
    cases = [("dino", layouts.mae, "mae"), ("mae", layouts.rsp, "rsp"), ("mae_st", dict, "plain")]
    for asked, layout, found in cases:
        with pytest.raises(ConfigError, match=f"format={asked} is wrong .* of format={found}"):
            FileEncoder(write(layout(state)), format=asked).load()
    with pytest.raises(ConfigError, match=r"no such format \(did you mean 'dino'\?\)"):
        FileEncoder("x", format="dinno")


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


def test_a_pickle_that_wants_to_run_code_is_refused(write, tmp_path):
    state = layouts.plain_vit().state_dict()
    mark = tmp_path / "ran"
    path = write({"model": state, "args": Evil(mark)})
    with pytest.raises(DataError, match=r"wants to run code when it is opened \(\S+\)") as told:
        FileEncoder(path).load()
    assert not mark.exists()
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no checkpoint", "no checkpoint"),
        (b"", "no checkpoint"),
        ([1, 2], "holds a list, not tensors by name"),
        ({"epoch": 3}, "holds no tensors by name"),
        ({"model": {"conv1.weight": torch.ones(2)}}, r"no ViT: no name ends with patch_embed"),
        ({"patch_embed.proj.weight": torch.ones(8, 3, 4, 4)}, "no plain ViT"),
    ],
)
def test_what_is_no_checkpoint_of_a_vit(tmp_path, content, words):
    path = tmp_path / "file.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(DataError, match=words) as told:
        FileEncoder(str(path)).load()
    assert "file.pth" in str(told.value)
    assert "\n" not in str(told.value)


def test_identity_is_the_content_s_not_the_path_s(write):
    state = layouts.plain_vit().state_dict()
    one, two = write(layouts.mae(state), "one.pth"), write(layouts.rsp(state), "two.pth")
    Path(one).rename(Path(one).with_name("moved.pth"))
    moved = FileEncoder(str(Path(one).with_name("moved.pth"))).identity()
    Path(one).write_bytes(Path(one).with_name("moved.pth").read_bytes())
    assert moved == FileEncoder(one).identity()
    assert moved != FileEncoder(two).identity()
    assert moved != FileEncoder(one, layer=0).identity()
    with pytest.raises(DataError, match="gone: no such file"):
        FileEncoder("gone").identity()


def test_every_layout_can_be_asked_for():
    assert set(FORMATS) == {*LAYOUTS, "auto"}


def test_an_export_of_siammae_tells_its_heads(tmp_path):
    from siammae.assembly.encoder_file import export_encoder
    from siammae.model.encoder import Encoder

    told = {"image_size": 32, "patch_size": 8, "width": 64, "depth": 2, "heads": 4}
    ours = Encoder(**told).eval()
    export_encoder(ours, told, tmp_path / "encoder.safetensors")
    source = FileEncoder(str(tmp_path / "encoder.safetensors"))
    assert source.identity()["heads"] == 4
    frames = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(source.load().features(frames), ours.features(frames))


def test_an_unusual_width_needs_heads(write):
    path = write(layouts.mae(layouts.plain_vit(embed_dim=128, num_heads=2).state_dict()))
    with pytest.raises(
        DataError, match="width of 128 does not say how many heads it has; give heads"
    ):
        FileEncoder(path).load()
    assert FileEncoder(path, heads=2).load().model.blocks[0].attn.num_heads == 2


def test_weights_that_are_no_numbers_are_named(write):
    state = layouts.plain_vit().state_dict()
    state["blocks.0.attn.qkv.weight"][0, 0] = torch.nan
    path = write(layouts.mae(state))
    with pytest.raises(DataError, match=r"NaN or infinite weights in model\.blocks\.0\.attn\.qkv"):
        FileEncoder(path).load()


def dinov2(names=False):
    """A small DINOv2 of timm's with registers, and its state in timm's or DINOv2's own names."""
    settings = {"depth": 3, "img_size": 56, "num_classes": 0, "dynamic_img_size": True}
    torch.manual_seed(1)
    model = timm.create_model("vit_small_patch14_reg4_dinov2", **settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    state = dict(model.state_dict())
    if names:
        place = torch.randn(1, 1, 384)
        state["register_tokens"] = state.pop("reg_token")
        state["pos_embed"] = torch.cat([place, state["pos_embed"]], dim=1)
        state["cls_token"] = state["cls_token"] - place
        state["mask_token"] = torch.ones(1, 384)
    return model, state


def chunked(state):
    """Two blocks in the first chunk, one in the second; they are counted through."""
    moved = {}
    for name, value in state.items():
        if name.startswith("blocks."):
            name = f"blocks.{int(name.split('.')[1]) // 2}.{name.removeprefix('blocks.')}"
        moved[name] = value
    return moved


@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("chunks", [dict, chunked])
@pytest.mark.parametrize("size", [(56, 56), (70, 42)])
def test_registers_and_chunks_of_dinov2(write, names, chunks, size):
    model, state = dinov2(names)
    encoder, source = load(write(chunks(state)))
    assert source.found == "plain"
    pixels = images(*size)
    if size != (56, 56):  # timm would resize with antialiasing
        grid = model.pos_embed.detach().reshape(1, 4, 4, 384).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, (5, 3), mode="bicubic").flatten(2).transpose(1, 2)
        model.pos_embed = torch.nn.Parameter(grid)
        model.patch_embed.grid_size = (5, 3)
    torch.testing.assert_close(encoder.features(pixels), tokens(model, pixels, prefix=5))


def test_a_training_checkpoint_of_dinov2(write):
    model, state = dinov2(names=True)
    teacher = {f"backbone.{name}": value for name, value in chunked(state).items()}
    teacher |= {"dino_head.mlp.0.weight": torch.ones(2), "ibot_head.last.weight": torch.ones(2)}
    encoder, source = load(write({"teacher": teacher}))
    assert source.found == "dino"
    pixels = images(56, 56)
    torch.testing.assert_close(encoder.features(pixels), tokens(model, pixels, prefix=5))


def test_registers_with_positions(write):
    model = layouts.plain_vit(reg_tokens=3)
    encoder, _ = load(write(model.state_dict()))
    torch.testing.assert_close(encoder.features(images()), tokens(model, images(), prefix=4))


def test_chunks_that_count_blocks_anew_are_refused(write):
    state = layouts.plain_vit().state_dict()
    twice = {name.replace("blocks.", "blocks.0."): value for name, value in state.items()}
    twice |= {name.replace("blocks.0.", "blocks.1."): value for name, value in twice.items()}
    with pytest.raises(DataError, match="chunks do not count blocks through"):
        FileEncoder(write(twice)).load()


@pytest.mark.parametrize("pretrained", [dict, layouts.mae_encoder])
def test_a_norm_of_the_mean_patch_is_taken_in_place_of_the_last_one(write, pretrained):
    """As MAE's fine-tuning and timm's ``global_pool="avg"`` leave it."""
    torch.manual_seed(2)
    settings = {"depth": 2, "global_pool": "avg", "num_classes": 7}
    model = timm.create_model("vit_tiny_patch16_224", **settings).eval()
    with torch.no_grad():
        model.fc_norm.weight.uniform_(0.5, 2)
        model.fc_norm.bias.normal_()
        model.pos_embed.normal_()
    encoder, _ = load(write(pretrained(model.state_dict())))
    pixels = images(224, 224)
    with torch.no_grad():
        expected = model.fc_norm(model.forward_features(pixels))[:, 1:]
        # What timm classifies by is the mean of just these.
        pooled = model.fc_norm(model.forward_features(pixels)[:, 1:].mean(dim=1))
        torch.testing.assert_close(
            model.forward_head(model.forward_features(pixels)), model.head(pooled)
        )
    torch.testing.assert_close(encoder.features(pixels), expected)


@pytest.mark.parametrize(
    ("usual", "other"),
    [
        *[("model", "model_ema"), ("state_dict", "state_dict_ema"), ("model", "state_dict_ema")],
        *[("encoder", "target_encoder"), ("teacher", "student")],
    ],
)
def test_a_key_chooses_among_the_models_of_a_file(write, capsys, usual, other):
    models = layouts.plain_vit(class_token=False), layouts.plain_vit(class_token=False, seed=5)
    wrapped = [
        {f"module.{name}": value for name, value in model.state_dict().items()} for model in models
    ]
    path = write({usual: wrapped[0], other: wrapped[1], "predictor": {"module.x": torch.ones(1)}})
    encoder, source = load(path)
    said = f"several models: taking {usual}; state_dict=NAME takes another, of {other}"
    assert said in capsys.readouterr().err
    torch.testing.assert_close(encoder.features(images()), tokens(models[0], images(), prefix=0))
    chosen, named = load(path, state_dict=other)
    assert capsys.readouterr().err == ""
    torch.testing.assert_close(chosen.features(images()), tokens(models[1], images(), prefix=0))
    assert other in named.label()
    assert named.identity() != source.identity()
    assert "state_dict" not in source.identity()  # known results stay known
    with pytest.raises(ConfigError, match=f"state_dict=ema: .*stand under {usual}, {other}, pred"):
        load(path, state_dict="ema")


@pytest.mark.parametrize("prefix", ["visual.trunk.", "student.backbone.", "net.encoder."])
def test_an_unusual_prefix_is_taken_off_when_there_is_one_vit(write, prefix):
    model = layouts.plain_vit()
    state = {f"{prefix}{name}": value for name, value in model.state_dict().items()}
    encoder, _ = load(write(state))
    torch.testing.assert_close(encoder.features(images()), tokens(model, images()))
    with pytest.raises(DataError, match=r"several ViTs \(one\., two\.\)"):
        load(write({f"{p}.{n}": t for p in ("one", "two") for n, t in model.state_dict().items()}))


@pytest.mark.parametrize("shape", [(192, 192), (192,), ()])
def test_patches_and_positions_of_another_shape_are_named(write, shape):
    for name in ("patch_embed.proj.weight", "pos_embed"):
        state = {**layouts.plain_vit().state_dict(), name: torch.ones(shape)}
        with pytest.raises(DataError, match=f"no plain ViT: {name} has the shape"):
            FileEncoder(write(state)).load()


def test_positions_are_resized_by_scale_where_the_protocol_says_so(write):
    """The table is resized as DINO does; the size of the frames gives a grid of 6 x 5."""
    model = layouts.plain_vit()
    encoder, _ = load(write(layouts.mae(model.state_dict())))
    pixels = images(6 * PATCH, 5 * PATCH)
    by_size = encoder.features(pixels)
    table = model.pos_embed.detach().clone()
    picture = table[:, 1:].reshape(1, 4, 4, WIDTH).permute(0, 3, 1, 2)
    scale = ((6 + 0.1) / 4, (5 + 0.1) / 4)
    grown = F.interpolate(picture, scale_factor=scale, mode="bicubic").permute(0, 2, 3, 1)
    assert grown.shape[1:3] == (6, 5)
    model.pos_embed = torch.nn.Parameter(torch.cat([table[:, :1], grown.flatten(1, 2)], dim=1))
    model.patch_embed.grid_size = (6, 5)
    expected = tokens(model, pixels)
    shared = SharedFeatures(EncoderFeatures(encoder, torch.device("cpu")), 10**8)
    for _ in range(2):  # and back again, with a memory that tells both apart
        torch.testing.assert_close(
            encoded(shared, pixels, Propagation(positions="scale")), expected
        )
        torch.testing.assert_close(encoded(shared, pixels, Propagation()), by_size)
    assert not torch.allclose(expected, by_size, atol=1e-3)
