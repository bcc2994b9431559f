"""The agents of the mesh. Each is a program with its own credentials; all they do goes through the console."""
