"""Groups of a configuration: what names its class with ``_target_``, and how it is built."""

import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from hydra.utils import execution_whitelist, instantiate
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from siammae.config.suggestions import nearest
from siammae.system.errors import ConfigError, SiammaeError

OURS = "siammae"
TARGET = "_target_"
# Nobody's own package: an error does not propose to trust them.
LIBRARIES = ("hydra", "omegaconf", "torch", "numpy", "optuna", "builtins")
PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class Section(BaseModel):
    """A part of the settings. Unknown keys are refused, and so are nan and inf.

    Types are strict: a number in quotes is no number.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )

    def as_dict(self) -> dict[str, Any]:
        """Return the keys that were given, as plain values in dictionaries."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class Group(Section):
    """A group whose class is named by ``_target_``; its other keys are the class's arguments.

    The class alone declares their names, types and defaults, see `check_keys`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]
    target: str | None = Field(alias="_target_")


def build_group(
    group: Group, name: str, trusted: Sequence[str] = (), parts: Mapping[str, Any] | None = None
) -> Any:
    """Build the object that a group describes; None when its ``_target_`` is null.

    Args:
        group: the class and its arguments, which may be groups themselves.
        name: of the group, for errors.
        trusted: packages whose classes may be built beside those of ``siammae``.
        parts: further arguments that are objects already; no key may have the name of one.

    Raises:
        ConfigError: when the class is missing or not trusted, does not take a key, or refuses a
            value.
    """
    if group.target is None:
        return None
    plain, parts = with_public_targets(group.as_dict()), parts or {}
    check_keys(plain, name, trusted)
    for key in parts:
        if key in plain:
            raise ConfigError(f"{name}.{key}: is no key; the group {key} is chosen by itself")
    allowed = execution_whitelist([f"{package}.*" for package in (OURS, *trusted)], reset=True)
    try:
        # Hydra would copy the parts, and they know each other.
        made = instantiate(
            plain, _convert_="all", _partial_=bool(parts), _execution_whitelist_=allowed
        )
        return made(**parts) if parts else made
    except Exception as error:
        cause = error.__cause__ or error  # Hydra wraps what the class raised, whose words help
        if isinstance(cause, SiammaeError):
            raise cause from None
        raise ConfigError(f"{name}: {cause}") from error


def check_keys(group: Mapping[str, Any], name: str, trusted: Sequence[str] = ()) -> None:
    """Check that every key is an argument of the group's class and has its type.

    Groups within the group, and those in its dictionary ``parts``, are checked alike.

    Raises:
        ConfigError: naming the key.
    """
    accepted, takes_any = arguments(class_of(group[TARGET], name, trusted))
    for key, value in group.items():
        if key == TARGET:
            continue
        if key.startswith("_") or not (key in accepted or takes_any):
            raise ConfigError(f"{name}.{key}: no such key{nearest(key, list(accepted), name)}")
        if isinstance(value, Mapping) and value.get(TARGET) is not None:
            check_keys(value, f"{name}.{key}", trusted)
        elif isinstance(value, Mapping) and key == "parts":
            for part, inner in value.items():
                if not isinstance(inner, Mapping) or inner.get(TARGET) is None:
                    raise ConfigError(
                        f"{name}.parts.{part}={inner}: must be an option of the group, "
                        "with a _target_"
                    )
                check_keys(inner, f"{name}.parts.{part}", trusted)
        elif key in accepted:
            _check_type(f"{name}.{key}", value, accepted[key])


def class_of(target: Any, name: str, trusted: Sequence[str] = ()) -> type:
    """Import the class that ``_target_`` names.

    Raises:
        ConfigError: when it is not of ``siammae`` or a trusted package, or there is none.
    """
    packages = (OURS, *trusted)
    where = f"{name}.{TARGET}={target}"
    if not isinstance(target, str) or not PACKAGE.fullmatch(target):
        raise ConfigError(f"{where}: must be the path of a class, such as siammae.model.Encoder")
    _refuse_stranger(target, packages, where)
    module, _, attribute = public_target(target).rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:
        raise ConfigError(f"{where}: {error}") from None
    if not isinstance(found, type):
        raise ConfigError(f"{where}: is no class")
    # The path of one of our modules may lead to what it imports from elsewhere.
    _refuse_stranger(f"{found.__module__}.{found.__qualname__}", packages, where)
    return found


def _refuse_stranger(path: str, packages: Sequence[str], where: str) -> None:
    if not any(path.startswith(f"{package}.") for package in packages):
        package = path.partition(".")[0]
        hint = f"; a class of your own is built when you give trusted_packages=[{package}]"
        known = package in sys.stdlib_module_names or package in LIBRARIES
        raise ConfigError(
            f"{where}: is not a class of siammae{'' if known else hint + ' on the command line'}"
        )


def arguments(kind: type) -> tuple[dict[str, Any], bool]:
    """Return the types of a constructor's arguments, and whether it takes any other name.

    Where a constructor hands ``**kwargs`` on, the arguments of the next class in its order of
    bases count, too.
    """
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                found.setdefault(parameter.name, _type_of(parameter))
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            return found, False
        if base.__module__.startswith("torch."):  # Module takes any name, only to refuse it
            break
    return found, True


def _type_of(parameter: inspect.Parameter) -> Any:
    """Return an argument's annotation; where there is none, the type that its default shows."""
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    shown = {bool: bool, int: float, float: float}  # a default of 1 may stand for 0.5, too
    return shown.get(type(parameter.default), parameter.annotation)


