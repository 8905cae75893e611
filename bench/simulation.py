"""1,000 simulated nodes, 1 % of them slow for a tenth of the time: false verdicts, packets, detection.

Plain SWIM (no Lifeguard), memberlist's Lifeguard settings and Roost's default, on one seed. Virtual time: the
machine's speed does not matter.
"""

import argparse
import json
import time

from roost.simulator.trials import Options, simulate

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Print one JSON line per detector."""
    parser = argparse.ArgumentParser(prog="bench simulation", description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0, help="of virtual time")
    parser.add_argument("--slow", type=float, default=1.0, help="percent of the nodes")
    parser.add_argument("--trials", type=int, default=1)
    options = parser.parse_args(arguments)
    for profile, witnesses in (("swim", False), ("lan", False), ("default", False), ("default", True)):
        begin = time.monotonic()
        figures = simulate(
            Options(
                nodes=options.nodes,
                profile=profile,
                fault="kill",
                trials=options.trials,
                seconds=options.seconds,
                slow=options.slow / 100,
                witnesses=witnesses,
            )
        )
        who = f"{profile}{' with witnesses' if witnesses else ''}"
        line = {"bench": "simulation", "who": who, "nodes": options.nodes, **figures.as_data()}
        print(json.dumps(line | {"took_s": round(time.monotonic() - begin, 1)}), flush=True)
