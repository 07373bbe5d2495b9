"""A finished build read back as the rows that its stages made: looked at, judged and mixed anew without a model."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from syneg_data.collection import Collection
from syneg_data.errors import InputError
from syneg_data.generation import Strategy
from syneg_data.line import Judged
from syneg_data.mixing import Mixing
from syneg_data.mixing.selection import Mixed
from syneg_data.publishing.judgements import scores_of, verdicts_of
from syneg_data.publishing.manifest import BUILD
from syneg_data.publishing.release import Release, open_release
from syneg_data.recipe import Recipe, offer_of, recorded_recipe
from syneg_data.recipe_text import part
from syneg_data.records import Example
from syneg_data.report.story import query_story
from syneg_data.rethreshold import collection_of, rejudge
from syneg_data.validation import Rule, Validation


def read_build(name: str | Path) -> "PastBuild":
    """A finished build, every file of it checked against its manifest.

    Args:
        name: a build folder, or `ID@REVISION` on the Hub.

    Raises:
        InputError: it is no build, or a file is not as its manifest says.
        UnavailableError: the Hub cannot be reached.
    """
    return PastBuild(open_release(str(name)))


class PastBuild:
    """A finished build; what it holds is read when it is asked for, and kept.

    Every property raises InputError where the tables are not as a build writes them.
    """

    def __init__(self, release: Release) -> None:
        """Args: from `open_release`; `read_build` does both."""
        self.release = release

    def __repr__(self) -> str:
        return f"PastBuild({self.release.label!r})"

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that it was built from; no path in it need be here."""
        with self.release.reading(BUILD):
            return recorded_recipe(self.release.recipe)

    @cached_property
    def report(self) -> dict[str, Any]:
        """report.json."""
        return self.release.json("report.json")

    @cached_property
    def collection(self) -> Collection:
        """The split that was built on, judged as in the source, with every text that a model wrote and a gate saw."""
        return collection_of(self.release)

    @cached_property
    def judged(self) -> Judged:
        """The gate's verdicts; of their scores only the deciding one, of which `scores` has all."""
        with self.release.reading("report.json"):
            facts, review = self.report["validation"], self.report.get("review")
        return Judged(
            verdicts_of(self.release), verdicts_of(self.release, ["restyle"]), self.release.digest,
            scores_of(self.release), facts, review,
        )  # fmt: skip

    @cached_property
    def examples(self) -> list[Example]:
        """The training examples, in the order of `n-tuple`."""
        with self.release.reading("ids"):
            return [
                Example(
                    row["query_id"], row["positive_id"], tuple(row["negative_ids"]), tuple(row["sources"]),
                    tuple(row["scores"]),
                )
                for row in self.release.table("ids").to_pylist()
            ]  # fmt: skip

    def explain(self, query_id: str) -> dict[str, Any]:
        """The whole story of a query.

        Returns:
            query_id, query, and lists of rows: positives, candidates (with text, scores, verdict and reason) and
            generations.

        Raises:
            InputError: the build has no such query.
        """
        return query_story(self.release, query_id)

    def rejudge(
        self,
        *,
        rule: Rule | None = None,
        agree: Literal["joint", "any", "all", "mean"] | None = None,
        ambiguous: Literal["drop", "keep", "llm"] | None = None,
        false_negative: Literal["drop", "relabel"] | None = None,
    ) -> Judged:
        """The verdicts of another gate, from the scores of this build.

        Args:
            rule: what counts as a false negative, such as `Relative(margin=0.1)`.
            agree: whose word makes one.
            ambiguous: what becomes of candidates in the rule's band of doubt.
            false_negative: what becomes of false negatives. What is None stays as it was.

        Raises:
            InputError: the gate does not fit together, or needs scores that the build lacks.
        """
        given = {"agree": agree, "ambiguous": ambiguous, "false_negative": false_negative}
        changes: dict[str, Any] = {
            name: part(name, value, Validation.model_fields[name].annotation)
            for name, value in given.items()
            if value is not None
        }
        if rule is not None:
            changes["rule"] = rule.model_dump(mode="json")
        return rejudge(self.release, changes)[1]

    def mix(self, spec: Mixing | None = None, judged: Judged | None = None) -> Mixed:
        """The examples of another mixing, of what the gate kept.

        Args:
            spec: such as `MinedOnly(mined=2)`; None: the recipe's.
            judged: from `rejudge`; None: the verdicts of the build.

        Raises:
            InputError: `spec` does not fit the recipe.
            GateError: a pair gets too few negatives, and `spec` says to fail over that.
        """
        if spec is not None:
            offer = replace(offer_of(self.recipe), one_scale=_one_scale((judged or self.judged).facts))
            problems = [f"mixing.{'.'.join(map(str, loc))}: {what}" for loc, what in spec.problems(offer)]
            if problems:
                raise InputError("\n".join(problems))
        strategies: tuple[Strategy, ...] = self.recipe.generation.strategies if self.recipe.generation else ()
        with self.release.reading("candidates"):
            material = (judged or self.judged).material(self.collection, strategies, self.recipe.seed)
        return (spec or self.recipe.mixing).mix(material)


def _one_scale(facts: Mapping[str, Any]) -> bool:
    """Whether relevance is on one scale, by what a gate says of itself."""
    bars = [row["bar"]["rule"] for row in facts.get("rerankers", ())]
    return len(bars) < 2 or facts["agree"] in ("joint", "mean") or set(bars) == {"calibrated"}
