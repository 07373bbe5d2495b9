"""What `push` shows: what would go up and what was found in it, and afterwards where the release is."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

_MOST = 12  # files of a kind that are named
_NOTES = {
    "added": "new", "changed": "changed", "deleted": "deleted", "unchanged": "as they are there",
}  # fmt: skip


def print_plan(plan: Mapping[str, Any], *, stderr: bool = False) -> None:
    """What a push would do.

    Args:
        plan: `facts()` of a plan, with `not_compared` (why the Hub was not asked) where it was not.
        stderr: print there, for stdout is to hold JSON alone.
    """
    console = Console(highlight=False, stderr=stderr)
    for line in _lines(plan):
        console.print(Text(line), soft_wrap=True)


def _lines(plan: Mapping[str, Any]) -> Iterator[str]:
    what = {"dataset": "data set", "model": "model"}[plan["type"]]
    yield f"{plan['repo']} ({what}) {plan['tag']}, {plan['visibility']}, {plan['license']}"
    if plan["branch"] != "main":
        yield f"too much for one commit: goes to the branch {plan['branch']}, main stays as it is"
    if not plan["compared"]:
        yield f"the Hub was not asked: {plan['not_compared']}; so every file counts as new, and no version was compared"
    for kind, words in _NOTES.items():
        yield from _files(words, plan["files"][kind], named=kind != "unchanged")
    if plan["left_out"]:
        yield f"stay here, for no manifest lists them: {', '.join(plan['left_out'][:_MOST])}"
    scan = plan["scan"]
    yield f"scanned {scan['files']} files, {size(scan['bytes'])}: nothing found that must not go up"
    if scan["in_data"]:
        counts = ", ".join(f"{kind.replace('_', ' ')} {n:,}" for kind, n in scan["in_data"].items())
        yield f"in the texts of the data stand what looks like: {counts}"
    yield from _versions(plan)
    for warning in plan["warnings"]:
        yield f"WARNING: {warning}"


def _versions(plan: Mapping[str, Any]) -> Iterator[str]:
    if plan["since"] is None:
        if plan["compared"]:
            yield "the first release"
        return
    level = f"{plan['level'].upper()}, so {plan['suggested']} or above" if plan["level"] else "not compared"
    yield f"since {plan['since']}: {level}"
    for line in plan["changes"]:
        yield f"  {line}"


def _files(words: str, files: Mapping[str, int], *, named: bool) -> Iterator[str]:
    if not files:
        return
    yield f"{words}: {len(files)} files, {size(sum(files.values()))}"
    if named:
        for path, n in list(files.items())[:_MOST]:
            yield f"  {path}  {size(n)}"
        if len(files) > _MOST:
            yield f"  and {len(files) - _MOST} more (--json has all)"


def print_release(receipt: Mapping[str, Any], outcome: str, file: str) -> None:
    """Where the release is, and how to name it."""
    console = Console(highlight=False)
    name = f"{receipt['repo']}@{receipt['tag']}"
    first = {
        "released": f"released {name}",
        "already there": f"{name} is there already, with this very content; nothing was changed",
    }[outcome]
    for line in (
        first,
        f"  commit   {receipt['commit']}",
        f"  manifest {receipt['manifest_sha256']}",
        f"  {'private' if receipt['private'] else 'public'}; receipt in {file}",
    ):
        console.print(Text(line), soft_wrap=True)


def size(n: int) -> str:
    """Bytes in a unit that people read."""
    value = float(n)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
