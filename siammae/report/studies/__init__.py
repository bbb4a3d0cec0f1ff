"""Reports of Optuna studies."""
