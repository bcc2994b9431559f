"""The embedded default: what `./console` runs. Imports the standard library alone."""
