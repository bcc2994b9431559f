"""What benchmarks share: the console they measure, the load they put on it, and PostgreSQL's own speed beside it."""
