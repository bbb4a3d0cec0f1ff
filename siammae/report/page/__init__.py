"""One page with all tables and figures, which needs no network."""
