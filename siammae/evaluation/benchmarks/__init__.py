"""The benchmarks, a file each; what they are made of is in `siammae.evaluation.measuring`."""
