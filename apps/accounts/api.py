"""A person's own tokens."""

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import services
from apps.accounts.queries import tokens_of
from apps.accounts.requests import actor_of, person_of
from apps.accounts.serializers import NewTokenSerializer, TokenPageSerializer, TokenRequestSerializer, TokenSerializer
from apps.core.errors import NotFound
from apps.core.paging import page_of, page_size

PAGING = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]


class TokensView(APIView):
    @extend_schema(operation_id="tokens_list", parameters=PAGING, responses=TokenPageSerializer)
    def get(self, request: Request) -> Response:
        """The tokens of the person who asks, newest first, without their secrets."""
        person_of(request)
        query = request.query_params
        page = page_of(tokens_of(actor_of(request)), cursor=query.get("cursor"), size=page_size(query.get("limit")))
        return Response({"items": TokenSerializer(page.items, many=True).data, "next": page.next})

    @extend_schema(operation_id="tokens_make", request=TokenRequestSerializer, responses={201: NewTokenSerializer})
    def post(self, request: Request) -> Response:
        """Make a token in a signed-in session. Its secret is in this answer and never again."""
        body = TokenRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        token, secret = services.make_token(user=person_of(request), actor=actor_of(request), **body.validated_data)
        return Response({**TokenSerializer(token).data, "secret": secret}, status=201)


class TokenView(APIView):
    @extend_schema(operation_id="tokens_revoke", responses={204: None})
    def delete(self, request: Request, token_id: UUID) -> Response:
        """Revoke a token of one's own, in a signed-in session. It ends at once."""
        person_of(request)
        token = tokens_of(actor_of(request)).select_related("user").filter(pk=token_id).first()
        if token is None:
            raise NotFound("token.not_found")
        services.revoke_token(token=token, actor=actor_of(request))
        return Response(status=204)
