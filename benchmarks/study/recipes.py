"""A condition of the protocol as a recipe."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.cases import collections
from benchmarks.cases.worth import gate, miners
from benchmarks.study.protocol import SEED, Changes, Condition, Generator, Ground, syneg


def recipe(
    ground: Ground,
    generator: Generator,
    condition: Condition,
    rates: Sequence[float],
    *,
    test: bool = False,
    student: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What is built and compared; of the splits to measure on, `test` is not even read before the last stage.

    Args:
        ground: the collection.
        generator: who writes.
        condition: what differs from the base condition.
        rates: learning rates to try.
        test: the last stage.
        student: reference of the model to train; None: the folder that the environment names.

    Raises:
        Skipped: the collection or the student is not here.
    """
    text: dict[str, Any] = {
        "name": f"{ground.name}-{generator.name}-{condition.name}".replace("_", "-"),
        "seed": SEED,
        "source": {
            "kind": "beir",
            "license": ground.of.license,
            "path": ground.of.folder(),
            "split": "train",
            "dev": ground.dev,
            "evaluation": ["dev", "test"] if test else ["dev"],
        },
        "mining": miners(),
        "generation": {
            "engine": {"kind": "vllm", "max_model_len": 4096, "model": dict(generator.model)},
            "strategies": [syneg(ground, generator.per_pair)],
            "reflection": {"kind": "inline"},
            "sampling": {"temperature": 0.7, "max_tokens": 448, "attempts": 2},
            "terms": "apache-2.0",
        },
        "validation": gate(),
        "mixing": {"kind": "hybrid", "synthetic": 1, "mined": 2, "shortage": "drop"},
        "publishing": {"license": ground.of.license},
        "training": {
            "base": dict(student) if student else {"kind": "path", "path": collections.student()},
            "epochs": 2,
            "batch_size": 16,
            "max_length": 128,
            "precision": "bfloat16",
            "checks": 1,
        },
        "comparison": {"learning_rates": list(rates), "held_out": 0.0},
    }
    if ground.limit is not None:
        text["limit"] = ground.limit
    return changed(text, condition.changes(ground, generator.per_pair))


def changed(text: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """A copy of a recipe with other values at some dotted paths; None takes out what stands there."""
    copied = copy.deepcopy(dict(text))
    for path, value in changes.items():
        *parents, last = path.split(".")
        section = copied
        for name in parents:
            section = section.setdefault(name, {})
        if value is None:
            section.pop(last, None)
        else:
            section[last] = value
    return copied
