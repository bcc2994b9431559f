"""The shape of what gateways outside send. Meaning is the services' business."""

import re
from typing import Any

from rest_framework import serializers

from apps.approvals.models import Risk
from apps.approvals.requests import StageRequest
from apps.external.requests import ExternalAsk
from apps.gateway.serializers import KEY_PATTERN, EvidenceSerializer
from apps.policies.obligations import DEFAULT_EXPIRES_SECONDS, MAX_QUORUM

SHA256_PATTERN = r"^[0-9a-f]{64}$"
LEAST_EXPIRES_SECONDS = 60
MOST_EXPIRES_SECONDS = 30 * 24 * 60 * 60
MAX_STAGES = 5
MAX_FACTS = 50
MAX_POLICIES = 20
# Control characters, and those that turn the direction of text: with them a line can read other than it is.
DECEPTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Line(serializers.CharField):
    """One line of text that people will read and votes are bound to: taken exactly as it is sent, or not at all."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Must be a string.")
        if data != data.strip():
            raise serializers.ValidationError("Starts or ends with a blank.")
        if DECEPTIVE.search(data):
            raise serializers.ValidationError("Holds a control character.")
        return data


class FactSerializer(serializers.ListField):
    """[label, value]"""

    child = Line(max_length=2000)


class MoneySerializer(serializers.Serializer[Any]):
    amount = Line(max_length=40)
    currency = Line(max_length=3)


class StageSerializer(serializers.Serializer[Any]):
    team = Line(max_length=50)
    quorum = serializers.IntegerField(min_value=1, max_value=MAX_QUORUM, default=1)


class PolicySerializer(serializers.Serializer[Any]):
    id = Line(max_length=120)
    version = Line(max_length=40)
    says = Line(max_length=300)


class ExternalAskSerializer(serializers.Serializer[Any]):
    """The key may come in the body or in the `Idempotency-Key` header; where both are given they must agree."""

    idempotency_key = serializers.RegexField(KEY_PATTERN, max_length=200)
    sentence = Line(max_length=300)
    system = Line(max_length=80)
    action = Line(max_length=80)
    payload_sha256 = serializers.RegexField(SHA256_PATTERN)
    stages = StageSerializer(many=True, min_length=1, max_length=MAX_STAGES)  # type: ignore[call-arg]  # many=True takes them
    expires_in_seconds = serializers.IntegerField(
        min_value=LEAST_EXPIRES_SECONDS, max_value=MOST_EXPIRES_SECONDS, default=DEFAULT_EXPIRES_SECONDS
    )
    # nothing said is the careful side
    risk = serializers.ChoiceField(choices=Risk.values, default=Risk.HIGH)
    reversible = serializers.BooleanField(default=False)
    facts = serializers.ListField(
        child=FactSerializer(min_length=2, max_length=2), required=False, max_length=MAX_FACTS
    )
    money = MoneySerializer(required=False, allow_null=True)
    policy = PolicySerializer(many=True, required=False, max_length=MAX_POLICIES)  # type: ignore[call-arg]
    evidence = EvidenceSerializer(many=True, required=False, max_length=50)  # type: ignore[call-arg]
    rationale = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, max_length=20_000, trim_whitespace=False
    )
    confidence = serializers.FloatField(required=False, allow_null=True, min_value=0, max_value=1)
    on_behalf_of = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=150)
    callback_url = Line(required=False, allow_blank=True, allow_null=True, max_length=500)

    def to_internal_value(self, data: Any) -> Any:
        header = self.context.get("idempotency_key")
        if header and isinstance(data, dict):
            if data.get("idempotency_key") not in (None, header):
                raise serializers.ValidationError({"idempotency_key": "The header and the body name different keys."})
            data = {**data, "idempotency_key": header}
        return super().to_internal_value(data)

    def validate_stages(self, stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len({stage["team"] for stage in stages}) < len(stages):
            raise serializers.ValidationError("Names a team twice; one person has one vote, so ask that team once.")
        return stages

    def validate_facts(self, facts: list[list[str]]) -> list[list[str]]:
        if len({label for label, _ in facts}) < len(facts):
            raise serializers.ValidationError("Uses a label twice.")
        return facts

    def ask(self) -> ExternalAsk:
        data = self.validated_data
        money = data.get("money")
        return ExternalAsk(
            idempotency_key=data["idempotency_key"],
            sentence=data["sentence"],
            system=data["system"],
            action=data["action"],
            payload_sha256=data["payload_sha256"],
            stages=tuple(StageRequest(team=stage["team"], quorum=stage["quorum"]) for stage in data["stages"]),
            expires_seconds=data["expires_in_seconds"],
            risk=str(data["risk"]),
            is_reversible=data["reversible"],
            facts=tuple((label, value) for label, value in data.get("facts") or ()),
            money=(money["amount"], money["currency"]) if money else None,
            policies=tuple(dict(policy) for policy in data.get("policy") or ()),
            evidence=tuple(dict(item) for item in data.get("evidence") or ()),
            rationale=data.get("rationale") or "",
            confidence=data.get("confidence"),
            on_behalf_of=data.get("on_behalf_of") or "",
            callback_url=data.get("callback_url") or "",
        )


class ClaimSerializer(serializers.Serializer[Any]):
    """The digest of what is about to be carried out."""

    payload_sha256 = serializers.RegexField(SHA256_PATTERN)


class WaitSerializer(serializers.Serializer[Any]):
    """Whole seconds; more than the longest wait is the longest wait."""

    wait = serializers.IntegerField(min_value=0, default=0)
