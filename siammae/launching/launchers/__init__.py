"""Where the runs of a multirun are carried out: ``hydra/launcher=joblib|ray|slurm``."""
