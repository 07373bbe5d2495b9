"""The card of a trained retriever: every number from training.json, and none of the texts it was trained on."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from syneg_data.errors import InputError
from syneg_data.publishing import markdown
from syneg_data.publishing.card import template
from syneg_data.publishing.model_front_matter import base_name, model_front_matter, order_of
from syneg_data.publishing.released import marks
from syneg_data.publishing.weights_license import Origins, because, owed
from syneg_data.publishing.words import OBJECTIVES, SENTENCE_BERT, SYNEG
from syneg_data.training.metrics import METRICS


def render_model_card(facts: Mapping[str, Any]) -> str:
    """README.md of a retriever's folder; the same facts give the same bytes.

    Args:
        facts: what training.json holds.
    """
    data, license = facts["data"], facts["license"]
    origins = origins_of(facts)
    objective = facts["settings"]["objective"]
    return template("model_card.md.jinja")(
        front_matter=model_front_matter(facts),
        facts=facts,
        data=data,
        data_label=_label(data["repo"]) or facts["dataset"],
        headline=_headline(facts),
        readings=[reading for split in order_of(facts["before"]) for reading in _readings(facts, split)],
        unread=[sentence for split in order_of(facts["before"]) for sentence in _unread(facts, split)],
        bm25=facts["baselines"]["bm25"]["settings"],
        objective=OBJECTIVES[objective["kind"]]
        if objective.get("in_batch", True)
        else "the positive against its own hard negatives alone, softmax over cosines",
        license=license,
        because=because(
            origins,
            base_name(facts),
            data["license_name"],
            None if license is None else license["name"] or license["id"],
            chosen=bool(license and license["chosen"]),
        ),
        owed=owed(origins, license["id"]) if license else [],
        prefix=origins.prefix(),
        written=facts["synthetic"]["negatives"] > 0,
        command=_command(facts),
        version=facts["tool"].rpartition(" ")[2],
        citations=[*([SYNEG] if facts["synthetic"]["negatives"] else []), SENTENCE_BERT],
        mark=marks(),
    )


def origins_of(facts: Mapping[str, Any]) -> Origins:
    """Whose work is in the weights, by what training.json holds."""
    data = facts["data"]
    return Origins(facts["base_license"], data["license"], data["source_license"], data["terms"])


def refusals(facts: Mapping[str, Any], repo: str) -> list[str]:
    """Why a retriever must not be published as `repo`: what, and what to do. Empty if nothing speaks against it.

    `push` calls this before it writes anything, and refuses with every one of them.

    Args:
        facts: what training.json holds.
        repo: `owner/name` of the repository.

    Raises:
        InputError: training.json is none that this version wrote.
    """
    try:
        return list(_refusals(facts, repo))
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"training.json: is not as this version of `train` writes it ({type(error).__name__}: {error}); run the "
            "same `syneg-data train` again"
        ) from error


def _refusals(facts: Mapping[str, Any], repo: str) -> Iterator[str]:
    origins = origins_of(facts)
    say = "name one with `syneg-data train ... --license ID`, which trains nothing anew"
    if facts["license"] is None:
        why = "; because ".join(origins.doubts())
        yield f"the retriever has no licence, because {why}; {say}"
    elif why_not := origins.against(facts["license"]["id"]):
        yield f"the retriever's licence {facts['license']['id']}: {why_not}: {say}"
    prefix = origins.prefix()
    if prefix and not repo.partition("/")[2].startswith(prefix):
        yield (
            f"{repo}: the terms of the base model or of the generator want the name of a model to begin with {prefix}; "
            f"push to {repo.partition('/')[0]}/{prefix}-{repo.partition('/')[2]}"
        )


def _label(repo: Mapping[str, Any] | None) -> str | None:
    return None if repo is None else f"{repo['id']}@{repo['tag'] or repo['commit']}"


def _headline(facts: Mapping[str, Any]) -> str:
    """What training did and how it compares, in both readings, on test where there is one."""
    splits = order_of(facts["before"])
    if not splits:
        return "Nothing was measured: the data set has no split to measure on."
    split, bm25 = splits[0], facts["baselines"]["bm25"]
    unseen = facts["unseen"][split]
    every = {"before": facts["before"][split], "after": facts["after"][split], "gain": facts["gain"][split]}
    there = {"metrics": bm25["metrics"][split], "gain": bm25["gain"][split]}
    said = [f"On {markdown.count(unseen['of'])} queries of split {markdown.code(split)} nDCG@10 {_went(every, there)}"]
    if 0 < unseen["queries"] < unseen["of"]:
        new = f"On the {markdown.count(unseen['queries'])} of them none of whose positives was trained on"
        said.append(f"{new} it {_went(unseen, bm25['unseen'][split])}")
    if split == "dev" and facts["settings"]["checks"]:
        said.append("The best weights were chosen on this split, which flatters them.")
    return " ".join(said)


def _went(reading: Mapping[str, Any], bm25: Mapping[str, Any]) -> str:
    """Before, after and BM25 in one reading, as the end of a sentence and another one."""
    metric = "nDCG@10"
    told = {
        1: "training helped",
        0: "training is not told apart from no effect",
        -1: "training made it worse",
        None: "there are too few queries for an interval",
    }[_sign(reading["gain"][metric])]
    held = {
        1: "is better than",
        0: "is not told apart from",
        -1: "is worse than",
        None: "cannot be compared with",
    }[_sign(bm25["gain"][metric])]
    return (
        f"went from {reading['before'][metric]:.4f} to {reading['after'][metric]:.4f}: {told}. The model {held} BM25, "
        f"which has {bm25['metrics'][metric]:.4f} there."
    )


def _sign(gain: Mapping[str, Any] | None) -> int | None:
    """1 or -1 where the interval lies on one side of 0, 0 where it holds 0, None without one."""
    if not gain:
        return None
    return 1 if gain["low"] > 0 else -1 if gain["high"] < 0 else 0


def _readings(facts: Mapping[str, Any], split: str) -> list[dict[str, Any]]:
    """The tables of a split: all its queries, and where they are fewer those whose positives were not trained on."""
    unseen, bm25 = facts["unseen"][split], facts["baselines"]["bm25"]
    every = {"before": facts["before"][split], "after": facts["after"][split], "gain": facts["gain"][split]}
    found = [
        {
            "title": f"Split {markdown.code(split)}, all {markdown.count(unseen['of'])} queries",
            "rows": _rows(every, bm25["metrics"][split], bm25["gain"][split]),
        }
    ]
    if 0 < unseen["queries"] < unseen["of"]:
        n = markdown.count(unseen["queries"])
        new = bm25["unseen"][split]
        found.append(
            {
                "title": f"Split {markdown.code(split)}, the {n} queries none of whose positives was trained on",
                "rows": _rows(unseen, new["metrics"], new["gain"]),
            }
        )
    return found


def _rows(reading: Mapping[str, Any], bm25: Mapping[str, float], over_bm25: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {
            "metric": metric,
            "bm25": f"{bm25[metric]:.4f}",
            "before": f"{reading['before'][metric]:.4f}",
            "after": f"{reading['after'][metric]:.4f}",
            "gain": _interval(reading["gain"][metric]),
            "over": _interval(over_bm25[metric]),
        }
        for metric in METRICS
    ]


def _interval(gain: Mapping[str, Any] | None) -> str:
    """A difference with its interval, which stays on one line (no-break spaces) where a cell is narrow."""
    return f"{gain['mean']:+.4f} ({gain['low']:+.4f}\xa0to\xa0{gain['high']:+.4f})" if gain else "-"


def _unread(facts: Mapping[str, Any], split: str) -> list[str]:
    """Where the second reading is no table: it would be the first one again, or be empty."""
    unseen = facts["unseen"][split]
    if unseen["queries"] == unseen["of"]:
        return [
            f"No query of split {markdown.code(split)} has a positive that was trained on, so both readings are one."
        ]
    if unseen["queries"] == 0:
        return [
            f"Every query of split {markdown.code(split)} has a positive that was trained on, so there is no second "
            "reading, and the first one flatters."
        ]
    return []


def _command(facts: Mapping[str, Any]) -> str:
    """The command that trains it again, on lines that a page has room for."""
    settings, data = facts["settings"], _label(facts["data"]["repo"])
    lines = [["syneg-data", "train", data or markdown.plain(facts["dataset"]), "--out", "DIR"]]
    if facts["base_model"]:
        lines.append(["--base", "{id}@{revision}".format(**facts["base_model"])])
    options = [(f"--{name.replace('_', '-')}", settings[name]) for name in ("epochs", "batch_size", "learning_rate")]
    lines.append([str(word) for option in (*options, ("--seed", facts["seed"])) for word in option])
    return " \\\n  ".join(map(shlex.join, lines))
