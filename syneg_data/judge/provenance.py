"""What a retriever comes from, as its card says it: base, data set, licence, links. It decides no weight."""

from typing import Any

from pydantic import TypeAdapter

from syneg_data.errors import InputError
from syneg_data.licenses import License, Terms
from syneg_data.publishing.links import published
from syneg_data.publishing.release import Release
from syneg_data.publishing.weights_license import Origins
from syneg_data.recipe import Publishing
from syneg_data.references import Resolved
from syneg_data.training import Training


def provenance(release: Release, spec: Training, base: Resolved) -> dict[str, Any]:
    """What training.json holds beside what was trained and measured.

    Of the same weights it may be otherwise tomorrow: their data set is published, or a licence is chosen. Then it is
    written anew, without training.

    Raises:
        InputError: the licence that was chosen cannot be that of the weights, or the release's recipe is broken.
    """
    data = _data(release)
    origins = Origins(base.license, data["license"], data["source_license"], data["terms"])
    if spec.license is not None and (why := origins.against(spec.license)):
        raise InputError(f"training.license: {spec.license}: {why}, by --license or in the recipe")
    chosen = spec.license or origins.follows()
    return {
        "base_license": base.license,
        "base_model": _base_model(spec, base),
        "data": data,
        "license": None
        if chosen is None
        else {
            "id": chosen,
            "name": spec.license_name,
            "link": spec.license_link,
            "chosen": spec.license is not None,
        },
    }


def _base_model(spec: Training, base: Resolved) -> dict[str, str] | None:
    """Id and commit of a base on the Hub; a package or a folder has no page to link to."""
    if spec.base.kind != "hub":
        return None
    return {"id": spec.base.id, "revision": base.label.rpartition("@")[2]}


def _data(release: Release) -> dict[str, Any]:
    recipe = release.recipe
    with release.reading("recipe.lock.yaml"):
        said = Publishing.model_validate(recipe["publishing"])
        source = TypeAdapter[str](License).validate_python(recipe["source"]["license"])
        generation = recipe.get("generation")
        terms = TypeAdapter[str](Terms).validate_python(generation["terms"]) if generation else None
        title = said.pretty_name or str(recipe["name"])
    return {
        "title": title,
        "language": list(said.language),
        "license": said.license,
        "license_name": said.license_name,
        "license_link": said.license_link,
        "source_license": source,
        "terms": terms,
        "repo": published(release),
    }
