"""Whether the groups of a run go together, asked of the objects that they build.

Rules do not know classes or their keys. A masking says whether it compares frames place by place, a
rotation whether it interpolates, an encoding whether it encodes the past frame alone.
"""

from collections.abc import Callable, Collection
from typing import Any

from siammae.config.groups import class_of, option_of
from siammae.config.schema import ModelConfig, TrainConfig
from siammae.config.single_images import check_single_images
from siammae.system.errors import ConfigError

# Groups of which a method is built, and what it calls their objects. All but the encoder may be
# null.
PARTS = {
    "encoder": "encoder",
    "encoding": "encoding",
    "decoder": "decoder",
    "masking": "masking",
    "uncertainty": "head",
}
MODEL = ("method", *PARTS)
OF_FRAMES = ("rotation", "targets", "augment")
# What the model learns about targets, and the values with which it learns nothing.
UNKNOWN = {"gap_embedding": "none", "loss_gap_power": 0, "predict": False}
ANY_SIZE = (64, 64)  # of a frame that something is drawn for, to see whether it can be
OTHERS = (*OF_FRAMES, "benchmark", "tracking")


def check_parts(settings: TrainConfig, given: Collection[str] | None = None) -> None:
    """Build every group once and check that the groups go together.

    No file is read or written and no random number of the process is used up.

    Args:
        settings: of a run.
        given: groups that something is set of; None: any. Where none of them matters to the model
            it is what the tests build, and is left out: torch takes seconds to import, for which
            the finished runs of a multirun need not wait.

    Raises:
        ConfigError: naming the group, the key and what would be right.
    """
    source = settings.build("data")
    check_single_images(settings, source)
    parts = {group: settings.build(group) for group in OTHERS}
    _check_batch(settings, source)
    if given is not None and not {*MODEL, *OF_FRAMES} & set(given):
        return
    method: Any = class_of(settings.method.target, "method", settings.trusted_packages)
    _check_used(settings, method, parts["benchmark"])
    parts |= _model_parts(settings)
    _check_frames(settings, parts["method"], parts["targets"], parts["augment"])
    if parts["masking"] is not None:
        _check_places(parts["masking"], parts["rotation"], parts["augment"])
    _check_resizing(parts["augment"], parts["rotation"])
    _check_length(source, parts["targets"])


