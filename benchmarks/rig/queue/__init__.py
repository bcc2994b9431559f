"""A queue of any size, and what working in it costs."""