def with_public_targets(plain: Any) -> Any:
    """Return plain settings in which every ``_target_`` is a public path, see `public_target`."""
    if isinstance(plain, dict):
        return {
            key: public_target(value) if key == TARGET else with_public_targets(value)
            for key, value in plain.items()
        }
    return [with_public_targets(item) for item in plain] if isinstance(plain, list) else plain


@cache
def option_of(target: str | None) -> str:
    """Return the option of a class; options bear the names of their classes, in small letters.

    Words are parted, as in multi_anchor of MultiAnchor; parts that are no words, as in ToBo and
    SiamMAE, are not.
    """
    name = str(target).rpartition(".")[2]
    return re.sub("(?<=[a-z])(?=[A-Z][a-z]{2})", "_", name).lower()


def public_target(target: Any) -> Any:
    """Return the public path of one of our classes.

    Runs of before named modules, which have moved since: ``siammae.model.decoders.CrossDecoder`` is
    ``siammae.model.CrossDecoder``, by its room and the name of the class.
    """
    parts = str(target).split(".")
    if parts[0] != OURS or len(parts) <= 3:
        return target
    try:
        names = getattr(import_module(f"{OURS}.{parts[1]}"), "__all__", ())
    except ImportError:
        return target
    return f"{OURS}.{parts[1]}.{parts[-1]}" if parts[-1] in names else target


def _check_type(key: str, value: Any, annotated: Any) -> None:
    """Check that a truth value, a number or a text is what the annotation says.

    Hydra reads ``no`` as text, and any text would count as true. Other types are left to the class.
    """
    union = get_origin(annotated) in (Union, UnionType)
    members = set(get_args(annotated)) if union else {annotated}
    optional, plain = NoneType in members, members - {NoneType}
    if len(plain) != 1 or (value is None and optional):
        return
    wanted = plain.pop()
    allowed = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}.get(wanted)
    if allowed is not None and type(value) not in allowed:
        nouns = {bool: "bool", int: "int", float: "number", str: "text"}
        words = f"a{'n' * (wanted is int)} {nouns[wanted]} is needed"
        words += ", true or false" * (wanted is bool) + ", or null" * optional
        raise ConfigError(f"{key}={'null' if value is None else value}: {words}")