def build_parts(
    settings: ModelConfig, begin: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Build what a method is made of, by group; None for a group of which no option is chosen.

    Args:
        settings: of the model.
        begin: called before each part whose initial weights shall not depend on the others.

    Raises:
        ConfigError: when a class refuses a value, or the head the decoder.
    """
    begin()
    parts = {"encoder": settings.build("encoder")}
    begin()
    decoder, head = settings.build("decoder"), settings.build("uncertainty")
    if head is not None:
        # After the head, so that neither it nor the first decoder depends on how many there are.
        others = [settings.build("decoder") for _ in range(head.decoders - 1)]
        try:
            decoder = head.assemble([decoder, *others])
        except ValueError as error:
            raise ConfigError(f"uncertainty: {error}") from None
    begin()
    encoding, masking = settings.build("encoding"), settings.build("masking")
    return {
        **parts,
        "encoding": encoding,
        "decoder": decoder,
        "masking": masking,
        "uncertainty": head,
    }


def build_method(settings: ModelConfig, parts: dict[str, Any], **more: Any) -> Any:
    """Build the method of the parts that `build_parts` returned, and of further arguments."""
    given = {PARTS[group]: part for group, part in parts.items() if part is not None}
    return settings.build("method", **given, **more)


def refuse_unused(settings: TrainConfig, keys: Collection[str]) -> None:
    """Refuse keys, dotted as on the command line, of groups that the method does not have.

    A preset may set sizes of a decoder without knowing the method; who sets one by hand means it.

    Raises:
        ConfigError: naming the first such key.
    """
    for key in keys:
        group, _, inner = key.partition(".")
        if inner and group in PARTS and getattr(settings, group) is None:
            raise ConfigError(f"{key}: {_name(settings)} has no {group}; leave it out")


def _check_used(settings: TrainConfig, method: Any, benchmark: Any) -> None:
    """Check that what the method is built from is given, and nothing that would do nothing."""
    name, gap = _name(settings), "gap" in settings.targets.as_dict()
    for key in (*PARTS, "mask_ratio"):
        value, used = getattr(settings, key), key == "encoder" or key in method.uses
        if used and value is None:
            raise ConfigError(f"{key}: {name} needs one, and none is chosen")
        if not used and value is not None:
            shown = f"={value}" if key == "mask_ratio" else ""
            raise ConfigError(f"{key}{shown}: {name} does not use it; leave it out")
    if settings.frame_gap is not None and not gap:
        raise ConfigError(
            f"frame_gap={settings.frame_gap}: the chosen targets have no gap; leave it out, or "
            "choose targets=single"
        )
    if (
        settings.benchmark.target is not None
        and benchmark.needs_model
        and not method.restores_pairs
    ):
        raise ConfigError(
            f"benchmark: it asks the model to restore a frame from another, and {name} does not"
        )
    if method.whole_batch and settings.batch_size < 2:
        raise ConfigError(
            f"batch_size={settings.batch_size}: {name} compares the samples of a batch with each "
            "other, which takes two at least"
        )
    if method.whole_batch and settings.accumulate > 1:
        raise ConfigError(
            f"accumulate={settings.accumulate}: {name} compares all samples of a batch with each "
            "other, which cannot be done in parts; take accumulate=1 and a batch_size that fits"
        )
    if settings.parallel == "fsdp" and not method.shards:
        raise ConfigError(
            f"parallel=fsdp: after each step {name} computes weights from others, of which a "
            "process would have a shard only; take parallel=ddp"
        )


def _name(settings: ModelConfig) -> str:
    return f"method={option_of(settings.method.target)}"


def _model_parts(settings: TrainConfig) -> dict[str, Any]:
    """Build the model's parts without memory for weights, which takes no time."""
    import torch

    def build() -> dict[str, Any]:
        parts = build_parts(settings)
        if parts["masking"] is not None:
            _check_past_tokens(parts["masking"], parts["encoding"])
            _check_spread(parts["masking"], parts["uncertainty"])
        return {**parts, "method": build_method(settings, parts)}

    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                return build()
        except ConfigError as error:
            # A constructor may look into a tensor, which has no values there: take real ones.
            if not isinstance(error.__cause__, RuntimeError):
                raise
            return build()


def _check_batch(settings: TrainConfig, source: Any) -> None:
    """Check that each part of a step's batch is made of whole visits."""
    repeated = source.repeated_sampling
    if settings.batch_size % (settings.accumulate * repeated):
        raise ConfigError(
            f"batch_size={settings.batch_size} is not a multiple of "
            f"accumulate={settings.accumulate} times data.repeated_sampling={repeated}"
        )


def _check_length(source: Any, targets: Any) -> None:
    """Check that the clips are long enough, where their length is known without opening one."""
    frames = getattr(source, "frames", None)
    if frames is not None:
        try:
            targets.check_length(frames)
        except ValueError as error:
            raise ConfigError(str(error)) from None


def _check_frames(settings: TrainConfig, method: Any, targets: Any, augment: Any) -> None:
    """Check that method and augmentation take as many frames or views as the targets are."""
    frames, known = 1 + targets.count, settings.targets.as_dict()
    if method.frames not in (None, frames):
        cure = "choose other targets"
        if "views" in known:
            cure = f"take targets.views={method.frames}"
        elif "count" in known:
            cure = f"take targets.count={method.frames - 1}"
        raise ConfigError(
            f"targets: {frames} frames or views of a clip, and {_name(settings)} takes "
            f"{method.frames}; {cure}"
        )
    for key, off in UNKNOWN.items():
        value = getattr(targets, key)
        if value != off and "targets" not in method.uses:
            raise ConfigError(
                f"targets.{key}={str(value).lower()}: {_name(settings)} does not use it; take "
                f"targets.{key}={str(off).lower()}"
            )
    if getattr(augment, "several_sizes", False) != method.several_sizes:
        sizes = "one size; choose another option"
        if method.several_sizes:
            sizes = "several sizes; choose augment=multi_crop"
        raise ConfigError(f"augment: {_name(settings)} takes views of {sizes}")
    import numpy as np  # here, as torch: whoever asks for a finished run need not wait for it

    rng = np.random.default_rng(0)
    try:
        drawn = augment.draw(rng, frames, *ANY_SIZE)
    except ValueError as error:
        raise ConfigError(f"augment: {error}; choose other targets or another option") from None
    one_frame = frames > 1 and "views" in known and len(set(targets.draw(rng, 64).frames)) == 1
    alike = len(set(drawn.boxes)) == 1 and not np.ptp(drawn.colour, axis=0).any()
    if one_frame and alike and not method.restores_pairs:
        raise ConfigError(
            f"augment: all views of a frame are alike here, and {_name(settings)} compares them; "
            "choose augment=simclr_views, or augment.shared_crop=false"
        )


def _check_past_tokens(masking: Any, encoding: Any) -> None:
    """Check that the past frame is encoded before, for a masking that chooses by its tokens."""
    if masking.needs_past_tokens and not encoding.encodes_past_alone:
        raise ConfigError(
            "masking=uncertainty reads the encoded past frame before it hides patches, and "
            "encoding=joint encodes both frames at once; choose encoding=siamese, or masking=motion"
        )


def _check_spread(masking: Any, head: Any) -> None:
    """Check that the head predicts a spread in one pass, for a masking that reads it."""
    if masking.needs_spread and not head.predicts_spread:
        raise ConfigError(
            "masking.estimate=predicted hides patches by the spread that the head predicts, and "
            "uncertainty=none predicts the same everywhere; choose uncertainty=gaussian, laplace, "
            "beta_nll or ensemble, or masking.estimate=error"
        )
    if masking.needs_spread and head.passes > 1:
        raise ConfigError(
            "masking.estimate=predicted takes one pass of the decoder in every step, and the "
            "spread of uncertainty=dropout takes many; choose masking.estimate=error, or another "
            "head"
        )


def _check_places(masking: Any, rotation: Any, augment: Any) -> None:
    """Check that both frames are turned and cropped alike, for a masking that compares places."""
    if not masking.compares_places:
        return
    where = getattr(rotation, "applies_to", "both")
    if where != "both":
        parted, cure = f"rotation.applies_to={where} turns the frames", "rotation.applies_to=both"
    elif not getattr(augment, "shared_crop", True):
        parted, cure = "augment.shared_crop=false crops the frames", "augment.shared_crop=true"
    else:
        return
    raise ConfigError(
        f"{parted} apart, and {type(masking).__name__} of the group masking compares them place by "
        f"place; choose {cure}, or another masking"
    )


def _check_resizing(augment: Any, rotation: Any) -> None:
    """Check that readers leave pixels around the crop where frames are turned by any angle."""
    if getattr(augment, "resize", "device") == "host" and rotation.interpolates:
        raise ConfigError(
            "augment.resize=host sends crops without what is around them, and "
            f"{type(rotation).__name__} of the group rotation turns that into their corners; "
            "choose augment.resize=device, or rotation=right_angles or none"
        )
