"""Spec: the frozen, closed base of everything a recipe can say, and its fingerprint."""

import hashlib
import json
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError


class _Runtime:
    """Marks a field that can change speed or place but never the rows."""

    def __repr__(self) -> str:
        return "RUNTIME"


RUNTIME = _Runtime()


class Spec(BaseModel):
    """A part of a recipe: immutable, without unknown keys, without silent type conversion; a list becomes a tuple.

    Where one is made in Python its `kind` may be left out, since the class says it.

    Raises:
        pydantic.ValidationError: a value does not fit; it is a ValueError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _written(cls, data: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
        """Only in a recipe is there a context: there the kind has to be said, even where it could be no other."""
        if not isinstance(data, dict):
            return data
        if info.context is not None and "kind" in cls.model_fields and "kind" not in data:
            raise PydanticCustomError("no_kind", "has no `kind`; add one")
        return {key: frozen(value) for key, value in data.items()}


def frozen(value: Any) -> Any:  # noqa: ANN401
    """Lists as tuples, which is what frozen specs hold."""
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value


def canonical(value: Any) -> Any:  # noqa: ANN401
    """`value` as plain JSON types, without the fields that are marked RUNTIME."""
    if isinstance(value, Spec):
        return {
            name: _ordered(getattr(value, name))
            for name, field in type(value).model_fields.items()
            if not any(isinstance(mark, _Runtime) for mark in field.metadata)
        }
    if isinstance(value, dict):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} cannot be part of a fingerprint")


def _ordered(value: Any) -> Any:  # noqa: ANN401
    """A spec's value; the order of a mapping that the user wrote counts, since it may decide rows."""
    return [[key, canonical(item)] for key, item in value.items()] if isinstance(value, dict) else canonical(value)


def fingerprint(*values: Any) -> str:  # noqa: ANN401
    """Hex sha256 of the canonical JSON of `values`; equal across processes and machines."""
    text = json.dumps(canonical(values), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def seed_of(*values: Any) -> int:  # noqa: ANN401
    """A seed below 2**63 that depends on nothing but `values`."""
    return int(fingerprint(*values)[:16], 16) >> 1


def kind_of(spec: type[Spec]) -> str | None:
    """The `kind` that names a Spec in its union; None for a plain section."""
    field = spec.model_fields.get("kind")
    return None if field is None else str(get_args(field.annotation)[0])


def members(annotation: Any) -> tuple[type[Spec], ...]:  # noqa: ANN401
    """The Spec classes behind an annotation: a class, a (discriminated) union, an optional, or a tuple of them."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return (annotation,)
    origin = get_origin(annotation)
    if origin is Annotated:
        return members(get_args(annotation)[0])
    if origin is tuple:
        return members(get_args(annotation)[0])
    if origin is Union or str(origin) == "<class 'types.UnionType'>":
        return tuple(member for part in get_args(annotation) for member in members(part))
    return ()
