"""How agents prove who they are, in the words of OpenAPI. Imported when the app is ready."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class AgentToken(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.registry.authentication.AgentTokenAuthentication"
    name = "agentToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """RFC 6749 §4.4: the client credentials of the agent, for fifteen minutes each."""
        return {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}}}
