"""What the console is told about this mesh: people, tools, agents, grants, policies. `bootstrap` puts it together."""
