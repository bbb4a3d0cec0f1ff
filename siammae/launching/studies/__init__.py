"""Optuna studies: how runs are drawn, shared between workers, pruned and counted.

Modules import optuna where they use it: it takes a second that a single run need not wait.
"""
