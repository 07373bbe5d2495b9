"""Findings: what the runs of a comparison say, as tables of intervals and in plain words."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from syneg_data.judge.arms import ARMS
from syneg_data.judge.measuring import FIGURES, as_json
from syneg_data.judge.runs import UNSEEN, Run
from syneg_data.training.metrics import METRICS, means
from syneg_data.training.statistics import design_effect, paired_interval, reading
from syneg_data.training.trainer import MAIN_METRIC

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONTROLS = ("count_matched", "placebo")
Groups = Mapping[str, Mapping[str, Mapping[str, int]]]  # set -> split -> query_id -> number, see `linked`


def findings(runs: Sequence[Run], dataset: str, groups: Groups | None = None) -> dict[str, Any]:
    """What report.json of a comparison says of its runs.

    Args:
        runs: of all arms.
        dataset: the training set's name; the headline is about it.
        groups: which queries have a positive in common and are drawn together; None: none have.

    Returns:
        `arms`: a row per arm; `tables`: set -> split -> a row per arm with means and intervals; `headline`: the
        comparison that matters, against the best rival on dev; `controls`; `verdict`: sentences.
    """
    by_arm: dict[str, list[Run]] = {}
    for run in runs:
        by_arm.setdefault(run.arm, []).append(run)
    split = _main_split(runs, dataset)
    champion = _champion(by_arm, dataset)
    rival = _best_on_dev([name for name in by_arm if name != champion and _rivals(name, champion)], by_arm, dataset)
    differ = partial(_difference, by_arm, groups or {})
    headline = differ(champion, rival, dataset, split) if champion and rival else None
    controls = {
        name: differ("hybrid", name, dataset, split)
        for name in CONTROLS
        if champion == "hybrid" and name in by_arm and name != rival and (name, rival) != ("count_matched", "gated")
    }
    found = {
        "arms": [_arm_row(name, mine) for name, mine in by_arm.items()],
        "tables": {
            name: {part: _table(by_arm, groups or {}, name, part) for part in parts}
            for name, parts in next(iter(runs)).scores.items()
        },
        "split": split,
        "headline": headline,
        "controls": controls,
    }
    return {**found, "verdict": _verdict(found, dataset, by_arm)}


def differences(
    by_arm: Mapping[str, Sequence[Run]], arm: str, other: str, dataset: str, split: str
) -> "NDArray[np.float64]":
    """Per-query nDCG@10 of one arm less the other's, shape (seeds, queries); a model as it is stands for every seed."""
    import numpy as np

    first, second = by_arm[arm], by_arm[other]
    seeds = sorted({run.seed for run in first if run.learning_rate} & {run.seed for run in second if run.learning_rate})
    if not seeds:  # one of them was not trained
        seeds = sorted({run.seed for run in (*first, *second) if run.learning_rate}) or [first[0].seed]
    rows = []
    for seed in seeds:
        ours, theirs = (_of_seed(runs, seed).scores[dataset][split] for runs in (first, second))
        rows.append([ours[query_id][MAIN_METRIC] - theirs[query_id][MAIN_METRIC] for query_id in ours])
    return np.array(rows)


def _of_seed(runs: Sequence[Run], seed: int) -> Run:
    return next((run for run in runs if run.seed == seed), runs[0])


def _main_split(runs: Sequence[Run], dataset: str) -> str:
    """The split that the headline is about: test, unless the source has none."""
    splits = [split for split in runs[0].scores[dataset] if UNSEEN not in split]
    return "test" if "test" in splits else next((s for s in splits if s != "dev"), "dev")


def _champion(by_arm: Mapping[str, Sequence[Run]], dataset: str) -> str | None:
    """The arm that the headline is about: hybrid if it ran, else the best trained one on dev."""
    if "hybrid" in by_arm:
        return "hybrid"
    return _best_on_dev([name for name in by_arm if ARMS[name].trains], by_arm, dataset)


def _rivals(name: str, champion: str | None) -> bool:
    return ARMS[name].trains and (champion != "hybrid" or ARMS[name].mined_only)


def _best_on_dev(names: Sequence[str], by_arm: Mapping[str, Sequence[Run]], dataset: str) -> str | None:
    """Chosen on dev, so that the choice owes nothing to the split it is judged on."""
    return max(names, key=lambda name: (_mean(by_arm[name], dataset, "dev"), name), default=None)


def _mean(runs: Sequence[Run], dataset: str, split: str, metric: str = MAIN_METRIC) -> float:
    return sum(means(run.scores[dataset][split])[metric] for run in runs) / len(runs)


def _difference(
    by_arm: Mapping[str, Sequence[Run]], groups: Groups, arm: str, other: str, dataset: str, split: str
) -> dict[str, Any]:
    table, numbers = differences(by_arm, arm, other, dataset, split), _numbers(by_arm[arm][0], groups, dataset, split)
    interval, effect = paired_interval(table, groups=numbers), design_effect(table, numbers)
    found = {"arm": arm, "against": other, **as_json(interval), "reading": reading(interval)}
    return {**found, "design_effect": round(effect, FIGURES)}


