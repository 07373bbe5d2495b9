"""The stage audit: figures of the finished set, measured once for the same set, and the recipe's gates held to them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from syneg_data import __version__
from syneg_data.audit.evaluation import digests, read_evaluation
from syneg_data.audit.gates import hold, violations
from syneg_data.audit.measures import Measure
from syneg_data.audit.registry import detectors, examine
from syneg_data.audit.section import Audit
from syneg_data.audit.subject import Embed, Subject
from syneg_data.collection import Collection
from syneg_data.encoders.bi_encoder import BiEncoder
from syneg_data.errors import GateError
from syneg_data.execution import map_chunks
from syneg_data.generation.drafts import final_rows
from syneg_data.line import Judged, Line, Written
from syneg_data.mixing.selection import Mixed
from syneg_data.references import Resolved
from syneg_data.spec import fingerprint
from syneg_data.subjects import digest_of


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, as JSON: `measures` and `details`."""

    content: str


@dataclass(frozen=True)
class Audited:
    """What the audit leaves: its part of the report, and a key that names what it was made of."""

    report: dict[str, Any] = field(default_factory=dict)
    key: str = ""


def audit(
    line: Line,
    collection: Collection,
    held_out: Mapping[str, Collection],
    written: Written,
    judged: Judged,
    mixed: Mixed,
) -> Audited:
    """Measure the finished set, unless an earlier run did, and hold it to the gates of the recipe.

    Raises:
        GateError: a figure is beyond its gate, and the recipe says `on_fail: fail`; with a line for every one.
        InputError: an evaluation file cannot be read.
    """
    recipe = line.file.recipe
    spec = recipe.audit or Audit()
    encoder, named = _encoder(line)
    texts = [collection.digest, written.key, digest_of(written), [part.digest for part in held_out.values()]]
    examples = [[e.query_id, e.positive_id, e.negative_ids, e.sources] for e in mixed.examples]
    key = fingerprint(
        "audit", __version__, detectors(), recipe.seed, spec.sample, recipe.publishing.language, texts, judged.key,
        examples, digests(spec.evaluation), named,
    )  # fmt: skip
    stage = line.workspace.stage("audit", key, Found, 1)

    def compute(_: Sequence[str]) -> list[Found]:
        subject = Subject(
            collection.with_documents(written.documents()), mixed.examples, judged.verdicts, final_rows(written.rows),
            held_out, read_evaluation(spec.evaluation), recipe.seed, spec.sample, recipe.publishing.language,
            _embed(line, encoder),
        )  # fmt: skip
        findings = examine(subject)
        content = {"measures": [asdict(measure) for measure in findings.measures], "details": findings.details}
        return [Found(json.dumps(content, allow_nan=False))]

    with line.timed("audit"):
        (found,) = map_chunks("audit", "sets", stage, ["the set"], compute, line.progress)
        line.count(stage)
        content = json.loads(found.content)
        measures = [Measure(**entry) for entry in content["measures"]]
        held = hold(measures, spec.bounds())
    refused = violations(measures, held)
    if refused and spec.on_fail == "fail" and mixed.examples:  # without examples nothing is published anyway
        raise GateError("\n".join(f"{line.file.path}: {what}" for what in [*refused, _ADVICE]))
    report = {"measures": content["measures"], "gates": held, "on_fail": spec.on_fail, "details": content["details"]}
    return Audited(report, key)


_ADVICE = (
    "audit.on_fail: fail, so nothing was published; the same command goes on from here after a change of mixing or of "
    "the gates, and on_fail: warn publishes with the figures on the card"
)


def _encoder(line: Line) -> tuple[tuple[Any, Resolved] | None, list[Any]]:
    """A bi-encoder of the recipe, a reranker rather than a miner, and what names its vectors."""
    recipe = line.file.recipe
    rerankers = recipe.validation.rerankers
    places: list[tuple[str, Any]] = [(f"validation.rerankers[{i}]", spec) for i, spec in enumerate(rerankers)]
    places += [(f"mining[{i}]", spec) for i, spec in enumerate(recipe.mining)]
    for role, spec in places:
        if spec.kind in ("bi_encoder", "dense") and (model := line.models.get(role)) is not None:
            return (spec, model), [model.digest, spec.max_length, spec.dtype, spec.prompts]
    return None, []


def _embed(line: Line, encoder: tuple[Any, Resolved] | None) -> Embed | None:
    """Texts to the vectors that the model makes of documents; most are in the store already."""
    if encoder is None:
        return None
    spec, model = encoder
    opened = BiEncoder(model, spec.max_length, spec.batch_size, spec.prompts.given(), spec.dtype)
    return lambda texts: opened.vectors(texts, "document", line.progress).read(0, len(texts))
