"""The acts on the registry, by noun. What is already as it should be is left alone, without a line in the log."""

from apps.registry.services.agents import register_agent
from apps.registry.services.connectors import Endpoint, register_connector
from apps.registry.services.credentials import make_credential, revoke_credential, sign_in_agent
from apps.registry.services.data_classes import end_data_class_rule, set_data_class_rule
from apps.registry.services.grants import give_grant, revoke_grant
from apps.registry.services.processes import register_process
from apps.registry.services.roles import assign_role, withdraw_role
from apps.registry.services.tools import register_tool, register_tools

__all__ = [
    "Endpoint",
    "assign_role",
    "end_data_class_rule",
    "give_grant",
    "make_credential",
    "register_agent",
    "register_connector",
    "register_process",
    "register_tool",
    "register_tools",
    "revoke_credential",
    "revoke_grant",
    "set_data_class_rule",
    "sign_in_agent",
    "withdraw_role",
]