def _numbers(run: Run, groups: Groups, dataset: str, split: str) -> list[int]:
    """The group of each query that a run was measured on; without groups every query is one by itself."""
    query_ids = run.scores[dataset][split]
    number = groups.get(dataset, {}).get(split.removesuffix(UNSEEN))
    return list(range(len(query_ids))) if number is None else [number[query_id] for query_id in query_ids]


def _arm_row(name: str, runs: Sequence[Run]) -> dict[str, Any]:
    first = runs[0]
    return {
        "arm": name,
        "what": ARMS[name].what,
        "negatives": first.slots,
        "steps": first.steps,
        "learning_rate": first.learning_rate,
        "tried": dict(first.tried),
        "seeds": len(runs),
        "seconds": round(sum(run.seconds for run in runs), 1),
        "shortcuts": _mean_shortcuts(runs),
    }


def _mean_shortcuts(runs: Sequence[Run]) -> dict[str, Any]:
    """Kind -> accuracy and gap, averaged over seeds."""
    found = {}
    for kind in runs[0].shortcuts:
        every = [run.shortcuts[kind] for run in runs]
        found[kind] = {
            "accuracy": round(sum(one["accuracy"] for one in every) / len(every), FIGURES),
            "gap": round(sum(one["gap"] for one in every) / len(every), FIGURES),
            "comparisons": every[0]["comparisons"],
        }
    return found


def _table(by_arm: Mapping[str, Sequence[Run]], groups: Groups, dataset: str, split: str) -> list[dict[str, Any]]:
    """A row per arm: means over queries and seeds, and the difference to the base model and to the batch alone."""
    rows = []
    for name, runs in by_arm.items():
        if split not in runs[0].scores[dataset]:
            continue
        row: dict[str, Any] = {
            "arm": name,
            **{metric: round(_mean(runs, dataset, split, metric), FIGURES) for metric in METRICS},
            "queries": len(runs[0].scores[dataset][split]),
        }
        for other in ("none", "in_batch"):
            drawn = len(set(_numbers(runs[0], groups, dataset, split)))
            possible = other in by_arm and other != name and drawn > 1
            row[f"to_{other}"] = _difference(by_arm, groups, name, other, dataset, split) if possible else None
        row["below_none"] = bool(row["to_none"] and row["to_none"]["mean"] < 0)
        rows.append(row)
    return rows


def _verdict(found: Mapping[str, Any], dataset: str, by_arm: Mapping[str, Sequence[Run]]) -> list[str]:
    """The findings as sentences; the first one is the headline."""
    said = []
    headline, split = found["headline"], found["split"]
    if headline is None:
        said.append("Fewer than two trained arms: there is nothing to compare; name more arms.")
    else:
        said.append(f"On {dataset}/{split}, {_sentence(headline)}; the rival was chosen on dev.")
        if split == "dev":
            said.append("There is no test split: rates and rival were chosen on these very queries, which flatters.")
    for name, control in found["controls"].items():
        said.append(f"Against the control {name} ({ARMS[name].what.removeprefix('control: ')}): {_sentence(control)}.")
        if control["reading"] != "better":
            said.append(_MEANING[name])
    below = [row for row in found["tables"][dataset][split] if row["below_none"]]
    if below:
        harmful = [row["arm"] for row in below if row["to_none"]["reading"] == "worse"]
        harm = f"it does harm with {', '.join(harmful)}" if harmful else "no interval lies wholly below 0"
        names = ", ".join(row["arm"] for row in below)
        said.append(f"WARNING: training leaves these arms below no fine-tuning on {dataset}/{split}: {names}; {harm}.")
    shares = [("" if len(runs) > 1 else name) for name, runs in by_arm.items() if ARMS[name].trains]
    if any(shares):
        said.append("One seed only: the intervals say nothing of what another seed would give; use --seeds 3 or more.")
    return said


_MEANING = {
    "count_matched": "So nothing shows that synthetic negatives do more than further mined ones would.",
    "placebo": "So nothing shows that it matters what the synthetic negatives say, or for which query.",
}


def _sentence(difference: Mapping[str, Any]) -> str:
    names = f"{difference['arm']} {{}} {difference['against']}"
    said = {"better": names.format("is better than"), "worse": names.format("is WORSE than")}
    return (
        f"{said.get(difference['reading'], 'no effect was found of ' + names.format('over'))}: nDCG@10 "
        f"{difference['mean']:+.4f}, 95 % interval {difference['low']:+.4f} to {difference['high']:+.4f} over "
        f"{difference['covers']} ({difference['queries']} queries; seeds: {difference['seeds']})"
    )
