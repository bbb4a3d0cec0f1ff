"""Methods beside the code of their authors, where SIAMMAE_AUTHORS names a folder of checkouts."""

import copy
import os
from importlib import import_module
from pathlib import Path

import pytest
import torch

from tests.methods.authors.__main__ import METHODS, text
from tests.methods.authors.comparison import Case, compare


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_loss_and_gradients_are_those_of_the_authors_code(method):
    """The checkouts are called as the repositories: CropMAE, RSP, tobo, CatMAE, mae and so on."""
    folder = os.environ.get("SIAMMAE_AUTHORS")
    if not folder:
        pytest.skip("SIAMMAE_AUTHORS names no folder of the authors' checkouts")
    module = import_module(f"tests.methods.authors.{method}")
    for report in module.reports(Path(folder).resolve() / module.CODE.split("/")[1]):
        assert report.agrees, text(report)


@pytest.mark.parametrize(("scale", "agree"), [(1.0, True), (1 + 1e-4, False)])
def test_a_difference_is_seen_in_the_loss_and_in_gradients(scale, agree):
    """Theirs has two layers in the place of one of ours, whose gradient is the sum of theirs."""
    torch.manual_seed(0)
    ours = torch.nn.Linear(3, 3)
    theirs, x = torch.nn.Sequential(copy.deepcopy(ours), copy.deepcopy(ours)), torch.randn(4, 3)
    ours, x = ours.double(), x.double()
    case = Case(
        "twice",
        ours,
        theirs,
        lambda own: {f"{layer}.{name}": own[name] for layer in range(2) for name in own},
        lambda: ours(ours(x)).square().mean(),
        lambda: theirs(x).square().mean() * scale,
    )
    report = compare(case)
    assert report.agrees is agree
    found = [report.loss_difference, *report.gradients.values()]
    assert found == pytest.approx([1 - 1 / scale] * 3, abs=1e-12)


def test_a_parameter_that_is_made_into_nothing_of_theirs_is_named():
    ours, theirs = torch.nn.Linear(2, 2).double(), torch.nn.Linear(2, 2, bias=False)
    x = torch.ones(1, 2).double()
    case = Case(
        "",
        ours,
        theirs,
        lambda own: {"weight": own["weight"]},
        lambda: ours(x).sum(),
        lambda: theirs(x).sum(),
    )
    with pytest.raises(AssertionError, match="bias is made into nothing"):
        compare(case)
