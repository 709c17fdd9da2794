"""The storages, by the place where they keep their data."""
