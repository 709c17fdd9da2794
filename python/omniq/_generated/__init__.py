"""The blocking twins of the async interfaces, written by `python/twins.py`. Do not edit them by hand."""
