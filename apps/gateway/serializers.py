"""The shape of what agents send. Meaning is the services' business."""

from typing import Any

from rest_framework import serializers

from apps.core.tracing import TraceContext
from apps.gateway.requests import CallRequest

KEY_PATTERN = r"^[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?$"


# Of the keys under which the mesh itself asks for what undoes a call.
OWN_PREFIX = "compensates/"


def holds_nul(document: Any) -> bool:
    """Whether any text in the document, or any name, holds the null character, which PostgreSQL's text cannot."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and "\x00" in value:
            return True
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
    return False


class EvidenceSerializer(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=200)
    uri = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    sha256 = serializers.RegexField(r"^[0-9a-f]{64}$", required=False)


class ArgumentsField(serializers.JSONField):
    """A JSON object."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Must be a JSON object.")
        if holds_nul(data):
            raise serializers.ValidationError("Holds the null character, which no text has.")
        return data


class RevisionSerializer(serializers.Serializer[Any]):
    """Other arguments, and what is said anew about them."""

    arguments = ArgumentsField()
    rationale = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, max_length=20_000, trim_whitespace=False
    )
    confidence = serializers.FloatField(required=False, allow_null=True, min_value=0, max_value=1)
    evidence = EvidenceSerializer(many=True, required=False, max_length=50)  # type: ignore[call-arg]  # many=True takes it

    def answer(self) -> dict[str, Any]:
        """As the service takes it."""
        data = self.validated_data
        evidence = data.get("evidence")
        return {
            "arguments": data["arguments"],
            "rationale": data.get("rationale"),
            "confidence": data.get("confidence"),
            "evidence": None if evidence is None else tuple(dict(item) for item in evidence),
        }


class EditSerializer(serializers.Serializer[Any]):
    """What a person changed, bound to what they were shown."""

    digest = serializers.RegexField(r"^[0-9a-f]{64}$")
    arguments = ArgumentsField()
    comment = serializers.CharField(max_length=4000, required=False, allow_blank=True, allow_null=True)
    dwell_seconds = serializers.FloatField(required=False, allow_null=True, min_value=0)


class AuthorizeSerializer(serializers.Serializer[Any]):
    """What a decision needs."""

    tool = serializers.CharField(max_length=120)
    arguments = ArgumentsField(default=dict)
    run_id = serializers.UUIDField(required=False, allow_null=True)
    rationale = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, max_length=20_000, trim_whitespace=False
    )
    confidence = serializers.FloatField(required=False, allow_null=True, min_value=0, max_value=1)
    evidence = EvidenceSerializer(many=True, required=False, max_length=50)  # type: ignore[call-arg]  # many=True takes it
    on_behalf_of = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=150)
    region = serializers.CharField(required=False, allow_null=True, max_length=60)
    customer_tier = serializers.CharField(required=False, allow_null=True, max_length=60)
    idempotency_key = serializers.RegexField(KEY_PATTERN, required=False, allow_null=True, max_length=200)
    dry_run = serializers.BooleanField(default=False)


class ToolCallSerializer(AuthorizeSerializer):
    """A call needs a key."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs.get("idempotency_key") or "").startswith(OWN_PREFIX):
            raise serializers.ValidationError({"idempotency_key": "Keys that begin like this one are the mesh's own."})
        if not attrs.get("idempotency_key") and not attrs["dry_run"]:
            raise serializers.ValidationError({"idempotency_key": "Every call needs an idempotency key."})
        return attrs


# One of each for all requests and threads: to make a serializer is to copy every field it has, which takes longer than
# to check what they hold, and checking leaves nothing behind on it.
_AUTHORIZE, _TOOL_CALL = AuthorizeSerializer(), ToolCallSerializer()


def read_question(data: Any) -> CallRequest:
    """What a decision is asked about. Raises ValidationError."""
    return _call_request(_AUTHORIZE.run_validation(data))


def read_tool_call(data: Any, *, key_header: str | None, trace: TraceContext | None = None) -> tuple[CallRequest, bool]:
    """(the call that is asked for, whether it is a dry run). Its key is in the body or in the `Idempotency-Key` header;
    where both are given they must agree. Raises ValidationError.
    """
    if key_header and isinstance(data, dict):
        if data.get("idempotency_key") not in (None, key_header):
            raise serializers.ValidationError({"idempotency_key": "The header and the body name different keys."})
        data = {**data, "idempotency_key": key_header}
    asked = _TOOL_CALL.run_validation(data)
    return _call_request(asked, trace), asked["dry_run"]


def _call_request(asked: dict[str, Any], trace: TraceContext | None = None) -> CallRequest:
    return CallRequest(
        tool=asked["tool"],
        arguments=asked["arguments"],
        idempotency_key=asked.get("idempotency_key") or "",
        run_id=asked.get("run_id"),
        rationale=asked.get("rationale") or "",
        confidence=asked.get("confidence"),
        evidence=tuple(dict(item) for item in asked.get("evidence") or ()),
        on_behalf_of=asked.get("on_behalf_of") or "",
        region=asked.get("region"),
        customer_tier=asked.get("customer_tier"),
        trace=trace,
    )
