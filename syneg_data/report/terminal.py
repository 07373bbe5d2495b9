"""What a person sees while a build runs and when it ends: progress, the funnel, the story of a query."""

import time
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

_EVERY = 5.0  # seconds between plain progress lines


class TerminalProgress:
    """Progress with rate and time left: bars on a terminal, a line now and then elsewhere. Goes to stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._total = self._done = self._reused = 0
        self._started = self._said = 0.0

    def start(self, stage: str, total: int, unit: str) -> None:
        """A stage of `total` items begins."""
        self._stage, self._total, self._done, self._reused = f"{stage} ({unit})", total, 0, 0
        self._started = self._said = time.monotonic()
        if self._live:
            self._bars = Progress(
                TextColumn("{task.description:24}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._bars.start()
            self._task = self._bars.add_task(self._stage, total=total, rate="")

    def advance(self, items: int, *, reused: bool = False) -> None:
        """`items` more are done."""
        self._done += items
        self._reused += items if reused else 0
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, advance=items, rate=self._rate())
        elif time.monotonic() - self._said > _EVERY and self._done < self._total:
            self._said = time.monotonic()
            self._line()

    def finish(self) -> None:
        """The stage has ended."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        else:
            self._line()

    def _line(self) -> None:
        left = ""
        fresh = self._done - self._reused
        if fresh and self._done < self._total:
            seconds = (time.monotonic() - self._started) / fresh * (self._total - self._done)
            left = f", about {_duration(seconds)} left"
        reused = f", {self._reused} from an earlier run" if self._reused else ""
        self._console.print(f"{self._stage}: {self._done}/{self._total} {self._rate()}{left}{reused}", markup=False)

    def _rate(self) -> str:
        fresh, seconds = self._done - self._reused, time.monotonic() - self._started
        return f"{fresh / seconds:.1f}/s" if fresh and seconds > 0 else ""


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def funnel_table(report: dict[str, Any]) -> Table:
    """The ledger as a table: a row per stage."""
    table = Table(title="What became of every row", title_justify="left")
    for name in ("stage", "unit", "in", "kept", "rejected", "failed"):
        table.add_column(name, justify="right" if name in ("in", "kept") else "left")
    for stage, entry in report["stages"].items():
        parts = ((f"{stage} ({name})", entry.get(name)) for name in ("pairs", "relevance"))
        for label, row in ((stage, entry), *parts):
            if row:
                reasons = [
                    ", ".join(f"{k} {n}" for k, n in row[part].items()) or "-" for part in ("rejected", "failed")
                ]
                table.add_row(label, row["unit"], str(row["in"]), str(row["kept"]), *reasons)
    return table


def attribute_table(rows: list[dict[str, Any]]) -> Table:
    """Requested against achieved attributes: medians over the kept drafts of each value."""
    table = Table(title="Asked for, and what came (medians)", title_justify="left")
    for name in ("strategy", "attribute", "drafts", "kept", "length / positive", "reading grade", "same language"):
        table.add_column(name, justify="left" if name in ("strategy", "attribute") else "right")
    for row in rows:
        name = f"{row['axis']}: {row['value']}" if row["value"] else "all"
        measures = ("-" if row[m] is None else str(row[m]) for m in ("length_ratio", "reading_grade", "same_language"))
        table.add_row(Text(row["strategy"]), Text(name), str(row["drafts"]), str(row["kept"]), *measures)
    return table


def print_result(report: dict[str, Any], run: dict[str, Any], folder: str | None) -> None:
    """The end of a build: funnel, tokens, time, and where the result is."""
    console = Console(highlight=False)
    console.print(funnel_table(report))
    if attributes := report.get("attributes"):
        console.print(attribute_table(attributes))
    tokens = report.get("tokens")
    if tokens:
        wasted = ", ".join(f"{state} {n:,}" for state, n in tokens["wasted"].items()) or "none"
        console.print(
            f"tokens: {tokens['in']:,} read ({tokens['cached']:,} of them cached), {tokens['out']:,} written; "
            f"for replies not kept: {wasted}; per kept draft: {tokens['per_accepted']}\n"
            f"this run: {run['engine_requests']} asked of the engine, {run['replies_reused']} replies from the store",
            markup=False,
        )
        if critic := report.get("critic"):
            verdict = "passed" if critic["passed"] else "FAILED, so it judged no draft"
            accuracy = f"balanced accuracy {critic['balanced_accuracy']} on {critic['cases']} texts"
            console.print(f"the critic's exam: {accuracy}: {verdict}", markup=False)
    for entry in report.get("validation", {}).get("rerankers", []):
        console.print(
            f"{entry['name']}: AUC of known positives against random documents {_number(entry['auc_random'])}, against "
            f"mined candidates {_number(entry['auc_mined'])}; rule {entry['bar']['rule']}",
            markup=False,
        )
    if joint := report.get("validation", {}).get("joint"):
        fitted = ", ".join(f"{name} {value}" for name, value in joint.items() if name != "rule")
        console.print(f"one curve over all their scores: {fitted}", markup=False)
    if review := report.get("review"):
        print_review(review)
    if mixing := report.get("mixing"):
        console.print(_mixed(mixing), markup=False)
    seconds = ", ".join(f"{stage} {_duration(value)}" for stage, value in run["seconds"].items())
    console.print(f"time: {seconds}", markup=False)
    if folder is not None:
        console.print(f"{report['examples']} examples in {folder}", markup=False)


