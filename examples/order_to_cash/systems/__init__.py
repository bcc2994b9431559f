"""The business systems the mesh acts on: three small HTTP services, each with its own database."""
