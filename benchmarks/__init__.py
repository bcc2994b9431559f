"""The figures the product is held to. Each program here starts what it measures: `./console bench [name]`."""
