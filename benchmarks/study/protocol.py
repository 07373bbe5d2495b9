"""The protocol of docs/study.md as data: collections, generators, conditions, arms, rates and seeds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cases.collections import MEDQUAD, SCIFACT, SQUAD, Collection
from benchmarks.cases.mixtures import QWEN, SMOLLM2

SEED = 13
ABLATION_SEEDS, TEST_SEEDS = 3, 5
RATES = (5e-5, 1e-4, 2e-4, 4e-4, 8e-4)
RATE_ARMS = ("gated", "hybrid")
RIVALS = ("in_batch", "gated")  # of an ablation: the better one on dev counts
TEST_ARMS = (
    "none", "in_batch", "random", "bm25", "nearest", "dense", "gated", "synthetic", "pooled", "hybrid", "placebo",
)  # fmt: skip
BESIDE_ARMS = ("none", "in_batch", "dense", "gated", "synthetic", "hybrid")  # of a test that decides nothing
SCREEN = "squad-nqg-small"  # where conditions are measured first
# A condition that serves fewer pairs, or less of base's, is reported and not chosen; a generator that serves less of
# another's does not decide.
LEAST_PAIRS, LEAST_SHARE = 30, 0.5
POSITIVE_WORDS = 160  # of the positive that a prompt shows


@dataclass(frozen=True)
class Ground:
    """A collection that is trained and measured on.

    Attributes:
        name: of its folder, too.
        of: where it lies and what it is about.
        dev: share of the train queries set aside as dev; 0: it has a dev split.
        limit: training queries; None for all.
        rates: learning rates that are tried.
    """

    name: str
    of: Collection
    dev: float = 0.0
    limit: int | None = None
    rates: tuple[float, ...] = RATES


GROUNDS = {
    ground.name: ground
    for ground in (
        Ground("medquad-small", MEDQUAD, limit=600),
        Ground("squad-nqg-small", SQUAD, limit=600, rates=(1.25e-5, 2.5e-5, 5e-5, 1e-4, 2e-4)),
        Ground("scifact", SCIFACT, dev=0.2),
    )
}


@dataclass(frozen=True)
class Generator:
    """A language model that writes negatives.

    Attributes:
        name: in the rows.
        title: on the page.
        model: reference of a recipe.
        per_pair: drafts for each pair in the base condition.
        promoted: conditions, at most, that are measured on the other collections too.
    """

    name: str
    title: str
    model: Mapping[str, Any]
    per_pair: int
    promoted: int


GENERATORS = {
    "smollm2": Generator("smollm2", "SmolLM2-135M-Instruct", SMOLLM2, 2, promoted=2),
    "qwen": Generator("qwen", "Qwen2.5-Coder-1.5B-Instruct", QWEN, 1, promoted=1),
}

Changes = Mapping[str, Any]  # dotted path in the recipe -> what stands there instead


def attributes(ground: Ground) -> dict[str, list[str]]:
    """The paper's axes."""
    return {
        "domain": list(ground.of.domains),
        "difficulty": ["elementary and middle school", "high school and undergraduate"],
        "length": ["approximately the same as", "nearly the same as"],
    }


