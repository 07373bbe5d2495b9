"""The line at work: what its stages share, and what they leave to each other."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from syneg_data.collection import Document
from syneg_data.engines.replies import StoredEngine
from syneg_data.execution import Progress
from syneg_data.generation.attributes import Proposal
from syneg_data.generation.drafts import final_rows
from syneg_data.recipe import RecipeFile
from syneg_data.records import Generation, Scored, Verdict
from syneg_data.references import Resolved
from syneg_data.workspace import Stage, Workspace


@dataclass
class Line:
    """The recipe at work: its models by role, the workspace, and the time each stage took."""

    file: RecipeFile
    workspace: Workspace
    progress: Progress
    models: dict[str, Resolved] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    engine: StoredEngine | None = None
    computed: int = 0
    resumed: int = 0
    judged: int = 0

    def count(self, stage: Stage[Any]) -> None:
        """Add a stage's chunks to those computed and those that an earlier run left."""
        self.computed += stage.computed
        self.resumed += stage.reused

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note how long the body takes."""
        started = time.monotonic()
        yield
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.monotonic() - started, 3)


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
