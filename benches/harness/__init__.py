"""The driver of the benchmark; `benches/run.py` is its command."""