def _mixed(mixing: dict[str, Any]) -> str:
    """What came of mixing, in a line or two."""
    sizes = ", ".join(f"{n} with {size}" for size, n in mixing["negatives_per_example"].items())
    ratio = mixing["synthetic_per_mined"]
    more = [
        f"{ratio} synthetic per mined negative" if ratio is not None else "",
        f"{mixing['backfilled']} filled in from other sources" if mixing["backfilled"] else "",
        f"{mixing['capped']} passed over at the cap" if mixing["capped"] else "",
        f"no document more than {mixing['most_often']} times" if mixing["most_often"] else "",
    ]
    return f"mixing ({mixing['kind']}): examples: {sizes or 'none'}; " + ", ".join(filter(None, more))


def print_story(story: dict[str, Any]) -> None:
    """Everything about one query: texts, every candidate, scores, verdict and why."""
    console = Console(highlight=False)
    console.print(Text(f"query {story['query_id']}: {story['query']}", style="bold"))
    for positive in story["positives"]:
        console.print(Text(f"  positive {positive['doc_id']}: {_short(positive['text'])}"))
    table = Table(show_lines=True)
    for name in ("document", "from", "relevance", "positive", "verdict", "why", "used"):
        table.add_column(name, overflow="fold")
    for row in story["candidates"]:
        where = ", ".join(f"{hit['source']} #{hit['rank']} ({_number(hit['score'])})" for hit in row["sources"])
        table.add_row(
            Text(f"{row['doc_id']}\n{_short(row['text'])}"),
            Text(f"{row['origin']}\n{where}"),
            _number(row["relevance"]),
            _number(row["positive_relevance"]),
            f"{row['verdict']} ({row['stage']})",
            row["reason"] or "selected",
            "yes" if row["selected"] else "no",
        )
    console.print(table)
    for row in story["generations"]:
        asked = "; ".join(f"{a['axis']}: {a['value']}" for a in row["attributes"])
        what = "critique of draft" if row["role"] == "critique" else "draft"
        head = (
            f"{what} {row['slot']} by {row['strategy']}, round {row['round']}, attempt {row['attempt']}: {row['state']}"
        )
        console.print(Text(f"{head} ({row['tokens_in']} tokens in, {row['tokens_out']} out; {asked})"))
        console.print(Text(f"  {_short(row['reply'], 600)}"))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _short(text: str, length: int = 160) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def print_changes(found: dict[str, Any]) -> None:
    """What another gate would change."""
    console = Console(highlight=False)
    table = Table(title="Verdicts of the candidates", title_justify="left")
    for name in ("verdict", "before", "after"):
        table.add_column(name, justify="left" if name == "verdict" else "right")
    for verdict in sorted({*found["before"], *found["after"]}):
        table.add_row(verdict, str(found["before"].get(verdict, 0)), str(found["after"].get(verdict, 0)))
    console.print(table)
    for row in found["moved"]:
        console.print(f"{row['source']}: {row['count']} from {row['from']} to {row['to']}", markup=False)
    for entry in found["rerankers"]:
        fitted = ", ".join(f"{name} {value}" for name, value in entry["bar"].items())
        console.print(f"{entry['name']}: {fitted}", markup=False)
    console.print(f"examples: {found['examples']['before']} before, {found['examples']['after']} after", markup=False)
    if "applied" in found:
        _print_applied(console, found["recipe"])
    else:
        console.print("nothing was rewritten; --apply RECIPE builds it, or change the recipe", markup=False)


def _print_applied(console: Console, recipe: dict[str, Any]) -> None:
    """That the build has the gate now, and how the recipe file gets it."""
    if not recipe["to_write"]["validation"]:
        console.print(f"the build folder was built anew with this gate; {recipe['file']} says the same", markup=False)
        return
    console.print(
        f"the build folder was built anew with this gate; {recipe['file']} is unchanged, and building it again would "
        "undo this. To keep the gate, let it say:",
        markup=False,
    )
    lines = yaml.safe_dump(recipe["to_write"], sort_keys=False, allow_unicode=True, width=1000)
    console.print(lines.rstrip(), markup=False, soft_wrap=True)


def print_review(found: dict[str, Any]) -> None:
    """What a second opinion shows."""
    console = Console(highlight=False)
    table = Table(title=f"Relevant, says the {found['by']}", title_justify="left")
    for name in ("candidates", "judged", "relevant", "rate", "95 % interval"):
        table.add_column(name, justify="left" if name == "candidates" else "right")
    rows = {"kept": found["kept"], **{f"  {name}": entry for name, entry in found["sources"].items()}}
    for name, entry in {**rows, "refused as false negatives": found["refused"]}.items():
        interval = "-" if entry["low"] is None else f"{entry['low']:.4f} to {entry['high']:.4f}"
        table.add_row(Text(name), str(entry["judged"]), str(entry["relevant"]), _number(entry["rate"]), interval)
    console.print(table)
    console.print(f"agreement with the gate beyond chance (Cohen's kappa): {_number(found['kappa'])}", markup=False)
    if "auc_random" in found:
        told = (
            f"{_number(found['auc_random'])} against random documents, {_number(found['auc_mined'])} against mined ones"
        )
        console.print(f"{found['by']} tells known positives (AUC): {told}", markup=False)
