"""Honest replies of the scripted server: whatever JSON schema a request carries, a value that keeps to it."""

import random
import re
from collections.abc import Mapping
from typing import Any

# Common words; 25 to 40 of them, drawn at random, make a text that repeats nothing and means nothing.
_WORDS = re.findall(
    r"\w+",
    """
    about above across after again against along among animal answer area around autumn balance bank because
    before began behind being below better between bird book both bridge bright bring brother brown build call
    carry center change city clear close cloud coast cold color common corner country course cover cross dark
    deep depth different distance door draw drive early earth east edge energy engine enough even evening
    every family farm field figure final fine fire first floor flow follow food force forest form found front
    full garden general glass gold grain grass great green ground group grow half harbor heat heavy high
    history home horse hour house idea inside island join keep kind lake land large late lead leaf learn level
    light line little local long lower machine main major map market material matter measure metal middle
    minute month moon morning mountain move music narrow nature near north number ocean often open order other
    over paper part path pattern people period place plain plant point pond power press quick quiet rain range
    rather reach rest result rise river road rock room round salt sand scale season second seed shape ship
    shore short side signal silver simple slow small snow soil sound south space spring square stand star
    stone storm story street strong summer surface table tall time tower town trade train travel tree turn
    under unit upper valley value village voice walk wall warm water wave weather west wheel white wide wind
    window winter wood world yellow
    """,
)


def honest_value(body: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """The value of an honest reply, before it becomes text."""
    chance = random.Random(f"{body.get('seed')} {body.get('messages')}")
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return _text(chance) if schema is None else _value(schema, schema, chance)


def _value(schema: Mapping[str, Any], root: Mapping[str, Any], chance: random.Random) -> Any:  # noqa: ANN401
    """A value of a JSON schema as pydantic writes them (objects, arrays, enums, numbers, unions, references)."""
    if "$ref" in schema:
        found: Any = root
        for key in schema["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        return _value(found, root, chance)
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return _value(schema[union][0], root, chance)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return chance.choice(schema["enum"])
    match schema.get("type"):
        case "object":
            return {name: _value(part, root, chance) for name, part in schema.get("properties", {}).items()}
        case "array":
            parts = [*schema.get("prefixItems", ())]
            rest = max(schema.get("minItems", 0) - len(parts), 0)
            return [_value(part, root, chance) for part in [*parts, *[schema.get("items", {})] * rest]]
        case "integer" | "number" as kind:
            low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema))
            high = schema.get("maximum", low + 10)
            return chance.randint(low, high) if kind == "integer" else round(chance.uniform(low, high), 3)
        case "boolean":
            return chance.random() < 0.5
        case "null":
            return None
    return _text(chance)[: schema.get("maxLength")]


def _text(chance: random.Random) -> str:
    """25 to 40 words in sentences."""
    words = chance.choices(_WORDS, k=chance.randint(25, 40))
    sentences = (words[at : at + 9] for at in range(0, len(words), 9))
    return " ".join(f"{' '.join(sentence).capitalize()}." for sentence in sentences)
