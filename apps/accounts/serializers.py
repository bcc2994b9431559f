"""Personal tokens as JSON."""

from rest_framework import serializers

from apps.accounts.models import PersonalToken
from apps.accounts.services import MAX_TOKEN_DAYS

DEFAULT_TOKEN_DAYS = 30


class TokenRequestSerializer(serializers.Serializer[None]):
    """A new token: what it is for and how long it holds."""

    name = serializers.CharField(max_length=120)
    days = serializers.IntegerField(min_value=1, max_value=MAX_TOKEN_DAYS, default=DEFAULT_TOKEN_DAYS)


class TokenSerializer(serializers.ModelSerializer[PersonalToken]):
    """A token without its secret."""

    class Meta:
        model = PersonalToken
        fields = ["id", "name", "created_at", "expires_at", "revoked_at"]


class NewTokenSerializer(TokenSerializer):
    """A token with its secret, told this once."""

    secret = serializers.CharField()

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "secret"]


class TokenPageSerializer(serializers.Serializer[None]):
    items = TokenSerializer(many=True)
    next = serializers.CharField(allow_null=True)
