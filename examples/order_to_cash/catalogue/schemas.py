"""JSON Schema pieces that several tools share."""

from __future__ import annotations

from typing import Any

from examples.order_to_cash.money import AMOUNT_PATTERN, CURRENCIES

Schema = dict[str, Any]

INVOICE_ID: Schema = {"type": "string", "pattern": "^INV-[0-9]+$"}
CUSTOMER_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
DOCUMENT_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
REFERENCE: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
AMOUNT: Schema = {"type": "string", "pattern": AMOUNT_PATTERN}
CURRENCY: Schema = {"enum": list(CURRENCIES)}
SENTENCE: Schema = {"type": "string", "minLength": 1, "maxLength": 2000}
TITLE: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
EXTENSION_DAYS: Schema = {"type": "integer", "minimum": 1, "maximum": 30}
PAGE_SIZE: Schema = {"type": "integer", "minimum": 1, "maximum": 500}
CURSOR: Schema = {"type": "integer", "minimum": 0}


def arguments(**properties: Schema) -> Schema:
    """An object with exactly these properties, all required: narrow tools have no optional switches."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def result(*required: str, **properties: Schema) -> Schema:
    """An answer that at least holds these fields; a system may say more than it promised."""
    named = {name: {"type": "string"} for name in required} | properties
    return {"type": "object", "required": list(named), "properties": named}


ITEMS: Schema = {"type": "array", "items": {"type": "object"}}
