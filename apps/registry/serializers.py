"""Agents and tools as JSON."""

from typing import Any

from rest_framework import serializers

from apps.registry.models import Agent


class AgentSerializer(serializers.ModelSerializer[Agent]):
    """An agent; its process and teams by slug."""

    process = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    owner_team = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    built_by = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)

    class Meta:
        model = Agent
        fields = ["id", "slug", "name", "process", "environment", "owner_team", "built_by"]


class AgentPageSerializer(serializers.Serializer[None]):
    items = AgentSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class MoneyFieldsSerializer(serializers.Serializer[None]):
    """JSON Pointers into the arguments."""

    amount = serializers.CharField()
    currency = serializers.CharField()


class EntityFieldSerializer(serializers.Serializer[None]):
    """The kind of record a call is about, and the JSON Pointer of its id in the arguments."""

    type = serializers.CharField()
    id = serializers.CharField()


class ToolSerializer(serializers.Serializer[Any]):
    """A tool as its callers see it: what it does and takes, not how it reaches the system behind it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    connector = serializers.CharField()
    version = serializers.IntegerField()
    title = serializers.CharField()
    says = serializers.CharField()
    effect = serializers.CharField()
    reversible = serializers.BooleanField()
    idempotent = serializers.BooleanField()
    data_classes = serializers.ListField(child=serializers.CharField())
    money = MoneyFieldsSerializer(allow_null=True)
    entity = EntityFieldSerializer(allow_null=True)
    input_schema = serializers.JSONField()
    output_schema = serializers.JSONField(allow_null=True)


class ToolPageSerializer(serializers.Serializer[None]):
    items = ToolSerializer(many=True)
    next = serializers.CharField(allow_null=True)
