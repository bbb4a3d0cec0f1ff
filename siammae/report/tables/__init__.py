"""Tables of runs: which runs make which table, their statistics, and how a table is written."""
