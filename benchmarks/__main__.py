"""`python -m benchmarks [NAME] [--quick]`: run the benchmarks, keep their results, show the table."""

import argparse
import importlib
import os
import pkgutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import benchmarks
from benchmarks.measuring import Skipped, machine
from benchmarks.results import FOLDER, README, Result, keep, read_all, table, update_readme
from syneg_data.durable import cache_root


def found() -> dict[str, Any]:
    """Every benchmark by name: the modules of this folder that have cases."""
    names = [info.name for info in pkgutil.iter_modules(benchmarks.__path__) if not info.ispkg]
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in names if name != "__main__"}
    return {name: module for name, module in modules.items() if hasattr(module, "CASES")}


def main() -> int:
    """Run what the command line asks for."""
    known = found()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(known), help="default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes: minutes, and rougher figures")
    parser.add_argument("--case", help="only this case of the benchmark; its other rows stay as they are")
    options = parser.parse_args()
    for name in [options.name] if options.name else sorted(known):
        run(name, known[name].CASES, options.quick, options.case)
    sys.stdout.write(table(read_all(FOLDER)) + "\n")
    return 0


def run(name: str, cases: dict[str, Any], quick: bool, only: str | None) -> None:
    """Run the cases of one benchmark and keep each one's rows as soon as it has ended."""
    if only is not None and only not in cases:
        sys.exit(f"--case {only}: {name} has no such case; choose from {', '.join(cases)}")
    for case, measure in cases.items():
        if only not in (None, case):
            continue
        started = time.monotonic()
        sys.stdout.write(f"{name}: {case} ...\n")
        sys.stdout.flush()
        try:
            rows = measure(quick)
        except Skipped as reason:
            sys.stdout.write(f"{name}: {case} skipped: {reason}\n")
            continue
        keep(FOLDER, Result(name, time.strftime("%Y-%m-%d", time.gmtime()), machine(), tuple(rows)), list(cases))
        update_readme(README, FOLDER)
        sys.stdout.write(f"{name}: {case} took {time.monotonic() - started:.0f} s\n")
        sys.stdout.flush()


def on_a_cache_of_its_own() -> int:
    """Run with stores that nobody else writes to, and the models that this machine has already."""
    models = cache_root() / "models"
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        (Path(scratch) / "models").symlink_to(models)
        os.environ["SYNEG_CACHE"] = scratch
        return main()


if __name__ == "__main__":
    sys.exit(on_a_cache_of_its_own())
