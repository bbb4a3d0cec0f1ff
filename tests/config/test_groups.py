"""Truth values and numbers of a group are what its class says, before anything is built."""

import pytest
import yaml

from siammae.config.check import validate
from siammae.config.groups import Group, build_group
from siammae.system.errors import ConfigError

CASES = {
    "window_first: 'no'": "benchmark.propagation.window_first=no: a bool is needed, true or false",
    "rescale: 1": "benchmark.propagation.rescale=1: a bool is needed, true or false",
    "top_k: 2.5": "benchmark.propagation.top_k=2.5: an int is needed",
    "top_k: true": "benchmark.propagation.top_k=True: an int is needed",
    "top_k: 0": "propagation.top_k=0: an int >= 1 is needed",
    "queue: null": "benchmark.propagation.queue=null: an int is needed",
    "queue: -1": "propagation.queue=-1: an int >= 0 is needed",
    "radius: far": "benchmark.propagation.radius=far: a number is needed",
    "radius: .inf": "propagation.radius=inf: should be a finite number",
    "temperature: 0": "propagation.temperature=0: a number > 0 is needed",
    "multiple: 1.5": "benchmark.propagation.multiple=1.5: an int is needed, or null",
    "multiple: 0": "propagation.multiple=0: an int >= 1 or null is needed",
    "input_size: 96.5": "propagation.input_size=96.5: null, a side in pixels",
    "input_size: big": "propagation.input_size=big: null, a side in pixels",
    "input_size: [96]": "propagation.input_size=[96]: null, a side in pixels",
    "input_size: [96, 9.5]": "propagation.input_size=[96, 9.5]: null, a side in pixels",
    "input_size: 0": "propagation.input_size=0: null, a side in pixels",
}


def built(of_propagation="", of_benchmark=""):
    text = f"""
_target_: siammae.evaluation.Davis
root: somewhere
propagation: {{_target_: siammae.evaluation.Propagation, {of_propagation}}}
{of_benchmark}
"""
    return build_group(validate(yaml.safe_load(text), Group), "benchmark")


@pytest.mark.parametrize("keys", CASES)
def test_a_wrong_value_of_the_propagation_names_its_key(keys):
    with pytest.raises(ConfigError) as raised:
        built(keys)
    assert CASES[keys] in str(raised.value)


@pytest.mark.parametrize(
    ("key", "told"),
    {
        "allow_missing: 'yep'": "benchmark.allow_missing=yep: a bool is needed, true or false",
        "workers: abc": "benchmark.workers=abc: an int is needed",
        "workers: -1": "workers=-1: an int >= 0 is needed",
        "year: '2017'": "benchmark.year=2017: an int is needed",
    }.items(),
)
def test_a_wrong_value_of_the_benchmark_names_its_key(key, told):
    with pytest.raises(ConfigError) as raised:
        built(of_benchmark=key)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    "keys", ["radius: 5", "multiple: null", "input_size: [96, 192]", "input_size: 96"]
)
def test_an_int_is_a_number_and_null_stands_where_it_may(keys):
    assert built(keys, "name: null").workers == 0
