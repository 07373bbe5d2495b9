"""The line at work: what its stages share, and what they leave to each other."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from syneg_data.collection import Collection, Document
from syneg_data.engines.replies import StoredEngine
from syneg_data.execution import Progress, Silence
from syneg_data.generation import Strategy
from syneg_data.generation.attributes import Proposal
from syneg_data.generation.drafts import final_rows
from syneg_data.generation.strategies.graded import grades_of
from syneg_data.generation.strategies.restyle import first_versions
from syneg_data.mixing.selection import Material
from syneg_data.recipe import RecipeFile
from syneg_data.records import Candidate, Generation, Scored, Twin, Verdict
from syneg_data.references import Resolved
from syneg_data.validation.gate import fate_of
from syneg_data.workspace import Chunks, Keeper, Nowhere, Workspace


@dataclass(kw_only=True)
class Work:
    """A stage at work: where its chunks are kept, its models by role, and the time and chunks that it took.

    As it stands nothing is kept, which is how stages run on plain objects; `Line` is the work of a recipe.
    """

    workspace: Keeper = field(default_factory=Nowhere)
    progress: Progress = field(default_factory=Silence)
    models: dict[str, Resolved] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    engine: StoredEngine | None = None
    computed: int = 0
    resumed: int = 0
    judged: int = 0

    def at(self, section: str) -> str:
        """How an error names a section."""
        return section

    def count(self, stage: Chunks[Any]) -> None:
        """Add a stage's chunks to those computed and those that an earlier run left."""
        self.computed += stage.computed
        self.resumed += stage.reused

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note how long the body takes."""
        started = time.monotonic()
        yield
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.monotonic() - started, 3)


@dataclass(kw_only=True)
class Line(Work):
    """The recipe at work, its chunks committed to a workspace."""

    file: RecipeFile
    workspace: Workspace

    def at(self, section: str) -> str:
        """The section with the file it stands in."""
        return f"{self.file.path}: {section}"


@dataclass(frozen=True)
class Mined:
    """What mining leaves.

    Attributes:
        candidates: of all queries, refused ones included.
        twins: the documents that are none of their own.
        key: names everything that decided them.
    """

    candidates: list[Candidate] = field(default_factory=list)
    twins: list[Twin] = field(default_factory=list)
    key: str = ""


@dataclass(frozen=True)
class Written:
    """What generation leaves: a row per request, the critic's exam, and what was proposed for `auto` axes."""

    rows: list[Generation] = field(default_factory=list)
    key: str = ""
    exam: dict[str, Any] | None = None
    proposals: tuple[Proposal, ...] = ()

    def documents(self) -> list[Document]:
        """The synthetic documents."""
        return [Document(row.doc_id, row.text) for row in final_rows(self.rows) if row.state == "ok"]

    def __repr__(self) -> str:
        return f"Written({len(self.rows)} requests, {len(self.documents())} documents)"


@dataclass(frozen=True)
class Judged:
    """What validation leaves.

    Attributes:
        verdicts: of every candidate.
        restyled: of every written positive.
        key: names everything that decided them.
        scores: what every reranker said of every document it was asked about.
        facts: what the report says of rerankers and rules.
        review: the second opinion, as the report has it; None without one.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    restyled: list[Verdict] = field(default_factory=list)
    key: str = ""
    scores: list[Scored] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)
    review: Mapping[str, Any] | None = None

    def kept(self) -> list[Verdict]:
        """The candidates that may become negatives."""
        return [verdict for verdict in self.verdicts if verdict.verdict == "keep"]

    def relabelled(self) -> list[Verdict]:
        """The candidates that are positives from now on."""
        return [verdict for verdict in self.verdicts if verdict.reason == "relabelled"]

    def counts(self) -> dict[str, int]:
        """Verdict -> candidates, by name; a false negative that is a positive now counts as `relabelled`."""
        return dict(sorted(Counter(map(fate_of, self.verdicts)).items()))

    def material(self, collection: Collection, strategies: Sequence[Strategy], seed: int) -> Material:
        """What mixing chooses from.

        Args:
            collection: queries and judgements, as the source has them.
            strategies: of the recipe; they say which written positives are another one in other words.
            seed: of the recipe.
        """
        judgements = collection.with_positives((v.query_id, v.doc_id) for v in self.relabelled())
        restyled = first_versions(self.restyled, strategies)
        return Material(judgements, self.kept(), restyled, seed, grades_of(strategies))

    def __repr__(self) -> str:
        return f"Judged({', '.join(f'{count} {name}' for name, count in self.counts().items()) or 'nothing'})"
