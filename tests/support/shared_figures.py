"""Measures benchmarks of a folder in the processes that torchrun starts; also without torchrun."""

import json
import sys
from pathlib import Path

from pixel_features import Pixels

from siammae.data.built_in.puppets import Puppets
from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.benchmarks.linear_parts import LinearParts
from siammae.evaluation.benchmarks.suite import Suite
from siammae.evaluation.measuring.share import measure_together
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError
from siammae.training.distributed import join_team

PROTOCOL = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)


def benchmarks(folder):
    """Two that share, and one whose probes learn, alone and as parts of a suite."""
    made = {
        "davis": Davis(str(folder / "whole"), PROTOCOL),
        "damaged": Davis(str(folder / "damaged"), PROTOCOL, workers=1),
        "parts": LinearParts(
            source=Puppets(str(folder / "puppets"), clips=4, frames=4),
            **{"frames_per_video": 2, "patches_per_frame": 16, "max_patches": 64},
        ),
    }
    lost = Davis(str(folder / "lost"), PROTOCOL)
    return {**made, "suite": Suite("suite", {**made, "lost": lost}, "davis/J&F-Mean")}


def figures(benchmark, team):
    seen = []

    def evaluate(part):
        return part.evaluate(Pixels(), lambda done, of, video: seen.append(video))

    result = measure_together(benchmark, team, evaluate)
    control = measure_together(benchmark, team, lambda part: part.copy_first_mask())
    return {"result": result.as_dict(), "control": control.as_dict(), "seen": seen}


def measured(folder, team):
    """Figures of each benchmark and its control, the videos seen, and the error of a lost one."""
    found = {}
    for name, benchmark in benchmarks(folder).items():
        with team.raise_in_all():
            if team.is_main:
                benchmark.prepare()
        found[name] = figures(benchmark, team)
    lost = Davis(str(folder / "lost"), PROTOCOL)
    try:
        measure_together(lost, team, lambda part: part.evaluate(Pixels()))
    except DataError as error:
        found["lost"] = str(error)
    return json.loads(json.dumps(found))


def main():
    folder, team = Path(sys.argv[1]), join_team()
    (folder / f"{team.rank}.json").write_text(json.dumps(measured(folder, team)))


if __name__ == "__main__":
    main()
