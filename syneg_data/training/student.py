"""The student: the model that training starts from, loaded as the recipe says."""

from typing import Any

from syneg_data.errors import InputError
from syneg_data.loading import SAFE, SAFE_WEIGHTS, device, limit_length, quiet_loading, refuse_missing
from syneg_data.references import Resolved
from syneg_data.training import Training


def load_model(spec: Training, base: Resolved) -> Any:  # noqa: ANN401
    """The base model, ready to be trained: prompts and length limit as the recipe says.

    Raises:
        InputError: it cannot be loaded, or is no sentence-transformers model with pooling.
    """
    if not (base.path / "modules.json").is_file():
        raise InputError(
            f"model {base.label}: has no modules.json, so nothing says how token vectors become one vector; "
            "name a sentence-transformers model (its pooling is part of it)"
        )
    with quiet_loading(base.label):
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(
            str(base.path), device=device(), model_kwargs={"dtype": "float32", **SAFE_WEIGHTS}, **SAFE
        )
        network = getattr(model[0], "model", None)  # a table of vectors has none
        if network is not None:
            refuse_missing(network, base.path)
            if len(model) == 1:
                raise ValueError("it has no pooling, so nothing says how token vectors become one vector")
    limit_length(model, spec.max_length)
    model.prompts = {**model.prompts, **prompts_of(spec)}
    return model


def prompts_of(spec: Training) -> dict[str, str]:
    """The prompts that the recipe sets, by the names that sentence-transformers gives them."""
    named = {"query": spec.query_prompt, "document": spec.document_prompt}
    return {name: prompt for name, prompt in named.items() if prompt}
