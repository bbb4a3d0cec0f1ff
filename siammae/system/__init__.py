"""Errors, signals, processes, files and locks: what every other room stands on."""
