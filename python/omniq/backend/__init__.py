"""The backends: all stores in one object."""
