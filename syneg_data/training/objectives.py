"""Objectives: what training minimises. Each is a Spec that makes the loss; torch is loaded by then."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from syneg_data.references import Model
from syneg_data.spec import RUNTIME, Spec

_TEMPERATURE = "by which cosines are divided before the softmax"


class _Objective(Spec):
    """What most objectives have in common: no second model, no stored scores, negatives from the batch."""

    needs_scores: ClassVar[bool] = False

    def guide_reference(self) -> Model | None:
        """The second model that the objective needs."""
        return None

    def least_negatives(self) -> int:
        """Hard negatives that an example must have."""
        return 0


class Ranking(_Objective):
    """Multiple negatives ranking: the positive against the hard negatives, and against the batch's other documents."""

    kind: Literal["ranking"] = "ranking"
    temperature: float = Field(default=0.05, gt=0, description=_TEMPERATURE)
    in_batch: bool = Field(default=True, description="whether the other examples' documents are negatives too")

    def least_negatives(self) -> int:
        """One without the batch's, else none."""
        return 0 if self.in_batch else 1

    def loss(self, model: Any, guide: Any, devices: int) -> Any:  # noqa: ANN401
        """The loss over columns query, positive, negative_1 .. negative_n."""
        if not self.in_batch:
            return own_negatives_loss(model, self.temperature)
        from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

        return MultipleNegativesRankingLoss(model, scale=1 / self.temperature, gather_across_devices=devices > 1)


class CachedRanking(_Objective):
    """The same for batches larger than memory: gradients are cached (Gao et al. 2021, arXiv 2101.06983)."""

    kind: Literal["cached_ranking"] = "cached_ranking"
    temperature: float = Field(default=0.05, gt=0, description=_TEMPERATURE)
    mini_batch: Annotated[int, RUNTIME] = Field(default=32, ge=1, description="texts that go through the model at once")

    def loss(self, model: Any, guide: Any, devices: int) -> Any:  # noqa: ANN401
        """The loss over columns query, positive, negative_1 .. negative_n."""
        from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

        return CachedMultipleNegativesRankingLoss(
            model, scale=1 / self.temperature, mini_batch_size=self.mini_batch, gather_across_devices=devices > 1
        )


class Guided(_Objective):
    """Ranking in which a guide masks false negatives of the batch (GISTEmbed, Solatorio 2024, arXiv 2402.16829)."""

    kind: Literal["guided"] = "guided"
    guide: Model = Field(description="the bi-encoder that tells false negatives")
    temperature: float = Field(default=0.05, gt=0, description=_TEMPERATURE)
    margin: float = Field(
        default=0.0, ge=0, lt=1, description="a document is masked above the positive's similarity less this"
    )
    margin_kind: Literal["absolute", "relative"] = Field(default="absolute", description="how the margin is taken off")
    mini_batch: Annotated[int, RUNTIME] = Field(default=32, ge=1, description="texts that go through the model at once")

    def guide_reference(self) -> Model | None:
        """The guide."""
        return self.guide

    def loss(self, model: Any, guide: Any, devices: int) -> Any:  # noqa: ANN401
        """The loss over columns query, positive, negative_1 .. negative_n."""
        # The cached form: the plain one takes a single negative.
        from sentence_transformers.sentence_transformer.losses import CachedGISTEmbedLoss

        return CachedGISTEmbedLoss(
            model, guide, temperature=self.temperature, margin_strategy=self.margin_kind, margin=self.margin,
            mini_batch_size=self.mini_batch, gather_across_devices=devices > 1,
        )  # fmt: skip


class Distillation(_Objective):
    """The reranker's stored relevance of positive and negatives as the target (KL divergence over each example)."""

    kind: Literal["distillation"] = "distillation"
    temperature: float = Field(default=0.05, gt=0, description="by which the student's cosines are divided")
    teacher_temperature: float = Field(default=0.05, gt=0, description="by which the stored relevances are divided")

    needs_scores: ClassVar[bool] = True

    def least_negatives(self) -> int:
        """One: over a single document the divergence is zero."""
        return 1

    def loss(self, model: Any, guide: Any, devices: int) -> Any:  # noqa: ANN401
        """The loss over columns query, positive, negative_1 .. negative_n, and scores of all but the query."""
        from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss
        from sentence_transformers.util import pairwise_cos_sim

        return DistillKLDivLoss(
            model, similarity_fct=pairwise_cos_sim, student_temperature=self.temperature,
            teacher_temperature=self.teacher_temperature,
        )  # fmt: skip


def own_negatives_loss(model: Any, temperature: float) -> Any:  # noqa: ANN401
    """InfoNCE of each query over its own positive and its own hard negatives, without the rest of the batch.

    Sentence Transformers has no loss for this: its ranking losses always use the batch.
    """
    import torch

    class OwnNegatives(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: Any, labels: Any) -> torch.Tensor:  # noqa: ANN401
            query, *documents = (
                torch.nn.functional.normalize(self.model(column)["sentence_embedding"], dim=-1) for column in features
            )
            scores = torch.stack([(query * document).sum(dim=-1) for document in documents], dim=1) / temperature
            first = torch.zeros(len(scores), dtype=torch.long, device=scores.device)  # the positive
            return torch.nn.functional.cross_entropy(scores, first)

    return OwnNegatives()
