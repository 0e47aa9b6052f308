"""Runs benchmarks by name, all without one: `python -m benchmarks [--rounds N] [--list] [NAME …]`."""

import argparse
import importlib
import pkgutil
import sys

import benchmarks as package
from benchmarks.framework import ROUNDS, Skipped, benchmarks, measure
from benchmarks.results import store


def main() -> int:
    """0 when every benchmark met its target, 1 when one missed it, 2 when one was skipped."""
    register_all()
    given = _arguments()
    if given.list:
        print("\n".join(f"{name}: {known.about}" for name, known in sorted(benchmarks.items())))
        return 0
    return max((run(name, given.rounds) for name in given.names or sorted(benchmarks)), default=0)


def register_all() -> None:
    """Import every module of the package, so that its benchmarks are known."""
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "__main__":
            importlib.import_module(f"benchmarks.{module.name}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all without one")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--list", action="store_true", help="show the benchmarks and what each measures")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(benchmarks))
    if unknown:
        parser.error(
            f"no benchmark is called {', '.join(unknown)}; there are {', '.join(sorted(benchmarks))}"
        )
    return given


def run(name: str, rounds: int) -> int:
    """Measure one benchmark and keep its figures; the exit code that it asks for."""
    try:
        result = measure(benchmarks[name], rounds)
    except Skipped as reason:
        print(f"SKIPPED {name}: {reason}", file=sys.stderr)
        return 2
    store({name: result})
    ratio = result["ratio"]
    print(
        f"{name}: ratio {ratio['median']:.2f} [{ratio['min']:.2f}-{ratio['max']:.2f}], "
        f"asked {result['target_ratio']:g}: {'met' if result['is_met'] else 'MISSED'}"
    )
    return 0 if result["is_met"] else 1


if __name__ == "__main__":
    sys.exit(main())
