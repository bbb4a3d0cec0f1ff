"""What measuring needs beside the benchmarks: their base classes, metrics, results and probes."""
