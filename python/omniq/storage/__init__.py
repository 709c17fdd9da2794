"""The storages, by what they keep their data on."""
