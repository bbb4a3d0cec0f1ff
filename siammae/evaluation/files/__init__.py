"""The layouts of the data sets that benchmarks read."""
