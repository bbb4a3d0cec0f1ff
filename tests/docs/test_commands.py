"""Every command of README, CONTRIBUTING and docs/ exists and takes what it is given.

A command is checked without being carried out: settings are composed and checked, options are
parsed. One that needs more than this repository says so in a comment, ``# needs ...``, on its line
or on a comment line above it.
"""

import argparse
import re
import shlex
import sys
from dataclasses import dataclass
from importlib import import_module

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from siammae.config.check import check, read
from siammae.config.commands import AuditConfig, EvaluateConfig, LookConfig, PackConfig
from siammae.launching.registration import register_with_hydra
from siammae.planning.coming import chosen
from siammae.system.paths import CONFIGS, ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = ("bash", "sh", "shell", "console", "")
CAPITALS = re.compile(r"(?<![\w.-])[A-Z][A-Z]+(?![\w.-])")
FLAGS = {"pack": {"--verify": "verify=true"}, "audit": {"--strict": "strict=true"}}
PROGRAMS = ("git", "pre-commit")  # of others; what follows is theirs


@dataclass(frozen=True)
class Command:
    """A command of a page: where it stands, its words, and what its comment says that it needs."""

    place: str
    words: tuple[str, ...]
    needs: str


def commands_of(text: str, page: str) -> list[Command]:
    """Return the commands of a page's blocks.

    A comment line holds for the lines below it, up to the next comment line.
    """
    found = []
    for block in BLOCK.finditer(text):
        if block[1] not in SHELL:
            continue
        first = text.count("\n", 0, block.start(2)) + 1
        above = ""
        for number, line in enumerate(block[2].replace("\\\n", "  ").splitlines(), first):
            code, _, comment = line.partition("#")
            if not code.strip():
                above = comment.strip() if comment else above
                continue
            needs = next(
                (note for note in (comment, above) if note.strip().startswith("needs ")), ""
            )
            found.append(Command(f"{page}:{number}", tuple(shlex.split(code)), needs.strip()))
    return found


COMMANDS = [
    command
    for page in PAGES
    for command in commands_of(page.read_text(), page.relative_to(ROOT).as_posix())
]


# What CONTRIBUTING calls mypkg and DIR: a user's own package, and the folder of its options.
PACKAGE = (
    "from siammae.model import CrossSelfDecoder\n\n\nclass Mine(CrossSelfDecoder):\n    pass\n"
)
OPTION = "defaults: [cross_self]\n_target_: mypkg.Mine\n"
OWN = {}


@pytest.fixture(scope="module", autouse=True)
def hydra(tmp_path_factory):
    """Groups that are composed for many commands, and what stands for a user's own."""
    own = tmp_path_factory.mktemp("own")
    for path, text in {"mypkg.py": PACKAGE, "decoder/mine.yaml": OPTION}.items():
        (own / path).parent.mkdir(exist_ok=True)
        (own / path).write_text(text)
    GlobalHydra.instance().clear()
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)), pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(own))
        patched.setitem(OWN, "DIR", own)
        yield


def check_command(command: Command, monkeypatch) -> None:
    """Raise an error when the command does not exist, or does not take what it is given."""
    words = list(command.words)
    if words[:2] == ["python", "-m"] and words[2].startswith("siammae."):
        check_module(words[2].removeprefix("siammae."), words[3:], command, monkeypatch)
    elif words[:2] == ["python", "-m"] and words[2] in ("tests.storm", "tests.methods.authors"):
        parsed(f"{words[2]}.__main__", words[3:], monkeypatch)
    elif words[0] == "torchrun":
        assert re.fullmatch(r"--nproc-per-node=\d+", words[1]), words[1]
        assert words[2:4] == ["-m", "siammae.train"]
        check_module("train", words[4:], command, monkeypatch)
    elif words[0] == "python" and words[1].endswith(".py"):
        assert (ROOT / words[1]).is_file(), f"{words[1]}: no such script"
        check_script(words[1], words[2:], monkeypatch)
    elif words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets), f"make: no such target in {words[1:]}"
    elif words[0] == "wandb":
        from wandb.cli.cli import cli

        assert words[1] in cli.commands
    else:
        assert words[0] in PROGRAMS, f"{words[0]}: no such command"


def check_module(name: str, words: list[str], command: Command, monkeypatch) -> None:
    """Check a command of the package."""
    if name in ("train", "evaluate", "pack", "audit", "look"):
        check_settings(name, words, command)
    elif name == "plan":
        given = parsed("siammae.plan", words, monkeypatch)
        names, rest = chosen(
            given.overrides, sorted(p.stem for p in ROOT.glob("experiments/*.yaml"))
        )
        more = [f"experiments={names[0]}"] if len(names) == 1 else []
        check_settings("train", [*rest, *more, "-m"], command)
    elif name == "download":
        from siammae.download import _parse, catalog

        asked = _parse(words)
        assert asked.name in catalog.names()
    else:
        parsed(f"siammae.{name}", words, monkeypatch)


def check_settings(name: str, words: list[str], command: Command) -> None:
    """Compose and check the settings of a command of Hydra; of a multirun, those of its ends."""
    words = [FLAGS.get(name, {}).get(word, word) for word in words]
    if "--config-dir" in words:
        place = words.index("--config-dir")
        words[place : place + 2] = [f"hydra.searchpath=[file://{OWN[words[place + 1]]}]"]
    overrides = [word for word in words if "=" in word]
    rest = [word for word in words if "=" not in word]
    assert rest in ([], ["-m"], ["--help"], ["--cfg", "job"]), f"{name}: no such option in {rest}"
    loader = GlobalHydra.instance().config_loader()
    swept = OverridesParser.create(config_loader=loader).parse_overrides(overrides)
    is_multirun = any(each.is_sweep_override() for each in swept)
    assert rest == ["-m"] or not is_multirun, "-m is missing"
    for end in (0, -1) if is_multirun else (0,):
        check_one(name, [value_of(each, end) for each in swept], command)


