"""Tables and runs as figures."""