def syneg(ground: Ground, per_pair: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """The strategy of the base condition, with some fields changed."""
    return {
        "kind": "syneg",
        "genre": ground.of.genre,
        "positive_words": POSITIVE_WORDS,
        "per_pair": per_pair,
        "attributes": attributes(ground),
        **fields,
    }


@dataclass(frozen=True)
class Condition:
    """One change of the base condition.

    Attributes:
        name: in the rows.
        factor: what is changed; empty: the base condition itself.
        level: to what.
        changes: of the recipe, given collection and drafts per pair.
        arm: the one that the mined-only arm is compared with.
        eligible: whether it can be chosen for the test.
    """

    name: str
    factor: str
    level: str
    changes: Callable[[Ground, int], Changes] = field(default=lambda ground, per_pair: {})
    arm: str = "hybrid"
    eligible: bool = True


def _mixing(synthetic: int, mined: int) -> Changes:
    return {"mixing.synthetic": synthetic, "mixing.mined": mined}


CONDITIONS = {
    condition.name: condition
    for condition in (
        Condition("base", "", "base"),
        Condition(
            "rewrite", "strategy", "rewrite of a near-miss",
            lambda ground, n: {
                "generation.strategies": [{"kind": "rewrite", "per_pair": n, "base_words": POSITIVE_WORDS}]
            },
        ),
        Condition(
            "rewrite_positive", "strategy", "rewrite of the positive",
            lambda ground, n: {
                "generation.strategies": [
                    {"kind": "rewrite", "base": "positive", "per_pair": n, "base_words": POSITIVE_WORDS}
                ]
            },
        ),
        Condition(
            "graded", "strategy", "graded",
            lambda ground, n: {
                "generation.strategies": [{"kind": "graded", "positive_words": POSITIVE_WORDS}],
                "generation.sampling.max_tokens": 1024,  # four passages in one reply
            },
        ),
        Condition(
            "no_attributes", "attributes", "none",
            lambda ground, n: {"generation.strategies": [syneg(ground, n, attributes={})]},
        ),
        Condition(
            "much_shorter", "attributes", "much shorter than the positive",
            lambda ground, n: {
                "generation.strategies": [
                    syneg(ground, n, attributes={**attributes(ground), "length": ["shorter than", "much shorter than"]})
                ]
            },
        ),
        Condition("no_reflection", "reflection", "none", lambda ground, n: {"generation.reflection.kind": "none"}),
        Condition(
            "critique", "reflection", "critique",
            lambda ground, n: {"generation.reflection": {"kind": "critique", "on_fail": "ignore"}},
        ),
        Condition(
            "two_to_one", "synthetic per mined", "2 to 1",
            lambda ground, n: {"generation.strategies": [syneg(ground, 2 * n)], **_mixing(2, 1)},
        ),
        Condition("two", "negatives", "2 (1 to 1)", lambda ground, n: _mixing(1, 1)),
        Condition(
            "six", "negatives", "6 (2 to 4)",
            lambda ground, n: {"generation.strategies": [syneg(ground, 2 * n)], **_mixing(2, 4)},
        ),
        Condition(
            "no_gate", "gate", "lets false negatives pass",
            lambda ground, n: {"validation.rule": {"kind": "calibrated", "maximum": 1.0}},
        ),
        Condition(
            "restyled", "positives", "restyled",
            lambda ground, n: {
                "generation.strategies": [syneg(ground, n), {"kind": "restyle", "positive_words": POSITIVE_WORDS}],
                "mixing.restyled": 1.0,
            },
            arm="restyled",
            eligible=False,  # its positives differ, too
        ),
        Condition(
            "matched_lengths", "length matching", "nearest to the positive",
            lambda ground, n: {"mixing.match_lengths": "positive"},
        ),
        Condition("cold", "temperature", "0.3", lambda ground, n: {"generation.sampling.temperature": 0.3}),
        Condition("hot", "temperature", "1.1", lambda ground, n: {"generation.sampling.temperature": 1.1}),
        Condition(
            "distillation", "objective", "distillation",
            lambda ground, n: {"training.objective": {"kind": "distillation"}},
            eligible=False,  # most mined-only arms have no scores to follow
        ),
    )
}  # fmt: skip
# Of no generator: mined negatives for all pairs that have enough of them, whether or not a generator could serve them.
ALONE = Condition(
    "alone", "generation", "none",
    lambda ground, n: {
        "generation": None,
        "mixing": {"kind": "mined_only", "mined": 3, "shortage": "drop"},
    },
    arm="gated",
    eligible=False,
)  # fmt: skip
NOBODY = Generator("none", "nobody", {}, 0, promoted=0)
ALONE_ARMS = ("none", "gated")
