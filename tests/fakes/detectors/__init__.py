"""A library of detectors for tests: small, and it fails on demand."""
