"""How commands start, and where the runs of a multirun are carried out."""
