"""Meshes that use the console the way any outside program would: over HTTP, importing nothing of it."""