def value_of(override: Override, end: int) -> str:
    """Return an override with the first or last of its values alone."""
    if not override.is_sweep_override():
        return str(override.input_line)
    key = str(override.input_line).partition("=")[0]
    return f"{key}={list(override.sweep_string_iterator())[end]}"


KINDS = {
    "audit": AuditConfig,
    "evaluate": EvaluateConfig,
    "look": LookConfig,
    "pack": PackConfig,
}


def check_one(name: str, overrides: list[str], command: Command) -> None:
    """Compose and check one job."""
    whole = compose(name, overrides, return_hydra_config=True)
    config = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
    if name == "train":
        settings = check(config)
        if not command.needs:
            assert settings.data.target == "siammae.data.Sprites", "needs data, and does not say so"
    elif not (name == "pack" and config.verify):  # which needs no data
        settings = read(config, KINDS[name])
        for group in ("data", "benchmark"):
            if hasattr(settings, group):
                settings.build(group)
    benchmark = OmegaConf.select(config, "benchmark")
    if benchmark is not None and not command.needs:
        roots = [value for key, value in leaves(benchmark) if key == "root"]
        there = all(
            str(root).endswith(("datasets/sprites", "datasets/puppets")) for root in roots if root
        )
        assert there, "needs the files of a benchmark, and does not say so"


def leaves(section):
    """Yield each key and value below a section."""
    plain = (
        OmegaConf.to_container(section, resolve=True) if OmegaConf.is_config(section) else section
    )
    for key, value in plain.items():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield key, value


def check_script(path: str, words: list[str], monkeypatch) -> None:
    """Check the arguments of a script."""
    if path == "analysis/uncertainty_maps.py":
        from siammae.report.uncertainty_maps import settings_of

        settings_of(words)
        return
    monkeypatch.syspath_prepend(str((ROOT / path).parent))
    parsed(path.removesuffix(".py").replace("/", "."), words, monkeypatch)


class Parsed(BaseException):
    """The arguments were accepted; nothing else is to be done."""


def parsed(module: str, words: list[str], monkeypatch) -> argparse.Namespace:
    """Return what a module's ``main`` makes of its arguments, and stop it there."""
    depth = 0

    def stopping(parse):
        def call(self, *args, **kwargs):
            nonlocal depth
            depth += 1
            try:
                given, unknown = parse(self, *args, **kwargs)
            finally:
                depth -= 1
            if depth:
                return given, unknown
            if unknown:
                self.error(f"unrecognized arguments: {' '.join(unknown)}")
            raise Parsed(given)

        return call

    with monkeypatch.context() as patched:
        for name in ("parse_known_args", "parse_known_intermixed_args"):
            whole = stopping(getattr(argparse.ArgumentParser, name))
            patched.setattr(argparse.ArgumentParser, name, whole)
        patched.setattr(sys, "argv", [module, *words])
        with pytest.raises(Parsed) as stop:
            import_module(module).main()
    return stop.value.args[0]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.place)
def test_the_command_exists_and_takes_what_it_is_given(command, monkeypatch):
    check_command(command, monkeypatch)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.place)
def test_words_in_capitals_are_explained_and_their_commands_marked(command):
    words = {word for part in command.words for word in CAPITALS.findall(part)}
    explained = set(re.findall(r"`([A-Z]+)`", (ROOT / "docs" / "index.md").read_text()))
    assert words <= explained
    assert not words or command.needs, "say in a comment what it needs: # needs ..."


@pytest.mark.parametrize(
    "line",
    [
        "python -m siammae.nothing",
        "python -m siammae.train decodre=cross",
        "python -m siammae.train decoder.widht=3",
        "python -m siammae.train +decoder.widht=3",
        "python -m siammae.train mask_ratio=1.5",
        "python -m siammae.train --config-dir DIR decoder=mine",
        "python -m siammae.train mask_ratio=0.5,0.75",
        "python -m siammae.train data=videos data.root=clips",
        "python -m siammae.train benchmark=davis2017",
        "python -m siammae.train --nothing",
        "python -m siammae.evaluate precision=fp8",
        "python -m siammae.plan experiments=decodre",
        "python -m siammae.runs --nothing",
        "python -m siammae.download benchmark=davis2018",
        "python analysis/make_tables.py --nothing",
        "python analysis/nothing.py",
        "python analysis/uncertainty_maps.py nothing=1",
        "make nothing",
        "siammae train",
    ],
)
def test_a_command_that_does_not_exist_is_found(line, monkeypatch):
    (command,) = commands_of(f"```bash\n{line}\n```\n", "page.md")
    with pytest.raises((AssertionError, Exception, SystemExit)) as error:
        check_command(command, monkeypatch)
    assert not isinstance(error.value, Parsed)


def test_a_comment_line_marks_the_lines_below_it():
    text = "```bash\n# needs DIR\nmake a\nmake b # words\n# others\nmake c\nmake d # needs d\n```\n"
    assert [c.needs for c in commands_of(text, "page.md")] == [
        "needs DIR",
        "needs DIR",
        "",
        "needs d",
    ]


def test_pages_have_commands():
    assert {command.place.partition(":")[0] for command in COMMANDS} >= {
        "README.md",
        "docs/data.md",
    }
